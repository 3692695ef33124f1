# SPDX-License-Identifier: MIT
"""Where spans go: to Logfire or to OpenTelemetry, neither of which is imported before a run."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

Attribute: TypeAlias = str | int | float | bool


class Tracer(Protocol):
    """Makes spans as context managers, which are current inside `with`."""

    backdates: bool
    """Whether a span can be made after it began."""

    def span(self, name: str, start_time: float, attributes: Mapping[str, Attribute]) -> Any:  # noqa: ANN401
        """A span that began at `start_time`, seconds since 1970."""


class LogfireTracer:
    """Spans of a Logfire instance, or of anything that has its `span`."""

    backdates = False

    def __init__(self, instance: Any) -> None:  # noqa: ANN401
        """Keeps the instance."""
        self._instance = instance

    def span(self, name: str, start_time: float, attributes: Mapping[str, Attribute]) -> Any:  # noqa: ANN401
        """A span that begins when it is entered."""
        template = name.replace("{", "{{").replace("}", "}}")
        return self._instance.span(template, **attributes)


class OpenTelemetryTracer:
    """Spans of OpenTelemetry's global tracer provider."""

    backdates = True

    def __init__(self) -> None:
        """Raises ImportError if OpenTelemetry is not installed."""
        from opentelemetry import trace

        self._tracer = trace.get_tracer("hypernodes")

    def span(self, name: str, start_time: float, attributes: Mapping[str, Attribute]) -> Any:  # noqa: ANN401
        """A span that began at `start_time`."""
        nanoseconds = int(start_time * 1e9)
        return self._tracer.start_as_current_span(
            name, attributes=dict(attributes), start_time=nanoseconds
        )


def choose_tracer(logfire_instance: object | None) -> Tracer | None:
    """Logfire if there is an instance, else OpenTelemetry if it is installed."""
    if logfire_instance is not None:
        return LogfireTracer(logfire_instance)
    try:
        return OpenTelemetryTracer()
    except ImportError:
        return None


class Trace:
    """A tracer's span while it is open.

    What is current is a matter of context variables, so that a span which is open beside others is
    entered, and left, in a copy of the context around it: in any order, by any thread.
    """

    def __init__(self, span: Any, around: contextvars.Context | None) -> None:  # noqa: ANN401
        """Enters `span` inside of `around`; None makes it current in this thread."""
        self._manager = span
        self._context = None if around is None else around.copy()
        entered = self._do(span.__enter__)
        self._span = span if entered is None else entered
        self.inside = contextvars.copy_context() if self._context is None else self._context

    def add_event(self, name: str, moment: float, attributes: Mapping[str, Attribute]) -> None:
        """Adds an event at `moment`, seconds since 1970, to a span that can have some."""
        add = getattr(self._span, "add_event", None)
        if add is not None:
            add(name, dict(attributes), int(moment * 1e9))

    def end(self, attributes: Mapping[str, Attribute], error: BaseException | None) -> None:
        """Leaves the span; `error` is what ended it."""
        for name, value in attributes.items():
            self._span.set_attribute(name, value)
        traceback = None if error is None else error.__traceback__
        self._do(self._manager.__exit__, None if error is None else type(error), error, traceback)

    def _do(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        if self._context is None:
            return function(*arguments)
        return self._context.run(function, *arguments)
