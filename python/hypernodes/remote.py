# SPDX-License-Identifier: MIT
"""Rows of a run or map that other processes run.

An engine makes a RemoteJob, has `run_rows` called with its parts in processes of its choice, and
gives the job what they return. Nodes, bound inputs and inner pipelines go there; callbacks and
engines stay here: events come back in order and are told when their part is done. A cache goes as
its description, such as a DiskCache's path.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _core, _places, _travel, _warnings
from .exceptions import UncachedWarning
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["NotCarried", "RemoteJob", "Shared", "run_rows"]


@dataclass(frozen=True)
class Shared:
    """What all parts of a job share, pickled."""

    token: str
    data: bytes


@dataclass(frozen=True)
class NotCarried:
    """Stands in an event for a value that cannot be pickled."""

    text: str

    def __repr__(self) -> str:
        """What the value looked like."""
        return self.text


@dataclass(frozen=True)
class _Constant:
    """Stands in an event for an input that all rows share: it is where it came from."""

    name: str


@dataclass
class _Job:
    """How to run rows of a pipeline.

    Attributes:
        places: Where the directories of the caches are, as `_places_of` tells.
        apart: The caches whose directories are not here, as text.
    """

    pipeline: Pipeline
    constants: dict[str, Any]
    output_names: list[str]
    overridden: list[str]
    is_map: bool
    cache: Any
    listened: bool
    collects: bool
    places: list[_places.Place | None]
    apart: str = ""


@dataclass(frozen=True)
class _Done:
    """What became of a part: the arguments of `_core.RemoteRows.add`, but for exceptions.

    Each of those is once in `errors`; where it belongs there is its place. `apart` is the machine
    and its caches, if their directories are not there.
    """

    first: int
    count: int
    outputs: list[list[Any]] | None
    statistics: _core.Statistics
    events: list[tuple[Any, ...]]
    failure: tuple[Any, ...] | None
    collected: list[tuple[Any, ...]]
    errors: list[_travel.Raised]
    apart: tuple[str, str] | None


def _inner(pipeline: Pipeline) -> list[Pipeline]:
    return [each.pipeline for each in _travel.nodes(pipeline) if isinstance(each, PipelineNode)]


def _places_of(cache: Any, pipeline: Pipeline) -> list[_places.Place | None]:  # noqa: ANN401
    """Where the directories of a job's cache and of those of inner pipelines are."""
    caches = [cache, *(inner._own_settings()[0] for inner in _inner(pipeline))]
    return [_places.place(each) for each in caches]


# Here --------------------------------------------------------------------------------------------


class RemoteJob:
    """A job whose rows other processes run. Threads: used by one at a time.

    Attributes:
        shared: What every call of `run_rows` gets.
    """

    def __init__(self, pipeline: Pipeline, job: _core.RowJob) -> None:
        """Packs what all parts need.

        Raises:
            TypeError: Naming the node, input or cache that cannot travel.
        """
        self._rows = _core.RemoteRows(job)
        self._pending: set[int] = set()
        self._failed: int | None = None
        self._constants = self._rows.constants
        packed = _Job(
            pipeline,
            self._constants,
            self._rows.output_names,
            self._rows.overridden,
            self._rows.is_map,
            self._rows.cache,
            self._rows.listened,
            self._rows.collects,
            _places_of(self._rows.cache, pipeline),
        )
        self._told_apart = False
        self.shared = Shared(
            secrets.token_hex(16),
            _travel.dumps_job(packed, pipeline, {**self._constants, "cache": packed.cache}),
        )

    def part(self, first: int, count: int) -> tuple[bytes, int, int]:
        """The other arguments of `run_rows` for rows [first, first + count).

        Raises:
            TypeError: Naming the input and the row that cannot travel.
        """
        items = self._rows.items(first, count)
        self._pending.add(first)
        try:
            return _travel.dumps(items), first, count
        except Exception as error:
            for name, values in items.items():
                for row, value in enumerate(values, start=first):
                    reason = _travel.reason_to_stay(value)
                    if reason is not None:
                        raise _travel.refusal(f"Input '{name}', row {row},", reason) from error
            raise

    def add(self, result: bytes) -> None:
        """Takes what `run_rows` returned, tells its events and keeps its outputs.

        Raises:
            HyperNodesError: If the rows could not be run there, or their outputs not come back.
        """
        try:
            done = _travel.loads(result)
        except Exception as error:
            raise _travel.unopened("This process", error) from error
        if isinstance(done, _travel.Raised):
            raise done.unpack()
        self._pending.discard(done.first)
        if done.apart is not None and not self._told_apart:
            self._told_apart = True
            machine, caches = done.apart
            _warnings.warn(
                f"Rows on machine {machine!r} run uncached: the directory of {caches} is on"
                f" {socket.gethostname()!r}, and machines cannot share it; use workers of this"
                " machine alone to keep all results",
                UncachedWarning,
            )
        errors = [error.unpack() for error in done.errors]
        events = [_changed(event, self._arrived, errors.__getitem__) for event in done.events]
        failure = done.failure
        if failure is not None:
            failure = (errors[failure[0]], *failure[1:])
            self._failed = done.first if self._failed is None else min(self._failed, done.first)
        collected = [(errors[place], *others) for place, *others in done.collected]
        parts = (done.first, done.count, done.outputs, done.statistics, events, failure)
        self._rows.add(*parts, collected)

    def _arrived(self, value: Any) -> Any:  # noqa: ANN401
        return self._constants[value.name] if isinstance(value, _Constant) else value

    @property
    def settled(self) -> bool:
        """Whether a row has failed, and no part of earlier rows is still to come."""
        return self._failed is not None and all(first > self._failed for first in self._pending)


