# SPDX-License-Identifier: MIT
"""Drawings: what is in them, and that they are well-formed and need nothing from elsewhere."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import subprocess
import sys
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import hypernodes
from hypernodes import DESIGN_STYLES, DiskCache, GraphvizTheme, Node, Pipeline, load, node
from hypernodes.exceptions import DependencyMissingError, PlanError
from hypernodes.viz import visualize

VOID = {"meta", "br", "hr", "img", "input", "link"}
STYLES = ["default", "dark", "minimal", "professional", "pastel", "high_contrast"]
HOSTILE = "</script><b x=\"'>&amp;\\\n\t\0\x1b#`{}|%数\U0001f30d\ufffe"


@node(output_name="cleaned")
def clean(doc: str, lower: bool = True) -> str:
    return doc.lower() if lower else doc


@node(output_name=("words", "size"), cache=False)
def split(cleaned: str, sep: str | None) -> tuple[list[str], int]:
    return cleaned.split(sep), len(cleaned)


@node(output_name="total")
def count(all_words: list[list[str]], limit):
    return min(sum(map(len, all_words)), limit)


def inner() -> Pipeline:
    return Pipeline([clean, split], name="words").bind(sep=",")


def outer() -> Pipeline:
    mapped = inner().as_node(
        input_mapping={"docs": "doc"}, output_mapping={"words": "all_words"}, map_over="docs"
    )
    return Pipeline([mapped, count], name="counter").bind(limit=100)


class Page(HTMLParser):
    """Checks the nesting of a page while it collects text and attributes."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def handle_data(self, data):
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data.strip())


def texts(svg: str) -> list[str]:
    """All texts and tooltips of an SVG file."""
    root = ElementTree.fromstring(svg)
    found = root.iter()
    return [t.strip() for e in found for t in (e.text or "", e.tail or "") if t.strip()]


def own_svg(pipeline: Pipeline, **options) -> list[str]:
    return texts(pipeline.visualize(return_type="svg", **options))


# The page ---------------------------------------------------------------------------------------


