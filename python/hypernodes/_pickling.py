# SPDX-License-Identifier: MIT
"""How functions and classes travel to other processes: by reference, else by value."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["by_value", "cloudpickle", "find", "from_value", "revived", "travelling"]


def find(module: str, name: str) -> object:
    """What `name` is in a module that is loaded; None if there is no such thing."""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def cloudpickle() -> Any:  # noqa: ANN401 (an optional package without types)
    """The package, or None if it is not installed."""
    try:
        return importlib.import_module("cloudpickle")
    except ImportError:
        return None


def by_value(thing: object) -> bytes | None:
    """A function or class with its code, for a process that cannot import it; needs cloudpickle."""
    package = cloudpickle()
    return None if package is None else package.dumps(thing)


def from_value(code: bytes) -> Any:  # noqa: ANN401
    """What `by_value` took along."""
    return importlib.import_module("cloudpickle").loads(code)


def travelling(func: Callable[..., Any]) -> Callable[..., Any] | bytes:
    """What to pickle in place of `func`.

    Itself, if pickle can find it by its name or it is no plain function; else its code, if
    cloudpickle is installed. A module of another process may not be this one's __main__, so code of
    that travels, too.
    """
    module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", "")
    if not inspect.isfunction(func) or (module != "__main__" and find(module or "", name) is func):
        return func
    code = by_value(func)
    return func if code is None else code


def revived(travelled: Callable[..., Any] | bytes) -> Callable[..., Any]:
    """The function that `travelling` took along."""
    func: Callable[..., Any] = from_value(travelled) if isinstance(travelled, bytes) else travelled
    return func
