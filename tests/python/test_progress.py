# SPDX-License-Identifier: MIT
import io
import os
import pathlib
import pickle
import pty
import subprocess
import sys
import textwrap
import threading

import pytest

import hypernodes
from hypernodes.callbacks import CallbackContext
from hypernodes.telemetry import ProgressCallback
from hypernodes.telemetry.display import LineDisplay, QuietDisplay, Row, choose_display


class Engine:
    """Tells a callback what an engine would, in the order of `contract.md` 6."""

    def __init__(self, callback):
        self.callback, self.ctx = callback, CallbackContext()

    def describe(self, name, nodes):
        self.ctx.set_pipeline_metadata(
            f"id_{name}", {"total_nodes": nodes, "pipeline_name": name, "node_ids": []}
        )

    def start(self, name, nodes):
        self.describe(name, nodes)
        self.ctx.push_pipeline(f"id_{name}")
        self.callback.on_pipeline_start(f"id_{name}", {}, self.ctx)

    def end(self):
        self.callback.on_pipeline_end(self.ctx.current_pipeline_id, {}, 0.5, self.ctx)
        self.ctx.pop_pipeline()

    def node(self, name, cached=False, item=None):
        if cached:
            self.callback.on_node_cached(name, "0" * 64, self.ctx)
            if item is not None:
                self.callback.on_map_item_cached(item, "0" * 64, self.ctx)
        else:
            self.callback.on_node_start(name, {}, self.ctx)
            self.callback.on_node_end(name, {}, 0.25, self.ctx)

    def retry(self, name, attempt):
        self.callback.on_node_retry(name, attempt, ConnectionError(), 0.0, self.ctx)

    def fail(self, name, error):
        self.callback.on_error(name, error, self.ctx)

    def nested(self, name):
        self.callback.on_nested_pipeline_start(self.ctx.current_pipeline_id, f"id_{name}", self.ctx)

    def nested_end(self, name):
        self.callback.on_nested_pipeline_end(
            self.ctx.current_pipeline_id, f"id_{name}", 0.5, self.ctx
        )


@pytest.fixture
def engine():
    return Engine(ProgressCallback())


@pytest.fixture
def lines(capsys):
    def read():
        captured = capsys.readouterr()
        assert captured.out == ""
        return [line.rstrip() for line in captured.err.splitlines()]

    return read


def run_map(engine, items, cached=(), nodes=("double", "add")):
    engine.describe("demo", len(nodes))
    engine.callback.on_map_start(items, engine.ctx)
    for item in range(items):
        engine.callback.on_map_item_start(item, engine.ctx)
        engine.start("demo", len(nodes))
        for name in nodes:
            engine.node(name, cached=item in cached, item=item)
        engine.end()
        engine.callback.on_map_item_end(item, 0.5, engine.ctx)
    engine.callback.on_map_end(1.5, engine.ctx)


def test_a_run(engine, lines):
    engine.start("demo", 2)
    engine.node("double")
    engine.node("add", cached=True)
    engine.end()
    assert lines() == [
        "  demo: 2 nodes",
        "✓   double: 0.25s",
        "✓   add: CACHED",
        "✓ demo: 2/2 nodes, 50% cached, 0.50s",
    ]


def test_calls_that_were_made_again_are_counted(engine, lines):
    engine.start("demo", 2)
    engine.retry("double", 1)
    engine.node("double")
    engine.callback.on_node_start("add", {}, engine.ctx)
    engine.retry("add", 1)
    engine.retry("add", 2)
    engine.fail("add", ConnectionError("gone"))
    assert lines() == [
        "  demo: 2 nodes",
        "✓   double: 1 retry, 0.25s",
        "✗   add: 2 retries, FAILED ConnectionError: gone",
        "✗ demo: 1/2 nodes, FAILED",
    ]


def test_a_pipeline_without_a_name_shows_its_id(engine, lines):
    engine.ctx.push_pipeline("pipeline_1")
    engine.callback.on_pipeline_start("pipeline_1", {}, engine.ctx)
    engine.end()
    assert lines()[-1].startswith("✓ pipeline_1:")


