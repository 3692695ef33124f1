# SPDX-License-Identifier: MIT
"""Tables as inputs: what pyarrow, pandas, polars and Daft call one, and columns added to it.

Nothing here imports a package unless a value of it, or one for it, is asked for.
"""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core, _outputs
from .exceptions import PlanError
from .exceptions import TypeError as PipelineTypeError

if TYPE_CHECKING:
    from .pipeline import Pipeline

# What a map goes over if a table has no column that the pipeline reads.
_ROWS = "__hn_row"


# In -------------------------------------------------------------------------------------------


class Table(ABC):
    """A table of any kind."""

    def __init__(self, content: Any, names: Sequence[Any]) -> None:  # noqa: ANN401 (the kind's own)
        """Keeps it.

        Args:
            content: The table itself.
            names: The names of its columns.
        """
        self.content = content
        self.names = list(names)

    @abstractmethod
    def rows(self) -> int:
        """How many it has."""

    @abstractmethod
    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """The items of these columns, as what a map goes over."""

    def extended(self, columns: Any) -> Any:  # noqa: ANN401
        """A table of the same kind with the columns of a pyarrow Table added."""
        raise NotImplementedError

    def chosen(self, names: Sequence[str]) -> dict[str, Any]:
        """The same as `columns`.

        Raises:
            PlanError: If a name is that of several columns.
        """
        for name in names:
            if self.names.count(name) > 1:
                raise PlanError(
                    f"The table has {self.names.count(name)} columns '{name}'",
                    fix="rename all but the one that is meant",
                )
        return self.columns(names)


class _ArrowTable(Table):
    def __init__(self, content: Any) -> None:  # noqa: ANN401
        super().__init__(content, content.schema.names)

    def rows(self) -> int:
        return int(self.content.num_rows)

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: _arrow_items(self.content.column(name)) for name in names}

    def extended(self, columns: Any) -> Any:  # noqa: ANN401
        pa = _outputs.load("arrow")
        batch = isinstance(self.content, pa.RecordBatch)
        table = pa.Table.from_batches([self.content]) if batch else self.content
        for field, column in zip(columns.schema, columns.columns, strict=True):
            table = table.append_column(field, column)
        if not batch:
            return table
        return next(iter(table.combine_chunks().to_batches()), _empty_batch(pa, table.schema))


def _empty_batch(pa: Any, schema: Any) -> Any:  # noqa: ANN401 (pyarrow has no types)
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


class _PandasTable(Table):
    def __init__(self, content: Any) -> None:  # noqa: ANN401
        super().__init__(content, content.columns)

    def rows(self) -> int:
        return len(self.content)

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: pandas_items(self.content[name]) for name in names}

    def extended(self, columns: Any) -> Any:  # noqa: ANN401
        added = _outputs.to_pandas(columns).set_axis(self.content.index)
        return importlib.import_module("pandas").concat([self.content, added], axis=1)


class _PolarsTable(Table):
    def __init__(self, content: Any) -> None:  # noqa: ANN401
        super().__init__(content, content.columns)

    def rows(self) -> int:
        return int(self.content.height)

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        objects = importlib.import_module("polars").Object
        series = {name: self.content.get_column(name) for name in names}
        return {k: s.to_list() if s.dtype == objects else s for k, s in series.items()}

    def extended(self, columns: Any) -> Any:  # noqa: ANN401
        return self.content.hstack(_outputs.to_polars(columns).get_columns())


class LazyPolarsTable(_PolarsTable):
    """A polars LazyFrame, which is collected when its rows are wanted."""

    def __init__(self, content: Any) -> None:  # noqa: ANN401
        """Reads its schema."""
        Table.__init__(self, content, content.collect_schema().names())

    def rows(self) -> int:
        """How many it has. Cost: the query runs."""
        return int(self.content.select(importlib.import_module("polars").len()).collect().item())

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """The items of these columns. Cost: the query runs."""
        return _PolarsTable(self.content.select(names).collect()).columns(names)


class DaftTable(Table):
    """A Daft DataFrame, which is collected when its rows are wanted."""

    def __init__(self, content: Any) -> None:  # noqa: ANN401
        """Reads its schema."""
        super().__init__(content, content.column_names)

    def rows(self) -> int:
        """How many it has. Cost: the query runs."""
        return int(self.content.count_rows())

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """The items of these columns. Cost: the query runs."""
        frame = self.content.select(*names).collect()
        kinds = {name: daft_type(frame.schema()[name].dtype) for name in names}
        typed = [name for name in names if kinds[name] is not None]
        table = frame.select(*typed).to_arrow() if typed else None
        others = [name for name in names if kinds[name] is None]
        objects = frame.select(*others).to_pydict() if others else {}
        return {
            name: objects[name] if table is None or name in objects else table.column(name)
            for name in names
        }


