# SPDX-License-Identifier: MIT
"""Pipelines: nodes wired by name, with an engine, a cache and callbacks."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import _changes, _core, _tables, outcomes
from ._graph import PipelineGraph, describe
from ._settings import DEFAULT_ENGINE, check_engine, short_repr
from ._type_check import check_types
from ._wiring import Wiring
from .engines import SeqEngine
from .exceptions import TypeError as PipelineTypeError
from .explanation import Explanation
from .node import HyperNode
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from ._description import PipelineDescription
    from .cache import Cache
    from .callbacks import PipelineCallback
    from .outcomes import Collected, Failure
    from .protocols import Engine, Table
    from .viz import GraphvizTheme

__all__ = ["Pipeline"]

T = TypeVar("T")


class Pipeline(Wiring):
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
        super().__init__(engine, cache, callbacks, name)
        self.nodes = nodes
        self._wire([_as_node(node) for node in nodes])
        check_types(self._nodes, name, strict_types)

    # What it is made of ----------------------------------------------------------------------

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
        chosen: Any = self._engine or DEFAULT_ENGINE if engine is None else engine
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
            wired = self._wired
            if cache is None and output_name is None and wired.quick == _changes.current:
                return wired.graph.run(inputs, None, None, callbacks)
            graph = self._native(output_name, cached=cache is not None)
            self._check_inner_callbacks(chosen)
            return graph.run(inputs, output_name, cache, callbacks)
        check_engine(engine)
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
            check_engine(engine)
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

        A pipeline has no `retry` or `timeout` as a whole: give them to the nodes inside, so that
        what has succeeded is not run again.

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

    def __cache_key__(self) -> tuple[Any, ...]:
        """What counts in keys where a function reads this pipeline: its code and what is bound."""
        self._native(cached=True)
        return self.as_node().code_hash, self._bound

    def __repr__(self) -> str:
        """`Pipeline(name='p', nodes=2, bound=[k=1], needs=[x])`."""
        parts = [f"name={self._name!r}"] if self._name else []
        parts.append(f"nodes={len(self._nodes)}")
        if self._bound:
            bound = (f"{name}={short_repr(value)}" for name, value in self._bound.items())
            parts.append(f"bound=[{', '.join(bound)}]")
        if self.unfulfilled_args:
            parts.append(f"needs=[{', '.join(self.unfulfilled_args)}]")
        return f"Pipeline({', '.join(parts)})"


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