def test_a_failed_run_closes(engine, lines):
    engine.start("demo", 2)
    engine.callback.on_node_start("double", {}, engine.ctx)
    engine.fail("double", ValueError("no such\nthing"))
    assert lines() == [
        "  demo: 2 nodes",
        "✗   double: FAILED ValueError: no such",
        "✗ demo: 0/2 nodes, FAILED",
    ]
    engine.ctx.pop_pipeline()
    engine.start("demo", 2)  # The context of a later run starts anew.
    assert lines() == ["  demo: 2 nodes"]


def map_lines(read):
    return [line.rsplit(", ", 1)[0] if line.endswith("s") else line for line in read()]


def test_a_map_counts_items_and_hits(engine, lines):
    run_map(engine, 4, cached={1, 3})
    assert map_lines(lines) == [
        "  demo: 4 items",
        "✓   double: 4/4, 50% cached",
        "✓   add: 4/4, 50% cached",
        "✓ demo: 4/4 items, 50% cached",
    ]


def test_an_empty_map(engine, lines):
    engine.describe("demo", 2)
    engine.callback.on_map_start(0, engine.ctx)
    engine.callback.on_map_end(0.0, engine.ctx)
    assert lines() == ["  demo: 0 items", "✓ demo: 0/0 items, 0.00s"]


def test_a_map_without_metadata(engine, lines):
    engine.callback.on_map_start(1, engine.ctx)
    engine.callback.on_map_item_start(0, engine.ctx)
    engine.ctx.push_pipeline("pipeline_1")
    engine.callback.on_pipeline_start("pipeline_1", {}, engine.ctx)
    engine.node("double")
    engine.end()
    engine.callback.on_map_item_end(0, 0.5, engine.ctx)
    engine.callback.on_map_end(1.5, engine.ctx)
    assert "✓ map: 1/1 items, 1.50s" in lines()


def test_events_grouped_by_node_give_the_same_lines(lines):
    sequential, grouped = Engine(ProgressCallback()), Engine(ProgressCallback())
    run_map(sequential, 3, cached={1})
    expected = map_lines(lines)
    callback, ctx = grouped.callback, grouped.ctx
    grouped.describe("demo", 2)
    callback.on_map_start(3, ctx)
    for item in range(3):  # Every item is entered before the first node runs.
        callback.on_map_item_start(item, ctx)
        grouped.start("demo", 2)
    for name in ("double", "add"):
        for item in (2, 0, 1):
            grouped.node(name, cached=item == 1, item=item)
    for item in range(3):
        grouped.end()
        callback.on_map_item_end(item, 0.5, ctx)
    callback.on_map_end(1.5, ctx)
    assert map_lines(lines) == expected
    assert ctx.get(f"_progress_{id(callback)}") is None


def test_a_failed_map_closes(engine, lines):
    engine.describe("demo", 1)
    engine.callback.on_map_start(3, engine.ctx)
    engine.callback.on_map_item_start(0, engine.ctx)
    engine.start("demo", 1)
    engine.callback.on_node_start("double", {}, engine.ctx)
    engine.fail("double", ValueError("odd"))
    found = lines()
    assert "✗   double: 0/3, FAILED ValueError: odd" in found
    assert "✗ demo: 0/3 items, FAILED" in found
    engine.node("add")  # Of another item, which some thread was at.
    assert lines() == []
    engine.ctx.pop_pipeline()
    engine.callback.on_map_start(2, engine.ctx)
    assert lines() == ["  demo: 2 items"]


def test_nested_pipelines_are_indented(engine, lines):
    engine.start("outer", 2)
    engine.callback.on_node_start("inner_node", {}, engine.ctx)
    engine.nested("inner")
    engine.start("inner", 1)
    engine.node("leaf", cached=True)
    engine.end()
    engine.nested_end("inner")
    engine.callback.on_node_end("inner_node", {}, 0.75, engine.ctx)
    engine.node("last")
    engine.end()
    assert lines() == [
        "  outer: 2 nodes",
        "      inner: 1 nodes",
        "✓       leaf: CACHED",
        "✓     inner: 1/1 nodes, 100% cached, 0.50s",
        "✓   inner_node: 0.75s",
        "✓   last: 0.25s",
        "✓ outer: 2/2 nodes, 0.50s",
    ]


