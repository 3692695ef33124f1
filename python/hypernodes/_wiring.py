# SPDX-License-Identifier: MIT
"""A pipeline's nodes as native graphs, built anew when something about them changes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _changes, _core, _tables
from ._fingerprint.dependencies import Reading
from ._settings import Settings
from .engines import NativeEngine
from .node import HyperNode, Node
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .protocols import Engine, Table

__all__ = ["Wiring"]

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Wired:
    """A pipeline's nodes as a native graph.

    Attributes:
        seen: `_changes.current` when they were looked at.
        quick: The same if a run without a cache need not look at anything else; else -1.
        name: The pipeline's.
        natives: The nodes in the graph.
        graph: That.
        readers: The nodes in it, at any depth, that read something from elsewhere, and what they
            had read.
        caches_inside: Whether a pipeline inside has a cache of its own.
        callbacks_inside: Whether one has callbacks.
    """

    seen: int
    quick: int
    name: str | None
    natives: list[_core.Node]
    graph: _core.Graph
    readers: tuple[tuple[Node[..., Any], Reading], ...]
    caches_inside: bool
    callbacks_inside: bool


# How often what nodes read is read before a run: other threads may keep changing it.
_READINGS = 3


class Wiring(Settings):
    """Nodes wired by name, with their settings.

    Attributes:
        id: What tells it from every other pipeline, in events too.
    """

    _nodes: list[HyperNode]
    # Replaced as a whole, so that threads that run this at once see parts of one another's never.
    _wired: Wired
    _last_runs: _core.LastRuns

    def _wire(self, nodes: list[HyperNode]) -> None:
        """Takes the nodes; raises what pipelines raise that cannot be built."""
        self.id = _new_id()
        self._nodes = nodes
        self._forget()
        self._native()

    def _merged(self, inputs: Mapping[str, Any] | Table | None) -> dict[str, Any]:
        """A new dict: bound inputs under the given ones, which may be a table of one row."""
        given: Any = inputs
        if type(given) is not dict and _tables.is_table(given):
            given = _tables.one_row(given, self._native().root_args)
        return {**self._bound, **(given or {})}

    def _check_inner_callbacks(self, engine: Engine | NativeEngine) -> None:
        """Raises PlanError if callbacks set inside do not go with what runs that pipeline.

        Args:
            engine: What runs this one, and those inside that have no engine of their own.
        """
        if not self._wired.callbacks_inside:
            return
        for node in self._nodes:
            if isinstance(node, PipelineNode):
                inner = node.pipeline
                runs = engine if inner._engine is None else inner._engine
                callbacks = inner._own_settings()[1]
                if callbacks and isinstance(runs, NativeEngine):
                    runs._check_callbacks(callbacks)
                inner._check_inner_callbacks(runs)

    def _checked(
        self,
        inputs: Mapping[str, Any] | Table | None,
        output_name: str | Sequence[str] | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The merged inputs, if they are enough for these outputs; else raises PlanError."""
        merged = self._merged(inputs)
        overrides = options.get("overrides") or {}
        self._native(output_name, overrides).check({**merged, **overrides}, output_name)
        return merged

    def _native(
        self,
        output_name: str | Sequence[str] | None = None,
        overrides: Collection[str] | None = None,
        cached: bool = False,
    ) -> _core.Graph:
        """The graph to run for these outputs, up to date.

        Args:
            output_name: The only outputs to compute; None for all.
            overrides: Outputs that are given.
            cached: Whether the run has a cache, so that what nodes read from elsewhere counts.
        """
        wired = self._rewired()
        if cached or wired.caches_inside:
            for _, reading in wired.readers:
                if not reading.holds():
                    wired = self._read_again(wired)
                    break
        graph = wired.graph if output_name is None else wired.graph.covering(output_name)
        return graph.overridden(list(overrides)) if overrides else graph

    def _read_again(self, wired: Wired) -> Wired:
        """The nodes wired with what those that read something from elsewhere read now."""
        for _ in range(_READINGS):
            old = [each for each in wired.readers if not each[1].holds()]
            changed = [node._read_again(reading) for node, reading in old]
            if not any(changed):
                break
            _changes.note()
            wired = self._rewired()
        return wired

    def _rewired(self) -> Wired:
        """The nodes wired, anew if anything has changed that the graph is made of."""
        wired, seen = self._wired, _changes.current
        if wired.seen == seen:
            return wired
        definitions = [node._definition() for node in self._nodes]
        natives = [definition.native for definition in definitions]
        graph = wired.graph
        if wired.seen < 0 or not _same(wired, self._name, natives):
            graph = _core.Graph(natives, self._name or "", self.id, self._last_runs)
        inside = [node.pipeline for node in self._nodes if isinstance(node, PipelineNode)]
        settings = [pipeline._own_settings() for pipeline in inside]
        caches = any(cache is not None for cache, _ in settings)
        callbacks = any(callbacks for _, callbacks in settings)
        caches = caches or any(pipeline._wired.caches_inside for pipeline in inside)
        callbacks = callbacks or any(pipeline._wired.callbacks_inside for pipeline in inside)
        quick = -1 if caches or callbacks else seen
        readers = tuple(reader for definition in definitions for reader in definition.readers)
        self._wired = wired = Wired(
            seen, quick, self._name, natives, graph, readers, caches, callbacks
        )
        return wired

    def _forget(self) -> None:
        nothing: Any = None
        self._wired = Wired(-1, -1, None, [], nothing, (), False, False)
        self._last_runs = _core.LastRuns()

    def __getstate__(self) -> dict[str, Any]:
        """All but the native graph, which is built again where it lands."""
        native = {"_wired", "_last_runs"}
        return {key: value for key, value in self.__dict__.items() if key not in native}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with an id of its own."""
        self.__dict__.update(state)
        self.id = _new_id()
        self._forget()


def _new_id() -> str:
    return f"pipeline_{os.getpid()}_{next(_numbers)}"


def _same(wired: Wired, name: str | None, natives: list[_core.Node]) -> bool:
    if wired.name != name or len(wired.natives) != len(natives):
        return False
    return all(x is y for x, y in zip(wired.natives, natives, strict=True))