_KINDS: dict[tuple[str, str], Callable[[Any], Table]] = {
    ("pyarrow", "Table"): _ArrowTable,
    ("pyarrow", "RecordBatch"): _ArrowTable,
    ("pandas", "DataFrame"): _PandasTable,
    ("polars", "DataFrame"): _PolarsTable,
    ("polars", "LazyFrame"): LazyPolarsTable,
    ("daft", "DataFrame"): DaftTable,
}


def is_table(inputs: object) -> bool:
    """Whether inputs are meant as a table: they are no values by name, and not none at all."""
    return inputs is not None and not isinstance(inputs, Mapping)


def open_table(value: object) -> Table:
    """Returns `value` as a table.

    Raises:
        TypeError: If it is none.
    """
    for (module, name), table in _KINDS.items():
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and isinstance(value, kind):
            return table(value)
    raise PipelineTypeError(
        f"Inputs are values by name, or a table, not {type(value).__name__}",
        fix="pass a dict, a pyarrow Table or RecordBatch, or a DataFrame of pandas, polars or Daft",
    )


def one_row(value: object, roots: Sequence[str]) -> dict[str, Any]:
    """The inputs that a table of one row gives to a run.

    Raises:
        TypeError: If `value` is no table.
        PlanError: If it has not one row.
    """
    table = open_table(value)
    columns = table.chosen([name for name in roots if name in table.names])
    items = {name: _core.map_items(name, column) for name, column in columns.items()}
    rows = len(next(iter(items.values()))) if items else table.rows()
    if rows != 1:
        raise PlanError(
            f"run takes a table of one row, got {rows}",
            fix="map it, or select the row that is meant",
        )
    return {name: item for name, (item,) in items.items()}


def by_name(
    pipeline: Pipeline,
    inputs: Any,  # noqa: ANN401 (a mapping or a table)
    map_over: str | Sequence[str] | None,
    output_name: str | Sequence[str] | None,
    overrides: Mapping[str, Any] | None,
) -> tuple[Any, Sequence[str] | None]:
    """The inputs of a map and the names that it goes over, from values by name or a table.

    Raises:
        TypeError: If `inputs` are neither.
        PlanError: As `over_table`.
    """
    over = [map_over] if isinstance(map_over, str) else map_over
    if type(inputs) is dict or not is_table(inputs):
        return inputs, over
    return over_table(pipeline, open_table(inputs), over or None, output_name, overrides)


