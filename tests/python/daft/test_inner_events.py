# SPDX-License-Identifier: MIT
"""Callbacks hear of nodes in nested pipelines whose nodes are columns of the outer DataFrame."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DaftEngine,
    DiskCache,
    Node,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    node,
)
from hypernodes.telemetry import ProgressCallback, TelemetryCallback

if TYPE_CHECKING:
    from pathlib import Path

    from hypernodes.callbacks import CallbackContext

daft = pytest.importorskip("daft")
pytestmark = [pytest.mark.daft, pytest.mark.timeout(120)]

ENGINE = DaftEngine()
PROCESS = {"use_process": True, "max_concurrency": 1}
TWO = {"batch_size": 2}


class Log(PipelineCallback):
    """Each event: the hook, the names of the pipelines around, the subject and its item."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.items: set[Any] = set()
        self.processes: Counter[tuple[str, int]] = Counter()

    def note(self, hook: str, subject: Any, ctx: CallbackContext) -> None:
        around = [
            ctx.get_pipeline_metadata(each).get("pipeline_name", "?") for each in ctx.hierarchy_path
        ]
        about = "" if str(subject).startswith("pipeline_") else str(subject)
        self.lines.append((hook[3:], "/".join(around), about))
        self.items.add(ctx.get("_map_item_index"))
        self.processes[about, ctx.worker.pid] += 1

    def told(self, *hooks: str) -> Counter[tuple[str, str, str]]:
        return Counter(line for line in self.lines if line[0] in hooks)


def _hook(name: str) -> Any:
    return lambda self, *values: self.note(name, values[0], values[-1])


for _name in [name for name in dir(PipelineCallback) if name.startswith("on_")]:
    setattr(Log, _name, _hook(_name))

NODE_HOOKS = ("node_start", "node_end", "node_cached", "node_retry", "error")


@node(output_name="more")
def add(x: int) -> int:
    return x + 1


def negate(more: int) -> int:
    return -more


@node(output_name="said")
def say(less: int) -> str:
    return str(less)


def inner(options: dict[str, Any], callbacks: list[Any] | None = None) -> Pipeline:
    nodes = [add, Node(negate, "less", daft=options)]
    return Pipeline(nodes, name="inner", callbacks=callbacks)


def outer(within: Pipeline, callbacks: list[Any] | None = None, **options: Any) -> Pipeline:
    nodes = [within.as_node(name="within"), say]
    return Pipeline(nodes, name="outer", callbacks=callbacks, **options)


def sequential(pipeline: Pipeline, xs: list[int]) -> None:
    SequentialEngine().map(pipeline, {"x": xs}, "x")


def evaluate(pipeline: Pipeline, xs: list[int]) -> Any:
    return ENGINE.dataframe(pipeline, {"x": xs}, "x").to_pydict()


