"""engine.dataframe: a pipeline as a lazy Daft DataFrame."""

from __future__ import annotations

import io
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, Pipeline, SequentialEngine, load, node
from hypernodes.cache import DiskCache
from hypernodes.exceptions import TypeWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

daft = pytest.importorskip("daft")
pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.daft

ENGINE = DaftEngine()


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


@node(output_name="result")
def add_ten(doubled: int) -> int:
    return doubled + 10


@node(output_name="same")
def same(x: Any) -> Any:
    return x


@node(output_name="text")
def spell(doubled: int) -> str:
    return f"<{doubled}>"


@node(output_name=("low", "high"))
def bounds(doubled: int) -> tuple[int, object]:
    return doubled - 1, (doubled,)


def plan_of(frame: Any) -> str:
    text = io.StringIO()
    frame.explain(show_all=True, file=text)
    return text.getvalue()


def types_of(frame: Any) -> dict[str, str]:
    return {field.name: str(field.dtype) for field in frame.schema()}


def test_hints_make_typed_columns() -> None:
    frame = ENGINE.dataframe(Pipeline([double, add_ten, spell]), {"x": [1, 2]}, "x")
    assert types_of(frame) == {"doubled": "Int64", "result": "Int64", "text": "String"}
    assert frame.to_pydict() == {"doubled": [2, 4], "result": [12, 14], "text": ["<2>", "<4>"]}


def test_touching_python_nodes_are_one_udf() -> None:
    frame = ENGINE.dataframe(Pipeline([double, add_ten, spell]), {"x": [1]}, "x")
    assert "double+add_ten+spell" in re.sub(r"[\s|]", "", plan_of(frame))


def test_outputs_without_hints_are_python_objects() -> None:
    items = [1, (2, 3), None, {"a": 1}]
    frame = ENGINE.dataframe(Pipeline([same]), {"x": items}, "x")
    assert types_of(frame) == {"same": "Python"}
    assert frame.to_pydict() == {"same": items}


def test_typed_and_untyped_outputs_of_one_step() -> None:
    frame = ENGINE.dataframe(Pipeline([double, bounds]), {"x": [1, 2]}, "x")
    assert frame.to_pydict() == {"doubled": [2, 4], "low": [1, 3], "high": [(2,), (4,)]}
    assert types_of(frame) == {"doubled": "Int64", "low": "Int64", "high": "Python"}


@pytest.mark.parametrize(
    "items",
    [[1, 2.5, 3], [True, 2], ["a", None], [2**70, 1], [b"x", b""], [[1], [2]], [(1,), (2,)], []],
)
def test_values_reach_python_nodes_as_they_are(items: list[Any]) -> None:
    seen: list[Any] = []

    @node(output_name="y")
    def look(x: Any) -> Any:
        seen.append(x)
        return x

    frame = ENGINE.dataframe(Pipeline([look]), {"x": items}, "x")
    assert frame.to_pydict() == {"y": items}
    assert [(type(x), x) for x in seen] == [(type(x), x) for x in items]


def test_native_nodes_are_functions_of_the_plan(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, library.fail_at_six, spell])
    frame = ENGINE.dataframe(pipeline, {"x": [1, 2]}, "x")
    plan = plan_of(frame)
    assert "hn_twice_" in plan
    assert "hn_fail_at_six_" in plan
    assert "hypernodes.spell" in plan
    assert types_of(frame) == {"doubled": "Int64", "checked": "Int64", "text": "String"}
    assert frame.to_pydict() == {"doubled": [2, 4], "checked": [2, 4], "text": ["<2>", "<4>"]}


