# SPDX-License-Identifier: MIT
"""Traces of a pipeline's runs, on any engine."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..callbacks import CallbackContext, PipelineCallback, Worker
from .spans import FailedAttempt, Span, SpanTree
from .text import shorten
from .tracers import Attribute, choose_tracer
from .waterfall import waterfall_chart

__all__ = ["TelemetryCallback"]

# The pipelines entered, each with the item of the map that it runs for, or None. Rows of a
# DataFrame have no numbers: a worker goes through one at a time.
_Place: TypeAlias = tuple[tuple[str, "int | Worker | None"], ...]


class TelemetryCallback(PipelineCallback):
    """Makes a span of each pipeline, node, map and map item, and keeps what a chart needs.

    Spans go to `logfire_instance`, else to OpenTelemetry if it is installed. A span ends however
    its run ends, with `duration` and `outputs`, or `error` and `error_type`.

    Threads: one object may serve many runs at a time; their open spans are kept in their contexts.

    Attributes:
        span_data: A dict for each pipeline, node and map that has ended: name, start_time (seconds
            since 1970), duration (seconds), depth (pipelines around, itself included), parent (the
            pipeline around), cached, type ("node", "pipeline" or "map"); id, and parent_id of the
            span around; pipeline_name, of a pipeline or of what is mapped; item, a pipeline's index
            in a map; state ("done", "cached", "failed" or "stopped") and error; retries, a dict of
            attempt, delay and error for each attempt of a node that failed and was made again;
            worker, which ran it, as "host/pid/thread".

    >>> from hypernodes import Pipeline, node
    >>> @node(output_name="doubled")
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> telemetry = TelemetryCallback()
    >>> Pipeline([double], callbacks=[telemetry]).run({"x": 1})
    {'doubled': 2}
    >>> [(span["name"], span["depth"]) for span in telemetry.span_data][:1]
    [('double', 1)]
    """

    def __init__(self, trace_map_items: bool = True, logfire_instance: Any = None) -> None:  # noqa: ANN401
        """Imports nothing.

        Args:
            trace_map_items: Whether each item of a map has a span around its pipeline's.
            logfire_instance: Where `span(name, **attributes)` makes the spans.
        """
        self.trace_map_items = trace_map_items
        self.logfire_instance = logfire_instance
        self.span_data: list[dict[str, Any]] = []

    def get_waterfall_chart(self) -> Any:  # noqa: ANN401 (plotly has no types)
        """Returns `span_data` as a plotly figure: a bar for each span, in time.

        Raises:
            DependencyMissingError: If plotly is not installed (an ImportError).
        """
        return waterfall_chart(self.span_data)

    def on_pipeline_start(
        self, pipeline_id: str, inputs: dict[str, Any], ctx: CallbackContext
    ) -> None:
        """Opens a pipeline's span: in an item of a map, in a node, or at the root."""
        tree, place = self._tree(ctx), _place(ctx, whole=True)
        around, item = place[:-1], place[-1][1] if place else None
        parent = tree.get(("item", around, item)) or _innermost(tree, around) if place else None
        about = _about(ctx.depth, ctx.parent_pipeline_id, pipeline_id=pipeline_id)
        about["pipeline_name"] = _name(pipeline_id, ctx)
        if isinstance(item, int):
            about["item_index"] = item
        key = ("pipeline", place)
        tree.start(Span(key, "pipeline", pipeline_id, parent, about, ctx.worker))

    def on_pipeline_end(
        self, pipeline_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """Ends a pipeline's span."""
        tree = self._tree(ctx)
        span = tree.get(("pipeline", _place(ctx, whole=True)))
        tree.end(span, duration, results=_outputs(tree, outputs))

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: CallbackContext) -> None:
        """Opens a node's span."""
        self._start_node(node_id, ctx)

    def on_node_end(
        self, node_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        """Ends a node's span."""
        tree = self._tree(ctx)
        span = tree.get(("node", _place(ctx), node_id))
        tree.end(span, duration, results=_outputs(tree, outputs))

    def on_node_cached(self, node_id: str, signature: str, ctx: CallbackContext) -> None:
        """Makes a span of a hit; it takes no time."""
        span = self._start_node(node_id, ctx)
        hit: dict[str, Attribute] = {"cached": True, "cache_signature": signature}
        self._tree(ctx).end(span, 0.0, "cached", hit)

    def on_node_retry(
        self, node_id: str, attempt: int, error: BaseException, delay: float, ctx: CallbackContext
    ) -> None:
        """Notes an attempt that failed, as an event of the node's span."""
        tree = self._tree(ctx)
        tree.retry(tree.get(("node", _place(ctx), node_id)), FailedAttempt(attempt, delay, error))

    def on_error(self, node_id: str, error: BaseException, ctx: CallbackContext) -> None:
        """Ends the spans of a node that failed and of what is around it."""
        tree = self._tree(ctx)
        span = tree.get(("node", _place(ctx), node_id))
        # A node whose arguments failed has not started.
        tree.fail(span or self._start_node(node_id, ctx), error)

    def on_map_start(self, total: int, ctx: CallbackContext) -> None:
        """Opens a map's span."""
        tree, place = self._tree(ctx), _place(ctx)
        about = _about(ctx.depth, ctx.current_pipeline_id, total_items=total)
        if mapped := ctx._described():
            about["pipeline_name"] = _name(mapped, ctx)
        parent = _innermost(tree, place)
        tree.start(Span(("map", place), "map", "map_operation", parent, about, ctx.worker))

    def on_map_item_start(self, index: int, ctx: CallbackContext) -> None:
        """Opens an item's span, if they are wanted."""
        if self.trace_map_items:
            tree, place = self._tree(ctx), _place(ctx)
            about = _about(ctx.depth, ctx.current_pipeline_id, item_index=index)
            key, name, parent = (
                ("item", place, index),
                f"map_item[{index}]",
                tree.get(("map", place)),
            )
            tree.start(Span(key, "item", name, parent, about, ctx.worker))

    def on_map_item_end(self, index: int, duration: float, ctx: CallbackContext) -> None:
        """Ends an item's span."""
        tree = self._tree(ctx)
        tree.end(tree.get(("item", _place(ctx), index)), duration)

    def on_map_end(self, duration: float, ctx: CallbackContext) -> None:
        """Ends a map's span."""
        tree = self._tree(ctx)
        tree.end(tree.get(("map", _place(ctx))), duration)

    def _tree(self, ctx: CallbackContext) -> SpanTree:
        """The open spans of the context's run."""
        key = f"_telemetry_{id(self)}"
        tree = ctx.get(key)
        if not isinstance(tree, SpanTree):
            tracer = choose_tracer(self.logfire_instance)
            tree = SpanTree(tracer, ctx._thread, ctx._around, self._keep)
            ctx.set(key, tree)
            ctx._call_at_end(tree.close)
        return tree

    def _start_node(self, node_id: str, ctx: CallbackContext) -> Span:
        tree, place = self._tree(ctx), _place(ctx)
        about = _about(ctx.depth, ctx.current_pipeline_id, node_id=node_id)
        key, parent = ("node", place, node_id), _pipeline(tree, place)
        span = Span(key, "node", node_id, parent, about, ctx.worker)
        tree.start(span)
        return span

    def _keep(self, span: Span) -> None:
        """Adds a span that has ended to `span_data`."""
        if span.kind == "item":  # its pipeline says it all
            return
        around = span.parent
        while around is not None and around.kind == "item":
            around = around.parent
        self.span_data.append(
            {
                "name": span.name,
                "start_time": span.start_time,
                "duration": span.duration,
                "depth": span.attributes["depth"],
                "parent": span.attributes.get("parent"),
                "cached": span.state == "cached",
                "type": span.kind,
                "id": span.id,
                "parent_id": None if around is None else around.id,
                "pipeline_name": span.attributes.get("pipeline_name"),
                "item": span.attributes.get("item_index"),
                "state": span.state,
                "error": None if span.error is None else _text(span.error),
                "retries": [
                    {"attempt": each.number, "delay": each.delay, "error": _text(each.error)}
                    for each in span.retries
                ],
                "worker": str(span.worker),
            }
        )


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")[:500]


def _place(ctx: CallbackContext, whole: bool = False) -> _Place:
    """Where the run is; `whole` says that a pipeline begins or ends, be it of all rows."""
    path = ctx.hierarchy_path
    items = ctx.get("_map_item_path") or [None] * len(path)
    if ctx.get("_in_dataframe") and not (whole and tuple(path) in ctx.get("_dataframe_pipelines")):
        items = [ctx.worker, *items[1:]]
    return tuple(zip(path, items, strict=False))


def _pipeline(tree: SpanTree, place: _Place) -> Span | None:
    """The pipeline entered last; all rows of a DataFrame are in one."""
    found = tree.get(("pipeline", place))
    return found or tree.get(("pipeline", tuple((name, None) for name, _ in place)))


def _innermost(tree: SpanTree, place: _Place) -> Span | None:
    """What a map or pipeline that starts at a place is in: an item or map, a node, the pipeline."""
    around = tree.get(("map", place)) or _pipeline(tree, place)
    here = (span for span in reversed(around.inside if around else {}) if place in span.key)
    last = next(here, None)
    return last if last is not None and last.kind in ("item", "node") else around


def _name(pipeline_id: str, ctx: CallbackContext) -> str:
    return str(ctx.get_pipeline_metadata(pipeline_id).get("pipeline_name") or pipeline_id)


def _about(depth: int, around: str | None, **more: Attribute) -> dict[str, Attribute]:
    return {"depth": depth, **({} if around is None else {"parent": around}), **more}


def _outputs(tree: SpanTree, outputs: dict[str, Any]) -> dict[str, Attribute]:
    return {} if tree.tracer is None else {"outputs": shorten(outputs)}
