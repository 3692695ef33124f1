# SPDX-License-Identifier: MIT
"""When queries of DataFrames begin and end: what callbacks hear in between is one run.

Daft tells its subscribers of each query and its plan, which names the functions that it calls.
Those of a frame that somebody listens to belong to that frame alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypernodes import _core
from hypernodes.integrations.daft import extension

if TYPE_CHECKING:
    from hypernodes.integrations.daft.ray_events import Mail

__all__ = ["Watched"]

_NAME = "hypernodes"

_lock = threading.Lock()
# The functions of each frame that somebody listens to, as plans show them, and its mail.
_frames: weakref.WeakKeyDictionary[_core.DaftEvents, tuple[list[str], Mail | None]]
_frames = weakref.WeakKeyDictionary()
# Those that each query under way is of.
_running: dict[str, list[tuple[_core.DaftEvents, Mail | None]]] = {}


@dataclass(frozen=True)
class Watched:
    """A frame that somebody listens to.

    Attributes:
        events: What its steps tell.
        mail: Where their events arrive, if they run on Ray.
    """

    events: _core.DaftEvents
    mail: Mail | None

    def watch(self, functions: Iterable[str]) -> None:
        """From now on queries that call one of these functions are told.

        Args:
            functions: The calls of its steps in Daft's text, up to the parenthesis.
        """
        _subscribe()
        names = [json.dumps(name, ensure_ascii=False)[1:-1] for name in functions]
        with _lock:
            _frames[self.events] = names, self.mail


def _began(query: str, plan: str) -> None:
    with _lock:
        found = [
            (events, mail)
            for events, (names, mail) in _frames.items()
            if any(name in plan for name in names)
        ]
        if found:
            _running[query] = found
    for events, mail in found:
        events.begin()
        if mail is not None:
            mail.open()


def _ended(query: str, finished: bool) -> None:
    with _lock:
        found = _running.pop(query, [])
    with contextlib.ExitStack() as left:  # What one raises is logged by Daft, and stops no other.
        for events, mail in found:
            left.callback(events.end, finished)
            if mail is not None:
                left.callback(mail.finish)


@functools.cache
def _subscribe() -> None:
    """Has Daft tell of all queries from now on."""
    daft = extension.load()
    from daft.subscribers import Subscriber

    class Queries(Subscriber):
        def on_query_started(self, event: Any) -> None:  # noqa: ANN401
            _began(event.query_id, event.metadata.unoptimized_plan)

        def on_query_finished(self, event: Any) -> None:  # noqa: ANN401
            _ended(event.query_id, str(event.result.end_state).endswith("Finished"))

    daft.attach_subscriber(_NAME, Queries())
