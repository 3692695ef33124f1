# SPDX-License-Identifier: MIT
"""A pipeline as columns of a lazy Daft DataFrame: the plan that C++ compiled, as expressions."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from hypernodes import _column_values, _core, _travel
from hypernodes.exceptions import PlanError
from hypernodes.hints import ColumnType
from hypernodes.integrations.daft import extension, queries, runner, worker
from hypernodes.integrations.daft.node_options import NodeOptions
from hypernodes.integrations.daft.options import Options
from hypernodes.integrations.daft.steps import Declared, Origin, OutputType, Step, TravellingStep

if TYPE_CHECKING:
    import daft

# Packs what a plan is compiled from, given the Arrow types of the columns that are inputs.
Pack: TypeAlias = Callable[[dict[str, Any]], Origin]

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
            options: How Daft calls batch UDFs: `batch_size`, `cpus` and `gpus` count.
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
        declared: Declared,
        kept: tuple[str, ...] = (),
        origin: Callable[[], Origin] | None = None,
        watched: queries.Watched | None = None,
    ) -> Plan:
        """The plan for this source; compiled unless an earlier one serves.

        Args:
            module: Daft.
            graph: The pipeline's.
            source: The columns it begins with.
            cache: The cache, or None.
            declared: What the pipeline's nodes say.
            kept: All columns of a DataFrame that is extended.
            origin: Gives what the plan is compiled from, if its steps run elsewhere.
            watched: Who hears of its nodes, if anybody: then the plan serves nobody else.
        """
        key = (graph, source.key, id(cache), kept, origin is not None)
        with self._lock:
            known = self._plans.get(key)
        if known is not None and source.key and watched is None:
            return known[1]
        events = None if watched is None else watched.events
        with extension.defining:
            steps = _core.daft_compile(source, cache, events)
            packed = None if origin is None else origin()
            if packed is None:
                extension.load_functions(module)
            held = [Step(step, declared, events) for step in steps]
            plan = Plan(module, source, held, self._options, cache, kept, packed)
            for step in steps:
                if packed is None and step.function:
                    module.detach_function(step.function)  # its expressions keep it
        if watched is not None:
            watched.watch(plan.functions)
            return plan
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
    declared: Declared,
    plans: Plans,
    pack: Pack | None,
    watched: queries.Watched | None,
) -> daft.DataFrame:
    """Returns the DataFrame whose columns are the outputs, one row for each item.

    Args:
        module: Daft.
        graph: The pipeline's.
        source: The columns it begins with.
        cache: The cache, or None.
        declared: What its nodes say.
        plans: What has been compiled before.
        pack: What packs the plan's origin, if Daft runs on Ray.
        watched: Who hears of its nodes, if anybody.
    """
    if not source.outputs:
        # Daft counts rows by columns: without columns there are none.
        nothing: daft.DataFrame = module.from_pydict({})
        return nothing
    origin = None if pack is None else functools.partial(_packed, pack, source)
    plan = plans.get(module, graph, source, cache, declared, (), origin, watched)
    return plan.frame(source)


def _packed(pack: Pack, source: _core.DaftSource) -> Origin:
    arrow = extension.arrow()
    return pack(
        {
            name: None if isinstance(column, list) else arrow.array(column).type
            for name, column in source.columns
        }
    )


def extend(
    module: ModuleType,
    frame: daft.DataFrame,
    graph: _core.Graph,
    source: _core.DaftSource,
    columns: dict[str, Any],
    cache: object,
    declared: Declared,
    plans: Plans,
    pack: Pack | None,
    watched: queries.Watched | None,
) -> daft.DataFrame:
    """Returns `frame` with the outputs as further columns.

    Args:
        module: Daft.
        frame: The DataFrame, which may be as lazy as it likes.
        graph: The pipeline's.
        source: The columns of it that are inputs.
        columns: Their Arrow types; None for Python objects.
        cache: The cache, or None.
        declared: What its nodes say.
        plans: What has been compiled before.
        pack: What packs the plan's origin, if Daft runs on Ray.
        watched: Who hears of its nodes, if anybody.

    Raises:
        PlanError: If the frame has no columns.
    """
    if not source.outputs:
        return frame
    kept = tuple(frame.column_names)
    if not kept:
        raise PlanError("The DataFrame has no columns, and so no rows", fix="give it a column")
    origin = None if pack is None else functools.partial(pack, columns)
    return plans.get(module, graph, source, cache, declared, kept, origin, watched).on(frame)


class Plan:
    """Steps on top of a source, a projection for each level."""

    def __init__(
        self,
        module: ModuleType,
        source: _core.DaftSource,
        steps: list[Step],
        options: Options,
        cache: object,
        kept: tuple[str, ...],
        origin: Origin | None,
    ) -> None:
        """Makes the expressions of steps, by level; arguments are as for `Plans.get`."""
        self._daft = module
        self.steps = steps
        self.functions: list[str] = []
        self._options = options
        self._cache = cache
        self._origin = origin
        self._kept = kept
        # Where each slot's values are: an expression of columns that exist.
        self._values: dict[str, Any] = {}
        # The column that an expression in _values needs.
        self._holders: dict[str, str] = {}
        # If that column has tuples, the slot's place in them.
        self._places: dict[str, int] = {}
        for name, _ in source.columns:
            self._values[name] = module.col(name)
            self._holders[name] = name
        self._rows = not kept and (not source.columns or self._needs_rows(above=0))
        self._projections = self._project(source.outputs)

    def frame(self, source: _core.DaftSource) -> daft.DataFrame:
        """The columns of a source with the same key."""
        columns = {name: self._to_daft(column) for name, column in source.columns}
        if self._rows:
            columns[_ROWS] = self._to_daft(_core.daft_row_numbers(source.rows))
        frame = self._daft.from_pydict(columns)
        if self._origin is not None and source.rows > _BATCH_ROWS:
            # A partition runs on one machine; Daft mixes up the batches of any in any case.
            frame = frame.into_partitions(runner.cores("ray"))
        return self.on(frame)

    def on(self, frame: daft.DataFrame) -> daft.DataFrame:
        """The columns of the steps on top of those of `frame`."""
        for projection in self._projections:
            frame = frame.select(*projection)
        return frame

    def _project(self, outputs: list[str]) -> list[list[Any]]:
        projections: list[list[Any]] = []
        names: list[str] = []
        for level in sorted({step.native.level for step in self.steps}):
            made = [self._column(i) for i in self._of_level(level)]
            later = {
                self._holders[name]
                for step in self.steps
                if step.native.level > level
                for name in step.native.arguments
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
        return [i for i, step in enumerate(self.steps) if step.native.level == level]

    def _needs_rows(self, above: int) -> bool:
        """Whether steps above this level take row numbers, which are there unless columns are."""
        return not self._kept and any(
            step.native.level > above
            and not (self._is_native(step.native) and step.native.arguments)
            for step in self.steps
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
        step = self.steps[index].native
        arguments = [self._values[name] for name in step.arguments]
        if self._is_native(step):
            if not arguments:
                arguments = [*map(self._daft.lit, step.literals), self._counted(step)]
            else:
                arguments += map(self._daft.lit, step.literals)
            call = self._daft.get_function(step.function, *arguments)
        else:
            call = self._foreign(index, arguments)
        # Its text begins with the name that Daft has for the function, which no other has.
        self.functions.append(str(call).partition("(")[0] + "(")
        return call.alias(self._column_name(index))

    def _foreign(self, index: int, arguments: list[Any]) -> Any:  # noqa: ANN401
        """The call of a step that Daft does not call natively."""
        step, own = self.steps[index].native, self.steps[index].own
        held = self._travelling(index)
        dtype, counted = self._result_type(index), self._counted(step)
        if own is not None and own[1].use_process:
            columns = [
                self._pickled(name) if kind is None else argument
                for name, kind, argument in zip(
                    step.arguments, step.argument_types, arguments, strict=True
                )
            ]
            rows = columns[0] if counted is None else counted
            listened = self.steps[index].events is not None
            columns = [rows, *columns]
            made = worker.expression(self._daft, *own, step, self._cache, columns, listened)
            return self._daft.func.batch(return_dtype=dtype)(_arrived)(held, made)
        options = NodeOptions() if own is None else own[1]
        udf = self._daft.func.batch(
            return_dtype=dtype,
            batch_size=options.batch_size or self._options.batch_size,
            cpus=self._options.cpus if options.cpus is None else options.cpus,
            gpus=self._options.gpus if options.gpus is None else options.gpus,
        )(_named(options.name or step.name))
        return udf(held, counted, *arguments, *map(self._daft.lit, step.literals))

    def _column_name(self, index: int) -> str:
        outputs = self.steps[index].native.outputs
        alone = len(outputs) == 1 and outputs[0] not in self._kept
        return outputs[0] if alone else _STEP.format(index)

    def _result_type(self, index: int) -> Any:  # noqa: ANN401
        step = self.steps[index]
        if None in step.kinds:
            return self._daft.DataType.python()
        types = [_daft_type(self._daft, kind) for kind in step.kinds]
        if len(types) == 1:
            return types[0]
        return self._daft.DataType.struct(dict(zip(step.native.outputs, types, strict=True)))

    def _publish(self, index: int) -> None:
        """Notes where the outputs of a step are, now that its column exists."""
        step, kinds = self.steps[index].native, self.steps[index].kinds
        column = self._column_name(index)
        held = self._daft.col(column)
        for place, name in enumerate(step.outputs):
            self._holders[name] = column
            if len(step.outputs) == 1:
                self._values[name] = held
            elif None not in kinds:
                self._values[name] = held[name]
            else:
                # The step returns Python objects: a tuple for each row.
                pick = self._daft.func.batch(return_dtype=_daft_type(self._daft, kinds[place]))
                self._values[name] = pick(_pick)(self._travelling(index), held, place)
                self._places[name] = place

    def _pickled(self, name: str) -> Any:  # noqa: ANN401
        """Python objects for a process: Daft keeps functions of these here, whatever they ask for.

        One function of the column itself: of two, one around the other, Daft takes the inner one to
        the process, too.
        """
        pickle = self._daft.func.batch(return_dtype=self._daft.DataType.binary())(_pickled)
        return pickle(self._daft.col(self._holders[name]), self._places.get(name))

    def _travelling(self, index: int) -> Step | TravellingStep:
        """A step as an argument of functions that Daft calls where it runs them."""
        held = self.steps[index]
        return held if self._origin is None else TravellingStep(self._origin, index, held.events)


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


def _named(name: str) -> Any:  # noqa: ANN401
    """_run_step under another name: Daft shows the function's."""

    def run_step(held: Step | TravellingStep, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
        step = held.here
        with step.turn, step.sending():
            return _run_step(step, rows, *columns)

    run_step.__module__, run_step.__qualname__ = "hypernodes", name
    return run_step


def _run_step(step: Step, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
    """The body of a batch UDF: runs the nodes of a step."""
    native = step.native
    objects = [kind is None for kind in native.argument_types] + [False] * len(native.literals)
    given = zip(columns, objects, strict=True)
    arguments = [column.to_pylist() if pythonic else column for column, pythonic in given]
    return _column_of(step, rows, native.run(rows, arguments))


def _arrived(held: Step | TravellingStep, column: Any) -> Any:  # noqa: ANN401
    """A batch UDF: what a step made in another process."""
    step = held.here
    made = [_travel.loads(row) for row in column.to_pylist()]
    if step.events is not None:
        with step.sending():
            made = [worker.heard(step, row) for row in made]
    results: list[Any] = [made]
    if len(step.kinds) > 1:
        results = [[row[place] for row in made] for place in range(len(step.kinds))]
    for place, kind in enumerate(step.kinds):
        if kind is not None and not isinstance(kind, ColumnType):
            results[place] = step.native.arrived(place, results[place])
    return _column_of(step, None, results)


def _pickled(objects: Any, place: int | None) -> list[bytes]:  # noqa: ANN401
    """A batch UDF: Python objects for a process, or what tuples have at a place."""
    items = objects.to_pylist()
    return [_travel.dumps(item if place is None else item[place]) for item in items]


def _column_of(step: Step, rows: Any, results: list[Any]) -> Any:  # noqa: ANN401
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


def _pick(held: Step | TravellingStep, rows: Any, place: int) -> Any:  # noqa: ANN401
    """A batch UDF: one output of a step, of tuples of all."""
    kind = held.here.kinds[place]
    items = [row[place] for row in rows.to_pylist()]
    return _series(
        items if kind is None else extension.arrow().array(items, arrow_type(kind)), kind
    )


def _series(result: Any, kind: OutputType) -> Any:  # noqa: ANN401
    import daft

    if isinstance(result, list):
        return daft.Series.from_pylist(result, pyobj="force")
    series = daft.Series.from_arrow(extension.arrow().array(result))
    if isinstance(kind, ColumnType):
        dtype = _daft_type(daft, kind)
        return series if series.datatype() == dtype else series.cast(dtype)
    return series
