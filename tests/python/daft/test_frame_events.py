# SPDX-License-Identifier: MIT
"""Callbacks hear of what happens when Daft evaluates a DataFrame."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DaftEngine,
    DiskCache,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    load,
    node,
)
from hypernodes.callbacks import CallbackContext, Event, Worker
from hypernodes.telemetry import ProgressCallback, TelemetryCallback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

daft = pytest.importorskip("daft")
pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.daft


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


@node(output_name="result")
def add(doubled: int, offset: int = 10) -> int:
    return doubled + offset


@node(output_name="checked")
def check(x: int) -> int:
    if x == 2:
        raise KeyError(x)
    return x


class Log(PipelineCallback):
    """Writes down each event: hook, node and depth."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.contexts: list[CallbackContext] = []
        self.workers: set[Worker] = set()

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.lines)

    def note(self, hook: str, subject: str, ctx: CallbackContext) -> None:
        if ctx not in self.contexts:
            self.contexts.append(ctx)
        self.workers.add(ctx.worker)
        about = "pipeline" if subject.startswith("pipeline_") else subject
        self.lines.append(f"{'  ' * (ctx.depth - 1)}{hook[3:]} {about}")


def _hook(name: str) -> Any:
    return lambda self, *values: self.note(name, str(values[0]), values[-1])


for _name in [name for name in dir(PipelineCallback) if name.startswith("on_")]:
    setattr(Log, _name, _hook(_name))


def rows(*values: int) -> Any:
    return daft.from_pydict({"x": list(values)})


def of(*nodes: str) -> list[str]:
    """The events of a row."""
    return [f"{what} {node}" for node in nodes for what in ("node_start", "node_end")]


WHOLE = ["pipeline_start pipeline", "pipeline_end pipeline"]


def test_a_query_is_a_run() -> None:
    log = Log()
    frame = Pipeline([double, add], callbacks=[log]).with_columns(rows(1, 2))
    assert log.lines == []
    assert frame.to_pydict()["result"] == [12, 14]
    assert log.lines == [WHOLE[0], *2 * of("double", "add"), WHOLE[1]]


def test_each_query_is_another_run() -> None:
    log = Log()
    pipeline = Pipeline([double], callbacks=[log])
    frame = DaftEngine().dataframe(pipeline, {"x": [1, 2, 3]}, map_over="x")
    for _ in range(2):
        assert sum(1 for _ in frame.iter_rows()) == 3
    assert log.lines == 2 * [WHOLE[0], *3 * of("double"), WHOLE[1]]
    assert len(log.contexts) == 2
    assert [ctx.depth for ctx in log.contexts] == [0, 0]
    frame.collect()
    told = len(log.lines)
    assert frame.where(frame["doubled"] > 2).count_rows() == 2
    assert len(log.lines) == told  # It was collected.


def test_what_the_context_says() -> None:
    class Keep(PipelineCallback):
        def __init__(self) -> None:
            self.inputs: dict[str, Any] = {}
            self.said: list[Any] = []

        def on_pipeline_start(self, pipeline_id, inputs, ctx):
            self.inputs = inputs
            self.about = ctx.get_pipeline_metadata(pipeline_id)

        def on_node_end(self, node_id, outputs, duration, ctx):
            keys = ("_in_dataframe", "_dataframe_rows", "_in_map", "_map_item_index")
            self.said.append([ctx.get(key) for key in keys])

    keep = Keep()
    pipeline = Pipeline([double, add], callbacks=[keep], name="demo").bind(offset=3)
    pipeline.with_columns(rows(1)).collect()
    assert keep.inputs == {"offset": 3}
    assert keep.about == {
        "total_nodes": 2,
        "pipeline_name": "demo",
        "node_ids": ["double", "add"],
    }
    assert keep.said == [[True, None, None, None]] * 2
    DaftEngine().dataframe(pipeline, {"x": [1, 2]}, "x", output_name="doubled").collect()
    assert keep.inputs == {"offset": 3}
    assert keep.about["total_nodes"] == 1
    assert keep.said[2:] == [[True, 2, None, None]] * 2


