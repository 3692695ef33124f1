# SPDX-License-Identifier: MIT
"""Daft itself: whether it is there, whether it is one we know, and our native functions in it."""

from __future__ import annotations

import atexit
import functools
import importlib
import threading
import warnings
from types import ModuleType
from typing import Any

from hypernodes import _core
from hypernodes.exceptions import DependencyMissingError

# The extension interface is experimental: each minor version is tried before it is let in.
_OLDEST = (0, 7, 20)
_NEWEST = (0, 8)
_INSTALL = "pip install 'hypernodes[daft]'"


@functools.cache
def load() -> ModuleType:
    """Returns the module `daft` with our native functions defined in its session.

    Raises:
        DependencyMissingError: If Daft is not installed, or is a version that we do not support.
    """
    try:
        import daft
    except ImportError as error:
        raise DependencyMissingError(
            f"The Daft engine needs the package daft ({error})", fix=_INSTALL
        ) from error
    check_version(daft.__version__)
    # Python ends threads in the midst of a node: those of a run that was interrupted stop before.
    atexit.register(_core.daft_stop)
    return daft


def arrow() -> Any:  # noqa: ANN401 (pyarrow has no types)
    """The module `pyarrow`, which Daft needs, too."""
    return importlib.import_module("pyarrow")


# A function belongs to whoever loads the extension next.
defining = threading.Lock()


def load_functions(daft: ModuleType) -> None:
    """Makes the functions that C++ has defined since the last call known to Daft's session.

    REQUIRES: `defining`, from the definition on.
    """
    with warnings.catch_warnings():
        # "Native extensions are experimental": that is for us to know, not for our users.
        warnings.simplefilter("ignore")
        daft.load_extension(_core.daft_extension_path())


def check_version(version: str) -> None:
    """Raises DependencyMissingError unless this version of Daft is one that we know."""
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if not _OLDEST <= numbers < _NEWEST:
        oldest, newest = (".".join(map(str, limit)) for limit in (_OLDEST, _NEWEST))
        raise DependencyMissingError(
            f"The Daft engine does not know Daft {version}: it works with {oldest} and later,"
            f" before {newest}",
            fix=_INSTALL,
        )
