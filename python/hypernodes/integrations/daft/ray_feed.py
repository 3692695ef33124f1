# SPDX-License-Identifier: MIT
"""Events from all machines of a Ray cluster: an actor beside the caller gathers them."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from typing import Any

from hypernodes.integrations.daft import runner

__all__ = ["RayFeed"]

_NAMESPACE = "hypernodes"
_SECONDS = 10.0


def _mailbox() -> Any:  # noqa: ANN401 (a class, which travels by value)
    import asyncio

    class Mailbox:
        def __init__(self) -> None:
            self.messages: asyncio.Queue[bytes] = asyncio.Queue()

        async def put(self, message: bytes) -> None:
            await self.messages.put(message)

        async def take(self) -> list[bytes]:
            taken = [await self.messages.get()]
            while not self.messages.empty():
                taken.append(self.messages.get_nowait())
            return taken

    return Mailbox


class RayFeed:
    """An actor on this machine, which takes no processor."""

    def __init__(self, name: str | None = None) -> None:
        """Has Ray start it, under this name; that it takes a while keeps nobody waiting."""
        ray = runner.cluster()
        here = ray.get_runtime_context().get_node_id()
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        self.sender = RaySender(name or f"hypernodes-{secrets.token_hex(8)}")
        self._actor = (
            ray.remote(num_cpus=0, scheduling_strategy=affinity)(_mailbox())
            .options(name=self.sender.name, namespace=_NAMESPACE, max_concurrency=1000)
            .remote()
        )

    def open(self, hear: Callable[[bytes], None]) -> None:
        """Calls `hear` with each message from now on; messages of one process are in order."""
        threading.Thread(
            target=self._take, args=(hear,), name="hypernodes-feed", daemon=True
        ).start()

    def close(self) -> None:
        """Ends the actor, and with it the thread."""
        runner.ray().kill(self._actor)

    def _take(self, hear: Callable[[bytes], None]) -> None:
        ray = runner.ray()
        with contextlib.suppress(Exception):  # when the actor ends
            while True:
                for message in ray.get(self._actor.take.remote()):
                    hear(message)


class RaySender:
    """Sends to a RayFeed."""

    def __init__(self, name: str) -> None:
        """Looks for the actor on first use."""
        self.name = name
        self._actor: Any = None

    def __reduce__(self) -> tuple[object, ...]:
        """The actor is found by its name."""
        return RaySender, (self.name,)

    def ready(self) -> bool:
        """Whether this process can reach the actor."""
        ray = runner.ray()
        if self._actor is None and ray.is_initialized():
            with contextlib.suppress(ValueError):  # not there yet
                self._actor = ray.get_actor(self.name, namespace=_NAMESPACE)
        return self._actor is not None

    def send(self, message: bytes) -> None:
        """Sends one."""
        runner.ray().get(self._actor.put.remote(message), timeout=_SECONDS)