def test_structs_maps_and_optionals_are_columns(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    frame = ENGINE.dataframe(Pipeline([library.describe]), {"text": ["ab", ""]}, "text")
    assert frame.to_pydict() == {"shout": ["ab!", "nothing"], "length": [2, None]}
    words = [["a", "b", "a"], []]
    frame = ENGINE.dataframe(Pipeline([library.count]), {"words": words}, "words")
    assert [dict(row) for row in frame.to_pydict()["counts"]] == [{"a": 2, "b": 1}, {}]


def test_broadcast_inputs(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))

    @node(output_name="found")
    def find(counts: Any, x: str) -> int:
        return counts.get(x, 0)

    pipeline = Pipeline([library.count, find])
    frame = ENGINE.dataframe(
        pipeline, {"words": ["a", "a"], "x": ["a", "b"]}, "x", output_name="found"
    )
    assert frame.to_pydict() == {"found": [2, 0]}


def test_scalar_is_a_literal_of_the_plan(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    frame = ENGINE.dataframe(Pipeline([library.twice, spell]), {"x": 21})
    assert "lit(21)" in plan_of(frame)
    assert frame.to_pydict() == {"doubled": [42], "text": ["<42>"]}


def test_arrow_and_numpy_columns(node_library: Callable[[str], Path]) -> None:
    np = pytest.importorskip("numpy")
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, add_ten])
    expected = {"doubled": [2, 4, 6], "result": [12, 14, 16]}
    for items in (
        pa.array([1, 2, 3]),
        pa.chunked_array([[1], [2, 3]]),
        np.array([1, 2, 3]),
        np.array([1, 2, 3], dtype="int16"),
        (1, 2, 3),
        range(1, 4),
    ):
        assert ENGINE.dataframe(pipeline, {"x": items}, "x").to_pydict() == expected


def test_column_that_does_not_fit_is_an_error_before_daft(
    node_library: Callable[[str], Path],
) -> None:
    library = load(str(node_library("nodes_a")))
    with pytest.raises(TypeError, match=r"Input 'x', row 1 does not fit .* expected int64"):
        ENGINE.dataframe(Pipeline([library.twice]), {"x": [1, "a"]}, "x")

    @node(output_name="x")
    def spell(y: int) -> str:
        return str(y)

    with pytest.warns(TypeWarning, match="'x' of node 'spell' is str"):
        pipeline = Pipeline([spell, library.twice])
    with pytest.raises(TypeError, match="'x' is a column of string, but node 'twice' takes int64"):
        ENGINE.dataframe(pipeline, {"y": [1]}, "y")

    @node(output_name="x")
    def anything(y: int) -> object:
        return y

    frame = ENGINE.dataframe(Pipeline([anything, library.twice]), {"y": [1]}, "y")
    assert frame.to_pydict()["doubled"] == [2]


def test_value_that_breaks_its_hint_names_node_and_row() -> None:
    @node(output_name="y")
    def lie(x: int) -> int:
        return "text" if x == 2 else x  # type: ignore[return-value]

    frame = ENGINE.dataframe(Pipeline([lie]), {"x": [1, 2]}, "x")
    with pytest.raises(
        TypeError, match=r"Output 'y' does not fit its column[^|]*node 'lie', row 1"
    ):
        frame.collect()


def test_python_exception_comes_out_of_daft() -> None:
    @node(output_name="y")
    def fail(x: int) -> int:
        raise KeyError("no")

    with pytest.raises(KeyError, match="no") as caught:
        ENGINE.dataframe(Pipeline([fail]), {"x": [1]}, "x").collect()
    assert caught.value.__notes__ == ["hypernodes: node 'fail', row 0"]


