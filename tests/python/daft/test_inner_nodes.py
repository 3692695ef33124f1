# SPDX-License-Identifier: MIT
"""Nodes with options of their own inside nested pipelines, in DataFrames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DaftEngine,
    DiskCache,
    Node,
    Pipeline,
    SequentialEngine,
    load,
    node,
    stateful,
)
from hypernodes.batch_node import BatchNode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

daft = pytest.importorskip("daft")
pytestmark = [pytest.mark.daft, pytest.mark.timeout(120)]

HERE = os.getpid()
ENGINE = DaftEngine()
PROCESS = {"use_process": True, "max_concurrency": 1}
TWO = {"batch_size": 2}


@node(output_name="words")
def split(text: str) -> list[str]:
    return text.split()


@node(output_name="vector", daft=PROCESS)
def embed(words: list[str], scale: int = 1) -> Any:
    return tuple(len(word) * scale for word in words)


@node(output_name="total")
def add_up(vector: tuple[int, ...]) -> int:
    return sum(vector)


@node(output_name="place", daft=PROCESS)
def place(x: int) -> int:
    return os.getpid()


@node(output_name="home")
def home(place: int, x: int) -> tuple[bool, int, int]:
    return place == os.getpid(), os.getpid(), x


VECTORS = Pipeline([split, embed, add_up], name="vectors")
PLACES = Pipeline([place, home], name="places")


def frame(
    pipeline: Pipeline, inputs: Mapping[str, Any], over: Any, mode: str = "zip", **options: Any
) -> dict[str, list[Any]]:
    """The DataFrame's columns, which hold what the sequential engine returns."""
    made: dict[str, list[Any]] = ENGINE.dataframe(
        pipeline, inputs, over, mode, **options
    ).to_pydict()
    expected = SequentialEngine().map(pipeline, inputs, over, mode, outputs="columns", **options)
    assert list(made.items()) == list(expected.items())
    return made


def steps(pipeline: Pipeline, **options: Any) -> dict[tuple[str, ...], Any]:
    return {step.nodes: step for step in ENGINE.plan(pipeline, **options).steps}


# Plain pipelines ----------------------------------------------------------------------------------


def test_an_inner_node_is_a_function_of_its_own() -> None:
    inner = VECTORS.as_node(input_mapping={"title": "text"}, output_mapping={"total": "size"})
    made = frame(Pipeline([inner]), {"title": ["a bb", "", "ccc d e"]}, "title")
    assert list(made) == ["size"]
    shown = steps(Pipeline([inner]))
    assert list(shown) == [("split",), ("embed",), ("add_up",)]
    assert shown["embed",].options == PROCESS
    assert shown["embed",].arguments == {"vectors.words": "Python"}
    assert shown["add_up",].outputs == {"size": "int64"}
    assert "vectors.vector: Python" in str(ENGINE.plan(Pipeline([inner])))


def test_only_that_node_runs_in_a_process() -> None:
    made = ENGINE.dataframe(Pipeline([PLACES.as_node()]), {"x": [1, 2]}, "x").to_pydict()
    assert HERE not in made["place"]
    assert [tuple(each.values()) for each in made["home"]] == [(False, HERE, 1), (False, HERE, 2)]


def test_inner_names_may_be_those_of_others() -> None:
    """Of outer outputs and inputs, of columns, and of another use of the same pipeline."""
    first = VECTORS.as_node(
        input_mapping={"title": "text", "words": "scale"},
        output_mapping={"total": "vector"},
        name="vectors",
    )
    second = VECTORS.as_node(output_mapping={"total": "total", "vector": "words_2"}, name="vectors")
    last = Node(lambda vector, total, words_2: (vector, total, words_2), "split")
    outer = Pipeline([first, second, last])
    inputs = {"title": ["a", "b c"], "words": [3, 4], "text": ["", "ddd"], "scale": 1}
    outputs = list(frame(outer, inputs, ["title", "words", "text"]))
    table = daft.from_pydict({**inputs, "scale": [1, 1], "first": [0, 1]})
    made = outer.with_columns(table).to_pydict()
    assert list(made) == [*inputs, "first", *outputs]
    assert made["vector"] == [3, 8]
    assert made["words"] == [3, 4]


