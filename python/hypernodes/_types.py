# SPDX-License-Identifier: MIT
"""Whether an output may feed an input: can any value be of both their types?

The question is about values, not about what a type checker would accept: `float | None` may feed
`float`, and `list` may feed `list[int]`. Whatever is not understood is taken to fit.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections import Counter
from collections.abc import Callable, Container, ItemsView, Iterable, Mapping, Sequence, Set
from typing import Any, Literal, TypeAlias, TypeVar, Union

from ._classes import is_protocol, joinable
from .hints import plain_hint, resolved_hints

__all__ = ["Items", "describe", "node_hints", "output_hints", "satisfiable"]

Hints: TypeAlias = "dict[str, Any]"


class Items:
    """`Items[T]`, the hint of an input that is mapped over: a thing that holds a `T` per item."""

    def __class_getitem__(cls, item: object) -> types.GenericAlias:
        """The hint with what each item is."""
        return types.GenericAlias(cls, (item,))


# Questions about two hints -------------------------------------------------------------------


def satisfiable(output_hint: object, input_hint: object) -> bool:
    """Whether some value is of both types; True if in doubt.

    As for type checkers, an int is a float and a bool an int. That an empty container fits both
    does not count: `list[int]` and `list[str]` have nothing in common.

    >>> satisfiable(int, float), satisfiable(int | None, str | None), satisfiable(list, list[int])
    (True, True, True)
    >>> satisfiable(int, str), satisfiable(list[int], list[str])
    (False, False)
    """
    try:
        return _Question().meet(output_hint, input_hint)
    except Exception:  # Hints are any objects, and classes answer issubclass by any code.
        return True


class _Question:
    """One call of `satisfiable`; it knows what it answered, so that recursive aliases end."""

    def __init__(self) -> None:
        self._answers: dict[tuple[int, int], bool] = {}
        self._asked: list[tuple[object, object]] = []  # Alive, so that each id stays theirs.

    def meet(self, a: object, b: object) -> bool:
        key = (id(a), id(b))
        if key not in self._answers:
            self._asked.append((a, b))
            self._answers[key] = True  # What is still being asked is in doubt.
            self._answers[key] = any(self._atoms(x, y) for x in _atoms(a) for y in _atoms(b))
        return self._answers[key]

    def _atoms(self, a: object, b: object) -> bool:
        if isinstance(a, _Value) and isinstance(b, _Value):
            return type(a.value) is type(b.value) and a.value == b.value
        if isinstance(a, _Value):
            return self._atoms(type(a.value), b)
        if isinstance(b, _Value):
            return self._atoms(a, type(b.value))
        first, second = _class_of(a), _class_of(b)
        if first is None or second is None or is_protocol(first) or is_protocol(second):
            return True
        if first is Items or second is Items:
            return _may_be_items(first) and _may_be_items(second) and self._contents(a, b)
        return joinable(first, second) and self._arguments(a, first, b, second)

    def _arguments(self, a: object, first: type, b: object, second: type) -> bool:
        """Whether what is in the brackets fits, of hints whose classes do."""
        if not (issubclass(first, second) or issubclass(second, first)):
            return True
        if first is second and (first is type or first.__module__ == "numpy"):
            pairs = zip(typing.get_args(a), typing.get_args(b), strict=False)
            return all(self.meet(x, y) for x, y in pairs)
        if not (issubclass(first, _CONTAINERS) and issubclass(second, _CONTAINERS)):
            return True
        mappings = issubclass(first, Mapping) and issubclass(second, Mapping)
        return self._contents(a, b) and (not mappings or self._values(a, b))

    def _contents(self, a: object, b: object) -> bool:
        x, y = _contents(a), _contents(b)
        if isinstance(x, tuple) and isinstance(y, tuple):
            return len(x) == len(y) and all(map(self.meet, x, y))
        if isinstance(x, tuple):
            return all(self.meet(each, y) for each in x)
        if isinstance(y, tuple):
            return all(self.meet(x, each) for each in y)
        return self.meet(x, y)

    def _values(self, a: object, b: object) -> bool:
        x, y = _values(a), _values(b)
        if isinstance(x, dict) and isinstance(y, dict):
            return all(self.meet(x[name], y[name]) for name in x.keys() & y.keys())
        if isinstance(x, dict):
            return all(self.meet(each, y) for each in x.values())
        if isinstance(y, dict):
            return all(self.meet(x, each) for each in y.values())
        return self.meet(x, y)


# Taking hints apart --------------------------------------------------------------------------

_CONTAINERS = (Container, Iterable)
_NO_ITEMS = (str, bytes, bytearray, Mapping, Set, int, float, complex, type(None), type)
_WIDER: tuple[tuple[object, list[object]], ...] = (
    (float, [float, int]),
    (complex, [complex, float, int]),
    (bytes, [bytes, bytearray, memoryview]),
    (None, [type(None)]),
    (typing.LiteralString, [str]),
)


class _Value:
    """One value of a Literal."""

    def __init__(self, value: object) -> None:
        self.value = value


def _atoms(hint: object) -> list[object]:
    """What a value of the hint may be: classes, aliases such as `list[int]`, single values."""
    hint = plain_hint(hint)
    if isinstance(hint, TypeVar):
        choice = hint.__constraints__ or (Any if hint.__bound__ is None else hint.__bound__,)
        return [atom for each in choice for atom in _atoms(each)]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return [atom for each in args for atom in _atoms(each)]
    if origin is Literal:
        return [_Value(value) for value in args]
    if origin in (typing.ClassVar, typing.Required, typing.NotRequired):
        return _atoms(args[0])
    if origin is typing.TypeGuard:
        return [bool]
    return next((wider for name, wider in _WIDER if name is hint), [hint])


def _class_of(hint: object) -> type | None:
    """The class whose instances the values are; None if that is not known, or any."""
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type) or Any in origin.__mro__:
        return None
    return dict if _is_typed_dict(origin) else origin


def _is_typed_dict(cls: type) -> bool:
    return cls.__dict__.get("__total__") is not None and "__required_keys__" in cls.__dict__


def _may_be_items(cls: type) -> bool:
    """Whether a map can go over instances of this class."""
    return not issubclass(cls, _NO_ITEMS)


def _contents(hint: object) -> object:
    """The hint of each thing that is in a container, or a tuple of them by position."""
    cls, args = _container(hint)
    if issubclass(cls, str) or _is_typed_dict(cls):
        return str
    if issubclass(cls, (bytes, bytearray, memoryview, range)):
        return int
    if not args:
        return Any
    if issubclass(cls, ItemsView):
        return types.GenericAlias(tuple, args)
    if not issubclass(cls, tuple) or args[1:] == (...,):
        return args[0]
    return Any if any(map(_is_unpacked, args)) else args


def _is_unpacked(argument: object) -> bool:
    unpacked = getattr(argument, "__unpacked__", False) or isinstance(argument, typing.TypeVarTuple)
    return unpacked or typing.get_origin(argument) is typing.Unpack


def _values(hint: object) -> object:
    """The hint of a mapping's values, or for a TypedDict those of the fields that must be there."""
    cls, args = _container(hint)
    if _is_typed_dict(cls):
        required: frozenset[str] = cls.__dict__["__required_keys__"]
        return {name: each for name, each in _field_hints(cls).items() if name in required}
    if issubclass(cls, Counter):
        return int
    return args[1] if len(args) == 2 else Any


