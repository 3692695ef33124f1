# SPDX-License-Identifier: MIT
"""The steps of a DataFrame's plan as arguments of the functions that Daft calls.

A step holds functions of the process that compiled it. On Daft's native runner it stays there; on
Ray, what the plan was compiled from travels, and gives the same steps in the same order wherever it
is compiled.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from hypernodes import _core, _outputs, _places, _travel
from hypernodes.exceptions import PlanError
from hypernodes.hints import ColumnType
from hypernodes.integrations.daft import node_options
from hypernodes.integrations.daft.ray_events import Reports

if TYPE_CHECKING:
    from hypernodes.integrations.daft.ray_feed import RaySender
    from hypernodes.pipeline import Pipeline

__all__ = ["Declared", "Origin", "OutputType", "Promised", "Step", "TravellingStep", "label"]

# The column types of outputs of Python nodes, by name.
Promised: TypeAlias = dict[str, ColumnType | None]
# The type of a step's output: what C++ made, what a hint promises, or None for Python objects.
OutputType: TypeAlias = "_core.ArrowType | ColumnType | None"


@dataclass(frozen=True)
class Declared:
    """What the nodes of a pipeline say about DataFrames.

    Attributes:
        promised: The column types of outputs of Python nodes, by their hints.
        own: The nodes that are functions of their own.
        numbers: Where those are.
    """

    promised: Promised
    own: list[node_options.Own]
    numbers: node_options.Numbers

    @classmethod
    def by(cls, pipeline: Pipeline) -> Declared:
        """What those of this one say now."""
        return cls(_outputs.hinted_types(pipeline), *node_options.own_nodes(pipeline))


_steps: weakref.WeakValueDictionary[str, Step] = weakref.WeakValueDictionary()


class Step:
    """A step of this process. Daft pickles it to tell plans apart.

    Attributes:
        native: What runs.
        own: The node that it is, if that has options of its own.
        kinds: The types of its outputs.
        turn: What a call of it holds.
        events: Who hears of what its node does in other processes, if anybody.
        sending: Held around each call of it, to send its events.
    """

    def __init__(
        self,
        native: _core.DaftStep,
        declared: Declared,
        events: _core.DaftEvents | None = None,
        sending: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Keeps it."""
        self.events = events
        self.sending = sending
        self.native = native
        self.own = None if native.own < 0 else declared.own[native.own]
        self.kinds = _kinds_of(native, declared.promised)
        at_once = None if self.own is None else self.own[1].max_concurrency
        # Daft's own limit would take the step to processes, where its objects are not.
        self.turn = contextlib.nullcontext() if at_once is None else threading.Semaphore(at_once)
        self._key = secrets.token_hex(16)
        _steps[self._key] = self

    @property
    def here(self) -> Step:
        """The step in this process."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Stays here."""
        return _find_step, (self._key, self.native.name)


def label(column: str) -> str:
    """The name of a column of a step for people: a path for one inside a pipeline."""
    return column.removeprefix("__hn_inner_")


def _find_step(key: str, name: str) -> Step:
    step = _steps.get(key)
    if step is None:
        raise PlanError(
            f"The nodes {name} are Python objects of another process",
            fix="collect the DataFrame where it was made, on Daft's native runner",
        )
    return step


def _kinds_of(step: _core.DaftStep, promised: Promised) -> list[OutputType]:
    kinds: list[OutputType] = []
    for name, kind in zip(step.outputs, step.types, strict=True):
        kinds.append(promised.get(name) if kind is None and not step.function else kind)
    return kinds


@dataclass(frozen=True)
class Origin:
    """What a plan was compiled from, pickled."""

    token: str
    data: bytes

    @classmethod
    def pack(
        cls,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: object,
        sender: RaySender | None,
        columns: dict[str, Any],
    ) -> Origin:
        """Packs it.

        Args:
            pipeline: What runs.
            inputs: Inputs that are the same for every row.
            output_name: The outputs wanted; None for all.
            cache: The cache; rows run uncached on machines that do not have its directory.
            sender: What sends the events, if somebody hears of them.
            columns: The Arrow types of the columns that are inputs; None for Python objects.

        Raises:
            TypeError: Naming the node, input or cache that cannot travel.
        """
        parts = (pipeline, columns, inputs, output_name, cache, _places.place(cache), sender)
        data = _travel.dumps_job(parts, pipeline, {**inputs, "cache": cache})
        return cls(secrets.token_hex(16), data)


@dataclass(frozen=True)
class TravellingStep:
    """A step of the plan that `origin` gives.

    Attributes:
        origin: What the plan was compiled from.
        index: Which of its steps it is.
        held: What lives here as long as the DataFrame; it does not travel.
    """

    origin: Origin
    index: int
    held: object = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what stays here."""
        return TravellingStep, (self.origin, self.index)

    @property
    def here(self) -> Step:
        """The step in this process."""
        return _compiled(self.origin)[self.index]


@functools.lru_cache(maxsize=4)
def _compiled(origin: Origin) -> list[Step]:
    try:
        pipeline, columns, inputs, output_name, cache, place, sender = _travel.loads(origin.data)
    except Exception as error:
        raise _travel.unopened("A worker process", error) from error
    if _places.place(cache) != place:
        cache = None
    graph = pipeline._native(output_name, cached=cache is not None)
    declared = Declared.by(pipeline)
    source = _core.daft_source_on(
        graph, columns, inputs, output_name, declared.promised, declared.numbers
    )
    if sender is None:
        return [Step(step, declared) for step in _core.daft_compile(source, cache)]
    reports = Reports(sender, inputs)
    events = _core.DaftEvents(source, cache, reports.recorder, inputs)
    steps = _core.daft_compile(source, cache, events)
    return [Step(step, declared, events, reports.sending) for step in steps]