def test_pipelines_in_pipelines_with_bound_inputs() -> None:
    middle = Pipeline(
        [
            Pipeline([split, embed, add_up], name="inner")
            .bind(scale=10)
            .as_node(input_mapping={"line": "text"}, output_mapping={"total": "tens"}),
            Node(lambda tens, extra: tens + extra, "more"),
        ],
        name="middle",
    ).bind(extra=1)
    outer = Pipeline(
        [
            middle.as_node(output_mapping={"more": "result"}),
            Node(lambda result: str(result), "said"),
        ]
    )
    made = frame(outer, {"line": ["a bb", "c"]}, "line")
    assert made == {"result": [31, 11], "said": ["31", "11"]}
    shown = steps(outer)
    assert shown["embed",].constants == ("middle.inner.scale",)


def test_one_outer_input_may_feed_two_inner_ones() -> None:
    pair = Node(lambda a, x: (a, x), "pair", daft=PROCESS)
    inner = Pipeline([pair]).as_node(input_mapping={"x": "a"})
    frame(Pipeline([inner]), {"x": [1, 2]}, "x")
    frame(Pipeline([inner, Node(lambda y: y, "z")]), {"x": {1}, "y": [1, 2]}, "y")


def test_only_needed_outputs_are_computed() -> None:
    calls: list[str] = []

    def noted(name: str, *inputs: str) -> Node[..., Any]:
        scope: dict[str, Any] = {"calls": calls}
        names = ", ".join(inputs)
        exec(f"def {name}({names}): calls.append({name!r}); return ({name!r}, {names})", scope)
        return Node(scope[name], name, daft=TWO)

    inner = Pipeline([noted("a", "x"), noted("b", "a"), noted("c", "x")], name="inner")
    outer = Pipeline([inner.as_node(), noted("d", "b")])
    frame(outer, {"x": [1]}, "x", output_name="d")
    assert sorted(calls) == ["a", "a", "b", "b", "d", "d"]


def test_options_without_a_process_hold() -> None:
    sizes: list[int] = []

    def measure(items: list[int]) -> list[int]:
        sizes.append(len(items))
        return [item + 1 for item in items]

    inner = Pipeline([BatchNode(measure, "y", daft=TWO)], name="inner").as_node({"x": "items"})
    made = ENGINE.dataframe(Pipeline([inner]), {"x": list(range(7))}, "x").to_pydict()
    assert made == {"y": [1, 2, 3, 4, 5, 6, 7]}
    assert sum(sizes) == 7
    assert max(sizes) == 2


def test_native_nodes_inside_are_functions_of_columns(
    node_library: Callable[[str], Path],
) -> None:
    library = load(node_library("nodes_a"))
    inner = Pipeline([Node(lambda y: y + 1, "x", daft=PROCESS), library.twice], name="inner")
    outer = Pipeline([inner.as_node(output_mapping={"doubled": "result"})])
    assert frame(outer, {"y": [1, 2]}, "y") == {"result": [4, 6]}
    assert steps(outer)["twice",].kind == "native"
    first = Pipeline([library.twice, Node(lambda doubled: doubled, "z", daft=TWO)])
    frame(Pipeline([first.as_node({"n": "x"}), Node(lambda k: k, "same")]), {"n": 3, "k": [1]}, "k")
    frame(Pipeline([first.bind(x=4).as_node(), Node(lambda k: k, "same")]), {"k": [1, 2]}, "k")


def test_an_error_names_node_and_row() -> None:
    @node(output_name="y", daft={"batch_size": 1})
    def fail(x: int) -> int:
        if x == 2:
            raise KeyError("seven")
        return x

    outer = Pipeline([Pipeline([fail], name="inner").as_node()])
    with pytest.raises(KeyError) as caught:
        ENGINE.dataframe(outer, {"x": [1, 1, 2]}, "x").to_pydict()
    assert caught.value.__notes__ == ["hypernodes: node 'fail', row 2"]


