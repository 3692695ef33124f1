# SPDX-License-Identifier: MIT
"""Calls that are made again, and calls that take too long, on every engine."""

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from hypernodes import (
    BatchNode,
    DaftEngine,
    DiskCache,
    DualNode,
    ExecutionError,
    HyperNodesError,
    MemoryCache,
    NodeTimeoutError,
    Pipeline,
    PipelineCallback,
    Retry,
    load,
    node,
)
from hypernodes.engines import DaskEngine

AT_ONCE = Retry(attempts=3, delay=0)


class Flaky:
    """Fails twice for each odd number."""

    def __init__(self, error=ConnectionError):
        self.calls = Counter()
        self.error = error
        self._lock = threading.Lock()

    def answer(self, x):
        with self._lock:
            self.calls[x] += 1
            if x % 2 and self.calls[x] < 3:
                raise self.error(f"{x} is odd")
        return x * 10

    def node(self, **options):
        def flaky(x):
            return self.answer(x)

        return node("y", **({"retry": AT_ONCE} | options))(flaky)

    def async_node(self, **options):
        async def flaky(x):
            await asyncio.sleep(0)
            return self.answer(x)

        return node("y", **({"retry": AT_ONCE} | options))(flaky)


KINDS = [Flaky.node, Flaky.async_node]