def test_engines_have_callbacks_too() -> None:
    log = Log()
    pipeline = Pipeline([double])
    DaftEngine(callbacks=[log]).dataframe(pipeline, {"x": 1}).collect()
    assert log.lines == [WHOLE[0], *of("double"), WHOLE[1]]
    log.lines.clear()
    Pipeline([double], engine=SequentialEngine(callbacks=[log])).with_columns(rows(1)).collect()
    assert log.lines == [WHOLE[0], *of("double"), WHOLE[1]]


def test_a_query_that_is_left_early_ends() -> None:
    log = Log()
    frame = Pipeline([double], callbacks=[log]).with_columns(rows(*range(10)))
    some = frame.iter_rows()
    assert next(some)["doubled"] == 0
    assert WHOLE[1] not in log.lines
    del some
    gc.collect()
    assert log.lines[-1] == WHOLE[1]
    log.lines.clear()
    assert frame.limit(2).to_pydict()["doubled"] == [0, 2]
    assert (log.lines[0], log.lines[-1]) == tuple(WHOLE)
    assert 2 <= log.counts["node_end double"] <= 10


def test_writing_files_is_heard(tmp_path: Path) -> None:
    log = Log()
    Pipeline([double], callbacks=[log]).with_columns(rows(1, 2)).write_parquet(str(tmp_path))
    assert log.lines == [WHOLE[0], *2 * of("double"), WHOLE[1]]


def test_hits_are_heard(tmp_path: Path) -> None:
    log = Log()
    pipeline = Pipeline([double], cache=DiskCache(tmp_path), callbacks=[log])
    pipeline.map({"x": [1, 2]}, "x")
    log.lines.clear()
    pipeline.with_columns(rows(1, 2, 3)).collect()
    hits = {"node_cached double": 2, "node_start double": 1, "node_end double": 1}
    assert log.counts == Counter({**dict.fromkeys(WHOLE, 1), **hits})


def test_an_error_is_the_last_event() -> None:
    log = Log()
    pipeline = Pipeline([check], callbacks=[log])
    frame = pipeline.with_columns(rows(1, 2, 3))
    with pytest.raises(KeyError, match="2"):
        frame.to_pydict()
    assert log.lines == [WHOLE[0], *of("check"), "node_start check", "error check"]
    assert log.contexts[0].depth == 0
    log.lines.clear()
    pipeline.with_columns(rows(1)).collect()
    assert log.lines == [WHOLE[0], *of("check"), WHOLE[1]]


def test_retries_are_heard() -> None:
    failed: list[int] = []

    @node("y", retry=2)
    def shaky(x: int) -> int:
        if not failed:
            failed.append(x)
            raise OSError(x)
        return x

    log = Log()
    Pipeline([shaky], callbacks=[log]).with_columns(rows(1)).collect()
    told = ["node_start shaky", "node_retry shaky", "node_end shaky"]
    assert log.lines == [WHOLE[0], *told, WHOLE[1]]


def test_native_functions_are_heard(node_library: Callable[[str], Path]) -> None:
    native = load(node_library("nodes_a"))
    log = Log()
    pipeline = Pipeline([native.twice, add], callbacks=[log])
    assert pipeline.with_columns(rows(1, 2)).to_pydict()["result"] == [12, 14]
    assert (log.lines[0], log.lines[-1]) == tuple(WHOLE)
    assert log.counts["node_end twice"] == log.counts["node_end add"] == 2


