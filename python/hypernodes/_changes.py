# SPDX-License-Identifier: MIT
"""Counts changes of nodes, pipelines and engines, so that a pipeline knows when to look again.

A pipeline's native graph is built from objects that may change later (a node's `cache`, what an
inner pipeline binds). While this counter stands still nothing has changed anywhere, and a run need
not look at them one by one.
"""

from __future__ import annotations

import itertools

__all__ = ["current", "note"]

_numbers = itertools.count(1)
current = 0


def note() -> None:
    """Says that something changed that a graph may have been built from.

    Threads: any number at once. The counter may step back then, but never to where it was before.
    """
    global current
    current = next(_numbers)
