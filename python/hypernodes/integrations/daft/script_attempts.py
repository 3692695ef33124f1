# SPDX-License-Identifier: MIT
"""Retries and time limits of nodes in a generated script."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import random
import sys
import threading
import time
from string import Template
from typing import TYPE_CHECKING, Any

from hypernodes.exceptions import NodeTimeoutError
from hypernodes.node import Node

if TYPE_CHECKING:
    from hypernodes.integrations.daft.source import Sources
    from hypernodes.library import CppNode
    from hypernodes.retry import Retry

__all__ = ["Attempts"]

# Names that begin with $ are what the script calls the thing of that name.

_WAITS = '''\
def $waits(attempts, delay, backoff, max_delay, jitter):
    """The seconds to wait after each attempt but the last."""
    for _ in $range(1, attempts):
        delay = $min(delay, max_delay)
        yield delay * (1 + jitter * $random.uniform(-1, 1))
        delay *= backoff'''

_RETRIED = '''\
def $retried(function, on, **timing):
    """The function, which is called again when it raises `on`."""

    @$functools.wraps(function)
    ${async_}def call(*args, **kwargs):
        for wait in $waits(**timing):
            try:
                return ${await_}function(*args, **kwargs)
            except on:
                pass
            ${await_}$clock.sleep(wait)
        return ${await_}function(*args, **kwargs)

    return call'''

_LATE = '''\
class $NodeTimeoutError(RuntimeError, TimeoutError):
    """A call took longer than its time limit."""'''

_LIMITED = '''\
def $limited(function, seconds):
    """The function, but a call that takes longer is given up: it goes on in its thread."""

    @$functools.wraps(function)
    def call(*args, **kwargs):
        results, errors, ended = [], [], $threading.Event()
        context = $contextvars.copy_context()

        def work():
            try:
                results.append(context.run(function, *args, **kwargs))
            except BaseException as error:
                errors.append(error)
            finally:
                ended.set()

        $threading.Thread(target=work, daemon=True).start()
        if not ended.wait($min(seconds, $threading.TIMEOUT_MAX)):
            raise $NodeTimeoutError(f"{call.__name__} took longer than {seconds:g} s")
        if errors:
            raise errors.pop()
        return results.pop()

    return call'''

_LIMITED_ASYNC = '''\
def $limited(function, seconds):
    """The coroutine function, but a call that takes longer is cancelled."""

    @$functools.wraps(function)
    async def call(*args, **kwargs):
        limit = $asyncio.timeout(seconds)
        try:
            async with limit:
                result = await function(*args, **kwargs)
        except TimeoutError:
            if not limit.expired():
                raise
        if limit.expired():
            raise $NodeTimeoutError(f"{call.__name__} took longer than {seconds:g} s")
        return result

    return call'''


class Attempts:
    """Writes functions around those of nodes, and the helpers that these need, each once."""

    def __init__(self, sources: Sources) -> None:
        """Definitions go to `sources`."""
        self._sources = sources
        self._helpers: dict[str, str] = {}

    def around(self, function: str, node: Node[..., Any] | CppNode, wish: str) -> str:
        """What to call instead of `function`: another one, called like `wish`, if `node` asks so.

        Raises:
            Unwritable: If an exception that it is retried for has no source.
        """
        is_async = isinstance(node, Node) and node.is_async
        text, ending = function, ""
        # A C++ node comes with its time limit.
        if node._timeout is not None and isinstance(node, Node):
            text, ending = f"{self._limited(is_async)}({text}, {node._timeout!r})", "limited"
        if node._retry is not None:
            lines = [text, f"on={self._on(node._retry, node)}", self._timing(node._retry)]
            inside = "".join(f"    {line},\n" for line in lines)
            text, ending = f"{self._retried(is_async)}(\n{inside})", "retried"
        if not ending:
            return function
        name = self._sources.free(f"{wish}_{ending}")
        self._sources.definitions.append(f"{name} = {text}")
        return name

    def _on(self, retry: Retry, node: Node[..., Any] | CppNode) -> str:
        """The exceptions that are worth another attempt."""
        kinds: Any = retry.on
        texts: dict[str, None] = {}
        for kind in kinds:
            # What a Python node raises when it is late is a class of the script.
            ours = kind.__module__ == NodeTimeoutError.__module__ and isinstance(node, Node)
            if ours and issubclass(NodeTimeoutError, kind):
                texts[self._late()] = None
            if not (ours and kind is NodeTimeoutError):
                texts[self._sources.value(kind, kind.__name__)] = None
        return next(iter(texts)) if len(texts) == 1 else f"({', '.join(texts)})"

    def _timing(self, retry: Retry) -> str:
        numbers = {
            "attempts": retry.attempts,
            "delay": float(retry.delay),
            # Infinite times nothing would be no number.
            "backoff": min(float(retry.backoff), sys.float_info.max),
            "max_delay": float(retry.max_delay),
            "jitter": float(retry.jitter),
        }
        return ", ".join(f"{name}={self._sources.value(each)}" for name, each in numbers.items())

    def _retried(self, is_async: bool) -> str:
        words = {"waits": self._helper("waits", "waits", _WAITS, self._names(min, random, range))}
        words |= self._names(functools)
        if is_async:
            words |= {"async_": "async ", "await_": "await ", "clock": self._name(asyncio)}
            return self._helper("retried_async", "retried", _RETRIED, words)
        words |= {"async_": "", "await_": "", "clock": self._name(time)}
        return self._helper("retried", "retried", _RETRIED, words)

    def _limited(self, is_async: bool) -> str:
        words = {"NodeTimeoutError": self._late(), **self._names(functools)}
        if is_async:
            words |= self._names(asyncio)
            return self._helper("limited_async", "limited", _LIMITED_ASYNC, words)
        words |= self._names(contextvars, min, threading)
        return self._helper("limited", "limited", _LIMITED, words)

    def _late(self) -> str:
        return self._helper("NodeTimeoutError", "NodeTimeoutError", _LATE, {})

    def _helper(self, wish: str, word: str, text: str, words: dict[str, str]) -> str:
        """The name, like `wish`, of a helper that its text calls $`word`."""
        if wish not in self._helpers:
            self._helpers[wish] = name = self._sources.free(wish)
            self._sources.definitions.append(Template(text).substitute({**words, word: name}))
        return self._helpers[wish]

    def _names(self, *things: Any) -> dict[str, str]:  # noqa: ANN401 (modules and builtins)
        """What the script calls things, by their own names."""
        return {each.__name__: self._name(each) for each in things}

    def _name(self, thing: Any) -> str:  # noqa: ANN401
        return self._sources.value(thing, thing.__name__)
