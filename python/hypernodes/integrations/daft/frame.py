# SPDX-License-Identifier: MIT
"""A pipeline as columns of a lazy Daft DataFrame: the plan that C++ compiled, as expressions."""

from __future__ import annotations

import functools
import secrets
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core
from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import extension, runner
from hypernodes.integrations.daft.options import Options
from hypernodes.integrations.daft.steps import Origin, TravellingStep

if TYPE_CHECKING:
    import daft
    from hypernodes.pipeline import Pipeline

# Names that no output can be mistaken for.
_ROWS = "__hn_row"
_STEP = "__hn_step_{}"
# On Ray, Daft keeps the order of rows within a batch of so many alone.
_BATCH_ROWS = 131_072


class Plans:
    """The plans that an engine has compiled, the latest ones. Threads: safe."""

    def __init__(self, options: Options, most: int = 64) -> None:
        """Keeps up to `most` of them.

        Args:
            options: How Daft calls batch UDFs: `batch_size` and `gpus` count.
            most: How many.
        """
        self._options = options
        self._most = most
        self._plans: dict[Hashable, tuple[object, _Plan]] = {}
        self._lock = threading.Lock()

    def get(
        self,
        module: ModuleType,
        graph: _core.Graph,
        source: _core.DaftSource,
        cache: object,
        kept: tuple[str, ...] = (),
        origin: Callable[[_core.DaftSource], Origin] | None = None,
    ) -> _Plan:
        """The plan for this source; compiled unless an earlier one serves.

        Args:
            module: Daft.
            graph: The pipeline's.
            source: The columns it begins with.
            cache: The cache, or None.
            kept: All columns of a DataFrame that is extended.
            origin: Where Daft runs on Ray: gives what travels there for this source.
        """
        key = (graph, source.key, id(cache), kept, origin is not None)
        with self._lock:
            known = self._plans.get(key)
        if known is not None and source.key:
            return known[1]
        with extension.defining:
            steps = _core.daft_compile(source, cache)
            packed = None if origin is None else origin(source)
            if packed is None:
                extension.load_functions(module)
            plan = _Plan(module, source, steps, self._options, kept, packed)
            for step in steps:
                if packed is None and step.function:
                    module.detach_function(step.function)  # its expressions keep it
        with self._lock:
            if source.key:
                # The cache is kept as well: no other can have its id then.
                self._plans[key] = (cache, plan)
            while len(self._plans) > self._most:
                del self._plans[next(iter(self._plans))]
        return plan

    def __reduce__(self) -> tuple[Any, ...]:
        """Compiled functions belong to a process: elsewhere it begins empty."""
        return Plans, (self._options, self._most)


def build(
    module: ModuleType,
    graph: _core.Graph,
    inputs: dict[str, Any],
    map_over: str | Sequence[str] | None,
    map_mode: str,
    output_name: str | Sequence[str] | None,
    cache: object,
    hints: dict[str, Any],
    plans: Plans,
    travels: Pipeline | None = None,
) -> daft.DataFrame:
    """Returns the DataFrame whose columns are the outputs, one row for each item.

    Args:
        module: Daft.
        graph: The pipeline's.
        inputs: All inputs, the bound ones too.
        map_over: The inputs that are columns; None for a single row.
        map_mode: "zip" or "product".
        output_name: The outputs wanted; None for all.
        cache: The cache, or None.
        hints: For each output of a Python node, the column type that its hint promises.
        plans: What has been compiled before.
        travels: The pipeline, if Daft runs on Ray.
    """
    source = _core.daft_source(graph, inputs, map_over, map_mode, output_name, hints)
    if not source.outputs:
        # Daft counts rows by columns: without columns there are none.
        nothing: daft.DataFrame = module.from_pydict({})
        return nothing
    origin: Callable[[_core.DaftSource], Origin] | None = None
    if travels is not None:
        origin = functools.partial(_origin, travels, inputs, map_over, output_name, cache)
    return plans.get(module, graph, source, cache, origin=origin).frame(source)


def _origin(
    pipeline: Pipeline,
    inputs: dict[str, Any],
    map_over: str | Sequence[str] | None,
    output_name: str | Sequence[str] | None,
    cache: object,
    source: _core.DaftSource,
) -> Origin:
    """What a plan for this source of a DataFrame of its own is compiled from."""
    mapped = [map_over] if isinstance(map_over, str) else map_over or ()
    constants = {name: value for name, value in inputs.items() if name not in mapped}
    columns = {
        name: None if isinstance(column, list) else extension.arrow().array(column).type
        for name, column in source.columns
    }
    return Origin.pack(pipeline, columns, constants, output_name, cache)


