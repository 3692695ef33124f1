# SPDX-License-Identifier: MIT
"""Drawings of pipelines.

The core makes them; here is what only Python knows: hints as type texts, values as short texts,
notebooks, files, and Graphviz's program `dot`.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import importlib
import operator
import os
import re
import reprlib
import subprocess
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _core
from .exceptions import DependencyMissingError, HyperNodesError, PlanError
from .hints import output_hints, resolved_hints
from .node import HyperNode, output_names
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["DESIGN_STYLES", "GraphvizTheme", "HtmlDrawing", "SvgDrawing", "visualize"]

_THEMES = _core.draw_themes()
_DEFAULT: dict[str, Any] = _THEMES["default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphvizTheme:
    """How a drawing looks: colours that CSS and Graphviz both understand, sizes in pixels.

    Fields left out are those of the default theme.

    Attributes:
        background: Of the drawing.
        text: Names.
        muted: Types, values and notes.
        input_fill: Inputs; and so on for the other kinds of boxes, each with a border.
        bound_fill: Inputs that already have a value.
        function_fill: Python functions.
        native_fill: C++ functions.
        pipeline_fill: Nested pipelines, closed.
        output_fill: Outputs that are drawn as boxes of their own.
        group_fill: Nested pipelines, open.
        edge: Edges.
        highlight: What the mouse is on.
        font: Font families, the best one first.
        font_size: Of names; everything else is in proportion.
        corner_radius: Of boxes; 0 for rectangles.
        line_width: Of borders and edges.
        shadow: Whether boxes cast one.

    >>> GraphvizTheme(edge="#333333", corner_radius=0).edge
    '#333333'
    """

    background: str = _DEFAULT["background"]
    text: str = _DEFAULT["text"]
    muted: str = _DEFAULT["muted"]
    input_fill: str = _DEFAULT["input_fill"]
    input_border: str = _DEFAULT["input_border"]
    bound_fill: str = _DEFAULT["bound_fill"]
    bound_border: str = _DEFAULT["bound_border"]
    function_fill: str = _DEFAULT["function_fill"]
    function_border: str = _DEFAULT["function_border"]
    native_fill: str = _DEFAULT["native_fill"]
    native_border: str = _DEFAULT["native_border"]
    pipeline_fill: str = _DEFAULT["pipeline_fill"]
    pipeline_border: str = _DEFAULT["pipeline_border"]
    output_fill: str = _DEFAULT["output_fill"]
    output_border: str = _DEFAULT["output_border"]
    group_fill: str = _DEFAULT["group_fill"]
    group_border: str = _DEFAULT["group_border"]
    edge: str = _DEFAULT["edge"]
    highlight: str = _DEFAULT["highlight"]
    font: str = _DEFAULT["font"]
    font_size: float = _DEFAULT["font_size"]
    corner_radius: float = _DEFAULT["corner_radius"]
    line_width: float = _DEFAULT["line_width"]
    shadow: bool = _DEFAULT["shadow"]


DESIGN_STYLES: dict[str, GraphvizTheme] = {
    name: GraphvizTheme(**fields) for name, fields in _THEMES.items()
}


class HtmlDrawing(str):
    """An HTML page; a notebook shows it in a frame of its own."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self)}" sandbox="allow-scripts" '
            'style="width: 100%; height: 560px; border: 0"></iframe>'
        )


