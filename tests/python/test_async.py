"""Async nodes: at the same time within a row, and across rows where nodes run batch by batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hypernodes import DiskCache, Pipeline, PipelineCallback, node
from hypernodes._async import complete_rows

# Two that wait for each other end only if they run at the same time.
meeting: asyncio.Barrier


@node("left")
async def left(x):
    await meet(2)
    return x + 1


@node("right")
async def right(x):
    await meet(2)
    return x + 2


async def meet(count):
    global meeting
    loop = asyncio.get_running_loop()
    if getattr(meeting, "loop", None) is not loop:
        meeting = asyncio.Barrier(count)
        meeting.loop = loop
    await asyncio.wait_for(meeting.wait(), 5)


@pytest.fixture(autouse=True)
def _new_meeting():
    global meeting
    meeting = asyncio.Barrier(2)


@node("total")
def add(left, right):
    return left + right


def test_nodes_of_a_row_run_at_the_same_time():
    pipeline = Pipeline([left, right, add])
    assert pipeline.run({"x": 1}) == {"left": 2, "right": 3, "total": 5}
    assert pipeline.map({"x": [1, 2]}, map_over="x")[1] == {"left": 3, "right": 4, "total": 7}


def test_also_with_another_node_between_them_and_inside_a_running_loop():
    @node("middle")
    def middle(x):
        return x

    pipeline = Pipeline([left, middle, right])

    async def main():
        return pipeline.run({"x": 1})

    assert asyncio.run(main()) == {"left": 2, "middle": 1, "right": 3}


def test_events_of_nodes_that_run_together_are_complete():
    class Log(PipelineCallback):
        def __init__(self):
            self.lines = []

        def on_node_start(self, node_id, inputs, ctx):
            self.lines.append(f"start {node_id} {inputs}")

        def on_node_end(self, node_id, outputs, duration, ctx):
            self.lines.append(f"end {node_id} {outputs}")

    log = Log()
    Pipeline([left, right], callbacks=[log]).run({"x": 1})
    assert log.lines == [
        "start left {'x': 1}",
        "start right {'x': 1}",
        "end left {'left': 2}",
        "end right {'right': 3}",
    ]


def test_one_that_is_cached_leaves_the_others_running(tmp_path: Path):
    calls = []

    @node("kept")
    async def kept(x):
        calls.append("kept")
        return x

    @node("fresh", cache=False)
    async def fresh(x):
        calls.append("fresh")
        return x

    pipeline = Pipeline([fresh, kept], cache=DiskCache(tmp_path))
    assert pipeline.run({"x": 1}) == pipeline.run({"x": 1}) == {"fresh": 1, "kept": 1}
    assert calls == ["fresh", "kept", "fresh"]


def test_the_first_failure_gives_up_the_others_and_keeps_what_is_done(tmp_path: Path):
    cancelled = []

    @node("quick")
    async def quick(x):
        return x

    @node("slow", cache=False)
    async def slow(x):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise

    @node("worse", cache=False)
    async def worse(x):
        await asyncio.sleep(0.01)
        raise KeyError(x)

    pipeline = Pipeline([quick, slow, worse], cache=DiskCache(tmp_path))
    with pytest.raises(KeyError) as caught:
        pipeline.run({"x": 7})
    assert caught.value.__notes__ == ["hypernodes: node 'worse'"]
    assert cancelled == [7]
    pipeline.run({"x": 7}, output_name="quick")
    assert pipeline.last_run.nodes["quick"].rows_cached == 1


def test_runtime_error_of_a_node_is_no_missing_loop():
    calls = []

    @node("y")
    async def fails(x):
        calls.append(x)
        raise RuntimeError("no running event loop")

    with pytest.raises(RuntimeError, match="no running event loop"):
        Pipeline([fails]).run({"x": 1})
    assert calls == [1]


def test_rows_are_under_way_at_once_up_to_a_limit():
    now, most = 0, 0

    async def work(row):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return row * 2

    results, error, _ = complete_rows(work, 300)
    assert results == [row * 2 for row in range(300)]
    assert error is None
    assert most == 64


def test_the_lowest_failing_row_counts_and_no_later_one_begins():
    started = []

    async def work(row):
        started.append(row)
        if row == 10:
            await asyncio.sleep(0.02)
            raise ValueError(row)
        if row == 20:
            raise KeyError(row)
        return row

    results, error, _ = complete_rows(work, 1000)
    assert results == list(range(10))
    assert isinstance(error, ValueError)
    assert max(started) < 200


@pytest.mark.daft
def test_rows_of_a_map_on_daft_run_at_the_same_time():
    daft = pytest.importorskip("hypernodes.integrations.daft")
    rows = Pipeline([left], engine=daft.DaftEngine()).map({"x": [1, 2]}, map_over="x")
    assert rows == [{"left": 2}, {"left": 3}]


def test_a_node_that_has_run_stays_so_though_a_later_one_changes_its_input(tmp_path: Path):
    calls = []

    @node("a")
    async def a_reads(x):
        calls.append("a")
        return len(x)

    @node("c")
    def c_changes(x):
        x.append(0)
        return len(x)

    @node("d")
    async def d_waits(c):
        return c

    @node("e")  # runs together with a, before c
    async def e_reads(x):
        calls.append("e")
        return len(x)

    pipeline = Pipeline([a_reads, c_changes, d_waits, e_reads], cache=DiskCache(tmp_path))
    assert pipeline.run({"x": [1]}) == {"a": 1, "c": 2, "d": 2, "e": 1}
    assert calls == ["a", "e"]
