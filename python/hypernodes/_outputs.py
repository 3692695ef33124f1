# SPDX-License-Identifier: MIT
"""What a map returns as tables: the core's columns and Python's values, as Arrow has them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _column_values, _core, hints
from .batch_node import BatchNode
from .exceptions import DependencyMissingError
from .exceptions import TypeError as PipelineTypeError
from .node import Node, output_names
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .pipeline import Pipeline

# What a map returns, beside "records" and "columns", and the package that it takes.
SHAPES = {"arrow": "pyarrow", "pandas": "pandas", "polars": "polars", "daft": "daft"}


def require(shape: str) -> None:
    """Raises DependencyMissingError if a package is missing that this shape of outputs takes."""
    load(shape)
    load("arrow")


def load(shape: str) -> Any:  # noqa: ANN401 (the packages need not be there)
    """The package of this shape. Raises DependencyMissingError if it is missing."""
    package = SHAPES[shape]
    try:
        if shape == "daft":
            from .integrations.daft import extension

            return extension.load()
        return importlib.import_module(package)
    except ImportError as error:
        if isinstance(error, DependencyMissingError):
            raise
        raise DependencyMissingError(
            f"Tables as outputs need the package {package} ({error})",
            fix=f"pip install 'hypernodes[{shape}]'",
        ) from error


Pieces = tuple["_core.ArrowType | None", list[Any]]


def build(
    shape: str,
    outputs: Mapping[str, Pieces],
    pipeline: Pipeline,
    nulls: bool = False,
) -> Any:  # noqa: ANN401
    """The table of what a map gave.

    Args:
        shape: One of SHAPES.
        outputs: For each output, the type that C++ declares, and its values in pieces: Arrow
            columns, or lists of Python objects.
        pipeline: What was mapped: its return hints are the types of Python nodes' outputs.
        nulls: Whether any output may be missing: None is then a value of every hint.

    Raises:
        TypeError: If a value breaks its hint, or is one that no Arrow type fits.
    """
    pa = load("arrow")
    promised = hinted_types(pipeline)
    if nulls:
        promised = {name: hints.optional(hint) for name, hint in promised.items()}
    columns = {
        name: _column(pa, name, declared, pieces, promised.get(name))
        for name, (declared, pieces) in outputs.items()
    }
    table = pa.table(columns)
    return _TO[shape](table) if shape in _TO else table


def _column(
    pa: Any,  # noqa: ANN401
    name: str,
    declared: _core.ArrowType | None,
    pieces: list[Any],
    hint: hints.ColumnType | None,
) -> Any:  # noqa: ANN401
    if all(isinstance(piece, _core.ArrowColumn) for piece in pieces):
        arrays = [pa.array(piece) for piece in pieces]
        kinds = {array.type for array in arrays}
        if not arrays and declared is not None:
            kinds = {pa.field(declared).type}
        if len(kinds) == 1:
            return pa.chunked_array(arrays, kinds.pop())
    values: list[Any] = []
    for piece in pieces:
        values += piece if isinstance(piece, list) else piece.to_list()

    def array(rows: int) -> Any:  # noqa: ANN401
        items = values[:rows]
        return pa.array(items if hint is None else _core.hinted_column(items, hint))

    if hint is not None and not hint.exact:
        try:
            return _column_values.column(values, hints.nullable(hint))
        except _column_values.Misfit as error:
            raise _misfit(name, error, values, error.row, hint) from None
    refusals = (pa.ArrowException, TypeError, ValueError, OverflowError)
    try:
        return array(len(values))
    except refusals as error:
        row = _first_refused(array, len(values), refusals)
        raise _misfit(name, error, values, row, hint) from None


def _misfit(
    name: str, error: Exception, values: list[Any], row: int, hint: hints.ColumnType | None
) -> PipelineTypeError:
    return PipelineTypeError(
        f"Output '{name}' does not fit a column: {getattr(error, 'message', error)}",
        where=f"row {row}, {type(values[row]).__name__}",
        fix="use outputs='records' or 'columns', which take any value"
        + ("" if hint is None else ", or correct the return hint"),
    )


def _first_refused(
    array: Callable[[int], Any], rows: int, refusals: tuple[type[Exception], ...]
) -> int:
    """The row that `array`, called with a number of rows, stumbles over."""
    fitting, failing = 0, rows
    while failing - fitting > 1:
        middle = (fitting + failing) // 2
        try:
            array(middle)
            fitting = middle
        except refusals:
            failing = middle
    return fitting


def hinted_types(pipeline: Pipeline) -> dict[str, hints.ColumnType | None]:
    """The column types that the return hints of Python nodes promise, by output."""
    types: dict[str, hints.ColumnType | None] = {}
    for node in pipeline.graph.execution_order:
        names = output_names(node.output_name)
        if isinstance(node, PipelineNode):
            types.update(zip(names, _inner_types(node, names), strict=True))
        elif isinstance(node, Node):
            promised = hints.output_types(node.func, node.output_name)
            if isinstance(node, BatchNode):  # Its hints are of columns.
                promised = [
                    kind.item if kind and kind.kind == "list" else None for kind in promised
                ]
            types.update(zip(names, promised, strict=True))
    return types


def _inner_types(node: PipelineNode, names: Sequence[str]) -> list[hints.ColumnType | None]:
    inner = hinted_types(node.pipeline)
    inner_names = {outer: name for name, outer in node.output_mapping.items()}
    types = [inner.get(inner_names.get(name, name)) for name in names]
    if node.map_over:
        return [None if kind is None else hints.ColumnType("list", kind) for kind in types]
    return types


def to_pandas(table: Any) -> Any:  # noqa: ANN401
    """Whole numbers with nulls stay whole, as Int64; all else as pyarrow has it."""
    pd = load("pandas")
    whole = {load("arrow").int64(): pd.Int64Dtype()}
    series = {
        name: column.to_pandas(types_mapper=whole.get if column.null_count else None)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pd.DataFrame(series, index=pd.RangeIndex(table.num_rows))


def to_polars(table: Any) -> Any:  # noqa: ANN401
    """A polars DataFrame."""
    return load("polars").from_arrow(table)


def to_daft(table: Any) -> Any:  # noqa: ANN401
    """A Daft DataFrame."""
    return load("daft").from_arrow(table)


_TO = {"pandas": to_pandas, "polars": to_polars, "daft": to_daft}