def test_nested_pipelines_are_heard() -> None:
    outer_log, inner_log = Log(), Log()
    inner = Pipeline([double], name="inner", callbacks=[inner_log])
    each = inner.as_node(input_mapping={"xs": "x"}, map_over="xs", name="each")
    frame = daft.from_pydict({"xs": [[1, 2]], "x": [5]})
    Pipeline([each], callbacks=[outer_log]).with_columns(frame).collect()
    assert "node_end each" in outer_log.lines
    items = ["map_item_start 0", "map_item_start 1"]
    assert [line for line in inner_log.lines if "item_start" in line] == items
    assert inner_log.counts["  node_end double"] == 2
    inner_log.lines.clear()
    Pipeline([each]).with_columns(frame).collect()
    assert inner_log.counts["  node_end double"] == 2


def test_a_callback_hears_while_the_node_runs() -> None:
    told = threading.Event()

    class Signals(PipelineCallback):
        def on_node_start(self, node_id, inputs, ctx):
            told.set()

    @node("y")
    def wait(x: int) -> bool:
        return told.wait(60)

    frame = Pipeline([wait], callbacks=[Signals()]).with_columns(rows(1, 2))
    assert frame.to_pydict()["y"] == [True, True]


@pytest.mark.parametrize("hook", ["on_pipeline_start", "on_node_start", "on_node_end"])
def test_what_a_callback_raises_stops_the_query(hook: str) -> None:
    def refuse(*_: Any) -> None:
        raise LookupError("enough")

    callback = type("Stops", (Log,), {hook: refuse})()
    frame = Pipeline([double], callbacks=[callback]).with_columns(rows(1, 2))
    with pytest.raises(LookupError, match="enough"):
        frame.to_pydict()
    assert WHOLE[1] not in callback.lines
    assert callback.lines.count("node_end double") == 0


@pytest.mark.parametrize("hook", ["on_pipeline_start", "on_node_start"])
def test_native_functions_stop_too(hook: str, node_library: Callable[[str], Path]) -> None:
    def refuse(*_: Any) -> None:
        raise LookupError("enough")

    twice = load(node_library("nodes_a")).twice
    callback = type("Stops", (Log,), {hook: refuse})()
    parts = [pa.table({"x": [i, i + 1]}) for i in range(5)]
    for nodes in ([twice], [double]):
        frame = Pipeline(nodes, callbacks=[callback]).with_columns(daft.from_arrow(parts))
        with pytest.raises(Exception, match="enough"):
            frame.to_pydict()
    assert WHOLE[1] not in callback.lines


def test_what_a_callback_raises_at_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Late(Log):
        def on_pipeline_end(self, *_: Any) -> None:
            raise LookupError("too late")

    first, second = Late(), Log()
    frame = Pipeline([double], callbacks=[first]).with_columns(rows(1))
    made = Pipeline([add], callbacks=[second]).with_columns(frame).to_pydict()
    assert made["result"] == [12]
    assert second.lines[-1] == WHOLE[1]
    assert first.contexts[0].depth == 0
    assert "too late" in caplog.text


