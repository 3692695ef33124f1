# SPDX-License-Identifier: MIT
"""The digest of arrays, columns and tables of numpy, pandas, polars and pyarrow.

Content counts, with types, shapes and names; how it lies in memory does not: a view equals its
copy, a table in pieces the same table in one. A library is asked only if it is loaded.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from .classes import Digest
from .digest import NoIdentityError, mix, text


def array_digest(digest: Digest, value: Any) -> bytes | None:  # noqa: ANN401 (checked by type)
    """Returns the digest of a value of one of these libraries, None for any other."""
    library = type(value).__module__.partition(".")[0]
    handler = _LIBRARIES.get(library)
    if handler is None or library not in sys.modules:
        return None
    try:
        return handler(digest, value)
    except NoIdentityError:
        raise
    except Exception as error:  # of a kind that the library has no form for
        raise NoIdentityError(f"{_kind(value).decode()} ({error})") from error


def _kind(value: object) -> bytes:
    return text(f"{type(value).__module__.partition('.')[0]}.{type(value).__qualname__}")


def _hashed(content: Any) -> bytes:  # noqa: ANN401 (any buffer)
    return hashlib.sha256(content).digest()


def _numpy(digest: Digest, value: Any) -> bytes | None:  # noqa: ANN401
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.dtype):
        return _numpy_dtype(digest, value)
    if isinstance(value, numpy.generic) and not value.dtype.hasobject:
        return mix("scalar", _kind(value), digest(value.dtype), value.tobytes())
    if not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
        return None
    parts = _kind(value), digest(value.dtype), digest(value.shape)
    plain = numpy.ascontiguousarray(value.view(numpy.ndarray))
    if plain.nbytes == 0:
        return mix("array", *parts)
    if not value.dtype.hasobject:
        # As bytes, since buffers do not know every dtype.
        return mix("array", *parts, _hashed(plain.reshape(-1).view(numpy.uint8)))
    if value.dtype.names:
        raise NoIdentityError("a numpy array of records with objects")
    return mix("array", *parts, digest(plain.reshape(-1).tolist()))


def _numpy_dtype(digest: Digest, dtype: Any) -> bytes:  # noqa: ANN401
    plain = mix("dtype", text(repr(dtype.descr if dtype.names else dtype.str)))
    if dtype.subdtype is not None:
        plain = mix("subarray", *map(digest, dtype.subdtype))
    if dtype.isalignedstruct or dtype.metadata:
        plain = mix("more", plain, digest((dtype.isalignedstruct, dict(dtype.metadata or {}))))
    return plain


def _arrow(digest: Digest, value: Any) -> bytes | None:  # noqa: ANN401
    pyarrow = sys.modules["pyarrow"]
    if isinstance(value, pyarrow.DataType):
        return _arrow_table(pyarrow, value, pyarrow.schema([("", value)]).empty_table())
    if isinstance(value, pyarrow.Field):
        return _arrow_table(pyarrow, value, pyarrow.schema([value]).empty_table())
    if isinstance(value, pyarrow.Schema):
        return _arrow_table(pyarrow, value, value.empty_table())
    if isinstance(value, pyarrow.Table):
        return _arrow_table(pyarrow, value, value)
    if isinstance(value, pyarrow.RecordBatch):
        return _arrow_table(pyarrow, value, pyarrow.Table.from_batches([value]))
    if isinstance(value, pyarrow.Scalar):
        return mix("scalar", _kind(value), digest(value.type), digest(value.as_py()))
    if isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        return _arrow_table(pyarrow, value, pyarrow.table({"": value}))
    return None


def _arrow_table(pyarrow: Any, value: object, table: Any) -> bytes:  # noqa: ANN401
    """By the bytes of Arrow's stream format, which leaves out what slices do not show."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(_without_leftovers(pyarrow, table).combine_chunks())
    return mix("arrow", _kind(value), _hashed(sink.getvalue()))


