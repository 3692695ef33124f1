# SPDX-License-Identifier: MIT
"""What several threads need at once, one of them computes: the others wait and take the record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hypernodes import DiskCache, Pipeline, PipelineCallback, node
from hypernodes.cache import Cache
from hypernodes.engines import DaftEngine, SequentialEngine
from hypernodes.integrations.dask import DaskEngine

pytestmark = pytest.mark.timeout(120)

LONG = 60  # seconds: a deadlock, not a slow machine
MOMENT = 0.2  # seconds in which a thread that does not wait would be done


class Gate:
    """A node function's side of a test: tells that a call has begun, and stays in it."""

    def __init__(self) -> None:
        self.calls: Counter[Any] = Counter()
        self.begun = threading.Event()
        self.open = threading.Event()
        self.fail = False

    def __cache_key__(self) -> str:
        return "gate"

    def __call__(self, x: Any) -> None:
        self.calls[x] += 1
        first = not self.begun.is_set()
        self.begun.set()
        assert self.open.wait(LONG)
        if first and self.fail:
            raise KeyError("the first call fails")


gate = Gate()


@pytest.fixture(autouse=True)
def fresh_gate() -> None:
    gate.__init__()  # type: ignore[misc]


@node(output_name="y")
def slow(x: int) -> int:
    gate(x)
    return x + 1


@node(output_name="y")
def slow_function(x: int) -> Callable[[], int]:
    gate(x)
    return lambda: x


@node(output_name="y")
async def slow_async(x: int) -> int:
    gate(x)
    await asyncio.sleep(0)
    return x + 1


@node(output_name="y", batch=True)
def slow_batch(x: list[int]) -> list[int]:
    gate(tuple(x))
    return [item + 1 for item in x]


def two(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Future[Any], Future[Any]]:
    """Runs both: the second begins when the first is inside a node, which then goes on."""
    with ThreadPoolExecutor(2) as pool:
        owner = pool.submit(first)
        assert gate.begun.wait(LONG)
        waiter = pool.submit(second)
        with pytest.raises(TimeoutError):
            waiter.result(MOMENT)
        gate.open.set()
    return owner, waiter


def test_the_same_run_in_two_threads_is_computed_once(tmp_path: Path) -> None:
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: pipeline.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert owner.result() == waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


def test_caches_of_one_directory_share_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    one = Pipeline([slow], cache=DiskCache(tmp_path / "cache"))
    other = Pipeline([slow], cache=DiskCache(tmp_path / "link" / ".." / "cache"))
    owner, waiter = two(lambda: one.run({"x": 1}), lambda: other.run({"x": 1}))
    assert owner.result() == waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


def test_caches_of_two_directories_do_not_share(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    @node(output_name="y")
    def meet(x: int) -> int:
        both.wait(LONG)
        return x

    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(Pipeline([meet], cache=DiskCache(tmp_path / name)).run, {"x": 1})
            for name in "ab"
        ]
    assert [run.result() for run in runs] == [{"y": 1}] * 2


