"""`overrides=`: outputs that are given instead of computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hypernodes import DiskCache, Pipeline, node
from hypernodes.engines import SeqEngine
from hypernodes.integrations.daft import DaftEngine

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@node("doubled")
def double(x):
    ran.append("double")
    return x * 2


@node("result")
def add_ten(doubled):
    ran.append("add_ten")
    return doubled + 10


@node(("low", "high"))
def split(result):
    ran.append("split")
    return result - 1, result + 1


@pytest.fixture(params=[SeqEngine, DaftEngine])
def pipeline(request) -> Pipeline:
    return Pipeline([double, add_ten, split], engine=request.param())


def test_takes_the_place_of_a_result_and_is_in_the_answer(pipeline):
    assert pipeline.run(overrides={"doubled": 5}) == {
        "doubled": 5,
        "result": 15,
        "low": 14,
        "high": 16,
    }
    assert ran == ["add_ten", "split"]


def test_one_of_several_outputs(pipeline):
    assert pipeline.run({"x": 1}, overrides={"low": 0}, output_name=["low", "high"]) == {
        "low": 0,
        "high": 13,
    }
    ran.clear()
    pipeline.run({"x": 1}, overrides={"low": 0}, output_name="low")
    assert ran == []


def test_in_a_map_the_same_for_all_or_one_for_each(pipeline):
    rows = pipeline.map({"x": [1, 2]}, "x", output_name="result", overrides={"doubled": 5})
    assert rows == [{"result": 15}, {"result": 15}]
    rows = pipeline.map(map_over="doubled", output_name="result", overrides={"doubled": [1, 2]})
    assert rows == [{"result": 11}, {"result": 12}]
    assert "double" not in ran


def test_an_input_of_that_name_stays_ignored(pipeline):
    assert pipeline.run({"x": 1, "doubled": 100}, "result") == {"result": 12}


def test_unknown_names_are_refused_before_anything_runs(pipeline):
    with pytest.raises(ValueError, match=r"Output name\(s\) \['nothing'\] not found"):
        pipeline.run({"x": 1}, overrides={"nothing": 1})
    with pytest.raises(ValueError, match=r"Missing required input\(s\): \['x'\]"):
        pipeline.run(overrides={"low": 1})
    assert ran == []


def test_consumers_hit_what_was_computed_from_the_same_value(tmp_path: Path):
    pipeline = Pipeline([double, add_ten], cache=DiskCache(tmp_path))
    pipeline.run({"x": 4})
    ran.clear()
    assert pipeline.run(overrides={"doubled": 8}) == {"doubled": 8, "result": 18}
    assert ran == []


def test_outputs_of_nested_pipelines_too(pipeline):
    outer = Pipeline([pipeline.as_node(name="inner")])
    assert outer.run({"x": 1}, overrides={"result": 0}, output_name="result") == {"result": 0}
    assert ran == []


def test_a_value_must_fit_the_output_of_a_cpp_node(node_library: Callable[[str], Path]):
    from hypernodes import load

    twice = next(iter(load(node_library("nodes_a"))))
    pipeline = Pipeline([twice])
    output = twice.output_name
    assert pipeline.run(overrides={output: 3}) == {output: 3}
    with pytest.raises(TypeError):
        pipeline.run(overrides={output: "text"})
