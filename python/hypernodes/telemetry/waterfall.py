# SPDX-License-Identifier: MIT
"""Spans as a waterfall chart; plotly is imported when one is made."""

from __future__ import annotations

import html
import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..exceptions import DependencyMissingError

__all__ = ["waterfall_chart"]

_SpanData: TypeAlias = Mapping[str, Any]

# How a bar looks, and what it is called in the legend.
_COLOURS = {
    "pipeline": "#64748b",
    "map": "#a78bfa",
    "node": "#3b82f6",
    "cached": "#22c55e",
    "failed": "#ef4444",
    "stopped": "#f59e0b",
}
_SPACE = "\u00a0"
_LONGEST_NAME = 60
_ROW_PIXELS = 22
_MOST_ROWS = 800  # that have a label and their full height; of more, browsers show no more
_MARGIN_PIXELS = 140
_NARROWEST = 1 / 400  # of the whole, so that hits can be seen
_HOVER = "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>"


def waterfall_chart(spans: Sequence[_SpanData]) -> Any:  # noqa: ANN401 (plotly has no types)
    """A figure with a row for each span, below the one it is in, and its time from left to right.

    Raises:
        DependencyMissingError: If plotly is not installed.
    """
    try:
        graph_objects: Any = importlib.import_module("plotly.graph_objects")
    except ImportError as error:
        raise DependencyMissingError(
            f"The waterfall chart needs the package plotly ({error})",
            fix="pip install 'hypernodes[telemetry]'",
        ) from error
    rows = list(_nested(spans))
    origin = min((span["start_time"] for span, _ in rows), default=0.0)
    end = max((span["start_time"] + span["duration"] for span, _ in rows), default=origin)
    figure = graph_objects.Figure()
    for look, colour in _COLOURS.items():
        here = [(row, span) for row, (span, _) in enumerate(rows) if _look(span) == look]
        if not here:
            continue
        figure.add_bar(
            name=look,
            orientation="h",
            y=[row for row, _ in here],
            base=[1000 * (span["start_time"] - origin) for _, span in here],
            width=0.8,
            x=[1000 * max(span["duration"], _NARROWEST * (end - origin)) for _, span in here],
            marker={"color": colour, "pattern": {"shape": "/" if look == "failed" else ""}},
            customdata=[_hover(span, origin) for _, span in here],
            hovertemplate=_HOVER,
        )
    labels = [_SPACE * 2 * level + _label(span) for span, level in rows]
    # Plotly aligns labels on the right: only those of one width show how deep they are.
    width = max(map(len, labels), default=0)
    labelled = range(0, len(rows), math.ceil(len(rows) / _MOST_ROWS) or 1)
    figure.update_layout(
        title="Waterfall of spans",
        barmode="overlay",
        height=_MARGIN_PIXELS + _ROW_PIXELS * min(max(len(rows), 4), _MOST_ROWS),
        showlegend=True,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    figure.update_xaxes(title="milliseconds since the first start", rangemode="tozero")
    figure.update_yaxes(
        autorange="reversed",
        automargin=True,
        tickmode="array",
        tickvals=list(labelled),
        ticktext=[html.escape(labels[row].ljust(width, _SPACE)) for row in labelled],
        tickfont={"family": "monospace"},
    )
    return figure


def _nested(spans: Sequence[_SpanData]) -> Iterator[tuple[_SpanData, int]]:
    """Each span with its level, after the one it is in, in the order of their starts."""
    known = {span["id"] for span in spans}
    inside: dict[int | None, list[_SpanData]] = {}
    for span in sorted(spans, key=lambda span: (span["start_time"], span["id"]), reverse=True):
        parent = span["parent_id"] if span["parent_id"] in known else None
        inside.setdefault(parent, []).append(span)
    waiting = [(span, 0) for span in inside.get(None, [])]
    while waiting:
        span, level = waiting.pop()
        yield span, level
        waiting.extend((inner, level + 1) for inner in inside.get(span["id"], []))


def _look(span: _SpanData) -> str:
    """A span's key in `_COLOURS`."""
    return str(span["type"] if span["state"] == "done" else span["state"])


def _label(span: _SpanData) -> str:
    name = span["pipeline_name"] or span["name"]
    if span["type"] == "map":
        name = f"map {name}"
    item = "" if span["item"] is None else f"[{span['item']}]"
    mark = {"failed": " \u2717", "cached": " \u21ba", "stopped": " \u2026"}.get(span["state"], "")
    return str(name)[:_LONGEST_NAME] + item + mark


def _hover(span: _SpanData, origin: float) -> list[str]:
    """A title, and lines below it."""
    start = 1000 * (span["start_time"] - origin)
    lines = [
        f"{span['type']}, {span['state']}",
        f"starts at {start:.3f} ms, takes {1000 * span['duration']:.3f} ms",
    ]
    if span["parent"] is not None:
        lines.append(f"in {span['parent']}")
    if span["item"] is not None:
        lines.append(f"item {span['item']}")
    lines.append(f"on {span['worker']}")
    lines += [f"attempt {each['attempt']}: {each['error']}" for each in span["retries"]]
    if span["error"] is not None:
        lines.append(span["error"])
    return [html.escape(str(span["name"])), "<br>".join(html.escape(line) for line in lines)]