def _container(hint: object) -> tuple[type, tuple[Any, ...]]:
    """The known container that a hint is or derives from, with what is in its brackets."""
    cls: Any = typing.get_origin(hint) or hint
    args = typing.get_args(hint)
    if cls is Items or _is_typed_dict(cls) or cls.__module__ in ("builtins", "collections.abc"):
        return cls, args
    if cls.__module__ == "collections":
        return cls, args
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if issubclass(cls, tuple) and names is not None:
        hints = _field_hints(cls)
        return tuple, tuple(hints.get(name, Any) for name in names)
    bases = cls.__dict__.get("__orig_bases__", cls.__bases__)
    own = cls.__dict__.get("__parameters__") or dict.fromkeys(
        each for base in bases if typing.get_origin(base) for each in base.__parameters__
    )
    given = dict(zip(own, args, strict=False))
    for base in bases:
        origin = typing.get_origin(base) or base
        if isinstance(origin, type) and issubclass(origin, _CONTAINERS):
            if typing.get_origin(base) and base.__parameters__:
                base = base[tuple(given.get(each, Any) for each in base.__parameters__)]
            return _container(base)
    return object, ()


def _field_hints(cls: type) -> Hints:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # Evaluating annotations runs any code.
        return {}


# What a function says ------------------------------------------------------------------------


def node_hints(function: Callable[..., Any]) -> Hints:
    """The hints of a node's inputs by name and of its result as "return", where there are any.

    An input whose default is None may be None. What an async function returns is the awaited value.

    >>> def scale(x: float, factor: int = None) -> float: ...
    >>> describe(node_hints(scale)["factor"])
    'int | None'
    """
    hints = resolved_hints(function)
    made = _result_of_call(function)
    if made is not None:
        hints["return"] = made
    if not hints:
        return hints
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is None and parameter.name in hints:
            hints[parameter.name] = Union[hints[parameter.name], None]  # noqa: UP007 (of any hint)
    return hints


def _result_of_call(function: Callable[..., Any]) -> object:
    """What calling gives where the function's own hint does not say it, else None."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        makers: tuple[object, object] = type(function).__call__, function.__new__
        return function if makers == (type.__call__, object.__new__) else Any
    inner = inspect.unwrap(function)
    awaited = inspect.iscoroutinefunction(inner) and not inspect.iscoroutinefunction(function)
    return Any if awaited else None


def output_hints(hint: object, names: str | tuple[str, ...]) -> Sequence[object]:
    """The hint of each output: several take theirs by position from a tuple or list."""
    if isinstance(names, str):
        return [hint]
    try:
        return _each_output(hint, len(names))
    except Exception:  # As in `satisfiable`.
        return [Any] * len(names)


def _each_output(hint: object, count: int) -> Sequence[object]:
    atoms = _atoms(hint)
    cls = _class_of(atoms[0])
    if len(atoms) > 1 or cls is None or not issubclass(cls, (tuple, list)):
        return [Any] * count
    contents = _contents(atoms[0])
    if not isinstance(contents, tuple):
        return [contents] * count
    return contents if len(contents) == count else [Any] * count


# Words ---------------------------------------------------------------------------------------


def describe(hint: object) -> str:
    """A hint as a user would write it.

    >>> describe(typing.Optional[list[int]]), describe(Items[str]), describe(Literal["a", 1])
    ('list[int] | None', 'list[str]', "Literal['a', 1]")
    """
    if hint is None or hint is type(None):
        return "None"
    if hint is ...:
        return "..."
    if isinstance(hint, (list, tuple)):
        return f"[{', '.join(map(describe, hint))}]"
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " | ".join(map(describe, args))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is typing.Annotated:
        return describe(args[0])
    name = "list" if origin is Items else _name(hint if origin is None else origin)
    return f"{name}[{', '.join(map(describe, args))}]" if args else name


def _name(hint: object) -> str:
    name = getattr(hint, "__qualname__", None) or getattr(hint, "__name__", None)
    return name.rpartition("<locals>.")[2] if isinstance(name, str) else repr(hint)
