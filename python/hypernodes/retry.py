# SPDX-License-Identifier: MIT
"""Retries and time limits: what becomes of a node's call that fails, or takes too long."""

from __future__ import annotations

import contextvars
import functools
import math
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _core
from .exceptions import NodeTimeoutError, PlanError
from .exceptions import TypeError as OptionTypeError

__all__ = ["Retry"]

if TYPE_CHECKING:
    ExceptionTypes: TypeAlias = type[Exception] | Iterable[type[Exception]]


@dataclass(frozen=True)
class Retry:
    """Which failed calls of a node are made again, and when: `@node("page", retry=Retry(4))`.

    Waits grow from `delay` by `backoff` up to `max_delay` seconds; they hold neither Python's lock
    nor an event loop. The last failure is the one that comes out, with a note that says which
    attempt it was.

    Attributes:
        attempts: The most calls for a row, the first included.
        delay: Seconds to wait after the first failure.
        backoff: Each further wait is so many times the one before.
        max_delay: No wait is longer, but for its jitter.
        jitter: Up to this part of a wait is added or taken off at random, so that many that failed
            at once do not come back at once.
        on: The exceptions that are worth another attempt, a class or several; others are final.
            What is no `Exception`, such as KeyboardInterrupt, always is.

    Raises:
        PlanError: For numbers that make no sense (a ValueError).
        TypeError: For what is no number, or no class of exceptions.

    >>> Retry(attempts=5, delay=0.2, on=ConnectionError).on
    (<class 'ConnectionError'>,)
    """

    attempts: int = 3
    delay: float = 0.5
    backoff: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1
    on: ExceptionTypes = Exception

    def __post_init__(self) -> None:
        """Checks the values, and makes `on` a tuple."""
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):
            raise _no_number("attempts", self.attempts, "a whole number")
        for name in ("delay", "backoff", "max_delay", "jitter"):
            if not _is_number(getattr(self, name)):
                raise _no_number(name, getattr(self, name), "a number")
        given: Any = self.on
        try:
            kinds = (given,) if isinstance(given, type) else tuple(given)
        except TypeError:
            kinds = (given,)
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise OptionTypeError(
                    f"A retry goes by classes of exceptions, not by {kind!r}",
                    where="Retry(on=...)",
                    fix="name classes that derive from Exception, such as on=ConnectionError",
                )
        object.__setattr__(self, "on", kinds)
        self._native()

    def _native(self) -> _core.Retry:
        """It as the core knows it."""
        kinds: Any = self.on
        # More attempts than that no run will see.
        attempts = max(min(self.attempts, 2**31 - 1), -1)
        return _core.Retry(attempts, self.delay, self.backoff, self.max_delay, self.jitter, kinds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(name: str, value: object, what: str) -> OptionTypeError:
    return OptionTypeError(
        f"A retry's {name} is {value!r}, which is not {what}",
        where=f"Retry({name}=...)",
        fix=f"give {name} {what}",
    )


def checked_retry(retry: object, node: str) -> Retry | None:
    """What a node was given as `retry`; a number is the most attempts.

    Raises:
        PlanError: For fewer than one attempt.
        TypeError: For anything else.
    """
    if retry is None or isinstance(retry, Retry):
        return retry
    if isinstance(retry, int) and not isinstance(retry, bool):
        if retry < 1:
            raise PlanError(
                f"Node '{node}' has retry={retry!r}, but each call takes at least one attempt",
                where=f"node '{node}'",
                fix="count every attempt, the first included, or leave it out",
            )
        return Retry(attempts=retry)
    raise OptionTypeError(
        f"Node '{node}' has retry={retry!r}, which is neither a Retry nor a number of attempts",
        where=f"node '{node}'",
        fix="write retry=3, or retry=Retry(attempts=3, delay=0.5)",
    )


def checked_timeout(timeout: object, node: str) -> float | None:
    """What a node was given as `timeout`, in seconds.

    Raises:
        PlanError: Unless it is positive and finite.
        TypeError: If it is no number.
    """
    if timeout is None:
        return None
    fix = "give seconds, such as timeout=5.0, or leave it out"
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise OptionTypeError(
            f"Node '{node}' has timeout={timeout!r}, which is no number", f"node '{node}'", fix
        )
    if not (timeout > 0 and math.isfinite(timeout)):
        raise PlanError(
            f"Node '{node}' has timeout={timeout!r}: a time limit must be positive and finite",
            f"node '{node}'",
            fix,
        )
    return float(timeout)


# Time limits -------------------------------------------------------------------------------------


def limited(
    function: Callable[..., Any], timeout: float, node: str, is_async: bool
) -> Callable[..., Any]:
    """A function that raises NodeTimeoutError when a call of `function` takes longer.

    A coroutine is cancelled then. Any other call is made in a thread of its own, where it goes on:
    nothing can stop it, and what it returns is thrown away.
    """
    run = _await_within if is_async else _call_within
    return functools.partial(run, function, timeout, node)


def _late(timeout: float, node: str) -> NodeTimeoutError:
    return NodeTimeoutError(
        f"Node '{node}' failed: it took longer than its time limit of {timeout:g} s",
        where=f"node '{node}'",
        fix="give it more time, or find out what it waits for",
        node=node,
    )


async def _await_within(
    function: Callable[..., Coroutine[Any, Any, Any]],
    timeout: float,
    node: str,
    /,
    *args: Any,  # noqa: ANN401 (the function's)
    **kwargs: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    import asyncio  # here: it takes long to import

    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            result = await function(*args, **kwargs)
    except TimeoutError:
        if not limit.expired():
            raise  # the function's own
        raise _late(timeout, node) from None
    if limit.expired():  # it did not let itself be cancelled
        raise _late(timeout, node)
    return result


def _call_within(
    function: Callable[..., Any],
    timeout: float,
    node: str,
    /,
    *args: Any,  # noqa: ANN401 (the function's)
    **kwargs: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    results: list[Any] = []
    errors: list[BaseException] = []
    ended = threading.Event()
    context = contextvars.copy_context()
    helper = _core.HelperThread(_core.daft_inside_query())

    def work() -> None:
        try:
            with helper:
                results.append(context.run(function, *args, **kwargs))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    # A daemon: a call that is stuck must not keep the program from ending.
    threading.Thread(target=work, name=f"hypernodes-{node}", daemon=True).start()
    if not ended.wait(min(timeout, threading.TIMEOUT_MAX)):
        raise _late(timeout, node)
    if errors:
        raise errors.pop()
    return results.pop()
