# SPDX-License-Identifier: MIT
"""A pipeline as columns of a lazy Daft DataFrame: the plan that C++ compiled, as expressions."""

from __future__ import annotations

import contextlib
import secrets
import threading
import weakref
from collections.abc import Hashable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from hypernodes import _column_values, _core, _travel
from hypernodes.exceptions import PlanError
from hypernodes.hints import ColumnType
from hypernodes.integrations.daft import extension, worker
from hypernodes.integrations.daft.node_options import NodeOptions, Own
from hypernodes.integrations.daft.options import Options

if TYPE_CHECKING:
    import daft

Promised: TypeAlias = dict[str, ColumnType | None]

# Names that no output can be mistaken for.
_ROWS = "__hn_row"
_STEP = "__hn_step_{}"


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
        self._plans: dict[Hashable, tuple[object, Plan]] = {}
        self._lock = threading.Lock()

    def get(
        self,
        module: ModuleType,
        graph: _core.Graph,
        source: _core.DaftSource,
        cache: object,
        promised: Promised,
        own: Mapping[str, Own],
        kept: tuple[str, ...] = (),
    ) -> Plan:
        """The plan for this source; compiled unless an earlier one serves.

        Args:
            module: Daft.
            graph: The pipeline's.
            source: The columns it begins with.
            cache: The cache, or None.
            promised: The column types of outputs of Python nodes.
            own: The nodes that are functions of their own, by output.
            kept: All columns of a DataFrame that is extended.
        """
        key = (graph, source.key, id(cache), kept)
        with self._lock:
            known = self._plans.get(key)
        if known is not None and source.key:
            return known[1]
        with extension.defining:
            steps = _core.daft_compile(source, cache)
            extension.load_functions(module)
            plan = Plan(module, source, steps, promised, self._options, cache, own, kept)
            for step in steps:
                if step.function:
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
    source: _core.DaftSource,
    cache: object,
    hints: Promised,
    own: Mapping[str, Own],
    plans: Plans,
) -> daft.DataFrame:
    """Returns the DataFrame whose columns are the outputs, one row for each item.

    Args:
        module: Daft.
        graph: The pipeline's.
        source: The columns it begins with.
        cache: The cache, or None.
        hints: For each output of a Python node, the column type that its hint promises.
        own: The nodes that are functions of their own, by output.
        plans: What has been compiled before.
    """
    if not source.outputs:
        # Daft counts rows by columns: without columns there are none.
        nothing: daft.DataFrame = module.from_pydict({})
        return nothing
    return plans.get(module, graph, source, cache, hints, own).frame(source)


