# SPDX-License-Identifier: MIT
"""Section 3: building, the graph, identity."""

from __future__ import annotations

import itertools

import pytest

from contract.cases.common import add_ten, chain, double, negate, pair
from contract.cases.runs import join, left, right
from hypernodes import CycleError, DependencyError, HyperNodesError, Node, Pipeline


def named(name, needs, makes):
    """A node called `name` that takes `needs` and makes `makes`."""
    scope = {}
    exec(f"def {name}({', '.join(needs)}): return {makes!r}", scope)
    return Node(scope[name], makes)


def test_two_producers():
    with pytest.raises(DependencyError) as caught:
        Pipeline([named("f", [], "a"), named("g", [], ("b", "a"))])
    assert str(caught.value).splitlines()[0] == "Multiple nodes produce output 'a': f and g"
    assert isinstance(caught.value, HyperNodesError)


def test_one_node_twice_is_two_producers():
    with pytest.raises(DependencyError, match="Multiple nodes produce output 'doubled'"):
        Pipeline([double, double])


@pytest.mark.parametrize(
    ("nodes", "path"),
    [
        ([("f", ["a"], "a")], "f -> f"),
        ([("f", ["b"], "a"), ("g", ["a"], "b")], "f -> g -> f"),
        (
            [("f", ["c"], "a"), ("g", ["a"], "b"), ("h", ["b"], "c"), ("free", ["x"], "y")],
            "f -> g -> h -> f",
        ),
    ],
)
def test_cycles_are_named(nodes, path):
    with pytest.raises(CycleError) as caught:
        Pipeline([named(*each) for each in nodes])
    circle = path.split(" -> ")[:-1]
    turned = [" -> ".join([*circle[i:], *circle[:i], circle[i]]) for i in range(len(circle))]
    assert any(each in str(caught.value).splitlines()[0] for each in turned)
    assert isinstance(caught.value, ValueError | HyperNodesError)


def test_a_cycle_through_a_nested_pipeline():
    inner = Pipeline([named("f", ["b"], "a")], name="inner")
    with pytest.raises(CycleError, match=r"inner -> g -> inner|g -> inner -> g"):
        Pipeline([inner.as_node(), named("g", ["a"], "b")])


def test_execution_order_is_that_of_any_list():
    # Kahn: of the nodes that are ready the least name goes first, also before those ready earlier.
    expected = ["double", "left", "negate", "right", "join"]
    for nodes in itertools.permutations([join, left, right, double, negate]):
        assert [node.name for node in Pipeline(nodes).graph.execution_order] == expected


def test_execution_order_of_nodes_of_one_name():
    nodes = [Node(lambda x: x, name) for name in "cab"]
    orders = {tuple(Pipeline(p).run({"x": 1})) for p in itertools.permutations(nodes)}
    assert len(orders) == 1


def test_graph():
    graph = Pipeline([join, right, left, double, negate]).graph
    assert graph.output_to_node == {
        "doubled": double,
        "left": left,
        "right": right,
        "joined": join,
        "negative": negate,
    }
    assert graph.root_args == ["x", "y"]
    assert graph.available_output_names == ["doubled", "joined", "left", "negative", "right"]
    assert set(graph.dependencies[join]) == {left, right}
    assert graph.dependencies[double] == []
    assert graph.get_required_nodes(["left"]) == [double, left]
    assert graph.get_required_nodes("joined") == [double, left, right, join]
    assert graph.get_required_nodes([]) == []
    assert graph.get_required_nodes(None) is None
    with pytest.raises(ValueError, match="nope"):
        graph.get_required_nodes(["nope"])


def test_required_outputs():
    inner = Pipeline([double, negate]).as_node()
    assert Pipeline([inner, add_ten]).graph.required_outputs == {inner: ["doubled"]}
    assert Pipeline([inner]).graph.required_outputs == {inner: None}


def test_nodes_without_a_name_sort_first():
    outer = Pipeline([double, Pipeline([negate]).as_node(), Pipeline([pair], name="z").as_node()])
    assert [node.name for node in outer.graph.execution_order] == [None, "double", "z"]


def test_identity():
    pipeline = chain()
    assert pipeline == pipeline
    assert pipeline != chain()
    assert len({pipeline, chain()}) == 2
    assert pipeline.id.startswith("pipeline_")
    assert len({chain().id for _ in range(100)}) == 100
    assert pipeline.name is None


def test_repr_shows_name_count_bound_values_and_needs():
    text = repr(Pipeline([pair, double], name="p").bind(a=1))
    assert text == "Pipeline(name='p', nodes=2, bound=[a=1], needs=[b, x])"


def test_a_pipeline_in_nodes_is_kept_as_given():
    inner = chain()
    outer = Pipeline([inner, negate])
    assert outer.nodes[0] is inner
    assert outer.graph.output_to_node["doubled"].pipeline is inner
