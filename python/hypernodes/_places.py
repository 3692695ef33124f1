# SPDX-License-Identifier: MIT
"""Whether two processes that have the path of a DiskCache have the same directory there."""

from __future__ import annotations

import socket
from pathlib import Path

from .cache import DiskCache

__all__ = ["Place", "place"]

# The machine since it was started, and a directory on it.
Place = tuple[str, int, int]

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def place(cache: object) -> Place | None:
    """Where the directory of a DiskCache is; None if it is not here, and for other caches.

    Containers of one machine that mount one directory agree; machines with a network drive do not,
    and must not share it: a DiskCache maps its file into memory.
    """
    if not isinstance(cache, DiskCache):
        return None
    try:
        there = cache.path.stat()
    except OSError:
        return None
    return _machine(), there.st_dev, there.st_ino


def _machine() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:  # no Linux
        return socket.gethostname()
