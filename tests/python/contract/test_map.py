# SPDX-License-Identifier: MIT
"""Section 3, map: what the table of cases does not show."""

from __future__ import annotations

import pytest

from contract.calls import ran, take
from contract.cases.common import add_ten, chain, double
from contract.engines import ENGINES
from contract.events import Recorder
from hypernodes import Node, Pipeline, node


@node(output_name="checked")
def fail_from_two(x):
    ran("fail_from_two", x)
    if x >= 2:
        raise LookupError(x)
    return x


def test_records_are_exactly_lists_of_dicts(engine):
    rows = chain(engine=engine).map({"x": [1]}, "x", outputs="records")
    assert type(rows) is list
    assert [type(row) for row in rows] == [dict]


def test_columns_are_exactly_dicts_of_lists(engine):
    columns = chain(engine=engine).map({"x": [1]}, "x", outputs="columns")
    assert type(columns) is dict
    assert [type(column) for column in columns.values()] == [list, list]


@pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES])
def test_default_shape(spec):
    rows = chain(engine=spec.make()).map({"x": [1]}, "x")
    assert rows == (
        {"doubled": [2], "result": [12]} if spec.columns else [{"doubled": 2, "result": 12}]
    )


def test_unknown_shape(engine):
    with pytest.raises(ValueError, match="rows"):
        chain(engine=engine).map({"x": [1]}, "x", outputs="rows")
    assert take() == []


def test_sequential_map_stops_at_the_first_failing_item():
    pipeline = Pipeline([fail_from_two, Node(lambda checked: ran("next", checked), "next")])
    with pytest.raises(LookupError) as caught:
        pipeline.map({"x": [0, 1, 2, 3, 4]}, "x")
    assert caught.value.args == (2,)
    assert caught.value.__notes__ == ["hypernodes: node 'fail_from_two', row 2"]
    assert take() == [
        ("fail_from_two", 0),
        ("next", 0),
        ("fail_from_two", 1),
        ("next", 1),
        ("fail_from_two", 2),
    ]


def test_an_earlier_row_that_fails_later_wins():
    """Row 0 fails in the second node, row 1 in the first: row 0 is finished before 1 starts."""

    def first(x):
        if x == 1:
            raise KeyError("row 1")
        return x

    def second(a):
        raise LookupError("row 0")

    pipeline = Pipeline([Node(first, "a"), Node(second, "b")])
    with pytest.raises(LookupError, match="row 0") as caught:
        pipeline.map({"x": [0, 1]}, "x")
    assert type(caught.value) is LookupError


def test_finished_items_stay_cached(engine, cache):
    pipeline = Pipeline([fail_from_two], engine=engine, cache=cache)
    with pytest.raises(LookupError):
        pipeline.map({"x": [0, 1, 2]}, "x")
    take()
    rows = pipeline.map({"x": [0, 1]}, "x", outputs="records")
    assert rows == [{"checked": 0}, {"checked": 1}]
    assert take() == []


def test_failures_are_not_stored(engine, cache):
    pipeline = Pipeline([fail_from_two], engine=engine, cache=cache)
    for _ in range(2):
        with pytest.raises(LookupError):
            pipeline.map({"x": [2]}, "x")
    assert take() == [("fail_from_two", 2)] * 2


def test_error_of_any_row_names_its_row(engine):
    pipeline = Pipeline([fail_from_two], engine=engine)
    with pytest.raises(LookupError) as caught:
        pipeline.map({"x": [0, 1, 0, 0, 7, 1]}, "x")
    assert caught.value.args == (7,)
    assert caught.value.__notes__ == ["hypernodes: node 'fail_from_two', row 4"]


def test_a_list_that_nodes_change_meanwhile(engine):
    items = [1, 2, 3]
    pipeline = Pipeline([Node(lambda x: items.clear() or x, "y")], engine=engine)
    rows = pipeline.map({"x": items}, "x", outputs="records")
    assert rows == [{"y": 1}, {"y": 2}, {"y": 3}]


def test_map_over_names_in_any_sequence(engine):
    pipeline = chain(engine=engine)
    for names in ("x", ["x"], ("x",)):
        assert pipeline.map({"x": [1]}, names, outputs="columns")["doubled"] == [2]


def test_rows_keep_the_order_of_the_items(engine):
    rows = 1500
    pipeline = Pipeline([double], engine=engine)
    columns = pipeline.map({"x": range(rows)}, "x", outputs="columns")
    assert columns == {"doubled": [2 * x for x in range(rows)]}


def test_sequential_engine_finishes_an_item_before_the_next():
    recorder = Recorder()
    Pipeline([double, add_ten], callbacks=[recorder]).map({"x": [1, 2]}, "x")
    assert take() == [("double", 1), ("add_ten", 2), ("double", 2), ("add_ten", 4)]


def test_a_pipeline_with_a_batch_node_is_mapped_node_by_node():
    from hypernodes import DualNode

    def one(doubled):
        raise AssertionError("batch is used in a map")

    def batch(doubled):
        ran("batch", doubled.to_pylist())
        return [value + 1 for value in doubled.to_pylist()]

    recorder = Recorder()
    pipeline = Pipeline([double, DualNode("plus", one, batch)], callbacks=[recorder])
    assert pipeline.map({"x": [1, 2]}, "x") == [
        {"doubled": 2, "plus": 3},
        {"doubled": 4, "plus": 5},
    ]
    assert take() == [("double", 1), ("double", 2), ("batch", [2, 4])]
    starts = [line for line in recorder.lines if "node_start" in line]
    assert len(starts) == 4
