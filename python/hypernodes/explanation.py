# SPDX-License-Identifier: MIT
"""What a pipeline would find in its cache, and why not: what `Pipeline.explain` returns."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast, overload

from . import _core

__all__ = ["Explanation", "NodeExplanation", "Reason", "RowExplanation", "Status"]

Status = Literal["hit", "miss", "waits", "uncached"]
"""What a run would do: take what is stored; compute and store; nobody knows before others ran;
compute whatever is stored."""
Reason = Literal[
    "stored",
    "never_computed",
    "new_inputs",
    "code_changed",
    "library_changed",
    "input_changed",
    "evicted",
    "expired",
    "damaged",
    "waits",
    "same_inputs",
    "not_cached",
    "no_cache",
    "no_identity",
    "no_digest",
]

# Of a map whose rows differ, what a reader wants to know first.
_ORDER: tuple[Status, ...] = ("miss", "waits", "uncached", "hit")


@dataclass(frozen=True)
class RowExplanation:
    """What a run would do with a row of a node, and why."""

    status: Status
    reason: Reason
    detail: str
    """The reason in words, such as `code changed: helper text.normalise`."""
    changed: tuple[str, ...]
    """Names of what has changed, or is waited for: functions, libraries, inputs, nodes."""


class _Rows(Sequence[RowExplanation]):
    """The explanation of each row, made when it is asked for."""

    def __init__(self, answers: Sequence[RowExplanation], native: _core.NodeExplanation) -> None:
        self._answers = answers
        self._native = native

    def __len__(self) -> int:
        return len(self._native)

    @overload
    def __getitem__(self, index: int) -> RowExplanation: ...
    @overload
    def __getitem__(self, index: slice) -> list[RowExplanation]: ...
    def __getitem__(self, index: int | slice) -> RowExplanation | list[RowExplanation]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self._answers[self._native.answer_at(place)] for place in places]
        return self._answers[self._native.answer_at(places)]


class NodeExplanation:
    """What a run or map would do with one node."""

    def __init__(self, native: _core.NodeExplanation) -> None:
        """Takes the core's answers."""
        self._native = native
        self._answers = [
            RowExplanation(
                cast(Status, each.status),
                cast(Reason, each.reason),
                each.detail,
                tuple(each.changed),
            )
            for each in native.answers
        ]

    @property
    def name(self) -> str:
        """The node's name; of one inside a pipeline, `pipeline.node`."""
        return self._native.node

    @property
    def counts(self) -> Mapping[RowExplanation, int]:
        """How many rows each answer is for, in the order of their first rows."""
        return MappingProxyType(dict(zip(self._answers, self._native.counts, strict=True)))

    @property
    def rows(self) -> Sequence[RowExplanation]:
        """The answer for each row. Inside a pipeline only of the rows that were asked about."""
        return _Rows(self._answers, self._native)

    def row(self, row: int) -> RowExplanation | None:
        """Returns the answer for a row of the map, None if it was not asked about.

        Inside a pipeline that is itself mapped, rows are items, counted through all lists.
        """
        place = self._native.answer_of(row)
        return None if place is None else self._answers[place]

    @property
    def status(self) -> Status:
        """The row's; of a map, "miss" if some row misses, else "waits", "uncached", "hit"."""
        return self._first.status

    @property
    def reason(self) -> Reason:
        """Why; of a map, of most of the rows that have this status."""
        return self._first.reason

    @property
    def detail(self) -> str:
        """The same in words."""
        return self._first.detail

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of what has changed, or is waited for."""
        return self._first.changed

    @property
    def _first(self) -> RowExplanation:
        counted = list(self.counts.items())
        if not counted:
            return RowExplanation("hit", "stored", "no rows", ())
        return min(counted, key=lambda item: (_ORDER.index(item[0].status), -item[1]))[0]

    def __repr__(self) -> str:
        """`NodeExplanation(embed: miss, code changed: helper text.normalise)`."""
        detail = f", {self.detail}" if self.detail else ""
        return f"NodeExplanation({self.name}: {self.status}{detail})"


class Explanation:
    """What a run or map would do, node by node; printed, a line for each node and answer."""

    def __init__(self, native: _core.Explanation) -> None:
        """Takes the core's answers."""
        self._text = str(native)
        self._nodes = {each.node: NodeExplanation(each) for each in native.nodes}

    @property
    def nodes(self) -> Mapping[str, NodeExplanation]:
        """By name, in execution order; nodes inside a pipeline that would be entered follow it."""
        return MappingProxyType(self._nodes)

    def row(self, row: int) -> dict[str, RowExplanation]:
        """Returns the answers for a row of a map by node, of those that were asked about it.

        Raises:
            IndexError: If there is no such row.
        """
        found = {name: each.row(row) for name, each in self._nodes.items()}
        answers = {name: answer for name, answer in found.items() if answer is not None}
        if not answers:
            raise IndexError(f"there is no row {row}")
        return answers

    def __iter__(self) -> Iterator[NodeExplanation]:
        """The nodes in order."""
        return iter(self._nodes.values())

    def __str__(self) -> str:
        """A line for each node; of a map, for each answer, with the number of rows."""
        return self._text

    def __repr__(self) -> str:
        """`Explanation(embed: miss, index: waits)`."""
        nodes = ", ".join(f"{each.name}: {each.status}" for each in self)
        return f"Explanation({nodes})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self._text)}</pre>"