def extend(
    module: ModuleType,
    frame: daft.DataFrame,
    graph: _core.Graph,
    columns: dict[str, Any],
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
    cache: object,
    hints: dict[str, Any],
    plans: Plans,
    travels: Pipeline | None = None,
) -> daft.DataFrame:
    """Returns `frame` with the outputs as further columns.

    Args:
        module: Daft.
        frame: The DataFrame, which may be as lazy as it likes.
        graph: The pipeline's.
        columns: The Arrow types of the columns that are inputs; None for Python objects.
        inputs: Inputs that are the same for every row.
        output_name: The outputs wanted; None for all.
        cache: The cache, or None.
        hints: For each output of a Python node, the column type that its hint promises.
        plans: What has been compiled before.
        travels: The pipeline, if Daft runs on Ray.

    Raises:
        PlanError: If the frame has no columns.
    """
    source = _core.daft_source_on(graph, columns, inputs, output_name, hints)
    if not source.outputs:
        return frame
    kept = tuple(frame.column_names)
    if not kept:
        raise PlanError("The DataFrame has no columns, and so no rows", fix="give it a column")
    origin = None
    if travels is not None:

        def origin(_: _core.DaftSource) -> Origin:
            return Origin.pack(travels, columns, inputs, output_name, cache)

    return plans.get(module, graph, source, cache, kept, origin).on(frame)


class _Plan:
    """Steps on top of a source, a projection for each level."""

    def __init__(
        self,
        module: ModuleType,
        source: _core.DaftSource,
        steps: list[_core.DaftStep],
        options: Options,
        kept: tuple[str, ...],
        origin: Origin | None,
    ) -> None:
        self._origin = origin
        self._daft = module
        self._steps = steps
        self._options = options
        self._kept = kept
        # Where each slot's values are: an expression of columns that exist.
        self._values: dict[str, Any] = {}
        # The column that an expression in _values needs.
        self._holders: dict[str, str] = {}
        for name, _ in source.columns:
            self._values[name] = module.col(name)
            self._holders[name] = name
        self._rows = not kept and (not source.columns or self._needs_rows(above=0))
        self._projections = self._project(source.outputs)

    def frame(self, source: _core.DaftSource) -> daft.DataFrame:
        columns = {name: self._to_daft(column) for name, column in source.columns}
        if self._rows:
            columns[_ROWS] = self._to_daft(_core.daft_row_numbers(source.rows))
        frame = self._daft.from_pydict(columns)
        if self._origin is not None and source.rows > _BATCH_ROWS:
            # A partition runs on one machine; Daft mixes up the batches of any in any case.
            frame = frame.into_partitions(runner.cores("ray"))
        return self.on(frame)

    def on(self, frame: daft.DataFrame) -> daft.DataFrame:
        for projection in self._projections:
            frame = frame.select(*projection)
        return frame

    def _project(self, outputs: list[str]) -> list[list[Any]]:
        projections: list[list[Any]] = []
        names: list[str] = []
        for level in sorted({step.level for step in self._steps}):
            made = [self._column(i) for i in self._of_level(level)]
            later = {
                self._holders[name]
                for step in self._steps
                if step.level > level
                for name in step.arguments
                if name in self._holders
            }
            later |= {self._holders[name] for name in outputs if name in self._holders}
            later |= set(self._kept)
            if self._needs_rows(above=level):
                later.add(_ROWS)
            projections.append([*sorted(later), *made])
            names = [*sorted(later), *map(self._column_name, self._of_level(level))]
            for i in self._of_level(level):
                self._publish(i)
        if names != [*self._kept, *outputs]:
            made = [self._values[name].alias(name) for name in outputs]
            projections.append([*self._kept, *made])
        return projections

    def _of_level(self, level: int) -> list[int]:
        return [i for i, step in enumerate(self._steps) if step.level == level]

    def _needs_rows(self, above: int) -> bool:
        """Whether steps above this level take row numbers, which are there unless columns are."""
        return not self._kept and any(
            step.level > above and not (self._is_native(step) and step.arguments)
            for step in self._steps
        )

    def _is_native(self, step: _core.DaftStep) -> bool:
        """Whether Daft calls it as a native function, which belongs to this process."""
        return bool(step.function) and self._origin is None

    def _counted(self, step: _core.DaftStep) -> Any:  # noqa: ANN401
        """What tells a step its rows; None if its arguments do."""
        if not self._kept:
            return self._daft.col(_ROWS)
        # Any column will do, as one of a type that C++ knows.
        return None if step.arguments else self._daft.col(self._kept[0]).is_null()

    def _to_daft(self, column: Any) -> Any:  # noqa: ANN401
        if isinstance(column, list):
            return self._daft.Series.from_pylist(column, pyobj="force")
        return extension.arrow().array(column)

    def _column(self, index: int) -> Any:  # noqa: ANN401
        """The expression of a step, under the name of its column."""
        step = self._steps[index]
        arguments = [self._values[name] for name in step.arguments]
        if self._is_native(step):
            if not arguments:
                arguments = [*map(self._daft.lit, step.literals), self._counted(step)]
            else:
                arguments += map(self._daft.lit, step.literals)
            call = self._daft.get_function(step.function, *arguments)
        else:
            udf = self._batch(self._result_type(step))(_named(step.name))
            held: Any = _Step(step)
            if self._origin is not None:
                held = TravellingStep(self._origin, index)
            arguments += map(self._daft.lit, step.literals)
            call = udf(held, self._counted(step), *arguments)
        return call.alias(self._column_name(index))

    def _batch(self, dtype: Any) -> Any:  # noqa: ANN401
        """Makes batch UDFs of functions."""
        options = self._options
        return self._daft.func.batch(
            return_dtype=dtype, batch_size=options.batch_size, gpus=options.gpus
        )

    def _column_name(self, index: int) -> str:
        outputs = self._steps[index].outputs
        alone = len(outputs) == 1 and outputs[0] not in self._kept
        return outputs[0] if alone else _STEP.format(index)

    def _result_type(self, step: _core.DaftStep) -> Any:  # noqa: ANN401
        types = step.types
        if None in types:
            return self._daft.DataType.python()
        fields = {
            name: self._daft.DataType.from_arrow_type(extension.arrow().field(kind).type)
            for name, kind in zip(step.outputs, types, strict=True)
        }
        if len(fields) == 1:
            return next(iter(fields.values()))
        return self._daft.DataType.struct(fields)

    def _publish(self, index: int) -> None:
        """Notes where the outputs of a step are, now that its column exists."""
        step = self._steps[index]
        column = self._column_name(index)
        held = self._daft.col(column)
        for place, name in enumerate(step.outputs):
            self._holders[name] = column
            if len(step.outputs) == 1:
                self._values[name] = held
            elif None not in step.types:
                self._values[name] = held[name]
            else:
                self._values[name] = self._picked(held, place, step.types[place])

    def _picked(self, held: Any, place: int, kind: Any) -> Any:  # noqa: ANN401
        """One output of a step that returns Python objects: a tuple for each row."""
        if kind is None:
            dtype = self._daft.DataType.python()
        else:
            dtype = self._daft.DataType.from_arrow_type(extension.arrow().field(kind).type)
        return self._daft.func.batch(return_dtype=dtype)(_pick)(held, place, kind is None)


