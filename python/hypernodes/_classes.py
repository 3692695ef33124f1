# SPDX-License-Identifier: MIT
"""Whether some object can be an instance of two classes at once."""

from __future__ import annotations

import abc
import enum
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["is_protocol", "joinable"]

_SCALARS = (int, float, complex, str, bytes)
_HEAP_TYPE = 1 << 9
_BASE_TYPE = 1 << 10
_POINTER = tuple.__itemsize__


def joinable(a: type, b: type) -> bool:
    """Whether an object can be an instance of both; True if in doubt.

    Two ordinary classes can always have a common subclass. None is possible below a final class,
    or where C layouts or `__slots__` conflict. A class that joins a builtin scalar with something
    else is so rare that there must already be one.
    """
    if issubclass(a, b) or issubclass(b, a) or _both_numbers(a, b):
        return True
    if _is_final(a) or _is_final(b) or _layouts_conflict(a, b):
        return False
    if _decides_itself(a) or _decides_itself(b):
        return True
    if a in _SCALARS or _is_numpy_scalar(a):
        return any(issubclass(each, b) for each in _subclasses(a))
    if b in _SCALARS or _is_numpy_scalar(b):
        return any(issubclass(each, a) for each in _subclasses(b))
    return True


def is_protocol(cls: type) -> bool:
    """Whether instances are known by what they can do, which nearly any class could add."""
    return bool(cls.__dict__.get("_is_protocol", False))


def _is_final(cls: type) -> bool:
    if isinstance(cls, enum.EnumMeta) and len(cls) > 0:
        return True
    return not cls.__flags__ & _BASE_TYPE or bool(cls.__dict__.get("__final__", False))


def _layouts_conflict(a: type, b: type) -> bool:
    """As the interpreter decides it for `class C(a, b)`."""
    first, second = _solid_base(a), _solid_base(b)
    return not issubclass(first, second) and not issubclass(second, first)


def _solid_base(cls: type) -> type:
    """The class above or at `cls` that last added something to the layout of instances."""
    while (base := cls.__base__) is not None:
        size = cls.__basicsize__ - base.__basicsize__
        if cls.__flags__ & _HEAP_TYPE:  # A dictionary and weak references do not count.
            size -= _POINTER * (cls.__dictoffset__ > 0 and base.__dictoffset__ == 0)
            size -= _POINTER * (cls.__weakrefoffset__ > 0 and base.__weakrefoffset__ == 0)
        if size > 0 or cls.__itemsize__ != base.__itemsize__:
            return cls
        cls = base
    return cls


def _decides_itself(cls: type) -> bool:
    """Whether `isinstance` asks the class, or it only marks what a model's field must hold."""
    usual = (type.__instancecheck__, abc.ABCMeta.__instancecheck__)
    return type(cls).__instancecheck__ not in usual or (
        hasattr(cls, "__get_pydantic_core_schema__") and not hasattr(cls, "__dataclass_fields__")
    )


def _is_numpy_scalar(cls: type) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, numpy.generic)


def _both_numbers(a: type, b: type) -> bool:
    """Whether one is a number of numpy's and the other of Python's: each stands for the other."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or _is_numpy_scalar(a) == _is_numpy_scalar(b):
        return False
    numbers = (int, float, complex, numpy.number, numpy.bool_)
    return issubclass(a, numbers) and issubclass(b, numbers)


def _subclasses(cls: type) -> Iterator[type]:
    """All classes below `cls` that exist now."""
    below: list[type] = type.__subclasses__(cls)
    for each in below:
        yield each
        yield from _subclasses(each)