def over_table(
    pipeline: Pipeline,
    table: Table,
    map_over: Sequence[str] | None,
    output_name: str | Sequence[str] | None,
    overrides: Mapping[str, Any] | None,
    inputs: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The inputs of a map over the rows of a table, and the names that it goes over.

    Args:
        pipeline: What is mapped.
        table: The table.
        map_over: The columns to take; None for all that are inputs.
        output_name: The only outputs to compute.
        overrides: Outputs that are given.
        inputs: Inputs that are the same for every row, over columns of these names.

    Raises:
        PlanError: For inputs that neither the table nor anything else gives.
    """
    inputs = {**(inputs or {}), **(overrides or {})}
    wanted = needed_columns(pipeline, table, output_name, overrides, inputs, map_over)
    columns = table.chosen(wanted)
    over = wanted if map_over is None else list(map_over)
    if not over:
        columns, over = {_ROWS: range(table.rows())}, [_ROWS]
    return {**columns, **inputs}, over


def needed_columns(
    pipeline: Pipeline,
    table: Table,
    output_name: str | Sequence[str] | None,
    overrides: Mapping[str, Any] | None,
    inputs: Mapping[str, Any],
    map_over: Sequence[str] | None = None,
) -> list[str]:
    """The columns of a table that a pipeline reads; those of `map_over` if that names some.

    Raises:
        PlanError: For inputs that neither the table nor anything else gives.
    """
    graph = pipeline._native(output_name, overrides)
    there = table.names if map_over is None else [n for n in table.names if n in map_over]
    wanted = graph.root_args if map_over is None else there
    given = {**pipeline.bound_inputs, **dict.fromkeys(there), **inputs}
    try:
        graph.check(given, output_name)
    except PlanError as error:
        if not error.message.startswith("Missing required input"):
            raise
        have = ", ".join(map(str, table.names)) or "none"
        raise PlanError(
            error.message,
            error.where or f"a table with the columns: {have}",
            "add or rename columns, or bind the inputs that are the same for every row",
        ) from None
    return [name for name in dict.fromkeys(there) if name in wanted and name not in inputs]


def pandas_items(values: Any) -> Any:  # noqa: ANN401 (pandas has no types)
    """What a map goes over for a pandas Series, Index or array: what is missing is None.

    NaN stays in columns of floats, and Python objects stay what they are.
    """
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", "O") if type(dtype).__module__.startswith("numpy") else ""
    if kind in ("b", "i", "u", "f"):
        return values.to_numpy()
    if kind == "O" or not hasattr(values, "isna"):
        return values.tolist()
    try:
        items = importlib.import_module("pyarrow").array(values, from_pandas=True)
        if is_plain(items.type):
            return items
    except (ImportError, ValueError, TypeError):  # a dtype that Arrow has not
        pass
    missing = values.isna().tolist()
    return [None if n else v for v, n in zip(values.tolist(), missing, strict=True)]


def _arrow_items(column: Any) -> Any:  # noqa: ANN401
    return column if is_plain(column.type) else column.to_pylist()


def is_plain(kind: Any) -> bool:  # noqa: ANN401
    """Whether an Arrow type is what it says: no extension type, which gives its bytes a meaning."""
    if hasattr(kind, "extension_name"):
        return False
    inside = [kind.value_type] if hasattr(kind, "value_type") else []
    if getattr(kind, "num_fields", 0) > 0:
        inside += [kind.field(i).type for i in range(kind.num_fields)]
    return all(map(is_plain, inside))


def daft_type(dtype: Any) -> Any:  # noqa: ANN401
    """The Arrow type of a Daft column; None if its values are Python's, or have a meaning."""
    if dtype.is_python():
        return None
    try:
        kind = dtype.to_arrow_dtype()
    except (ValueError, TypeError):
        return None
    return kind if is_plain(kind) else None


# Both -------------------------------------------------------------------------------------------


def with_columns(
    pipeline: Pipeline,
    frame: object,
    inputs: Mapping[str, Any] | None,
    output_name: str | Sequence[str] | None,
) -> Any:  # noqa: ANN401
    """What `Pipeline.with_columns` does."""
    table = open_table(frame)
    if isinstance(table, LazyPolarsTable):
        raise PlanError(
            "A polars LazyFrame cannot be extended lazily: polars has no place for the nodes",
            fix="collect it first, or read the data with Daft, which streams",
        )
    inputs = dict(inputs or {})
    names = pipeline._native(output_name).output_names
    if isinstance(output_name, str):
        names = [output_name]
    elif output_name is not None:
        names = list(output_name)
    clashes = [name for name in names if name in table.names]
    if clashes:
        raise PlanError(
            f"The table has columns that are called as outputs: {clashes}",
            fix="drop or rename them, or name the outputs that are wanted with output_name",
        )
    if isinstance(table, DaftTable):
        return _on_daft(pipeline, table, inputs, output_name)
    _outputs.require("arrow")
    merged, over = over_table(pipeline, table, None, output_name, None, inputs)
    return table.extended(_mapped(pipeline, merged, over, output_name))


def _on_daft(
    pipeline: Pipeline,
    table: DaftTable,
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
) -> Any:  # noqa: ANN401
    from .integrations.daft import DaftEngine

    engine: Any = pipeline.engine
    if not isinstance(engine, DaftEngine):
        engine = DaftEngine.shared()
    return engine._extended(pipeline, table, inputs, output_name)


def _mapped(
    pipeline: Pipeline,
    inputs: dict[str, Any],
    over: list[str],
    output_name: str | Sequence[str] | None,
) -> Any:  # noqa: ANN401
    """The outputs of a map as a pyarrow Table, on any engine."""
    from .engines import NativeEngine

    if isinstance(pipeline.engine, NativeEngine):
        return pipeline.map(inputs, over, output_name=output_name, outputs="arrow")
    made = pipeline.map(inputs, over, output_name=output_name)
    if not isinstance(made, Mapping):
        names = pipeline._native(output_name).output_names if made == [] else list(made[0])
        made = {name: [row[name] for row in made] for name in names}
    return _outputs.build(
        "arrow", {name: (None, [list(items)]) for name, items in made.items()}, pipeline
    )
