# SPDX-License-Identifier: MIT
"""Tables into run, map and with_columns, and out of map: on every engine, against plain lists."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, Pipeline, SeqEngine, load, node
from hypernodes.cache import DiskCache
from hypernodes.engines import DaskEngine
from hypernodes.exceptions import DependencyMissingError, PlanError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

daft = pytest.importorskip("daft")
np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pytest.importorskip("dask")

ENGINES = {
    "seq": SeqEngine(),
    "daft": DaftEngine(),
    "dask": DaskEngine(scheduler="threads", num_workers=2),
}
TABLES: dict[str, Callable[[Any], Any]] = {
    "arrow": lambda table: table,
    "batch": lambda table: table.combine_chunks().to_batches()[0],
    "chunked": lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
    "pandas": lambda table: table.to_pandas(),
    "polars": pl.from_arrow,
    "lazy polars": lambda table: pl.from_arrow(table).lazy(),
    "daft": daft.from_arrow,
    "daft partitions": lambda table: daft.from_arrow([table.slice(0, 1), table.slice(1)]),
}
SHAPES: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "records": lambda made: made,
    "columns": lambda made: [
        dict(zip(made, row, strict=True)) for row in zip(*made.values(), strict=True)
    ],
    "arrow": lambda made: made.to_pylist(),
    "pandas": lambda made: pa.Table.from_pandas(made, preserve_index=False).to_pylist(),
    "polars": lambda made: made.to_dicts(),
    "daft": lambda made: made.to_pylist(),
}
TABLE = pa.table({"x": [1, 2, 3], "text": ["a", None, "c"], "more": [1.5, 2.5, None]})


@node("doubled")
def double(x: int) -> int:
    return x * 2


@node("line")
def line(doubled: int, text: str | None, k: int = 1) -> str | None:
    return None if text is None else f"{text}{doubled * k}"


@node("seen")
def look(x: Any) -> str:
    return f"{type(x).__name__} {x!r}"


@pytest.fixture
def cpp(node_library: Callable[[str], Path]) -> Any:
    return load(str(node_library("nodes_a")))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("engine", ENGINES)
def test_map_of_a_table_is_the_map_of_its_lists(engine: str, table: str, shape: str) -> None:
    pipeline = Pipeline([double, line], engine=ENGINES[engine])
    lists = {name: TABLE[name].to_pylist() for name in ("x", "text")}
    expected = Pipeline([double, line]).map(lists, ["x", "text"])
    made = pipeline.map(TABLES[table](TABLE), outputs=shape)
    assert SHAPES[shape](made) == expected
    assert [*expected[0].values()] == [2, "a2"]


@pytest.mark.parametrize("shape", ["arrow", "pandas", "polars", "daft"])
@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_of_lists_are_tables(engine: str, shape: str, cpp: Any) -> None:
    pipeline = Pipeline([cpp.twice, line], engine=ENGINES[engine])
    given = {"x": [1, 2], "text": "a"}
    made = pipeline.map(given, "x", outputs=shape)
    assert type(made).__module__.partition(".")[0] == ("pyarrow" if shape == "arrow" else shape)
    assert SHAPES[shape](made) == [{"doubled": 2, "line": "a2"}, {"doubled": 4, "line": "a4"}]
    empty = pipeline.map({**given, "x": []}, "x", outputs=shape)
    assert SHAPES[shape](empty) == []
    names = empty.column_names if shape in ("arrow", "daft") else list(empty.columns)
    assert names == ["doubled", "line"]


def test_types_are_those_of_hints_and_of_cpp_nodes(cpp: Any) -> None:
    @node("halves")
    def halve(x: int) -> list[float] | None:
        return [x / 2] if x > 1 else None

    @node("both")
    def untyped(x):
        return {"a": x, "b": datetime.date(2020, 1, x)}

    pipeline = Pipeline([cpp.twice, halve, untyped])
    schema = pipeline.map({"x": [1, 2]}, "x", outputs="arrow").schema
    assert schema.field("doubled").type == pa.int64()
    floats = pa.large_list(pa.field("item", pa.float64(), nullable=False))
    assert schema.field("halves").type == floats
    assert schema.field("both").type == pa.struct({"a": pa.int64(), "b": pa.date32()})
    empty = pipeline.map({"x": []}, "x", outputs="arrow").schema
    assert empty.field("doubled").type == pa.int64()
    assert empty.field("halves").type == floats
    assert empty.field("both").type == pa.null()


def test_whole_numbers_with_nulls_stay_whole_in_pandas() -> None:
    @node("big")
    def big(x: int) -> int | None:
        return None if x == 1 else 2**62 + 1

    made = Pipeline([big]).map({"x": [1, 2]}, "x", outputs="pandas")
    assert str(made["big"].dtype) == "Int64"
    assert made["big"][1] == 2**62 + 1


def test_values_that_fit_no_column_are_named() -> None:
    class Thing:
        pass

    @node("thing")
    def thing(x):
        return Thing() if x == 5 else x

    @node("lie")
    def lie(x) -> int:
        return 0.5 if x == 5 else x

    xs = {"x": list(range(8))}
    for each, text in (
        (thing, "[^|]*row 5, Thing"),
        (lie, "expected optional<int64> but got float[^|]*row 5"),
    ):
        name = each.output_name
        with pytest.raises(TypeError, match=rf"Output '{name}' does not fit a column: {text}"):
            Pipeline([each]).map(xs, "x", outputs="arrow")
        assert len(Pipeline([each]).map(xs, "x")) == 8


def test_unknown_outputs_list_all() -> None:
    for engine in ENGINES.values():
        names = "'records', 'columns', 'arrow', 'daft', 'pandas' or 'polars'"
        with pytest.raises(PlanError, match=rf"Unknown outputs 'frame'[^|]*{names}"):
            Pipeline([double], engine=engine).map({"x": [1]}, "x", outputs="frame")


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_missing_package_is_told_before_any_work(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    @node("y")
    def work(x):
        calls.append(x)
        return x

    monkeypatch.setitem(sys.modules, package, None)
    shape = "arrow" if package == "pyarrow" else package
    with pytest.raises(DependencyMissingError, match=rf"pip install 'hypernodes\[{shape}\]'"):
        Pipeline([work]).map({"x": [1]}, "x", outputs=shape)
    assert calls == []


# Inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_columns_of_all_kinds_are_mapped_items(engine: str, cpp: Any) -> None:
    pipeline = Pipeline([cpp.twice, look], engine=ENGINES[engine])
    expected = pipeline.map({"x": [1, 2, 3]}, "x")
    for items in (
        pa.array([1, 2, 3]),
        pa.chunked_array([[1], [2, 3]]),
        pa.array([1, 2, 3], pa.int16()),
        np.array([1, 2, 3]),
        np.array([1, 2, 3], "uint8"),
        np.array([1, 0, 2, 0, 3])[::2],
        pd.Series([1, 2, 3]),
        pd.Series([1, 2, 3], dtype="Int64"),
        pd.Series([1, 2, 3], dtype="category"),
        pd.Index([1, 2, 3]),
        pl.Series([1, 2, 3]),
        daft.Series.from_pylist([1, 2, 3]),
        range(1, 4),
    ):
        assert pipeline.map({"x": items, "k": 3}, map_over=["x"]) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "items",
    [
        pa.array([1, None]),
        pa.array([1.5, None], pa.float32()),
        pa.array(["a", None], pa.large_string()),
        pa.array([True, None]),
        pa.array([datetime.datetime(2020, 1, 1), None]),
        pa.array([datetime.date(2020, 1, 1), None]),
        pa.array([decimal.Decimal("1.5"), None]),
        pa.array([[1, None], None]),
        pa.array([{"a": 1, "b": ["x"]}, None]),
        pa.array([[datetime.date(2020, 1, 1)], None]),
        pa.array(["a", None]).dictionary_encode(),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.nulls(2),
    ],
    ids=lambda items: str(items.type),
)
def test_python_nodes_get_values_as_of_to_pylist(engine: str, items: Any) -> None:
    table = pa.table({"x": items})
    expected = [look.func(x) for x in items.to_pylist()]
    pipeline = Pipeline([look], engine=ENGINES[engine])
    nullable = table.to_pandas(types_mapper=pd.ArrowDtype)
    for each in (table, pl.from_arrow(table), daft.from_arrow(table), nullable):
        assert pipeline.map(each, outputs="columns") == {"seen": expected}


def test_missing_values_of_pandas() -> None:
    pipeline = Pipeline([look])
    for items, expected in (
        (pd.Series([1.5, float("nan")]), ["float 1.5", "float nan"]),
        (pd.Series([1, None], dtype="Int64"), ["int 1", "NoneType None"]),
        (pd.Series(["a", None]), ["str 'a'", "NoneType None"]),
        (pd.Series(["a", None], dtype="category"), ["str 'a'", "NoneType None"]),
        (pd.Series([{1, 2}, None], dtype=object), ["set {1, 2}", "NoneType None"]),
        (pd.Series(pd.to_datetime([None])), ["NoneType None"]),
        (pd.Series([pd.Period("2020"), None]), ["Period Period('2020', 'Y-DEC')", "NoneType None"]),
    ):
        assert pipeline.map(pd.DataFrame({"x": items}), outputs="columns") == {"seen": expected}


def test_python_objects_stay_the_objects() -> None:
    items = [object(), object()]
    pipeline = Pipeline([node("same")(lambda x: x)])
    for table in (
        pd.DataFrame({"x": pd.Series(items, dtype=object)}),
        pl.DataFrame({"x": pl.Series(items, dtype=pl.Object)}),
    ):
        assert pipeline.map(table, outputs="columns") == {"same": items}


def test_nulls_that_a_cpp_node_does_not_take(cpp: Any) -> None:
    table = pa.table({"x": [1, None]})
    for each in (table, pl.from_arrow(table), daft.from_arrow(table)):
        with pytest.raises(TypeError, match=r"Input 'x'.* does not fit the C\+\+ node"):
            Pipeline([cpp.twice]).map(each)


def test_a_daft_expression_is_no_column() -> None:
    with pytest.raises(PlanError, match=r"'x' is in map_over[^|]*not .*Expression"):
        Pipeline([double]).map({"x": daft.col("x")}, "x")


def test_missing_columns_are_named() -> None:
    table = TABLE.drop_columns(["text"])
    with pytest.raises(PlanError, match=r"Missing required input\(s\): \['text'\][^|]*x, more"):
        Pipeline([double, line]).map(table)
    assert Pipeline([double, line]).bind(text="b").map(table)[0] == {"doubled": 2, "line": "b2"}
    assert Pipeline([double, line]).map(table, output_name="doubled")[2] == {"doubled": 6}


def test_map_over_says_which_columns_to_take() -> None:
    table = pa.table({"x": [1, 2], "text": ["a", "b"], "k": [10, 20], "doubled": [0, 0]})
    pipeline = Pipeline([double, line])
    assert pipeline.map(table, outputs="columns")["line"] == ["a20", "b80"]
    assert pipeline.map(table, ["x", "text"], outputs="columns")["line"] == ["a2", "b4"]
    product = pipeline.map(table, ["x", "text"], "product", outputs="columns")
    assert product["line"] == ["a2", "b2", "a4", "b4"]
    assert pipeline.map(table, ["x", "text", "doubled"], outputs="columns") == {
        "doubled": [2, 4],
        "line": ["a2", "b4"],
    }
    with pytest.raises(PlanError, match="'z' in map_over not found"):
        pipeline.map(table, ["x", "text", "z"])


def test_overrides_beside_a_table() -> None:
    table = pa.table({"x": [1, 2], "text": ["a", "b"]})
    made = Pipeline([double, line]).map(table, overrides={"doubled": 7}, outputs="columns")
    assert made == {"doubled": [7, 7], "line": ["a7", "b7"]}


def test_a_table_without_a_column_of_use_still_has_rows() -> None:
    one = Pipeline([node("one")(lambda: 1)])
    for make in TABLES.values():
        assert one.map(make(TABLE)) == [{"one": 1}] * 3
    assert one.map(pd.DataFrame(index=range(2))) == [{"one": 1}] * 2


def test_two_columns_of_one_name() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(PlanError, match="2 columns 'x'"):
        Pipeline([double]).map(table)


def test_run_takes_a_table_of_one_row() -> None:
    pipeline = Pipeline([double, line])
    for make in TABLES.values():
        assert pipeline.run(make(TABLE.slice(0, 1))) == {"doubled": 2, "line": "a2"}
    with pytest.raises(PlanError, match="one row, got 3"):
        pipeline.run(TABLE)
    for call in (pipeline.run, pipeline.map):
        with pytest.raises(TypeError, match="values by name, or a table, not list"):
            call([1])


def test_engines_called_directly_take_tables() -> None:
    for engine in ENGINES.values():
        assert engine.map(Pipeline([double]), TABLE, "x") == [{"doubled": x} for x in (2, 4, 6)]


# with_columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["arrow", "batch", "chunked", "pandas", "polars"])
@pytest.mark.parametrize("engine", ENGINES)
def test_with_columns_adds_to_the_same_kind(engine: str, kind: str, cpp: Any) -> None:
    table = TABLES[kind](TABLE)
    pipeline = Pipeline([cpp.twice, line], engine=ENGINES[engine])
    made = pipeline.with_columns(table, inputs={"k": 10})
    assert type(made) is type(table)
    as_table = made if kind in ("arrow", "chunked", "batch") else pa.table(made)
    assert as_table.to_pylist() == [
        {**row, "doubled": row["x"] * 2, "line": row["text"] and f"{row['text']}{row['x'] * 20}"}
        for row in TABLE.to_pylist()
    ]
    empty = pipeline.with_columns(table[:0])
    assert list(empty.columns if kind in ("pandas", "polars") else empty.schema.names) == [
        *TABLE.column_names,
        "doubled",
        "line",
    ]
    assert len(empty) == 0


def test_with_columns_keeps_the_index_of_pandas() -> None:
    df = pd.DataFrame({"x": [1, 2]}, index=["b", "a"])
    made = Pipeline([double]).with_columns(df)
    assert made.to_dict() == {"x": {"b": 1, "a": 2}, "doubled": {"b": 2, "a": 4}}
    assert list(df.columns) == ["x"]
    assert list(Pipeline([double]).with_columns(df.set_axis(["a", "a"])).index) == ["a", "a"]


def test_with_columns_of_some_outputs_and_of_none() -> None:
    pipeline = Pipeline([double, line])
    assert pipeline.with_columns(TABLE, "line").column_names[3:] == ["line"]
    assert pipeline.with_columns(TABLE, ["line", "doubled"]).column_names[3:] == ["line", "doubled"]
    assert pipeline.with_columns(TABLE, []) == TABLE


def test_columns_called_as_outputs_are_refused_before_any_work() -> None:
    calls: list[int] = []

    @node("doubled")
    def work(x):
        calls.append(x)
        return x

    table = TABLE.append_column("doubled", pa.array([0, 0, 0]))
    for make in TABLES.values():
        if make is TABLES["lazy polars"]:
            continue
        with pytest.raises(PlanError, match=r"called as outputs: \['doubled'\]"):
            Pipeline([work, line]).with_columns(make(table))
    assert calls == []
    made = Pipeline([double, line]).with_columns(table, "line")
    assert made["doubled"].to_pylist() == [0, 0, 0]
    assert made["line"].to_pylist() == ["a2", None, "c6"]


def test_with_columns_refuses_what_it_cannot_extend() -> None:
    with pytest.raises(PlanError, match="LazyFrame"):
        Pipeline([double]).with_columns(pl.LazyFrame({"x": [1]}))
    with pytest.raises(TypeError, match="not dict"):
        Pipeline([double]).with_columns({"x": [1]})


def test_with_columns_on_an_engine_of_ones_own() -> None:
    class Rows:
        def run(self, pipeline, inputs, output_name=None, **options):
            return SeqEngine().run(pipeline, inputs, output_name)

        def map(self, pipeline, inputs, map_over, map_mode="zip", output_name=None, **options):
            return SeqEngine().map(pipeline, inputs, map_over, map_mode, output_name)

    pipeline = Pipeline([double], engine=Rows())
    assert pipeline.with_columns(TABLE)["doubled"].to_pylist() == [2, 4, 6]
    assert pipeline.with_columns(TABLE[:0])["doubled"].type == pa.int64()


def test_rows_of_tables_are_cached_as_those_of_lists(tmp_path: Path) -> None:
    calls: list[int] = []

    @node("y")
    def work(x: int) -> int:
        calls.append(x)
        return x + 1

    pipeline = Pipeline([work], cache=DiskCache(tmp_path))
    pipeline.map({"x": [1, 2, 3]}, "x")
    for make in TABLES.values():
        assert pipeline.map(make(TABLE), outputs="arrow").to_pydict() == {"y": [2, 3, 4]}
    assert pipeline.with_columns(TABLE)["y"].to_pylist() == [2, 3, 4]
    assert calls == [1, 2, 3]


def test_nothing_is_imported_for_dicts_and_lists() -> None:
    code = (
        "import sys, hypernodes as h\n"
        "p = h.Pipeline([h.node('y')(lambda x: x)])\n"
        "p.map({'x': [1]}, 'x', outputs='columns'); p.run({'x': 1})\n"
        "print(sorted({'pyarrow', 'pandas', 'polars', 'daft', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
