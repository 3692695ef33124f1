"""Rows that Dask runs in other processes: carried there and back by hypernodes.remote."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    DiskCache,
    ExecutionError,
    MemoryCache,
    Pipeline,
    PipelineCallback,
    SequentialEngine,
    _travel,
    load,
    node,
)
from hypernodes.cache import Cache
from hypernodes.engines import DaskEngine
from hypernodes.exceptions import RemoteError, UncachedWarning
from hypernodes.remote import NotCarried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypernodes.callbacks import CallbackContext

dask = pytest.importorskip("dask")
pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Two processes that all tests share: starting them is slow."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        yield processes


@pytest.fixture
def engine(pool: ProcessPoolExecutor) -> Iterator[DaskEngine]:
    with dask.config.set(pool=pool):
        yield DaskEngine(scheduler="processes", npartitions=4)


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


@node(output_name="total")
def total(doubled: int, offset: int = 1) -> int:
    return doubled + offset


@node(output_name="process")
def process(x: int) -> int:
    return os.getpid()


class Unlucky(Exception):
    """Cannot be made of its args."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"{number} is unlucky: {why}")


@node(output_name="y")
def fail_at_three_and_five(x: int) -> int:
    if x in (3, 5):
        raise KeyError(x)
    return x


@node(output_name="lock")
def make_lock(x: int) -> Any:
    return threading.Lock()


@node(output_name="kind")
def kind_of(lock: Any) -> str:
    return type(lock).__name__


def test_answers_are_those_of_the_sequential_engine(engine: DaskEngine) -> None:
    inner = Pipeline([double, total], name="inner").bind(offset=100)
    several = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"total": "totals"}, map_over="xs"
    )
    offsets = {"x": [1, 2], "offset": [10, 20, 30]}
    cases: list[tuple[Pipeline, dict[str, Any], dict[str, Any]]] = [
        (Pipeline([double, total]), {"x": range(50)}, {"map_over": "x"}),
        (Pipeline([double, total]), {"x": []}, {"map_over": "x"}),
        (Pipeline([double, total]), {"x": [1, 2]}, {"map_over": "x", "output_name": "doubled"}),
        (Pipeline([double, total]), {"x": [1, 2]}, {"map_over": "x", "outputs": "columns"}),
        (Pipeline([double, total]), offsets, {"map_over": ["x", "offset"], "map_mode": "product"}),
        (Pipeline([double]).bind(x=1), {"y": [1, 2]}, {"map_over": "y"}),
        (Pipeline([several]), {"xs": [[1], [], [2, 3]]}, {"map_over": "xs"}),
    ]
    for pipeline, inputs, options in cases:
        expected = pipeline.map(inputs, engine=SequentialEngine(), **options)
        assert pipeline.map(inputs, engine=engine, **options) == expected
    assert Pipeline([double, total], engine=engine).run({"x": 5}) == {"doubled": 10, "total": 11}
    assert Pipeline([double], engine=engine).run({"x": 5}, output_name=[]) == {}


def test_rows_run_in_other_processes_and_are_counted_here(engine: DaskEngine) -> None:
    pipeline = Pipeline([process, double], engine=engine)
    rows = pipeline.map({"x": range(40)}, "x")
    assert os.getpid() not in {row["process"] for row in rows}
    assert pipeline.last_run.nodes["process"].rows_run == 40
    assert pipeline.last_run.nodes["double"].rows_run == 40


def test_local_functions_and_lambdas_travel(engine: DaskEngine) -> None:
    def triple(x: int, factor: int = 3) -> int:
        return x * factor

    pipeline = Pipeline([node("y")(triple), node("z")(lambda y: -y)], engine=engine)
    assert pipeline.map({"x": [1, 2]}, "x") == [{"y": 3, "z": -3}, {"y": 6, "z": -6}]