def test_a_stateful_object_inside_is_made_once_in_each_process(tmp_path: Path) -> None:
    @stateful(use_process=True, max_concurrency=1)
    class Model:
        def __init__(self, log: str) -> None:
            with Path(log).open("a") as file:
                file.write(f"{os.getpid()}\n")

        def __call__(self, word: str) -> int:
            return os.getpid()

    log = tmp_path / "made"
    model = Node(Model(str(log)), "at", daft={"batch_size": 1})
    inner = Pipeline([model], name="inner")
    plain = Pipeline([inner.as_node()])
    made = ENGINE.dataframe(plain, {"word": ["a", "b", "c"]}, "word").to_pydict()
    assert log.read_text().split() == [str(process) for process in set(made["at"])]
    assert HERE not in made["at"]
    log.unlink()
    mapped = Pipeline([inner.as_node(input_mapping={"words": "word"}, map_over="words")])
    lists = {"words": [["a", "b"], [], ["c"]]}
    made = ENGINE.dataframe(mapped, lists, "words").to_pydict()
    assert [len(each) for each in made["at"]] == [2, 0, 1]
    assert {str(process) for each in made["at"] for process in each} == set(log.read_text().split())
    assert len(log.read_text().split()) == 1


# Mapped pipelines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
@pytest.mark.parametrize("mode", ["zip", "product"])
def test_a_mapped_pipeline_is_a_function_of_its_own_as_a_whole(
    mode: str, options: dict[str, Any]
) -> None:
    both = Node(lambda a, b, k: (a, b, k), "both", daft=options)
    inner = Pipeline([Node(lambda x: [x], "a"), both, Node(lambda both: repr(both), "said")])
    mapped = inner.as_node(
        {"xs": "x", "bs": "b"}, {"said": "lines"}, map_over=["xs", "bs"], map_mode=mode, name="all"
    )
    outer = Pipeline([mapped, Node(lambda lines: len(lines), "count")])
    lists = {"xs": [[1, 2], [], [None, "é"]], "bs": [[3.0, True], [], [b"", (4,)]], "k": {5}}
    frame(outer, lists, ["xs", "bs"])
    [shown] = [step for nodes, step in steps(outer).items() if "all" in nodes]
    assert (shown.kind, shown.nodes, shown.options) == ("nested-map", ("all",), options)


def test_mapped_in_mapped_in_plain_pipelines() -> None:
    word = Pipeline([Node(lambda word, scale: len(word) * scale, "size", daft=PROCESS)])
    line = Pipeline([split, word.as_node({"words": "word"}, {"size": "sizes"}, map_over="words")])
    page = line.as_node({"lines": "text"}, {"sizes": "pages"}, map_over="lines", name="page")
    outer = Pipeline([Pipeline([page], name="plain").bind(scale=2).as_node()])
    made = frame(outer, {"lines": [["a bb", ""], [], ["ccc"]]}, "lines")
    assert made == {"pages": [[[2, 4], []], [], [[6]]]}
    assert steps(outer)["page",].options == PROCESS


def test_the_strictest_counts_for_the_whole() -> None:
    nodes = [
        Node(lambda x: x, "a", daft={"batch_size": 5, "cpus": 1, "max_concurrency": 4}),
        Node(lambda x: x, "b", daft={"batch_size": 3, "cpus": 2, "name": "scores"}),
    ]
    mapped = Pipeline(nodes, name="inner").as_node(map_over="x")
    assert steps(Pipeline([mapped]))["inner",].options == {
        "batch_size": 3,
        "cpus": 2,
        "max_concurrency": 4,
    }


def test_in_a_process_a_mapped_pipeline_computes_what_is_needed(tmp_path: Path) -> None:
    log = tmp_path / "calls"

    @node(output_name="unused")
    def leave_out(x: int) -> int:
        log.touch()
        return x

    inner = Pipeline([place, leave_out], name="inner").as_node(
        input_mapping={"xs": "x"},
        output_mapping={"place": "places", "unused": "rest"},
        map_over="xs",
    )
    outer = Pipeline([inner, Node(lambda places: places, "copies")])
    made = ENGINE.dataframe(outer, {"xs": [[1, 2], []]}, "xs", output_name="copies").to_pydict()
    assert [len(each) for each in made["copies"]] == [2, 0]
    assert HERE not in made["copies"][0]
    assert not log.exists()


