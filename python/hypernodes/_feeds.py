# SPDX-License-Identifier: MIT
"""How events come from other processes while their rows run."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Connection, Listener
from typing import Protocol

__all__ = ["Feed", "Local", "Sender", "sending"]

# How often events leave a process.
_SECONDS = 0.1


class Sender(Protocol):
    """What a process sends with: it is pickled on the way there."""

    def ready(self) -> bool:
        """Whether a message would leave at once."""

    def send(self, message: bytes) -> None:
        """Sends one, after those before. What it raises says that it may not have arrived."""


class Feed(Protocol):
    """Where messages arrive."""

    @property
    def sender(self) -> Sender:
        """What sends to it."""

    def open(self, hear: Callable[[bytes], None]) -> None:
        """Calls `hear`, in a thread of its own, with each message from now on."""

    def close(self) -> None:
        """Calls it no more."""


@contextlib.contextmanager
def sending(
    flush: Callable[[Callable[[bytes], None]], None], sender: Sender | None
) -> Iterator[None]:
    """Calls `flush(sender.send)` now and then, in a thread of its own, until the block ends.

    Messages that do not get through do no harm: what is left travels with the result.
    """
    if sender is None:
        yield
        return
    done = threading.Event()

    def keep_sending() -> None:
        while not done.wait(_SECONDS):
            with contextlib.suppress(Exception):  # of any class: Ray's, say
                if sender.ready():
                    flush(sender.send)

    thread = threading.Thread(target=keep_sending, name="hypernodes-events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Local:
    """A socket of this machine. Processes of others find none, and send nothing."""

    def __init__(self) -> None:
        """Makes the socket, which only processes that have the sender can use."""
        self._key = secrets.token_bytes(32)
        self._listener = Listener(family="AF_UNIX", authkey=self._key)
        self._closed = False

    @property
    def sender(self) -> LocalSender:
        """What sends to it."""
        return LocalSender(str(self._listener.address), self._key)

    def open(self, hear: Callable[[bytes], None]) -> None:
        """Calls `hear` with each message from now on; messages of one process are in order."""
        self._start(self._accept, hear)

    def close(self) -> None:
        """Takes no more connections."""
        self._closed = True
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as waker:
            waker.settimeout(_SECONDS)
            waker.connect(self._listener.address)
        self._listener.close()

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        threading.Thread(
            target=function, args=arguments, name="hypernodes-feed", daemon=True
        ).start()

    def _accept(self, hear: Callable[[bytes], None]) -> None:
        while not self._closed:
            with contextlib.suppress(Exception):  # of a stranger, or of one that died
                self._start(self._read, self._listener.accept(), hear)

    def _read(self, connection: Connection, hear: Callable[[bytes], None]) -> None:
        with contextlib.suppress(EOFError, OSError), connection:
            while not self._closed:
                if connection.poll(_SECONDS):
                    hear(connection.recv_bytes())


class LocalSender:
    """Sends to a Local."""

    def __init__(self, address: str, key: bytes) -> None:
        """Connects on first use."""
        self._address = address
        self._key = key
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Connections belong to a process."""
        return LocalSender, (self._address, self._key)

    def ready(self) -> bool:
        """Always."""
        return True

    def send(self, message: bytes) -> None:
        """Sends one."""
        with self._lock:
            if self._connection is None:
                self._connection = Client(self._address, authkey=self._key)
            try:
                self._connection.send_bytes(message)
            except OSError:
                self._connection = None
                raise
