# SPDX-License-Identifier: MIT
"""Pickles of results that the data-only encoding has no form for.

Only the native module calls this, with bytes whose MAC it verified (docs/formats/record.md).
"""

from __future__ import annotations

import io
import pickle

__all__ = ["dumps", "loads"]

# What a child process of multiprocessing calls the main module.
_CHILDS_MAIN = "__mp_main__"


def dumps(value: object) -> bytes | str:
    """Returns the pickle of `value`, or why it has none that another process could open."""
    kind = type(value)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:
        return f"its result, of type {name}, cannot be pickled ({type(error).__name__})"


def loads(data: bytes) -> object:
    """Opens a pickle.

    Raises:
        Exception: Whatever pickle makes of a class that is not what it was, or not there.
    """
    # A name in a pickle is text in it, too, so nothing escapes this quick look.
    if _CHILDS_MAIN.encode() in data:
        return _FromChild(io.BytesIO(data)).load()
    return pickle.loads(data)


class _FromChild(pickle.Unpickler):
    """Looks for classes of a child's main module in the main module."""

    def find_class(self, module: str, name: str) -> object:
        return super().find_class("__main__" if module == _CHILDS_MAIN else module, name)
