# SPDX-License-Identifier: MIT
"""The Daft engine: `run` and `map` inside a Daft query, and a pipeline as a Daft DataFrame."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hypernodes import _core, _tables
from hypernodes.engines import MapRequest, NativeEngine
from hypernodes.integrations.daft import (
    execution,
    extension,
    frame,
    generate,
    node_options,
    plan,
    processes,
    queries,
)
from hypernodes.integrations.daft import runner as _runner
from hypernodes.integrations.daft.options import Options, read
from hypernodes.integrations.daft.ray_events import Mail
from hypernodes.integrations.daft.steps import Declared, Origin

if TYPE_CHECKING:
    import daft
    from hypernodes.cache import Cache
    from hypernodes.callbacks import PipelineCallback
    from hypernodes.pipeline import Pipeline

__all__ = ["DaftEngine", "DaftEngineV2"]

_DEFAULTS = Options()


class DaftEngine(NativeEngine):
    """Runs pipelines on Daft: every node is evaluated inside a Daft query, one row for each item.

    Answers, errors and cache entries are those of the sequential engine, events have the same
    counts. Daft runs rows on several threads, so nodes must be thread-safe.

    >>> from hypernodes import Pipeline, node
    >>> @node(output_name="doubled")
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> DaftEngine().map(Pipeline([double]), {"x": [1, 2]}, map_over="x")
    [{'doubled': 2}, {'doubled': 4}]
    """

    _names = ("DaftEngineV2",)

    def __init__(
        self,
        use_batch_udf: bool = True,
        default_daft_config: Mapping[str, Any] | None = None,
        cache: Cache | None = None,
        callbacks: Sequence[PipelineCallback] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        runner: Literal["native", "ray"] | None = None,
        address: str | None = None,
    ) -> None:
        """Keeps the options; Daft is imported when a pipeline runs, or for `config`.

        Args:
            use_batch_udf: False to have Daft hand over rows one by one, which is slow, where
                `default_daft_config` has no batch_size.
            default_daft_config: How Daft runs the rows of `run` and `map`, and for DataFrames
                `batch_size`, `cpus` and `gpus`; any of

                - max_workers: into how many parts a map is cut, and how many run at once. Threads
                  are Daft's own, one for each core; processes as many as you say.
                - batch_size: the most rows that Daft hands over in one call.
                - max_concurrency: how many calls are under way at once; how many processes.
                - use_process: True to run rows in processes of their own, which Daft starts for
                  each run or map. What goes there must pickle.
                - gpus, cpus: how many of them Daft reserves for each thread or process.

                With a cache, threads compute equal rows once; processes may each compute one
                that they need at the same time.
            cache: Where results of pipelines are kept that have no cache of their own.
            callbacks: Who is told of what happens in pipelines that have no callbacks.
            config: Daft's execution configuration for the queries of `run` and `map`: options of
                `daft.set_execution_config` by name. The process's own is as before when they end;
                Daft has but one, so queries that begin meanwhile in other threads have it as well.
            runner: What Daft runs on: "native", this process, or "ray", a cluster. It is set when
                the engine is first used, for the whole process and for good: that is a PlanError
                if Daft has the other one by then. None: as Daft is set.
            address: Of the Ray cluster, as `ray.init` takes it. None: the one that Ray is connected
                to or finds, else a new one on this machine.

        Raises:
            PlanError: For options that are not known (a ValueError).
        """
        super().__init__(cache, callbacks)
        _runner.check(runner, address)
        self.runner, self.address = runner, address
        self.use_batch_udf = use_batch_udf
        self.default_daft_config = default_daft_config
        self.config = config
        self._options = read(default_daft_config, use_batch_udf, execution.read(config))
        self._plans = frame.Plans(self._options)

    def _run_graph(
        self,
        pipeline: Pipeline,
        graph: _core.Graph,
        given: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
    ) -> dict[str, Any]:
        options, spread = self._rows(pipeline)
        if spread is not None:
            return _core.spread_run(graph, given, output_name, cache, callbacks, spread)
        return _core.daft_run(graph, given, output_name, cache, callbacks, options)

    def _map_graph(self, pipeline: Pipeline, asked: MapRequest, on_error: str) -> Any:  # noqa: ANN401
        options, spread = self._rows(pipeline)
        if spread is not None:
            return _core.spread_map(*asked, spread, on_error)
        return _core.daft_map(*asked, options, on_error)

    def _map_table(self, pipeline: Pipeline, asked: MapRequest) -> Any:  # noqa: ANN401
        # Callbacks hear of a map when it runs, other processes know no steps of this one, and a
        # plan has no columns for outputs that are given.
        graph = asked.graph
        given_outputs = not set(graph.output_names).isdisjoint(graph.root_args)
        eager = asked.outputs != "daft" or asked.callbacks or given_outputs
        if eager or self._rows(pipeline)[1] is not None:
            return super()._map_table(pipeline, asked)
        return self._frame(pipeline, *asked[:7])

    def _executor(self, pipeline: Pipeline) -> _core.BatchExecutor:
        options, spread = self._rows(pipeline)
        if spread is not None:
            return _core.spread_executor(spread)
        return _core.daft_executor(options)

    def _rows(
        self, pipeline: Pipeline
    ) -> tuple[Options | None, Callable[[_core.RowJob], None] | None]:
        """How rows go, None for Daft's way, and what runs them if they go to other processes."""
        options = node_options.for_rows(pipeline, self._options)
        spread = None
        if self._choose_runner() != "native" or options.use_process:
            spread = processes.spread(pipeline, options)
        return None if options == _DEFAULTS else options, spread

    def _choose_runner(self) -> str:
        return _runner.choose(self.runner, self.address)

    def _pack(
        self,
        pipeline: Pipeline,
        constants: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        watched: queries.Watched | None,
    ) -> frame.Pack | None:
        """What packs the origin of a DataFrame's plan, if its steps run in other processes."""
        if self._choose_runner() != "ray":
            return None
        sender = None if watched is None or watched.mail is None else watched.mail.sender
        return functools.partial(Origin.pack, pipeline, constants, output_name, cache, sender)

    def dataframe(
        self,
        pipeline: Pipeline,
        inputs: Mapping[str, Any],
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
    ) -> daft.DataFrame:
        """Returns a lazy Daft DataFrame with the outputs as columns, one row for each item.

        A C++ node is a native function in its plan; Python nodes that touch are one batch UDF,
        whose columns are typed by the hints. Nothing runs before Daft is told to; then callbacks
        hear of each query as of a run, with the events of nodes.

        A typed column holds nothing else: collecting raises TypeError, naming node and row, where
        a node returns what breaks its return hint. `run` and `map` take any value. Without outputs
        there are no columns, and so no rows. On Ray, Daft keeps the order of rows only in
        DataFrames of up to 131 072: sort larger ones by a column.

        Args:
            pipeline: What to run.
            inputs: The inputs by name; those in `map_over` are lists, numpy arrays or Arrow
                columns. Arrow and numpy data is not copied.
            map_over: The names of the inputs to map over; None for a single row.
            map_mode: "zip" or "product".
            output_name: The only outputs to compute.

        Raises:
            PlanError: As for map.
            TypeError: If an input does not fit the C++ node that reads it.
        """
        cache, callbacks = self._settings(pipeline)
        graph = pipeline._native(output_name, cached=cache is not None)
        given = pipeline._merged(inputs)
        parts = (map_over, map_mode, output_name, cache, callbacks)
        return self._frame(pipeline, graph, given, *parts)

    def _frame(
        self,
        pipeline: Pipeline,
        graph: _core.Graph,
        given: dict[str, Any],
        map_over: str | Sequence[str] | None,
        map_mode: str,
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
    ) -> daft.DataFrame:
        daft = extension.load()
        declared = Declared.by(pipeline)
        source = _source(declared, graph, given, map_over, map_mode, output_name)
        over = [map_over] if isinstance(map_over, str) else map_over or ()
        constants = {name: value for name, value in given.items() if name not in over}
        watched = self._watched(pipeline, source, cache, callbacks, constants)
        pack = self._pack(pipeline, constants, output_name, cache, watched)
        return frame.build(daft, graph, source, cache, declared, self._plans, pack, watched)

    def _watched(
        self,
        pipeline: Pipeline,
        source: _core.DaftSource,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
        constants: dict[str, Any],
    ) -> queries.Watched | None:
        """What tells the events of a DataFrame, if somebody hears of them."""
        if not callbacks and not pipeline._wired.callbacks_inside:
            return None
        events = _core.DaftEvents(source, cache, callbacks, constants)
        if not events.listened:
            return None
        mail = Mail(events, constants) if self._choose_runner() == "ray" else None
        return queries.Watched(events, mail)

    def plan(
        self,
        pipeline: Pipeline,
        inputs: Mapping[str, Any] | None = None,
        map_over: str | Sequence[str] | None = None,
        output_name: str | Sequence[str] | None = None,
    ) -> plan.DaftPlan:
        """How Daft would evaluate a pipeline, for reading: `print(engine.plan(pipeline))`.

        It has the steps that `dataframe` makes of the pipeline, with what they fuse and the types
        of their columns, how the rows of `run` and `map` go through Daft, and Daft's own logical
        and physical plans. No node runs.

        Args:
            pipeline: What to plan.
            inputs: The inputs, as for `dataframe`. None takes what has no value for columns, typed
                by the hints of the nodes that read it.
            map_over: The names of the inputs to map over; None for a single row.
            output_name: The only outputs to compute.

        Raises:
            PlanError, TypeError: As for `dataframe`.
        """
        daft = extension.load()
        cache, _ = self._settings(pipeline)
        graph = pipeline._native(output_name, cached=cache is not None)
        given = pipeline._merged(inputs or {})
        if inputs is None:
            columns = plan.empty_columns(pipeline, graph, given, output_name)
            given |= columns
            map_over = list(columns) or None
        declared = Declared.by(pipeline)
        source = _source(declared, graph, given, map_over, "zip", output_name)
        compiled = self._plans.get(daft, graph, source, cache, declared)
        shown = compiled.frame(source) if source.outputs else None
        options, spread = self._rows(pipeline)
        return plan.describe(pipeline, compiled, shown, options or _DEFAULTS, spread is not None)

    @staticmethod
    @functools.cache
    def shared() -> DaftEngine:
        """The engine for DataFrames of pipelines that have another engine, or none."""
        return DaftEngine()

    def _extended(
        self,
        pipeline: Pipeline,
        table: _tables.DaftTable,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None,
    ) -> daft.DataFrame:
        """A Daft DataFrame with the outputs of a pipeline as further columns."""
        cache, callbacks = pipeline._own_settings()
        self._check_callbacks(callbacks or ())
        pipeline._check_inner_callbacks(self)
        graph = pipeline._native(output_name, cached=cache is not None)
        names = _tables.needed_columns(pipeline, table, output_name, None, inputs)
        schema = table.content.schema()
        columns = {name: _tables.daft_type(schema[name].dtype) for name in names}
        constants = {**pipeline.bound_inputs, **inputs}
        declared = Declared.by(pipeline)
        source = _core.daft_source_on(
            graph, columns, constants, output_name, declared.promised, declared.numbers
        )
        watched = self._watched(pipeline, source, cache, callbacks, constants)
        pack = self._pack(pipeline, constants, output_name, cache, watched)
        return frame.extend(
            extension.load(),
            table.content,
            graph,
            source,
            columns,
            cache,
            declared,
            self._plans,
            pack,
            watched,
        )

    def generate_code(
        self,
        pipeline: Pipeline,
        inputs: Mapping[str, Any] | None = None,
        mode: str = "run",
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
    ) -> str:
        """Returns a Daft script that computes what `run` or `map` of `pipeline` does.

        The script needs Daft alone: it holds the source of node functions and of what they read.
        Its last DataFrame is `df`, with the outputs as columns; nothing runs before that is
        collected. A plain nested pipeline becomes its nodes, a mapped one a function with a loop,
        a C++ node is loaded from its library through hypernodes. Retries and time limits of nodes
        are kept, engines, caches and callbacks left out. Columns are typed by return hints, which
        Daft takes at their word: it converts a value that breaks its hint.

        Args:
            pipeline: What to write.
            inputs: The inputs by name; None for placeholders.
            mode: "run" for one row, "map" for one for each item.
            map_over: The inputs to map over; by default all given ones that are sequences.
            map_mode: "zip" or "product".
            output_name: The only outputs to compute.

        Raises:
            PlanError: As for run and map; for a node whose function has no source or reads
                something that has none, for one of whole columns, and for an input that cannot be
                written as a literal.
        """
        return generate.generate(pipeline, inputs, mode, map_over, map_mode, output_name)


class DaftEngineV2(DaftEngine):
    """A DaftEngine whose `map` returns columns: a dict of lists.

    >>> from hypernodes import Pipeline, node
    >>> @node(output_name="doubled")
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> Pipeline([double], engine=DaftEngineV2()).map({"x": [1, 2]}, map_over="x")
    {'doubled': [2, 4]}
    """

    _outputs = "columns"


def _source(
    declared: Declared,
    graph: _core.Graph,
    given: dict[str, Any],
    map_over: str | Sequence[str] | None,
    map_mode: str,
    output_name: str | Sequence[str] | None,
) -> _core.DaftSource:
    """The columns that a DataFrame begins with."""
    over = [map_over] if isinstance(map_over, str) else map_over
    given = given | {name: _without_copy(given[name]) for name in over or () if name in given}
    return _core.daft_source(
        graph, given, over, map_mode, output_name, declared.promised, declared.numbers
    )


def _without_copy(items: Any) -> Any:  # noqa: ANN401
    """A numpy array of numbers as an Arrow array on the same memory; others as they are."""
    if type(items).__module__ != "numpy" or getattr(items, "ndim", 0) != 1:
        return items
    if items.dtype.kind not in "iuf":
        return items
    return extension.arrow().array(items)
