# SPDX-License-Identifier: MIT
"""pipeline.with_columns on Daft DataFrames: lazy, native where it can be, right in every row."""

from __future__ import annotations

import datetime
import io
import re
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, Pipeline, PipelineCallback, SeqEngine, load, node
from hypernodes.cache import DiskCache
from hypernodes.exceptions import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

daft = pytest.importorskip("daft")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.daft


@node("doubled")
def double(x: int) -> int:
    return x * 2


@node("result")
def add(doubled: int, k: int = 10) -> int:
    return doubled + k


@node("seen")
def look(x: Any) -> str:
    return f"{type(x).__name__} {x!r}"


@pytest.fixture
def cpp(node_library: Callable[[str], Path]) -> Any:
    return load(str(node_library("nodes_a")))


def plan_of(frame: Any) -> str:
    text = io.StringIO()
    frame.explain(show_all=True, file=text)
    return text.getvalue()


def test_nothing_runs_before_daft_is_told_to() -> None:
    calls: list[int] = []

    @node("y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    frame = daft.from_pydict({"x": [1, 2], "other": ["a", "b"]})
    extended = Pipeline([work]).with_columns(frame)
    assert extended.column_names == ["x", "other", "y"]
    assert calls == []
    assert extended.to_pydict() == {"x": [1, 2], "other": ["a", "b"], "y": [2, 3]}
    assert calls == [1, 2]
    assert frame.column_names == ["x", "other"]


def test_cpp_nodes_are_native_and_python_nodes_fused(cpp: Any) -> None:
    @node("text")
    def spell(result: int) -> str:
        return f"<{result}>"

    frame = daft.from_pydict({"z": [0, 0], "x": [1, 2]})
    extended = Pipeline([cpp.twice, add, spell]).with_columns(frame)
    plan = re.sub(r"[\s|]", "", plan_of(extended))
    assert "hn_twice_" in plan
    assert "add+spell" in plan
    assert [str(f.dtype) for f in extended.schema()] == ["Int64"] * 4 + ["String"]
    assert extended.to_pylist() == [
        {"z": 0, "x": x, "doubled": 2 * x, "result": 2 * x + 10, "text": f"<{2 * x + 10}>"}
        for x in (1, 2)
    ]


def test_inputs_that_are_no_columns(cpp: Any) -> None:
    frame = daft.from_pydict({"x": [1, 2]})
    pipeline = Pipeline([cpp.twice, add])
    assert pipeline.with_columns(frame, inputs={"k": 3}).to_pydict()["result"] == [5, 7]
    assert pipeline.bind(k=4).with_columns(frame).to_pydict()["result"] == [6, 8]
    assert pipeline.with_columns(frame, inputs={"x": 5, "k": 0}).to_pydict() == {
        "x": [1, 2],
        "doubled": [10, 10],
        "result": [10, 10],
    }
    with pytest.raises(PlanError, match=r"Missing required input\(s\): \['x'\][^|]*columns: y"):
        pipeline.with_columns(daft.from_pydict({"y": [1]}))


def test_some_outputs_in_the_order_asked_for() -> None:
    frame = daft.from_pydict({"x": [1, 2]})
    pipeline = Pipeline([double, add])
    assert pipeline.with_columns(frame, "result").to_pydict() == {"x": [1, 2], "result": [12, 14]}
    assert pipeline.with_columns(frame, ["result", "doubled"]).column_names[1:] == [
        "result",
        "doubled",
    ]
    assert pipeline.with_columns(frame, []).to_pydict() == {"x": [1, 2]}


def test_a_column_called_as_an_output_within_stays(cpp: Any) -> None:
    frame = daft.from_pydict({"x": [1, 2], "doubled": ["a", "b"]})
    for first in (double, cpp.twice):
        extended = Pipeline([first, add]).with_columns(frame, "result")
        assert extended.to_pydict() == {
            "x": [1, 2],
            "doubled": ["a", "b"],
            "result": [12, 14],
        }
        with pytest.raises(PlanError, match=r"called as outputs: \['doubled'\]"):
            Pipeline([first, add]).with_columns(frame)


def test_a_pipeline_that_reads_no_column(cpp: Any) -> None:
    @node("n")
    def number(k: int) -> int:
        return k + 1

    frame = daft.from_pydict({"text": ["a", None, "c"]})
    made = Pipeline([cpp.twice, number]).with_columns(frame, inputs={"x": 4, "k": 1})
    assert made.to_pydict() == {"text": ["a", None, "c"], "doubled": [8] * 3, "n": [2] * 3}
    with pytest.raises(PlanError, match="no columns, and so no rows"):
        Pipeline([number]).with_columns(daft.from_pydict({}), inputs={"k": 1})


def test_rows_keep_their_order_over_partitions_and_batches() -> None:
    parts = [pa.table({"x": range(i, i + 1000)}) for i in range(0, 10_000, 1000)]
    engine = DaftEngine(default_daft_config={"batch_size": 64})
    for pipeline in (Pipeline([double, add]), Pipeline([double, add], engine=engine)):
        made = pipeline.with_columns(daft.from_arrow(parts)).to_pydict()
        assert made["x"] == list(range(10_000))
        assert made["result"] == [x * 2 + 10 for x in range(10_000)]


def test_batch_size_is_the_engine_s() -> None:
    engine = DaftEngine(default_daft_config={"batch_size": 3})
    frame = daft.from_pydict({"x": [1] * 9})
    extended = Pipeline([double], engine=engine).with_columns(frame)
    assert "batch size = 3" in plan_of(extended).lower()
    assert "batch size = 3" not in plan_of(Pipeline([double]).with_columns(frame)).lower()
    assert extended.to_pydict()["doubled"] == [2] * 9


def test_parquet_to_parquet(tmp_path: Path, cpp: Any) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(3):
        rows = pa.table({"x": range(number * 100, number * 100 + 100), "s": ["t"] * 100})
        pq.write_table(rows, source / f"{number}.parquet")
    frame = daft.read_parquet(f"{source}/*.parquet")
    Pipeline([cpp.twice, add]).with_columns(frame).write_parquet(str(target))
    written = pq.read_table(target).sort_by("x").to_pydict()
    assert written["x"] == list(range(300))
    assert written["result"] == [x * 2 + 10 for x in range(300)]
    assert set(written) == {"x", "s", "doubled", "result"}


def test_frames_without_rows(cpp: Any) -> None:
    frame = daft.from_arrow(pa.table({"x": pa.array([], pa.int64())}))
    made = Pipeline([cpp.twice, add, look]).with_columns(frame)
    assert made.to_pydict() == {"x": [], "doubled": [], "result": [], "seen": []}
    filtered = Pipeline([double]).with_columns(daft.from_pydict({"x": [1]}).where("x > 5"))
    assert filtered.to_pydict() == {"x": [], "doubled": []}


@pytest.mark.parametrize(
    "items",
    [
        pa.array([1, None]),
        pa.array(["a", None], pa.large_string()),
        pa.array(["a", None]).dictionary_encode(),
        pa.array([datetime.datetime(2020, 1, 1), None]),
        pa.array([datetime.date(2020, 1, 1), None]),
        pa.array([datetime.timedelta(1), None]),
        pa.array([[1, None], None]),
        pa.array([{"a": 1, "b": ["x"]}, None]),
        pa.array([[{"a": datetime.date(2020, 1, 1)}], None]),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array([b"x", None]),
        pa.nulls(2),
    ],
    ids=lambda items: str(items.type),
)
def test_python_nodes_get_the_values_of_every_type(items: Any) -> None:
    frame = daft.from_arrow(pa.table({"x": items}))
    made = Pipeline([look]).with_columns(frame).to_pydict()
    assert made["seen"] == [look.func(x) for x in items.to_pylist()]


def test_columns_of_python_objects_and_of_tensors() -> None:
    np = pytest.importorskip("numpy")
    objects = [(1, 2), {"a"}, None]
    frame = daft.from_pydict({"x": daft.Series.from_pylist(objects, pyobj="force")})
    same = Pipeline([node("same")(lambda x: x)])
    assert same.with_columns(frame).to_pydict()["same"] == objects
    tensors = daft.from_pydict({"x": [np.array([1, 2]), np.array([3, 4])]})

    @node("total")
    def total(x: Any) -> int:
        return int(x.sum())

    assert Pipeline([total]).with_columns(tensors).to_pydict()["total"] == [3, 7]
    assert Pipeline([total]).map(tensors) == [{"total": 3}, {"total": 7}]


def test_cpp_nodes_and_columns_that_do_not_fit(cpp: Any) -> None:
    pipeline = Pipeline([cpp.twice])
    with pytest.raises(
        TypeError, match=r"'x' is a column of optional<string>, but node 'twice' takes int64"
    ):
        pipeline.with_columns(daft.from_pydict({"x": ["a"]}))
    dates = daft.from_pydict({"x": [datetime.date(2020, 1, 1)]})
    with pytest.raises(TypeError, match=r"Node 'twice' is C\+\+ and cannot read the column 'x'"):
        pipeline.with_columns(dates)
    nulls = pipeline.with_columns(daft.from_pydict({"x": [1, None]}))
    with pytest.raises(Exception, match="null"):
        nulls.collect()
    assert Pipeline([cpp.count]).with_columns(
        daft.from_pydict({"words": [["a", "a"], []]})
    ).to_pydict()["counts"] == [[("a", 2)], []]


def test_failures_name_node_and_row_of_the_batch() -> None:
    @node("y")
    def fail(x: int) -> int:
        if x == 2:
            raise KeyError("no")
        return "text" if x == 3 else x  # type: ignore[return-value]

    with pytest.raises(KeyError, match="no") as caught:
        Pipeline([fail]).with_columns(daft.from_pydict({"x": [1, 2]})).collect()
    assert caught.value.__notes__ == ["hypernodes: node 'fail', row 1 of a batch of 2"]
    with pytest.raises(TypeError, match=r"'y' does not fit[^|]*'fail', row 1 of a batch of 2"):
        Pipeline([fail]).with_columns(daft.from_pydict({"x": [1, 3]})).collect()


def test_the_pipeline_s_cache_and_that_of_any_engine(tmp_path: Path, cpp: Any) -> None:
    calls: list[int] = []

    @node("y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    cache = DiskCache(tmp_path)
    Pipeline([work], cache=cache).map({"x": [1, 2]}, "x")
    frame = daft.from_pydict({"x": [1, 2, 3, 3]})
    for pipeline in (
        Pipeline([work], cache=cache),
        Pipeline([work], engine=SeqEngine(cache=cache)),
        Pipeline([work], engine=DaftEngine(cache=cache)),
    ):
        assert pipeline.with_columns(frame).to_pydict()["y"] == [2, 3, 4, 4]
    assert sorted(set(calls)) == [1, 2, 3]
    assert Pipeline([work], cache=cache).map({"x": [3]}, "x") == [{"y": 4}]
    assert calls.count(1) == 1


def test_a_map_to_daft_that_callbacks_hear_of_is_done_at_once() -> None:
    class Count(PipelineCallback):
        nodes = 0

        def on_node_end(self, node_id, outputs, duration, ctx):
            self.nodes += 1

    count = Count()
    frame = daft.from_pydict({"x": [1, 2, 3]})
    pipeline = Pipeline([double], engine=DaftEngine(), callbacks=[count])
    made = pipeline.map(frame, outputs="daft")
    assert count.nodes == 3
    assert made.to_pydict() == {"doubled": [2, 4, 6]}
    assert count.nodes == 3


def test_map_to_daft_is_lazy_on_daft() -> None:
    calls: list[int] = []

    @node("y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    pipeline = Pipeline([work, double], engine=DaftEngine())
    made = pipeline.map({"x": [1, 2]}, "x", outputs="daft")
    assert calls == []
    assert made.to_pydict() == {"y": [2, 3], "doubled": [2, 4]}
    given = pipeline.map({"x": [1, 2]}, "x", outputs="daft", overrides={"doubled": 0})
    assert given.to_pydict() == {"y": [2, 3], "doubled": [0, 0]}


def test_nested_pipelines_in_a_frame() -> None:
    inner = Pipeline([double], name="inner")
    outer = Pipeline([inner.as_node(input_mapping={"xs": "x"}, map_over="xs"), look])
    frame = daft.from_pydict({"xs": [[1, 2], []], "x": [0, 1]})
    assert outer.with_columns(frame).to_pydict() == {
        "xs": [[1, 2], []],
        "x": [0, 1],
        "doubled": [[2, 4], []],
        "seen": ["int 0", "int 1"],
    }


def test_a_frame_extended_twice_goes_on_as_any_other() -> None:
    frame = daft.from_pydict({"x": list(range(10))})
    first, second = Pipeline([double]), Pipeline([add])
    made = second.with_columns(first.with_columns(frame)).where(daft.col("result") > 24)
    assert made.select("x", "result").to_pydict() == {"x": [8, 9], "result": [26, 28]}
