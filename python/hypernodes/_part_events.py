# SPDX-License-Identifier: MIT
"""The events of a part of a job on their way from the process that runs it to the callbacks.

They travel in numbered batches, some while the rows run and the others with their result. A part
that is tried again, because a process died, tells only what was not heard of the tries before.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _core, _travel
from .exceptions import RemoteError

__all__ = ["Inbox", "NotCarried", "Outbox", "Parcel"]

# An event as _core.EventRecorder makes it.
_Event = tuple[Any, ...]

# How long the last batches may take that were sent before a result.
_SECONDS = 60.0


@dataclass(frozen=True)
class NotCarried:
    """Stands in an event for a value that cannot be pickled."""

    text: str

    def __repr__(self) -> str:
        """What the value looked like."""
        return self.text


@dataclass(frozen=True)
class _Constant:
    """Stands in an event for an input that all rows share: it is where it came from."""

    name: str


@dataclass(frozen=True)
class _Batch:
    """Events of one try of a part, in order.

    Attributes:
        first: The first row of the part.
        attempt: Tells tries apart.
        number: Of the batch, from 0.
        events: With the places of exceptions instead of them.
        errors: The exceptions that no batch before had.
    """

    first: int
    attempt: str
    number: int
    events: list[_Event]
    errors: list[_travel.Raised]


@dataclass(frozen=True)
class Parcel:
    """What comes with the result of a part: the batches that were not sent before.

    Attributes:
        attempt: Tells tries apart.
        sent: How many were.
        batches: The others.
        errors: The exceptions that none of them has.
    """

    attempt: str
    sent: int
    batches: list[bytes]
    errors: list[_travel.Raised]


def _changed(
    event: _Event,
    value: Callable[[Any], Any],
    error: Callable[[Any], Any] = lambda place: place,
) -> _Event:
    """The event with `value` of each of its values and `error` of its exception."""
    *others, values, names, raised = event
    if values is not None:
        values = [(place, value(each)) for place, each in values]
    return (*others, values, names, None if raised is None else error(raised))


def _carried(value: Any) -> Any:  # noqa: ANN401
    return value if _travel.reason_to_stay(value) is None else NotCarried(repr(value))


# There -------------------------------------------------------------------------------------------


class Outbox:
    """The events of a part that runs in this process. Threads: one at a time."""

    def __init__(self, first: int, constants: dict[str, Any], listened: bool) -> None:
        """Begins a try of the part whose first row is `first`.

        Args:
            first: The row.
            constants: The inputs that all rows share: they do not travel back.
            listened: Whether anybody hears of events.
        """
        self.recorder = _core.EventRecorder() if listened else None
        self._first = first
        self._attempt = secrets.token_hex(8)
        self._names = {id(value): name for name, value in constants.items()}
        self._number = 0
        self._sent = 0
        self._unsent: list[bytes] = []
        self._errors: list[BaseException] = []
        self._packed = 0

    def place(self, error: BaseException) -> int:
        """Where an exception is among those of the part."""
        for place, known in enumerate(self._errors):
            if known is error:
                return place
        self._errors.append(error)
        return len(self._errors) - 1

    def send(self, send: Callable[[bytes], object]) -> None:
        """Sends what has happened since the last call; what does not get through stays here."""
        if self._collect():
            while self._unsent:
                send(self._unsent[0])
                del self._unsent[0]
                self._sent += 1

    def close(self) -> Parcel:
        """What has not been sent."""
        self._collect()
        return Parcel(self._attempt, self._sent, self._unsent, self._new_errors())

    def _collect(self) -> bool:
        events = self.recorder.take() if self.recorder is not None else []
        if events:
            events = [_changed(event, self._leave_constant, self.place) for event in events]
            errors = self._new_errors()
            try:
                batch = _travel.dumps(self._batch(events, errors))
            except Exception:  # of any class: a value's own
                events = [_changed(event, _carried) for event in events]
                batch = _travel.dumps(self._batch(events, errors))
            self._unsent.append(batch)
            self._number += 1
        return bool(self._unsent)

    def _batch(self, events: list[_Event], errors: list[_travel.Raised]) -> _Batch:
        return _Batch(self._first, self._attempt, self._number, events, errors)

    def _new_errors(self) -> list[_travel.Raised]:
        new = self._errors[self._packed :]
        self._packed = len(self._errors)
        return [_travel.Raised.pack(error) for error in new]

    def _leave_constant(self, value: Any) -> Any:  # noqa: ANN401
        name = self._names.get(id(value))
        return value if name is None else _Constant(name)


# Here --------------------------------------------------------------------------------------------


@dataclass
class _Attempt:
    """A try of a part: how many of its batches were heard, with which exceptions and events."""

    heard: int = 0
    errors: list[BaseException] = field(default_factory=list)
    seen: Counter[tuple[Any, ...]] = field(default_factory=Counter)


@dataclass
class _Part:
    attempts: defaultdict[str, _Attempt] = field(default_factory=lambda: defaultdict(_Attempt))
    told: Counter[tuple[Any, ...]] = field(default_factory=Counter)


class Inbox:
    """Tells the events of all parts of a job. Threads: any."""

    def __init__(
        self,
        constants: dict[str, Any],
        tell: Callable[[_Event], object],
        any_part: bool = False,
    ) -> None:
        """Hands each event to `tell`, never two at once.

        Args:
            constants: The inputs that all rows share.
            tell: What it raises comes out of the next `finish` or `check`.
            any_part: Whether parts may come that nobody said would.
        """
        self._constants = constants
        self._tell = tell
        self._any_part = any_part
        self._parts: dict[int, _Part] = {}
        self._changed = threading.Condition()
        self._broken: BaseException | None = None

    def expect(self, first: int) -> None:
        """The part that begins with this row will come."""
        with self._changed:
            self._parts[first] = _Part()

    def hear(self, data: bytes) -> None:
        """Takes a batch that was sent while its rows ran. Never raises."""
        with self._changed:
            try:
                batch: _Batch = _travel.loads(data)
                if self._any_part:
                    self._parts.setdefault(batch.first, _Part())
                part = self._parts.get(batch.first)
                if part is not None and self._broken is None:
                    self._take(part, batch)
            except BaseException as error:
                self._broken = error
            self._changed.notify_all()

    def check(self) -> None:
        """Raises what `tell` raised."""
        if self._broken is not None:
            raise self._broken

    def finish(self, first: int, parcel: Parcel) -> Sequence[BaseException]:
        """Takes what came with the result of a part; returns the exceptions of this try of it.

        Raises:
            RemoteError: If what was sent before does not arrive.
        """
        with self._changed:
            part = self._parts[first]
            attempt = part.attempts[parcel.attempt]
            arrived = self._changed.wait_for(
                lambda: self._broken is not None or attempt.heard >= parcel.sent, _SECONDS
            )
            if self._broken is not None:
                raise self._broken
            if not arrived:
                raise RemoteError(
                    f"Events of the rows from {first} on have not arrived in {_SECONDS:g} s",
                    fix="run again: a machine is lost, or its network too slow",
                )
            for batch in map(_travel.loads, parcel.batches):
                self._take(part, batch)
            del self._parts[first]
            attempt.errors += [error.unpack() for error in parcel.errors]
            return attempt.errors

    def _take(self, part: _Part, batch: _Batch) -> None:
        attempt = part.attempts[batch.attempt]
        if batch.number != attempt.heard:
            return  # It has come before.
        attempt.heard += 1
        attempt.errors += [error.unpack() for error in batch.errors]
        for event in batch.events:
            if _is_news(event, attempt.seen, part.told):
                self._tell(_changed(event, self._arrived, attempt.errors.__getitem__))

    def _arrived(self, value: Any) -> Any:  # noqa: ANN401
        return self._constants[value.name] if isinstance(value, _Constant) else value


def _is_news(event: _Event, seen: Counter[tuple[Any, ...]], told: Counter[tuple[Any, ...]]) -> bool:
    """Whether no try has told this, counting it in both.

    A node that has ended may be cached in a later try, and an item told as cached before it ends.
    """
    kind, path, node, row, *_ = event
    end = (_core.event_outcome(kind), tuple(path), node, row)
    same = end if node is not None else (kind, *end[1:])
    seen[same] += 1
    news = seen[same] > told[same] and (same == end or seen[end] >= told[end])
    if news:
        told[same] += 1
    return news
