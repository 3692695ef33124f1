# SPDX-License-Identifier: MIT
"""Pipeline.map: what may be mapped over, in which order, and how it fails."""

import array
import re

import pytest

from hypernodes import Node, Pipeline, node
from hypernodes.map_planner import MapPlanner


@node(output_name="sum")
def add(a, b):
    return a + b


@node(output_name="pair")
def pair(a, b):
    return (a, b)


SQUARE = Pipeline([Node(lambda x: x * x, "square")])
ADD = Pipeline([add])
PAIR = Pipeline([pair])


def test_zip_and_broadcast():
    result = ADD.map({"a": [1, 2, 3], "b": 10}, map_over="a")
    assert type(result) is list
    assert [type(row) for row in result] == [dict] * 3
    assert result == [{"sum": 11}, {"sum": 12}, {"sum": 13}]
    assert ADD.map({"a": [1, 2], "b": [10, 20]}, map_over=["a", "b"]) == [
        {"sum": 11},
        {"sum": 22},
    ]
    assert PAIR.map({"a": [1, 2], "b": [5, 6]}, map_over="a") == [
        {"pair": (1, [5, 6])},
        {"pair": (2, [5, 6])},
    ]


def test_product_goes_in_the_order_of_the_merged_inputs():
    rows = PAIR.map({"a": [1, 2], "b": "xy"}, map_over=["a"], map_mode="product")
    assert [row["pair"] for row in rows] == [(1, "xy"), (2, "xy")]
    rows = PAIR.map({"a": [1, 2], "b": ["x", "y"]}, ["b", "a"], map_mode="product")
    assert [row["pair"] for row in rows] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    bound = Pipeline([pair]).bind(b=["x", "y"])
    rows = bound.map({"a": [1, 2]}, map_over=["a", "b"], map_mode="product")
    assert [row["pair"] for row in rows] == [(1, "x"), (2, "x"), (1, "y"), (2, "y")]


def test_empty_maps():
    assert ADD.map({"a": [], "b": 1}, map_over="a") == []
    assert ADD.map({"a": [], "b": 1}, map_over="a", outputs="columns") == {"sum": []}
    assert ADD.map({"a": [], "b": [1, 2]}, ["a", "b"], map_mode="product") == []


def test_columns_and_records():
    inputs = {"a": [1, 2], "b": 1}
    assert ADD.map(inputs, "a", outputs="columns") == {"sum": [2, 3]}
    assert ADD.map(inputs, "a", outputs="records") == [{"sum": 2}, {"sum": 3}]
    with pytest.raises(ValueError, match="Unknown outputs 'rows'"):
        ADD.map(inputs, "a", outputs="rows")


def test_output_name_selects():
    pipeline = Pipeline([add, Node(lambda sum: -sum, "negative")])
    assert pipeline.map({"a": [1], "b": 2}, "a", output_name="negative") == [{"negative": -3}]
    assert pipeline.map({"a": [1], "b": 2}, "a", output_name=[]) == [{}]


def test_every_kind_of_sequence():
    numpy = pytest.importorskip("numpy")
    pyarrow = pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    expected = [{"square": 1}, {"square": 4}, {"square": 9}]
    for items in (
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        numpy.array([1, 2, 3]),
        numpy.array([0, 1, 9, 2, 9, 3])[1::2],
        numpy.array([1, 2, 3], dtype="int8"),
        pyarrow.array([1, 2, 3]),
        pyarrow.array([0, 1, 2, 3]).slice(1),
        pyarrow.chunked_array([[1], [2, 3]]),
        pandas.Series([1, 2, 3]),
        polars.Series([1, 2, 3]),
    ):
        result = SQUARE.map({"x": items}, map_over="x")
        assert result == expected, type(items)
        assert type(result[0]["square"]) is int
    rows = Pipeline([Node(lambda x: x, "y")]).map({"x": numpy.zeros((2, 3))}, map_over="x")
    assert [row["y"].shape for row in rows] == [(3,), (3,)]
    texts = SQUARE.map({"x": pyarrow.array([], pyarrow.int64())}, map_over="x")
    assert texts == []


