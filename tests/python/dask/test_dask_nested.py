"""Pipelines inside others, with Dask around them, inside them, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, DiskCache, Pipeline, PipelineCallback, SequentialEngine, node
from hypernodes.engines import DaskEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypernodes.protocols import Engine

dask_callbacks = pytest.importorskip("dask.callbacks")
pytestmark = pytest.mark.timeout(60)

ENGINES: dict[str, Callable[[], Engine]] = {
    "sequential": SequentialEngine,
    "threads": lambda: DaskEngine(num_workers=2),
    "synchronous": lambda: DaskEngine("synchronous"),
    "daft": DaftEngine,
}


@node(output_name="doubled")
def double(x: int) -> int:
    if x == 13:
        raise ValueError("unlucky")
    return x * 2


@node(output_name="total")
def add_up(results: list[int]) -> int:
    return sum(results)


def make(inner_engine: Engine | None, **settings: Any) -> Pipeline:
    inner = Pipeline([double], engine=inner_engine, name="inner")
    mapped = inner.as_node(
        input_mapping={"items": "x"}, output_mapping={"doubled": "results"}, map_over="items"
    )
    return Pipeline([mapped, add_up], name="outer", **settings)


@pytest.fixture(params=ENGINES)
def outer(request: pytest.FixtureRequest) -> Engine:
    if request.param == "daft":
        pytest.importorskip("daft")
    return ENGINES[request.param]()


@pytest.fixture(params=ENGINES)
def inner(request: pytest.FixtureRequest) -> Engine:
    if request.param == "daft":
        pytest.importorskip("daft")
    return ENGINES[request.param]()


@pytest.fixture
def tasks() -> Iterator[list[int]]:
    """The number of tasks of each graph that Dask computes."""
    counts: list[int] = []
    with dask_callbacks.Callback(start=lambda graph: counts.append(len(graph))):
        yield counts


class Recorder(PipelineCallback):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_node_start(self, node_id: str, inputs: Any, ctx: Any) -> None:
        self.lines.append(f"start {node_id} at depth {ctx.depth}")

    def on_map_start(self, total: int, ctx: Any) -> None:
        self.lines.append(f"map of {total} at depth {ctx.depth}")

    def on_error(self, node_id: str, error: Exception, ctx: Any) -> None:
        self.lines.append(f"error {node_id}: {error}")


def test_any_engine_inside_any_other(outer: Engine, inner: Engine) -> None:
    pipeline = make(inner)
    assert pipeline.run({"items": [1, 2, 3]}, engine=outer) == {"results": [2, 4, 6], "total": 12}
    items = [[100 + i] * (i % 4) for i in range(40)]
    rows = pipeline.map({"items": items}, "items", engine=outer)
    assert [row["total"] for row in rows] == [2 * sum(each) for each in items]


def test_failure_has_the_row_of_the_outer_map(outer: Engine, inner: Engine) -> None:
    with pytest.raises(ValueError, match="unlucky") as caught:
        make(inner).map({"items": [[1], [], [2, 3], [4, 13], [13]]}, "items", engine=outer)
    assert caught.value.__notes__ == ["hypernodes: node 'double', row 3"]
    plain = Pipeline([Pipeline([double], engine=inner).as_node()])
    with pytest.raises(ValueError, match="unlucky") as caught:
        plain.map({"x": [1, 2, 13, 13]}, "x", engine=outer)
    assert caught.value.__notes__ == ["hypernodes: node 'double', row 2"]


def test_events_are_those_of_the_sequential_engine(outer: Engine, inner: Engine) -> None:
    seen = []
    for around, inside in ((SequentialEngine(), None), (outer, inner)):
        recorder = Recorder()
        pipeline = make(inside, callbacks=[recorder])
        pipeline.run({"items": [1, 2]}, engine=around)
        pipeline.map({"items": [[1, 2], [3]]}, "items", engine=around)
        with pytest.raises(ValueError, match="unlucky"):
            pipeline.run({"items": [1, 13]}, engine=around)
        seen.append(recorder.lines)
    assert seen[1][:5] == [
        "start inner at depth 1",
        "map of 2 at depth 1",
        "start double at depth 2",
        "start double at depth 2",
        "start add_up at depth 1",
    ]
    assert sorted(seen[0]) == sorted(seen[1])
    assert seen[1][-2:] == ["error double: unlucky", "error inner: unlucky"]


def test_inner_rows_are_tasks_of_their_own(tasks: list[int]) -> None:
    make(DaskEngine(npartitions=3)).run({"items": list(range(9))})
    assert tasks == [3]


def test_inner_callbacks_hear_inner_events_only(outer: Engine) -> None:
    recorder = Recorder()
    pipeline = make(DaskEngine(callbacks=[recorder]))
    pipeline.run({"items": [1, 2]}, engine=outer)
    assert recorder.lines == [
        "map of 2 at depth 1",
        "start double at depth 2",
        "start double at depth 2",
    ]


def test_cache_of_the_outer_pipeline_serves_inner_items(tmp_path: Path, outer: Engine) -> None:
    pipeline = make(DaskEngine(), cache=DiskCache(tmp_path), engine=outer)
    pipeline.run({"items": [1, 2]})
    assert pipeline.last_run.nodes["double"].rows_run == 2
    pipeline.run({"items": [1, 2, 3]})
    assert pipeline.last_run.nodes["double"].rows_run == 1
    assert pipeline.last_run.nodes["double"].rows_cached == 2
