# SPDX-License-Identifier: MIT
"""Python values as Arrow columns of the types that hints promise: strictly, or a TypeError.

The types here are those that are not exact (see `hints`): the core makes the columns of the others.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import importlib
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from . import _core
from .hints import ColumnType

Encode: TypeAlias = Callable[[Any], Any]
_Classes: TypeAlias = type | tuple[type, ...]

# Digits before and after the point of a decimal.Decimal.
_PRECISION, _SCALE = 38, 18
_INT64 = range(-(2**63), 2**63)


class Misfit(TypeError):
    """A value that its column cannot hold.

    Attributes:
        row: Which one.
    """

    def __init__(self, message: str, row: int) -> None:
        """Keeps both.

        Args:
            message: What was expected, and what came.
            row: Its row.
        """
        super().__init__(message)
        self.row = row


def arrow_type(kind: ColumnType) -> Any:  # noqa: ANN401 (pyarrow has no types)
    """The Arrow type of a column. Raises ImportError without pyarrow."""
    pa = importlib.import_module("pyarrow")
    inner = [(name, arrow_type(field)) for name, field in kind.fields]
    match kind.kind:
        case "optional" | "enum":
            return arrow_type(_item(kind))
        case "list":
            return pa.list_(arrow_type(_item(kind)))
        case "fixed_list":
            return pa.list_(arrow_type(_item(kind)), kind.size)
        case "map":
            return pa.map_(inner[0][1], inner[1][1])
        case "struct":
            return pa.struct(inner)
        case "array":
            return pa.list_(_number(pa, kind))
        case "tensor":
            shape = pa.list_(pa.uint64())
            return pa.struct([("data", pa.list_(_number(pa, kind))), ("shape", shape)])
        case "timestamp":
            return pa.timestamp("us", None if kind.source is None else "UTC")
        case _:
            return _scalars()[kind.kind]


@functools.cache
def _scalars() -> dict[str, Any]:
    pa = importlib.import_module("pyarrow")
    return {
        "null": pa.null(),
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
        "bytes": pa.binary(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "duration": pa.duration("us"),
        "decimal": pa.decimal128(_PRECISION, _SCALE),
    }


def _number(pa: Any, kind: ColumnType) -> Any:  # noqa: ANN401
    return pa.bool_() if kind.source == "bool" else getattr(pa, kind.source)()


def _item(kind: ColumnType) -> ColumnType:
    assert kind.item is not None
    return kind.item


def column(values: Sequence[Any], kind: ColumnType) -> Any:  # noqa: ANN401
    """The values as an Arrow array.

    Raises:
        Misfit: If one is not what the type promises, or outside of what it can hold.
    """
    pa = importlib.import_module("pyarrow")
    if kind.exact:
        return pa.array(_core.hinted_column(list(values), kind))
    encode, type_ = encoder(kind), arrow_type(kind)
    encoded: list[Any] = []
    try:
        encoded.extend(map(encode, values))
    except TypeError as error:
        raise Misfit(str(error), len(encoded)) from None
    try:
        return pa.array(encoded, type_)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        for row, item in enumerate(encoded):
            try:
                pa.array([item], type_)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                raise Misfit(f"expected {kind} but got {values[row]!r}: {error}", row) from None
        raise


@functools.lru_cache(maxsize=1024)
def encoder(kind: ColumnType) -> Encode:
    """What makes of a value one that pyarrow takes, or raises TypeError."""
    if kind.kind == "optional":
        inner = encoder(_item(kind))
        return lambda value: None if value is None else inner(value)
    make = _CONTAINERS.get(kind.kind)
    return make(kind) if make else functools.partial(_SCALARS[kind.kind], kind)


def _refuse(kind: ColumnType, value: object) -> NoReturn:
    raise TypeError(f"expected {kind} but got {_described(value)}")


def _described(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _is_numpy(value: object, kinds: str) -> bool:
    """Whether it is a scalar of numpy of one of these kinds."""
    if type(value).__module__ != "numpy" or getattr(value, "shape", None) != ():
        return False
    return getattr(value, "dtype").kind in kinds  # noqa: B009 (numpy may be missing)


# Scalars --------------------------------------------------------------------------------------


def _null(kind: ColumnType, value: Any) -> None:  # noqa: ANN401
    if value is not None:
        _refuse(kind, value)


def _bool(kind: ColumnType, value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, bool) or _is_numpy(value, "b"):
        return bool(value)
    _refuse(kind, value)


def _int(kind: ColumnType, value: Any) -> int:  # noqa: ANN401
    if type(value) is not int:
        if isinstance(value, bool) or not (isinstance(value, int) or _is_numpy(value, "iu")):
            _refuse(kind, value)
        value = operator.index(value)
    if value not in _INT64:
        raise TypeError(f"expected {kind} but got an int of more than 64 bits")
    return int(value)


def _float(kind: ColumnType, value: Any) -> float:  # noqa: ANN401
    number = isinstance(value, (float, int)) or _is_numpy(value, "iuf")
    if not number or isinstance(value, bool):
        _refuse(kind, value)
    try:
        return float(value)
    except OverflowError:
        raise TypeError(f"expected {kind} but got an int too large for it") from None


def _instance(
    classes: type | tuple[type, ...], but: type | tuple[type, ...] = ()
) -> Callable[[ColumnType, Any], Any]:
    """Takes the instances of some classes as they are."""

    def encode(kind: ColumnType, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, classes) and not isinstance(value, but):
            return value
        _refuse(kind, value)

    return encode


def _timestamp(kind: ColumnType, value: Any) -> datetime.datetime:  # noqa: ANN401
    if not isinstance(value, datetime.datetime):
        _refuse(kind, value)
    aware = value.utcoffset() is not None
    if aware and kind.source is None:
        raise TypeError(
            f"expected {kind} but got a datetime with a time zone, whose hint is"
            " Annotated[datetime, timezone.utc]"
        )
    if not aware and kind.source is not None:
        raise TypeError(f"expected {kind} but got a datetime without a time zone")
    return value


def _time(kind: ColumnType, value: Any) -> datetime.time:  # noqa: ANN401
    if not isinstance(value, datetime.time):
        _refuse(kind, value)
    if value.tzinfo is not None:
        raise TypeError(f"expected {kind} but got a time with a time zone")
    return value


def _decimal(kind: ColumnType, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, decimal.Decimal):
        _refuse(kind, value)
    if not value.is_finite():
        raise TypeError(f"expected {kind} but got {value}")
    return value


_SCALARS: dict[str, Callable[[ColumnType, Any], Any]] = {
    "null": _null,
    "bool": _bool,
    "int64": _int,
    "float64": _float,
    "string": _instance(str),
    "bytes": _instance((bytes, bytearray, memoryview)),
    "date": _instance(datetime.date, but=datetime.datetime),
    "timestamp": _timestamp,
    "time": _time,
    "duration": _instance(datetime.timedelta),
    "decimal": _decimal,
}


# Containers -----------------------------------------------------------------------------------


def _inside(where: str, encode: Encode, value: object) -> Any:  # noqa: ANN401
    try:
        return encode(value)
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _list(kind: ColumnType) -> Encode:
    encode, classes = encoder(_item(kind)), kind.source or (list, tuple)

    def items(value: Any) -> list[Any]:  # noqa: ANN401
        if not isinstance(value, classes) or (kind.size and len(value) != kind.size):
            _refuse(kind, value)
        return [_inside(f"item {i}", encode, item) for i, item in enumerate(value)]

    return items


def _map(kind: ColumnType) -> Encode:
    key, value = (encoder(field) for _, field in kind.fields)

    def entries(given: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
        if not isinstance(given, dict):
            _refuse(kind, given)
        return [
            (_inside("a key", key, name), _inside(f"the value of {name!r}", value, item))
            for name, item in given.items()
        ]

    return entries


def _struct(kind: ColumnType) -> Encode:
    fields = [(name, encoder(field), field) for name, field in kind.fields]
    source: Any = kind.source
    if source is tuple:
        return _places(kind, [encode for _, encode, _ in fields])
    if issubclass(source, dict) or hasattr(source, "__required_keys__"):
        return _entries(kind, fields)

    def attributes(value: Any) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, source):
            raise TypeError(f"expected {source.__name__} but got {_described(value)}")
        return {
            name: _inside(f"field '{name}'", encode, getattr(value, name, None))
            for name, encode, _ in fields
        }

    return attributes


def _places(kind: ColumnType, encoders: list[Encode]) -> Encode:
    def items(value: Any) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, tuple) or len(value) != len(encoders):
            _refuse(kind, value)
        pairs = enumerate(zip(encoders, value, strict=True))
        return {f"_{i}": _inside(f"item {i}", encode, item) for i, (encode, item) in pairs}

    return items


def _entries(kind: ColumnType, fields: list[tuple[str, Encode, ColumnType]]) -> Encode:
    names = {name for name, _, _ in fields}
    optional = {name for name, _, field in fields if field.kind == "optional"}

    def items(value: Any) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, dict):
            _refuse(kind, value)
        if not names - optional <= value.keys() <= names:
            raise TypeError(
                f"expected {kind} but got a dict with the keys {sorted(map(str, value))}"
            )
        return {
            name: _inside(f"field '{name}'", encode, value.get(name)) for name, encode, _ in fields
        }

    return items


def _enum(kind: ColumnType) -> Encode:
    encode, source = encoder(_item(kind)), kind.source

    def member(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, source):
            raise TypeError(f"expected {source.__name__} but got {_described(value)}")
        return encode(value.value)

    return member


def _array(kind: ColumnType) -> Encode:
    def numbers(value: Any) -> Any:  # noqa: ANN401
        name = getattr(getattr(value, "dtype", None), "name", None)
        if name is None or not hasattr(value, "ravel"):
            _refuse(kind, value)
        flat = value.ravel()
        if name != kind.source or (kind.kind == "array" and value.ndim != 1):
            raise TypeError(f"expected {kind} but got {name} of {value.ndim} dimensions")
        return flat if kind.kind == "array" else {"data": flat, "shape": list(value.shape)}

    return numbers


_CONTAINERS: dict[str, Callable[[ColumnType], Encode]] = {
    "list": _list,
    "fixed_list": _list,
    "map": _map,
    "struct": _struct,
    "enum": _enum,
    "array": _array,
    "tensor": _array,
}
