# SPDX-License-Identifier: MIT
"""DaftEngine(config=...): Daft's execution configuration, for the engine's own queries only."""

from __future__ import annotations

import os
import pickle
import threading
from typing import Any

import pytest

from hypernodes import DaftEngine, Pipeline, node
from hypernodes.exceptions import PlanError

daft = pytest.importorskip("daft")
pytestmark = [pytest.mark.daft, pytest.mark.timeout(120)]


def now() -> int:
    return int(daft.context.get_context().daft_execution_config.default_morsel_size)


@node(output_name="seen")
def look(x: int) -> int:
    return now()


@node(output_name="seen")
def fail(x: int) -> int:
    raise KeyError(now())


BEFORE = now()


@pytest.fixture(autouse=True)
def restored() -> Any:
    yield
    assert now() == BEFORE


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}])
def test_run_and_map_have_it_and_nothing_else_does(options: dict[str, Any]) -> None:
    engine = DaftEngine(default_daft_config=options, config={"default_morsel_size": 77})
    pipeline = Pipeline([look], engine)
    assert pipeline.run({"x": 1}) == {"seen": 77}
    assert now() == BEFORE
    assert pipeline.map({"x": [1, 2]}, "x") == [{"seen": 77}] * 2
    assert Pipeline([look], DaftEngine()).run({"x": 1}) == {"seen": BEFORE}


def test_daft_obeys_it() -> None:
    sizes: list[int] = []

    @node(output_name="y", batch=True)
    def visit(x: list[int]) -> list[int]:
        sizes.append(len(x))
        return x

    small = DaftEngine(config={"default_morsel_size": 10})
    Pipeline([visit]).map({"x": range(100)}, "x", engine=small)
    assert max(sizes) <= 10


def test_it_is_restored_after_a_failure() -> None:
    engine = DaftEngine(config={"default_morsel_size": 78})
    with pytest.raises(KeyError, match="78"):
        Pipeline([fail], engine).run({"x": 1})
    assert now() == BEFORE


def test_rows_in_processes_are_queried_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = daft.DataFrame.iter_rows

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(now())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(daft.DataFrame, "iter_rows", watched)
    one = {"use_process": True, "max_concurrency": 1}
    engine = DaftEngine(default_daft_config=one, config={"default_morsel_size": 79})
    Pipeline([look], engine).map({"x": [1]}, "x")
    assert seen == [79]


def test_an_inner_pipeline_has_its_own() -> None:
    engine = DaftEngine(config={"default_morsel_size": 80})
    inner = Pipeline([look], engine, name="inner").as_node(map_over="x")
    assert Pipeline([inner]).run({"x": [1]}) == {"seen": [80]}


def test_engines_in_threads_leave_no_trace() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    inside, leave = threading.Barrier(3, timeout=60), threading.Event()

    @node(output_name="y")
    def wait(x: int) -> int:
        inside.wait()
        assert leave.wait(60)
        return x

    def run(size: int) -> None:
        Pipeline([wait], DaftEngine(config={"default_morsel_size": size})).run({"x": 1})

    threads = [threading.Thread(target=run, args=(size,)) for size in (81, 82)]
    for thread in threads:
        thread.start()
    inside.wait()
    assert now() in (81, 82)
    leave.set()
    for thread in threads:
        thread.join()
    assert now() == BEFORE


def test_unknown_options_and_values_are_refused() -> None:
    with pytest.raises(PlanError, match="no execution option 'morsels'") as caught:
        DaftEngine(config={"morsels": 1})
    assert "default_morsel_size" in str(caught.value)
    with pytest.raises(PlanError, match="no execution option 'config'"):
        DaftEngine(config={"config": None})
    engine = DaftEngine(config={"default_morsel_size": "many"})
    with pytest.raises(PlanError, match="default_morsel_size='many'"):
        Pipeline([look], engine).run({"x": 1})


def test_an_engine_with_it_pickles() -> None:
    engine = pickle.loads(pickle.dumps(DaftEngine(config={"default_morsel_size": 83})))
    assert Pipeline([look], engine).run({"x": 1}) == {"seen": 83}
