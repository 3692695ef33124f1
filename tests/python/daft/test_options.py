# SPDX-License-Identifier: MIT
"""default_daft_config and use_batch_udf of the Daft engine take effect."""

from __future__ import annotations

import io
import os
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, DiskCache, Pipeline, node
from hypernodes.exceptions import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

daft = pytest.importorskip("daft")
pytestmark = [pytest.mark.daft, pytest.mark.timeout(120)]


class Crowd:
    """Counts the rows of each call of a batch node, and how many calls are under way at once.

    A call does not end before `wanted` are under way.
    """

    def __init__(self, wanted: int = 1) -> None:
        self.sizes: list[int] = []
        self.most = 0
        self._wanted = wanted
        self._now = 0
        self._changed = threading.Condition()

    def pipeline(self) -> Pipeline:
        @node(output_name="y", batch=True)
        def visit(x: list[int]) -> list[int]:
            with self._changed:
                self.sizes.append(len(x))
                self._now += 1
                self.most = max(self.most, self._now)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self.most >= self._wanted, timeout=60)
            threading.Event().wait(0.002)  # others may come
            with self._changed:
                self._now -= 1
            return x

        return Pipeline([visit])


def mapped(
    pipeline: Pipeline, rows: int, *, cache: Any = None, batched: bool = True, **config: Any
):
    engine = DaftEngine(batched, config, cache)
    result = pipeline.map({"x": list(range(rows))}, "x", engine=engine, outputs="columns")
    assert result == {"y": list(range(rows))}


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The plan of each query that runs."""
    texts: list[str] = []

    def watched(name: str) -> None:
        original = getattr(daft.DataFrame, name)

        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            text = io.StringIO()
            self.explain(show_all=True, file=text)
            texts.append(text.getvalue())
            return original(self, *args, **kwargs)

        monkeypatch.setattr(daft.DataFrame, name, run)

    watched("collect")
    watched("iter_rows")
    return texts


@pytest.mark.parametrize("workers", [1, 3, 100])
def test_max_workers_cuts_a_map_into_parts(workers: int) -> None:
    crowd = Crowd()
    mapped(crowd.pipeline(), 10, max_workers=workers)
    assert len(crowd.sizes) == min(workers, 10)
    assert max(crowd.sizes) - min(crowd.sizes) <= 1


def test_max_workers_run_at_once() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    crowd = Crowd(wanted=2)
    mapped(crowd.pipeline(), 4, max_workers=2)
    assert (crowd.most, crowd.sizes) == (2, [2, 2])


@pytest.mark.parametrize("size", [1, 3, 50])
def test_batch_size_is_the_most_rows_of_a_call(size: int) -> None:
    crowd = Crowd()
    mapped(crowd.pipeline(), 20, batch_size=size)
    assert max(crowd.sizes) == min(size, 20)


def test_rows_come_one_by_one_without_batch_udf() -> None:
    crowd = Crowd()
    mapped(crowd.pipeline(), 5, batched=False)
    assert crowd.sizes == [1] * 5
    crowd = Crowd()
    mapped(crowd.pipeline(), 6, batched=False, batch_size=2)
    assert max(crowd.sizes) == 2


@pytest.mark.parametrize("option", ["max_concurrency", "max_workers"])
def test_no_more_calls_at_once_than_asked_for(option: str) -> None:
    crowd = Crowd()
    mapped(crowd.pipeline(), 40, batch_size=1, **{option: 1})
    assert (crowd.most, len(crowd.sizes)) == (1, 40)


def test_equal_rows_are_computed_once_with_a_cache(tmp_path: Path) -> None:
    seen: list[int] = []

    @node(output_name="y")
    def work(x: int) -> int:
        seen.append(x)
        return x

    engine = DaftEngine(default_daft_config={"batch_size": 1, "max_workers": 4})
    pipeline = Pipeline([work], engine, DiskCache(tmp_path))
    assert len(pipeline.map({"x": [1, 2] * 20}, "x")) == 40
    assert sorted(seen) == [1, 2]


def test_native_nodes_keep_options(node_library: Callable[[str], Path], plans: list[str]) -> None:
    from hypernodes import load

    library = load(str(node_library("nodes_a")))
    engine = DaftEngine(default_daft_config={"batch_size": 2, "max_concurrency": 1})
    result = Pipeline([library.twice], engine).map({"x": [1, 2, 3]}, "x", outputs="columns")
    assert result == {"doubled": [2, 4, 6]}
    assert "batch_size = 2" in plans[0]


@node(output_name="y")
def place(x: int) -> tuple[int, int]:
    return x, os.getpid()


def test_use_process_takes_rows_to_processes() -> None:
    engine = DaftEngine(default_daft_config={"use_process": True, "max_concurrency": 1})
    results = Pipeline([place]).map({"x": range(9)}, "x", engine=engine, outputs="columns")["y"]
    assert [row for row, _ in results] == list(range(9))
    processes = {process for _, process in results}
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_use_process_cuts_by_batch_size(plans: list[str]) -> None:
    sizes: list[int] = []
    engine = DaftEngine(default_daft_config={"use_process": True, "batch_size": 2})

    @node(output_name="y", batch=True)
    def size(x: list[int]) -> list[int]:
        return [len(x)] * len(x)

    sizes = Pipeline([size]).map({"x": range(30)}, "x", engine=engine, outputs="columns")["y"]
    assert max(sizes) <= 2


@pytest.mark.parametrize("use_process", [True, False])
def test_resources_are_asked_of_daft(use_process: bool, plans: list[str]) -> None:
    engine = DaftEngine(default_daft_config={"gpus": 1, "cpus": 2, "use_process": use_process})
    Pipeline([place]).map({"x": [1, 2]}, "x", engine=engine)
    assert "num_cpus = 2, num_gpus = 1" in plans[0]


def test_resources_are_asked_of_daft_for_dataframes() -> None:
    engine = DaftEngine(default_daft_config={"cpus": 2})
    assert "num_cpus = 2" in engine.plan(Pipeline([place])).daft


def test_a_pipeline_inside_a_query_stays_in_its_process() -> None:
    inner = Pipeline([place], DaftEngine(default_daft_config={"use_process": True}), name="inner")
    outer = Pipeline([inner.as_node(map_over="x")], DaftEngine())
    assert outer.map({"x": [[1], [2]]}, "x") == [
        {"y": [(1, os.getpid())]},
        {"y": [(2, os.getpid())]},
    ]


def test_an_inner_pipeline_runs_in_processes() -> None:
    inner = Pipeline([place], DaftEngine(default_daft_config={"use_process": True}), name="inner")
    [(_, process)] = Pipeline([inner.as_node(map_over="x")]).run({"x": [1]})["y"]
    assert process != os.getpid()


@node(output_name="y")
def fail_at_seven(x: int) -> int:
    if x == 7:
        raise KeyError("seven")
    return x


def test_errors_come_back_from_processes() -> None:
    engine = DaftEngine(default_daft_config={"use_process": True, "batch_size": 1})
    with pytest.raises(KeyError, match="seven") as caught:
        Pipeline([fail_at_seven]).map({"x": range(20)}, "x", engine=engine)
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_seven', row 7"]


def test_processes_share_a_cache(tmp_path: Path) -> None:
    engine = DaftEngine(default_daft_config={"use_process": True})
    pipeline = Pipeline([place], engine, DiskCache(tmp_path))
    first = pipeline.map({"x": [1, 2, 1, 2]}, "x")
    assert first[:2] == first[2:]
    assert pipeline.map({"x": [1, 2, 1, 2]}, "x") == first
    assert pipeline.last_run.nodes["place"].rows_cached == 4


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"workers": 2}, "Unknown option 'workers'"),
        ({"max_workers": 0}, "max_workers must be a whole number, at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, at least 1, got 2.5"),
        ({"max_concurrency": True}, "max_concurrency must be a whole number"),
        ({"use_process": 1}, "use_process must be a bool, got 1"),
        ({"gpus": -1}, "gpus must be a number, at least 0, got -1"),
    ],
)
def test_unknown_options_are_refused(config: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text) as caught:
        DaftEngine(default_daft_config=config)
    if "workers" in config:
        known = "max_workers, batch_size, max_concurrency, use_process, gpus, cpus"
        assert known in str(caught.value)


def test_an_engine_with_options_pickles() -> None:
    engine = pickle.loads(pickle.dumps(DaftEngine(default_daft_config={"batch_size": 1})))
    crowd = Crowd()
    result = crowd.pipeline().map({"x": [1, 2, 3]}, "x", engine=engine, outputs="columns")
    assert (result, crowd.sizes) == ({"y": [1, 2, 3]}, [1, 1, 1])
