# SPDX-License-Identifier: MIT
"""Runs coroutines to their end for the native module, inside a running event loop too.

An event loop can only be driven from Python, so this is here and not in the core.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from . import _core

__all__ = ["complete", "complete_rows", "complete_together"]

R = TypeVar("R")
Retried: TypeAlias = tuple[int, int, float, Exception]
"""A row or place, which attempt failed there, the seconds until the next, and what it raised."""
# As many rows of one node are under way at once.
_MOST_ROWS = 64


def complete(awaitable: Awaitable[R]) -> R:
    """Returns the result of one awaitable."""
    return _run(_result(awaitable))


def complete_rows(
    start: Callable[[int], Awaitable[Any]], rows: int, retry: _core.Retry | None = None
) -> tuple[list[Any], BaseException | None, list[Retried]]:
    """Awaits `start(row)` for each row, up to 64 at once.

    Returns:
        The results of the rows before the lowest that failed, and its exception, or of all rows;
        and what was started again. No row after a failed one is started, and what runs of them is
        cancelled.
    """
    retried: list[Retried] = []
    if retry is not None:
        start = functools.partial(_again, start, retry, retried)
    results, error = _run(_rows(start, rows))
    return results, error, retried


def complete_together(
    starts: Sequence[Callable[[], Awaitable[Any]]],
    go_on: bool,
    retries: Sequence[_core.Retry | None] = (),
) -> tuple[list[tuple[Any, BaseException | None] | None], list[Retried]]:
    """Awaits what each of `starts` gives, all at once.

    The first failure that is final cancels the others, unless they shall go on.

    Returns:
        For each its result, or its exception, or None if it was cancelled; and what was started
        again.
    """
    retried: list[Retried] = []
    calls = list(starts)
    for place, retry in enumerate(retries):
        if retry is not None:
            calls[place] = _started_again(starts[place], retry, retried, place)
    return _run(_together(calls, go_on)), retried


def _started_again(
    start: Callable[[], Awaitable[Any]], retry: _core.Retry, retried: list[Retried], place: int
) -> Callable[[], Awaitable[Any]]:
    return functools.partial(_again, lambda place: start(), retry, retried, place)


async def _again(
    start: Callable[[int], Awaitable[R]], retry: _core.Retry, retried: list[Retried], place: int
) -> R:
    """Awaits `start(place)`, and if that fails again, as `retry` says; notes it in `retried`."""
    for attempt in itertools.count(1):
        try:
            return await start(place)
        except Exception as error:
            delay = retry.next_attempt(error, attempt)
            if delay is None:
                raise
            retried.append((place, attempt, delay, error))
        await asyncio.sleep(delay)
    raise AssertionError  # the attempts have an end


async def _result(awaitable: Awaitable[R]) -> R:
    return await awaitable


async def _rows(
    start: Callable[[int], Awaitable[Any]], rows: int
) -> tuple[list[Any], BaseException | None]:
    results: list[Any] = [None] * rows
    errors: dict[int, BaseException] = {}
    running: dict[int, asyncio.Task[None]] = {}
    numbers = iter(range(rows))

    async def work() -> None:
        for row in numbers:
            if errors:
                return
            running[row] = task = asyncio.create_task(one(row))
            await asyncio.wait([task])
            del running[row]

    async def one(row: int) -> None:
        try:
            results[row] = await start(row)
        except asyncio.CancelledError as error:
            if errors and row > min(errors):
                return
            errors[row] = error  # the node's own doing
        except Exception as error:
            errors[row] = error
            for other, task in running.items():
                if other > row:
                    task.cancel()

    await asyncio.gather(*(work() for _ in range(min(rows, _MOST_ROWS))))
    if not errors:
        return results, None
    failed = min(errors)
    return results[:failed], errors[failed]


async def _together(
    starts: Sequence[Callable[[], Awaitable[Any]]], go_on: bool
) -> list[tuple[Any, BaseException | None] | None]:
    tasks = [asyncio.create_task(_result(start())) for start in starts]
    until = asyncio.ALL_COMPLETED if go_on else asyncio.FIRST_EXCEPTION
    await asyncio.wait(tasks, return_when=until)
    broken = any(task.done() and (task.cancelled() or task.exception()) for task in tasks)
    cut_off = [task for task in tasks if broken and not task.done()]
    for task in cut_off:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [None if task in cut_off else _outcome(task) for task in tasks]


def _outcome(task: asyncio.Task[Any]) -> tuple[Any, BaseException | None]:
    if task.cancelled():
        return None, asyncio.CancelledError()
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)


def _run(coroutine: Coroutine[Any, Any, R]) -> R:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return _run_in_thread(coroutine)
    return asyncio.run(coroutine)


def _run_in_thread(coroutine: Coroutine[Any, Any, R]) -> R:
    """Runs it while the loop of this thread waits."""
    results: list[R] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            results.append(context.run(asyncio.run, coroutine))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="hypernodes-async")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