class Retries(PipelineCallback):
    def __init__(self):
        self.events = []

    def on_node_start(self, node_id, inputs, ctx):
        self.events.append(("start", inputs["x"]))

    def on_node_retry(self, node_id, attempt, error, delay, ctx):
        row = ctx.get("_map_item_index")
        self.events.append(("retry", row, node_id, attempt, type(error), delay))

    def on_node_end(self, node_id, outputs, duration, ctx):
        self.events.append(("end", outputs["y"]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cached", [False, True])
def test_each_row_is_retried_alone(engine, kind, cached):
    flaky = Flaky()
    pipeline = Pipeline([kind(flaky)], engine=engine, cache=MemoryCache() if cached else None)
    rows = pipeline.map({"x": list(range(100))}, "x")
    assert rows == [{"y": x * 10} for x in range(100)]
    assert flaky.calls == {x: 3 if x % 2 else 1 for x in range(100)}


@pytest.mark.parametrize("kind", KINDS)
def test_run_retries(engine, kind):
    flaky = Flaky()
    assert Pipeline([kind(flaky)], engine=engine).run({"x": 1}) == {"y": 10}
    assert flaky.calls == {1: 3}


@node("y", retry=AT_ONCE)
def never(x):
    raise ConnectionError(x)


def test_the_last_failure_comes_out_as_it_is(any_engine):
    with pytest.raises(ConnectionError) as caught:
        Pipeline([never], engine=any_engine).map({"x": [7]}, "x")
    assert caught.value.args == (7,)
    assert "hypernodes: node 'never', attempt 3 of 3" in caught.value.__notes__
    assert "hypernodes: node 'never', row 0" in caught.value.__notes__


def test_failures_tell_their_attempts(any_engine):
    collected = Pipeline([never], engine=any_engine).map({"x": [1, 2]}, "x", on_error="collect")
    assert [(each.row, each.attempts) for each in collected.failures] == [(0, 3), (1, 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_collected_maps_see_the_final_failure_only(engine, kind):
    flaky = Flaky()
    options = {"retry": Retry(attempts=2, delay=0)}
    pipeline = Pipeline([kind(flaky, **options)], engine=engine)
    rows = pipeline.map({"x": [0, 1, 2, 3]}, "x", on_error="null")
    assert [row["y"] for row in rows] == [0, None, 20, None]
    assert flaky.calls == {0: 1, 1: 2, 2: 1, 3: 2}
    assert [failure.attempts for failure in pipeline.last_run.failures] == [2, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_other_errors_are_final(engine, kind):
    flaky = Flaky(ValueError)
    on = Retry(attempts=3, delay=0, on=(ConnectionError, TimeoutError))
    with pytest.raises(ValueError, match="1 is odd") as caught:
        Pipeline([kind(flaky, retry=on)], engine=engine).map({"x": [1]}, "x")
    assert flaky.calls == {1: 1}
    assert not any("attempt" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_final(error):
    flaky = Flaky(error)
    with pytest.raises(error):
        Pipeline([flaky.node()]).map({"x": [1]}, "x")
    assert flaky.calls == {1: 1}


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_are_told(engine, kind):
    callback = Retries()
    Pipeline([kind(Flaky())], engine=engine, callbacks=[callback]).map({"x": [0, 1]}, "x")
    of_odd = [each for each in callback.events if each[1] in (1, 10)]
    retry = ("retry", 1, "flaky")
    assert of_odd == [
        ("start", 1),
        (*retry, 1, ConnectionError, 0),
        (*retry, 2, ConnectionError, 0),
        ("end", 10),
    ]
    assert len(callback.events) == 6


def test_callbacks_are_told_of_other_processes(tmp_path):
    log = tmp_path / "calls"

    @node("y", retry=AT_ONCE)
    def flaky(x):
        with log.open("a") as file:
            file.write("x")
        if len(log.read_text()) < 3:
            raise ConnectionError
        return x

    callback = Retries()
    engine = DaskEngine("processes", num_workers=2)
    Pipeline([flaky], engine=engine, callbacks=[callback]).map({"x": [5]}, "x")
    assert [each[3] for each in callback.events if each[0] == "retry"] == [1, 2]


def test_delays_grow_to_their_limit():
    callback = Retries()
    retry = Retry(attempts=5, delay=0.001, backoff=3, max_delay=0.004, jitter=0)
    pipeline = Pipeline([node("y", retry=retry)(never.func)], callbacks=[callback])
    with pytest.raises(ConnectionError):
        pipeline.run({"x": 1})
    delays = [each[5] for each in callback.events if each[0] == "retry"]
    assert delays == pytest.approx([0.001, 0.003, 0.004, 0.004])


def test_jitter_stays_in_its_part():
    native = Retry(attempts=2, delay=10, jitter=0.5)._native()
    delays = {native.next_attempt(ValueError(), 1) for _ in range(100)}
    assert len(delays) > 1
    assert all(5 <= delay <= 15 for delay in delays)


CALLS: Counter = Counter()


def counted(x):
    CALLS[x] += 1
    if CALLS[x] == 1:
        raise ConnectionError
    return x


def test_options_are_no_part_of_the_key_and_what_was_retried_is_cached(tmp_path):
    CALLS.clear()

    def rows(**options):
        made = node("y", version="1", **options)(counted)  # so that CALLS does not count
        return Pipeline([made], cache=DiskCache(tmp_path)).map({"x": [1, 2]}, "x")

    assert rows(retry=AT_ONCE) == [{"y": 1}, {"y": 2}]
    assert rows() == rows(retry=5, timeout=60) == [{"y": 1}, {"y": 2}]
    assert CALLS == {1: 2, 2: 2}


def test_failures_are_not_cached(tmp_path):
    flaky = Flaky()
    quick = Retry(attempts=2, delay=0)
    pipeline = Pipeline([flaky.node(retry=quick)], cache=DiskCache(tmp_path))
    with pytest.raises(ConnectionError):
        pipeline.run({"x": 1})
    assert pipeline.run({"x": 1}) == {"y": 10}


@pytest.mark.filterwarnings("ignore:node 'take'")
def test_a_result_of_inputs_that_a_failed_attempt_changed_is_not_stored(tmp_path):
    calls = []

    @node("y", retry=AT_ONCE)
    def take(items):
        calls.append(items.pop())
        if len(calls) == 1:
            raise ConnectionError
        return len(items)

    pipeline = Pipeline([take], cache=DiskCache(tmp_path))
    assert pipeline.run({"items": [1, 2, 3]}) == {"y": 1}
    assert pipeline.run({"items": [1, 2, 3]}) == {"y": 2}


@pytest.mark.parametrize("dual", [False, True])
def test_a_batch_is_retried_as_one_call(engine, dual):
    calls = Counter()

    def scale(x: list[int]) -> list[int]:
        items = tuple(int(str(item)) for item in x)
        calls[items] += 1
        if calls[items] < 3:
            raise ConnectionError
        return [item * 2 for item in items]

    if dual:
        made = DualNode("y", lambda x: x * 2, scale, retry=AT_ONCE)
    else:
        made = BatchNode(scale, "y", retry=AT_ONCE)
    pipeline = Pipeline([made], engine=engine)
    assert pipeline.map({"x": [1, 2, 3]}, "x", outputs="columns") == {"y": [2, 4, 6]}
    assert sorted(item for items in calls for item in items) == [1, 2, 3]
    assert set(calls.values()) == {3}


def test_inner_nodes_are_retried(engine):
    flaky = Flaky()
    inner = Pipeline([flaky.node()])
    outer = Pipeline([inner.as_node(input_mapping={"xs": "x"}, map_over="xs")], engine=engine)
    assert outer.map({"xs": [[1, 2], [3]]}, "xs") == [{"y": [10, 20]}, {"y": [30]}]
    assert flaky.calls == {1: 3, 2: 1, 3: 3}


def test_dataframes_retry():
    flaky = Flaky()
    frame = DaftEngine().dataframe(Pipeline([flaky.node()]), {"x": [1, 2, 3]}, "x")
    assert frame.to_pydict()["y"] == [10, 20, 30]
    assert flaky.calls == {1: 3, 2: 1, 3: 3}


def test_waiting_calls_do_not_hold_up_others():
    started = []

    @node("y", retry=Retry(attempts=2, delay=0.2, jitter=0))
    async def wait(x):
        started.append(x)
        if started.count(x) == 1:
            raise ConnectionError
        return x

    pipeline = Pipeline([wait], engine=DaftEngine())
    start = time.perf_counter()
    assert len(pipeline.map({"x": list(range(50))}, "x")) == 50
    assert time.perf_counter() - start < 5  # one after the other they would wait ten seconds


def test_other_threads_run_while_a_call_waits():
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.01):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    retry = Retry(attempts=2, delay=0.5, jitter=0)
    with pytest.raises(ConnectionError):
        Pipeline([node("y", retry=retry)(never.func)]).run({"x": 1})
    done.set()
    thread.join()
    assert len(ticks) > 3


def test_a_signal_ends_the_wait():
    class Interrupted(Exception):
        pass

    def handler(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Interrupted):
            Pipeline([node("y", retry=Retry(delay=60))(never.func)]).run({"x": 1})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_nodes_travel_with_their_options():
    options = {"retry": Retry(attempts=7), "timeout": 2.5}
    again = pickle.loads(pickle.dumps(node("y", **options)(len_of)))
    assert (again.retry, again.timeout) == (Retry(attempts=7), 2.5)
    assert node("y", retry=4)(len_of).retry == Retry(attempts=4)


def len_of(x):
    return len(x)


# Time limits -------------------------------------------------------------------------------------


def sleepy(x):
    time.sleep(x)
    return x


async def async_sleepy(x):
    await asyncio.sleep(x)
    return x


@pytest.mark.parametrize("function", [sleepy, async_sleepy])
def test_a_call_that_takes_too_long_fails(engine, function):
    pipeline = Pipeline([node("y", timeout=0.05)(function)], engine=engine)
    with pytest.raises(NodeTimeoutError, match=r"longer than its time limit of 0\.05 s") as caught:
        pipeline.map({"x": [3.0]}, "x")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.node == function.__name__
    assert caught.value.fix
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("function", [sleepy, async_sleepy])
def test_a_call_in_time_is_as_without_a_limit(any_engine, function):
    pipeline = Pipeline([node("y", timeout=60)(function)], engine=any_engine)
    assert pipeline.map({"x": [0.0, 0]}, "x") == [{"y": 0.0}, {"y": 0}]


@pytest.mark.parametrize("is_async", [False, True])
def test_timeouts_of_the_function_itself_are_its_own(is_async):
    def late(x):
        raise TimeoutError("mine")

    async def async_late(x):
        raise TimeoutError("mine")

    made = node("y", timeout=60)(async_late if is_async else late)
    with pytest.raises(TimeoutError, match="mine") as caught:
        Pipeline([made]).run({"x": 1})
    assert not isinstance(caught.value, HyperNodesError)


@pytest.mark.parametrize("is_async", [False, True])
def test_each_attempt_has_the_time_limit(is_async):
    attempts = []

    def work(x):
        attempts.append(x)
        return 0 if len(attempts) == 3 else 5

    async def async_work(x):
        await asyncio.sleep(work(x))
        return x

    def sync_work(x):
        time.sleep(work(x))
        return x

    retry = Retry(attempts=3, delay=0, on=TimeoutError)
    made = node("y", retry=retry, timeout=0.1)(async_work if is_async else sync_work)
    assert Pipeline([made]).run({"x": 1}) == {"y": 1}
    assert attempts == [1, 1, 1]


def test_coroutines_are_cancelled():
    cancelled = []

    @node("y", timeout=0.05)
    async def wait(x):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise

    with pytest.raises(NodeTimeoutError):
        Pipeline([wait]).run({"x": 1})
    assert cancelled == [1]


def test_what_an_abandoned_call_returns_is_thrown_away(tmp_path):
    go, ended = threading.Event(), threading.Event()
    calls = []

    @node("y", timeout=0.1)
    def work(x):
        calls.append(x)
        if len(calls) == 1:
            go.wait(30)
            ended.set()
            return "late"
        return "in time"

    pipeline = Pipeline([work], cache=DiskCache(tmp_path))
    with pytest.raises(NodeTimeoutError):
        pipeline.run({"x": 1})
    go.set()
    assert ended.wait(30)
    assert pipeline.run({"x": 1}) == {"y": "in time"}
    assert pipeline.run({"x": 1}) == {"y": "in time"}
    assert calls == [1, 1]


def test_an_abandoned_call_does_not_keep_the_program_from_ending(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import threading\n"
        "from hypernodes import DaftEngine, NodeTimeoutError, Pipeline, SeqEngine, node\n"
        "@node('y', timeout=0.05)\n"
        "def stuck(x):\n"
        "    threading.Event().wait()\n"
        "for engine in SeqEngine(), DaftEngine():\n"
        "    try:\n"
        "        Pipeline([stuck], engine=engine).run({'x': 1})\n"
        "    except NodeTimeoutError:\n"
        "        print('late')\n"
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "late\nlate\n", "")


def test_a_batch_has_the_limit_as_one_call():
    def scale(x: list[float]) -> list[float]:
        time.sleep(x[0])
        return x

    pipeline = Pipeline([BatchNode(scale, "y", timeout=0.1)])
    assert pipeline.map({"x": [0.0, 1.0]}, "x") == [{"y": 0.0}, {"y": 1.0}]
    with pytest.raises(NodeTimeoutError):
        pipeline.map({"x": [3.0, 1.0]}, "x")


def test_a_pipeline_may_run_in_a_node_with_a_limit(engine):
    inner = Pipeline([node("z")(lambda x: x + 1)], engine=engine, cache=MemoryCache())

    @node("y", timeout=60)
    def run_inner(x):
        return inner.run({"x": x})["z"]

    outer = Pipeline([run_inner], engine=engine, cache=MemoryCache())
    assert outer.map({"x": [1, 2, 1]}, "x") == [{"y": 2}, {"y": 3}, {"y": 2}]


# C++ nodes ---------------------------------------------------------------------------------------


def test_cpp_nodes_take_the_options(node_library, any_engine):
    fails = load(node_library("nodes_a"))["fail_at_six"]
    made = fails.with_options(retry=AT_ONCE, timeout=60)
    with pytest.raises(ExecutionError, match=r"six is bad \(attempt 3 of 3\)") as caught:
        Pipeline([made], engine=any_engine).map({"doubled": [0, 6]}, "doubled")
    assert caught.value.row == 1
    final = fails.with_options(retry=Retry(delay=0, on=ConnectionError))
    with pytest.raises(ExecutionError) as caught:
        Pipeline([final], engine=any_engine).map({"doubled": [0, 6]}, "doubled")
    assert "attempt" not in str(caught.value)
    assert pickle.loads(pickle.dumps(made)) == made


# What makes no sense -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"attempts": 0}, "at least one attempt"),
        ({"attempts": 1.5}, "a whole number"),
        ({"attempts": True}, "a whole number"),
        ({"delay": -1}, "negative"),
        ({"delay": "1"}, "not a number"),
        ({"delay": float("nan")}, "negative"),
        ({"backoff": 0.5}, "at least 1"),
        ({"max_delay": -1}, "negative"),
        ({"jitter": 1.5}, "from 0 to 1"),
        ({"on": "ConnectionError"}, "classes of exceptions"),
        ({"on": KeyboardInterrupt}, "classes of exceptions"),
        ({"on": (ValueError, 3)}, "classes of exceptions"),
    ],
)
def test_retries_that_make_no_sense_are_refused(options, text):
    with pytest.raises(HyperNodesError, match=text) as caught:
        Retry(**options)
    assert caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize(
    "options",
    [{"retry": 0}, {"retry": "3"}, {"retry": True}, {"timeout": 0}, {"timeout": "1"}]
    + [{"timeout": float(text)} for text in ("nan", "inf", "-1")],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(HyperNodesError, match=r"Node 'len_of' has (retry|timeout)=") as caught:
        node("y", **options)(len_of)
    assert "len_of" in caught.value.where
    assert caught.value.fix
