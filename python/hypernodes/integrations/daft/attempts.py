# SPDX-License-Identifier: MIT
"""An end for rows that kill the process they run in: Ray gives them to another one for ever."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypernodes import _travel, remote
from hypernodes.exceptions import RemoteError

__all__ = ["run_rows"]

_MOST = 3


def run_rows(shared: remote.Shared, items: bytes, first: int, count: int) -> bytes:
    """As `remote.run_rows`; a RemoteError for rows whose process died three times on this machine.

    Each attempt adds a byte to a file in the machine's temporary directory, which goes when the
    rows are done.
    """
    path = Path(tempfile.gettempdir()) / f"hypernodes-{shared.token}-{first}"
    before = 0
    with contextlib.suppress(OSError), path.open("ab") as file:
        before = file.tell()
        file.write(b".")
    try:
        if before >= _MOST:
            return _travel.dumps(_travel.Raised.pack(_refusal(first, count)))
        return remote.run_rows(shared, items, first, count)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _refusal(first: int, count: int) -> RemoteError:
    rows = f"row {first}" if count == 1 else f"rows {first} to {first + count - 1}"
    return RemoteError(
        f"The process that ran {rows} died {_MOST} times",
        f"a part of {count}",
        "look for a node that crashes or takes too much memory; a smaller batch_size narrows it",
    )