_steps: weakref.WeakValueDictionary[str, _Step] = weakref.WeakValueDictionary()


class _Step:
    """A step as an argument of its UDF. Daft pickles it to tell plans apart."""

    def __init__(self, native: _core.DaftStep) -> None:
        self.native = native
        self._key = secrets.token_hex(16)
        _steps[self._key] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _find_step, (self._key, self.native.name)


def _find_step(key: str, name: str) -> _Step:
    step = _steps.get(key)
    if step is None:
        raise PlanError(
            f"The nodes {name} are Python objects of another process",
            fix="collect the DataFrame where it was made, on Daft's native runner",
        )
    return step


def _named(name: str) -> Any:  # noqa: ANN401
    """_run_step under another name: Daft shows the function's."""

    def run_step(step: _Step | TravellingStep, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
        return _run_step(step.native, rows, *columns)

    run_step.__module__, run_step.__qualname__ = "hypernodes", name
    return run_step


def _run_step(step: _core.DaftStep, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
    """The body of a batch UDF: runs the nodes of a step."""
    kinds = step.argument_types
    arguments: list[Any] = [
        column.to_pylist() if kind is None else column
        for column, kind in zip(columns, kinds, strict=False)
    ]
    arguments += columns[len(kinds) :]  # literals
    results = step.run(rows, arguments)
    if len(results) == 1:
        return _series(results[0])
    if any(isinstance(result, list) for result in results):
        lists = [
            r if isinstance(r, list) else extension.arrow().array(r).to_pylist() for r in results
        ]
        return _series(list(zip(*lists, strict=True)))
    return _series(_core.daft_struct(step.outputs, results))


def _pick(rows: Any, place: int, objects: bool) -> Any:  # noqa: ANN401
    """A batch UDF: one item of each tuple."""
    import daft

    items = [row[place] for row in rows.to_pylist()]
    return daft.Series.from_pylist(items, pyobj="force" if objects else "allow")


def _series(result: Any) -> Any:  # noqa: ANN401
    import daft

    if isinstance(result, list):
        return daft.Series.from_pylist(result, pyobj="force")
    return daft.Series.from_arrow(extension.arrow().array(result))
