# SPDX-License-Identifier: MIT
"""Section 9: nodes with a batch version, DualNode and `@node(batch=True)`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from contract.calls import ran, take
from contract.cases.common import add_ten, double
from contract.engines import DAFT, DAFT_V2, DASK, SEQUENTIAL
from contract.events import Recorder, check_unordered, hits, starts
from hypernodes import Pipeline, node

in_one_call = pytest.mark.parametrize(
    "spec",
    [SEQUENTIAL.param(), DAFT.param(), DAFT_V2.param(), DASK.param()],
)


def add_single(x, k):
    ran("single", x, k)
    return x + k


def add_batch(x, k):
    ran("batch", x.to_pylist(), k)
    return pa.array([value + k for value in x.to_pylist()])


def dual(output_name="sum", singular=add_single, batch=add_batch, **options):
    from hypernodes import DualNode

    return DualNode(output_name, singular, batch, **options)


def test_attributes():
    made = dual()
    assert (made.name, made.output_name, made.root_args) == ("add", "sum", ("x", "k"))
    assert made.is_dual_node
    assert made.cache
    assert not dual(cache=False).cache
    assert re.fullmatch("[0-9a-f]{64}", made.code_hash)


@pytest.mark.parametrize(
    ("function", "name"),
    [("work_singular", "work"), ("work_one", "work"), ("work_single", "work"), ("work", "work")],
)
def test_name_drops_the_suffix(function, name):
    scope = {}
    exec(f"def {function}(x): return x", scope)
    assert dual("out", scope[function], lambda x: x).name == name


def test_code_hash_covers_both_functions():
    def other_single(x, k):
        return x - k

    def other_batch(x, k):
        return x

    hashes = {
        dual().code_hash,
        dual(singular=other_single).code_hash,
        dual(batch=other_batch).code_hash,
    }
    assert len(hashes) == 3


def test_run_uses_singular(engine):
    assert Pipeline([dual()], engine).run({"x": 1, "k": 10}) == {"sum": 11}
    assert take() == [("single", 1, 10)]


@in_one_call
def test_map_uses_batch_once(engine):
    pipeline = Pipeline([dual()], engine)
    columns = pipeline.map({"x": [1, 2, 3], "k": 10}, "x", outputs="columns")
    assert columns == {"sum": [11, 12, 13]}
    assert [type(value) for value in columns["sum"]] == [int, int, int]
    assert take() == [("batch", [1, 2, 3], 10)]


def look_one(a, b, c):
    return a


def look_batch(a, b, c):
    ran("look", type(a).__name__, type(b).__name__, type(c).__name__)
    return a


@in_one_call
def test_scalars_stay_python_scalars_and_the_rest_are_arrays(engine):
    """`a` is mapped over, `b` is computed from it, `c` is neither."""
    from hypernodes import Node

    pipeline = Pipeline([Node(lambda a: a + 1, "b"), dual("out", look_one, look_batch)], engine)
    rows = pipeline.map({"a": [1, 2], "c": 5}, "a", output_name="out", outputs="columns")
    assert rows == {"out": [1, 2]}
    assert take() == [("look", "Int64Array", "Int64Array", "int")]


@pytest.mark.parametrize(
    "convert", [lambda x: x, lambda x: x.to_pylist(), lambda x: x.to_numpy()], ids=range(3)
)
def test_batch_may_return_array_list_or_ndarray(engine, convert):
    node = dual("out", lambda x: x, lambda x: convert(x))
    columns = Pipeline([node], engine).map({"x": [1, 2]}, "x", outputs="columns")
    assert columns == {"out": [1, 2]}
    assert [type(value) for value in columns["out"]] == [int, int]


@in_one_call
def test_wrong_length(engine):
    pipeline = Pipeline([dual("out", lambda x: x, lambda x: x.slice(0, 1))], engine)
    with pytest.raises(RuntimeError, match="returned 1 values, expected 2"):
        pipeline.map({"x": [1, 2]}, "x")


def test_not_convertible(engine):
    pipeline = Pipeline([dual("out", lambda x: x, lambda x: 5)], engine)
    with pytest.raises(TypeError):
        pipeline.map({"x": [1, 2]}, "x")


def test_rows_are_cached_one_by_one(engine, cache):
    pipeline = Pipeline([dual()], engine, cache)
    pipeline.map({"x": [1, 2], "k": 10}, "x")
    take()
    columns = pipeline.map({"x": [3, 1, 2, 4], "k": 10}, "x", outputs="columns")
    assert columns == {"sum": [13, 11, 12, 14]}
    assert take() == [("batch", [3, 4], 10)]


def test_run_and_map_share_entries(engine, cache):
    pipeline = Pipeline([dual()], engine, cache)
    pipeline.map({"x": [1], "k": 10}, "x")
    take()
    assert pipeline.run({"x": 1, "k": 10}) == {"sum": 11}
    assert take() == []


def test_events_have_their_counts(engine, cache):
    recorder = Recorder()
    pipeline = Pipeline([double, dual("sum", lambda doubled: 0, lambda doubled: doubled)], engine)
    pipeline.with_callbacks([recorder]).with_cache(cache)
    pipeline.map({"x": [1, 2]}, "x")
    assert starts(recorder.lines) == {"double": 2, "<lambda>": 2}
    expected = ["map_start 2"]
    for i, x in enumerate((1, 2)):
        expected += [
            f"map_item_start {i}",
            f"  pipeline_start unnamed {{'x': {x}}}",
            f"  node_start double {{'x': {x}}}",
            f"  node_end double {{'doubled': {2 * x}}}",
            f"  node_start <lambda> {{'doubled': {2 * x}}}",
            f"  node_end <lambda> {{'sum': {2 * x}}}",
            f"  pipeline_end unnamed {{'doubled': {2 * x}, 'sum': {2 * x}}}",
            f"map_item_end {i}",
        ]
    check_unordered(recorder.lines, [*expected, "map_end"])
    del recorder._lines[:]
    pipeline.map({"x": [1, 2]}, "x")
    assert hits(recorder.lines) == {"double": 2, "<lambda>": 2}


def test_empty_map(engine):
    pipeline = Pipeline([dual()], engine)
    assert pipeline.map({"x": [], "k": 1}, "x", outputs="columns") == {"sum": []}
    assert take() == []


def test_batch_is_used_in_a_nested_map(engine):
    inner = Pipeline([dual()]).as_node(map_over="x", output_mapping={"sum": "sums"})
    outer = Pipeline([inner], engine)
    assert outer.run({"x": [1, 2], "k": 10}) == {"sums": [11, 12]}
    assert take() == [("batch", [1, 2], 10)]


def test_an_error_of_batch_comes_out_as_itself(engine):
    def batch(x):
        raise LookupError("all of them")

    pipeline = Pipeline([dual("out", lambda x: x, batch)], engine)
    with pytest.raises(LookupError, match="all of them") as caught:
        pipeline.map({"x": [1, 2]}, "x")
    assert any("<lambda>" in note for note in caught.value.__notes__)


def test_can_be_called_and_pickled():
    import pickle

    made = dual()
    assert made(1, 2) == 3
    copy = pickle.loads(pickle.dumps(made))
    assert copy.code_hash == made.code_hash
    assert Pipeline([copy]).run({"x": 1, "k": 2}) == {"sum": 3}


def batched(function, output_name="out", **options):
    return node(output_name=output_name, batch=True, **options)(function)


@in_one_call
def test_node_batch_is_called_once_in_a_map(engine):
    def plus_one(doubled):
        ran("plus_one", len(doubled))
        return pa.array([int(value) + 1 for value in doubled])

    pipeline = Pipeline([double, batched(plus_one)], engine)
    columns = pipeline.map({"x": [1, 2, 3]}, "x", output_name="out", outputs="columns")
    assert columns == {"out": [3, 5, 7]}
    assert [call for call in take() if call[0] == "plus_one"] == [("plus_one", 3)]


def test_node_batch_runs_a_batch_of_one_in_a_run(engine):
    def plus_one(x):
        ran("plus_one", len(x))
        return np.asarray(x) + 1

    assert Pipeline([batched(plus_one)], engine).run({"x": 1}) == {"out": 2}
    assert take() == [("plus_one", 1)]


def test_node_batch_is_cached_row_by_row(engine, cache):
    def plus_one(x):
        ran("plus_one", len(x))
        return np.asarray(x) + 1

    pipeline = Pipeline([batched(plus_one)], engine, cache)
    pipeline.map({"x": [1, 2]}, "x")
    columns = pipeline.map({"x": [1, 2, 3]}, "x", outputs="columns")
    assert columns == {"out": [2, 3, 4]}
    assert take() == [("plus_one", 2), ("plus_one", 1)]


def test_node_batch_between_plain_nodes(engine):
    def negative(doubled):
        return [-int(value) for value in doubled]

    pipeline = Pipeline([double, batched(negative, "doubled_back"), add_ten], engine)
    columns = pipeline.map({"x": [1, 2]}, "x", outputs="columns")
    assert columns == {"doubled": [2, 4], "doubled_back": [-2, -4], "result": [12, 14]}
