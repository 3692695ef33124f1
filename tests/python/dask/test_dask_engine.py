"""The Dask engine in this process: the sequential engine's answers, as tasks of a Dask graph."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    ExecutionError,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    load,
    node,
)
from hypernodes.cache import DiskCache
from hypernodes.engines import DaskEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

dask_callbacks = pytest.importorskip("dask.callbacks")


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


@pytest.fixture(params=["threads", "synchronous"])
def engine(request: pytest.FixtureRequest) -> DaskEngine:
    return DaskEngine(scheduler=request.param, num_workers=3)


@pytest.fixture
def tasks() -> Iterator[list[int]]:
    """The number of tasks of each graph that Dask computes."""
    counts: list[int] = []
    with dask_callbacks.Callback(start=lambda graph: counts.append(len(graph))):
        yield counts


def test_answers_are_those_of_the_sequential_engine(engine: DaskEngine) -> None:
    inner = Pipeline([double, add_ten], name="inner")
    several = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"result": "results"}, map_over="xs"
    )
    offsets = {"x": [1, 2], "offset": [10, 20, 30]}
    cases: list[tuple[Pipeline, dict[str, Any], dict[str, Any]]] = [
        (Pipeline([double, add_ten]), {"x": [1, 2, 3]}, {"map_over": "x"}),
        (Pipeline([double, add_ten]), {"x": range(100)}, {"map_over": ["x"]}),
        (Pipeline([double, add_ten]), {"x": []}, {"map_over": "x"}),
        (Pipeline([double, add_ten]), {"x": [1, 2]}, {"map_over": "x", "output_name": "result"}),
        (Pipeline([double, add_ten]), {"x": [1, 2]}, {"map_over": "x", "output_name": []}),
        (Pipeline([double, add_ten]), {"x": [1, 2]}, {"map_over": "x", "outputs": "columns"}),
        (Pipeline([split]), {"x": ["ab", "cd"]}, {"map_over": "x"}),
        (Pipeline([double, total]), {"x": [1, 2]}, {"map_over": "x"}),
        (Pipeline([double, total]), {"x": [1, 2], "offset": 5}, {"map_over": "x"}),
        (Pipeline([double, total]), offsets, {"map_over": ["x", "offset"], "map_mode": "product"}),
        (Pipeline([same]).bind(x=1), {"y": [1, 2]}, {"map_over": "y"}),
        (Pipeline([several]), {"xs": [[1], [], [2, 3]]}, {"map_over": "xs"}),
        (Pipeline([]), {"x": [1, 2]}, {"map_over": "x"}),
    ]
    for pipeline, inputs, options in cases:
        expected = pipeline.map(inputs, engine=SequentialEngine(), **options)
        assert pipeline.map(inputs, engine=engine, **options) == expected
    assert Pipeline([double, add_ten], engine=engine).run({"x": 5}) == {"doubled": 10, "result": 20}
    assert Pipeline([several], engine=engine).run({"xs": [1, 2]}) == {"results": [12, 14]}
    assert Pipeline([double], engine=engine).run({"x": 5}, output_name=[]) == {}


def test_python_objects_travel_by_reference(engine: DaskEngine) -> None:
    thing = object()
    items = [thing, (1, 2), 2**70, None, float("nan"), {"a": {1}}, threading.Lock()]
    results = Pipeline([same], engine=engine).map({"x": items}, "x", outputs="columns")["same"]
    assert all(result is item for result, item in zip(results, items, strict=True))
    assert Pipeline([same], engine=engine).run({"x": thing})["same"] is thing


def test_order_of_many_rows_is_kept(engine: DaskEngine) -> None:
    results = Pipeline([double], engine=engine).map({"x": range(50_000)}, "x", outputs="columns")
    assert results == {"doubled": [2 * i for i in range(50_000)]}


def test_ranges_of_rows_are_the_tasks(tasks: list[int], tmp_path: Path) -> None:
    pipeline = Pipeline([double, add_ten])
    pipeline.run({"x": 1}, engine=DaskEngine())
    pipeline.map({"x": range(1000)}, "x", engine=DaskEngine(npartitions=7))
    pipeline.map({"x": range(3)}, "x", engine=DaskEngine(npartitions=7))
    pipeline.map({"x": []}, "x", engine=DaskEngine(npartitions=7))
    cached = pipeline.with_cache(DiskCache(tmp_path))
    cached.map({"x": range(9)}, "x", engine=DaskEngine(npartitions=7))
    assert tasks == [1, 7, 3, 7]


def test_more_tasks_for_nodes_that_wait(tasks: list[int]) -> None:
    for workload in ("cpu", "mixed", "io"):
        Pipeline([double], engine=DaskEngine(workload_type=workload)).map({"x": range(5000)}, "x")
    assert tasks[0] < tasks[1] < tasks[2]


def test_rows_run_on_as_many_threads_as_asked_for() -> None:
    together = threading.Barrier(4)

    @node(output_name="y")
    def meet(x: int) -> int:
        together.wait(timeout=60)  # nobody goes on before four rows have begun
        return x

    rows = Pipeline([meet], engine=DaskEngine(num_workers=4)).map({"x": range(4)}, "x")
    assert [row["y"] for row in rows] == [0, 1, 2, 3]


def test_only_needed_nodes_run(engine: DaskEngine) -> None:
    ran: list[str] = []

    @node(output_name="unused")
    def unused(x: int) -> int:
        ran.append("unused")
        return x

    pipeline = Pipeline([double, unused], engine=engine)
    assert pipeline.run({"x": 1}, output_name="doubled") == {"doubled": 2}
    assert pipeline.map({"x": [1]}, "x", output_name="doubled") == [{"doubled": 2}]
    assert ran == []


def test_exception_comes_out_as_itself_with_a_note(engine: DaskEngine) -> None:
    pipeline = Pipeline([fail_at_three], engine=engine)
    with pytest.raises(KeyError, match="three") as caught:
        pipeline.map({"x": [1, 3, 2, 3]}, "x")
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three', row 1"]
    with pytest.raises(KeyError, match="three") as caught:
        pipeline.run({"x": 3})
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three'"]


def test_lowest_failing_row_is_told_though_a_later_one_was_first() -> None:
    later_failed = threading.Event()

    @node(output_name="y")
    def fail(x: int) -> int:
        if x == 1:
            assert later_failed.wait(timeout=60)
        if x == 2:
            later_failed.set()
        if x > 0:
            raise ValueError(f"row {x}")
        return x

    with pytest.raises(ValueError, match="row 1"):
        Pipeline([fail], engine=DaskEngine(num_workers=3)).map({"x": range(3)}, "x")


def test_no_row_begins_after_a_failure() -> None:
    ran: list[int] = []

    @node(output_name="y")
    def fail_at_ten(x: int) -> int:
        ran.append(x)
        if x == 10:
            raise ValueError("ten")
        return x

    with pytest.raises(ValueError, match="ten"):
        Pipeline([fail_at_ten], engine=DaskEngine("synchronous", npartitions=50)).map(
            {"x": range(100)}, "x"
        )
    assert ran == list(range(11))


def test_failure_keeps_the_finished_rows_cached(engine: DaskEngine, tmp_path: Path) -> None:
    pipeline = Pipeline([fail_at_three], engine=engine, cache=DiskCache(tmp_path))
    with pytest.raises(KeyError, match="three"):
        pipeline.map({"x": [1, 2, 3, 4]}, "x")
    pipeline.map({"x": [1, 2]}, "x")
    assert pipeline.last_run.nodes["fail_at_three"].rows_cached == 2


def test_cpp_nodes(engine: DaskEngine, node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, add_ten], engine=engine)
    assert pipeline.map({"x": [1, 2]}, "x") == [
        {"doubled": 2, "result": 12},
        {"doubled": 4, "result": 14},
    ]
    native = Pipeline([library.twice, library.fail_at_six], engine=engine)
    with pytest.raises(ExecutionError, match="six is bad") as caught:
        native.map({"x": [1, 2, 3]}, "x")
    assert (caught.value.node, caught.value.row) == ("fail_at_six", 2)


def test_cache_is_shared_with_the_sequential_engine(engine: DaskEngine, tmp_path: Path) -> None:
    calls: list[int] = []

    @node(output_name="y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    pipeline = Pipeline([work], cache=DiskCache(tmp_path))
    rows = pipeline.map({"x": [1, 2, 2, 1]}, "x", engine=engine)
    assert rows == [{"y": 2}, {"y": 3}, {"y": 3}, {"y": 2}]
    assert sorted(calls) == [1, 2]  # equal rows run once
    assert pipeline.map({"x": [1, 2]}, "x", engine=SequentialEngine()) == [{"y": 2}, {"y": 3}]
    assert pipeline.run({"x": 2}, engine=engine) == {"y": 3}
    assert sorted(calls) == [1, 2]
    assert pipeline.last_run.nodes["work"].rows_cached == 1


class Recorder(PipelineCallback):
    """Keeps the name of each hook that is called, and what it is told first."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def counts(self) -> Counter[str]:
        return Counter(hook for hook, _ in self.seen)