def test_exception_of_the_lowest_row_comes_out_as_itself(engine: DaskEngine) -> None:
    pipeline = Pipeline([fail_at_three_and_five], engine=engine)
    with pytest.raises(KeyError, match="3") as caught:
        pipeline.map({"x": range(8)}, "x")
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three_and_five', row 3"]
    assert "raise KeyError(x)" in str(caught.value.__cause__)
    with pytest.raises(KeyError, match="5") as caught:
        pipeline.run({"x": 5})
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three_and_five'"]


def test_exception_of_a_local_class_comes_out_as_itself(engine: DaskEngine) -> None:
    class Local(Exception):
        pass

    @node(output_name="y")
    def fail(x: int) -> int:
        raise Local(x)

    with pytest.raises(Local, match="7"):
        Pipeline([fail], engine=engine).run({"x": 7})


def test_exception_that_cannot_be_carried_has_a_faithful_replacement(engine: DaskEngine) -> None:
    @node(output_name="y")
    def fail(x: int) -> int:
        raise Unlucky(x, "so they say")

    with pytest.raises(RemoteError, match=r"Unlucky: 7 is unlucky: so they say") as caught:
        Pipeline([fail], engine=engine).run({"x": 7})
    assert "raise Unlucky(x" in str(caught.value.__cause__)
    assert caught.value.__notes__ == ["hypernodes: node 'fail'"]


def test_failing_cpp_node_is_an_execution_error(
    engine: DaskEngine, node_library: Callable[[str], Path]
) -> None:
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, library.fail_at_six])
    errors = []
    for each in (SequentialEngine(), engine):
        with pytest.raises(ExecutionError, match="six is bad") as caught:
            pipeline.map({"x": [1, 2, 3]}, "x", engine=each)
        errors.append(caught.value)
    assert str(errors[0]) == str(errors[1])
    assert (errors[1].node, errors[1].row) == ("fail_at_six", 2)
    assert not hasattr(errors[1], "__notes__")
    assert pipeline.map({"x": [1, 2]}, "x", engine=engine)[1] == {"doubled": 4, "checked": 4}


def test_library_that_the_worker_lacks_is_told(
    engine: DaskEngine, node_library: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "libonly_here.so"
    shutil.copy(node_library("nodes_b"), path)
    nodes = [each for each in load(path) if each.root_args == ("doubled",)]
    path.unlink()
    with pytest.raises(RemoteError, match=r"worker process cannot open[^$]*libonly_here"):
        Pipeline(nodes, engine=engine).map({"doubled": [1, 2]}, "doubled")


class Recorder(PipelineCallback):
    """Keeps every event, by the number of its row."""

    def __init__(self) -> None:
        self.rows: dict[Any, list[Any]] = {}

    def note(self, hook: str, arguments: tuple[Any, ...], ctx: CallbackContext) -> None:
        inside = ctx.get("_in_map") and hook != "on_map_end"  # which is after any of the items
        row = ctx.get("_map_item_index") if inside else None
        kept = [a for a in arguments if not isinstance(a, float)]  # no durations
        if hook == "on_error":
            kept = [kept[0], repr(kept[1])]
        self.rows.setdefault(row, []).append((hook, kept, ctx.depth, ctx.hierarchy_path))


def _recording(hook: str) -> Callable[..., None]:
    return lambda self, *arguments: self.note(hook, arguments[:-1], arguments[-1])


for _hook in [name for name in dir(PipelineCallback) if name.startswith("on_")]:
    setattr(Recorder, _hook, _recording(_hook))


def test_events_are_told_here_with_their_values_and_context(
    engine: DaskEngine, tmp_path: Path
) -> None:
    inner = Pipeline([double, fail_at_three_and_five], name="inner")
    mapped = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"y": "ys", "doubled": "ds"}, map_over="xs"
    )
    plain = Pipeline([total, double])
    outer = Pipeline([mapped], name="outer")
    seen = []
    for name, each in (("sequential", SequentialEngine()), ("dask", engine)):
        recorder = Recorder()
        plain.with_callbacks([recorder]).map({"x": range(6)}, "x", engine=each)
        plain.run({"x": 1}, engine=each)
        outer.with_callbacks([recorder]).run({"xs": [1, 2]}, engine=each)
        with pytest.raises(KeyError):
            outer.run({"xs": [1, 3]}, engine=each)
        cached = outer.with_cache(DiskCache(tmp_path / name))
        for _ in range(2):
            cached.run({"xs": [4, 6]}, engine=each)
        cached.with_cache(None)
        seen.append(recorder)
    assert seen[0].rows == seen[1].rows


