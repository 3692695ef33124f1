# SPDX-License-Identifier: MIT
"""Progress of a pipeline while it runs, on any engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..callbacks import CallbackContext, PipelineCallback
from .display import Display, QuietDisplay, Row, choose_display

__all__ = ["ProgressCallback"]

_REFRESH_SECONDS = 0.1


class ProgressCallback(PipelineCallback):
    """Shows each pipeline, map and node with its counts, cache hits, seconds and failures.

    Bars in a terminal (rich, else tqdm) or a notebook, plain lines on standard error elsewhere.
    `enable="auto"` is silent where the output is no terminal, `enable=False` everywhere.

    Threads: one object may serve many runs at a time; what it shows is kept in their contexts.

    >>> from hypernodes.telemetry import ProgressCallback
    >>> callback = ProgressCallback(enable="auto")
    """

    def __init__(self, enable: bool | str = True) -> None:
        """Chooses the display, and loads its package, once.

        Raises:
            ValueError: if `enable` is a word other than "auto".
        """
        if isinstance(enable, str) and enable != "auto":
            raise ValueError(f"enable must be True, False or 'auto', got {enable!r}")
        self.enable = enable
        self._make_display: Callable[[], Display] = choose_display(enable)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles to its option: the screen is another one elsewhere."""
        return type(self), (self.enable,)

    def on_pipeline_start(
        self, pipeline_id: str, inputs: dict[str, Any], ctx: CallbackContext
    ) -> None:
        """Shows a pipeline; items of a map share the map's row."""
        self._board(ctx, depth=ctx.depth - 1, root="pipeline").pipeline_start(pipeline_id, ctx)

    def on_pipeline_end(
        self, pipeline_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """Ends a pipeline's row."""
        board = self._board(ctx)
        board.pipeline_end(duration, ctx)
        if board.root == "pipeline" and _depth(ctx) <= board.depth + 1:
            self._close(board, ctx)

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: CallbackContext) -> None:
        """Shows a node."""
        self._board(ctx).node(node_id, ctx)

    def on_node_end(
        self, node_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """Counts a node's result."""
        self._board(ctx).node_done(node_id, ctx, duration, cached=False)

    def on_node_cached(self, node_id: str, signature: str, ctx: CallbackContext) -> None:
        """Counts a hit."""
        self._board(ctx).node_done(node_id, ctx, 0.0, cached=True)

    def on_node_retry(
        self, node_id: str, attempt: int, error: BaseException, delay: float, ctx: CallbackContext
    ) -> None:
        """Counts a call that is made again."""
        self._board(ctx).retried(node_id, ctx)

    def on_error(self, node_id: str, error: BaseException, ctx: CallbackContext) -> None:
        """Marks a node and its pipeline as failed; at the root nothing more is shown."""
        board = self._board(ctx)
        board.failed(node_id, error, ctx)
        if _depth(ctx) <= board.depth + 1:
            # The board stays: engines with many threads may still tell of other items.
            board.close()

    def on_nested_pipeline_start(self, parent_id: str, child_id: str, ctx: CallbackContext) -> None:
        """Notes which pipeline comes next: a map over it does not say."""
        self._board(ctx).next_child[_path(ctx)] = child_id

    def on_map_start(self, total: int, ctx: CallbackContext) -> None:
        """Shows a map."""
        self._board(ctx, depth=ctx.depth, root="map").map_start(total, ctx)

    def on_map_item_end(self, index: int, duration: float, ctx: CallbackContext) -> None:
        """Counts an item."""
        self._board(ctx).item_end(ctx)

    def on_map_end(self, duration: float, ctx: CallbackContext) -> None:
        """Ends a map's row."""
        board = self._board(ctx)
        board.map_end(duration, ctx)
        if board.root == "map" and _depth(ctx) <= board.depth:
            self._close(board, ctx)

    def _board(self, ctx: CallbackContext, depth: int = 0, root: str = "") -> _Board:
        key = f"_progress_{id(self)}"
        board = ctx.get(key, self)
        if board is self:  # the first event; after an interrupt there is no last one
            ctx._call_at_end(lambda: self._end(ctx))
        if not isinstance(board, _Board) or board.is_over(depth, root):
            board = _Board(self._make_display(), depth, root)
            ctx.set(key, board)
        return board

    def _end(self, ctx: CallbackContext) -> None:
        board = ctx.get(f"_progress_{id(self)}")
        if isinstance(board, _Board):
            board.close()

    def _close(self, board: _Board, ctx: CallbackContext) -> None:
        board.close()
        ctx.set(f"_progress_{id(self)}", None)


_Path = tuple[str, ...]


def _path(ctx: CallbackContext) -> _Path:
    """Where the run is; rows of one pipeline may have been entered several at a time."""
    return tuple(dict.fromkeys(ctx.hierarchy_path))


def _depth(ctx: CallbackContext) -> int:
    return len(_path(ctx))


class _Board:
    """The rows of one run, by the path of pipelines they belong to.

    A path stands for all items of a map, so it does not matter in which order, or grouped how,
    an engine delivers the events of different items.
    """

    def __init__(self, display: Display, depth: int, root: str) -> None:
        self.depth, self.root = depth, root
        self.next_child: dict[_Path, str] = {}
        self._display = display
        self._pipelines: dict[_Path, Row] = {}
        self._maps: dict[_Path, Row] = {}  # by the path around the map
        self._nodes: dict[tuple[_Path, str], Row] = {}
        self._closed = False
        self._drawn = 0.0
        self._stale: dict[Row, None] = {}

    def pipeline_start(self, pipeline_id: str, ctx: CallbackContext) -> None:
        path = _path(ctx)
        row = self._pipelines.get(path)
        if row is None:
            runs = self._runs(path[:-1])
            nodes = int(ctx.get_pipeline_metadata(pipeline_id).get("total_nodes", 0))
            total, unit = (nodes, "nodes") if runs == 1 else (runs, "runs")
            if path in ctx.get("_dataframe_pipelines", ()):
                total, unit = ctx.get("_dataframe_rows"), "rows"
            self._add(path, Row(_name(pipeline_id, ctx), self._level(path), total, unit))

    def pipeline_end(self, duration: float, ctx: CallbackContext) -> None:
        path = _path(ctx)
        row = self._pipelines.get(path)
        if row is None or row.unit == "items":
            return
        row.done += row.unit == "runs"
        if row.unit == "rows":
            for one in self._inside(path):  # Of some a query may want fewer rows, or none.
                if one.state == "running":
                    one.finish("done")
                    self._changed(one)
            row.finish("done", duration)
        elif row.unit == "nodes":
            if self.root == "pipeline" and len(path) <= self.depth + 1:
                self._settle(but=row)
            row.finish("done", duration)
        elif row.full and not self._grows(path):
            row.finish("done")
        self._changed(row)

    def map_start(self, total: int, ctx: CallbackContext) -> None:
        path = _path(ctx)
        child = self.next_child.get(path) or ctx._described()
        path = (*path, child) if child else path
        row = self._pipelines.get(path)
        if row is None:
            name = _name(child, ctx) if child else "map"
            row = self._add(path, Row(name, self._level(path), total, "items"))
        else:  # Nested in a map: once for each item outside.
            row.total = (row.total or 0) + total
            for (place, _), node in self._nodes.items():
                if place == path:
                    node.total = (node.total or 0) + total
            self._changed(row)
        self._maps[_path(ctx)] = row

    def item_end(self, ctx: CallbackContext) -> None:
        row = self._map(ctx)
        if row is not None:
            row.done += 1
            self._changed(row)

    def map_end(self, duration: float, ctx: CallbackContext) -> None:
        row = self._map(ctx)
        # Nested in a map, the same row goes on with the next item outside.
        if row is not None and self._runs(_path(ctx)) == 1:
            if self.root == "map" and len(_path(ctx)) <= self.depth:
                self._settle(but=row)
            row.finish("done", duration)
            self._changed(row)

    def node(self, node_id: str, ctx: CallbackContext) -> Row:
        path = _path(ctx)
        row = self._nodes.get((path, node_id))
        if row is None:
            row = Row(node_id, self._level(path) + 1, self._runs(path))
            self._nodes[path, node_id] = row
            self._display.add(row)
        return row

    def node_done(self, node_id: str, ctx: CallbackContext, seconds: float, cached: bool) -> None:
        path = _path(ctx)
        row = self.node(node_id, ctx)
        row.done += 1
        rows = [row]
        pipeline = self._pipelines.get(path)
        if pipeline is not None:
            rows.append(pipeline)
            pipeline.done += pipeline.unit == "nodes"
            if pipeline.unit == "rows":  # as many as have come to one of its nodes
                pipeline.done = max(pipeline.done, row.done)
        for one in rows:
            one.results += 1
            one.cached += cached
        if row.full and not self._grows(path):
            alone = row.total == 1
            row.finish("cached" if alone and cached else "done", seconds if alone else None)
        for one in rows:
            self._changed(one)

    def retried(self, node_id: str, ctx: CallbackContext) -> None:
        row = self.node(node_id, ctx)
        row.retries += 1
        self._changed(row)

    def failed(self, node_id: str, error: BaseException, ctx: CallbackContext) -> None:
        row = self.node(node_id, ctx)
        text = f"{type(error).__name__}: {error}".partition("\n")[0]
        row.error = text.removesuffix(": ")[:200]
        row.finish("failed")
        self._changed(row)
        pipeline = self._pipelines.get(_path(ctx))
        if pipeline is not None:
            pipeline.finish("failed")
            self._changed(pipeline)

    def close(self) -> None:
        self._settle()
        for row in self._rows():
            if row.state == "running":
                row.finish("stopped")
                self._changed(row)
        self._display.close()
        self._display, self._closed = QuietDisplay(), True

    def is_over(self, depth: int, root: str) -> bool:
        """Says whether a pipeline or map that starts here is another run."""
        return self._closed and root == self.root and depth <= self.depth

    def _rows(self) -> list[Row]:
        return [*self._nodes.values(), *self._pipelines.values()]

    def _inside(self, path: _Path) -> list[Row]:
        nodes = [row for (at, _), row in self._nodes.items() if at[: len(path)] == path]
        inner = [row for at, row in self._pipelines.items() if at[: len(path)] == path != at]
        return nodes + inner

    def _settle(self, but: Row | None = None) -> None:
        """Ends rows that have all they expect, now that no more can come."""
        for row in self._rows():
            if row is not but and row.state == "running" and row.full:
                row.finish("done")
                self._changed(row)

    def _map(self, ctx: CallbackContext) -> Row | None:
        """The row of the map around, whether or not an item's pipeline is still entered."""
        path = _path(ctx)
        found = (self._maps.get(path[:length]) for length in range(len(path), -1, -1))
        return next((row for row in found if row is not None), None)

    def _grows(self, path: _Path) -> bool:
        """Says whether a map around `path` is itself mapped, so that its total is not known."""
        around = (self._pipelines.get(path[: n + 1]) for n in range(len(path)))
        return sum(row is not None and row.unit in ("items", "rows") for row in around) > 1

    def _runs(self, path: _Path) -> int | None:
        """How often what is in the pipeline at `path` runs, as far as is known."""
        for length in range(len(path), 0, -1):
            row = self._pipelines.get(path[:length])
            if row is not None and row.unit in ("items", "rows", "runs"):
                return row.total
        return 1

    def _level(self, path: _Path) -> int:
        """Nested pipelines stand below the node that they are."""
        return 2 * max(len(path) - 1 - self.depth, 0)

    def _add(self, path: _Path, row: Row) -> Row:
        self._pipelines[path] = row
        self._display.add(row)
        return row

    def _changed(self, row: Row) -> None:
        """Draws ends at once, and counts a few times a second."""
        now = time.monotonic()
        self._stale[row] = None
        if row.state == "running" and now - self._drawn < _REFRESH_SECONDS:
            return
        self._drawn = now
        stale, self._stale = self._stale, {}
        for one in stale:
            self._display.update(one)


def _name(pipeline_id: str, ctx: CallbackContext) -> str:
    return str(ctx.get_pipeline_metadata(pipeline_id).get("pipeline_name") or pipeline_id)
