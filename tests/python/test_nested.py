# SPDX-License-Identifier: MIT
"""Pipelines as nodes: mappings, mapped ones, pruning, inherited settings, changes seen."""

import pickle
from pathlib import Path

import pytest

from hypernodes import DiskCache, Node, Pipeline, PipelineCallback, SeqEngine, node
from hypernodes.pipeline_node import PipelineNode


@node(output_name="doubled")
def double(x):
    return x * 2


@node(output_name="tripled")
def triple(x):
    return x * 3


@node(output_name="scaled")
def scale(x, factor=10):
    return x * factor


@node(output_name="result")
def add(doubled, y):
    return doubled + y


def inner(**bound):
    return Pipeline([double, add], name="inner").bind(**bound)


def test_plain_nested_pipeline():
    outer = Pipeline([inner().as_node(), Node(lambda result: -result, "negative")])
    assert outer.run({"x": 1, "y": 2}) == {"result": 4, "negative": -4}
    assert outer.graph.root_args == ["x", "y"]


def test_unused_node_gives_all_outputs_in_sorted_order():
    made = inner().as_node()
    assert made.output_name == ("doubled", "result")
    assert made.root_args == ("x", "y")
    assert Pipeline([made]).run({"x": 1, "y": 2}) == {"doubled": 2, "result": 4}


def test_pipeline_in_nodes_acts_as_its_node():
    pipeline = inner()
    outer = Pipeline([pipeline])
    assert outer.nodes == [pipeline]
    assert isinstance(outer.graph.execution_order[0], PipelineNode)
    assert outer.run({"x": 1, "y": 2}) == {"doubled": 2, "result": 4}


def test_mappings_rename_both_ways():
    made = inner().as_node(
        input_mapping={"a": "x", "b": "y"}, output_mapping={"result": "sum"}, name="renamed"
    )
    assert made.name == "renamed"
    assert made.root_args == ("a", "b")
    assert made.output_name == "sum"
    assert Pipeline([made]).run({"a": 1, "b": 2}) == {"sum": 4}
    assert made(a=1, b=2) == {"sum": 4}


@pytest.mark.parametrize(
    "options",
    [
        {"input_mapping": {"a": "nope"}},
        {"output_mapping": {"nope": "a"}},
        {"map_over": "nope"},
        {"map_mode": "cross"},
    ],
    ids=str,
)
def test_unknown_names_are_refused(options):
    with pytest.raises(ValueError, match=r"nope|cross"):
        inner().as_node(**options)


def test_bound_inputs_are_hidden_and_shown_by_outer_names():
    made = inner(y=5).as_node(input_mapping={"b": "y"})
    assert made.root_args == ("x",)
    assert made.unfulfilled_args == ("x",)
    assert made.bound_inputs == {"b": 5}
    assert Pipeline([made]).run({"x": 1}) == {"doubled": 2, "result": 7}


def test_default_inside_makes_the_outer_input_optional():
    made = Pipeline([scale]).as_node(input_mapping={"by": "factor"})
    outer = Pipeline([made])
    assert made.root_args == ("by", "x") or set(made.root_args) == {"by", "x"}
    assert made.unfulfilled_args == ("x",)
    assert outer.unfulfilled_args == ("x",)
    assert outer.run({"x": 2}) == {"scaled": 20}
    assert outer.run({"x": 2, "by": 3}) == {"scaled": 6}


def test_mapped_over_a_list():
    made = inner().as_node(input_mapping={"xs": "x"}, map_over="xs")
    outer = Pipeline([made])
    assert outer.run({"xs": [1, 2], "y": 1}) == {"doubled": [2, 4], "result": [3, 5]}
    assert outer.run({"xs": [], "y": 1}) == {"doubled": [], "result": []}
    assert outer.run({"xs": (1,), "y": 1}) == {"doubled": [2], "result": [3]}
    assert made(xs=[1], y=0) == {"doubled": [2], "result": [2]}


def test_mapped_zip_and_product():
    zipped = inner().as_node(map_over=["x", "y"])
    assert Pipeline([zipped]).run({"x": [1, 2], "y": [10, 20]})["result"] == [12, 24]
    with pytest.raises(ValueError, match="same length"):
        Pipeline([zipped]).run({"x": [1, 2], "y": [10]})
    product = inner().as_node(map_over=["x", "y"], map_mode="product")
    assert Pipeline([product]).run({"x": [1, 2], "y": [10, 20]})["result"] == [12, 22, 14, 24]


def test_map_over_a_bound_input():
    made = inner(x=100).as_node(map_over="x")
    assert set(made.root_args) == {"x", "y"}
    assert Pipeline([made]).run({"x": [1, 2], "y": 0})["result"] == [2, 4]


def test_mapping_the_outer_pipeline():
    made = inner().as_node(map_over="x")
    outer = Pipeline([made, Node(lambda result: sum(result), "total")])
    rows = outer.map({"x": [[1, 2], [], [3]], "y": 1}, map_over="x")
    assert rows == [
        {"result": [3, 5], "total": 8},
        {"result": [], "total": 0},
        {"result": [7], "total": 7},
    ]


def test_two_levels():
    middle = Pipeline([inner(y=1).as_node(map_over="x", output_mapping={"result": "results"})])
    outer = Pipeline(
        [middle.as_node(input_mapping={"lists": "x"}, map_over="lists", name="middle")]
    )
    assert outer.run({"lists": [[1, 2], [3]]}) == {"results": [[3, 5], [7]]}


