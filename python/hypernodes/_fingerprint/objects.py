# SPDX-License-Identifier: MIT
"""The digest of objects: what they say of themselves, else their class and their state."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import types
from collections.abc import Callable
from typing import Any

from . import classes
from .digest import NoIdentityError, mix, text
from .origin import is_user_code

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
    types.ModuleType: lambda value: value.__name__,
}


def instance(digest: classes.Digest, value: Any) -> bytes:  # noqa: ANN401 (any object)
    """Returns the digest of an object: `__cache_key__()`, else its class and its state.

    Raises:
        NoIdentityError: If its state is not all in attributes, or one of them has no digest.
    """
    cls = type(value)
    if cls.__module__.partition(".")[0] == _PACKAGE:
        node_code = getattr(value, "code_hash", None)  # One of our nodes, used as a function.
        if isinstance(node_code, str):
            return mix("node", text(node_code))
    try:
        return mix(
            "object",
            _class_digest(digest, cls),
            digest.mapping("state", _state(value, cls)),
            digest(_content(value, cls)),
        )
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in an object of class {cls.__qualname__}") from None


def own_key(digest: classes.Digest, value: Any) -> bytes | None:  # noqa: ANN401
    """Returns the digest of what `__cache_key__()` returns, None for an object without one."""
    cls = type(value)
    if not hasattr(cls, "__cache_key__") and "__cache_key__" not in getattr(value, "__dict__", ()):
        return None
    try:
        key = value.__cache_key__()
    except Exception as error:
        raise NoIdentityError(
            f"{cls.__qualname__}.__cache_key__() raised {type(error).__name__}: {error}"
        ) from error
    try:
        return mix("cache key", text(cls.__module__), text(cls.__qualname__), digest(key))
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in {cls.__qualname__}.__cache_key__()") from None


def _class_digest(digest: classes.Digest, cls: type) -> bytes:
    """A library's class goes by its name: its version is in the code that imports it."""
    if is_user_code(cls.__module__):
        return digest(cls)
    return mix("class name", text(cls.__module__), text(cls.__qualname__))


def _content(value: object, cls: type) -> object:
    """What the value of a builtin type is that the object is made of."""
    base = _builtin_base(cls)
    if issubclass(base, BaseException):
        return value.args  # type: ignore[attr-defined]
    read = _CONTENT.get(base)
    if read is None or not _shows_its_state(cls, base):
        raise NoIdentityError("hidden state")
    return read(value)


def _builtin_base(cls: type) -> type:
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


def _state(value: Any, cls: type) -> dict[str, Any]:  # noqa: ANN401
    names = classes.field_names(cls)
    declared = {name: getattr(value, name) for name in names if hasattr(value, name)}
    if classes.declares_fields(cls):
        return declared
    if classes.is_pydantic(cls):
        state = _without_derived(vars(value), cls)
        private = getattr(value, "__pydantic_private__", None) or {}
        return {**state, **private, **(getattr(value, "__pydantic_extra__", None) or {})}
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        return {}  # its content says it all
    attributes = _attributes(value, cls)
    public = {name: item for name, item in attributes.items() if not name.startswith("_")}
    return (declared | public) or attributes


def _attributes(value: object, cls: type) -> dict[str, Any]:
    found = {name: getattr(value, name) for name in _slot_names(cls) if hasattr(value, name)}
    return found | _without_derived(getattr(value, "__dict__", {}), cls)


def _without_derived(attributes: dict[str, Any], cls: type) -> dict[str, Any]:
    """All but the results of cached properties, which are there or not."""
    return {
        name: item
        for name, item in attributes.items()
        if not isinstance(getattr(cls, name, None), functools.cached_property)
    }


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
