# SPDX-License-Identifier: MIT
"""engine.plan: the steps of a pipeline on Daft, as text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hypernodes import DaftEngine, Pipeline, load, node
from hypernodes.exceptions import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("daft")
pytestmark = pytest.mark.daft

ran: list[str] = []


@node(output_name="label")
def label(doubled: int, factor: int = 3) -> str:
    ran.append("label")
    return str(doubled * factor)


@node(output_name="thing")
def wrap(label: str):  # type: ignore[no-untyped-def]
    return (label,)


@node(output_name="item_size")
def measure(item: str) -> int:
    return len(item)


INNER = Pipeline([measure], name="sizes")


def lines(text: object) -> list[str]:
    return [" ".join(line.split()) for line in str(text).splitlines()]


@pytest.fixture
def mixed(node_library: Callable[[str], Path]) -> Pipeline:
    twice = load(node_library("nodes_a")).twice
    return Pipeline([twice, label, wrap, INNER.as_node(map_over="item")], name="mixed")


def test_steps_have_kind_nodes_columns_and_types(mixed: Pipeline) -> None:
    plan = DaftEngine().plan(mixed)
    steps = {step.nodes: step for step in plan.steps}
    assert {nodes: (step.level, step.kind) for nodes, step in steps.items()} == {
        ("twice",): (1, "native"),
        ("sizes",): (1, "nested-map"),
        ("label", "wrap"): (2, "python-batch"),
    }
    assert steps["twice",].arguments == {"x": "int64"}
    assert steps["twice",].outputs == {"doubled": "int64"}
    assert steps["label", "wrap"].outputs == {"label": "large_string", "thing": "Python"}
    assert not ran


def test_text_shows_steps_rows_and_the_plans_of_daft(mixed: Pipeline) -> None:
    text = lines(DaftEngine().plan(mixed))
    assert text[:3] == [
        "pipeline mixed",
        "columns of a DataFrame",
        "step kind nodes arguments outputs",
    ]
    assert "1 native twice x: int64 doubled: int64" in text
    for title in ("Unoptimized Logical", "Optimized Logical", "Physical"):
        assert f"== {title} Plan ==" in text
    assert any("hn_twice" in line for line in text)


def test_given_inputs_are_columns_or_constants(mixed: Pipeline) -> None:
    plan = DaftEngine().plan(mixed, {"x": [1], "factor": 7}, "x", "label")
    assert [step.nodes for step in plan.steps] == [("twice",), ("label",)]
    assert plan.steps[1].constants == ("factor",)
    assert "2 python-batch label doubled: int64, factor (constant) label: large_string" in lines(
        plan
    )
    single = DaftEngine().plan(mixed, {"x": 1}, output_name="doubled")
    assert (single.steps[0].arguments, single.steps[0].constants) == ({}, ("x",))


def test_rows_of_run_and_map(mixed: Pipeline, node_library: Callable[[str], Path]) -> None:
    assert "tickets, redeemed in this process by one batch UDF" in DaftEngine().plan(mixed).rows
    native = Pipeline([load(node_library("nodes_a")).twice])
    assert "one native function: twice" in DaftEngine().plan(native).rows
    processes = DaftEngine(default_daft_config={"use_process": True})
    assert "run in other processes" in processes.plan(mixed).rows


def test_a_plan_needs_what_a_dataframe_needs(mixed: Pipeline) -> None:
    with pytest.raises(PlanError, match="item"):
        DaftEngine().plan(mixed, {"x": [1]}, "x")
    nothing = DaftEngine().plan(mixed, output_name=[])
    assert (nothing.steps, nothing.daft) == ((), "")
