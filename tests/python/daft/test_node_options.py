# SPDX-License-Identifier: MIT
"""@node(daft=...): how Daft runs a node, in DataFrames and in runs and maps."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, DiskCache, DualNode, Node, Pipeline, load, node, stateful
from hypernodes.exceptions import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable

daft = pytest.importorskip("daft")
pytestmark = [pytest.mark.daft, pytest.mark.timeout(120)]

HERE = os.getpid()
ENGINE = DaftEngine()
PROCESS = {"use_process": True, "max_concurrency": 1}


@node(output_name="place", daft={**PROCESS, "batch_size": 2})
def place(x: int) -> int:
    return os.getpid()


@node(output_name=("low", "high"), daft=PROCESS)
def bounds(x: int, width: int = 1) -> tuple[int, int]:
    return x - width, x + width


@node(output_name="pair", daft=PROCESS)
def pair(x: int) -> Any:
    return x, os.getpid()


@node(output_name="plain")
def plain(x: int) -> int:
    return os.getpid()


@node(output_name="after")
def after(place: int, plain: int) -> bool:
    return place == plain


@stateful(use_process=True, max_concurrency=1)
class Model:
    def __init__(self, log: str) -> None:
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, x: int) -> int:
        return os.getpid()


def frame(nodes: list[Any], rows: int = 6, **inputs: Any) -> dict[str, list[Any]]:
    given = {"x": list(range(rows)), **inputs}
    made: dict[str, list[Any]] = ENGINE.dataframe(Pipeline(nodes), given, "x").to_pydict()
    return made


def test_a_node_with_options_is_a_function_of_its_own() -> None:
    plan = ENGINE.plan(Pipeline([place, plain, after]))
    assert {step.nodes: step.options for step in plan.steps} == {
        ("place",): {"use_process": True, "max_concurrency": 1, "batch_size": 2},
        ("plain",): {},
        ("after",): {},
    }
    assert "use_process=True" in str(plan)


def test_only_that_node_runs_in_a_process() -> None:
    table = daft.from_pydict({"x": list(range(6))})
    made = Pipeline([place, plain, after]).with_columns(table).to_pydict()
    assert made["x"] == list(range(6))
    assert len(set(made["place"])) == 1
    assert HERE not in made["place"]
    assert set(made["plain"]) == {HERE}
    assert made["after"] == [False] * 6


def test_outputs_of_processes_are_typed_or_objects() -> None:
    made = frame([bounds, pair], width=10)
    assert (made["low"], made["high"]) == ([x - 10 for x in range(6)], [x + 10 for x in range(6)])
    assert [x for x, _ in made["pair"]] == list(range(6))
    assert all(type(each) is tuple and each[1] != HERE for each in made["pair"])


def test_objects_go_there() -> None:
    @node(output_name="y", daft=PROCESS)
    def count(things: set[int]) -> int:
        return len(things) * 1000_000_000 + os.getpid()

    made = ENGINE.dataframe(Pipeline([count]), {"things": [{1}, {1, 2}]}, "things").to_pydict()
    assert [each // 1000_000_000 for each in made["y"]] == [1, 2]
    assert HERE not in [each % 1000_000_000 for each in made["y"]]


def test_columns_feed_native_nodes(node_library: Callable[[str], Path]) -> None:
    @node(output_name="x", daft=PROCESS)
    def untyped(y):  # type: ignore[no-untyped-def]
        return y + 1

    pipeline = Pipeline([untyped, load(node_library("nodes_a")).twice])
    assert ENGINE.dataframe(pipeline, {"y": [1, 2]}, "y").to_pydict() == {
        "x": [2, 3],
        "doubled": [4, 6],
    }


def test_objects_of_fused_nodes_go_to_processes() -> None:
    several = [Node(lambda x: [x], "a"), Node(lambda x: (x,), "b"), Node(lambda x: x, "c")]
    both = Node(lambda a, b, x: (a, b, x), "both", daft=PROCESS)
    one = Node(lambda c: {c}, "one", daft=PROCESS)
    made = frame([*several, both, one], 2)
    assert made["both"] == [([0], (0,), 0), ([1], (1,), 1)]
    assert made["one"] == [{0}, {1}]


def test_columns_of_native_nodes_are_there_what_they_are_here(
    node_library: Callable[[str], Path],
) -> None:
    @node(output_name="seen", daft=PROCESS)
    def look(counts: Any) -> Any:
        return type(counts).__name__, counts

    pipeline = Pipeline([load(node_library("nodes_a")).count, look])
    words = {"words": [["a", "b", "a"], []]}
    made = ENGINE.dataframe(pipeline, words, "words", output_name="seen").to_pydict()
    assert made == {"seen": [("dict", {"a": 2, "b": 1}), ("dict", {})]}


def test_a_node_of_constants_has_as_many_rows() -> None:
    made = frame([bounds, plain, Node(lambda width: width * 2, "twice", daft=PROCESS)], 3, width=4)
    assert made["twice"] == [8, 8, 8]


def test_a_stateful_object_is_made_once_in_each_process(tmp_path: Path) -> None:
    log = tmp_path / "made"
    made = frame([Node(Model(str(log)), "y", daft={"batch_size": 1})], rows=20)
    assert log.read_text().split() == [str(process) for process in set(made["y"])]
    assert HERE not in made["y"]


def test_processes_use_the_cache(tmp_path: Path) -> None:
    pipeline = Pipeline([place], cache=DiskCache(tmp_path))
    first = ENGINE.dataframe(pipeline, {"x": [1, 2]}, "x").to_pydict()
    assert ENGINE.dataframe(pipeline, {"x": [1, 2]}, "x").to_pydict() == first


def test_an_error_of_a_process_names_the_node() -> None:
    @node(output_name="y", daft=PROCESS)
    def fail(x: int) -> int:
        raise KeyError("seven")

    with pytest.raises(Exception, match=r"(?s)KeyError.*seven.*node 'fail', row 0"):
        frame([fail], 1)


def test_max_concurrency_in_this_process() -> None:
    now, most, lock = 0, 0, threading.Lock()

    @node(output_name="y", daft={"max_concurrency": 1, "batch_size": 1})
    def visit(x: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.002)
        with lock:
            now -= 1
        return x

    assert frame([visit], 20)["y"] == list(range(20))
    assert most == 1


def test_daft_is_asked_for_resources() -> None:
    @node(output_name="y", daft={"gpus": 1, "batch_size": 7, "name": "scoring"})
    def score(x: int) -> int:
        return x

    text = ENGINE.plan(Pipeline([score])).daft
    assert "scoring" in text
    assert "num_gpus = 1" in text
    assert "7" in text.rpartition("scoring")[2]


def test_run_and_map_go_by_the_strictest() -> None:
    pipeline = Pipeline([place, plain, after], ENGINE)
    [row] = pipeline.map({"x": [1]}, "x")
    assert row["place"] == row["plain"] != HERE
    inner = Pipeline([place], name="inner").as_node(map_over="x")
    assert HERE not in Pipeline([inner], ENGINE).run({"x": [1, 2]})["place"]


def test_other_engines_and_keys_ignore_them() -> None:
    assert Pipeline([place]).run({"x": 1}) == {"place": HERE}
    bare = Node(place.func, "place")
    assert bare.code_hash == place.code_hash
    assert (bare.daft, place.daft["batch_size"]) == ({}, 2)


def test_nodes_keep_them_when_they_travel() -> None:
    dual = DualNode("y", abs, abs, daft={"gpus": 1})
    batch = node("y", batch=True, daft={"cpus": 2})(abs)
    assert pickle.loads(pickle.dumps(dual)).daft == {"gpus": 1}
    assert pickle.loads(pickle.dumps(batch)).daft == {"cpus": 2}
    assert pickle.loads(pickle.dumps(place)).daft == place.daft


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"gpu": 1}, "Unknown option 'gpu'"),
        ({"max_workers": 1}, "Unknown option 'max_workers'"),
        ({"cpus": -1}, "cpus must be a number, at least 0, got -1"),
        ({"name": ""}, "name must be a text"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text) as caught:
        node(output_name="y", daft=options)(lambda x: x)
    assert "node '<lambda>', daft=..." in str(caught.value)