def test_native_nodes_go_to_the_process_of_a_mapped_pipeline(
    node_library: Callable[[str], Path],
) -> None:
    library = load(node_library("nodes_a"))
    words = Node(lambda text: text.split(), "words", daft=PROCESS)
    inner = Pipeline([words, library.count, library.describe], name="inner")
    mapped = inner.as_node({"texts": "text"}, {"counts": "all", "length": "sizes"}, "texts")
    outer = Pipeline([mapped, Node(lambda all, sizes: (all, sizes), "both")])
    texts = {"texts": [["a b a", ""], [], ["c"]]}
    made = frame(outer, texts, "texts", output_name=["sizes", "both"])
    assert made["sizes"] == [[5, None], [], [1]]
    assert made["both"][0] == ([{"a": 2, "b": 1}, {}], [5, None])


@pytest.mark.parametrize("lists", [[[1], None], [[1], 2]])
def test_what_is_no_list_is_the_same_error(lists: list[Any]) -> None:
    inner = Pipeline([Node(lambda x: x, "y", daft={"batch_size": 1})], name="inner")
    outer = Pipeline([inner.as_node({"xs": "x"}, map_over="xs")])
    with pytest.raises(TypeError) as expected:
        SequentialEngine().map(outer, {"xs": lists}, "xs")
    with pytest.raises(TypeError) as caught:
        ENGINE.dataframe(outer, {"xs": lists}, "xs").to_pydict()
    assert str(caught.value) == str(expected.value)


# Caches, callbacks, engines -----------------------------------------------------------------------


def test_inner_nodes_share_results_with_a_run(tmp_path: Path) -> None:
    log = tmp_path / "calls"

    @node(output_name="y", daft=PROCESS)
    def count(x: int) -> int:
        with log.open("a") as file:
            file.write(".")
        return x * 2

    inner = Pipeline([count], name="inner").as_node({"n": "x"}, {"y": "twice"})
    outer = Pipeline([inner], cache=DiskCache(tmp_path / "cache"))
    made = ENGINE.dataframe(outer, {"n": [1, 2]}, "n").to_pydict()
    assert outer.map({"n": [1, 2]}, "n", outputs="columns", engine=SequentialEngine()) == made
    assert ENGINE.dataframe(outer, {"n": [1, 2]}, "n").to_pydict() == made == {"twice": [2, 4]}
    assert log.read_text() == ".."


def test_a_pipeline_with_a_cache_of_its_own_is_a_whole(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    inner = Pipeline([place, home], cache=cache, name="inner")
    outer = Pipeline([inner.as_node(output_mapping={"place": "at"})])
    assert steps(outer)["inner",].options == PROCESS
    [at] = ENGINE.dataframe(outer, {"x": [1]}, "x").to_pydict()["at"]
    assert at != HERE
    assert ENGINE.dataframe(outer, {"x": [1]}, "x").to_pydict() == {"at": [at]}
    assert inner.run({"x": 1}, "place") == {"place": at}


def test_a_pipeline_with_an_engine_of_its_own_runs_there() -> None:
    @node(output_name="y", daft=PROCESS)
    def look(x: int) -> int:
        return os.getpid()

    inner = Pipeline([look], engine=SequentialEngine(), name="inner")
    outer = Pipeline([inner.as_node()])
    assert ENGINE.dataframe(outer, {"x": [1]}, "x").to_pydict() == {"y": [HERE]}
    assert steps(outer)["inner",].options == {}


def test_run_and_map_look_inside() -> None:
    deep = Pipeline([Pipeline([place], name="inner").as_node()], name="middle").as_node()
    assert Pipeline([deep], ENGINE).run({"x": 1})["place"] != HERE
    [row] = Pipeline([deep], ENGINE).map({"x": [1]}, "x")
    assert row["place"] != HERE
