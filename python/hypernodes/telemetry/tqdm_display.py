# SPDX-License-Identifier: MIT
"""Progress as bars of tqdm, in a terminal or a notebook; imported only when tqdm is there."""

from __future__ import annotations

import importlib
from typing import Any

from .display import Row

_FORMAT = "{desc} |{bar:20}| {n_fmt}/{total_fmt} {postfix}"


class TqdmDisplay:
    """One bar of tqdm per row."""

    def __init__(self, notebook: bool = False) -> None:
        """Chooses the bars of a notebook or of a terminal."""
        module = importlib.import_module("tqdm.notebook" if notebook else "tqdm.std")
        self._tqdm: Any = module.tqdm
        self._bars: dict[Row, Any] = {}

    def add(self, row: Row) -> None:
        """Adds a bar below the others."""
        self._bars[row] = self._tqdm(
            total=row.total, desc=_label(row), bar_format=_FORMAT, leave=True, mininterval=0
        )

    def update(self, row: Row) -> None:
        """Moves a bar."""
        bar = self._bars[row]
        bar.total, bar.n = row.total, row.done
        words = ", ".join(part for part in (row.counts(), row.outcome()) if part)
        bar.set_description_str(_label(row), refresh=False)
        bar.set_postfix_str(words, refresh=False)
        bar.refresh()

    def close(self) -> None:
        """Leaves the bars as they are, in order."""
        for bar in self._bars.values():
            bar.close()


def _label(row: Row) -> str:
    return f"{row.mark()} {'  ' * row.level}{row.name}"