def _recording(hook: str) -> Callable[..., None]:
    return lambda self, first, *rest: self.seen.append((hook, first))


for _hook in [name for name in dir(PipelineCallback) if name.startswith("on_")]:
    setattr(Recorder, _hook, _recording(_hook))


def test_events_have_the_sequential_engine_s_counts(engine: DaskEngine, tmp_path: Path) -> None:
    for inputs in ([1, 2, 3, 2], [], [1, 2, 5]):
        seen = []
        for name, each in (("sequential", SequentialEngine()), ("dask", engine)):
            recorder = Recorder()
            cached = Pipeline([double, add_ten], cache=DiskCache(tmp_path / name))
            for pipeline in (Pipeline([double, add_ten]), cached):
                pipeline.with_callbacks([recorder]).map({"x": inputs}, "x", engine=each)
            seen.append(recorder)
        assert seen[0].counts() == seen[1].counts()
        assert seen[1].seen[0] == ("on_map_start", len(inputs))
        assert seen[1].seen[-1][0] == "on_map_end"


def test_events_of_a_run_are_those_of_the_sequential_engine(engine: DaskEngine) -> None:
    seen = []
    for each in (SequentialEngine(), engine):
        recorder = Recorder()
        pipeline = Pipeline([double, add_ten], engine=each, callbacks=[recorder])
        pipeline.run({"x": 1})
        seen.append([(h, None if first == pipeline.id else first) for h, first in recorder.seen])
    assert seen[0] == seen[1]


