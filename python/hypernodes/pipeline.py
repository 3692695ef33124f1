# SPDX-License-Identifier: MIT
"""Pipelines: nodes wired by name, with an engine, a cache and callbacks."""

from __future__ import annotations

import inspect
import itertools
import os
import reprlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from . import _changes, _core, _tables, outcomes
from ._graph import PipelineGraph, describe
from ._type_check import check_types
from .engines import NativeEngine, SeqEngine
from .exceptions import TypeError as PipelineTypeError
from .explanation import Explanation
from .node import HyperNode, Node
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from ._description import PipelineDescription
    from .cache import Cache
    from .callbacks import PipelineCallback
    from .outcomes import Collected, Failure
    from .protocols import Engine, Table
    from .viz import GraphvizTheme

__all__ = ["Pipeline"]

_numbers = itertools.count()

T = TypeVar("T")


class Pipeline:
    """A fixed set of nodes: run it on one item, or map it over many.

    Equality is identity. Threads: it may be run by several at once; `with_*`, `bind` and `unbind`
    change it, and return it.

    >>> from hypernodes import node
    >>> @node(output_name="doubled")
    ... def double(x):
    ...     return x * 2
    >>> pipeline = Pipeline([double])
    >>> pipeline.run({"x": 21})
    {'doubled': 42}
    >>> pipeline.map({"x": [1, 2]}, map_over="x")
    [{'doubled': 2}, {'doubled': 4}]
    """

    # Built from the nodes as they were at _seen of _changes; see _refresh.
    _seen: int
    _quick: int  # equals _seen if a run without a cache need not look at anything
    _readers: list[Node[..., Any]]
    _caches_inside: bool
    _callbacks_inside: bool
    _built_from: tuple[str | None, list[_core.Node]] | None
    _graph: _core.Graph
    _last_runs: _core.LastRuns

    def __init__(
        self,
        nodes: Sequence[HyperNode | Pipeline],
        engine: Engine | None = None,
        cache: Cache | None = None,
        callbacks: Sequence[PipelineCallback] | None = None,
        name: str | None = None,
        *,
        strict_types: bool = False,
    ) -> None:
        """Wires the nodes.

        Args:
            nodes: Nodes, or pipelines, which act as their `as_node()`.
            engine: How it is run; by default a SeqEngine.
            cache: Where results are kept; by default the engine's.
            callbacks: Who is told of what happens; by default the engine's.
            name: What it is called.
            strict_types: True to refuse type hints that contradict each other, instead of a
                TypeWarning.

        Raises:
            DependencyError: If two nodes make one name (a ValueError, too).
            CycleError: If nodes need each other in a circle.
            TypeError: If a C++ output does not fit the C++ input that it feeds, or with
                `strict_types` no value can be of the types of an output and of an input it feeds;
                for a node or an engine that is none.
        """
        _check_engine(engine)
        self.nodes = nodes
        self.id = f"pipeline_{os.getpid()}_{next(_numbers)}"
        self._nodes = [_as_node(node) for node in nodes]
        self._name = name
        self._engine = engine
        self._cache = cache
        self._callbacks = callbacks
        self._bound: dict[str, Any] = {}
        self._revision = 0
        self._forget()
        self._native()
        check_types(self._nodes, name, strict_types)

    # Settings ---------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """What it is called."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        self._changed()

    @property
    def engine(self) -> Engine:
        """How it is run."""
        if self._engine is None:
            return _DEFAULT_ENGINE
        return self._engine

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        _check_engine(engine)
        self._engine = engine
        self._changed()

    @property
    def cache(self) -> Cache | None:
        """Where results are kept; None for the engine's."""
        return self._cache

    @cache.setter
    def cache(self, cache: Cache | None) -> None:
        self._cache = cache
        self._changed()

    @property
    def callbacks(self) -> Sequence[PipelineCallback] | None:
        """Who is told of what happens; None for the engine's."""
        return self._callbacks

    @callbacks.setter
    def callbacks(self, callbacks: Sequence[PipelineCallback] | None) -> None:
        self._callbacks = callbacks
        self._changed()

    def with_engine(self, engine: Engine | None) -> Self:
        """Sets the engine and returns this pipeline.

        Raises:
            TypeError: If it has not the methods `run` and `map`.
        """
        self.engine = engine
        return self

    def with_cache(self, cache: Cache | None) -> Self:
        """Sets the cache and returns this pipeline."""
        self.cache = cache
        return self

    def with_callbacks(self, callbacks: Sequence[PipelineCallback] | None) -> Self:
        """Sets the callbacks and returns this pipeline."""
        self.callbacks = callbacks
        return self

    def with_name(self, name: str | None) -> Self:
        """Sets the name and returns this pipeline."""
        self.name = name
        return self

    def bind(self, **inputs: Any) -> Self:  # noqa: ANN401 (the inputs' own types)
        """Gives inputs a value for every run, under those of a call, and returns this pipeline."""
        self._bound = {**self._bound, **inputs}
        self._changed()
        return self

    def unbind(self, *names: str) -> Self:
        """Forgets bound values, all without names, and returns this pipeline."""
        kept = {k: v for k, v in self._bound.items() if k not in names} if names else {}
        self._bound = kept
        self._changed()
        return self

    @property
    def bound_inputs(self) -> dict[str, Any]:
        """A copy of what is bound."""
        return dict(self._bound)

    @property
    def unfulfilled_args(self) -> tuple[str, ...]:
        """The inputs that a call must give: neither bound nor with a default."""
        names = self._native().unfulfilled_args
        return tuple(name for name in names if name not in self._bound)

    @property
    def graph(self) -> PipelineGraph:
        """How the nodes hang together."""
        return describe(self._nodes, self._native())

    def describe(self) -> PipelineDescription:
        """Inputs with types and defaults, outputs, nodes; printed, a table of each.

        >>> from hypernodes import node
        >>> @node("total")
        ... def add(x: int, y: int = 1) -> int:
        ...     return x + y
        >>> print(Pipeline([add]).describe())
        pipeline
        inputs
          x: int  required
          y: int  default 1
        outputs
          total: int  add
        nodes
          add  x, y -> total
        """
        from ._description import describe_pipeline

        return describe_pipeline(self)

    @property
    def last_run(self) -> _core.Statistics | None:
        """What each node did in the last run or map of this thread; None before the first.

        Seconds are measured if there is a cache or a callback, or nothing but C++ nodes in a map.
        `degraded` says that a cache could not do its work; `warnings` say why.
        """
        return self._last_runs.get()

    # Running ----------------------------------------------------------------------------------

    def run(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        **kwargs: Any,  # noqa: ANN401 (whatever the engine understands)
    ) -> Any:  # noqa: ANN401 (the engine decides)
        """Runs on one item.

        Args:
            inputs: Values by name, over the bound ones; others than those needed are ignored. Or
                a table of one row: see `map`.
            output_name: The only outputs to compute, in this order; by default all.
            engine: How to run it this time.
            **kwargs: More for the engine.

        Returns:
            A dict of the outputs.

        Raises:
            PlanError: For missing inputs or unknown outputs, before any node runs (a ValueError).
            ExecutionError: If a C++ node fails; what a Python node raises comes out as it is.
        """
        chosen: Any = self._engine or _DEFAULT_ENGINE if engine is None else engine
        if type(chosen) is SeqEngine and not kwargs:
            # What SeqEngine.run does, without its calls.
            cache = self._cache
            if cache is None:
                cache = chosen._cache
            callbacks = self._callbacks or chosen._callbacks
            if callbacks:
                chosen._check_callbacks(callbacks)
            if self._bound or type(inputs) is not dict:
                inputs = self._merged(inputs)
            if cache is None and output_name is None and self._quick == _changes.current:
                return self._graph.run(inputs, None, None, callbacks)
            graph = self._native(output_name, cached=cache is not None)
            self._check_inner_callbacks(chosen)
            return graph.run(inputs, output_name, cache, callbacks)
        _check_engine(engine)
        merged = self._checked(inputs, output_name, kwargs)
        return chosen.run(self, merged, output_name, **kwargs)

    @overload
    def map(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        *,
        on_error: Literal["collect"],
        **kwargs: Any,  # noqa: ANN401
    ) -> Collected: ...
    @overload
    def map(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        *,
        outputs: Literal["records"],
        **kwargs: Any,  # noqa: ANN401
    ) -> list[dict[str, Any]]: ...
    @overload
    def map(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        *,
        outputs: Literal["columns"],
        **kwargs: Any,  # noqa: ANN401
    ) -> dict[str, list[Any]]: ...
    @overload
    def map(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> Any: ...  # noqa: ANN401
    def map(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        engine: Engine | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs on each item.

        Args:
            inputs: Values by name, over the bound ones; those in `map_over` are lists, tuples,
                ranges, numpy arrays, or Arrow, pandas, polars or Daft columns. Or a table, a row
                for each item: a pyarrow Table or RecordBatch, or a DataFrame of pandas, polars or
                Daft. Columns that are no inputs are ignored; the others come before bound values.
            map_over: The names of the inputs to map over; others are the same for every item. Of
                a table the columns to take, by default all that are inputs.
            map_mode: "zip" takes the items side by side, "product" all combinations, the last
                name varying fastest.
            output_name: The only outputs to compute, in this order; by default all.
            engine: How to run it this time.
            **kwargs: More for the engine, such as `outputs`: "records" for a list of dicts,
                "columns" for a dict of lists, "arrow", "pandas", "polars" or "daft" for a table;
                and `on_error`: what a row that fails does. "raise" stops the map. "null" gives
                None for the outputs that could not be computed; `last_run.failures` says why.
                "collect" returns `Collected`: the rows that did not fail, and the failures.

        Returns:
            A list of dicts, or what `outputs` says.

        Raises:
            PlanError: As for run, and for lists of unequal length.
            TypeError: For a table of values that no Arrow type fits, or that break a return hint.
            DependencyMissingError: If the package of a table is not installed (an ImportError).
        """
        if engine is not None:
            _check_engine(engine)
        chosen: Any = self.engine if engine is None else engine
        inputs, over = _tables.by_name(self, inputs, map_over, output_name, kwargs.get("overrides"))
        merged = self._checked(inputs, output_name, kwargs)
        return chosen.map(self, merged, list(over or ()), map_mode, output_name, **kwargs)

    def replay(self, failure: Failure) -> dict[str, Any]:
        """Runs the node of a failure again, in this thread and process, for a debugger to stop in.

        What comes before it is taken from the cache or run; the node itself, or the pipeline that
        holds it, is run without a cache and callbacks. Returns its outputs if it does not fail.

        >>> from hypernodes import node
        >>> @node("inverse")
        ... def invert(x):
        ...     return 1 / x
        >>> pipeline = Pipeline([invert])
        >>> results, rows, failures = pipeline.map({"x": [2, 0]}, "x", on_error="collect")
        >>> results, rows, failures[0].error
        ([{'inverse': 0.5}], [0], ZeroDivisionError('division by zero'))
        >>> try:
        ...     pipeline.replay(failures[0])
        ... except ZeroDivisionError as error:
        ...     print(error)
        division by zero
        """
        return outcomes.replay(self, failure)

    def explain(
        self,
        inputs: Mapping[str, Any] | Table | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Says what `run`, or with `map_over` `map`, would find in the cache, and why not.

        No node runs, and nothing is stored. A node whose input is made by one that must run first
        waits for that: its own result may be there all the same.

        Args:
            inputs: As for run and map; with a table, as for map.
            map_over: The names of the inputs to map over; None for a run.
            map_mode: "zip" or "product".
            output_name: The only outputs to compute; by default all.
            overrides: Outputs that are given instead of computed.

        Raises:
            PlanError: As run and map do, before any node runs.

        >>> from hypernodes import node
        >>> @node("doubled")
        ... def double(x):
        ...     return x * 2
        >>> print(Pipeline([double]).explain({"x": 21}))
        double  uncached  there is no cache
        """
        inputs, over = _tables.by_name(self, inputs, map_over, output_name, overrides)
        merged = self._checked(inputs, output_name, {"overrides": overrides})
        cache = getattr(self.engine, "cache", None) if self._cache is None else self._cache
        graph = self._native(output_name, overrides, cache is not None)
        given = {**merged, **(overrides or {})}
        return Explanation(graph.explain(given, over, map_mode, output_name, cache))

    def with_columns(
        self,
        df: T,
        output_name: str | Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> T:
        """The same table with the outputs as further columns.

        A Daft DataFrame is extended lazily: nothing runs before Daft is told to, and then batch by
        batch, so that what is read from files and written to files need not fit into memory. A C++
        node becomes a native function of columns, Python nodes that touch one batch UDF, whose
        columns are typed by return hints; callbacks are told of nodes when Daft runs them. Other
        tables are mapped at once on this pipeline's engine.

        Args:
            df: A Daft, pandas or polars DataFrame, or a pyarrow Table or RecordBatch. Columns that
                are called as inputs are read, over bound values; all are kept, in their order.
            output_name: The only outputs to compute, in this order; by default all.
            inputs: Inputs that are the same for every row, over columns of these names.

        Raises:
            PlanError: If a column is called as an output, and as for map.
            TypeError: If a column does not fit the C++ node that reads it, and as for map.

        >>> from hypernodes import node
        >>> import pandas as pd
        >>> @node("area")
        ... def area(width: int, height: int) -> int:
        ...     return width * height
        >>> df = pd.DataFrame({"width": [2, 3]})
        >>> print(Pipeline([area]).with_columns(df, inputs={"height": 4}))
           width  area
        0      2     8
        1      3    12
        """
        extended: T = _tables.with_columns(self, df, inputs, output_name)
        return extended

    def as_node(
        self,
        input_mapping: Mapping[str, str] | None = None,
        output_mapping: Mapping[str, str] | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        name: str | None = None,
        cache: bool = True,
    ) -> PipelineNode:
        """This pipeline as a node of another.

        If others of that pipeline take some of the node's outputs, only what those need runs: a
        node inside that is run for its effects (`cache=False`, say) is then left out, unless
        somebody takes an output of it, too.

        Args:
            input_mapping: {outer name: inner name}; names left out stay.
            output_mapping: {inner name: outer name}; with it only the outputs named exist.
            map_over: Outer names to map over: the node's outputs are then lists.
            map_mode: "zip" or "product".
            name: What the node is called; by default as the pipeline.
            cache: False to enter the pipeline every time; nodes inside are still cached.
        """
        return PipelineNode(self, input_mapping, output_mapping, map_over, map_mode, name, cache)

    def visualize(
        self,
        filename: str | os.PathLike[str] | None = None,
        engine: str = "js",
        depth: int | None = 1,
        separate_outputs: bool = False,
        show_types: bool = False,
        orient: str = "TB",
        flatten: bool = False,
        show_legend: bool = False,
        style: str | GraphvizTheme = "default",
        return_type: str = "auto",
        **kw: Any,  # noqa: ANN401 (fields of the theme)
    ) -> Any:  # noqa: ANN401 (return_type decides)
        """Draws the pipeline: see `hypernodes.viz.visualize`, which this is."""
        from .viz import visualize

        return visualize(
            self,
            filename,
            engine,
            depth,
            separate_outputs,
            show_types,
            orient,
            flatten,
            show_legend,
            style,
            return_type,
            **kw,
        )

    # The native side --------------------------------------------------------------------------

    def _merged(self, inputs: Mapping[str, Any] | Table | None) -> dict[str, Any]:
        """A new dict: bound inputs under the given ones, which may be a table of one row."""
        given: Any = inputs
        if type(given) is not dict and _tables.is_table(given):
            given = _tables.one_row(given, self._native().root_args)
        return {**self._bound, **(given or {})}

    def _own_settings(self) -> tuple[Cache | None, Sequence[PipelineCallback] | None]:
        """The cache and callbacks set here or on an engine set here, for use inside another."""
        engine = self._engine
        cache = self._cache if self._cache is not None else getattr(engine, "cache", None)
        return cache, self._callbacks or getattr(engine, "callbacks", None) or None

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

    def __cache_key__(self) -> tuple[Any, ...]:
        """What counts in keys where a function reads this pipeline: its code and what is bound."""
        self._native(cached=True)
        return self.as_node().code_hash, self._bound

    def _changed(self) -> None:
        self._revision += 1
        _changes.note()

    def _forget(self) -> None:
        self._seen = self._quick = -1
        self._readers = []
        self._caches_inside = False
        self._callbacks_inside = False
        self._built_from = None
        self._last_runs = _core.LastRuns()

    def __repr__(self) -> str:
        """`Pipeline(name='p', nodes=2, bound=[k=1], needs=[x])`."""
        parts = [f"name={self._name!r}"] if self._name else []
        parts.append(f"nodes={len(self._nodes)}")
        if self._bound:
            bound = (f"{name}={_short(value)}" for name, value in self._bound.items())
            parts.append(f"bound=[{', '.join(bound)}]")
        if self.unfulfilled_args:
            parts.append(f"needs=[{', '.join(self.unfulfilled_args)}]")
        return f"Pipeline({', '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        """All but the native graph, which is built again where it lands."""
        native = {"_seen", "_quick", "_readers", "_caches_inside", "_callbacks_inside"}
        native |= {"_built_from", "_graph", "_last_runs"}
        return {key: value for key, value in self.__dict__.items() if key not in native}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with an id of its own."""
        self.__dict__.update(state)
        self.id = f"pipeline_{os.getpid()}_{next(_numbers)}"
        self._forget()


_DEFAULT_ENGINE = SeqEngine()


def _as_node(node: HyperNode | Pipeline) -> HyperNode:
    if isinstance(node, Pipeline):
        return node.as_node()
    if isinstance(node, HyperNode):
        return node
    if inspect.isroutine(node):
        fix = "decorate the function with @node"
    elif callable(node):
        fix = 'for a callable object, say Node(obj, "name"), with the name of its output'
    else:
        fix = "pass what @node, Node(...) or Pipeline(...) gives"
    raise PipelineTypeError(f"A pipeline is made of nodes, got {type(node).__name__}", fix=fix)


def _check_engine(engine: object) -> None:
    """Raises TypeError for what can be no engine; None is no engine of its own."""
    if engine is None:
        return
    methods = (getattr(engine, name, None) for name in ("run", "map"))
    if isinstance(engine, type) or not all(map(callable, methods)):
        raise PipelineTypeError(
            f"An engine is an object with the methods run and map, got {_short(engine)}",
            fix="pass one, such as SeqEngine(), DaftEngine() or DaskEngine()",
        )


_REPR_LENGTH = 40
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = _REPR_LENGTH


def _short(value: object) -> str:
    """A value's repr, cut where it gets long."""
    text = _reprs.repr(value)
    return text if len(text) <= _REPR_LENGTH else f"{text[: _REPR_LENGTH - 3]}..."


def _same(a: tuple[str | None, list[_core.Node]], b: tuple[str | None, list[_core.Node]]) -> bool:
    if a[0] != b[0] or len(a[1]) != len(b[1]):
        return False
    return all(x is y for x, y in zip(a[1], b[1], strict=True))
