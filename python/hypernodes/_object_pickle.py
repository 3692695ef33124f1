# SPDX-License-Identifier: MIT
"""Pickles of results that the data-only encoding has no form for.

Only the native module calls this, with bytes whose MAC it verified (docs/formats/record.md).
"""

from __future__ import annotations

import io
import pickle

__all__ = ["dumps", "loads"]

# What another process has under these names is another module.
_MAIN = ("__main__", "__mp_main__")

loads = pickle.loads


def dumps(value: object) -> bytes | str:
    """Returns the pickle of `value`, or why it has none that another process could open."""
    kind = type(value)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        data = pickle.dumps(value, protocol=5)
        # A name in a pickle is text in it, too, so nothing escapes this quick look.
        if any(module.encode() in data for module in _MAIN):
            _Names(io.BytesIO(data)).load()
    except _MainError as error:
        return (
            f"its result, of type {name}, holds {error}, which other processes cannot import; "
            "define it in a module"
        )
    except Exception as error:
        return f"its result, of type {name}, cannot be pickled ({type(error).__name__})"
    return data


class _MainError(Exception):
    """A pickle refers to the module that happens to be the main one."""


class _Names(pickle.Unpickler):
    """Opens a pickle that was just made here, and refuses names of the main module."""

    def find_class(self, module: str, name: str) -> object:
        if module in _MAIN:
            raise _MainError(f"{module}.{name}")
        return super().find_class(module, name)