def without_node(told: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """The events of nodes but those of the pipeline node itself."""
    return Counter({line: count for line, count in told.items() if line[2] != "within"})


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
def test_inherited_callbacks_hear_of_inner_nodes_as_ever(options: dict[str, Any]) -> None:
    expected, log = Log(), Log()
    sequential(outer(inner(options), [expected]), [1, 2, 3])
    evaluate(outer(inner(options), [log]), [1, 2, 3])
    told = log.told(*NODE_HOOKS)
    assert told == without_node(expected.told(*NODE_HOOKS))
    assert told["node_end", "outer/inner", "add"] == 3
    assert log.items == {None}


def test_an_opened_pipeline_starts_and_ends_with_the_query() -> None:
    log = Log()
    pipeline = outer(inner(TWO), [log])
    frame = ENGINE.dataframe(pipeline, {"x": [1, 2, 3]}, "x")
    for _ in range(2):
        log.lines.clear()
        assert sum(1 for _ in frame.iter_rows()) == 3
        assert log.lines[:3] == [
            ("pipeline_start", "outer", ""),
            ("nested_pipeline_start", "outer", ""),
            ("pipeline_start", "outer/inner", ""),
        ]
        assert log.lines[-3:] == [
            ("pipeline_end", "outer/inner", ""),
            ("nested_pipeline_end", "outer", ""),
            ("pipeline_end", "outer", ""),
        ]
        assert {line[0] for line in log.lines[3:-3]} == {"node_start", "node_end"}


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
@pytest.mark.parametrize("listened", [True, False])
def test_callbacks_of_its_own_hear_of_an_opened_pipeline(
    options: dict[str, Any], listened: bool
) -> None:
    logs = []
    for work in (sequential, evaluate):
        outside, inside = Log(), Log()
        work(outer(inner(options, [inside]), [outside] if listened else None), [1, 2])
        logs.append((outside, inside))
    (expected_outside, expected_inside), (outside, inside) = logs
    assert inside.told(*NODE_HOOKS) == expected_inside.told(*NODE_HOOKS)
    assert outside.told(*NODE_HOOKS) == without_node(expected_outside.told(*NODE_HOOKS))
    around = inside.told("pipeline_start", "pipeline_end")
    assert [line[0] for line in around.elements()] == ["pipeline_start", "pipeline_end"]


def test_the_process_is_told() -> None:
    log = Log()
    evaluate(outer(inner(PROCESS), [log]), [1, 2])
    [pid] = {pid for about, pid in log.processes if about == "negate"}
    assert pid != os.getpid()
    assert log.processes["add", os.getpid()] == log.processes["negate", pid] == 4


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
def test_mapped_pipelines_inside_are_heard(options: dict[str, Any]) -> None:
    word = Pipeline([Node(lambda word: len(word), "size", daft=options)], name="word")
    line = Pipeline(
        [
            Node(lambda text: text.split(), "words", daft=TWO),
            word.as_node({"words": "word"}, {"size": "sizes"}, map_over="words", name="each"),
        ],
        name="line",
    )
    logs = []
    for work in (SequentialEngine().map, lambda *given: ENGINE.dataframe(*given).collect()):
        log = Log()
        whole = Pipeline([line.as_node(name="within")], name="page", callbacks=[log])
        work(whole, {"text": ["a bb", "", "ccc"]}, "text")
        logs.append(log)
    expected, log = logs
    assert log.told(*NODE_HOOKS) == without_node(expected.told(*NODE_HOOKS))
    maps = ("map_start", "map_item_start", "map_item_end")
    inside = {line: count for line, count in expected.told(*maps).items() if line[1] == "page/line"}
    assert inside == log.told(*maps)
    assert inside["map_item_end", "page/line", "0"] == 2
    assert log.items == {None, 0, 1}


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
def test_pipelines_in_pipelines_are_heard(options: dict[str, Any]) -> None:
    logs = []
    for work in (sequential, evaluate):
        log = Log()
        deep = inner(options).as_node(name="within")
        work(outer(Pipeline([deep], name="middle"), [log]), [1, 2])
        logs.append(log)
    expected, log = logs
    assert log.told(*NODE_HOOKS) == without_node(expected.told(*NODE_HOOKS))
    assert log.told("node_end")["node_end", "outer/middle/inner", "add"] == 2
    starts = [line[1] for line in log.lines if line[0] == "pipeline_start"]
    assert starts == ["outer", "outer/middle", "outer/middle/inner"]


def test_a_process_reads_the_same_values_when_somebody_listens() -> None:
    @node(output_name="sizes")
    def measure(text: str) -> dict[str, int]:
        return {word: len(word) for word in text.split()}

    said = Node(lambda sizes, text: repr((sizes, text)), "said", daft=PROCESS)
    within = Pipeline([measure, said], name="inner").as_node()
    texts = ["a bb", ""]
    expected = [repr((measure.func(text), text)) for text in texts]
    for callbacks in (None, [Log()]):
        pipeline = Pipeline([within], callbacks=callbacks)
        frame = ENGINE.dataframe(pipeline, {"text": texts}, "text")
        assert frame.to_pydict()["said"] == expected


def test_hits_inside_are_heard(tmp_path: Path) -> None:
    log = Log()
    pipeline = outer(inner(TWO), [log], cache=DiskCache(tmp_path))
    evaluate(pipeline, [1, 2])
    log.lines.clear()
    evaluate(pipeline, [1, 2, 3])
    told = log.told("node_cached", "node_end", "map_item_cached")
    assert told["node_cached", "outer/inner", "add"] == 2
    assert told["node_end", "outer/inner", "add"] == 1
    assert not log.told("map_item_cached")


@pytest.mark.parametrize("options", [PROCESS, TWO], ids=["process", "thread"])
def test_a_failure_inside_is_heard_outside(options: dict[str, Any]) -> None:
    def refuse(x: int) -> int:
        raise KeyError(x)

    logs = []
    for work in (sequential, evaluate):
        log, inside = Log(), Log()
        failing = Pipeline([Node(refuse, "y", daft=options)], name="inner", callbacks=[inside])
        pipeline = Pipeline([failing.as_node(name="within")], name="outer", callbacks=[log])
        with pytest.raises(KeyError, match="7"):
            work(pipeline, [7])
        logs.append((log, inside))
    (expected, expected_inside), (log, inside) = logs
    assert log.told("error") == expected.told("error") == {("error", "outer", "within"): 1}
    assert inside.told(*NODE_HOOKS) == expected_inside.told(*NODE_HOOKS)
    assert log.lines[-1][0] == inside.lines[-1][0] == "error"


def test_spans_of_inner_nodes_are_in_their_pipeline() -> None:
    telemetry = TelemetryCallback()
    pipeline = outer(inner(PROCESS), [telemetry])
    evaluate(pipeline, [1, 2])
    spans = {span["id"]: span for span in telemetry.span_data}
    around = Counter(
        (span["name"], spans[span["parent_id"]]["pipeline_name"])
        for span in spans.values()
        if span["parent_id"] is not None
    )
    [inner_id] = [span["name"] for span in spans.values() if span["pipeline_name"] == "inner"]
    nodes = {("add", "inner"): 2, ("negate", "inner"): 2, ("say", "outer"): 2}
    assert around == Counter({(inner_id, "outer"): 1, **nodes})
    assert {span["state"] for span in spans.values()} == {"done"}


def test_spans_of_a_failure_inside() -> None:
    telemetry = TelemetryCallback()
    failing = Pipeline([Node(lambda x: 1 // x, "y", daft=TWO)], name="inner")
    pipeline = Pipeline([failing.as_node()], name="outer", callbacks=[telemetry])
    with pytest.raises(ZeroDivisionError):
        evaluate(pipeline, [0])
    assert {span["state"] for span in telemetry.span_data} == {"failed"}
    around = Counter((span["type"], span["depth"]) for span in telemetry.span_data)
    assert around == {("node", 2): 1, ("node", 1): 1, ("pipeline", 2): 1, ("pipeline", 1): 1}


def test_progress_counts_rows_of_an_opened_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = outer(inner(TWO), [ProgressCallback()])
    evaluate(pipeline, [1, 2, 3])
    shown = capsys.readouterr().err
    for line in ("outer: 3 rows\n", "inner: 3 rows\n", "add: 3/3, ", "inner: 3/3 rows, "):
        assert shown.count(line) == 1
    assert "stopped" not in shown
    pipeline.with_columns(daft.from_pydict({"x": [1, 2]})).collect()
    shown = capsys.readouterr().err
    assert "inner: rows\n" in shown
    assert "inner: 2 rows, " in shown
    assert "stopped" not in shown
