# SPDX-License-Identifier: MIT
"""The spans of one run: which are open, what contains what, and how they end."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..callbacks import Worker
from .tracers import Attribute, Trace, Tracer

Kind: TypeAlias = Literal["node", "pipeline", "map", "item"]
State: TypeAlias = Literal["done", "cached", "failed", "stopped"]

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A call of a node that failed, and is made again after `delay` seconds."""

    number: int
    delay: float
    error: BaseException
    moment: float = field(default_factory=time.time)


@dataclass(eq=False, slots=True)
class Span:
    """Something in a run that takes time.

    `key` tells it from all others that are open, `attributes` are those that it begins with,
    `worker` is where it began.
    """

    key: tuple[Hashable, ...]
    kind: Kind
    name: str
    parent: Span | None
    attributes: Mapping[str, Attribute]
    worker: Worker
    id: int = field(default_factory=lambda: next(_ids))
    start_time: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    duration: float = 0.0
    state: State = "done"
    error: BaseException | None = None
    retries: list[FailedAttempt] = field(default_factory=list)
    inside: dict[Span, None] = field(default_factory=dict)  # those open
    current: bool = False
    trace: Trace | None = None


class SpanTree:
    """The open spans of a run.

    Items may interleave and come from several threads. In the thread of the run's caller spans are
    current as far as they nest, so that what its nodes trace is inside their spans.

    Threads: safe.
    """

    def __init__(
        self,
        tracer: Tracer | None,
        thread: int,
        around: contextvars.Context,
        ended: Callable[[Span], None],
    ) -> None:
        """A tree for the run that `thread` called in the context `around`.

        Each span that ends is handed to `ended`.
        """
        self.tracer = tracer
        self._thread = thread
        self._around = around
        self._ended = ended
        self._open: dict[Hashable, Span] = {}
        self._current: list[Span] = []
        self._over = False
        self._lock = threading.RLock()

    def get(self, key: Hashable) -> Span | None:
        """The open span with this key."""
        return self._open.get(key)

    def start(self, span: Span) -> None:
        """Opens a span; one of the same key that was left open ends before."""
        with self._lock:
            if self._over:
                return
            self.end(self.get(span.key), state="stopped")
            self._open[span.key] = span
            if span.parent is not None:
                span.parent.inside[span] = None
            innermost = self._current[-1] if self._current else None
            if self._in_thread() and span.parent is innermost:
                span.current = True
                self._current.append(span)
            # Of a batch the events come when it is done: if possible, tell when it began.
            if self.tracer is not None and (span.current or not self.tracer.backdates):
                self._trace(span, self.tracer)

    def retry(self, span: Span | None, failed: FailedAttempt) -> None:
        """Notes that what an open span is of is tried again."""
        with self._lock:
            if span is not None:
                span.retries.append(failed)

    def end(
        self,
        span: Span | None,
        duration: float | None = None,
        state: State = "done",
        results: Mapping[str, Attribute] | None = None,
    ) -> None:
        """Ends a span that is open, and before it what is open inside."""
        with self._lock:
            if span is None or self.get(span.key) is not span:
                return
            for inner in reversed(list(span.inside)):
                self.end(inner, state="stopped")
            del self._open[span.key]
            if span.parent is not None:
                span.parent.inside.pop(span, None)
            if span.current:
                self._current.remove(span)
            passed = time.perf_counter() - span.started
            span.duration = passed if duration is None else duration
            span.start_time -= max(span.duration - passed, 0.0)
            span.state = state if span.error is None else "failed"
            try:
                if self.tracer is not None:
                    trace = self._trace(span, self.tracer)
                    for failed in span.retries:
                        trace.add_event("retry", failed.moment, _event(failed))
                    trace.end(_results(span, results or {}), span.error)
            finally:
                self._ended(span)

    def fail(self, span: Span | None, error: BaseException) -> None:
        """Ends a node's span, and then what is around it up to the next node, as failed.

        What others are still open in, or is current in another thread, ends later.
        """
        with self._lock:
            ends = True
            while span is not None:
                span.error = error
                ends = ends and not span.inside and (self._in_thread() or not span.current)
                if ends:
                    self.end(span)
                span = span.parent
                if span is not None and span.kind == "node":
                    return

    def close(self) -> None:
        """The run is over: ends what is open and takes nothing more. By the caller's thread."""
        with self._lock:
            self._over = True
            for span in reversed(list(self._open.values())):
                self.end(span, state="stopped")

    def _in_thread(self) -> bool:
        return threading.get_ident() == self._thread

    def _trace(self, span: Span, tracer: Tracer) -> Trace:
        """The trace of a span, begun if need be after those around it."""
        if span.trace is None:
            around = self._around
            if span.parent is not None:
                around = self._trace(span.parent, tracer).inside
            name = span.name if span.kind in ("map", "item") else f"{span.kind}:{span.name}"
            made = tracer.span(name, span.start_time, {**span.attributes, **_place(span.worker)})
            span.trace = Trace(made, None if span.current else around)
        return span.trace


def _place(worker: Worker) -> dict[str, Attribute]:
    """Under OpenTelemetry's names."""
    return {"host.name": worker.host, "process.pid": worker.pid, "thread.id": worker.thread}


def _results(span: Span, results: Mapping[str, Attribute]) -> dict[str, Attribute]:
    told: dict[str, Attribute] = {"duration": span.duration, **results}
    if span.retries:
        told["retries"] = len(span.retries)
    if span.error is not None:
        told |= _error(span.error)
    elif span.state == "stopped":
        told["stopped"] = True
    return told


def _event(failed: FailedAttempt) -> dict[str, Attribute]:
    return {"attempt": failed.number, "delay": failed.delay, **_error(failed.error)}


def _error(error: BaseException) -> dict[str, Attribute]:
    return {"error": str(error)[:500], "error_type": type(error).__name__}
