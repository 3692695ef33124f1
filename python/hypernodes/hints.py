# SPDX-License-Identifier: MIT
"""Python type hints as column types: what of Python is what in a table.

A few hints have a column type that is exact: their values come back from an Arrow column as they
went in. Others have one that tells a table's readers what a value is (a model is a struct, a tuple
a list), and what has none travels as Python objects. A hint is a promise of the user, not a check:
whoever fills a column must still be ready for a value that does not fit, such as an int of more
than 64 bits.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["ColumnType", "column_type", "input_types", "optional", "output_types", "plain_hint"]

Kind: TypeAlias = Literal[
    "null", "bool", "int64", "float64", "string", "bytes",
    "date", "timestamp", "time", "duration", "decimal",
    "list", "fixed_list", "map", "struct", "enum", "array", "tensor", "optional",
]  # fmt: skip

_SCALARS: dict[object, Kind] = {
    None: "null",
    type(None): "null",
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "bytes",
    datetime.date: "date",
    datetime.datetime: "timestamp",
    datetime.time: "time",
    datetime.timedelta: "duration",
    decimal.Decimal: "decimal",
}
_EXACT = ("null", "bool", "int64", "float64", "string", "bytes")
_KEYS = ("bool", "int64", "string", "bytes", "date", "enum")
_ARRAYS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column.

    Attributes:
        kind: What its values are. An `array` has one dimension, a `tensor` any number.
        item: Of a list, a fixed_list or an optional, the type inside; of an enum, that of its
            values.
        fields: Those of a struct; a map's key and value.
        source: The class whose instances are a struct, an enum or a list that is no list, the time
            zone of a timestamp, the name of an array's or tensor's dtype.
        size: How many items a fixed_list has.

    >>> print(column_type(list[int] | None))
    optional<list<int64>>
    """

    kind: Kind
    item: ColumnType | None = None
    fields: tuple[tuple[str, ColumnType], ...] = ()
    source: Any = None
    size: int = 0

    @property
    def exact(self) -> bool:
        """Whether values come back from the column as they went in."""
        if self.item is None:
            return self.kind in _EXACT
        return self.kind in ("list", "optional") and self.source is None and self.item.exact

    def __str__(self) -> str:
        """The type in words, as in `list<int64>`."""
        if self.kind == "map":
            return f"map<{self.fields[0][1]}, {self.fields[1][1]}>"
        if self.kind == "struct":
            return f"struct<{', '.join(f'{name}: {kind}' for name, kind in self.fields)}>"
        if self.kind == "fixed_list":
            return f"list<{self.item}>[{self.size}]"
        if self.kind in ("array", "tensor", "timestamp") and self.source is not None:
            return f"{self.kind}<{self.source}>"
        return self.kind if self.item is None else f"{self.kind}<{self.item}>"


def optional(column: ColumnType | None) -> ColumnType | None:
    """The type with nulls; None stays none."""
    if column is None or column.kind in ("null", "optional"):
        return column
    return ColumnType("optional", column)


def column_type(hint: object) -> ColumnType | None:
    """Returns the type of a column that holds any value of `hint`, or None if there is none.

    >>> print(column_type(int), column_type(dict[str, float]))
    int64 map<string, float64>
    >>> column_type(int | str) is None
    True
    """
    return _column_type(hint, ())


