# SPDX-License-Identifier: MIT
"""The identity of a node with a version: names and data, nothing of its code."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .digest import NoIdentityError, mix, text
from .origin import importable_module
from .snapshot import content
from .values import Digester


def dotted_name(func: Callable[..., Any], aka: str | None = None) -> str:
    """Returns module and qualified name of a callable; of an object, those of its class.

    Args:
        func: The callable.
        aka: What counts instead: another name in its module, or a dotted path.
    """
    if aka is not None and "." in aka:
        return aka
    while isinstance(func, functools.partial):
        func = func.func
    named = func if hasattr(func, "__qualname__") else type(func)
    return f"{importable_module(named)}.{aka or named.__qualname__}"


def pinned_hash(
    name: str, version: str, parameters: Iterable[str], outputs: int, *functions: object
) -> str:
    """Returns 64 hex digits for a version of a node.

    Args:
        name: The dotted name that counts.
        version: The version.
        parameters: The names of its inputs, in order: a key has their values in this order.
        outputs: How many it has, since records of another number cannot be read.
        functions: What it calls, for the data that these hold.
    """
    held = [_data_digest(value) for function in functions for value in _held(function)]
    inputs = mix("inputs", *map(text, parameters))
    return mix("pinned", text(name), text(version), inputs, text(str(outputs)), *held).hex()


def _held(func: Any) -> Iterator[object]:  # noqa: ANN401 (any callable)
    """The data of a callable: bound objects, arguments of partials, closures."""
    if isinstance(func, functools.partial):
        yield from (func.args, func.keywords)
        yield from _held(func.func)
    elif isinstance(func, types.MethodType):
        yield func.__self__
        yield from _held(func.__func__)
    elif isinstance(func, types.FunctionType):
        yield from map(content, func.__closure__ or ())
    elif not isinstance(func, _CODE):
        yield func


def _data_digest(value: object) -> bytes:
    try:
        return _DataDigester()(value)
    except NoIdentityError:
        return b""  # The version stands for that, too.


_CODE = (type, types.ModuleType, types.BuiltinFunctionType)


class _DataDigester(Digester):
    """Digests data; code in it counts by its name and the data that it holds."""

    def __call__(self, value: object) -> bytes:
        if isinstance(value, types.ModuleType):
            return mix("module name", text(value.__name__))
        return self._name(value) if isinstance(value, _CODE) else super().__call__(value)

    def known_class(self, cls: type) -> bytes:
        return self._name(cls)

    def user_function(self, function: types.FunctionType) -> bytes:
        cells = map(self, map(content, function.__closure__ or ()))
        return mix("function", self._name(function), *cells)

    @staticmethod
    def _name(code: Any) -> bytes:  # noqa: ANN401 (a class or function)
        return mix("name", text(importable_module(code)), text(code.__qualname__))