@pytest.mark.parametrize(
    "value", ["abc", b"abc", {"a": 1}, {1, 2}, 5, None, iter([1]), object()], ids=repr
)
def test_what_is_no_sequence_is_refused(value):
    with pytest.raises(ValueError, match=r"^Parameter 'x' is in map_over but value is not a list"):
        SQUARE.map({"x": value}, map_over="x")


def test_array_module_is_no_sequence_of_ours():
    with pytest.raises(ValueError, match=r"not array.array"):
        SQUARE.map({"x": array.array("q", [1])}, map_over="x")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: ADD.map({"a": [1], "b": [1, 2]}, ["a", "b"]),
            "In zip mode, all lists must have the same length. Got lengths: {'a': 1, 'b': 2}",
        ),
        (
            lambda: ADD.map({"a": [1], "b": 1}, ["a", "z"]),
            "Parameter 'z' in map_over not found in inputs",
        ),
        (lambda: ADD.map({"a": [1], "b": 1}, []), "map_over must name at least one input"),
        (lambda: ADD.map({"a": [1], "b": 1}), "map_over must name at least one input"),
        (lambda: ADD.map({"a": [1], "b": 1}, "a", "cross"), "Unknown map_mode 'cross'"),
    ],
)
def test_bad_maps(call, text):
    with pytest.raises(ValueError, match=r"^" + re.escape(text)):
        call()


def test_stops_at_the_first_failing_item():
    started = []

    @node(output_name="out")
    def fail(x):
        started.append(x)
        if x % 3 == 2:
            raise LookupError(x)
        return x

    pipeline = Pipeline([fail])
    with pytest.raises(LookupError) as caught:
        pipeline.map({"x": list(range(9))}, map_over="x")
    assert caught.value.args == (2,)
    assert caught.value.__notes__ == ["hypernodes: node 'fail', row 2"]
    assert started == [0, 1, 2]
    assert pipeline.last_run.nodes["fail"].rows_run == 2


def test_item_is_finished_before_the_next_starts():
    order = []
    pipeline = Pipeline(
        [
            Node(lambda x: order.append(("a", x)), "a"),
            Node(lambda a, x: order.append(("b", x)), "b"),
        ]
    )
    pipeline.map({"x": [1, 2]}, map_over="x")
    assert order == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_changing_the_list_meanwhile_is_harmless():
    items = [1, 2, 3]
    pipeline = Pipeline([Node(lambda x: items.clear() or x, "y")])
    assert pipeline.map({"x": items}, map_over="x") == [{"y": 1}, {"y": 2}, {"y": 3}]


def test_names_that_no_node_reads_count_rows():
    assert SQUARE.map({"x": 3, "i": [0, 0]}, map_over="i") == [{"square": 9}] * 2


def test_map_planner():
    plan = MapPlanner().plan_execution
    assert plan({"x": [1, 2], "k": [0]}, ["x"], "zip") == [
        {"x": 1, "k": [0]},
        {"x": 2, "k": [0]},
    ]
    assert plan({"x": [1, 2], "y": [3, 4]}, ["y", "x"], "product") == [
        {"x": 1, "y": 3},
        {"x": 1, "y": 4},
        {"x": 2, "y": 3},
        {"x": 2, "y": 4},
    ]
    with pytest.raises(ValueError, match="same length"):
        plan({"x": [1], "y": []}, ["x", "y"], "zip")
    with pytest.raises(ValueError, match="'z' in map_over not found"):
        plan({}, ["z"], "zip")
    with pytest.raises(ValueError, match="not a list"):
        plan({"x": "ab"}, ["x"], "zip")
    with pytest.raises(ValueError, match="Unknown map_mode"):
        plan({"x": [1]}, ["x"], "cross")