def _column_type(hint: object, inside: tuple[type, ...]) -> ColumnType | None:
    """The same; `inside` are the classes whose fields are looked at."""
    zone = _time_zone(hint)
    hint = plain_hint(hint)
    try:
        kind = _SCALARS.get(hint)
    except TypeError:  # An unhashable hint, such as Annotated[int, []] inside a union.
        return None
    if kind is not None:
        return ColumnType(kind, source=zone if kind == "timestamp" else None)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of([_column_type(arg, inside) for arg in args])
    if origin is Literal:
        return _one_of([_type_of(value) for value in args])
    if origin is list and len(args) == 1:
        return _list_of(_column_type(args[0], inside))
    if origin is dict and len(args) == 2:
        key, value = (_column_type(arg, inside) for arg in args)
        if key is None or value is None or key.kind not in _KEYS:
            return None
        return ColumnType("map", fields=(("key", key), ("value", value)))
    if origin is tuple and args:
        return _tuple_of(args, inside)
    name = getattr(origin, "__name__", "")
    if name == "ndarray" and getattr(origin, "__module__", "") == "numpy" and len(args) == 2:
        return _array_of(*args)
    if not isinstance(hint, type) or origin is not None or hint in inside:
        return None
    if issubclass(hint, enum.Enum):
        item = _one_of([_type_of(member.value) for member in hint])
        plain = item is not None and item.exact and item.kind != "optional"
        return ColumnType("enum", item, source=hint) if plain else None
    return _struct_of(hint, inside)


def _time_zone(hint: object) -> datetime.tzinfo | None:
    """The time zone in `Annotated[datetime, zone]`."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, datetime.tzinfo):
            return note
    return None


def _type_of(value: object) -> ColumnType | None:
    """The column type of one value of a Literal or an Enum."""
    return _column_type(type(value), ())


def _one_of(kinds: list[ColumnType | None]) -> ColumnType | None:
    """The type of a union: one that is not None, if it is a single one."""
    null = ColumnType("null")
    nullable = any(kind is not None and kind.kind in ("null", "optional") for kind in kinds)
    rest = {k.item if k is not None and k.kind == "optional" else k for k in kinds} - {null}
    if len(rest) != 1:
        return None if rest else null if kinds else None
    (kind,) = rest
    return kind if kind is None or not nullable else ColumnType("optional", kind)


def nullable(kind: ColumnType) -> ColumnType:
    """The type with None among its values."""
    return kind if kind.kind in ("null", "optional") else ColumnType("optional", kind)


def _list_of(item: ColumnType | None, source: type | None = None) -> ColumnType | None:
    return None if item is None else ColumnType("list", item, source=source)


def _tuple_of(args: tuple[object, ...], inside: tuple[type, ...]) -> ColumnType | None:
    """A tuple is a list, of fixed length if that is known, or else a struct."""
    if len(args) == 2 and args[1] is Ellipsis:
        return _list_of(_column_type(args[0], inside), tuple)
    items = [_column_type(arg, inside) for arg in args]
    if len(set(items)) == 1 and items[0] is not None:
        return ColumnType("fixed_list", items[0], size=len(items), source=tuple)
    return _struct({f"_{i}": item for i, item in enumerate(items)}, tuple)


def _array_of(shape: object, dtype: object) -> ColumnType | None:
    items = typing.get_args(dtype)
    name = getattr(items[0], "__name__", "") if items else ""
    name = "bool" if name == "bool_" else name
    if name not in _ARRAYS:
        return None
    sizes = typing.get_args(shape)
    flat = len(sizes) == 1
    return ColumnType("array" if flat else "tensor", source=name)


def _struct_of(cls: type, inside: tuple[type, ...]) -> ColumnType | None:
    """Of a class that says what its fields are."""
    named = _fields(cls)
    if named is None:
        return None
    fields = {}
    for name, hint, required in named:
        kind = _column_type(hint, (*inside, cls))
        fields[name] = kind if required else _one_of([kind, ColumnType("null")])
    return _struct(fields, cls)


def _struct(fields: Mapping[str, ColumnType | None], source: type) -> ColumnType | None:
    kinds = [(name, kind) for name, kind in fields.items() if kind is not None]
    if not fields or len(kinds) < len(fields):
        return None
    return ColumnType("struct", fields=tuple(kinds), source=source)


def _fields(cls: type) -> list[tuple[str, object, bool]] | None:
    """Name, hint and whether it must be there, of the fields of a class that declares them.

    That is a TypedDict, a NamedTuple, a dataclass, or a class of attrs or Pydantic.
    """
    models: Mapping[str, Any] | None = getattr(cls, "model_fields", None)
    if isinstance(models, Mapping) and hasattr(cls, "__pydantic_validator__"):
        return [(name, field.annotation, True) for name, field in models.items()]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        names = list(cls._fields)
    elif dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    elif hasattr(cls, "__attrs_attrs__"):
        names = [field.name for field in cls.__attrs_attrs__]
    elif typing.is_typeddict(cls):
        names = []
    else:
        return None
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:  # Evaluating annotations runs any code.
        return None
    if not typing.is_typeddict(cls):
        return [(name, hints.get(name, Any), True) for name in names]
    required: frozenset[str] = vars(cls)["__required_keys__"]
    return [(name, *_qualified(hint, name in required)) for name, hint in hints.items()]


def _qualified(hint: object, required: bool) -> tuple[object, bool]:
    """A TypedDict's field without Required and NotRequired, and whether it must be there."""
    while typing.get_origin(hint) in (typing.Required, typing.NotRequired):
        required = typing.get_origin(hint) is typing.Required
        (hint,) = typing.get_args(hint)
    return hint, required