def test_callbacks_of_inner_pipelines_hear_inner_events_only(engine: DaskEngine) -> None:
    seen = []
    inner = Pipeline([double], name="inner")
    outer = Pipeline([inner.as_node(), total], name="outer")
    for each in (SequentialEngine(), engine):
        recorder, outside = Recorder(), Recorder()
        inner.callbacks, outer.callbacks = [recorder], None
        outer.run({"x": 1}, engine=each)
        outer.with_callbacks([outside]).run({"x": 1}, engine=each)
        seen.append((recorder.rows, outside.rows))
    assert seen[0] == seen[1]


def test_value_of_an_event_that_cannot_be_carried_is_shown_only(engine: DaskEngine) -> None:
    values: list[Any] = []

    class Values(PipelineCallback):
        def on_node_end(self, node_id: str, outputs: Any, duration: float, ctx: Any) -> None:
            values.append(outputs)

    pipeline = Pipeline([make_lock, kind_of], engine=engine, callbacks=[Values()])
    assert pipeline.run({"x": 1}, output_name="kind") == {"kind": "lock"}
    assert isinstance(values[0]["lock"], NotCarried)
    assert "unlocked" in repr(values[0]["lock"])
    assert values[1] == {"kind": "lock"}


def test_input_that_all_rows_share_does_not_come_back(engine: DaskEngine) -> None:
    seen: list[Any] = []

    class Inputs(PipelineCallback):
        def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: Any) -> None:
            seen.append(inputs["offset"])

    offset = 2**80
    pipeline = Pipeline([total], engine=engine, callbacks=[Inputs()])
    pipeline.map({"doubled": range(6), "offset": offset}, "doubled")
    assert len(seen) == 6
    assert all(value is offset for value in seen)


def test_no_part_begins_after_a_failure(engine: DaskEngine, tmp_path: Path) -> None:
    @node(output_name="y")
    def fail_at_first(x: int, folder: Path) -> int:
        if x == 0:
            raise ValueError("first")
        (folder / str(x)).touch()
        time.sleep(0.01)
        return x

    engine.npartitions = 50
    with pytest.raises(ValueError, match="first"):
        Pipeline([fail_at_first], engine=engine).map({"x": range(200), "folder": tmp_path}, "x")
    assert len(list(tmp_path.iterdir())) < 150


def test_exception_of_a_callback_stops_the_map(engine: DaskEngine) -> None:
    class Stop(PipelineCallback):
        def on_node_end(self, node_id: str, outputs: Any, duration: float, ctx: Any) -> None:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        Pipeline([double], engine=engine, callbacks=[Stop()]).map({"x": range(9)}, "x")


def test_cache_is_shared_by_processes(engine: DaskEngine, tmp_path: Path) -> None:
    pipeline = Pipeline([process, fail_at_three_and_five], cache=DiskCache(tmp_path))
    first = pipeline.map({"x": [1, 2, 2]}, "x", engine=engine)
    assert pipeline.last_run.nodes["process"].rows_run == 2  # equal rows run once
    assert pipeline.map({"x": [1, 2, 2]}, "x", engine=SequentialEngine()) == first
    assert pipeline.map({"x": [2, 1]}, "x", engine=engine) == [first[1], first[0]]
    assert pipeline.last_run.nodes["process"].rows_cached == 2
    with pytest.raises(KeyError):
        pipeline.map({"x": [8, 9, 3]}, "x", engine=engine)
    pipeline.map({"x": [8, 9]}, "x", engine=SequentialEngine())
    assert pipeline.last_run.nodes["fail_at_three_and_five"].rows_cached == 2


