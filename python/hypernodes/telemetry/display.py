# SPDX-License-Identifier: MIT
"""What progress looks like: rows of counts, shown as bars or as plain lines."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

State: TypeAlias = Literal["running", "done", "cached", "failed", "stopped"]


@dataclass(eq=False)
class Row:
    """One line of progress: a pipeline, a map, or a node summed over the items of a map.

    `total` is None if nobody knows; `cached` counts node results that came from the cache, out of
    `results`; `retries` calls that were made again.
    """

    name: str
    level: int
    total: int | None
    unit: str = ""
    done: int = 0
    cached: int = 0
    results: int = 0
    retries: int = 0
    state: State = "running"
    error: str = ""
    started: float = field(default_factory=time.perf_counter)
    seconds: float | None = None

    @property
    def full(self) -> bool:
        """Whether it has all that it expects."""
        return self.total is not None and self.done >= self.total

    def size(self) -> str:
        """How much is expected: `4 items`, or `rows`."""
        return f"{'' if self.total is None else self.total} {self.unit}".strip()

    def finish(self, state: State, seconds: float | None = None) -> None:
        """Ends the row; the first end counts."""
        if self.state == "running":
            self.state = state
            passed = time.perf_counter() - self.started
            self.seconds = passed if seconds is None else seconds

    def counts(self) -> str:
        """The numbers in words: `3/4 items, 50% cached`, `3/4, 1 retry`."""
        parts = []
        if self.unit or self.total != 1:
            total = "" if self.total is None else f"/{self.total}"
            parts.append(f"{self.done}{total} {self.unit}".rstrip())
        if self.cached and self.state != "cached":
            # Rounded down, so that 100% means all of them.
            parts.append(f"{math.floor(100 * self.cached / max(self.results, 1))}% cached")
        if self.retries:
            parts.append(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}")
        return ", ".join(parts)

    def outcome(self) -> str:
        """How it ended: `0.12s`, `CACHED`, `FAILED ValueError: ...`."""
        if self.state == "failed":
            return f"FAILED {self.error}".rstrip()
        if self.state == "cached":
            return "CACHED"
        if self.state == "stopped":
            return "stopped"
        return "" if self.seconds is None else f"{self.seconds:.2f}s"

    def mark(self, unicode: bool = True) -> str:
        """A check mark or a cross; a space while it runs."""
        good, bad = ("\u2713", "\u2717") if unicode else ("+", "x")
        if self.state in ("done", "cached"):
            return good
        return bad if self.state == "failed" else " "


class Display(Protocol):
    """Where rows are shown. Every method is called by the thread that delivers the events."""

    def add(self, row: Row) -> None:
        """Shows a new row."""

    def update(self, row: Row) -> None:
        """Shows a row's new counts, or its end."""

    def close(self) -> None:
        """Leaves the last state on the screen."""


class LineDisplay:
    """Plain lines: one when a pipeline or map begins, one for each end, a few in between."""

    EVERY_SECONDS = 5.0

    def __init__(self) -> None:
        """Writes to `sys.stderr`, as it is at that time."""
        self._shown = time.perf_counter()

    def add(self, row: Row) -> None:
        """Announces pipelines and maps; a node's line comes when it ends."""
        if row.unit:
            self._write(row, f"{row.name}: {row.size()}")

    def update(self, row: Row) -> None:
        """Reports an end, and long maps every few seconds."""
        now = time.perf_counter()
        if row.state != "running":
            parts = [part for part in (row.counts(), row.outcome()) if part]
            self._write(row, f"{row.name}: {', '.join(parts)}")
        elif row.unit in ("items", "rows") and now - self._shown >= self.EVERY_SECONDS:
            self._shown = now
            self._write(row, f"{row.name}: {row.counts()}")

    def close(self) -> None:
        """Nothing is left open."""

    def _write(self, row: Row, words: str) -> None:
        stream = sys.stderr
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        mark = row.mark(unicode=encoding.startswith("utf"))
        line = f"{mark} {'  ' * row.level}{words}".replace("\n", " ").rstrip() + "\n"
        safe = line.encode(encoding, "backslashreplace").decode(encoding)
        # Progress must not stop a run because nobody listens any more.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.write(safe)
            stream.flush()


class QuietDisplay:
    """Shows nothing."""

    def add(self, row: Row) -> None:
        """Ignores the row."""

    def update(self, row: Row) -> None:
        """Ignores the row."""

    def close(self) -> None:
        """Nothing to close."""


def choose_display(enable: bool | str) -> Callable[[], Display]:
    """Returns what makes the display of each run, for the screen this process writes to.

    In a notebook bars of tqdm, else rich, else tqdm; plain lines where the output is no terminal
    or none of the packages is there. `enable="auto"` shows nothing on what is no terminal.
    """
    if not enable:
        return QuietDisplay
    notebook = in_notebook()
    if not notebook and not on_terminal():
        return QuietDisplay if enable == "auto" else LineDisplay
    if notebook and _there("tqdm") and _there("ipywidgets"):
        from .tqdm_display import TqdmDisplay

        return lambda: TqdmDisplay(notebook=True)
    if _there("rich"):
        from .rich_display import RichDisplay

        return RichDisplay
    if _there("tqdm"):
        from .tqdm_display import TqdmDisplay

        return TqdmDisplay
    return LineDisplay


def in_notebook() -> bool:
    """Says whether this process is the kernel of a notebook."""
    shell: Any = sys.modules.get("IPython")
    if shell is None:
        return False
    with contextlib.suppress(Exception):
        return type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
    return False


def on_terminal() -> bool:
    """Says whether progress is written to a terminal that can move its cursor."""
    with contextlib.suppress(AttributeError, ValueError):
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return False


def _there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
