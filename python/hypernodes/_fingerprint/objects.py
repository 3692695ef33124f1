# SPDX-License-Identifier: MIT
"""The digest of objects: what they say of themselves, else their class and their state."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import operator
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from . import classes
from .digest import NoIdentityError, mix, text
from .origin import is_user_code, module_of

_PACKAGE = __name__.partition(".")[0]
# CPython: Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_MANAGED_DICT
_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4

# What instances of these hold besides attributes. Subclasses may override anything, so it is read
# with the methods of the base.
_CONTENT: dict[type, Callable[[Any], object]] = {
    object: lambda value: None,
    int: int.__int__,
    float: float.__float__,
    complex: lambda value: (value.real, value.imag),
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(bytearray.__getitem__(value, slice(None))),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    collections.OrderedDict: lambda value: list(collections.OrderedDict.items(value)),
    collections.defaultdict: lambda value: (value.default_factory, dict(dict.items(value))),
    collections.deque: lambda value: (value.maxlen, list(collections.deque.__iter__(value))),
    datetime.date: datetime.date.isoformat,
    datetime.time: lambda value: (datetime.time.isoformat(value), value.tzinfo, value.fold),
    datetime.datetime: lambda value: (
        datetime.datetime.isoformat(value),
        value.tzinfo,
        value.fold,
    ),
    datetime.timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    decimal.Decimal: decimal.Decimal.__str__,
    types.SimpleNamespace: lambda value: None,
}


class _Layout(NamedTuple):
    """Where the instances of a class have their state."""

    fields: tuple[str, ...]
    """Those that a dataclass or attrs class declares."""
    slots: tuple[str, ...]
    derived: frozenset[str]
    """Cached properties, whose results are there or not."""
    is_pydantic: bool
    is_named_tuple: bool
    content: Callable[[Any], object] | None
    """What the instance of a builtin type holds that it is made of; None if nobody can say."""


_layouts: weakref.WeakKeyDictionary[type, _Layout] = weakref.WeakKeyDictionary()


def _layout(cls: type) -> _Layout:
    known = _layouts.get(cls)
    if known is None:
        known = _layouts[cls] = _read_layout(cls)
    return known


def _read_layout(cls: type) -> _Layout:
    base = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    content = _CONTENT.get(base) if _shows_its_state(cls, base) else None
    if issubclass(base, BaseException):
        content = functools.partial(_exception_content, _shown_members(base))
    elif hasattr(base, "n_sequence_fields"):  # os.stat_result and the like, which hide some
        content = operator.methodcaller("__reduce__")
    names = {name for each in cls.__mro__ for name in vars(each)}
    derived = [n for n in names if isinstance(_raw(cls, n), functools.cached_property)]
    return _Layout(
        tuple(classes.field_names(cls)),
        tuple(_slot_names(cls)),
        frozenset(derived),
        classes.is_pydantic(cls),
        issubclass(cls, tuple) and hasattr(cls, "_fields"),
        content,
    )


def instance(digest: classes.Digest, value: object) -> bytes:
    """Returns the digest of an object: its class and its state.

    Raises:
        NoIdentityError: If its state is not all in attributes, or one of them has no digest.
    """
    cls = type(value)
    if _is_own(cls):
        node_code = getattr(value, "code_hash", None)  # One of our nodes, used as a function.
        if isinstance(node_code, str):
            return mix("node", text(node_code))
    layout = _layout(cls)
    try:
        if layout.content is None:
            raise NoIdentityError("hidden state")
        content = digest(layout.content(value))
        return mix("object", _class_digest(digest, cls), digest(_state(value, layout)), content)
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in an object of class {cls.__qualname__}") from None


def is_pinned(value: object) -> bool:
    """Says whether a value is one of our nodes that has a version."""
    return _is_own(type(value)) and isinstance(getattr(value, "version", None), str)


def _is_own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == _PACKAGE


def own_key(digest: classes.Digest, value: Any) -> bytes | None:  # noqa: ANN401
    """Returns the digest of what `__cache_key__()` returns, None for an object without one."""
    cls = type(value)
    if _raw(cls, _KEY) is None and _KEY not in getattr(value, "__dict__", ()):
        return None
    try:
        key = value.__cache_key__()
    except Exception as error:
        raise NoIdentityError(
            f"{cls.__qualname__}.__cache_key__() raised {type(error).__name__}: {error}"
        ) from error
    try:
        return mix("cache key", text(module_of(cls)), text(cls.__qualname__), digest(key))
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in {cls.__qualname__}.__cache_key__()") from None


_KEY = "__cache_key__"


def _raw(cls: type, name: str) -> object:
    """An attribute of a class as it stands there; without running code, as getattr() may."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _class_digest(digest: classes.Digest, cls: type) -> bytes:
    """A library's class goes by its name: its version is in the code that imports it."""
    known = digest.known_class(cls)
    if known is not None:
        return known
    if is_user_code(cls.__module__):
        return digest(cls)
    return mix("class name", text(module_of(cls)), text(cls.__qualname__))


def _state(value: Any, layout: _Layout) -> dict[str, Any]:  # noqa: ANN401
    declared = {name: getattr(value, name) for name in layout.fields if hasattr(value, name)}
    if layout.is_named_tuple:
        return {}  # its content says it all
    attributes = dict(getattr(value, "__dict__", ()))
    for name in layout.derived:
        attributes.pop(name, None)
    if layout.is_pydantic:
        private = getattr(value, "__pydantic_private__", None) or {}
        extra = getattr(value, "__pydantic_extra__", None) or {}
        given = frozenset(getattr(value, "__pydantic_fields_set__", ()))
        return attributes | private | extra | {"": given}  # model_dump(exclude_unset=True)
    attributes |= {name: getattr(value, name) for name in layout.slots if hasattr(value, name)}
    public = {name: item for name, item in attributes.items() if not name.startswith("_")}
    return (declared | public) or attributes


def _shown_members(base: type) -> list[str]:
    """What an exception has besides `args`: OSError.filename, ImportError.name."""
    return [
        name
        for kind in base.__mro__
        for name, item in vars(kind).items()
        if isinstance(item, types.MemberDescriptorType) and not name.startswith("_")
    ]


def _exception_content(members: list[str], value: BaseException) -> object:
    shown = {name: getattr(value, name, None) for name in members}
    shown = {name: item for name, item in shown.items() if item is not None}
    return (value.args, shown) if shown else value.args


def _slot_names(cls: type) -> list[str]:
    return [
        name
        for base in cls.__mro__
        if base.__flags__ & _HEAP_TYPE
        for name, item in vars(base).items()
        if isinstance(item, types.MemberDescriptorType)
    ]


def _shows_its_state(cls: type, base: type) -> bool:
    """Says whether instances hold nothing but `__dict__` and slots beyond what `base` has.

    The same test as `object.__reduce_ex__` makes (CPython: Objects/typeobject.c).
    """
    if cls.__itemsize__ != base.__itemsize__:
        return False
    size = base.__basicsize__ + 8 * len(_slot_names(cls))
    has_dict = cls.__dictoffset__ != 0 and not cls.__flags__ & _MANAGED_DICT
    size += 8 * has_dict + 8 * (cls.__weakrefoffset__ > 0)
    return cls.__basicsize__ <= size
