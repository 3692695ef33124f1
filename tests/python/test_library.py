# SPDX-License-Identifier: MIT
"""C++ nodes in Python."""

import inspect
import pickle
from pathlib import Path

import pytest

import hypernodes
from hypernodes import ExecutionError, Library, Node, Pipeline
from hypernodes.exceptions import DependencyMissingError


@pytest.fixture
def nodes(node_library):
    return hypernodes.load(node_library("nodes_a"))


def test_library_gives_its_nodes(nodes):
    assert isinstance(nodes, Library)
    assert repr(nodes) == "Library(nodes_a: twice, fail_at_six, describe, count)"
    assert [made.name for made in nodes] == ["twice", "fail_at_six", "describe", "count"]
    assert len(nodes) == 4
    assert "twice" in dir(nodes)
    assert nodes.twice is nodes["twice"]
    assert nodes.path.is_absolute()
    with pytest.raises(AttributeError, match="no node 'nope'; it has: twice"):
        _ = nodes.nope


def test_node_has_the_interface_of_a_node(nodes):
    assert nodes.twice.output_name == "doubled"
    assert nodes.describe.output_name == ("shout", "length")
    assert nodes.twice.root_args == ("x",)
    assert len(nodes.twice.code_hash) == 64
    assert nodes.twice.code_hash != nodes.fail_at_six.code_hash
    assert str(inspect.signature(nodes.twice)) == "(x)"
    assert repr(nodes.twice) == "CppNode(twice(x: int64) -> int64, output=doubled)"
    assert pickle.loads(pickle.dumps(nodes.twice)) == nodes.twice


def test_node_is_callable_like_a_function(nodes):
    assert nodes.twice(4) == nodes.twice(x=4) == 8
    assert nodes.describe("ab") == ("ab!", 2)
    assert nodes.describe("") == ("nothing", None)
    assert nodes.count(["a", "b", "a"]) == {"a": 2, "b": 1}
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        nodes.twice()


@pytest.mark.parametrize(
    ("value", "got"),
    [("a", "str"), (True, "bool"), (2.0, "float"), (None, "None"), (2**70, "more than 64 bits")],
)
def test_wrong_type_names_expected_and_got(nodes, value, got):
    text = f"expected int64 but got .*{got}"
    with pytest.raises(ExecutionError, match=f"Node 'twice' failed: {text}"):
        nodes.twice(value)
    with pytest.raises(TypeError, match=f"Input 'x' does not fit .*: {text}"):
        Pipeline([nodes.twice]).run({"x": value})
    with pytest.raises(TypeError, match=r"Input 'x', row 1 does not fit .* expected int64"):
        Pipeline([nodes.twice]).map({"x": [1, value, 3]}, map_over="x")


def test_value_of_a_python_node_that_does_not_fit_fails_at_its_row(nodes):
    pipeline = Pipeline([Node(lambda y: "text" if y == 2 else y, "x"), nodes.twice])
    with pytest.raises(ExecutionError, match="expected int64 but got str") as caught:
        pipeline.map({"y": [1, 2, 3]}, map_over="y")
    assert (caught.value.node, caught.value.row) == ("twice", 1)


def test_wrong_item_of_a_list_is_named(nodes):
    with pytest.raises(ExecutionError, match="item 1 does not fit: expected string but got int"):
        nodes.count(["a", 5])


def test_mixed_with_python_nodes(nodes):
    pipeline = Pipeline([nodes.twice, Node(lambda doubled: doubled + 10, "result")])
    assert pipeline.run({"x": 5}) == {"doubled": 10, "result": 20}
    assert pipeline.map({"x": [1, 2]}, map_over="x", outputs="columns") == {
        "doubled": [2, 4],
        "result": [12, 14],
    }
    before = Pipeline([Node(lambda a: a + 1, "x"), nodes.twice])
    assert before.map({"a": [1, 2]}, map_over="a", output_name="doubled") == [
        {"doubled": 4},
        {"doubled": 6},
    ]


def test_only_cpp_nodes_from_any_column(nodes):
    numpy = pytest.importorskip("numpy")
    pyarrow = pytest.importorskip("pyarrow")
    pipeline = Pipeline([nodes.twice])
    for items in (
        [1, 2],
        (1, 2),
        range(1, 3),
        numpy.array([1, 2]),
        numpy.array([1, 2], "uint8"),
        pyarrow.array([1, 2]),
        pyarrow.array([1, 2], pyarrow.int8()),
        [numpy.int64(1), numpy.int32(2)],
    ):
        assert pipeline.map({"x": items}, "x", outputs="columns") == {"doubled": [2, 4]}
    assert pipeline.run({"x": numpy.int16(4)}) == {"doubled": 8}


def test_failing_row_is_the_lowest(nodes):
    pipeline = Pipeline([nodes.twice, nodes.fail_at_six])
    with pytest.raises(ExecutionError, match="six is bad") as caught:
        pipeline.map({"x": [1, 2, 3, 4, 3]}, map_over="x")
    assert isinstance(caught.value, RuntimeError)
    assert (caught.value.node, caught.value.row) == ("fail_at_six", 2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.node, again.row, str(again)) == ("fail_at_six", 2, str(caught.value))


def test_wiring_that_cannot_fit_is_refused(nodes):
    text_as_x = Pipeline([nodes.describe]).as_node(output_mapping={"shout": "x"}, name="shouting")
    with pytest.raises(TypeError, match="node 'shouting' is string, but node 'twice' takes it as"):
        Pipeline([text_as_x, nodes.twice])


def test_missing_library_says_so(tmp_path):
    with pytest.raises(DependencyMissingError, match="Cannot load node library"):
        hypernodes.load(tmp_path / "libnothing.so")
    text = tmp_path / "libtext.so"
    text.write_text("no library")
    with pytest.raises(ImportError):
        hypernodes.load(Path(text))


def test_stateful_nodes_make_their_object_when_a_row_needs_it(node_library, calls):
    guess = hypernodes.load(node_library("nodes_b"))["guessed"]
    assert calls() == []
    pipeline = Pipeline([guess])
    words = ["a", "hypernodes", "b"]
    for _ in range(2):
        assert pipeline.map({"word": words}, "word", outputs="columns") == {
            "guessed": [False, True, False]
        }
    assert calls() == ["made"]