def test_engine_s_cache_and_callbacks_serve_pipelines_without(tmp_path: Path) -> None:
    recorder = Recorder()
    engine = DaskEngine(cache=DiskCache(tmp_path), callbacks=[recorder])
    for _ in range(2):
        Pipeline([double], engine=engine).run({"x": 1})
    counts = recorder.counts()
    assert (counts["on_node_end"], counts["on_node_cached"]) == (1, 1)


def test_exception_of_a_callback_stops_the_map(engine: DaskEngine) -> None:
    class Stop(PipelineCallback):
        def on_node_end(self, node_id: str, outputs: Any, duration: float, ctx: Any) -> None:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        Pipeline([double], engine=engine, callbacks=[Stop()]).map({"x": [1, 2]}, "x")
    assert not hasattr(caught.value, "__notes__")


def test_incompatible_callback_is_refused() -> None:
    class Picky(PipelineCallback):
        supported_engines = ("SeqEngine",)

    with pytest.raises(ValueError, match="not compatible with engine DaskEngine"):
        Pipeline([double], engine=DaskEngine(), callbacks=[Picky()]).run({"x": 1})


def test_works_inside_a_running_event_loop(engine: DaskEngine) -> None:
    @node(output_name="y")
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    async def main() -> Any:
        return Pipeline([later], engine=engine).map({"x": [1, 2, 3]}, "x")

    assert asyncio.run(main()) == [{"y": 2}, {"y": 3}, {"y": 4}]


def test_threads_share_an_engine() -> None:
    pipeline = Pipeline([double, add_ten], engine=DaskEngine(num_workers=2))
    results: list[Any] = [None] * 4

    def work(i: int) -> None:
        for _ in range(5):
            results[i] = pipeline.map({"x": range(i, i + 20)}, "x")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [rows[0]["doubled"] for rows in results] == [0, 2, 4, 6]
    assert all(len(rows) == 20 for rows in results)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as a terminal has it: programs in the background of a script ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_ends_a_map() -> None:
    ran: list[int] = []
    main = threading.get_ident()

    @node(output_name="y")
    def interrupt(x: int) -> int:
        ran.append(x)
        if x == 0:
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.01)
        return x

    pipeline = Pipeline([interrupt], engine=DaskEngine(num_workers=2, npartitions=50))
    with pytest.raises(KeyboardInterrupt):
        pipeline.map({"x": range(5000)}, "x")
    time.sleep(0.5)  # what was under way ends
    seen = len(ran)
    assert seen < 5000
    time.sleep(0.2)
    assert len(ran) == seen
    assert pipeline.map({"x": [1]}, "x") == [{"y": 1}]


def test_errors_of_the_call_are_told_before_dask_is_asked(tasks: list[int]) -> None:
    pipeline = Pipeline([double], engine=DaskEngine())
    with pytest.raises(ValueError, match="Missing required input"):
        pipeline.run({})
    with pytest.raises(ValueError, match="not found in pipeline"):
        pipeline.run({"x": 1}, output_name="nope")
    with pytest.raises(ValueError, match="not found in inputs"):
        pipeline.map({"x": [1]}, map_over="z")
    assert tasks == []


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Unknown scheduler 'greenlets'[^$]*'processes'"):
        DaskEngine(scheduler="greenlets")
    with pytest.raises(ValueError, match="Unknown workload_type 'disk'"):
        DaskEngine(workload_type="disk")
    with pytest.raises(ValueError, match="num_workers must be at least 1, got 0"):
        DaskEngine(num_workers=0)
    with pytest.raises(ValueError, match="npartitions must be at least 1, got -1"):
        DaskEngine(npartitions=-1)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("distributed") is None:
        with pytest.raises(ImportError, match=r"distributed[^$]*pip install distributed"):
            DaskEngine(scheduler="distributed")
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"Dask engine[^$]*pip install 'hypernodes\[dask\]'"):
        DaskEngine()


def test_dask_is_loaded_when_an_engine_is_made_and_not_before() -> None:
    code = (
        "import sys, hypernodes.engines; from hypernodes.integrations.dask import DaskEngine;"
        "assert DaskEngine is hypernodes.engines.DaskEngine; assert 'dask' not in sys.modules;"
        "DaskEngine(); assert 'dask' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_engine_can_be_called_directly_subclassed_and_pickled() -> None:
    engine = pickle.loads(pickle.dumps(Mine(num_workers=2)))
    assert engine.num_workers == 2
    assert engine.run(Pipeline([double]), {"x": 2}) == {"doubled": 4}
    assert engine.map(Pipeline([double]), {"x": [2]}, "x") == [{"doubled": 4}]
    assert repr(engine) == "Mine()"


class Mine(DaskEngine):
    pass
