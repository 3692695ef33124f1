"""`Pipeline.describe`: what a pipeline needs and makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from hypernodes import Pipeline, load, node


@node("total")
def add(x: int, y: int = 1) -> int:
    return x + y


@node(("low", "high"), cache=False)
def split(total: int, margin) -> tuple[int, float]:
    return total - margin, total + margin


def test_inputs_have_types_defaults_and_readers():
    described = Pipeline([add, split], name="p").bind(margin=2).describe()
    assert described.name == "p"
    margin, x, y = described.inputs
    assert (x.name, x.type, x.required, x.bound, x.nodes) == ("x", "int", True, False, ("add",))
    assert x.default is inspect.Parameter.empty
    assert (y.default, y.required, y.bound) == (1, False, False)
    assert (margin.type, margin.default, margin.required, margin.bound) == ("", 2, False, True)


def test_outputs_and_nodes_are_in_the_order_they_run():
    described = Pipeline([split, add]).describe()
    assert [(o.name, o.type, o.node) for o in described.outputs] == [
        ("total", "int", "add"),
        ("low", "int", "split"),
        ("high", "float", "split"),
    ]
    assert [(n.name, n.inputs, n.outputs, n.cached) for n in described.nodes] == [
        ("add", ("x", "y"), ("total",), True),
        ("split", ("total", "margin"), ("low", "high"), False),
    ]


def test_nested_pipelines_show_outer_names_types_and_defaults():
    inner = Pipeline([add, split]).as_node(
        input_mapping={"xs": "x", "extra": "y"},
        output_mapping={"low": "lows"},
        map_over="xs",
        name="inner",
    )
    described = Pipeline([inner]).describe()
    by_name = {described_input.name: described_input for described_input in described.inputs}
    assert by_name["xs"].type == "list[int]"
    assert by_name["extra"].default == 1
    assert not by_name["extra"].required
    assert [(o.name, o.type) for o in described.outputs] == [("lows", "list[int]")]


def test_cpp_nodes_have_their_types(node_library: Callable[[str], Path]):
    described = Pipeline([load(node_library("nodes_a")).twice]).describe()
    assert [i.type for i in described.inputs] == ["int64"]


def test_as_text():
    text = str(Pipeline([add, split], name="p").bind(margin=list(range(100))).describe())
    assert text.splitlines() == [
        "pipeline p",
        "inputs",
        "  margin  bound to [0, 1, 2, 3, 4, 5, ...]",
        "  x: int  required",
        "  y: int  default 1",
        "outputs",
        "  total: int   add",
        "  low: int     split",
        "  high: float  split",
        "nodes",
        "  add    x, y -> total",
        "  split  total, margin -> low, high  (never cached)",
    ]


def test_an_empty_pipeline():
    assert str(Pipeline([]).describe()) == "pipeline\ninputs\noutputs\nnodes"