def test_page_is_well_formed_and_needs_nothing_from_elsewhere():
    page = outer().visualize(depth=None, show_types=True, show_legend=True)
    assert isinstance(page, str)
    parsed = Page(page)
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(" not in page
    loading = {"src", "href", "xlink:href", "srcset", "data", "action"}
    assert not any(loading & set(attributes) for _, attributes in parsed.elements)
    assert not {"link", "iframe", "img", "object", "embed"} & set(parsed.tags)


def test_page_has_function_names_as_plain_text():
    page = outer().visualize(depth=2)
    assert {"clean", "split", "count", "words", "counter"} <= set(Page(page).text)


def test_page_has_a_drawing_for_each_depth_and_shows_the_one_asked_for():
    for depth, shown in ((1, "1"), (2, "2"), (7, "2"), (None, "2")):
        page = Page(outer().visualize(depth=depth))
        drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
        assert [each["data-depth"] for each in drawings] == ["1", "2"]
        assert [each["data-depth"] for each in drawings if "hidden" not in each] == [shown]


def test_page_shows_itself_in_a_notebook_in_a_frame():
    page = Pipeline([clean]).visualize()
    frame = Page(page._repr_html_())
    [(tag, attributes)] = frame.elements
    assert tag == "iframe"
    assert attributes["srcdoc"] == page
    svg = Pipeline([clean]).visualize(return_type="svg")
    assert svg._repr_svg_() == svg


# What is drawn ----------------------------------------------------------------------------------


def test_depth_opens_nested_pipelines():
    closed, opened = own_svg(outer()), own_svg(outer(), depth=2)
    assert "clean" not in closed
    assert "clean" in opened
    assert "map over docs · 2 nodes" in closed
    assert "map over docs · 2 nodes" in opened
    assert own_svg(outer(), depth=None) == opened


def test_flatten_draws_no_boxes_around():
    flat = own_svg(outer(), flatten=True)
    assert {"clean", "split", "count", "map over docs"} <= set(flat)
    assert "words" in flat  # the output; the pipeline of that name is gone
    assert "map over docs · 2 nodes" not in flat


def test_types_are_python_hints():
    shown = own_svg(outer(), depth=2, show_types=True)
    assert ": list[str]" in shown  # docs, over which it is mapped, and words
    assert ": bool = True" in shown
    assert ": str | None = ','" in shown
    assert ": int" in shown  # the second output
    assert ": list[str]" not in own_svg(outer(), depth=2)
    tips = [text for text in own_svg(outer()) if text.startswith("count\n")]
    assert tips == ["count\nfunction\nneeds all_words: list[list[str]]\nneeds limit\nmakes total"]


def test_bound_and_optional_inputs_show_their_values():
    drawn = own_svg(outer(), depth=2)
    assert "= 100" in drawn
    assert "= ','" in drawn
    assert "= True" in drawn


def test_values_that_cannot_be_shown_do_no_harm():
    class Odd:
        def __repr__(self):
            raise RuntimeError("no")

    class Plain:
        pass

    values = [Odd(), Plain(), "x" * 10_000, list(range(100_000)), "\ud800", HOSTILE, object]
    for value in values:
        drawing = Pipeline([count]).bind(limit=value).visualize(return_type="svg")
        assert len(drawing) < 10_000
        assert "0x" not in drawing
        texts(drawing)


def test_separate_outputs_are_boxes():
    def outputs(**options):
        tips = own_svg(outer(), depth=2, **options)
        return sorted(tip.split("\n")[0] for tip in tips if tip.endswith("\noutput"))

    assert outputs() == []
    assert outputs(separate_outputs=True) == ["all_words", "cleaned", "size", "total", "words"]


def test_badges_tell_what_is_special(node_library, tmp_path):
    assert "no cache" in own_svg(outer(), depth=2)
    assert "no cache" not in own_svg(outer())
    native = own_svg(Pipeline([load(node_library("nodes_a")).twice]), show_types=True)
    assert {"twice", "C++", ": int64"} <= set(native)
    cached = inner().with_cache(DiskCache(tmp_path))
    assert "cache" in own_svg(cached)
    assert "cache" not in own_svg(inner())
    assert "own cache" in own_svg(Pipeline([cached.as_node()]))


def test_pipelines_on_another_engine_are_drawn_like_others():
    class Engine:
        def run(self, pipeline, inputs, output_name=None, **kw):
            raise AssertionError

        map = run

    foreign = Pipeline([inner().with_engine(Engine()).as_node(), node(lambda words: 1, "n")])
    assert {"clean", "split", "Engine"} <= set(own_svg(foreign, depth=2))
    assert "Engine" in own_svg(foreign)


def test_async_functions_are_marked():
    async def wait(x):
        return x

    assert "async" in own_svg(Pipeline([node(output_name="y")(wait)]))


def test_drawing_runs_nothing_and_changes_nothing():
    @node(output_name="y")
    def fail(x):
        raise AssertionError

    pipeline = Pipeline([fail])
    before = pipeline.bound_inputs, pipeline.graph
    pipeline.visualize(depth=None)
    assert (pipeline.bound_inputs, pipeline.graph) == before


def test_what_is_bound_later_is_drawn():
    pipeline = inner()
    around = Pipeline([pipeline.as_node()])
    around.visualize()
    pipeline.bind(lower=False)
    assert "= False" in own_svg(around, depth=2)


def test_legend():
    shown = own_svg(outer(), show_legend=True)
    assert {"input", "bound input", "function", "nested pipeline"} <= set(shown)
    assert "C++ function" not in shown
    assert "nested pipeline" not in own_svg(outer())


def test_orient():
    def size(orient):
        root = ElementTree.fromstring(outer().visualize(return_type="svg", orient=orient))
        return float(root.get("width")), float(root.get("height"))

    assert size("TB") == size("BT")
    assert size("LR") == size("RL")
    assert size("TB")[1] > size("LR")[1]


def test_pipelines_without_nodes_or_names():
    assert "<svg" in Pipeline([]).visualize()
    assert "pipeline" in own_svg(Pipeline([Pipeline([clean]).as_node()]))
    assert "<svg" in Pipeline([]).visualize(engine="graphviz", show_legend=True)


def test_hostile_names(tmp_path):
    hostile = node(clean.func, HOSTILE)
    hostile._name = HOSTILE
    nested = Pipeline([hostile], name=HOSTILE).as_node(input_mapping={HOSTILE + "in": "doc"})
    pipeline = Pipeline([nested], name=HOSTILE)
    shown = "</script><b x=\"'>&amp;\\    #`{}|%数\U0001f30d\ufffd"
    for depth in (1, 2):
        parsed = Page(pipeline.visualize(depth=depth))
        assert any(shown in text for text in parsed.text)
        assert "b" not in parsed.tags
        assert any(shown in text for text in own_svg(pipeline, depth=depth))
        by_dot = texts(pipeline.visualize(engine="graphviz", depth=depth))
        assert any("</script><b x=" in text and "数" in text for text in by_dot)
        assert "<b" not in pipeline.visualize(return_type="mermaid", depth=depth)


def test_large_pipelines_are_quick():
    def step(i):
        # Each reads some before it.
        names = [f"v{j}" for j in (i - 1, i - 2, i - 7, i - 23) if j >= 0] or ["x"]
        scope: dict = {}
        exec(f"def f{i}({', '.join(names)}): pass", scope)
        return Node(scope[f"f{i}"], f"v{i}")

    pipeline = Pipeline([step(i) for i in range(500)])
    begin = time.perf_counter()
    page = pipeline.visualize()
    assert time.perf_counter() - begin < 10
    assert "f499" in page


# Themes -----------------------------------------------------------------------------------------


def test_design_styles():
    assert list(DESIGN_STYLES) == STYLES
    assert DESIGN_STYLES["default"] == GraphvizTheme()
    for name, theme in DESIGN_STYLES.items():
        drawing = outer().visualize(return_type="svg", style=name)
        assert theme.background in drawing
        assert theme.function_border in drawing
        texts(drawing)


def test_own_themes():
    theme = GraphvizTheme(edge="#123456", font='"Odd" & <Sons>', corner_radius=0)
    drawing = outer().visualize(return_type="svg", style=theme)
    assert "#123456" in drawing
    texts(drawing)
    Page(outer().visualize(style=theme))
    with pytest.raises(dataclasses.FrozenInstanceError):
        theme.edge = "red"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(theme)) == theme
    assert "#654321" in outer().visualize(style=theme, edge="#654321")
    assert "#654321" in outer().visualize(engine="graphviz", style=theme, edge="#654321")


