# SPDX-License-Identifier: MIT
"""What return hints are as columns: of Daft DataFrames, and of other tables."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import pytest

from hypernodes import DaftEngine, Pipeline, load, node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

daft = pytest.importorskip("daft")
np = pytest.importorskip("numpy")
pydantic = pytest.importorskip("pydantic")
pytestmark = pytest.mark.daft

ENGINE = DaftEngine()


class Color(enum.Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    city: str
    zip: int | None = None


class User(pydantic.BaseModel):
    name: str
    address: Address
    born: dt.date | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: tuple[float, float]


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Pair(NamedTuple):
    a: int
    b: str


USER = User(name="Ada", address=Address(city="London"))
USER_ROW = {"name": "Ada", "address": {"city": "London", "zip": None}, "born": None}
UTC = dt.UTC
NOON = dt.datetime(2026, 1, 2, 12)
CASES: list[tuple[Any, Any, str, Any]] = [
    (
        User,
        USER,
        "Struct[name: String, address: Struct[city: String, zip: Int64], born: Date]",
        USER_ROW,
    ),
    (Point, Point(1, (2.0, 3.0)), "Struct[x: Int64, y: List[Float64; 2]]", {"x": 1, "y": [2, 3]}),
    (Row, {"a": 1}, "Struct[a: Int64, b: String]", {"a": 1, "b": None}),
    (Pair, Pair(1, "b"), "Struct[a: Int64, b: String]", {"a": 1, "b": "b"}),
    (Color, Color.RED, "String", "red"),
    (Literal["a", None], "a", "String", "a"),
    (dict[str, int], {"a": 1}, "Map[String: Int64]", [("a", 1)]),
    (tuple[int, str], (1, "a"), "Struct[_0: Int64, _1: String]", {"_0": 1, "_1": "a"}),
    (tuple[int, ...], (1, 2), "List[Int64]", [1, 2]),
    (dt.date, NOON.date(), "Date", NOON.date()),
    (dt.datetime, NOON, "Timestamp[us]", NOON),
    (
        Annotated[dt.datetime, UTC],
        NOON.replace(tzinfo=UTC),
        "Timestamp[us; UTC]",
        NOON.replace(tzinfo=UTC),
    ),
    (dt.time, dt.time(1, 2), "Time[us]", dt.time(1, 2)),
    (dt.timedelta, dt.timedelta(1), "Duration[us]", dt.timedelta(1)),
    (
        decimal.Decimal,
        decimal.Decimal("1.5"),
        "Decimal[precision: 38, scale: 18]",
        decimal.Decimal("1.5"),
    ),
    (list[User] | None, [USER], "List[", [USER_ROW]),
    (int | str, 1, "Python", 1),
    (dict[str, Any], {"a": 1}, "Python", {"a": 1}),
]


def making(hint: object, value: object, name: str = "y") -> Any:
    """A node whose return hint is `hint`; called for x = 1 it gives something else."""

    def make(x: Any) -> Any:
        return value if x == 0 else object()

    make.__annotations__ = {"return": hint}
    return node(output_name=name)(make)


@pytest.mark.parametrize(("hint", "value", "dtype", "stored"), CASES, ids=str)
def test_column_of_a_hint(hint: Any, value: Any, dtype: str, stored: Any) -> None:
    frame = ENGINE.dataframe(Pipeline([making(hint, value)]), {"x": [0, 0]}, "x")
    assert str(frame.schema()["y"].dtype).startswith(dtype)
    assert frame.to_pydict() == {"y": [stored, stored]}
    rows = daft.from_pydict({"x": [0]})
    assert Pipeline([making(hint, value)]).with_columns(rows).to_pydict()["y"] == [stored]


TYPED = [(hint, value) for hint, value, dtype, _ in CASES if dtype != "Python"]


@pytest.mark.parametrize(("hint", "value"), TYPED, ids=str)
def test_value_that_breaks_its_hint(hint: Any, value: Any) -> None:
    pipeline = Pipeline([making(hint, value)])
    with pytest.raises(TypeError, match=r"Output 'y' does not fit[^|]*node 'make', row 1"):
        ENGINE.dataframe(pipeline, {"x": [0, 1]}, "x").collect()
    with pytest.raises(TypeError, match=r"Output 'y' does not fit a column[^|]*row 1, object"):
        pipeline.map({"x": [0, 1]}, "x", outputs="arrow")


def test_arrays() -> None:
    flat, square = np.arange(3, dtype="float32"), np.ones((2, 2))
    nodes = [
        making(np.ndarray[tuple[int], np.dtype[np.float32]], flat, "flat"),
        making(np.ndarray[tuple[Any, ...], np.dtype[np.float64]], square, "square"),
    ]
    frame = ENGINE.dataframe(Pipeline(nodes), {"x": [0]}, "x")
    types = {field.name: str(field.dtype) for field in frame.schema()}
    assert types == {"flat": "List[Float32]", "square": "Tensor[Float64]"}
    assert frame.to_pydict()["flat"] == [[0.0, 1.0, 2.0]]
    np.testing.assert_array_equal(frame.to_pydict()["square"][0], square)
    wrong = making(np.ndarray[tuple[int], np.dtype[np.float32]], square)
    with pytest.raises(TypeError, match="expected array<float32> but got float64 of 2 dimensions"):
        ENGINE.dataframe(Pipeline([wrong]), {"x": [0]}, "x").collect()


def test_fields_of_a_model_are_columns() -> None:
    frame = ENGINE.dataframe(Pipeline([making(User, USER, "user")]), {"x": [0]}, "x")
    picked = frame.select(frame["user"]["name"], frame["user"]["address"]["city"])
    assert picked.to_pydict() == {"name": ["Ada"], "city": ["London"]}


def test_fields_are_named_in_errors() -> None:
    user = User.model_construct(name="Ada", address=Address.model_construct(city=3))
    with pytest.raises(TypeError, match="field 'address': field 'city': expected string but got"):
        ENGINE.dataframe(Pipeline([making(User, user)]), {"x": [0]}, "x").collect()


def test_python_nodes_get_the_very_objects(node_library: Callable[[str], Path]) -> None:
    """Even with a C++ node between them, which splits the Python nodes into two UDFs."""
    seen: list[tuple[Any, ...]] = []

    @node(output_name="user")
    def make(x: int) -> User:
        return USER

    @node(output_name="half")
    def promise(x: int) -> float:
        return x  # an int, which its column turns into a float

    @node(output_name="items")
    def pair(x: int) -> tuple[int, ...]:
        return (x,)

    @node(output_name="done")
    def look(user: User, half: float, items: tuple[int, ...], doubled: int) -> int:
        seen.append((user, half, type(half), items))
        return doubled

    twice = load(str(node_library("nodes_a"))).twice
    pipeline = Pipeline([make, promise, pair, twice, look])
    frame = ENGINE.dataframe(pipeline, {"x": [1]}, "x")
    expected = {"doubled": [2], "half": [1.0], "items": [[1]], "user": [USER_ROW], "done": [2]}
    assert frame.to_pydict() == expected
    assert seen == [(USER, 1, int, (1,))]
    assert seen[0][0] is USER


def test_nested_pipelines_promise_what_is_inside() -> None:
    inner = Pipeline([making(User, USER, "user")], name="inner")
    plain = Pipeline([inner.as_node(output_mapping={"user": "person"})])
    frame = ENGINE.dataframe(plain, {"x": [0]}, "x")
    assert frame.to_pydict() == {"person": [USER_ROW]}
    mapped = Pipeline([inner.as_node(map_over="x")])
    frame = ENGINE.dataframe(mapped, {"x": [[0, 0], []]}, "x")
    assert frame.to_pydict() == {"user": [[USER_ROW, USER_ROW], []]}


def test_batch_nodes_promise_an_item_of_their_column() -> None:
    @node(output_name="y", batch=True)
    def scale(x: list[float]) -> list[float]:
        return [value * 2 for value in x]

    frame = ENGINE.dataframe(Pipeline([scale]), {"x": [1.0, 2.0]}, "x")
    assert str(frame.schema()["y"].dtype) == "Float64"
    assert frame.to_pydict() == {"y": [2.0, 4.0]}
    assert str(Pipeline([scale]).map({"x": [1.0]}, "x", outputs="arrow").schema) == "y: double"


def test_typed_values_beside_python_objects() -> None:
    nodes = [making(User, USER, "user"), making(Any, USER, "any"), making(dt.date, NOON.date())]
    frame = ENGINE.dataframe(Pipeline(nodes), {"x": [0]}, "x")
    got = frame.to_pydict()
    assert got == {"user": [USER_ROW], "any": [USER], "y": [NOON.date()]}