class FolderCache(Cache):
    """A user's cache that processes can share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, signature: str) -> Any:
        return int((self.folder / signature).read_text())

    def put(self, signature: str, output: Any) -> None:
        (self.folder / signature).write_text(str(output))

    def has(self, signature: str) -> bool:
        return (self.folder / signature).exists()


def test_cache_written_in_python_travels_as_it_pickles(engine: DaskEngine, tmp_path: Path) -> None:
    pipeline = Pipeline([double], cache=FolderCache(tmp_path))
    assert pipeline.map({"x": [1, 2]}, "x", engine=engine) == [{"doubled": 2}, {"doubled": 4}]
    assert pipeline.map({"x": [1]}, "x", engine=SequentialEngine()) == [{"doubled": 2}]
    assert pipeline.last_run.nodes["double"].rows_cached == 1


def test_options_of_a_disk_cache_reach_the_processes(engine: DaskEngine, tmp_path: Path) -> None:
    pipeline = Pipeline([root_of])
    forbidding = DiskCache(tmp_path, allow_pickle=False)
    with pytest.warns(UncachedWarning, match="allow_pickle=False"):
        pipeline.with_cache(forbidding).map({"x": [1, 2]}, "x", engine=engine)
    assert len(forbidding) == 0
    keyed = DiskCache(tmp_path, pickle_key="a secret of the tests", durability="commit")
    expected = pipeline.with_cache(keyed).map({"x": [1, 2]}, "x", engine=engine)
    here = pipeline.with_cache(keyed)
    assert here.map({"x": [1, 2]}, "x", engine=SequentialEngine()) == expected
    assert here.last_run.nodes["root_of"].rows_cached == 2


@node(output_name="root")
def root_of(x: int) -> complex:
    return complex(0, x)


def test_a_memory_cache_keeps_nothing_of_other_processes(engine: DaskEngine) -> None:
    cache = MemoryCache()
    pipeline = Pipeline([double], cache=cache)
    with pytest.warns(UncachedWarning, match="use a DiskCache to keep them"):
        mapped = pipeline.map({"x": [1, 2]}, "x", engine=engine)
    assert mapped == [{"doubled": 2}, {"doubled": 4}]
    assert len(cache) == 0
    assert "MemoryCache" in pipeline.last_run.warnings[0]
    pipeline.map({"x": [1, 2]}, "x", engine=SequentialEngine())
    assert len(cache) == 2


def test_warnings_of_rows_that_ran_there_are_told_here(engine: DaskEngine, tmp_path: Path) -> None:
    pipeline = Pipeline([make_lock, kind_of], engine=engine, cache=DiskCache(tmp_path))
    with pytest.warns(UncachedWarning) as told:
        pipeline.map({"x": [1]}, "x", output_name="kind")
    assert [str(warning.message).split()[1] for warning in told] == ["'make_lock'", "'kind_of'"]


def test_what_cannot_travel_is_named_before_rows_run(
    engine: DaskEngine, calls: Callable[[], list[str]]
) -> None:
    lock = threading.Lock()

    @node(output_name="y")
    def guarded(x: int) -> int:
        with lock:
            return x

    @node(output_name="y")
    def ran(x: Any, k: Any = None) -> Any:
        from pathlib import Path

        Path(os.environ["HYPERNODES_TEST_CALLS"]).write_text("ran\n")
        return x

    inner = Pipeline([ran], name="inner").bind(k=lock)
    cases = [
        (Pipeline([ran, node("z")(guarded.func)]), {"x": [1]}, "Node 'guarded' cannot travel"),
        (Pipeline([ran]), {"x": [1], "k": lock}, "Input 'k' cannot travel"),
        (Pipeline([ran]), {"x": [1, lock]}, "Input 'x', row 1, cannot travel"),
        (Pipeline([inner.as_node()]), {"x": [1]}, "Bound input 'k' of pipeline 'inner' cannot"),
    ]
    for pipeline, inputs, message in cases:
        with pytest.raises(TypeError, match=f"{message}[^$]*lock"):
            pipeline.map(inputs, "x", engine=engine)
    assert calls() == []


def test_output_that_cannot_come_back_is_named(engine: DaskEngine) -> None:
    with pytest.raises(TypeError, match=r"Output 'lock', row 0, cannot travel[^$]*lock"):
        Pipeline([make_lock], engine=engine).map({"x": [1]}, "x")
    with pytest.raises(TypeError, match=r"Output 'lock' cannot travel[^$]*lock"):
        Pipeline([make_lock], engine=engine).run({"x": 1})


def test_inner_pipeline_alone_runs_in_other_processes(engine: DaskEngine) -> None:
    inner = Pipeline([process, fail_at_three_and_five], engine=engine, name="inner")
    mapped = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"process": "ps", "y": "ys"}, map_over="xs"
    )
    outer = Pipeline([mapped, double])
    row = outer.run({"xs": [1, 2], "x": 4})
    assert (row["ys"], row["doubled"]) == ([1, 2], 8)
    assert os.getpid() not in row["ps"]
    with pytest.raises(KeyError) as caught:
        outer.map({"xs": [[1], [2, 3]], "x": [1, 2]}, ["xs", "x"])
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three_and_five', row 1"]


def test_engine_of_an_inner_pipeline_stays_here(engine: DaskEngine) -> None:
    inner = Pipeline([process], engine=DaskEngine(num_workers=2), name="inner")
    row = Pipeline([inner.as_node(map_over="x")], engine=engine).run({"x": [1, 2]})
    assert os.getpid() not in row["process"]
    assert len(set(row["process"])) == 1


SCRIPT = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
import dask
from hypernodes import Pipeline, node
from hypernodes.engines import DaskEngine

@dataclass
class Point:
    x: int

class Refused(Exception):
    pass

@node(output_name="moved")
def move(point: Point) -> Point:
    assert isinstance(point, Point)
    if point.x == 3:
        raise Refused(point)
    return Point(point.x + 1)

@node(output_name="y")
def slow(x: int) -> int:
    if x == 0:
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(0.05)
    return x

def main():
    engine = DaskEngine("processes", num_workers=1, npartitions=400)
    pipeline = Pipeline([move], engine=engine)
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with pool, dask.config.set(pool=pool):
        points = pipeline.map({"point": [Point(1), Point(2)]}, "point")
        assert points == [{"moved": Point(2)}, {"moved": Point(3)}], points
        try:
            pipeline.run({"point": Point(3)})
        except Refused as error:
            assert error.args == (Point(3),)
        else:
            raise AssertionError("no error")
    try:
        Pipeline([slow], engine=engine).map({"x": range(400)}, "x")
    except KeyboardInterrupt:
        print("interrupted")

if __name__ == "__main__":
    main()
"""


def test_classes_of_a_script_are_its_own_and_an_interrupt_ends_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "interrupted\n"


@pytest.fixture
def no_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _travel._pickler.cache_clear()
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    yield
    _travel._pickler.cache_clear()


@pytest.mark.usefixtures("no_cloudpickle")
def test_without_cloudpickle_a_local_function_is_refused() -> None:
    local = Pipeline([node("y")(lambda x: x)])
    with pytest.raises(TypeError, match=r"'<lambda>' cannot travel[^$]*hypernodes\[pickle\]"):
        _travel.dumps_job(local, local, {})
    importable = Pipeline([double], engine=DaskEngine())
    arrived = _travel.loads(_travel.dumps_job(importable, importable, {}))
    assert arrived.run({"x": 1}) == {"doubled": 2}
    assert isinstance(arrived.engine, SequentialEngine)
