# SPDX-License-Identifier: MIT
"""Python type hints as column types: which values may travel in a typed column unchanged.

Only hints whose values come back from an Arrow column exactly as they went in have a column type.
Everything else (tuples, dicts, models, unions, no hint) is None and travels as Python objects.
A hint is a promise of the user, not a check: whoever fills a column must still be ready for a
value that does not fit, such as an int of more than 64 bits.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["ColumnType", "column_type", "input_types", "optional", "output_types", "plain_hint"]

Kind: TypeAlias = Literal["null", "bool", "int64", "float64", "string", "bytes", "list", "optional"]

_SCALARS: dict[object, Kind] = {
    None: "null",
    type(None): "null",
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "bytes",
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column: a kind, and the type of what a list or an optional holds.

    >>> print(column_type(list[int] | None))
    optional<list<int64>>
    """

    kind: Kind
    item: ColumnType | None = None

    def __str__(self) -> str:
        """The type in words, as in `list<int64>`."""
        return self.kind if self.item is None else f"{self.kind}<{self.item}>"


def optional(column: ColumnType | None) -> ColumnType | None:
    """The type with nulls; None stays none."""
    if column is None or column.kind in ("null", "optional"):
        return column
    return ColumnType("optional", column)


def column_type(hint: object) -> ColumnType | None:
    """Returns the column type whose values are exactly those of `hint`, or None if there is none.

    >>> column_type(int)
    ColumnType(kind='int64', item=None)
    >>> column_type(tuple[int, int]) is None
    True
    """
    hint = plain_hint(hint)
    try:
        kind = _SCALARS.get(hint)
    except TypeError:  # An unhashable hint, such as Annotated[int, []] inside a union.
        return None
    if kind is not None:
        return ColumnType(kind)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list and len(args) == 1:
        return _wrapped("list", args[0])
    if origin in (typing.Union, types.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        if len(rest) == 1 and len(args) == 2:
            return _wrapped("optional", rest[0])
    return None


def _wrapped(kind: Kind, hint: object) -> ColumnType | None:
    item = column_type(hint)
    if item is None or (kind == "optional" and item.kind in ("null", "optional")):
        return item
    return ColumnType(kind, item)


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
    result = plain_hint(resolved_hints(function).get("return", Any))
    if isinstance(function, type):
        result = Any  # What `__init__` returns is not what calling the class returns.
    if isinstance(output_names, str):
        return [result]
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
        return typing.get_type_hints(target)
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
            hints.update(typing.get_type_hints(one, globalns=scope))
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
