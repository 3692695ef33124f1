# SPDX-License-Identifier: MIT
"""What the tests of the Daft engine on Ray run, each in a process of its own: `program.py CASE`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster
import pytest
import ray
import ray_nodes

import daft
from hypernodes import (
    DaftEngine,
    DiskCache,
    ExecutionError,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    load,
    node,
)
from hypernodes.exceptions import PlanError, RemoteError, UncachedWarning

HERE = Path(sys.argv[2])
LIBRARY = Path(sys.argv[3])
LOG = str(HERE / "calls.log")
FACTOR = 3


def calls() -> list[int]:
    """The rows that `square_slowly` ran."""
    path = Path(LOG)
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


def scaled(x: int) -> int:
    return x * FACTOR


@node(output_name="scaled")
def scale(x: int) -> int:
    return scaled(x)


@node(output_name="place")
def place(x: int) -> str:
    time.sleep(0.02)
    return f"{ray.get_runtime_context().get_node_id()} {os.getpid()}"


class Events(PipelineCallback):
    """Counts what it hears of, by hook and node."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Any]] = Counter()

    def on_node_start(self, node_id, inputs, ctx):
        self.counts["start", node_id] += 1

    def on_node_end(self, node_id, outputs, duration, ctx):
        self.counts["end", node_id] += 1

    def on_node_cached(self, node_id, signature, ctx):
        self.counts["cached", node_id] += 1

    def on_error(self, node_id, exception, ctx):
        self.counts["error", node_id] += 1

    def on_map_item_start(self, index, ctx):
        self.counts["item start", index] += 1

    def on_map_item_end(self, index, duration, ctx):
        self.counts["item end", index] += 1

    def on_map_item_cached(self, index, signature, ctx):
        self.counts["item cached", index] += 1


ENGINES = [DaftEngine(), DaftEngine(default_daft_config={"use_process": True})]


def answers() -> None:
    """Answers are those of the sequential engine, and both nodes of the cluster run rows."""
    inner = Pipeline([ray_nodes.double, ray_nodes.total], name="inner").bind(offset=100)
    several = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"total": "totals"}, map_over="xs"
    )
    native = load(LIBRARY)
    offsets = {"x": [1, 2], "offset": [10, 20, 30]}
    both = [ray_nodes.double, ray_nodes.total]
    cases: list[tuple[Pipeline, dict[str, Any], dict[str, Any]]] = [
        (Pipeline(both), {"x": range(50)}, {"map_over": "x"}),
        (Pipeline([*both, scale]), {"x": range(50)}, {"map_over": "x", "outputs": "columns"}),
        (Pipeline([node("y")(lambda x: -x)]), {"x": [1, 2]}, {"map_over": "x"}),
        (Pipeline(both), {"x": []}, {"map_over": "x"}),
        (Pipeline(both), offsets, {"map_over": ["x", "offset"], "map_mode": "product"}),
        (Pipeline([several]), {"xs": [[1], [], [2, 3]]}, {"map_over": "xs"}),
        (Pipeline([native.twice]), {"x": range(50)}, {"map_over": "x"}),
        (Pipeline([native.twice, scale]), {"x": range(50)}, {"map_over": "x"}),
    ]
    for engine in ENGINES:
        for pipeline, inputs, options in cases:
            expected = pipeline.map(inputs, engine=SequentialEngine(), **options)
            assert pipeline.map(inputs, engine=engine, **options) == expected
        assert Pipeline(both, engine).run({"x": 5}) == {"doubled": 10, "total": 11}
        places = Pipeline([place], engine).map({"x": range(60)}, "x", outputs="columns")["place"]
        assert len({where.split()[0] for where in places}) == 2, set(places)
        assert str(os.getpid()) not in {where.split()[1] for where in places}
    once = DaftEngine(default_daft_config={"max_concurrency": 1})
    places = Pipeline([place], once).map({"x": range(20)}, "x", outputs="columns")["place"]
    assert len(set(places)) == 1


def events() -> None:
    """Events and totals are those of the sequential engine: cold, warm, half warm, failing."""
    heard = []
    for name, engine in (("seq", SequentialEngine()), ("ray", ENGINES[0]), ("proc", ENGINES[1])):
        listener = Events()
        pipeline = Pipeline(
            [ray_nodes.double, ray_nodes.total, scale],
            engine,
            cache=DiskCache(HERE / name),
            callbacks=[listener],
        )
        totals = []
        for rows in (range(20), range(20), range(10, 30)):
            pipeline.map({"x": rows}, "x")
            nodes = pipeline.last_run.nodes
            totals.append({key: (each.rows_run, each.rows_cached) for key, each in nodes.items()})
        heard.append((listener.counts, totals))
    assert heard[1] == heard[0], heard
    assert heard[2] == heard[0], heard