def nested_map(engine, items, item_from=0):
    engine.callback.on_node_start("each", {}, engine.ctx)
    engine.nested("inner")
    engine.describe("inner", 1)
    engine.callback.on_map_start(items, engine.ctx)
    for item in range(items):
        engine.callback.on_map_item_start(item, engine.ctx)
        engine.start("inner", 1)
        engine.node("leaf", cached=item < item_from, item=item)
        engine.end()
        engine.callback.on_map_item_end(item, 0.5, engine.ctx)
    engine.callback.on_map_end(0.5, engine.ctx)
    engine.nested_end("inner")
    engine.callback.on_node_end("each", {}, 0.75, engine.ctx)


def test_a_nested_map(engine, lines):
    engine.start("outer", 1)
    nested_map(engine, 4, item_from=2)
    engine.end()
    assert map_lines(lines) == [
        "  outer: 1 nodes",
        "      inner: 4 items",
        "✓       leaf: 4/4, 50% cached",
        "✓     inner: 4/4 items, 50% cached",
        "✓   each: 0.75s",
        "✓ outer: 1/1 nodes",
    ]


def test_a_nested_map_in_a_map(engine, lines):
    engine.describe("outer", 1)
    engine.callback.on_map_start(2, engine.ctx)
    for item in range(2):
        engine.callback.on_map_item_start(item, engine.ctx)
        engine.start("outer", 1)
        nested_map(engine, 3)
        engine.end()
        engine.callback.on_map_item_end(item, 0.5, engine.ctx)
    engine.callback.on_map_end(1.5, engine.ctx)
    found = lines()
    assert sum(line.startswith("✓ outer: 2/2 items") for line in found) == 1
    assert sum(line.strip("✓ ").startswith("inner: 6/6 items") for line in found) == 1
    assert sum(line.strip("✓ ").startswith("leaf: 6/6") for line in found) == 1
    assert sum(line.strip("✓ ").startswith("each: 2/2") for line in found) == 1


def test_a_nested_failure_marks_every_level(engine, lines):
    engine.start("outer", 1)
    engine.callback.on_node_start("inner_node", {}, engine.ctx)
    engine.nested("inner")
    engine.start("inner", 1)
    engine.callback.on_node_start("leaf", {}, engine.ctx)
    engine.fail("leaf", ValueError("odd"))
    engine.ctx.pop_pipeline()
    engine.fail("inner_node", ValueError("odd"))
    failed = [line.strip("✗ ").partition(":")[0] for line in lines() if "FAILED" in line]
    assert failed == ["leaf", "inner", "inner_node", "outer"]


def test_a_callback_of_an_inner_pipeline_only(engine, lines):
    for name in ("outer", "root"):
        engine.describe(name, 1)
        engine.ctx.push_pipeline(f"id_{name}")
    engine.start("inner", 1)
    engine.node("leaf")
    engine.end()
    assert lines() == ["  inner: 1 nodes", "✓   leaf: 0.25s", "✓ inner: 1/1 nodes, 0.50s"]
    assert engine.ctx.get(f"_progress_{id(engine.callback)}") is None


