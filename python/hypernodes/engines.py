# SPDX-License-Identifier: MIT
"""How pipelines are run."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _changes, _outputs, _tables, outcomes
from .exceptions import PlanError

if TYPE_CHECKING:
    from . import _core
    from .cache import Cache
    from .callbacks import PipelineCallback
    from .integrations.daft import DaftEngine
    from .integrations.dask import DaskEngine
    from .pipeline import Pipeline

__all__ = ["DaftEngine", "DaskEngine", "NativeEngine", "SeqEngine", "SequentialEngine"]


class MapRequest(NamedTuple):
    """What a map asks of an engine, in the order in which the native functions take it."""

    graph: _core.Graph
    given: dict[str, Any]
    map_over: Sequence[str]
    map_mode: str
    output_name: str | Sequence[str] | None
    cache: Cache | None
    callbacks: Sequence[PipelineCallback] | None
    outputs: str

    def as_arrow(self) -> MapRequest:
        """The same, of Arrow columns."""
        return self._replace(outputs="arrow")


class NativeEngine(ABC):
    """Base of our own engines: a cache and callbacks for pipelines that have none themselves."""

    _names: tuple[str, ...] = ()
    """What else this engine is called, for `PipelineCallback.supported_engines`."""
    _outputs = "records"
    """What a map returns if nobody asks for anything."""

    def __init__(
        self, cache: Cache | None = None, callbacks: Sequence[PipelineCallback] | None = None
    ) -> None:
        """Keeps them.

        Args:
            cache: Where results are kept.
            callbacks: Who is told of what happens.
        """
        self._cache = cache
        self._callbacks = callbacks

    @property
    def cache(self) -> Cache | None:
        """The cache of pipelines that have none."""
        return self._cache

    @cache.setter
    def cache(self, cache: Cache | None) -> None:
        self._cache = cache
        _changes.note()

    @property
    def callbacks(self) -> Sequence[PipelineCallback] | None:
        """The callbacks of pipelines that have none."""
        return self._callbacks

    @callbacks.setter
    def callbacks(self, callbacks: Sequence[PipelineCallback] | None) -> None:
        self._callbacks = callbacks
        _changes.note()

    def _settings(
        self, pipeline: Pipeline
    ) -> tuple[Cache | None, Sequence[PipelineCallback] | None]:
        """The cache and callbacks of a run: the pipeline's, else this engine's."""
        cache = self._cache if pipeline.cache is None else pipeline.cache
        callbacks = pipeline.callbacks or self._callbacks or None
        if callbacks:
            self._check_callbacks(callbacks)
        pipeline._check_inner_callbacks(self)
        return cache, callbacks

    def run(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Runs `pipeline` on one item: a dict of its outputs.

        Args:
            pipeline: What to run.
            inputs: The inputs by name.
            output_name: The only outputs to compute.
            overrides: Outputs that are given instead of computed.
        """
        graph, given = self._prepared(pipeline, inputs, output_name, overrides)
        return self._run_graph(pipeline, graph, given, output_name, *self._settings(pipeline))

    def map(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        map_over: str | Sequence[str],
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        *,
        outputs: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        on_error: str = "raise",
    ) -> Any:  # noqa: ANN401 (`outputs` decides)
        """Runs `pipeline` on each item.

        Args:
            pipeline: What to run.
            inputs: The inputs by name; those in `map_over` are lists. Or a table.
            map_over: The names of the inputs to map over.
            map_mode: "zip" or "product".
            output_name: The only outputs to compute.
            outputs: "records", a list of dicts, "columns", a dict of lists, or a table: "arrow",
                "pandas", "polars" or "daft"; by default records, on DaftEngineV2 columns.
            overrides: Outputs that are given instead of computed; lists if they are in `map_over`.
            on_error: What a row that fails does: "raise" stops the map, "null" gives None for what
                could not be computed, "collect" leaves the row out: a `Collected` is returned.
        """
        inputs, over = _tables.by_name(pipeline, inputs, map_over, output_name, overrides)
        graph, given = self._prepared(pipeline, inputs, output_name, overrides)
        shape = self._outputs if outputs is None else outputs
        settings = self._settings(pipeline)
        asked = MapRequest(graph, given, over or [], map_mode, output_name, *settings, shape)
        as_table = shape in _outputs.SHAPES
        if as_table:
            _outputs.require(shape)
        if on_error == "raise":
            if as_table:
                return self._map_table(pipeline, asked)
            return self._map_graph(pipeline, asked, on_error)
        raw = self._map_graph(pipeline, asked.as_arrow() if as_table else asked, on_error)
        nulls = on_error == "null"
        build = functools.partial(_outputs.build, shape, pipeline=pipeline, nulls=nulls)
        return outcomes.settle(pipeline, raw, given, overrides, build if as_table else _same)

    def _map_table(self, pipeline: Pipeline, asked: MapRequest) -> Any:  # noqa: ANN401
        """Maps a graph of `pipeline`: a table of its outputs, of the kind that is asked for."""
        made = self._map_graph(pipeline, asked.as_arrow(), "raise")
        return _outputs.build(asked.outputs, made, pipeline)

    @abstractmethod
    def _run_graph(
        self,
        pipeline: Pipeline,
        graph: _core.Graph,
        given: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
    ) -> dict[str, Any]:
        """Runs a graph of `pipeline` on all that it is given."""

    @abstractmethod
    def _map_graph(self, pipeline: Pipeline, asked: MapRequest, on_error: str) -> Any:  # noqa: ANN401
        """Maps it."""

    def _prepared(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None,
        overrides: Mapping[str, Any] | None,
    ) -> tuple[_core.Graph, dict[str, Any]]:
        """The graph of a run or map, and all that it is given."""
        cached = self._cache is not None or pipeline.cache is not None
        graph = pipeline._native(output_name, overrides, cached)
        return graph, {**pipeline._merged(inputs), **(overrides or {})}

    def _executor(self, pipeline: Pipeline) -> _core.BatchExecutor | None:
        """How this engine runs `pipeline` inside another; None: row by row, as it comes."""
        return None

    def _check_callbacks(self, callbacks: Iterable[PipelineCallback]) -> None:
        own = {name for each in type(self).__mro__ for name in (each.__name__, *_aliases(each))}
        for callback in callbacks:
            supported = getattr(callback, "supported_engines", None)
            if supported and own.isdisjoint(supported):
                raise PlanError(
                    f"Callback {type(callback).__name__} is not compatible with engine"
                    f" {type(self).__name__}. Supported engines: {list(supported)}"
                )

    def __repr__(self) -> str:
        """`SeqEngine()`."""
        return f"{type(self).__name__}()"


def _same(results: Any) -> Any:  # noqa: ANN401
    return results


def is_ours(engine: NativeEngine) -> bool:
    """Whether the engine's class is one of ours, so that its `run` and `map` are known."""
    return type(engine).__module__.partition(".")[0] == __name__.partition(".")[0]


def _aliases(engine: type) -> tuple[str, ...]:
    names: tuple[str, ...] = engine.__dict__.get("_names", ())
    return names


class SeqEngine(NativeEngine):
    """In this process and thread, one item after another: the default."""

    _names = ("SequentialEngine",)

    def _run_graph(
        self,
        pipeline: Pipeline,
        graph: _core.Graph,
        given: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
    ) -> dict[str, Any]:
        return graph.run(given, output_name, cache, callbacks)

    def _map_graph(self, pipeline: Pipeline, asked: MapRequest, on_error: str) -> Any:  # noqa: ANN401
        return asked.graph.map(*asked[1:], on_error)


SequentialEngine = SeqEngine


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Loads the engines that need optional packages when they are asked for."""
    if name == "DaftEngine":
        from .integrations.daft import DaftEngine

        return DaftEngine
    if name == "DaskEngine":
        from .integrations.dask import DaskEngine

        return DaskEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