def workers() -> None:
    """Events name the machine's process in which the node ran."""

    class Workers(PipelineCallback):
        def __init__(self) -> None:
            self.told: list[tuple[int, int]] = []

        def on_node_end(self, node_id, outputs, duration, ctx):
            assert ctx.worker.host == socket.gethostname()
            self.told.append((ctx.worker.pid, int(outputs["place"].split()[1])))

    for engine in ENGINES:
        listener = Workers()
        Pipeline([place], engine, callbacks=[listener]).map({"x": range(60)}, "x")
        assert len(listener.told) == 60
        assert all(told == said for told, said in listener.told), listener.told
        assert len(set(listener.told)) > 1
        assert os.getpid() not in {told for told, _ in listener.told}


def frame_events() -> None:
    """Callbacks hear of DataFrames: each query is a run, live and from the workers' processes."""
    signal = HERE / "signal"

    class Heard(Events):
        def __init__(self) -> None:
            super().__init__()
            self.around: list[str] = []
            self.pids: set[int] = set()

        def on_pipeline_start(self, pipeline_id, inputs, ctx):
            self.around.append("start")

        def on_pipeline_end(self, pipeline_id, outputs, duration, ctx):
            self.around.append(f"end after {sum(self.counts.values())}")

        def on_node_start(self, node_id, inputs, ctx):
            super().on_node_start(node_id, inputs, ctx)
            self.pids.add(ctx.worker.pid)
            signal.touch()

    heard = Heard()
    apart = node("later", daft={"use_process": True, "max_concurrency": 1})(lambda x: x + 1)
    nodes = [ray_nodes.double, ray_nodes.wait_for, apart]
    pipeline = Pipeline(nodes, callbacks=[heard]).bind(path=str(signal))
    frame = DaftEngine().dataframe(pipeline, {"x": range(30)}, map_over="x")
    for told in (1, 2):
        signal.unlink(missing_ok=True)
        made = sorted(frame.iter_rows(), key=lambda row: row["doubled"])
        assert made[3] == {"doubled": 6, "seen": True, "later": 4}
        assert heard.around == [
            line for n in range(told) for line in ("start", f"end after {180 * (n + 1)}")
        ]
    assert set(heard.counts.values()) == {60}, heard.counts
    assert len(heard.counts) == 6
    assert os.getpid() not in heard.pids
    heard.around.clear()
    inside = Heard()
    opened = Pipeline([ray_nodes.double, apart], name="inner", callbacks=[inside]).as_node()
    whole = Pipeline(
        [opened, node("last")(lambda doubled, later: doubled - later)], callbacks=[heard]
    )
    heard.counts.clear()
    assert whole.with_columns(daft.from_pydict({"x": [1, 2]})).to_pydict()["last"] == [0, 1]
    assert [line.split()[0] for line in heard.around] == ["start", "end"]
    assert [line.split()[0] for line in inside.around] == ["start", "end"]
    assert set(heard.counts.values()) == set(inside.counts.values()) == {2}
    assert (len(heard.counts), len(inside.counts)) == (2, 4), (heard.counts, inside.counts)
    heard.around.clear()
    failing = Pipeline([ray_nodes.double, ray_nodes.check], callbacks=[heard])
    with pytest.raises(Exception, match="14"):
        failing.with_columns(daft.from_pydict({"x": [7]})).collect()
    assert heard.around == ["start"]
    assert heard.counts["error", "check"] == 1, heard.counts


def live() -> None:
    """A callback here hears of a node while it runs there."""
    signal = HERE / "signal"

    class Signals(PipelineCallback):
        def on_node_start(self, node_id, inputs, ctx):
            signal.touch()

    for engine in ENGINES:
        signal.unlink(missing_ok=True)
        pipeline = Pipeline([ray_nodes.wait_for], engine, callbacks=[Signals()])
        seen = pipeline.map({"x": [1, 2], "path": str(signal)}, "x", outputs="columns")["seen"]
        assert seen == [True, True], seen


def failure() -> None:
    """The exception is that of the lowest row, with its row and node."""
    for engine in ENGINES:
        with pytest.raises(KeyError) as caught:
            Pipeline([ray_nodes.double, ray_nodes.check], engine).map({"x": range(40)}, "x")
        assert caught.value.args == (14,)
        assert caught.value.__notes__ == ["hypernodes: node 'check', row 7"], caught.value.__notes__
        fails = load(LIBRARY).fail_at_six
        with pytest.raises(ExecutionError) as caught:
            Pipeline([fails], engine).map({"doubled": range(40)}, "doubled")
        assert (caught.value.node, caught.value.row) == ("fail_at_six", 6), caught.value


