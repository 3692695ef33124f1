"""The Daft engine's run and map: the sequential engine's answers, inside a Daft query."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DaftEngine,
    ExecutionError,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    load,
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


@node(output_name=("head", "tail"))
def split(x: Any) -> tuple[Any, Any]:
    return x[0], x[1:]


@node(output_name="total")
def total(doubled: int, offset: int = 1) -> int:
    return doubled + offset


@node(output_name="same")
def same(x: Any) -> Any:
    return x


@node(output_name="checked")
def fail_at_three(x: int) -> int:
    if x == 3:
        raise KeyError("three")
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


def test_v2_returns_columns_and_either_engine_what_is_asked() -> None:
    pipeline = Pipeline([double, add_ten])
    columns = {"doubled": [2, 4], "result": [12, 14]}
    assert pipeline.map({"x": [1, 2]}, "x", engine=DaftEngineV2()) == columns
    assert pipeline.map({"x": [1, 2]}, "x", engine=DaftEngine(), outputs="columns") == columns
    records = pipeline.map({"x": [1, 2]}, "x", engine=DaftEngineV2(), outputs="records")
    assert records == [{"doubled": 2, "result": 12}, {"doubled": 4, "result": 14}]


def test_empty_map() -> None:
    pipeline = Pipeline([double, add_ten])
    assert pipeline.map({"x": []}, "x", engine=DaftEngine()) == []
    assert pipeline.map({"x": []}, "x", engine=DaftEngineV2()) == {"doubled": [], "result": []}


def test_nothing_asked_for_runs_nothing() -> None:
    assert Pipeline([double], engine=DaftEngine()).run({"x": 1}, output_name=[]) == {}


def test_python_objects_travel_by_reference() -> None:
    thing = object()
    items = [thing, (1, 2), 2**70, None, float("nan"), {"a": {1}}]
    results = Pipeline([same], engine=DaftEngineV2()).map({"x": items}, "x")["same"]
    assert all(result is item for result, item in zip(results, items, strict=True))
    assert Pipeline([same], engine=DaftEngine()).run({"x": thing})["same"] is thing


def test_several_outputs_defaults_and_broadcast_inputs() -> None:
    pair = Pipeline([split], engine=DaftEngineV2())
    assert pair.map({"x": ["ab", "cd"]}, "x") == {"head": ["a", "c"], "tail": ["b", "d"]}
    numbers = Pipeline([double, total], engine=DaftEngineV2())
    assert numbers.map({"x": [1, 2]}, "x")["total"] == [3, 5]
    assert numbers.map({"x": [1, 2], "offset": 100}, "x")["total"] == [102, 104]


def test_product_varies_the_last_name_fastest() -> None:
    pipeline = Pipeline([double, total])
    given = {"x": [1, 2], "offset": [10, 20, 30]}
    expected = pipeline.map(given, ["x", "offset"], "product", engine=SequentialEngine())
    assert pipeline.map(given, ["x", "offset"], "product", engine=DaftEngine()) == expected
    assert [row["total"] for row in expected] == [12, 22, 32, 14, 24, 34]


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


@pytest.mark.parametrize("engine", [SequentialEngine, DaftEngine])
def test_python_exception_comes_out_as_itself_with_a_note(engine: type) -> None:
    pipeline = Pipeline([fail_at_three], engine=engine())
    with pytest.raises(KeyError, match="three") as caught:
        pipeline.map({"x": [1, 3, 2, 3]}, "x")
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three', row 1"]
    with pytest.raises(KeyError, match="three"):
        pipeline.run({"x": 3})


def test_failure_keeps_the_finished_rows_cached(tmp_path: Path) -> None:
    pipeline = Pipeline([fail_at_three], engine=DaftEngine(), cache=DiskCache(tmp_path))
    with pytest.raises(KeyError, match="three"):
        pipeline.map({"x": [1, 2, 3, 4]}, "x")
    pipeline.map({"x": [1, 2]}, "x")
    assert pipeline.last_run.nodes["fail_at_three"].rows_cached == 2


def test_cpp_nodes_and_python_nodes_mix(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, add_ten], engine=DaftEngineV2())
    assert pipeline.run({"x": 5}) == {"doubled": 10, "result": 20}
    assert pipeline.map({"x": [1, 2]}, "x") == {"doubled": [2, 4], "result": [12, 14]}


def test_failing_cpp_node_is_an_execution_error_on_every_engine(
    node_library: Callable[[str], Path],
) -> None:
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, library.fail_at_six])
    for engine in (SequentialEngine(), DaftEngine()):
        with pytest.raises(ExecutionError, match="six is bad") as caught:
            pipeline.map({"x": [1, 2, 3]}, "x", engine=engine)
        assert (caught.value.node, caught.value.row) == ("fail_at_six", 2)


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


def test_engine_s_cache_and_callbacks_serve_pipelines_without(tmp_path: Path) -> None:
    counts = Counts()
    engine = DaftEngine(cache=DiskCache(tmp_path), callbacks=[counts])
    for _ in range(2):
        Pipeline([double], engine=engine).run({"x": 1})
    assert counts.seen["on_node_end"] == 1
    assert counts.seen["on_node_cached"] == 1


class Counts(PipelineCallback):
    """Counts the calls of every hook."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.order: list[str] = []

    def _note(self, hook: str) -> None:
        self.seen[hook] += 1
        self.order.append(hook)


