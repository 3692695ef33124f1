# SPDX-License-Identifier: MIT
"""How functions travel to other processes: by reference, else by value with cloudpickle."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["find", "revived", "travelling"]


def find(module: str, name: str) -> object:
    """What `name` is in a module that is loaded; None if there is no such thing."""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def travelling(func: Callable[..., Any]) -> Callable[..., Any] | bytes:
    """What to pickle in place of `func`.

    Itself, if pickle can find it by its name or it is no plain function; else its code, if
    cloudpickle is installed. A module of another process may not be this one's __main__, so code of
    that travels, too.
    """
    module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", "")
    if not inspect.isfunction(func) or (module != "__main__" and find(module or "", name) is func):
        return func
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError:
        return func
    code: bytes = cloudpickle.dumps(func)
    return code


def revived(travelled: Callable[..., Any] | bytes) -> Callable[..., Any]:
    """The function that `travelling` took along."""
    if not isinstance(travelled, bytes):
        return travelled
    func: Callable[..., Any] = importlib.import_module("cloudpickle").loads(travelled)
    return func