def cache() -> None:
    """A DiskCache that the workers of one machine share: cold, warm, half warm."""
    for engine in ENGINES:
        Path(LOG).unlink(missing_ok=True)
        store = DiskCache(HERE / f"cache{engine is ENGINES[0]}")
        pipeline = Pipeline([ray_nodes.square_slowly], engine, cache=store).bind(log=LOG)
        for rows, computed in ((range(20), 20), (range(20), 20), (range(10, 30), 30)):
            answer = pipeline.map({"x": rows}, "x", outputs="columns")
            assert answer == {"squared": [x * x for x in rows]}
            assert len(calls()) == computed
        pipeline.map({"x": range(30)}, "x", engine=SequentialEngine())
        assert sorted(calls()) == list(range(30))


def library() -> None:
    """A node library that workers do not have is told by path and node; no row runs."""
    copy = HERE / LIBRARY.name
    shutil.copy(LIBRARY, copy)
    twice = load(copy).twice
    copy.unlink()
    for engine in ENGINES:
        pipeline = Pipeline([twice, ray_nodes.square_slowly], engine).bind(log=LOG)
        with pytest.raises(RemoteError) as caught:
            pipeline.map({"x": range(8)}, "x")
        assert str(copy) in str(caught.value), caught.value
        assert "node 'twice'" in str(caught.value), caught.value
    assert calls() == []


def _lose(engine: DaftEngine, lose: Callable[[int], None]) -> None:
    """Has `lose` act in the midst of a map; the map or another one finishes what is missing."""
    rows, parts = 160, 8
    store = DiskCache(HERE / "cache")
    heard = Events()
    pipeline = Pipeline([ray_nodes.square_slowly], engine, cache=store, callbacks=[heard])
    pipeline = pipeline.bind(log=LOG)

    def act() -> None:
        while len(calls()) < rows // 2:
            time.sleep(0.02)
        lose(int(Path(LOG).read_text().splitlines()[-1].split()[1]))

    actor = threading.Thread(target=act)
    actor.start()
    expected = {"squared": [x * x for x in range(rows)]}
    assert pipeline.map({"x": range(rows)}, "x", outputs="columns") == expected
    actor.join()
    # Each of two workers had a part under way, and Daft may have handed the next one over.
    assert len(calls()) <= rows + 4 * rows // parts, len(calls())
    # A row that was begun, lost and found in the cache is told as such.
    told = heard.counts
    name = "square_slowly"
    assert told["end", name] + told["cached", name] == rows, told
    assert rows - told["cached", name] <= told["start", name] <= rows, told
    assert all(told["item end", row] == 1 for row in range(rows)), told
    before = len(calls())
    assert pipeline.map({"x": range(rows)}, "x", outputs="columns") == expected
    assert len(calls()) == before
    assert set(calls()) == set(range(rows))


def lost_worker() -> None:
    """A worker of Ray's that is killed in a map costs at most the parts under way."""
    _lose(ENGINES[0], lambda pid: os.kill(pid, signal.SIGKILL))


def lost_process() -> None:
    """As `lost_worker`, with a process of the query's own."""
    _lose(ENGINES[1], lambda pid: os.kill(pid, signal.SIGKILL))


def lost_node() -> None:
    """As `lost_worker`, with a whole node of the cluster."""
    other = next(each for each in MADE.list_all_nodes() if not each.head)
    _lose(ENGINES[0], lambda pid: MADE.remove_node(other, allow_graceful=False))


@node(output_name="y")
def kill_worker(x: int) -> int:
    if x == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def deadly() -> None:
    """A row that kills whoever runs it ends the map with an error."""
    for engine in ENGINES:
        with pytest.raises(RemoteError) as caught:
            Pipeline([kill_worker], engine).map({"x": range(8)}, "x")
        assert str(caught.value).startswith("The process that ran row 7 died 3 times"), caught.value


