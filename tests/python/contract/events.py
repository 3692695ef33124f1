# SPDX-License-Identifier: MIT
"""What callbacks were told, as text: a line for each event, indented by the context's depth."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from hypernodes import CallbackContext, PipelineCallback

HOOKS = sorted(name for name in dir(PipelineCallback) if name.startswith("on_"))


class Recorder(PipelineCallback):
    """Writes down every event, and checks durations and signatures.

    Attributes:
        signatures: Those of hits, in order.
        contexts: Every context seen, without repetition.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, str] = {}
        self.signatures: list[str] = []
        self.contexts: list[CallbackContext] = []

    @property
    def lines(self) -> list[str]:
        """`hook subject values` of each event; pipelines by name, `unnamed` if they have none."""
        return [re.sub(r"pipeline_\d\w*", self._name_of, line) for line in self._lines]

    def _name_of(self, found: re.Match[str]) -> str:
        return self._names.get(found[0], "unnamed")

    def _note(self, hook: str, *values: Any, ctx: CallbackContext) -> None:
        if not any(ctx is known for known in self.contexts):
            self.contexts.append(ctx)
        if hook == "on_nested_pipeline_start":
            self._names[values[1]] = values[1]
        for known in {*self._names, *ctx.hierarchy_path}:
            name = ctx.get_pipeline_metadata(known).get("pipeline_name", known)
            self._names[known] = "unnamed" if name == known else name
        if hook.endswith("_end"):
            *values, duration = values
            assert type(duration) is float, f"{hook}: {duration!r}"
            assert duration >= 0, f"{hook}: {duration!r}"
        if hook.endswith("_cached"):
            *values, signature = values
            assert re.fullmatch("[0-9a-f]{64}", signature), f"{hook}: {signature!r}"
            self.signatures.append(signature)
        shown = [value if isinstance(value, str) else repr(value) for value in values]
        self._lines.append("  " * ctx.depth + " ".join([hook[3:], *shown]))


def _hook(name: str) -> Any:
    # Engines call positionally, the context last.
    return lambda self, *values: self._note(name, *values[:-1], ctx=values[-1])


for _name in HOOKS:
    setattr(Recorder, _name, _hook(_name))


def lines(text: str) -> list[str]:
    """The lines of an expectation, written as a block."""
    return text.strip("\n").splitlines()


def check_order(events: list[str]) -> None:
    """Fails unless the events are those of a finished sequential run or map, in order and depth."""
    left = events[::-1]
    (_map if events[0].startswith("map_start") else _run)(left, 0)
    assert not left, f"after the end: {left[::-1]}"


def check_unordered(events: list[str], sequential: list[str]) -> None:
    """Fails unless the events are those of the sequential engine, in an order that is allowed.

    Rows may be mixed, but each in its order; the start of the map comes first, its end last.
    """
    assert Counter(events) == Counter(sequential)
    assert (events[0], events[-1]) == (sequential[0], sequential[-1])
    for row in _rows(sequential):
        left = iter(events)
        assert all(event in left for event in row), f"{row} not in this order in {events}"


def hits(events: list[str]) -> Counter[str]:
    """How often each node came from the cache."""
    return Counter(e.split()[1] for e in events if e.strip().startswith("node_cached"))


def starts(events: list[str]) -> Counter[str]:
    """How often each node was run."""
    return Counter(e.split()[1] for e in events if e.strip().startswith("node_start"))


def _rows(sequential: list[str]) -> list[list[str]]:
    """The events of each item of each map, without those of the items of a map inside."""
    rows: list[list[str]] = [[]]
    inside = [rows[0]]
    for event in sequential:
        if event.strip().startswith("map_item_start"):
            rows.append([])
            inside.append(rows[-1])
        inside[-1].append(event)
        if event.strip().startswith("map_item_end"):
            inside.pop()
    return rows


def _take(left: list[str], hook: str, depth: int) -> str:
    assert left, f"expected {hook}, but there is no more"
    event = left.pop()
    expected = "  " * depth + hook
    assert f"{event} ".startswith(f"{expected} "), f"expected {expected!r}, got {event!r}"
    return event.removeprefix(expected).strip()


def _next_is(left: list[str], hook: str) -> bool:
    return bool(left) and left[-1].strip().startswith(hook)


def _map(left: list[str], depth: int) -> None:
    for index in range(int(_take(left, "map_start", depth))):
        _take(left, f"map_item_start {index}", depth)
        _run(left, depth, index)
        _take(left, f"map_item_end {index}", depth)
    _take(left, "map_end", depth)


def _run(left: list[str], depth: int, item: int | None = None) -> None:
    _take(left, "pipeline_start", depth + 1)
    while not _next_is(left, "pipeline_end"):
        _node(left, depth + 1, item)
    _take(left, "pipeline_end", depth + 1)


def _node(left: list[str], depth: int, item: int | None) -> None:
    if _next_is(left, "node_cached"):
        _take(left, "node_cached", depth)
        if item is not None:
            _take(left, f"map_item_cached {item}", depth)
        return
    name = _take(left, "node_start", depth).split(" ")[0]
    if _next_is(left, "nested_pipeline_start"):
        _take(left, "nested_pipeline_start", depth)
        _map(left, depth) if _next_is(left, "map_start") else _run(left, depth, item)
        _take(left, "nested_pipeline_end", depth)
    _take(left, f"node_end {name}", depth)