def test_themes_of_wrong_types_are_refused():
    with pytest.raises(TypeError, match="A theme's edge cannot be int"):
        outer().visualize(edge=3)


# Graphviz ---------------------------------------------------------------------------------------


def test_graphviz_gives_svg():
    svg = outer().visualize(engine="graphviz", depth=2, show_types=True, show_legend=True)
    assert isinstance(svg, str)
    assert svg._repr_svg_() == svg
    assert {"clean", "split", "count", "words", "bound input"} <= set(texts(svg))
    assert "clean" not in texts(outer().visualize(engine="graphviz"))


@pytest.mark.parametrize("orient", ["TB", "LR", "BT", "RL"])
@pytest.mark.parametrize("separate_outputs", [False, True])
def test_graphviz_takes_all_options(orient, separate_outputs):
    options = {"orient": orient, "separate_outputs": separate_outputs}
    dot = outer().visualize(return_type="dot", depth=None, **options)
    assert f"rankdir={orient}" in dot
    for more in ({"depth": None}, {"flatten": True}):
        texts(outer().visualize(engine="graphviz", **options, **more))


def test_graphviz_draws_without_a_warning():
    dot = outer().visualize(return_type="dot", depth=None, show_legend=True, show_types=True)
    done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True)
    assert done.stderr == b""


