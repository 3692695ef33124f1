# SPDX-License-Identifier: MIT
"""What a pipeline reports while it runs: the hooks of a callback and the context they share."""

from __future__ import annotations

import contextlib
import contextvars
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["CallbackContext", "Event", "PipelineCallback", "Worker"]


class Worker(NamedTuple):
    """A thread of a process of a machine: where something happened.

    Attributes:
        host: The machine's name.
        pid: The process.
        thread: The thread, as `threading.get_ident()` gives it there.

    >>> str(Worker("hal", 7, 42))
    'hal/7/42'
    """

    host: str
    pid: int
    thread: int

    @classmethod
    def here(cls) -> Worker:
        """The calling thread."""
        return cls(socket.gethostname(), os.getpid(), threading.get_ident())

    def __str__(self) -> str:
        """Host, process and thread, with slashes between them."""
        return f"{self.host}/{self.pid}/{self.thread}"


class CallbackContext:
    """Where a run is, and a place for its callbacks to keep things.

    One context serves a whole run: nested pipelines push onto it, so depth and path nest.

    Threads: used by the thread that delivers the events only.

    >>> ctx = CallbackContext()
    >>> ctx.push_pipeline("outer")
    >>> ctx.push_pipeline("inner")
    >>> ctx.depth, ctx.current_pipeline_id, ctx.parent_pipeline_id
    (2, 'inner', 'outer')
    """

    def __init__(self) -> None:
        """Starts outside every pipeline, with nothing stored."""
        self._path: list[str] = []
        self._data: dict[str, Any] = {}
        self._metadata: dict[str, dict[str, Any]] = {}
        self._at_end = contextlib.ExitStack()
        self._worker: Worker | None = None
        # Of the caller of `run` or `map`; engines set them if they make the context elsewhere.
        self._thread = threading.get_ident()
        self._around = contextvars.copy_context()

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401 (holds whatever a callback keeps)
        """Stores `value` for the other hooks of this run."""
        self._data[key] = value

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Returns what `set` stored under `key`, else `default`."""
        return self._data.get(key, default)

    def push_pipeline(self, pipeline_id: str) -> None:
        """Enters a pipeline; called by engines, before its `on_pipeline_start`."""
        self._path.append(pipeline_id)

    def pop_pipeline(self) -> str | None:
        """Leaves the current pipeline and returns its id, or None outside every pipeline."""
        return self._path.pop() if self._path else None

    @property
    def current_pipeline_id(self) -> str | None:
        """The innermost pipeline that is running."""
        return self._path[-1] if self._path else None

    @property
    def parent_pipeline_id(self) -> str | None:
        """The pipeline around the current one."""
        return self._path[-2] if len(self._path) > 1 else None

    @property
    def depth(self) -> int:
        """How many pipelines are entered: 1 in the root, 0 outside."""
        return len(self._path)

    @property
    def worker(self) -> Worker:
        """Where the event that is being told happened: for a node's, what ran the row.

        It may be in another process, or machine, than the callback.
        """
        return Worker.here() if self._worker is None else self._worker

    @property
    def hierarchy_path(self) -> list[str]:
        """The ids from the root to the current pipeline, as a copy."""
        return list(self._path)

    def set_pipeline_metadata(self, pipeline_id: str, metadata: Mapping[str, Any]) -> None:
        """Describes a pipeline: `total_nodes`, `pipeline_name`, `node_ids`; called by engines."""
        # The latest description stands last: see `_described`.
        self._metadata.pop(pipeline_id, None)
        self._metadata[pipeline_id] = dict(metadata)

    def get_pipeline_metadata(self, pipeline_id: str) -> dict[str, Any]:
        """Returns a pipeline's description, empty if it has none."""
        return self._metadata.get(pipeline_id, {})

    def _described(self) -> str | None:
        """The pipeline described last: before `on_map_start`, the one about to be mapped."""
        return next(reversed(self._metadata), None)

    def _call_at_end(self, function: Callable[[], None]) -> None:
        """Has `function` called when the run is over, however it ends, by the run's thread."""
        self._at_end.callback(function)

    def _end(self) -> None:
        """The run is over; called by engines."""
        self._at_end.close()


class Event(NamedTuple):
    """One event, as `on_batch` gets it.

    Attributes:
        hook: The name of the hook that is called for it otherwise, such as "on_node_end".
        arguments: What that hook is given, without the context.
        pipeline_ids: The pipelines it happened in, from the root.
        item: The item of the map of the last of them; None in a run.
        worker: Where it happened.
    """

    hook: str
    arguments: tuple[Any, ...]
    pipeline_ids: tuple[str, ...]
    item: int | None
    worker: Worker


class PipelineCallback:
    """Base of all callbacks: every hook does nothing, so override the ones you need.

    Engines call the hooks positionally, in the order of `docs/guide/callbacks.md`; durations are
    seconds. A subclass need not call `super().__init__()`. One that defines `on_batch(events)` is
    given lists of `Event` instead, when there are many and when the run is over. An exception that
    a hook raises stops the run.

    >>> class Names(PipelineCallback):
    ...     def on_node_end(self, node_id, outputs, duration, ctx):
    ...         print(node_id, outputs)
    """

    supported_engines: Sequence[str] | None = None
    """Class names of the engines this callback works with; None means all."""

    def on_pipeline_start(
        self, pipeline_id: str, inputs: dict[str, Any], ctx: CallbackContext
    ) -> None:
        """A pipeline begins: the root, a nested one, an item of a map, a query of a DataFrame."""

    def on_pipeline_end(
        self, pipeline_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """A pipeline is done; `outputs` are all that were computed, also those not asked for."""

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: CallbackContext) -> None:
        """A node is about to run; `inputs` is {parameter: value}."""

    def on_node_end(
        self, node_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """A node has run; `outputs` is {output name: value}."""

    def on_node_cached(self, node_id: str, signature: str, ctx: CallbackContext) -> None:
        """A node's outputs came from the cache; it has neither start nor end."""

    def on_node_retry(
        self, node_id: str, attempt: int, error: BaseException, delay: float, ctx: CallbackContext
    ) -> None:
        """Attempt number `attempt` of a node failed; the next one is made after `delay` seconds."""

    def on_error(self, node_id: str, error: BaseException, ctx: CallbackContext) -> None:
        """A node failed; called again for each pipeline node around it, inside out."""

    def on_nested_pipeline_start(self, parent_id: str, child_id: str, ctx: CallbackContext) -> None:
        """A pipeline used as a node begins."""

    def on_nested_pipeline_end(
        self, parent_id: str, child_id: str, duration: float, ctx: CallbackContext
    ) -> None:
        """A pipeline used as a node is done."""

    def on_map_start(self, total: int, ctx: CallbackContext) -> None:
        """A map over `total` items begins."""

    def on_map_item_start(self, index: int, ctx: CallbackContext) -> None:
        """Item `index` of a map begins."""

    def on_map_item_end(self, index: int, duration: float, ctx: CallbackContext) -> None:
        """Item `index` of a map is done."""

    def on_map_item_cached(self, index: int, signature: str, ctx: CallbackContext) -> None:
        """A node of item `index` came from the cache; follows its `on_node_cached`."""

    def on_map_end(self, duration: float, ctx: CallbackContext) -> None:
        """A map is done."""
