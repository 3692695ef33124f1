# SPDX-License-Identifier: MIT
"""Events of DataFrames that Ray's workers evaluate: sent from there, told here."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from hypernodes import _core
from hypernodes import _feeds as feeds
from hypernodes._part_events import Inbox, Outbox
from hypernodes.exceptions import RemoteError
from hypernodes.integrations.daft.ray_feed import RayFeed, RaySender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Mail", "Reports"]

# How long a worker waits for the actor, and a query's end for its last events.
_SECONDS = 60.0
_LAST = b""


class Mail:
    """Where the events of a frame arrive. It lives as long as the frame's `DaftEvents`.

    Attributes:
        sender: What workers send with.
    """

    def __init__(self, events: _core.DaftEvents, constants: Mapping[str, Any]) -> None:
        """Starts nothing yet.

        Args:
            events: Who is told.
            constants: The inputs that all rows share.
        """
        self.sender = RaySender(f"hypernodes-{secrets.token_hex(8)}")
        known = weakref.ref(events)

        def tell(event: tuple[Any, ...]) -> None:
            here = known()
            if here is not None:
                here.tell(event)

        self._inbox = Inbox(dict(constants), tell, any_part=True)
        self._feed: RayFeed | None = None
        self._seen_last = threading.Event()
        weakref.finalize(events, self._close).atexit = False

    def open(self) -> None:
        """Takes events from now on."""
        if self._feed is None:
            self._feed = RayFeed(self.sender.name)
            self._feed.open(self._hear)

    def finish(self) -> None:
        """Waits until all is told that was sent.

        Raises:
            BaseException: What a callback raised.
            RemoteError: If it takes too long.
        """
        self._seen_last.clear()
        _wait_for(self.sender)
        self.sender.send(_LAST)
        if not self._seen_last.wait(_SECONDS):
            raise RemoteError(
                f"The last events of a DataFrame have not arrived in {_SECONDS:g} s",
                fix="look for a machine or actor that Ray lost",
            )
        self._inbox.check()

    def _hear(self, message: bytes) -> None:
        if message == _LAST:
            self._seen_last.set()
        else:
            self._inbox.hear(message)

    def _close(self) -> None:
        if self._feed is not None:
            with contextlib.suppress(Exception):  # of Ray's, when it is gone
                self._feed.close()


class Reports:
    """What the steps of a plan do in this process, on its way to a Mail. Threads: any.

    Attributes:
        recorder: Takes it.
    """

    def __init__(self, sender: RaySender, constants: Mapping[str, Any]) -> None:
        """Sends with `sender`; `constants` are the inputs that all rows share."""
        self._sender = sender
        self._outbox = Outbox(secrets.randbits(62), dict(constants), listened=True)
        self.recorder = self._outbox.recorder
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Sends what happens in the block, now and then and when it ends.

        Raises:
            RemoteError: If there is no actor to send to.
        """
        try:
            with feeds.sending(self._flush, self._sender):
                yield
        finally:
            _wait_for(self._sender)
            self._flush(self._sender.send)

    def _flush(self, send: Callable[[bytes], None]) -> None:
        with self._lock:
            self._outbox.send(send)


def _wait_for(sender: RaySender) -> None:
    deadline = time.monotonic() + _SECONDS
    while not sender.ready():
        if time.monotonic() > deadline:
            raise RemoteError(
                f"The actor that gathers events has not started in {_SECONDS:g} s",
                fix="see that Ray can start actors on the caller's machine",
            )
        time.sleep(0.01)
