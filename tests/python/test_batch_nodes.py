"""BatchNode and DualNode: functions of whole columns."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from hypernodes import DiskCache, DualNode, Node, Pipeline, node
from hypernodes.exceptions import DependencyMissingError, OutputError

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


def scale_one(x: int, factor: int) -> int:
    seen.append("one")
    return x * factor


def scale_batch(x: pa.Array, factor: int) -> pa.Array:
    seen.append((x.to_pylist(), factor))
    return pc.multiply(x, factor)


scale = DualNode("scaled", scale_one, scale_batch)


@node("centred", batch=True)
def centre(values: np.ndarray, mean: float) -> np.ndarray:
    seen.append((type(values), values.tolist(), mean))
    return values - mean


def test_dual_node_looks_like_its_singular_function() -> None:
    assert scale.name == "scale"
    assert scale.root_args == ("x", "factor")
    assert scale.is_dual_node
    assert scale(2, 3) == 6
    assert scale.code_hash != Node(scale_one, "scaled").code_hash
    assert scale.code_hash != DualNode("scaled", scale_one, lambda x, factor: x).code_hash
    parameters = list(inspect.signature(DualNode).parameters)
    assert parameters[:7] == ["output_name", "singular", "batch", "cache", "version", "aka", "daft"]
    assert parameters[7:] == ["retry", "timeout"]


def test_run_calls_singular_and_map_calls_batch_once() -> None:
    pipeline = Pipeline([scale])
    assert pipeline.run({"x": 2, "factor": 3}) == {"scaled": 6}
    assert seen == ["one"]
    seen.clear()
    rows = pipeline.map({"x": [1, 2], "factor": 3}, map_over="x")
    assert rows == [{"scaled": 3}, {"scaled": 6}]
    assert seen == [([1, 2], 3)]
    seen.clear()
    # Nothing that it takes is mapped.
    pipeline.map({"x": 1, "factor": 3, "other": [1, 2]}, map_over="other")
    assert seen == ["one", "one"]


def test_rows_are_cached_one_by_one(tmp_path: Path) -> None:
    pipeline = Pipeline([scale], cache=DiskCache(tmp_path))
    pipeline.run({"x": 2, "factor": 3})
    seen.clear()
    assert pipeline.map({"x": [1, 2, 3, 3], "factor": 3}, map_over="x", outputs="columns") == {
        "scaled": [3, 6, 9, 9]
    }
    assert seen == [([1, 3], 3)]


@pytest.mark.parametrize(
    ("batch", "kind", "message"),
    [
        (lambda x, factor: [1], RuntimeError, "Node 'scale' returned 1 values, expected 2"),
        (lambda x, factor: 5, TypeError, "Node 'scale' returned int, which is no column"),
        (lambda x, factor: None, TypeError, "Node 'scale' returned NoneType, which is no column"),
    ],
)
def test_what_batch_returns_is_checked(batch: Any, kind: type, message: str) -> None:
    pipeline = Pipeline([DualNode("scaled", scale_one, batch)])
    with pytest.raises(kind) as caught:
        pipeline.map({"x": [1, 2], "factor": 1}, map_over="x")
    assert str(caught.value).splitlines()[0] == message


def test_values_that_make_no_arrow_column_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="Node 'scale' takes 'x' as a column, but its values"):
        Pipeline([scale]).map({"x": [1, object()], "factor": 1}, map_over="x")


def test_functions_with_other_parameters_and_async_ones_are_refused() -> None:
    with pytest.raises(TypeError, match="different parameters"):
        DualNode("y", lambda x: x, lambda z: z)

    async def later(x: int) -> int:
        return x

    with pytest.raises(TypeError, match="must not be async"):
        DualNode("y", later, lambda x: x)


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        DependencyMissingError, match="DualNode batch execution requires 'pyarrow'"
    ) as caught:
        DualNode("y", lambda x: x, lambda x: x)
    assert isinstance(caught.value, ImportError)
    assert "pip install pyarrow" in str(caught.value)


def test_dual_node_pickles() -> None:
    again = pickle.loads(pickle.dumps(scale))
    assert again == scale
    assert again.code_hash == scale.code_hash
    local = DualNode("y", lambda x: x + 1, lambda x: pc.add(x, 1))
    copy = pickle.loads(pickle.dumps(local))
    assert Pipeline([copy]).map({"x": [1]}, map_over="x") == [{"y": 2}]
    assert copy.code_hash == local.code_hash


def test_several_outputs() -> None:
    both = DualNode(
        ("low", "high"), lambda x: (x - 1, x + 1), lambda x: (pc.subtract(x, 1), pc.add(x, 1))
    )
    pipeline = Pipeline([both])
    assert pipeline.run({"x": 1}) == {"low": 0, "high": 2}
    assert pipeline.map({"x": [1, 2]}, map_over="x")[1] == {"low": 1, "high": 3}
    bad = DualNode(("low", "high"), lambda x: (x, x), lambda x: [x])
    with pytest.raises(OutputError, match="returned 1, expected 2 columns"):
        Pipeline([bad]).map({"x": [1]}, map_over="x")


def test_batch_node_gets_columns_of_its_hints_and_plain_constants() -> None:
    pipeline = Pipeline([centre])
    assert pipeline.map({"values": [1.0, 3.0], "mean": 2.0}, map_over="values") == [
        {"centred": -1.0},
        {"centred": 1.0},
    ]
    assert seen == [(np.ndarray, [1.0, 3.0], 2.0)]
    assert pipeline.run({"values": 5.0, "mean": 2.0}) == {"centred": 3.0}


@pytest.mark.parametrize("kind", [list, list[int], np.ndarray, pa.Array, pd.Series, pl.Series])
def test_every_kind_of_column_goes_in_and_out(kind: Any) -> None:
    def same(x):
        seen.append(x)
        return x

    same.__annotations__ = {"x": kind}
    rows = Pipeline([node("y", batch=True)(same)]).map({"x": [1, 2]}, map_over="x")
    assert rows == [{"y": 1}, {"y": 2}]
    assert type(rows[0]["y"]) is int
    expected = getattr(kind, "__origin__", kind)
    assert isinstance(seen[0], expected)


def test_a_changed_hint_is_another_key() -> None:
    def as_list(x: list[int]):
        return x

    def as_array(x: np.ndarray):
        return x

    first, second = node("y", batch=True)(as_list), node("y", batch=True)(as_array)
    assert Node(as_list, "y").code_hash == Node(as_array, "y").code_hash
    assert first.code_hash != second.code_hash


def test_chain_of_batch_nodes_and_keyword_only_parameters() -> None:
    @node("total", batch=True)
    def add(centred: list[float], *, extra: float = 1.0) -> list[float]:
        return [value + extra for value in centred]

    pipeline = Pipeline([centre, add])
    assert pipeline.map({"values": [1.0, 3.0], "mean": 2.0}, "values", output_name="total") == [
        {"total": 0.0},
        {"total": 2.0},
    ]


def test_batch_node_pickles() -> None:
    again = pickle.loads(pickle.dumps(centre))
    assert again.code_hash == centre.code_hash
    assert Pipeline([again]).run({"values": 5.0, "mean": 2.0}) == {"centred": 3.0}


def test_an_async_batch_is_awaited() -> None:
    @node("y", batch=True)
    async def later(x: list[int]) -> list[int]:
        return [item + 1 for item in x]

    assert Pipeline([later]).map({"x": [1, 2]}, "x", outputs="columns") == {"y": [2, 3]}


def test_nested_maps_are_batches_of_their_own() -> None:
    inner = Pipeline([scale]).as_node(map_over="x", name="inner")
    rows = Pipeline([inner]).map({"x": [[1, 2], [3]], "factor": [10, 20]}, ["x", "factor"])
    assert rows == [{"scaled": [10, 20]}, {"scaled": [60]}]
    assert seen == [([1, 2], 10), ([3], 20)]
