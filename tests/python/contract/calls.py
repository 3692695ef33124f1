# SPDX-License-Identifier: MIT
"""Which nodes ran, as they say themselves."""

from __future__ import annotations

from typing import Any

_calls: list[tuple[Any, ...]] = []


def ran(name: str, *values: Any) -> None:
    """Called by a node: it ran on these values. Writes only, so it counts in no cache key."""
    _calls.append((name, *values))


def take() -> list[tuple[Any, ...]]:
    """The calls since the last time this was asked, in order."""
    taken = _calls.copy()
    _calls.clear()
    return taken


def distinct(calls: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The calls without repetitions: what a cache lets through. 1, 1.0 and True differ."""
    return list({repr(call): call for call in reversed(calls)}.values())[::-1]