def _changed(
    event: tuple[Any, ...],
    value: Callable[[Any], Any],
    error: Callable[[Any], Any] = lambda place: place,
) -> tuple[Any, ...]:
    """The event with `value` of each of its values and `error` of its exception."""
    *others, values, names, raised = event
    if values is not None:
        values = [(place, value(each)) for place, each in values]
    return (*others, values, names, None if raised is None else error(raised))


# There -------------------------------------------------------------------------------------------


def run_rows(shared: Shared, items: bytes, first: int, count: int) -> bytes:
    """Runs rows [first, first + count) of a job in this process; never raises.

    Args:
        shared: The job's.
        items: The part's.
        first: Number of its first row.
        count: How many rows it has.

    Returns:
        What `RemoteJob.add` wants.
    """
    try:
        job = _opened(shared)
        mapped = _travel.loads(items)
        graph = job.pipeline._native(job.output_names, job.overridden, cached=job.cache is not None)
    except Exception as error:
        return _travel.dumps(_travel.Raised.pack(_travel.unopened("A worker process", error)))
    try:
        outputs, statistics, events, failure, collected = _core.run_part(
            graph,
            job.constants,
            mapped if job.is_map else None,
            first,
            count,
            job.output_names,
            job.cache,
            job.listened,
            job.collects,
        )
        apart = (socket.gethostname(), job.apart) if job.apart else None
        parts = (first, count, outputs, statistics, events, failure, collected)
        return _packed(job, _Done(*parts, [], apart))
    except Exception as error:
        return _travel.dumps(_travel.Raised.pack(error))


# The jobs that this process was given parts of last, by token: a part finds its own opened.
_KEPT_JOBS = 2
_jobs: dict[str, _Job] = {}
_jobs_lock = threading.Lock()


def _opened(shared: Shared) -> _Job:
    with _jobs_lock:
        job = _jobs.get(shared.token)
        if job is None:
            job = _travel.loads(shared.data)
            job.apart = _leave_apart(job)
            while len(_jobs) >= _KEPT_JOBS:
                del _jobs[next(iter(_jobs))]
            _jobs[shared.token] = job
        return job


def _leave_apart(job: _Job) -> str:
    """Takes from a job the caches whose directories are on another machine; returns them as text.

    None is opened: that would make an empty one here.
    """
    apart: dict[str, None] = {}
    here = _places_of(job.cache, job.pipeline)
    differ = [there not in (None, each) for there, each in zip(job.places, here, strict=True)]
    if differ[0]:
        apart[repr(job.cache)] = None
        job.cache = None
    for inner, differs in zip(_inner(job.pipeline), differ[1:], strict=True):
        if differs and inner._cache is not None:
            apart[repr(inner._cache)] = None
            inner._cache = None
    return ", ".join(apart)


def _packed(job: _Job, done: _Done) -> bytes:
    places: dict[int, int] = {}
    errors: list[_travel.Raised] = []

    def place(error: BaseException) -> int:
        if id(error) not in places:
            places[id(error)] = len(errors)
            errors.append(_travel.Raised.pack(error))
        return places[id(error)]

    names = {id(value): name for name, value in job.constants.items()}

    def leave_constant(value: Any) -> Any:  # noqa: ANN401
        name = names.get(id(value))
        return value if name is None else _Constant(name)

    events = [_changed(event, leave_constant, place) for event in done.events]
    failure = None if done.failure is None else (place(done.failure[0]), *done.failure[1:])
    collected: list[tuple[Any, ...]] = [(place(each[0]), *each[1:]) for each in done.collected]
    parts = (done.first, done.count, done.outputs, done.statistics)
    try:
        return _travel.dumps(_Done(*parts, events, failure, collected, errors, done.apart))
    except Exception as error:
        _check_outputs(job, done, error)
        carried = [_changed(event, _carried) for event in events]
        return _travel.dumps(_Done(*parts, carried, failure, collected, errors, done.apart))


def _check_outputs(job: _Job, done: _Done, error: Exception) -> None:
    for name, values in zip(job.output_names, done.outputs or [], strict=False):
        for row, value in enumerate(values, start=done.first):
            reason = _travel.reason_to_stay(value)
            if reason is not None:
                where = f", row {row}," if job.is_map else ""
                raise _travel.refusal(f"Output '{name}'{where}", reason) from error


def _carried(value: Any) -> Any:  # noqa: ANN401
    return value if _travel.reason_to_stay(value) is None else NotCarried(repr(value))