def test_only_outputs_that_siblings_use_are_computed():
    calls = []

    @node(output_name="expensive")
    def expensive(x):
        calls.append(x)
        return x

    made = Pipeline([double, expensive]).as_node()
    outer = Pipeline([made, Node(lambda doubled: doubled, "copy")])
    assert outer.run({"x": 1}) == {"doubled": 2, "copy": 2}
    assert calls == []
    assert outer.graph.required_outputs == {made: ["doubled"]}
    assert outer.graph.available_output_names == ["copy", "doubled", "expensive"]
    assert outer.run({"x": 1}, output_name="expensive") == {"expensive": 1}
    assert calls == [1]
    assert Pipeline([made]).run({"x": 1}) == {"doubled": 2, "expensive": 1}


def test_later_changes_inside_are_seen_outside():
    pipeline = inner()
    made = pipeline.as_node()
    outer = Pipeline([made])
    with pytest.raises(ValueError, match="Missing"):
        outer.run({"x": 1})
    pipeline.bind(y=1)
    assert outer.run({"x": 1})["result"] == 3
    pipeline.bind(y=2)
    assert outer.run({"x": 1})["result"] == 4
    pipeline.unbind("y")
    assert outer.unfulfilled_args == ("x", "y")
    first = made.code_hash
    pipeline.bind(y=3)
    assert made.code_hash != first
    pipeline.with_name("other")
    assert made.name == "other"
    deep = Pipeline([Pipeline([outer.as_node()]).as_node()])
    pipeline.bind(y=100)
    assert deep.run({"x": 1})["result"] == 102


class Names(PipelineCallback):
    def __init__(self):
        self.seen = []

    def on_node_start(self, node_id, inputs, ctx):
        self.seen.append((ctx.depth, node_id))


def test_callbacks_of_the_inner_pipeline_are_its_own():
    mine, theirs = Names(), Names()
    pipeline = inner(y=1).with_callbacks([mine])
    Pipeline([pipeline.as_node(name="n")], callbacks=[theirs]).run({"x": 1})
    assert mine.seen == [(2, "double"), (2, "add")]
    assert theirs.seen == [(1, "n")]


def test_callbacks_are_inherited():
    theirs = Names()
    Pipeline([inner(y=1).as_node(name="n")], callbacks=[theirs]).run({"x": 1})
    assert theirs.seen == [(1, "n"), (2, "double"), (2, "add")]


class Upstairs(SeqEngine):
    """An engine that is not ours, as far as a fast way may tell."""

    def __init__(self):
        super().__init__()
        self.used = 0

    def run(self, *args, **kwargs):
        self.used += 1
        return super().run(*args, **kwargs)

    def map(self, *args, **kwargs):
        self.used += 1
        return super().map(*args, **kwargs)


def test_inner_engine_is_used():
    engine = Upstairs()
    pipeline = inner().with_engine(engine)
    outer = Pipeline([pipeline.as_node(), Node(lambda result: -result, "negative")])
    assert outer.run({"x": 1, "y": 2}) == {"result": 4, "negative": -4}
    assert engine.used == 1
    mapped = Pipeline([pipeline.as_node(map_over="x")])
    assert mapped.run({"x": [1, 2], "y": 1}) == {"doubled": [2, 4], "result": [3, 5]}
    assert engine.used == 2


def test_error_inside_comes_out_as_itself():
    @node(output_name="out")
    def fail(x):
        raise LookupError(x)

    outer = Pipeline([Pipeline([fail], name="inner").as_node(map_over="x")])
    with pytest.raises(LookupError) as caught:
        outer.run({"x": [7]})
    assert caught.value.args == (7,)
    assert "fail" in caught.value.__notes__[0]


def test_pipeline_node_pickles():
    made = inner(y=1).as_node(map_over="x", output_mapping={"result": "r"})
    copy = pickle.loads(pickle.dumps(made))
    assert Pipeline([copy]).run({"x": [1]}) == {"r": [3]}
    assert copy.code_hash == made.code_hash


def test_equality_is_identity_and_repr_shows_the_needs():
    pipeline = inner(y=1)
    assert pipeline.as_node() != pipeline.as_node()
    assert repr(pipeline.as_node()) == "PipelineNode(inner, bound=[y], needs=[x])"


def test_bound_value_changed_in_place_is_seen(tmp_path: Path) -> None:
    @node(output_name="total")
    def total(items: list[int], scale: list[int]) -> int:
        return sum(items) * scale[0]

    scale = [1]
    inner = Pipeline(nodes=[total], name="inner").bind(scale=scale)
    outer = Pipeline(nodes=[inner.as_node()], cache=DiskCache(tmp_path))
    assert outer.run({"items": [1, 2]}) == {"total": 3}
    scale[0] = 10
    assert outer.run({"items": [1, 2]}) == {"total": 30}
    deeper = Pipeline(
        nodes=[Pipeline(nodes=[inner.as_node()]).as_node()], cache=DiskCache(tmp_path)
    )
    assert deeper.run({"items": [1, 2]}) == {"total": 30}
    scale[0] = 2
    assert deeper.run({"items": [1, 2]}) == {"total": 6}