def frames() -> None:
    """DataFrames of Python and C++ nodes are what the sequential engine gives."""
    native = load(LIBRARY)
    objects = node("kept")(lambda x: {"value": {x}})
    mixed = node(("box", "size"))(ray_nodes.boxed)
    sized = node("bigger")(lambda size: size + 1)
    apart = node("doubled", daft={"use_process": True, "max_concurrency": 1})(ray_nodes.twice)
    throttled = node("doubled", daft={"max_concurrency": 1, "name": "slow"})(ray_nodes.twice)
    lists = node("xs")(lambda x: [x] * (x % 3))
    inner = Pipeline([apart, ray_nodes.total], name="inner")
    plain = inner.as_node(output_mapping={"total": "sum"})
    mapped = inner.as_node({"xs": "x"}, {"total": "sums"}, map_over="xs")
    several = node(("low", "high"))(lambda x, offset=5: (x - offset, x + offset))
    for nodes in (
        [ray_nodes.double, ray_nodes.total, scale],
        [native.twice],
        [native.twice, scale],
        [objects, several],
        [mixed, sized],
        [apart, ray_nodes.total],
        [throttled],
        [plain, scale],
        [lists, mapped],
        [native.describe],
    ):
        pipeline = Pipeline(nodes)
        over = "text" if "text" in pipeline.graph.root_args else "x"
        items = ["", "some", "text"] if over == "text" else list(range(30))
        expected = pipeline.map({over: items}, over, outputs="columns")
        frame = DaftEngine().dataframe(pipeline, {over: items}, map_over=over)
        assert frame.to_pydict() == expected, (frame, expected)
        given = daft.from_pydict({over: items, "key": list(range(len(items)))})
        extended = pipeline.with_columns(given.into_partitions(2)).to_pydict()
        assert extended == {over: items, "key": list(range(len(items))), **expected}
    bound = Pipeline([native.twice, ray_nodes.total]).bind(offset=10)
    assert DaftEngine().dataframe(bound, {"x": 4}).to_pydict() == {"doubled": [8], "total": [18]}
    store = DiskCache(HERE / "cache")
    pipeline = Pipeline([ray_nodes.square_slowly], cache=store).bind(log=LOG)
    for _ in range(2):
        squares = pipeline.with_columns(daft.from_pydict({"x": [1, 2, 3]})).to_pydict()
        assert squares["squared"] == [1, 4, 9]
        assert len(calls()) == 3
    with pytest.raises(Exception, match="check"):
        DaftEngine().dataframe(
            Pipeline([ray_nodes.double, ray_nodes.check]), {"x": range(10)}, map_over="x"
        ).to_pydict()


def machines() -> None:
    """Rows of a worker that has another directory at the cache's path run uncached, and are told.

    A mount namespace of its own gives a node of the cluster another file system there.
    """
    path = HERE / "cache"
    store = DiskCache(path)
    starts = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={MADE.address}"]
    starts += ["--num-cpus=1", f"--object-store-memory={cluster.MEMORY}", "--block"]
    mounts = f"mount -t tmpfs none {path} && exec {' '.join(starts)}"
    MADE.remove_node(next(each for each in MADE.list_all_nodes() if not each.head))
    before = sum(each["Alive"] for each in ray.nodes())
    with contextlib.ExitStack() as ends:
        other = ends.enter_context(
            subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", mounts],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        ends.callback(other.kill)
        while sum(each["Alive"] for each in ray.nodes()) == before:
            assert other.poll() is None
            time.sleep(0.1)
        inner = Pipeline([ray_nodes.double], cache=store, name="inner").as_node()
        pipeline = Pipeline([inner, ray_nodes.square_slowly], ENGINES[0], cache=store).bind(log=LOG)
        for _ in range(2):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", UncachedWarning)
                answer = pipeline.map({"x": range(80)}, "x", outputs="columns")
            assert answer["squared"] == [x * x for x in range(80)]
            (text,) = [str(each.message) for each in told if each.category is UncachedWarning]
            assert re.match(f"Rows on machine '.+' run uncached: .*DiskCache.*{path}", text), text
        # What this machine ran was kept: only rows of the other ran again.
        assert 80 < len(calls()) < 160, len(calls())
        assert len(store) > 0


def runner() -> None:
    """Engines choose Daft's runner; a process keeps the first."""
    assert DaftEngine(runner="ray", address=MADE.address).map(
        Pipeline([ray_nodes.double]), {"x": [1, 2]}, "x"
    ) == [{"doubled": 2}, {"doubled": 4}]
    assert daft.get_or_infer_runner_type() == "ray"
    assert DaftEngine(runner="ray").run(Pipeline([ray_nodes.double]), {"x": 1}) == {"doubled": 2}
    wrong = {"Daft's runner is 'ray' already": {"runner": "native"}}
    wrong["Ray is connected to .* already, not to"] = {"runner": "ray", "address": "127.0.0.1:1"}
    for text, options in wrong.items():
        with pytest.raises(PlanError) as caught:
            DaftEngine(**options).run(Pipeline([ray_nodes.double]), {"x": 1})
        assert re.match(text, str(caught.value)), caught.value


def native_first() -> None:
    """As `runner`, in a process whose Daft runs natively."""
    engine = DaftEngine(runner="native")
    ray.shutdown()
    assert engine.run(Pipeline([ray_nodes.double]), {"x": 1}) == {"doubled": 2}
    with pytest.raises(PlanError) as caught:
        DaftEngine(runner="ray", address=MADE.address).run(Pipeline([ray_nodes.double]), {"x": 1})
    assert str(caught.value).startswith("Daft's runner is 'native' already"), caught.value
    assert not ray.is_initialized()


def main() -> None:
    case = sys.argv[1]
    global MADE
    MADE = cluster.start()
    try:
        if case not in ("runner", "native_first"):
            daft.set_runner_ray()
        globals()[case]()
        print(f"\n{case} is right")
    finally:
        cluster.stop(MADE)


if __name__ == "__main__":
    main()