def extend(
    module: ModuleType,
    frame: daft.DataFrame,
    graph: _core.Graph,
    columns: dict[str, Any],
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
    cache: object,
    hints: Promised,
    own: Mapping[str, Own],
    plans: Plans,
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
        own: The nodes that are functions of their own, by output.
        plans: What has been compiled before.

    Raises:
        PlanError: If the frame has no columns.
    """
    source = _core.daft_source_on(graph, columns, inputs, output_name, hints, list(own))
    if not source.outputs:
        return frame
    kept = tuple(frame.column_names)
    if not kept:
        raise PlanError("The DataFrame has no columns, and so no rows", fix="give it a column")
    return plans.get(module, graph, source, cache, hints, own, kept).on(frame)


class Plan:
    """Steps on top of a source, a projection for each level."""

    def __init__(
        self,
        module: ModuleType,
        source: _core.DaftSource,
        steps: list[_core.DaftStep],
        promised: Promised,
        options: Options,
        cache: object,
        own: Mapping[str, Own],
        kept: tuple[str, ...],
    ) -> None:
        """Makes the expressions; arguments are as for `Plans.get`."""
        self._daft = module
        self._steps = steps
        self._kinds = [_kinds_of(step, promised) for step in steps]
        self._options = options
        self._cache = cache
        self._own = own
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

    @property
    def steps(self) -> list[_core.DaftStep]:
        """By level."""
        return self._steps

    @property
    def kinds(self) -> list[list[OutputType]]:
        """The types of the outputs of each step."""
        return self._kinds

    def frame(self, source: _core.DaftSource) -> daft.DataFrame:
        """The columns of a source with the same key."""
        columns = {name: self._to_daft(column) for name, column in source.columns}
        if self._rows:
            columns[_ROWS] = self._to_daft(_core.daft_row_numbers(source.rows))
        return self.on(self._daft.from_pydict(columns))

    def on(self, frame: daft.DataFrame) -> daft.DataFrame:
        """The columns of the steps on top of those of `frame`."""
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
            step.level > above and not (step.function and step.arguments) for step in self._steps
        )

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
        if step.function:
            if not arguments:
                arguments = [*map(self._daft.lit, step.literals), self._counted(step)]
            else:
                arguments += map(self._daft.lit, step.literals)
            call = self._daft.get_function(step.function, *arguments)
        else:
            call = self._foreign(index, arguments)
        return call.alias(self._column_name(index))

    def own(self, step: _core.DaftStep) -> Own | None:
        """The node that a step is, if it has options of its own."""
        return None if step.function else self._own.get(step.nodes[0][1][0])

    def _foreign(self, index: int, arguments: list[Any]) -> Any:  # noqa: ANN401
        """The call of a step that Daft does not call natively."""
        step, kinds = self._steps[index], self._kinds[index]
        own = self.own(step)
        dtype, counted = self._result_type(index), self._counted(step)
        if own is not None and own[1].use_process:
            rows = arguments[0] if counted is None else counted
            made = worker.expression(self._daft, *own, step, self._cache, [rows, *arguments])
            return self._daft.func.batch(return_dtype=dtype)(_arrived)(_Step(step, kinds), made)
        options = NodeOptions() if own is None else own[1]
        udf = self._daft.func.batch(
            return_dtype=dtype,
            batch_size=options.batch_size or self._options.batch_size,
            cpus=options.cpus,
            gpus=self._options.gpus if options.gpus is None else options.gpus,
        )(_named(options.name or step.name))
        return udf(_Step(step, kinds, options.max_concurrency), counted, *arguments)

    def _column_name(self, index: int) -> str:
        outputs = self._steps[index].outputs
        alone = len(outputs) == 1 and outputs[0] not in self._kept
        return outputs[0] if alone else _STEP.format(index)

    def _result_type(self, index: int) -> Any:  # noqa: ANN401
        kinds = self._kinds[index]
        if None in kinds:
            return self._daft.DataType.python()
        types = [_daft_type(self._daft, kind) for kind in kinds]
        if len(types) == 1:
            return types[0]
        return self._daft.DataType.struct(dict(zip(self._steps[index].outputs, types, strict=True)))

    def _publish(self, index: int) -> None:
        """Notes where the outputs of a step are, now that its column exists."""
        step, kinds = self._steps[index], self._kinds[index]
        column = self._column_name(index)
        held = self._daft.col(column)
        for place, name in enumerate(step.outputs):
            self._holders[name] = column
            if len(step.outputs) == 1:
                self._values[name] = held
            elif None not in kinds:
                self._values[name] = held[name]
            else:
                self._values[name] = self._picked(held, place, kinds[place])

    def _picked(self, held: Any, place: int, kind: OutputType) -> Any:  # noqa: ANN401
        """One output of a step that returns Python objects: a tuple for each row."""
        dtype = _daft_type(self._daft, kind)
        pick = self._daft.func.batch(return_dtype=dtype)(_pick)
        return pick(held, place, None if kind is None else _Kept(kind))


# The type of a step's output: what C++ made, what a hint promises, or None for Python objects.
OutputType: TypeAlias = "_core.ArrowType | ColumnType | None"


def _kinds_of(step: _core.DaftStep, promised: Promised) -> list[OutputType]:
    kinds: list[OutputType] = []
    for name, kind in zip(step.outputs, step.types, strict=True):
        kinds.append(promised.get(name) if kind is None and not step.function else kind)
    return kinds


def arrow_type(kind: _core.ArrowType | ColumnType) -> Any:  # noqa: ANN401
    """The Arrow type of what C++ made or a hint promises."""
    if isinstance(kind, ColumnType):
        return _column_values.arrow_type(kind)
    return extension.arrow().field(kind).type


def _daft_type(daft: ModuleType, kind: OutputType) -> Any:  # noqa: ANN401
    if kind is None:
        return daft.DataType.python()
    if isinstance(kind, ColumnType) and kind.kind == "tensor":
        item = arrow_type(kind).field("data").type.value_type
        return daft.DataType.tensor(daft.DataType.from_arrow_type(item))
    if isinstance(kind, ColumnType) and kind.kind == "optional":
        return _daft_type(daft, kind.item)
    if isinstance(kind, ColumnType) and kind.kind == "struct":
        return daft.DataType.struct({name: _daft_type(daft, field) for name, field in kind.fields})
    if isinstance(kind, ColumnType) and kind.kind == "list":
        return daft.DataType.list(_daft_type(daft, kind.item))
    return daft.DataType.from_arrow_type(arrow_type(kind))


_steps: weakref.WeakValueDictionary[str, _Step] = weakref.WeakValueDictionary()


class _Step:
    """A step as an argument of its UDF. Daft pickles it to tell plans apart."""

    def __init__(
        self, native: _core.DaftStep, kinds: list[OutputType], at_once: int | None = None
    ) -> None:
        self.native = native
        self.kinds = kinds
        # Daft's own limit would take the step to processes, where its objects are not.
        self.turn = contextlib.nullcontext() if at_once is None else threading.Semaphore(at_once)
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

    def run_step(step: _Step, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
        with step.turn:
            return _run_step(step, rows, *columns)

    run_step.__module__, run_step.__qualname__ = "hypernodes", name
    return run_step


def _run_step(step: _Step, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
    """The body of a batch UDF: runs the nodes of a step."""
    native = step.native
    typed = zip(columns, native.argument_types, strict=True)
    arguments = [column.to_pylist() if kind is None else column for column, kind in typed]
    return _column_of(step, rows, native.run(rows, arguments))


def _arrived(step: _Step, column: Any) -> Any:  # noqa: ANN401
    """A batch UDF: what a step made in another process."""
    made = [_travel.loads(row) for row in column.to_pylist()]
    if len(step.kinds) == 1:
        return _column_of(step, None, [made])
    results = [list(items) for items in zip(*made, strict=True)] if made else [[]] * len(step.kinds)
    return _column_of(step, None, results)


def _column_of(step: _Step, rows: Any, results: list[Any]) -> Any:  # noqa: ANN401
    """The outputs of a step as its column."""
    native = step.native
    for place, kind in enumerate(step.kinds):
        if isinstance(kind, ColumnType) and isinstance(results[place], list):
            try:
                results[place] = _column_values.column(results[place], kind)
            except _column_values.Misfit as error:
                native.refuse(place, rows, len(results[place]), error.row, str(error))
    if len(results) == 1:
        return _series(results[0], step.kinds[0])
    if any(isinstance(result, list) for result in results):
        lists = [
            r if isinstance(r, list) else extension.arrow().array(r).to_pylist() for r in results
        ]
        return _series(list(zip(*lists, strict=True)), None)
    return _struct(native.outputs, results, step.kinds)


def _struct(names: list[str], columns: list[Any], kinds: list[OutputType]) -> Any:  # noqa: ANN401
    """Columns as the fields of one."""
    if not any(isinstance(kind, ColumnType) for kind in kinds):
        return _series(_core.daft_struct(names, columns), None)
    import daft

    pa = extension.arrow()
    arrays = [pa.array(column) for column in columns]
    series = daft.Series.from_arrow(pa.StructArray.from_arrays(arrays, names))
    fields = {name: _daft_type(daft, kind) for name, kind in zip(names, kinds, strict=True)}
    return series.cast(daft.DataType.struct(fields))


class _Kept:
    """A column type as an argument of a UDF. Daft pickles it to tell plans apart."""

    def __init__(self, kind: _core.ArrowType | ColumnType) -> None:
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (repr(self.kind),)


def _pick(rows: Any, place: int, kept: _Kept | None) -> Any:  # noqa: ANN401
    """A batch UDF: one item of each tuple."""
    items = [row[place] for row in rows.to_pylist()]
    if kept is None:
        return _series(items, None)
    return _series(extension.arrow().array(items, arrow_type(kept.kind)), kept.kind)


def _series(result: Any, kind: OutputType) -> Any:  # noqa: ANN401
    import daft

    if isinstance(result, list):
        return daft.Series.from_pylist(result, pyobj="force")
    series = daft.Series.from_arrow(extension.arrow().array(result))
    if isinstance(kind, ColumnType):
        dtype = _daft_type(daft, kind)
        return series if series.datatype() == dtype else series.cast(dtype)
    return series
