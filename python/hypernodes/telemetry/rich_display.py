# SPDX-License-Identifier: MIT
"""Progress as bars of rich; imported only when rich is there."""

from __future__ import annotations

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.text import Text

from .display import Display, LineDisplay, Row


class _Name(ProgressColumn):
    def render(self, task: Task) -> Text:
        row: Row = task.fields["row"]
        style = {"failed": "red", "done": "green", "cached": "cyan"}.get(row.state, "")
        return Text(f"{row.mark()} {'  ' * row.level}{row.name}", style=style)


class _Counts(ProgressColumn):
    def render(self, task: Task) -> Text:
        row: Row = task.fields["row"]
        return Text(", ".join(part for part in (row.counts(), row.outcome()) if part))


class RichDisplay:
    """Bars on standard error, drawn by a thread of rich."""

    def __init__(self, console: Console | None = None) -> None:
        """Starts drawing; where other bars own the terminal, falls back to plain lines."""
        self._tasks: dict[Row, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            _Name(),
            BarColumn(bar_width=30),
            _Counts(),
            console=console or Console(stderr=True),
            refresh_per_second=8,
        )
        self._instead: Display | None = None
        try:
            self._progress.start()
        except LiveError:
            self._instead = LineDisplay()

    def add(self, row: Row) -> None:
        """Adds a bar at the end."""
        if self._instead is not None:
            return self._instead.add(row)
        self._tasks[row] = self._progress.add_task("", total=row.total, row=row)

    def update(self, row: Row) -> None:
        """Moves a bar."""
        if self._instead is not None:
            return self._instead.update(row)
        # A bar that has ended stops spinning only if it is full.
        ended = row.state in ("done", "cached", "failed", "stopped")
        total = max(row.done, 1) if ended else row.total and max(row.total, 1)
        done = total if ended else row.done
        self._progress.update(self._tasks[row], completed=done, total=total)

    def close(self) -> None:
        """Draws the last state and lets go of the terminal."""
        if self._instead is None:
            self._progress.stop()
