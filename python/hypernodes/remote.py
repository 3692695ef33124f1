# SPDX-License-Identifier: MIT
"""Rows of a run or map that other processes run.

An engine makes a RemoteJob, has `run_rows` called with its parts in processes of its choice, and
gives the job what they return. Nodes, bound inputs and inner pipelines go there; callbacks and
engines stay here: events come back through a feed while rows run, those of a part in order. A cache
goes as its description, such as a DiskCache's path.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _core, _places, _travel, _warnings
from . import _feeds as feeds
from ._part_events import Inbox, NotCarried, Outbox, Parcel
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


@dataclass
class _Job:
    """How to run rows of a pipeline.

    Attributes:
        sender: What sends events from there; None if nobody hears of them.
        places: Where the directories of the caches are, as `_places_of` tells.
        apart: The caches whose directories are not here, as text.
    """

    pipeline: Pipeline
    constants: dict[str, Any]
    output_names: list[str]
    overridden: list[str]
    is_map: bool
    cache: Any
    sender: feeds.Sender | None
    collects: bool
    places: list[_places.Place | None]
    apart: str = ""


@dataclass(frozen=True)
class _Done:
    """What became of a part: the arguments of `_core.RemoteRows.add`, and its last events.

    Instead of exceptions it has their places among those of the events. `apart` is the machine and
    its caches, if their directories are not there.
    """

    first: int
    count: int
    outputs: list[list[Any]] | None
    statistics: _core.Statistics
    failure: tuple[Any, ...] | None
    collected: list[tuple[Any, ...]]
    parcel: Parcel
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

    Callbacks are told in the thread that adds a result, or in the feed's. As a context manager it
    closes its feed.

    Attributes:
        shared: What every call of `run_rows` gets.
    """

    def __init__(
        self, pipeline: Pipeline, job: _core.RowJob, feed: Callable[[], feeds.Feed] = feeds.Local
    ) -> None:
        """Packs what all parts need.

        Args:
            pipeline: What runs.
            job: The rows.
            feed: How events come while rows run, if anybody hears of them.

        Raises:
            TypeError: Naming the node, input or cache that cannot travel.
        """
        self._rows = _core.RemoteRows(job)
        self._pending: set[int] = set()
        self._failed: int | None = None
        constants = self._rows.constants
        self._inbox = Inbox(constants, self._rows.tell)
        self._feed = feed() if self._rows.listened else None
        packed = _Job(
            pipeline,
            constants,
            self._rows.output_names,
            self._rows.overridden,
            self._rows.is_map,
            self._rows.cache,
            None if self._feed is None else self._feed.sender,
            self._rows.collects,
            _places_of(self._rows.cache, pipeline),
        )
        self._told_apart = False
        try:
            data = _travel.dumps_job(packed, pipeline, {**constants, "cache": packed.cache})
        except BaseException:
            self._close()
            raise
        self.shared = Shared(secrets.token_hex(16), data)
        if self._feed is not None:
            self._feed.open(self._inbox.hear)

    def __enter__(self) -> RemoteJob:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the feed."""
        self._close()

    def _close(self) -> None:
        if self._feed is not None:
            self._feed.close()

    def part(self, first: int, count: int) -> tuple[bytes, int, int]:
        """The other arguments of `run_rows` for rows [first, first + count).

        Raises:
            TypeError: Naming the input and the row that cannot travel.
        """
        items = self._rows.items(first, count)
        self._pending.add(first)
        self._inbox.expect(first)
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
        """Takes what `run_rows` returned, tells its last events and keeps its outputs.

        Raises:
            HyperNodesError: If the rows could not be run there, or their outputs not come back.
            BaseException: What a callback raised.
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
        errors = self._inbox.finish(done.first, done.parcel)
        failure = done.failure
        if failure is not None:
            failure = (errors[failure[0]], *failure[1:])
            self._failed = done.first if self._failed is None else min(self._failed, done.first)
        collected = [(errors[place], *others) for place, *others in done.collected]
        parts = (done.first, done.count, done.outputs, done.statistics)
        self._rows.add(*parts, failure, collected)

    @property
    def settled(self) -> bool:
        """Whether a row has failed, and no part of earlier rows is still to come."""
        return self._failed is not None and all(first > self._failed for first in self._pending)


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
    outbox = Outbox(first, job.constants, job.sender is not None)
    try:
        with feeds.sending(outbox.send, job.sender):
            outputs, statistics, failure, collected = _core.run_part(
                graph,
                job.constants,
                mapped if job.is_map else None,
                first,
                count,
                job.output_names,
                job.cache,
                outbox.recorder,
                job.collects,
            )
        failure = None if failure is None else (outbox.place(failure[0]), *failure[1:])
        collected = [(outbox.place(each[0]), *each[1:]) for each in collected]
        apart = (socket.gethostname(), job.apart) if job.apart else None
        parts = (first, count, outputs, statistics, failure, collected, outbox.close())
        return _packed(job, _Done(*parts, apart))
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
    try:
        return _travel.dumps(done)
    except Exception as error:
        _check_outputs(job, done, error)
        raise


def _check_outputs(job: _Job, done: _Done, error: Exception) -> None:
    for name, values in zip(job.output_names, done.outputs or [], strict=False):
        for row, value in enumerate(values, start=done.first):
            reason = _travel.reason_to_stay(value)
            if reason is not None:
                where = f", row {row}," if job.is_map else ""
                raise _travel.refusal(f"Output '{name}'{where}", reason) from error
