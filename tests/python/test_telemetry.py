# SPDX-License-Identifier: MIT
import collections
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

import hypernodes
from hypernodes import DiskCache, Pipeline, PipelineCallback, Retry, SeqEngine, node
from hypernodes.callbacks import CallbackContext
from hypernodes.exceptions import DependencyMissingError
from hypernodes.telemetry import TelemetryCallback

logfire = pytest.importorskip("logfire")
pytest.importorskip("opentelemetry.sdk")
from logfire.testing import TestExporter  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402


def make_engine(name, **options):
    if name == "daft":
        pytest.importorskip("daft")
        return hypernodes.DaftEngine(**options)
    return SeqEngine(**options)


ENGINES = ["sequential", pytest.param("daft", marks=pytest.mark.daft)]


@pytest.fixture(scope="session")
def finished():
    """What OpenTelemetry's one provider of a process has made."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def exporter(finished):
    finished.clear()
    return finished


class Traced:
    """A callback and what a real tracer made of its spans."""

    def __init__(self, callback, exporter):
        self.callback, self._exporter = callback, exporter

    def spans(self):
        if isinstance(self._exporter, InMemorySpanExporter):
            return list(self._exporter.get_finished_spans())
        spans = self._exporter.exported_spans
        return [s for s in spans if s.attributes.get("logfire.span_type") != "pending_span"]

    def tree(self):
        """Nested names: {name: {name: ...}}; equal siblings are told apart by a number."""
        inside = collections.defaultdict(list)
        spans = self.spans()
        known = {span.context.span_id for span in spans}
        for span in sorted(spans, key=lambda span: span.start_time):
            parent = span.parent.span_id if span.parent else None
            inside[parent if parent in known else None].append(span)

        def below(parent):
            return {span.name: below(span.context.span_id) for span in inside[parent]}

        assert all(len({s.name for s in each}) == len(each) for each in inside.values())
        return below(None)

    def one(self, name):
        (found,) = (span for span in self.spans() if span.name == name)
        return found


@pytest.fixture(params=["opentelemetry", "logfire"])
def traced(request, exporter, caplog):
    if request.param == "opentelemetry":
        yield Traced(TelemetryCallback(), exporter)
    else:
        made = TestExporter()
        instance = logfire.configure(
            local=True,
            send_to_logfire=False,
            console=False,
            metrics=False,
            additional_span_processors=[SimpleSpanProcessor(made)],
        )
        yield Traced(TelemetryCallback(logfire_instance=instance), made)
    assert trace.get_current_span().get_span_context().span_id == 0, "a span was left current"
    assert caplog.get_records("call") == []  # a span left in another context is told there


@node(output_name="doubled")
def double(x):
    if x == "bad":
        raise ValueError("no number")
    return x * 2


@node(output_name="result")
def add_ten(doubled):
    return doubled + 10


@node(output_name="total")
def add_up(results):
    return sum(results)


def by_name(callback, name):
    return [span for span in callback.span_data if span["name"] == name]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run(traced, engine):
    pipeline = Pipeline([double, add_ten], name="demo", callbacks=[traced.callback])
    assert pipeline.run({"x": 5}, engine=make_engine(engine)) == {"doubled": 10, "result": 20}
    top = f"pipeline:{pipeline.id}"
    assert traced.tree() == {top: {"node:double": {}, "node:add_ten": {}}}
    span = traced.one("node:double")
    assert span.attributes["outputs"] == "{'doubled': 10}"
    assert span.attributes["duration"] >= 0
    place = [span.attributes[name] for name in ("host.name", "process.pid", "thread.id")]
    assert place[:2] == [socket.gethostname(), os.getpid()]
    assert (place[2] == threading.get_ident()) == (engine == "sequential")
    assert traced.one(top).attributes["pipeline_name"] == "demo"
    assert traced.one(top).attributes["outputs"] == "{'doubled': 10, 'result': 20}"
    data = traced.callback.span_data
    assert [span["name"] for span in data] == ["double", "add_ten", pipeline.id]
    assert [span["type"] for span in data] == ["node", "node", "pipeline"]
    assert [span["depth"] for span in data] == [1, 1, 1]
    assert [span["parent"] for span in data] == [pipeline.id, pipeline.id, None]
    assert not any(span["cached"] for span in data)
    assert data[2]["start_time"] <= data[0]["start_time"] <= data[1]["start_time"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("items", [True, False])
def test_a_map(traced, engine, items):
    traced.callback.trace_map_items = items
    pipeline = Pipeline([double, add_ten], callbacks=[traced.callback])
    rows = list(range(6))
    pipeline.map({"x": rows}, map_over="x", engine=make_engine(engine))
    inner = {f"pipeline:{pipeline.id}": {"node:double": {}, "node:add_ten": {}}}
    if items:
        assert traced.tree() == {"map_operation": {f"map_item[{i}]": inner for i in rows}}
        assert traced.one("map_item[3]").attributes["item_index"] == 3
    else:
        runs = [span for span in traced.spans() if span.name == f"pipeline:{pipeline.id}"]
        (root,) = (span for span in traced.spans() if span.name == "map_operation")
        assert {span.parent.span_id for span in runs} == {root.context.span_id}
        assert len(runs) == len(rows)
    assert traced.one("map_operation").attributes["total_items"] == len(rows)
    assert [span["type"] for span in by_name(traced.callback, "map_operation")] == ["map"]
    assert sorted(span["item"] for span in by_name(traced.callback, pipeline.id)) == rows


def test_an_empty_map(traced):
    Pipeline([double], callbacks=[traced.callback]).map({"x": []}, map_over="x")
    assert traced.tree() == {"map_operation": {}}


def nested(callback):
    """An outer pipeline whose node `each` maps an inner one, named, and a node around that."""
    inner = Pipeline([double, add_ten], name="inner")
    each = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"result": "results"}, map_over="xs", name="each"
    )
    return inner, Pipeline([each, add_up], name="outer", callbacks=[callback])


def nested_tree(inner, outer, rows):
    item = {f"pipeline:{inner.id}": {"node:double": {}, "node:add_ten": {}}}
    return {
        f"map_item[{row}]": {
            f"pipeline:{outer.id}": {
                "node:each": {"map_operation": {f"map_item[{i}]": item for i in range(count)}},
                "node:add_up": {},
            }
        }
        for row, count in enumerate(rows)
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_map_in_a_map(traced, engine):
    inner, outer = nested(traced.callback)
    rows = [2, 3, 0, 1, 4]
    outer.map(
        {"xs": [list(range(count)) for count in rows]}, map_over="xs", engine=make_engine(engine)
    )
    assert traced.tree() == {"map_operation": nested_tree(inner, outer, rows)}
    depths = {span["name"]: span["depth"] for span in traced.callback.span_data}
    assert (depths[outer.id], depths["each"], depths[inner.id], depths["double"]) == (1, 1, 2, 2)
    assert {span["parent"] for span in by_name(traced.callback, "double")} == {inner.id}
    assert {span["parent"] for span in by_name(traced.callback, inner.id)} == {outer.id}
    ids = {span["id"]: span for span in traced.callback.span_data}
    around = [ids[span["parent_id"]] for span in by_name(traced.callback, "double")]
    assert {span["name"] for span in around} == {inner.id}


@pytest.mark.daft
def test_an_inner_pipeline_on_daft(traced):
    inner, outer = nested(traced.callback)
    inner.with_engine(make_engine("daft"))
    outer.run({"xs": [1, 2, 3]})
    (item,) = nested_tree(inner, outer, [3]).values()
    assert traced.tree() == item


def test_rows_whose_nested_pipelines_interleave_keep_apart(traced):
    """As from an engine with a thread for each row."""
    ctx = CallbackContext()

    def at(row, *path):
        while ctx.depth:
            ctx.pop_pipeline()
        for pipeline in path:
            ctx.push_pipeline(pipeline)
        ctx.set("_map_item_path", [row, None][: len(path)])
        return ctx

    tell = traced.callback
    tell.on_map_start(2, at(None))
    for row in (0, 1):
        tell.on_map_item_start(row, at(row))
        tell.on_pipeline_start("outer", {}, at(row, "outer"))
        tell.on_node_start("enter", {}, at(row, "outer"))
    for row in (0, 1):
        tell.on_pipeline_start("inner", {}, at(row, "outer", "inner"))
    for row in (1, 0):
        tell.on_node_start("meet", {}, at(row, "outer", "inner"))
    for row in (0, 1):
        tell.on_node_end("meet", {"met": row}, 0.0, at(row, "outer", "inner"))
        tell.on_pipeline_end("inner", {"met": row}, 0.0, at(row, "outer", "inner"))
    for row in (1, 0):
        tell.on_node_end("enter", {"met": row}, 0.0, at(row, "outer"))
        tell.on_pipeline_end("outer", {"met": row}, 0.0, at(row, "outer"))
        tell.on_map_item_end(row, 0.0, at(row))
    tell.on_map_end(0.0, at(None))
    rows = {
        f"map_item[{row}]": {
            "pipeline:outer": {"node:enter": {"pipeline:inner": {"node:meet": {}}}}
        }
        for row in (0, 1)
    }
    assert traced.tree() == {"map_operation": rows}


@pytest.mark.parametrize("engine", ENGINES)
def test_hits_have_spans(traced, engine, tmp_path):
    pipeline = Pipeline([double, add_ten], cache=DiskCache(tmp_path), callbacks=[traced.callback])
    pipeline.run({"x": 1})
    before = len(traced.callback.span_data)
    pipeline.map({"x": [1, 2]}, map_over="x", engine=make_engine(engine))
    later = traced.callback.span_data[before:]
    hits = [span for span in later if span["cached"]]
    assert sorted(span["name"] for span in hits) == ["add_ten", "double"]
    assert {span["duration"] for span in hits} == {0.0}
    spans = [span for span in traced.spans() if span.attributes.get("cached")]
    assert len(spans) == 2
    assert all(len(span.attributes["cache_signature"]) == 64 for span in spans)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failed_run_closes_its_spans(traced, engine):
    pipeline = Pipeline([double, add_ten], callbacks=[traced.callback])
    with pytest.raises(ValueError, match="no number"):
        pipeline.run({"x": "bad"}, engine=make_engine(engine))
    top = f"pipeline:{pipeline.id}"
    assert traced.tree() == {top: {"node:double": {}}}
    for name in (top, "node:double"):
        span = traced.one(name)
        assert span.attributes["error"] == "no number"
        assert span.attributes["error_type"] == "ValueError"
        assert span.status.status_code.name == "ERROR"
        assert [event.name for event in span.events] == ["exception"]
    assert {span["state"] for span in traced.callback.span_data} == {"failed"}
    # The callback serves another run.
    pipeline.run({"x": 1}, engine=make_engine(engine))
    assert [span["state"] for span in traced.callback.span_data[2:]] == ["done"] * 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("final", [False, True])
def test_attempts_are_events_of_the_span(traced, engine, final):
    calls = []

    @node("page", retry=Retry(attempts=3, delay=0.001, jitter=0))
    def fetch(url):
        calls.append(url)
        if final or len(calls) < 3:
            raise ConnectionError(f"call {len(calls)}")
        return url

    pipeline = Pipeline([fetch, double], callbacks=[traced.callback])
    inputs = {"url": "a", "x": 1}
    if final:
        with pytest.raises(ConnectionError, match="call 3"):
            pipeline.run(inputs, engine=make_engine(engine))
    else:
        pipeline.run(inputs, engine=make_engine(engine))
    span = traced.one("node:fetch")
    events = [event for event in span.events if event.name == "retry"]
    assert [dict(event.attributes) for event in events] == [
        {"attempt": 1, "delay": 0.001, "error": "call 1", "error_type": "ConnectionError"},
        {"attempt": 2, "delay": 0.002, "error": "call 2", "error_type": "ConnectionError"},
    ]
    times = [event.timestamp for event in events]
    assert span.start_time <= times[0] <= times[1] <= span.end_time
    assert span.attributes["retries"] == 2
    (data,) = by_name(traced.callback, "fetch")
    assert data["retries"] == [
        {"attempt": 1, "delay": 0.001, "error": "ConnectionError: call 1"},
        {"attempt": 2, "delay": 0.002, "error": "ConnectionError: call 2"},
    ]
    assert data["state"] == ("failed" if final else "done")
    others = [each for each in traced.callback.span_data if each["name"] != "fetch"]
    assert all(each["retries"] == [] for each in others)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failed_map_in_a_map_closes_its_spans(traced, engine):
    inner, outer = nested(traced.callback)
    with pytest.raises(ValueError, match="no number"):
        outer.map({"xs": [[1], [2, "bad", 3], [4]]}, map_over="xs", engine=make_engine(engine))
    started = [span for span in traced.spans() if "error" in span.attributes]
    inside = [f"pipeline:{outer.id}", "node:each", f"pipeline:{inner.id}", "node:double"]
    around = ["map_item[1]", "map_operation"] * 2
    assert sorted(span.name for span in started) == sorted([*inside, *around])
    root = traced.tree()["map_operation"]
    failed = root["map_item[1]"][f"pipeline:{outer.id}"]["node:each"]["map_operation"]
    assert failed["map_item[1]"] == {f"pipeline:{inner.id}": {"node:double": {}}}
    states = {span["state"] for span in by_name(traced.callback, "map_operation")}
    assert states == {"done", "failed"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("hook", ["on_node_start", "on_node_end", "on_map_item_start"])
def test_a_run_that_another_callback_stops_closes_its_spans(traced, engine, hook):
    class Full(PipelineCallback):
        def fail(self, *arguments):
            raise OSError("no space left")

    setattr(Full, hook, Full.fail)
    pipeline = Pipeline([double], callbacks=[traced.callback, Full()])
    with pytest.raises(OSError, match="no space left"):
        pipeline.map({"x": [1, 2]}, map_over="x", engine=make_engine(engine))
    root = traced.tree()["map_operation"]
    assert "map_item[0]" in root
    assert traced.one("map_operation").attributes["stopped"] is True
    assert by_name(traced.callback, "map_operation")[0]["state"] == "stopped"


def test_an_interrupt_closes_the_spans(traced):
    @node(output_name="never")
    def interrupt(x):
        raise KeyboardInterrupt

    pipeline = Pipeline([interrupt], callbacks=[traced.callback])
    with pytest.raises(KeyboardInterrupt):
        pipeline.run({"x": 1})
    assert traced.tree() == {f"pipeline:{pipeline.id}": {"node:interrupt": {}}}
    assert traced.one("node:interrupt").attributes["error_type"] == "KeyboardInterrupt"
    assert by_name(traced.callback, "interrupt")[0]["error"] == "KeyboardInterrupt"


@pytest.mark.parametrize("engine", ENGINES)
def test_spans_are_inside_the_callers(traced, engine, exporter):
    pipeline = Pipeline([double], callbacks=[traced.callback])
    with trace.get_tracer("test").start_as_current_span("mine") as mine:
        pipeline.run({"x": 1}, engine=make_engine(engine))
        pipeline.map({"x": [1]}, map_over="x", engine=make_engine(engine))
    for name in (f"pipeline:{pipeline.id}", "map_operation"):
        roots = [s for s in traced.spans() if s.parent and s.name == name]
        assert mine.get_span_context().span_id in {span.parent.span_id for span in roots}


def test_what_a_node_traces_is_inside_its_span(traced, exporter):
    @node(output_name="answer")
    def ask(x):
        with trace.get_tracer("test").start_as_current_span("question"):
            return Pipeline([double], callbacks=[traced.callback]).run({"x": x})["doubled"]

    Pipeline([ask], callbacks=[traced.callback]).map({"x": [1, 2]}, map_over="x")
    (first, second) = (s for s in exporter.get_finished_spans() if s.name == "question")
    asked = [span.context.span_id for span in traced.spans() if span.name == "node:ask"]
    assert [first.parent.span_id, second.parent.span_id] == asked
    inner = [s for s in traced.spans() if s.parent and s.parent.span_id == first.context.span_id]
    assert [span.name.partition(":")[0] for span in inner] == ["pipeline"]


def test_one_callback_serves_many_runs_at_a_time(traced):
    pipeline = Pipeline([double, add_ten], callbacks=[traced.callback])
    runs = [
        threading.Thread(target=pipeline.map, args=({"x": list(range(20))}, "x")) for _ in range(4)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    spans = traced.spans()
    assert len({span.context.trace_id for span in spans}) == 4
    assert len(spans) == 4 * (1 + 20 * 4)
    assert len(by_name(traced.callback, "double")) == 80


def test_a_callback_of_an_inner_pipeline_only(traced):
    inner = Pipeline([double], callbacks=[traced.callback])
    Pipeline([inner.as_node()]).map({"x": [1, 2]}, map_over="x")
    roots = [span for span in traced.spans() if span.parent is None]
    assert [span.name for span in roots] == [f"pipeline:{inner.id}"] * 2


def test_outputs_are_cut(traced):
    @node(output_name="text")
    def write(x):
        return "a" * 10_000_000

    Pipeline([write], callbacks=[traced.callback]).run({"x": 1})
    outputs = traced.one("node:write").attributes["outputs"]
    assert outputs == ("{'text': '" + "a" * 500)[:500]


@pytest.mark.daft
def test_a_batch_is_told_of_with_the_time_it_took(exporter):
    """On Daft the events of a node come when its rows are done."""
    import time

    @node(output_name="slept")
    def sleep(x):
        time.sleep(0.05)
        return x

    callback = TelemetryCallback()
    Pipeline([sleep], callbacks=[callback]).map({"x": [1]}, "x", engine=make_engine("daft"))
    (span,) = (span for span in exporter.get_finished_spans() if span.name == "node:sleep")
    assert span.end_time - span.start_time >= 0.05e9 * 0.9
    (data,) = by_name(callback, "sleep")
    assert data["duration"] >= 0.05 * 0.9
    assert data["start_time"] == pytest.approx(span.start_time / 1e9, abs=0.001)


# A tracer of the user's own ---------------------------------------------------------------------


class Recorder:
    """Has the `span` of Logfire, and notes what is done in which order."""

    def __init__(self):
        self.done = []

    def span(self, name, **attributes):
        return RecorderSpan(self.done, name)


class RecorderSpan:
    def __init__(self, done, name):
        self.done, self.name, self.attributes = done, name, {}

    def __enter__(self):
        self.done.append(("enter", self.name))

    def __exit__(self, *error):
        self.done.append(("exit", self.name, error[0], sorted(self.attributes)))

    def set_attribute(self, name, value):
        self.attributes[name] = value


def test_spans_are_entered_and_left_in_nesting_order():
    recorder = Recorder()
    pipeline = Pipeline([double], callbacks=[TelemetryCallback(True, recorder)])
    with pytest.raises(ValueError, match="no number"):
        pipeline.map({"x": [1, "bad"]}, map_over="x")
    top, told = f"pipeline:{pipeline.id}", ["duration", "outputs"]
    failed = ["duration", "error", "error_type"]
    assert recorder.done == [
        ("enter", "map_operation"),
        ("enter", "map_item[0]"),
        ("enter", top),
        ("enter", "node:double"),
        ("exit", "node:double", None, told),
        ("exit", top, None, told),
        ("exit", "map_item[0]", None, ["duration"]),
        ("enter", "map_item[1]"),
        ("enter", top),
        ("enter", "node:double"),
        ("exit", "node:double", ValueError, failed),
        ("exit", top, ValueError, failed),
        ("exit", "map_item[1]", ValueError, failed),
        ("exit", "map_operation", ValueError, failed),
    ]


def test_a_context_of_another_engine():
    """One that does not say which items its pipelines run for."""
    recorder = Recorder()
    callback, ctx = TelemetryCallback(True, recorder), CallbackContext()
    callback.on_map_start(2, ctx)
    for item in range(2):
        callback.on_map_item_start(item, ctx)
        ctx.push_pipeline("one")
        callback.on_pipeline_start("one", {}, ctx)
        callback.on_node_cached("leaf", "0" * 64, ctx)
        callback.on_pipeline_end("one", {}, 0.0, ctx)
        ctx.pop_pipeline()
        callback.on_map_item_end(item, 0.0, ctx)
    callback.on_map_end(0.0, ctx)
    assert [what[1] for what in recorder.done if what[0] == "exit"] == [
        "node:leaf", "pipeline:one", "map_item[0]", "node:leaf", "pipeline:one", "map_item[1]",
        "map_operation",
    ]  # fmt: skip
    ids = {span["id"]: span["name"] for span in callback.span_data}
    parents = [ids.get(span["parent_id"]) for span in callback.span_data]
    assert parents == ["one", "map_operation", "one", "map_operation", None]


def test_spans_without_events_have_the_number_of_retries():
    recorder = Recorder()

    @node("y", retry=Retry(attempts=2, delay=0))
    def fail():
        raise ConnectionError

    pipeline = Pipeline([fail], callbacks=[TelemetryCallback(True, recorder)])
    with pytest.raises(ConnectionError):
        pipeline.run()
    exits = [each[3] for each in recorder.done if each[:2] == ("exit", "node:fail")]
    assert exits == [["duration", "error", "error_type", "retries"]]


def test_names_are_no_templates(traced):
    inner = Pipeline([double], name="inner")
    Pipeline([inner.as_node(name="a {b}")], callbacks=[traced.callback]).run({"x": 1})
    assert any(span.attributes.get("node_id") == "a {b}" for span in traced.spans())
    assert by_name(traced.callback, "a {b}")


# Packages ---------------------------------------------------------------------------------------

WITHOUT = """
import sys
for name in ("plotly", "logfire", "opentelemetry"): sys.modules[name] = None
from hypernodes import Pipeline, node
from hypernodes.exceptions import DependencyMissingError
from hypernodes.telemetry import TelemetryCallback
@node(output_name="doubled")
def double(x):
    return x * 2
callback = TelemetryCallback()
Pipeline([double], callbacks=[callback]).run({"x": 1})
assert [span["name"] for span in callback.span_data][0] == "double"
try:
    callback.get_waterfall_chart()
except DependencyMissingError as error:
    assert isinstance(error, ImportError)
    assert "pip install 'hypernodes[telemetry]'" in str(error), error
else:
    raise SystemExit("no error")
"""

LATER = """
import sys
import hypernodes.telemetry
hypernodes.telemetry.TelemetryCallback()
optional = {"plotly", "logfire", "opentelemetry", "rich", "tqdm"}
assert not optional & set(sys.modules), optional & set(sys.modules)
"""


@pytest.mark.parametrize("script", [WITHOUT, LATER])
def test_packages_are_needed_only_when_used(script):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_no_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(DependencyMissingError, match="needs the package plotly"):
        TelemetryCallback().get_waterfall_chart()


def test_pickles():
    callback = TelemetryCallback(trace_map_items=False)
    Pipeline([double], callbacks=[callback]).run({"x": 1})
    copy = pickle.loads(pickle.dumps(callback))
    assert copy.trace_map_items is False
    assert copy.span_data == callback.span_data
