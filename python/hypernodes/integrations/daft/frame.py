# SPDX-License-Identifier: MIT
"""A pipeline as a lazy Daft DataFrame: the column plan that C++ compiled, as expressions."""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core
from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import extension

if TYPE_CHECKING:
    import daft

# Names that no output can be mistaken for.
_ROWS = "__hn_row"
_SEVERAL = "__hn_step_{}"


class Plans:
    """The plans that an engine has compiled, the latest ones. Threads: safe."""

    def __init__(self, most: int = 64) -> None:
        """Keeps up to `most` of them."""
        self._most = most
        self._plans: dict[Hashable, tuple[object, _Plan]] = {}
        self._lock = threading.Lock()

    def get(
        self, module: ModuleType, graph: _core.Graph, source: _core.DaftSource, cache: object
    ) -> _Plan:
        """The plan for this source; compiled unless an earlier one serves."""
        key = (graph, source.key, id(cache))
        with self._lock:
            kept = self._plans.get(key)
        if kept is not None and source.key:
            return kept[1]
        with extension.defining:
            steps = _core.daft_compile(source, cache)
            extension.load_functions(module)
            plan = _Plan(module, source, steps)
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
        return Plans, (self._most,)


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
    """
    source = _core.daft_source(graph, inputs, map_over, map_mode, output_name, hints)
    if not source.outputs:
        # Daft counts rows by columns: without columns there are none.
        nothing: daft.DataFrame = module.from_pydict({})
        return nothing
    return plans.get(module, graph, source, cache).frame(source)


class _Plan:
    """Steps on top of a source, a projection for each level."""

    def __init__(
        self, module: ModuleType, source: _core.DaftSource, steps: list[_core.DaftStep]
    ) -> None:
        self._daft = module
        self._steps = steps
        # Where each slot's values are: an expression of columns that exist.
        self._values: dict[str, Any] = {}
        # The column that an expression in _values needs.
        self._holders: dict[str, str] = {}
        for name, _ in source.columns:
            self._values[name] = module.col(name)
            self._holders[name] = name
        self._rows = not source.columns or self._needs_rows(above=0)
        self._projections = self._project(source.outputs)

    def frame(self, source: _core.DaftSource) -> daft.DataFrame:
        columns = {name: self._to_daft(column) for name, column in source.columns}
        if self._rows:
            columns[_ROWS] = self._to_daft(_core.daft_row_numbers(source.rows))
        frame: daft.DataFrame = self._daft.from_pydict(columns)
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
            if self._needs_rows(above=level):
                later.add(_ROWS)
            projections.append([*sorted(later), *made])
            names = [*sorted(later), *map(self._column_name, self._of_level(level))]
            for i in self._of_level(level):
                self._publish(i)
        if names != outputs:
            projections.append([self._values[name].alias(name) for name in outputs])
        return projections

    def _of_level(self, level: int) -> list[int]:
        return [i for i, step in enumerate(self._steps) if step.level == level]

    def _needs_rows(self, above: int) -> bool:
        return any(
            step.level > above and not (step.function and step.arguments) for step in self._steps
        )

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
                arguments = [*map(self._daft.lit, step.literals), self._daft.col(_ROWS)]
            else:
                arguments += map(self._daft.lit, step.literals)
            call = self._daft.get_function(step.function, *arguments)
        else:
            udf = self._daft.func.batch(return_dtype=self._result_type(step))(_named(step.name))
            call = udf(_Step(step), self._daft.col(_ROWS), *arguments)
        return call.alias(self._column_name(index))

    def _column_name(self, index: int) -> str:
        outputs = self._steps[index].outputs
        return outputs[0] if len(outputs) == 1 else _SEVERAL.format(index)

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

    def run_step(step: _Step, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
        return _run_step(step.native, rows, *columns)

    run_step.__module__, run_step.__qualname__ = "hypernodes", name
    return run_step


def _run_step(step: _core.DaftStep, rows: Any, *columns: Any) -> Any:  # noqa: ANN401
    """The body of a batch UDF: runs the nodes of a step."""
    arguments = [c.to_pylist() if c.datatype().is_python() else c for c in columns]
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