def test_failing_cpp_node_is_named(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    frame = ENGINE.dataframe(Pipeline([library.twice, library.fail_at_six]), {"x": [1, 3]}, "x")
    with pytest.raises(Exception, match=r"Node 'fail_at_six' failed: six is bad \(row 1 of"):
        frame.collect()


def test_zip_and_product() -> None:
    @node(output_name="pair")
    def pair(a: int, b: str) -> str:
        return f"{a}{b}"

    given = {"a": [1, 2], "b": ["x", "y"]}
    pipeline = Pipeline([pair])
    assert ENGINE.dataframe(pipeline, given, ["a", "b"]).to_pydict() == {"pair": ["1x", "2y"]}
    product = ENGINE.dataframe(pipeline, given, ["a", "b"], "product").to_pydict()
    assert product == {"pair": ["1x", "1y", "2x", "2y"]}
    with pytest.raises(ValueError, match="same length"):
        ENGINE.dataframe(pipeline, {"a": [1], "b": ["x", "y"]}, ["a", "b"])


def test_cache_is_the_pipeline_s(tmp_path: Path) -> None:
    calls: list[int] = []

    @node(output_name="y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    pipeline = Pipeline([work], cache=DiskCache(tmp_path))
    pipeline.map({"x": [1, 2]}, "x", engine=SequentialEngine())
    frame = ENGINE.dataframe(pipeline, {"x": [1, 2, 3]}, "x")
    assert frame.to_pydict() == {"y": [2, 3, 4]}
    assert calls == [1, 2, 3]


def test_frame_goes_on_as_any_other() -> None:
    frame = ENGINE.dataframe(Pipeline([double]), {"x": list(range(10))}, "x")
    wanted = frame.where(daft.col("doubled") > 12).with_column("more", daft.col("doubled") + 1)
    assert wanted.to_pydict() == {"doubled": [14, 16, 18], "more": [15, 17, 19]}


def test_several_batches_and_a_second_collection() -> None:
    rows = 200_000
    pipeline = Pipeline([double])
    frame = ENGINE.dataframe(pipeline, {"x": range(rows)}, "x")
    assert frame.sum("doubled").to_pydict() == {"doubled": [rows * (rows - 1)]}
    assert frame.limit(2).to_pydict() == {"doubled": [0, 2]}


def test_functions_leave_no_name_behind(node_library: Callable[[str], Path]) -> None:
    library = load(str(node_library("nodes_a")))
    plan = plan_of(ENGINE.dataframe(Pipeline([library.twice]), {"x": [1]}, "x"))
    name = plan[plan.index("hn_twice_") :].split("(")[0]
    with pytest.raises(Exception, match="not found"):
        daft.get_function(name, daft.col("x"))


def functions_in(frame: Any) -> set[str]:
    text = io.StringIO()
    frame.explain(show_all=True, file=text)
    return set(re.findall(r"hn_\w+_\d+", text.getvalue()))


def test_plan_of_an_unchanged_pipeline_is_compiled_once(
    node_library: Callable[[str], Path], tmp_path: Path
) -> None:
    library = load(str(node_library("nodes_a")))

    @node(output_name="y")
    def add(doubled: int, k: list[int]) -> int:
        return doubled + sum(k)

    engine = DaftEngine()
    pipeline = Pipeline([library.twice, add])
    k = [1]
    first = engine.dataframe(pipeline, {"x": [1, 2], "k": k}, "x")
    second = engine.dataframe(pipeline, {"x": [5], "k": k}, "x")
    assert len(functions_in(first)) == 1
    assert functions_in(first) == functions_in(second)
    assert first.to_pydict() == {"doubled": [2, 4], "y": [3, 5]}
    assert second.to_pydict() == {"doubled": [10], "y": [11]}

    other_constant = engine.dataframe(pipeline, {"x": [1], "k": [100]}, "x")
    assert other_constant.to_pydict()["y"] == [102]
    other_cache = pipeline.with_cache(DiskCache(tmp_path))
    cached = engine.dataframe(other_cache, {"x": [1], "k": k}, "x")
    assert functions_in(cached) != functions_in(first)
    only = engine.dataframe(pipeline, {"x": [1], "k": k}, "x", output_name="doubled")
    assert only.to_pydict() == {"doubled": [2]}
    changed = Pipeline([library.twice])
    assert functions_in(engine.dataframe(changed, {"x": [1]}, "x")) != functions_in(first)
    assert pickle.loads(pickle.dumps(engine)).dataframe(changed, {"x": [3]}, "x").to_pydict() == {
        "doubled": [6]
    }