class SvgDrawing(str):
    """An SVG file; a notebook shows it."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


# What each engine returns for a return_type, and the suffix of the file it writes.
_RETURNS: dict[str, dict[str, str]] = {
    "js": {
        "auto": ".html",
        "html": ".html",
        "svg": ".svg",
        "dot": ".dot",
        "mermaid": ".mmd",
        "graphviz": ".dot",
    },
    "graphviz": {"auto": ".svg", "svg": ".svg", "dot": ".dot", "graphviz": ".svg"},
}
# Formats of the core, and what a notebook shows them as.
_TEXTS: dict[str, tuple[str, Callable[[str], str]]] = {
    ".html": ("html", HtmlDrawing),
    ".svg": ("svg", SvgDrawing),
    ".dot": ("dot", str),
    ".mmd": ("mermaid", str),
}
_DOT_SUFFIXES = (".svg", ".png", ".pdf", ".dot")


def visualize(
    pipeline: Pipeline,
    filename: str | os.PathLike[str] | None = None,
    engine: str = "js",
    depth: int | None = 1,
    separate_outputs: bool = False,
    show_types: bool = False,
    orient: str = "TB",
    flatten: bool = False,
    show_legend: bool = False,
    style: str | GraphvizTheme = "default",
    return_type: str = "auto",
    **kw: Any,  # noqa: ANN401 (fields of the theme)
) -> Any:  # noqa: ANN401 (return_type decides)
    """Draws a pipeline.

    Args:
        pipeline: What to draw.
        filename: Where to write the drawing, too; ".html" is appended. With engine "graphviz" the
            suffix is the format: svg (appended if there is none), png, pdf or dot.
        engine: "js" for a page to pan and zoom that needs nothing else, "graphviz" for a drawing
            by Graphviz's program `dot`.
        depth: Levels of pipelines: 1 draws nested ones closed, 2 opens them, None opens all.
        separate_outputs: Whether outputs are boxes of their own.
        show_types: Whether types are in the drawing; they are in its tooltips anyway.
        orient: Which way the data flows: "TB" (from top to bottom), "BT", "LR" or "RL".
        flatten: Whether the nodes of nested pipelines are drawn without boxes around them.
        show_legend: Whether to explain the colours.
        style: A name in DESIGN_STYLES, or a theme.
        return_type: "html", "svg", "dot" or "mermaid" for such a text, "graphviz" for a
            `graphviz.Digraph`; "auto" for HTML, or SVG with engine "graphviz".
        **kw: Fields of the theme to change, such as `font_size=15`.

    Returns:
        A str that a notebook shows as what it is, or a Digraph.

    Raises:
        PlanError: For an option that there is not (a ValueError).
        DependencyMissingError: Without `dot`, or the package graphviz, where they are needed.
    """
    suffix = _suffix(engine, return_type)
    by_dot = engine == "graphviz"
    path = None if filename is None else _path(Path(filename), suffix, by_dot)
    draw = _drawer(
        pipeline,
        depth=_depth(depth),
        flatten=flatten,
        separate_outputs=separate_outputs,
        show_types=show_types,
        show_legend=show_legend,
        orient=orient,
        theme=dataclasses.asdict(_theme(style, kw)),
    )
    if by_dot or return_type == "graphviz":
        dot = draw("dot")
        if path is not None:
            path.write_bytes(_render(dot, path.suffix.lower()[1:]))
        if return_type == "graphviz":
            return _digraph(dot)
        return dot if return_type == "dot" else SvgDrawing(_render(dot, "svg").decode())
    name, kind = _TEXTS[suffix]
    text = kind(draw(name))
    if path is not None:
        path.write_text(text, encoding="utf-8")
    return text


# Options ---------------------------------------------------------------------------------------


def _suffix(engine: str, return_type: str) -> str:
    if engine not in _RETURNS:
        raise PlanError(f"Unknown engine {engine!r}", fix="use 'js' or 'graphviz'")
    known = _RETURNS[engine]
    if return_type not in known:
        raise PlanError(
            f"Unknown return_type {return_type!r}",
            where=f"engine={engine!r}",
            fix=f"use one of {list(known)}",
        )
    return known[return_type]


def _path(path: Path, suffix: str, by_dot: bool) -> Path:
    given = path.suffix.lower()
    if (by_dot and given in _DOT_SUFFIXES) or given == suffix:
        return path
    if by_dot and given:
        raise PlanError(
            f"Unknown format {given!r}",
            where=f"filename={str(path)!r}",
            fix=f"use one of {list(_DOT_SUFFIXES)}",
        )
    return path.with_name(path.name + suffix)


# Kept for existing code: inputs are never grouped, mappings always shown.
_WITHOUT_EFFECT = ("group_inputs", "show_mapping_labels")


def _theme(style: str | GraphvizTheme, changes: Mapping[str, Any]) -> GraphvizTheme:
    theme = style
    if not isinstance(theme, GraphvizTheme):
        if style not in DESIGN_STYLES:
            raise PlanError(
                f"Unknown style {style!r}",
                fix=f"use one of {list(DESIGN_STYLES)}, or a GraphvizTheme",
            )
        theme = DESIGN_STYLES[style]
    changes = {name: value for name, value in changes.items() if name not in _WITHOUT_EFFECT}
    unknown = [name for name in changes if name not in _DEFAULT]
    if unknown:
        raise PlanError(
            f"Unknown options {unknown}",
            fix=f"use those of visualize, or fields of the theme: {list(_DEFAULT)}",
        )
    return dataclasses.replace(theme, **changes)


def _depth(depth: int | None) -> int | None:
    if depth is None:
        return None
    try:
        return operator.index(depth)
    except TypeError:
        raise PlanError(f"A depth cannot be {depth!r}", fix="give a number or None") from None


def _drawer(pipeline: Pipeline, **options: Any) -> Callable[[str], str]:  # noqa: ANN401
    """What draws the pipeline in a format of the core."""
    described = _Described()
    graph = described.graph(pipeline)
    return functools.partial(
        _core.draw,
        graph,
        **options,
        bound=pipeline.bound_inputs,
        has_cache=pipeline._own_settings()[0] is not None,
        types=described.types,
        badges=described.badges,
        value_text=_value_text,
    )


# What only Python knows ------------------------------------------------------------------------


class _Described:
    """The graphs of a pipeline and those inside, also of those that another engine runs."""

    def __init__(self) -> None:
        self.types: list[tuple[_core.Node, dict[str, str]]] = []
        self.badges: list[tuple[_core.Node, list[str]]] = []
        self._graphs: dict[int, _core.Graph] = {}

    def graph(self, pipeline: Pipeline) -> _core.Graph:
        known = self._graphs.get(id(pipeline))
        if known is None:
            nodes = [self._definition(node) for node in pipeline._nodes]
            pruned = _core.Graph(nodes, pipeline.name or "", pipeline.id, _core.LastRuns())
            known = pruned.covering(None)
            self._graphs[id(pipeline)] = known
        return known

    def _definition(self, node: HyperNode) -> _core.Node:
        if isinstance(node, PipelineNode):
            definition = node._nested(self.graph(node.pipeline), None)
            if node.pipeline._engine is not None:
                self.badges.append((definition, [type(node.pipeline._engine).__name__]))
            return definition
        definition = node._definition().native
        if getattr(node, "is_async", False):
            self.badges.append((definition, ["async"]))
        function = getattr(node, "func", None)
        if function is not None:
            self.types.append((definition, _type_texts(function, node.output_name)))
        return definition


def _type_texts(function: Callable[..., Any], names: str | tuple[str, ...]) -> dict[str, str]:
    hints: dict[str, object] = {
        name: hint for name, hint in resolved_hints(function).items() if name != "return"
    }
    hints.update(zip(output_names(names), output_hints(function, names), strict=True))
    return {name: _type_text(hint) for name, hint in hints.items() if hint is not Any}


def _type_text(hint: object) -> str:
    """A hint as one would write it: `list[int] | None`."""
    if hint is None or hint is type(None):
        return "None"
    if hint is Ellipsis:
        return "..."
    if isinstance(hint, list):  # the parameters of a Callable
        return f"[{', '.join(map(_type_text, hint))}]"
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type_text(args[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_text, args))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if args:
        return f"{_type_text(origin)}[{', '.join(map(_type_text, args))}]"
    if isinstance(origin or hint, type):
        return str(getattr(origin or hint, "__name__", hint))
    return str(getattr(hint, "__name__", None) or hint).removeprefix("typing.")


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def _value_text(value: object) -> str:
    text = _ADDRESS.sub("", _short.repr(value))
    return text.encode("utf-8", "replace").decode()


# Graphviz --------------------------------------------------------------------------------------


def _render(dot: str, form: str) -> bytes:
    """What `dot` makes of DOT text."""
    if form == "dot":
        return dot.encode()
    try:
        done = subprocess.run(["dot", f"-T{form}"], input=dot.encode(), capture_output=True)
    except FileNotFoundError:
        raise DependencyMissingError(
            "Graphviz's program 'dot' is not installed",
            where="visualize(engine='graphviz')",
            fix="apt-get install graphviz, or draw with engine='js'",
        ) from None
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise HyperNodesError(
            f"Graphviz cannot draw this: {message}", fix="check the theme, or use engine='js'"
        )
    return done.stdout


def _digraph(dot: str) -> Any:  # noqa: ANN401 (of an optional package)
    try:
        graphviz = importlib.import_module("graphviz")
    except ImportError:
        raise DependencyMissingError(
            "return_type='graphviz' needs the package graphviz",
            fix="pip install 'hypernodes[viz]'",
        ) from None
    body = dot.splitlines(keepends=True)[1:-1]
    return graphviz.Digraph(body=body)
