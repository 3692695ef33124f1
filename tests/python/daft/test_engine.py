"""The Daft engine's run and map: the sequential engine's answers, inside a Daft query."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DaftEngine,
    Pipeline,
    SequentialEngine,
    node,
)
from hypernodes.cache import DiskCache
from hypernodes.integrations.daft import DaftEngineV2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

daft = pytest.importorskip("daft")
pytestmark = pytest.mark.daft


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


@node(output_name="result")
def add_ten(doubled: int) -> int:
    return doubled + 10


@node(output_name="total")
def total(doubled: int, offset: int = 1) -> int:
    return doubled + offset


@node(output_name="same")
def same(x: Any) -> Any:
    return x


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of rows of each query that Daft collects."""
    rows: list[int] = []
    original = daft.DataFrame.collect

    def collect(self: Any, *args: Any, **kwargs: Any) -> Any:
        frame = original(self, *args, **kwargs)
        rows.append(len(frame))
        return frame

    monkeypatch.setattr(daft.DataFrame, "collect", collect)
    return rows


def test_run_is_a_query_of_one_row(queries: list[int]) -> None:
    pipeline = Pipeline([double, add_ten], engine=DaftEngine())
    assert pipeline.run({"x": 5}) == {"doubled": 10, "result": 20}
    assert pipeline.run({"x": 6}, output_name="doubled") == {"doubled": 12}
    assert queries == [1, 1]


def test_map_is_a_query_with_a_row_for_each_item(queries: list[int]) -> None:
    pipeline = Pipeline([double, add_ten], engine=DaftEngine())
    assert pipeline.map({"x": [1, 2, 3]}, map_over="x") == [
        {"doubled": 2, "result": 12},
        {"doubled": 4, "result": 14},
        {"doubled": 6, "result": 16},
    ]
    assert queries == [3]


def test_python_objects_travel_by_reference() -> None:
    thing = object()
    items = [thing, (1, 2), 2**70, None, float("nan"), {"a": {1}}]
    results = Pipeline([same], engine=DaftEngineV2()).map({"x": items}, "x")["same"]
    assert all(result is item for result, item in zip(results, items, strict=True))
    assert Pipeline([same], engine=DaftEngine()).run({"x": thing})["same"] is thing


def test_order_of_many_rows_is_kept() -> None:
    rows = 300_000
    results = Pipeline([double], engine=DaftEngineV2()).map({"x": range(rows)}, "x")
    assert results == {"doubled": [2 * i for i in range(rows)]}


def test_rows_without_a_cache_use_several_threads() -> None:
    threads = set()
    barrier = threading.Barrier(2)

    @node(output_name="y")
    def wait(x: int) -> int:
        if x in (0, 2000):  # in distant parts: neither goes on before the other has begun
            barrier.wait(timeout=30)
        threads.add(threading.get_ident())
        return x

    if daft.get_or_infer_runner_type() != "native" or (__import__("os").cpu_count() or 1) < 2:
        pytest.skip("needs two cores")
    Pipeline([wait], engine=DaftEngine()).map({"x": list(range(2001))}, "x")
    assert len(threads) > 1


def test_cache_is_shared_with_the_sequential_engine(tmp_path: Path) -> None:
    calls: list[int] = []

    @node(output_name="y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    pipeline = Pipeline([work], cache=DiskCache(tmp_path))
    assert pipeline.map({"x": [1, 2, 2, 1]}, "x", engine=DaftEngineV2()) == {"y": [2, 3, 3, 2]}
    assert sorted(calls) == [1, 2]  # equal rows run once
    assert pipeline.map({"x": [1, 2]}, "x", engine=SequentialEngine()) == [{"y": 2}, {"y": 3}]
    assert pipeline.run({"x": 2}, engine=DaftEngine()) == {"y": 3}
    assert sorted(calls) == [1, 2]
    assert pipeline.last_run.nodes["work"].rows_cached == 1


@pytest.mark.timeout(60)
def test_daft_inside_daft_does_not_wait_for_itself() -> None:
    inner = Pipeline([double], name="inner", engine=DaftEngine())
    node_ = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"doubled": "ds"}, map_over="xs"
    )
    pipeline = Pipeline([node_], engine=DaftEngine())
    results = pipeline.map({"xs": [[i, i + 1] for i in range(600)]}, "xs")
    assert results[599] == {"ds": [1198, 1200]}


def test_daft_inside_a_sequential_pipeline_is_a_query(queries: list[int]) -> None:
    inner = Pipeline([double], name="inner", engine=DaftEngine())
    node_ = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"doubled": "ds"}, map_over="xs"
    )
    assert Pipeline([node_]).run({"xs": [1, 2, 3]}) == {"ds": [2, 4, 6]}
    assert queries == [3]


def test_threads_share_an_engine() -> None:
    pipeline = Pipeline([double, add_ten], engine=DaftEngine())
    results: list[Any] = [None] * 4

    def work(i: int) -> None:
        for _ in range(5):
            results[i] = pipeline.map({"x": [i, i + 1]}, "x")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [rows[0]["doubled"] for rows in results] == [0, 2, 4, 6]


def test_errors_of_the_call_are_told_before_daft_is_asked(queries: list[int]) -> None:
    pipeline = Pipeline([double], engine=DaftEngine())
    with pytest.raises(ValueError, match="Missing required input"):
        pipeline.run({})
    with pytest.raises(ValueError, match="not found in pipeline"):
        pipeline.run({"x": 1}, output_name="nope")
    with pytest.raises(ValueError, match="same length"):
        Pipeline([total], engine=DaftEngine()).map(
            {"doubled": [1], "offset": [1, 2]}, ["doubled", "offset"]
        )
    assert queries == []


def test_one_row_costs_little_more_than_daft_itself() -> None:
    pipeline = Pipeline([double, add_ten], engine=DaftEngine())
    source = daft.from_pydict({"x": [1]})
    expression = (daft.col("x") + 1).alias("y")

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(60):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    bare = best(lambda: source.select(expression).collect())
    assert best(lambda: pipeline.run({"x": 1})) < 3 * bare