def _counting(hook: str) -> Callable[..., None]:
    return lambda self, *args: self._note(hook)


for _hook in [name for name in dir(PipelineCallback) if name.startswith("on_")]:
    setattr(Counts, _hook, _counting(_hook))


def test_events_have_the_sequential_engine_s_counts() -> None:
    seen = []
    for engine in (SequentialEngine(), DaftEngine()):
        counts = Counts()
        Pipeline([double, add_ten], engine=engine, callbacks=[counts]).map({"x": [1, 2, 3]}, "x")
        seen.append(counts)
    assert seen[0].seen == seen[1].seen
    assert seen[1].order[0] == "on_map_start"
    assert seen[1].order[-1] == "on_map_end"


def test_events_of_a_run_are_those_of_the_sequential_engine() -> None:
    orders = []
    for engine in (SequentialEngine(), DaftEngine()):
        counts = Counts()
        Pipeline([double, add_ten], engine=engine, callbacks=[counts]).run({"x": 1})
        orders.append(counts.order)
    assert orders[0] == orders[1]


def test_exception_of_a_callback_stops_the_map() -> None:
    class Stop(PipelineCallback):
        def on_node_end(self, node_id: str, outputs: Any, duration: float, ctx: Any) -> None:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        Pipeline([double], engine=DaftEngine(), callbacks=[Stop()]).map({"x": [1, 2]}, "x")


def test_incompatible_callback_is_refused() -> None:
    class Picky(PipelineCallback):
        supported_engines = ("SeqEngine",)

    with pytest.raises(ValueError, match="not compatible with engine DaftEngineV2"):
        Pipeline([double], engine=DaftEngineV2(), callbacks=[Picky()]).run({"x": 1})


def test_nested_pipelines_run_inside_the_query() -> None:
    inner = Pipeline([double, add_ten], name="inner")
    node_ = inner.as_node(
        name="mapped", input_mapping={"xs": "x"}, output_mapping={"result": "rs"}, map_over="xs"
    )
    pipeline = Pipeline([node_], engine=DaftEngine())
    assert pipeline.run({"xs": [1, 2]}) == {"rs": [12, 14]}
    assert pipeline.map({"xs": [[1], [], [2, 3]]}, "xs") == [
        {"rs": [12]},
        {"rs": []},
        {"rs": [14, 16]},
    ]


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


def test_async_nodes_run() -> None:
    @node(output_name="y")
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    assert Pipeline([later], engine=DaftEngineV2()).map({"x": [1, 2]}, "x") == {"y": [2, 3]}


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


def test_engine_can_be_called_directly_and_subclassed() -> None:
    class Mine(DaftEngine):
        pass

    engine = Mine()
    assert engine.run(Pipeline([double]), {"x": 2}) == {"doubled": 4}
    assert engine.map(Pipeline([double]), {"x": [2]}, "x") == [{"doubled": 4}]
    assert repr(engine) == "Mine()"


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