def _without_leftovers(pyarrow: Any, table: Any) -> Any:  # noqa: ANN401
    """The same without what lies under nulls, where Arrow can copy the rows."""
    if not any(column.null_count for column in table.columns):
        return table
    try:
        return table.take(pyarrow.array(range(table.num_rows), pyarrow.int64()))
    except pyarrow.ArrowNotImplementedError:  # views and other young types
        return table


def _polars(digest: Digest, value: Any) -> bytes | None:  # noqa: ANN401
    polars = sys.modules["polars"]
    if isinstance(value, polars.DataType | polars.datatypes.DataTypeClass):
        return mix("dtype", text(repr(value)))
    if isinstance(value, polars.DataFrame):
        columns = [_polars_column(digest, value.to_series(i)) for i in range(value.width)]
        return mix("polars", _kind(value), digest(value.shape), *columns)
    if isinstance(value, polars.Series):
        return mix("polars", _kind(value), _polars_column(digest, value))
    return None


def _polars_column(digest: Digest, column: Any) -> bytes:  # noqa: ANN401
    # Its own bytes in any format show what lies under nulls. Numbers are quicker than times.
    items = (column.to_physical() if column.dtype.is_temporal() else column).to_list()
    return mix("column", text(column.name), text(repr(column.dtype)), digest(items))


def _pandas(digest: Digest, value: Any) -> bytes | None:  # noqa: ANN401
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = [_pandas_column(digest, value.iloc[:, i].array) for i in range(value.shape[1])]
        columns += [digest(value.columns), digest(value.index), *_pandas_notes(digest, value)]
        return mix("pandas", _kind(value), *columns)
    if isinstance(value, pandas.Series):
        parts = digest(value.name), digest(value.index), *_pandas_notes(digest, value)
        return mix("pandas", _kind(value), *parts, _pandas_column(digest, value.array))
    if isinstance(value, pandas.MultiIndex):
        levels = [value.get_level_values(i) for i in range(value.nlevels)]
        return mix("pandas", _kind(value), *map(digest, levels))
    if isinstance(value, pandas.RangeIndex):
        bounds = digest((value.start, value.stop, value.step))
        return mix("pandas", _kind(value), digest(value.name), bounds)
    if isinstance(value, pandas.Index):
        named = digest((value.name, getattr(value, "freqstr", None)))
        return mix("pandas", _kind(value), named, _pandas_column(digest, value.array))
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return mix("pandas", _kind(value), _pandas_column(digest, value))
    if isinstance(value, pandas.api.extensions.ExtensionDtype):
        return mix("pandas", _kind(value), text(repr(value)))
    if isinstance(value, pandas.Timestamp | pandas.Timedelta):
        return mix("pandas", _kind(value), text(repr(value)), text(value.unit))
    if value is pandas.NA or value is pandas.NaT or isinstance(value, pandas.Period):
        return mix("pandas", _kind(value), text(repr(value)))
    if isinstance(value, pandas.Interval):
        ends = digest(value.left), digest(value.right)
        return mix("pandas", _kind(value), *ends, text(value.closed))
    return None


def _pandas_notes(digest: Digest, value: Any) -> list[bytes]:  # noqa: ANN401
    strict = not value.flags.allows_duplicate_labels
    return [digest(value.attrs), *([b"no duplicate labels"] if strict else [])]


def _pandas_column(digest: Digest, column: Any) -> bytes:  # noqa: ANN401
    pandas = sys.modules["pandas"]
    kind = text(str(column.dtype))
    if isinstance(column, pandas.Categorical):
        parts = digest(column.codes), digest(column.categories), digest(column.ordered)
        return mix("column", kind, *parts)
    if isinstance(column.dtype, pandas.DatetimeTZDtype):
        return mix("column", kind, digest(column.to_numpy(f"M8[{column.dtype.unit}]")))
    if isinstance(column, pandas.arrays.NumpyExtensionArray) or column.dtype.kind in "mM":
        return mix("column", kind, digest(column.to_numpy()))
    return mix("column", kind, digest(list(column)))


_LIBRARIES: dict[str, Callable[[Digest, Any], bytes | None]] = {
    "numpy": _numpy,
    "pyarrow": _arrow,
    "polars": _polars,
    "pandas": _pandas,
}