class DictCache(Cache):
    """A cache as a user writes one."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}

    def get(self, signature: str) -> Any:
        return self.stored[signature]

    def put(self, signature: str, output: Any) -> None:
        self.stored[signature] = output

    def has(self, signature: str) -> bool:
        return signature in self.stored

    def clear(self) -> None:
        self.stored.clear()


def test_runs_with_one_cache_object_of_the_user_s_share() -> None:
    cache = DictCache()
    owner, waiter = two(
        lambda: Pipeline([slow], cache=cache).run({"x": 1}),
        lambda: Pipeline([slow], cache=cache).run({"x": 1}),
    )
    assert owner.result() == waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


class Told(PipelineCallback):
    def __init__(self) -> None:
        self.names: list[str] = []

    def on_node_start(self, node_id: str, inputs: Any, ctx: Any) -> None:
        self.names.append("start")

    def on_node_cached(self, node_id: str, signature: str, ctx: Any) -> None:
        self.names.append("cached")


def test_a_row_of_another_run_counts_as_cached(tmp_path: Path) -> None:
    told = Told()
    owner = Pipeline([slow], cache=DiskCache(tmp_path))
    waiter = Pipeline([slow], cache=DiskCache(tmp_path), callbacks=[told])

    def counts(pipeline: Pipeline) -> tuple[int, int]:
        pipeline.map({"x": [1]}, "x")
        done = pipeline.last_run.nodes["slow"]  # of this thread
        return done.rows_run, done.rows_cached

    ran, waited = two(lambda: counts(owner), lambda: counts(waiter))
    assert (ran.result(), waited.result()) == ((1, 0), (0, 1))
    assert told.names == ["cached"]


def test_when_the_owner_fails_the_waiter_computes(tmp_path: Path) -> None:
    gate.fail = True
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: pipeline.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert isinstance(owner.exception(), KeyError)
    assert waiter.result() == {"y": 2}
    assert gate.calls == {1: 2}


def test_when_a_callback_of_the_owner_raises_its_result_still_counts(tmp_path: Path) -> None:
    class Raises(PipelineCallback):
        def on_node_end(self, *_: Any) -> None:
            raise RuntimeError("callback")

    failing = Pipeline([slow], cache=DiskCache(tmp_path), callbacks=[Raises()])
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: failing.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert isinstance(owner.exception(), RuntimeError)
    assert waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


def test_when_a_callback_stops_the_owner_before_its_call_the_waiter_computes(
    tmp_path: Path,
) -> None:
    class Raises(PipelineCallback):
        def on_node_start(self, *_: Any) -> None:
            gate.begun.set()
            assert gate.open.wait(LONG)
            raise RuntimeError("callback")

    failing = Pipeline([slow], cache=DiskCache(tmp_path), callbacks=[Raises()])
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: failing.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert isinstance(owner.exception(), RuntimeError)
    assert waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


@pytest.mark.filterwarnings("ignore:.*is not cached")
def test_a_result_that_cannot_be_stored_is_computed_by_each(tmp_path: Path) -> None:
    pipeline = Pipeline([slow_function], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: pipeline.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert owner.result()["y"]() == waiter.result()["y"]() == 1
    assert gate.calls == {1: 2}


def test_nodes_of_nested_pipelines_are_computed_once(tmp_path: Path) -> None:
    inner = Pipeline([slow], name="inner")
    pipeline = Pipeline([inner.as_node()], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: pipeline.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert owner.result() == waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


def test_async_nodes_are_computed_once(tmp_path: Path) -> None:
    pipeline = Pipeline([slow_async], cache=DiskCache(tmp_path))
    owner, waiter = two(lambda: pipeline.run({"x": 1}), lambda: pipeline.run({"x": 1}))
    assert owner.result() == waiter.result() == {"y": 2}
    assert gate.calls == {1: 1}


def test_equal_async_nodes_of_one_row_are_computed_once(tmp_path: Path) -> None:
    async def work(x: int) -> int:
        gate.calls[x] += 1
        await asyncio.sleep(0)
        return x + 1

    nodes = [node(output_name=name)(work) for name in ("a", "b")]
    assert Pipeline(nodes, cache=DiskCache(tmp_path)).run({"x": 1}) == {"a": 2, "b": 2}
    assert gate.calls == {1: 1}


def test_a_batch_takes_from_another_what_that_has_in_work(tmp_path: Path) -> None:
    pipeline = Pipeline([slow_batch], cache=DiskCache(tmp_path))
    owner, waiter = two(
        lambda: pipeline.map({"x": [1, 2]}, "x"), lambda: pipeline.map({"x": [2, 1]}, "x")
    )
    assert owner.result() == [{"y": 2}, {"y": 3}]
    assert waiter.result() == [{"y": 3}, {"y": 2}]
    assert gate.calls == {(1, 2): 1}


@pytest.mark.parametrize("engine", [SequentialEngine(), DaskEngine(num_workers=2), DaftEngine()])
def test_overlapping_maps_compute_each_row_once(engine: Any, tmp_path: Path) -> None:
    calls: Counter[int] = Counter()

    @node(output_name="y")
    def work(x: int) -> int:
        calls[x] += 1
        return x * 2

    @node(output_name="z")
    def more(y: int) -> int:
        calls[-y] += 1
        return y + 1

    pipeline = Pipeline([work, more], engine, DiskCache(tmp_path))
    starts = threading.Barrier(4)

    def run(first: int) -> bool:
        items = [(first + i) % 400 for i in range(300)]
        starts.wait(LONG)
        rows = pipeline.map({"x": items}, "x")
        return rows == [{"y": 2 * x, "z": 2 * x + 1} for x in items]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(0, 400, 100)))
    assert set(calls.values()) == {1, 2}  # 0 is its own double
    assert sum(calls.values()) == 800


@pytest.mark.parametrize("engine", [DaskEngine(num_workers=4), DaftEngine()])
def test_equal_rows_in_different_parts_are_computed_once(engine: Any, tmp_path: Path) -> None:
    calls: Counter[int] = Counter()
    threads: set[int] = set()
    others = threading.Barrier(2)

    @node(output_name="y")
    def work(x: int) -> int:
        calls[x] += 1
        threads.add(threading.get_ident())
        if x < 2:  # in two parts: neither is done before the other has begun
            others.wait(LONG)
        return x

    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    items = [0, *[5] * 1999, 1]
    pipeline = Pipeline([work], engine, DiskCache(tmp_path))
    assert pipeline.map({"x": items}, "x") == [{"y": x} for x in items]
    assert calls == {0: 1, 1: 1, 5: 1}
    assert len(threads) > 1
    assert pipeline.last_run.nodes["work"].rows_cached == len(items) - 3


@pytest.mark.parametrize("engine", [SequentialEngine(), DaskEngine(num_workers=2), DaftEngine()])
def test_functions_that_need_rows_of_each_other_do_not_wait_in_a_circle(
    engine: Any, tmp_path: Path
) -> None:
    pipelines: list[Pipeline] = []

    @node(output_name="fib")
    def fib(n: int) -> int:
        if n < 2:
            return n
        return sum(pipelines[0].run({"n": n - i})["fib"] for i in (1, 2))

    pipelines.append(Pipeline([fib], engine, DiskCache(tmp_path)))
    starts = threading.Barrier(2)

    def run(ns: Sequence[int]) -> list[int]:
        starts.wait(LONG)
        return [row["fib"] for row in pipelines[0].map({"n": ns}, "n")]

    with ThreadPoolExecutor(2) as pool:
        up, down = pool.map(run, [range(15), range(14, -1, -1)])
    assert up == down[::-1] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377]


def test_a_recursive_function_computes_each_row_once(tmp_path: Path) -> None:
    calls: Counter[int] = Counter()
    pipelines: list[Pipeline] = []

    @node(output_name="fib")
    def fib(n: int) -> int:
        calls[n] += 1
        return n if n < 2 else sum(pipelines[0].run({"n": n - i})["fib"] for i in (1, 2))

    pipelines.append(Pipeline([fib], cache=DiskCache(tmp_path)))
    assert [row["fib"] for row in pipelines[0].map({"n": [8, 7, 6]}, "n")] == [21, 13, 8]
    assert calls == dict.fromkeys(range(9), 1)


def test_a_callback_that_runs_what_another_thread_runs_does_not_wait(tmp_path: Path) -> None:
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))

    class Runs(PipelineCallback):
        def on_pipeline_start(self, *_: Any) -> None:
            gate.open.set()
            assert pipeline.run({"x": 1}) == {"y": 2}

    @node(output_name="z")
    def other(x: int) -> int:
        return x

    with ThreadPoolExecutor(1) as pool:
        owner = pool.submit(pipeline.run, {"x": 1})
        assert gate.begun.wait(LONG)
        Pipeline([other], callbacks=[Runs()]).run({"x": 5})
        assert owner.result(LONG) == {"y": 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_no_claims_of_its_parent(tmp_path: Path) -> None:
    pipeline = Pipeline([slow], cache=DiskCache(tmp_path))
    with ThreadPoolExecutor(1) as pool:
        owner = pool.submit(pipeline.run, {"x": 1})
        assert gate.begun.wait(LONG)
        child = os.fork()
        if child == 0:
            gate.open.set()
            os._exit(0 if pipeline.run({"x": 1}) == {"y": 2} else 1)
        assert os.waitpid(child, 0)[1] == 0
        gate.open.set()
        assert owner.result() == {"y": 2}


INTERRUPTED = """
import os, sys, signal, threading
from hypernodes import DiskCache, Pipeline, node

begun, done = threading.Event(), threading.Event()

@node(output_name="y")
def slow(x):
    begun.set()
    done.wait(60)
    return x

pipeline = Pipeline([slow], cache=DiskCache(sys.argv[1]))
owner = threading.Thread(target=pipeline.run, args=({"x": 1},))
owner.start()
begun.wait(60)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    pipeline.run({"x": 1})
except KeyboardInterrupt:
    print("interrupted", done.is_set())
done.set()
owner.join()
print(pipeline.run({"x": 1}))
"""


def test_an_interrupt_ends_the_wait(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
    )
    assert done.stdout.splitlines() == ["interrupted False", "{'y': 1}"]
