# SPDX-License-Identifier: MIT
"""A pipeline's nodes as native graphs, built anew when something about them changes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _changes, _core, _tables
from ._settings import Settings
from .engines import NativeEngine
from .node import HyperNode, Node
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .protocols import Engine, Table

__all__ = ["Wiring"]

_numbers = itertools.count()


class Wiring(Settings):
    """Nodes wired by name, with their settings.

    Attributes:
        id: What tells it from every other pipeline, in events too.
    """

    _nodes: list[HyperNode]
    # Built from the nodes as they were at _seen of _changes; see _refresh.
    _seen: int
    _quick: int  # equals _seen if a run without a cache need not look at anything
    _readers: list[Node[..., Any]]
    _caches_inside: bool
    _callbacks_inside: bool
    _built_from: tuple[str | None, list[_core.Node]] | None
    _graph: _core.Graph
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
        if not self._callbacks_inside:
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
        if self._seen != _changes.current:
            self._refresh()
        if cached or self._caches_inside:
            for node in self._readers:
                if not node._dependencies.hold():
                    node._read_again()
            if self._seen != _changes.current:
                self._refresh()
        graph = self._graph if output_name is None else self._graph.covering(output_name)
        return graph.overridden(list(overrides)) if overrides else graph

    def _refresh(self) -> None:
        """Builds the graph anew if anything that it is made of has changed."""
        seen = _changes.current
        built_from = (self._name, [node._definition() for node in self._nodes])
        if self._built_from is None or not _same(self._built_from, built_from):
            self._graph = _core.Graph(built_from[1], self._name or "", self.id, self._last_runs)
            self._built_from = built_from
        self._readers = [reader for node in self._nodes for reader in node._readers()]
        inside = [node.pipeline for node in self._nodes if isinstance(node, PipelineNode)]
        settings = [pipeline._own_settings() for pipeline in inside]
        self._caches_inside = any(cache is not None for cache, _ in settings) or any(
            pipeline._caches_inside for pipeline in inside
        )
        self._callbacks_inside = any(callbacks for _, callbacks in settings) or any(
            pipeline._callbacks_inside for pipeline in inside
        )
        self._seen = seen
        self._quick = -1 if self._caches_inside or self._callbacks_inside else seen

    def _forget(self) -> None:
        self._seen = self._quick = -1
        self._readers = []
        self._caches_inside = False
        self._callbacks_inside = False
        self._built_from = None
        self._last_runs = _core.LastRuns()

    def __getstate__(self) -> dict[str, Any]:
        """All but the native graph, which is built again where it lands."""
        native = {"_seen", "_quick", "_readers", "_caches_inside", "_callbacks_inside"}
        native |= {"_built_from", "_graph", "_last_runs"}
        return {key: value for key, value in self.__dict__.items() if key not in native}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with an id of its own."""
        self.__dict__.update(state)
        self.id = _new_id()
        self._forget()


def _new_id() -> str:
    return f"pipeline_{os.getpid()}_{next(_numbers)}"


def _same(a: tuple[str | None, list[_core.Node]], b: tuple[str | None, list[_core.Node]]) -> bool:
    if a[0] != b[0] or len(a[1]) != len(b[1]):
        return False
    return all(x is y for x, y in zip(a[1], b[1], strict=True))
