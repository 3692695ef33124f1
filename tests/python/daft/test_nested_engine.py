"""A pipeline inside another, with a Daft engine of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, DiskCache, Pipeline, PipelineCallback, SequentialEngine, node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.daft

threads: set[str] = set()


@node(output_name="doubled")
def double(x: int) -> int:
    if x == 13:
        raise ValueError("unlucky")
    threads.add(threading.current_thread().name)
    return x * 2


@node(output_name="total")
def add_up(results: list[int]) -> int:
    assert threading.current_thread() is threading.main_thread()
    return sum(results)


def outer(**settings: Any) -> Pipeline:
    inner = Pipeline(nodes=[double], engine=DaftEngine(), name="inner")
    return Pipeline(
        nodes=[
            inner.as_node(
                input_mapping={"items": "x"},
                output_mapping={"doubled": "results"},
                map_over="items",
            ),
            add_up,
        ],
        name="outer",
        **settings,
    )


class Recorder(PipelineCallback):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_node_start(self, node_id: str, inputs: Any, ctx: Any) -> None:
        self.lines.append(f"start {node_id} at depth {ctx.depth}")

    def on_node_cached(self, node_id: str, signature: str, ctx: Any) -> None:
        self.lines.append(f"cached {node_id} at depth {ctx.depth}")

    def on_map_start(self, total: int, ctx: Any) -> None:
        self.lines.append(f"map of {total}")

    def on_error(self, node_id: str, error: Exception, ctx: Any) -> None:
        self.lines.append(f"error {node_id}: {error}")


def test_inner_rows_run_on_daft_and_outer_ones_here() -> None:
    threads.clear()
    assert outer().run({"items": [1, 2, 3]}) == {"results": [2, 4, 6], "total": 12}
    assert threads
    assert threading.main_thread().name not in threads


def test_every_outer_item_of_a_map() -> None:
    rows = outer().map({"items": [[1], [], [2, 3]]}, map_over="items")
    assert rows == [
        {"results": [2], "total": 2},
        {"results": [], "total": 0},
        {"results": [4, 6], "total": 10},
    ]


def test_cache_of_the_outer_pipeline_serves_inner_items(tmp_path: Path) -> None:
    pipeline = outer(cache=DiskCache(tmp_path))
    pipeline.run({"items": [1, 2]})
    assert pipeline.last_run.nodes["double"].rows_run == 2
    pipeline.run({"items": [1, 2, 3]})
    assert pipeline.last_run.nodes["double"].rows_run == 1
    assert pipeline.last_run.nodes["double"].rows_cached == 2
    sequential = outer(cache=DiskCache(tmp_path)).nodes[0].pipeline.with_engine(SequentialEngine())
    sequential.with_cache(DiskCache(tmp_path)).run({"x": 3})
    assert sequential.last_run.nodes["double"].rows_cached == 1


def test_callbacks_of_the_outer_pipeline_see_inner_nodes() -> None:
    recorder = Recorder()
    outer(callbacks=[recorder]).run({"items": [1, 2]})
    assert recorder.lines == [
        "start inner at depth 1",
        "map of 2",
        "start double at depth 2",
        "start double at depth 2",
        "start add_up at depth 1",
    ]


def test_failure_inside_comes_out_as_itself_with_its_node() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="unlucky") as caught:
        outer(callbacks=[recorder]).run({"items": [1, 13]})
    assert any("double" in note for note in caught.value.__notes__)
    assert recorder.lines[-2:] == ["error double: unlucky", "error inner: unlucky"]


def test_daft_inside_daft_runs_in_place() -> None:
    pipeline = outer().with_engine(DaftEngine())
    inner = Pipeline(nodes=[double], engine=DaftEngine(), name="inner")
    nested = Pipeline(nodes=[inner.as_node(map_over="x")], engine=DaftEngine())
    rows = nested.map({"x": [[1, 2], [3]]}, map_over="x")
    assert rows == [{"doubled": [2, 4]}, {"doubled": [6]}]
    with pytest.raises(AssertionError):
        pipeline.run({"items": [1]})  # add_up insists on the main thread