def test_return_type_graphviz_is_a_digraph():
    graphviz = pytest.importorskip("graphviz")
    digraph = outer().visualize(return_type="graphviz")
    assert isinstance(digraph, graphviz.Digraph)
    assert "split" not in digraph.source
    assert "count" in texts(digraph.pipe(format="svg").decode())


def test_return_type_graphviz_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(DependencyMissingError, match="package graphviz"):
        outer().visualize(return_type="graphviz")


def test_without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyMissingError, match="apt-get install graphviz"):
        outer().visualize(engine="graphviz")
    outer().visualize(tmp_path / "p.dot", engine="graphviz", return_type="dot")
    assert "<svg" in outer().visualize()


# Files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "options", "written"),
    [
        ("p", {}, "p.html"),
        ("p.html", {}, "p.html"),
        ("p.v2", {}, "p.v2.html"),
        ("p", {"return_type": "svg"}, "p.svg"),
        ("p", {"return_type": "dot"}, "p.dot"),
        ("p.mmd", {"return_type": "mermaid"}, "p.mmd"),
        ("p", {"engine": "graphviz"}, "p.svg"),
        ("p.dot", {"engine": "graphviz", "return_type": "dot"}, "p.dot"),
    ],
)
def test_files_hold_what_is_returned(tmp_path, given, options, written):
    returned = outer().visualize(str(tmp_path / given), **options)
    assert (tmp_path / written).read_text(encoding="utf-8") == returned
    assert [path.name for path in tmp_path.iterdir()] == [written]


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?xml")]
)
def test_graphviz_writes_other_formats(tmp_path, suffix, start):
    path = tmp_path / f"p.{suffix}"
    svg = outer().visualize(path, engine="graphviz")
    assert path.read_bytes().startswith(start)
    assert "<svg" in svg


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "ascii"}, "Unknown engine 'ascii'"),
        ({"style": "gaudy"}, "Unknown style 'gaudy'"),
        ({"style": 3}, "Unknown style 3"),
        ({"orient": "XY"}, "Unknown orient 'XY'"),
        ({"return_type": "gif"}, "Unknown return_type 'gif'"),
        ({"engine": "graphviz", "return_type": "html"}, "Unknown return_type 'html'"),
        ({"depth": 0}, "depth is at least 1, got 0"),
        ({"depth": "all"}, "depth cannot be 'all'"),
        ({"colour": "red"}, r"Unknown options \['colour'\]"),
        ({"engine": "graphviz", "filename": "p.gif"}, "Unknown format '.gif'"),
    ],
)
def test_unknown_options_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlanError, match=message) as caught:
        outer().visualize(**options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


# The package ------------------------------------------------------------------------------------


def test_signature_names_the_options_and_their_defaults():
    expected = {
        "filename": None,
        "engine": "js",
        "depth": 1,
        "separate_outputs": False,
        "show_types": False,
        "orient": "TB",
        "flatten": False,
        "show_legend": False,
        "style": "default",
        "return_type": "auto",
    }
    for function in (Pipeline.visualize, visualize):
        parameters = list(inspect.signature(function).parameters.values())[1:]
        assert {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD} == expected
        assert [p.kind for p in parameters][-1] is inspect.Parameter.VAR_KEYWORD


def test_names_are_exported_and_loaded_when_they_are_used():
    assert {"GraphvizTheme", "DESIGN_STYLES"} <= set(hypernodes.__all__)
    script = (
        "import sys, hypernodes; assert 'hypernodes.viz' not in sys.modules; "
        "hypernodes.GraphvizTheme; assert 'graphviz' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_options_of_existing_code_are_accepted():
    plain = Pipeline([Node(lambda x: x, "y")])
    assert plain.visualize(group_inputs=True, show_mapping_labels=False) == plain.visualize()