def test_one_callback_serves_many_runs_at_a_time(lines):
    callback = ProgressCallback()
    threads = [threading.Thread(target=run_map, args=(Engine(callback), 50, {0})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines()
    assert sum(line.startswith("✓ demo: 50/50 items, 2% cached") for line in found) == 4


def test_long_maps_tell_now_and_then(engine, lines, monkeypatch):
    monkeypatch.setattr(LineDisplay, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr("hypernodes.telemetry.progress._REFRESH_SECONDS", 0.0)
    run_map(engine, 3)
    assert "  demo: 2/3 items" in lines()


@pytest.mark.daft
def test_nothing_is_shown_after_a_failure_on_daft(lines):
    pytest.importorskip("daft")

    @hypernodes.node(output_name="doubled")
    def double(x):
        if x == 7:
            raise ValueError("seven")
        return x * 2

    @hypernodes.node(output_name="result")
    def add(doubled):
        return doubled + 1

    engine = hypernodes.DaftEngine(callbacks=[ProgressCallback()])
    pipeline = hypernodes.Pipeline([double, add], name="demo", engine=engine)
    with pytest.raises(ValueError, match="seven"):
        pipeline.map({"x": list(range(9))}, map_over="x")
    found = lines()
    assert "✗   double: 7/9, FAILED ValueError: seven" in found
    assert found[-1].startswith("    add: ")
    assert found[-1].endswith("stopped")


def test_a_run_that_another_callback_stops_closes(lines):
    class Full(hypernodes.PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            raise OSError("no space left")

    @hypernodes.node(output_name="doubled")
    def double(x):
        return x * 2

    callbacks = [Full(), ProgressCallback()]
    pipeline = hypernodes.Pipeline([double], name="demo", callbacks=callbacks)
    with pytest.raises(OSError, match="no space left"):
        pipeline.run({"x": 1})
    assert lines() == ["  demo: 1 nodes", "    double: stopped", "  demo: 0/1 nodes, stopped"]


def test_silent_where_asked(lines):
    for enable in (False, "auto"):
        run_map(Engine(ProgressCallback(enable=enable)), 3)
    assert lines() == []
    assert choose_display("auto") is QuietDisplay


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="enable must be True, False or 'auto', got 'yes'"):
        ProgressCallback(enable="yes")


def test_pickles():
    copy = pickle.loads(pickle.dumps(ProgressCallback(enable="auto")))
    assert copy.enable == "auto"


def test_a_closed_or_narrow_stream_does_not_stop_a_run(monkeypatch):
    closed = io.StringIO()
    closed.close()
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for stream in (closed, None, ascii_only):
        monkeypatch.setattr(sys, "stderr", stream)
        run_map(Engine(ProgressCallback()), 2, nodes=("knoten_ä",))
    assert b"+   knoten_\\xe4: 2/2" in ascii_only.buffer.getvalue()


def test_percentages_do_not_claim_too_much():
    row = Row("demo", 0, 1000, "items", done=1000, cached=999, results=1000)
    assert row.counts() == "1000/1000 items, 99% cached"


def test_bars_of_rich():
    console = pytest.importorskip("rich.console")
    from hypernodes.telemetry.rich_display import RichDisplay

    screen = io.StringIO()
    display = RichDisplay(console.Console(file=screen, force_terminal=True, width=100))
    callback = ProgressCallback()
    callback._make_display = lambda: display
    run_map(Engine(callback), 4, cached={0, 1}, nodes=("[red]double", "add"))
    text = screen.getvalue()
    assert "[red]double" in text  # Names are text, never markup.
    assert "4/4 items, 50% cached" in text
    assert "━" in text


def test_bars_of_tqdm(capsys):
    pytest.importorskip("tqdm")
    from hypernodes.telemetry.tqdm_display import TqdmDisplay

    callback = ProgressCallback()
    callback._make_display = TqdmDisplay
    run_map(Engine(callback), 4, cached={0, 1})
    engine = Engine(callback)
    engine.start("demo", 1)
    engine.fail("double", ValueError("odd"))
    text = capsys.readouterr().err
    assert "50% cached" in text
    assert "FAILED ValueError: odd" in text


SCRIPT = """
import sys, types
package = types.ModuleType("hypernodes"); sys.modules["hypernodes"] = package
package.__path__ = [{package!r}]
for name in {hidden!r}: sys.modules[name] = None
from hypernodes.callbacks import CallbackContext
from hypernodes.telemetry import ProgressCallback
assert not {{"rich", "tqdm"}} & {{n for n, m in sys.modules.items() if m}}, "loaded too early"
callback, ctx = ProgressCallback({enable!r}), CallbackContext()
ctx.push_pipeline("demo")
callback.on_pipeline_start("demo", {{}}, ctx)
callback.on_node_start("double", {{}}, ctx)
callback.on_node_end("double", {{}}, 0.25, ctx)
callback.on_pipeline_end("demo", {{}}, 0.5, ctx)
"""


def in_terminal(hidden=(), enable=True):
    script = SCRIPT.format(package=hypernodes.__path__[0], hidden=list(hidden), enable=enable)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stderr=theirs, env=environment
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert child.wait(30) == 0, text.decode()
    return text.decode()


@pytest.mark.parametrize("hidden", [(), ("rich",), ("rich", "tqdm")])
@pytest.mark.parametrize("enable", [True, "auto"])
def test_in_a_terminal(hidden, enable):
    text = in_terminal(hidden, enable)
    assert "double" in text
    assert "0.25s" in text
    assert ("\x1b" in text) == (len(hidden) < 2)


def test_no_display_is_imported_before_it_is_needed():
    source = pathlib.Path(hypernodes.__path__[0], "telemetry", "progress.py").read_text()
    assert "import rich" not in source
    assert "import tqdm" not in source