def test_queries_of_several_threads_are_runs_of_their_own() -> None:
    both = threading.Barrier(2, timeout=60)

    @node("y")
    def meet(x: int) -> int:
        both.wait()
        return x

    logs = [Log(), Log()]
    frames = [Pipeline([meet], callbacks=[log]).with_columns(rows(1)) for log in logs]
    threads = [threading.Thread(target=frame.collect) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        assert log.lines == [WHOLE[0], *of("meet"), WHOLE[1]]


def test_a_frame_of_two_pipelines_is_a_run_of_each() -> None:
    first, second = Log(), Log()
    frame = Pipeline([double], callbacks=[first]).with_columns(rows(1))
    Pipeline([add], callbacks=[second]).with_columns(frame).collect()
    assert first.lines == [WHOLE[0], *of("double"), WHOLE[1]]
    assert second.lines == [WHOLE[0], *of("add"), WHOLE[1]]


def test_a_frame_that_is_gone_is_forgotten() -> None:
    log = Log()
    frame = Pipeline([double], callbacks=[log]).with_columns(rows(1))
    frame.collect()
    known = weakref.ref(log)
    del log, frame
    gc.collect()
    assert known() is None


def test_batches_of_events() -> None:
    class Batches(PipelineCallback):
        def __init__(self) -> None:
            self.batches: list[list[Event]] = []

        def on_batch(self, events: list[Event]) -> None:
            self.batches.append(events)

    batches = Batches()
    Pipeline([double], callbacks=[batches]).with_columns(rows(1, 2)).collect()
    (events,) = batches.batches
    assert [event.hook for event in events] == [
        "on_pipeline_start",
        *["on_node_start", "on_node_end"] * 2,
        "on_pipeline_end",
    ]
    assert {event.item for event in events} == {None}


APART = {"use_process": True, "max_concurrency": 1}


def test_a_node_in_a_process_is_heard() -> None:
    @node("pid", daft=APART)
    def find_pid(x: int, offset: int) -> int:
        return os.getpid() + offset

    @node("later")
    def later(pid: int) -> int:
        return pid

    log = Log()
    pipeline = Pipeline([find_pid, later], callbacks=[log]).bind(offset=0)
    (pid, _) = pipeline.with_columns(rows(1, 2)).to_pydict()["pid"]
    assert (log.lines[0], log.lines[-1]) == tuple(WHOLE)
    counts = {"find_pid": 2, "later": 2}
    assert {name: log.counts[f"node_end {name}"] for name in counts} == counts
    assert {name: log.counts[f"node_start {name}"] for name in counts} == counts
    assert {worker.pid for worker in log.workers} == {pid, os.getpid()}


def test_a_failure_in_a_process_is_heard() -> None:
    apart = node("checked", daft=APART)(check.func)
    log = Log()
    with pytest.raises(KeyError, match="2"):
        Pipeline([apart], callbacks=[log]).with_columns(rows(1, 2, 3)).collect()
    assert log.lines == [WHOLE[0], *of("check"), "node_start check", "error check"]


def test_a_callback_that_refuses_daft_is_refused() -> None:
    class OnlyHere(PipelineCallback):
        supported_engines = ("SeqEngine",)

    pipeline = Pipeline([double], callbacks=[OnlyHere()])
    with pytest.raises(ValueError, match="OnlyHere is not compatible with engine DaftEngine"):
        pipeline.with_columns(rows(1))


def test_progress_counts_rows(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline([double, add], callbacks=[ProgressCallback()], name="demo")
    pipeline.with_columns(rows(1, 2, 3)).collect()
    shown = capsys.readouterr().err
    assert "demo: rows\n" in shown
    assert "double: 3, " in shown
    assert "demo: 3 rows, " in shown
    frame = DaftEngine().dataframe(pipeline, {"x": [1, 2, 3]}, map_over="x")
    frame.collect()
    shown = capsys.readouterr().err
    assert "demo: 3 rows\n" in shown
    assert "add: 3/3, " in shown
    assert "demo: 3/3 rows, " in shown
    assert shown.count("demo") == 2


def test_spans_are_inside_the_query() -> None:
    telemetry = TelemetryCallback()
    inner = Pipeline([double], name="inner").as_node(name="within")
    pipeline = Pipeline([inner, add], callbacks=[telemetry])
    parts = [pa.table({"x": range(10 * i, 10 * i + 10)}) for i in range(5)]
    pipeline.with_columns(daft.from_arrow(parts)).collect()
    spans = {span["id"]: span for span in telemetry.span_data}
    around = Counter(
        (span["name"], spans[span["parent_id"]]["name"])
        for span in spans.values()
        if span["type"] == "node"
    )
    inner_id = next(s["name"] for s in spans.values() if s["pipeline_name"] == "inner")
    outer = {("within", pipeline.id): 50, ("add", pipeline.id): 50}
    assert around == Counter({**outer, ("double", inner_id): 50})
    assert {span["state"] for span in spans.values()} == {"done"}
    assert len([span for span in spans.values() if span["name"] == pipeline.id]) == 1