def plain_hint(hint: object) -> object:
    """Strips what only names or decorates a type: Annotated, NewType, Final, `type X = ...`."""
    for _ in range(32):  # An alias may refer to itself.
        if typing.get_origin(hint) in (typing.Annotated, typing.Final):
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType" and hasattr(hint, "__value__"):
            try:
                hint = hint.__value__
            except Exception:  # Evaluated only now, so it may fail in any way.
                return Any
        else:
            return hint
    return Any


def input_types(function: Callable[..., Any]) -> dict[str, ColumnType | None]:
    """Returns the column type of each parameter, in order; None where a hint has none.

    >>> def scale(x: int, factor: "float" = 1.0): ...
    >>> [str(t) for t in input_types(scale).values()]
    ['int64', 'float64']
    """
    hints = resolved_hints(function)
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # Some builtins have no signature.
        names = [name for name in hints if name != "return"]
    return {name: column_type(hints.get(name, Any)) for name in names}


def output_types(
    function: Callable[..., Any], output_names: str | Sequence[str]
) -> list[ColumnType | None]:
    """Returns the column type of each output; None where the return hint gives none.

    A single name (a str) takes the whole return value. Several take theirs by position from a
    `tuple[...]`, or all the same from a `tuple[T, ...]` or `list[T]`.

    >>> def split(x: str) -> tuple[str, int]: ...
    >>> [str(t) for t in output_types(split, ("head", "size"))]
    ['string', 'int64']
    """
    return [column_type(hint) for hint in output_hints(function, output_names)]


def output_hints(function: Callable[..., Any], output_names: str | Sequence[str]) -> list[object]:
    """Returns the hint of each output; Any where the return hint does not say."""
    given = resolved_hints(function).get("return", Any)
    result = plain_hint(given)
    if isinstance(function, type):
        result = Any  # What `__init__` returns is not what calling the class returns.
    if isinstance(output_names, str):
        return [result if _time_zone(given) is None else given]
    count = len(output_names)
    origin, args = typing.get_origin(result), typing.get_args(result)
    if origin is list or (origin is tuple and len(args) == 2 and args[1] is Ellipsis):
        return [args[0]] * count
    if origin is tuple and len(args) == count:
        return list(args)
    return [Any] * count


def resolved_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the hints of a callable with forward references resolved.

    One that cannot be resolved (a name that only exists while type checking, or in a function's
    scope) is left out; the others stay.
    """
    target = _annotated(function)
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # Evaluating annotations runs any code, so it may fail in any way.
        pass
    try:
        raw = dict(target.__annotations__)
    except Exception:
        return {}
    scope = getattr(inspect.unwrap(target), "__globals__", {})
    hints: dict[str, Any] = {}
    for name, annotation in raw.items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints.update(typing.get_type_hints(one, globalns=scope, include_extras=True))
        except Exception:
            continue
    return hints


def _annotated(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (any callable)
    """The object that carries the hints: a partial's function, a callable object's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return vars(function).get("__init__", function)
    if inspect.isroutine(function) or hasattr(function, "__wrapped__"):
        return function
    return function.__class__.__call__  # A stateful object's class is not its type.
