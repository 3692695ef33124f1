# SPDX-License-Identifier: MIT
"""Values of every kind go through each engine, and through the cache, as what they are."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import math
import pathlib
import typing
import uuid
from dataclasses import dataclass
from typing import Any, Optional, Union

import attrs
import numpy as np
import pydantic

from contract.calls import ran
from contract.case import Case
from contract.cases.common import same
from hypernodes import Node, Pipeline, node


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Point:
    x: int
    y: float


@dataclass
class Box:
    corner: Point
    tags: list[str]


class Named(typing.NamedTuple):
    a: int
    b: str


@attrs.define
class Sized:
    width: int


class Model(pydantic.BaseModel):
    name: str
    scores: list[float]


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Plain({self.value!r})"


DATA = {
    "None": [None],
    "bools": [True, False],
    "ints": [0, 1, -1],
    "ints of 64 bits": [2**63 - 1, -(2**63)],
    "ints of more than 64 bits": [2**63, 2**64, -(10**50)],
    "floats": [0.0, -0.0, 1.0, 1e308, math.inf, -math.inf, math.nan],
    "texts": ["", "1", "None", "žluť 🐎", "a\x00b", "x" * 1000],
    "bytes": [b"", b"1", bytes(range(256))],
    "1, 1.0, True and '1'": [1, 1.0, True, "1", b"1"],
    "1 beside 2.5": [1, 2.5],
    "a value beside None": [None, 5, None],
    "lists": [[], [1], [1, 2.5, "x", None]],
    "nested lists": [[[1], [2.0], []], [[[]]]],
    "tuples": [(), (1,), ((1, [2]), "x")],
    "a list and a tuple": [[1, 2], (1, 2)],
    "sets": [set(), {1, 2}, frozenset({"a", "b"})],
    "dicts": [{}, {"a": 1}, {"b": 2.5, "a": [1]}],
    "dicts with different keys": [{"a": 1}, {"b": 2}, {"a": None, "c": {}}],
    "dicts with keys of several types": [{1: 2, "1": 2, None: 3, (1, 2): 4}],
    "[] '' {} ()": [[], "", {}, (), None],
}

OBJECTS = {
    "complex numbers": [1j, 0j],
    "dates": [datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, 6)],
    "times": [datetime.time(1, 2), datetime.timedelta(days=1, microseconds=1)],
    "aware datetimes": [datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)],
    "decimals and fractions": [decimal.Decimal("1.10"), fractions.Fraction(1, 3)],
    "paths": [pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("a")],
    "UUIDs": [uuid.UUID(int=1)],
    "ranges and slices": [range(3), slice(1, 2)],
    "enums": [Colour.RED, Colour.BLUE, Level.LOW],
    "dataclasses": [Point(1, 2.0), Box(Point(1, 2.5), ["a"])],
    "named tuples": [Named(1, "a")],
    "attrs": [Sized(1)],
    "Pydantic models": [Model(name="a", scores=[1.0]), Model(name="b", scores=[])],
    "objects": [Plain(1), Plain("1")],
    "objects in containers": [[Plain(1)], {"p": Point(1, 2.0)}, (Colour.RED,)],
    "numpy scalars": [np.float64(1.5), np.int32(3), np.bool_(True)],
}

ARRAYS = {
    "ndarrays": [np.arange(3), np.zeros((2, 2), dtype="float32"), np.array(5)],
    "ndarrays of text, bool and dates": [
        np.array(["a", "bc"]),
        np.array([True]),
        np.array(["2020-01-01"], dtype="M8[D]"),
    ],
    "ndarrays in containers": [{"v": np.arange(2)}, [np.zeros(1)]],
}

CLASSES = {"classes and functions": [int, Plain, len, math.sqrt]}


@node(output_name="made")
def make(value):
    ran("make")
    return [value]


@node(output_name="opened")
def unwrap(made):
    ran("unwrap")
    return made[0]


def through(kind, values, **settings):
    """The values, row by row, into a node and out of it."""
    return Case(
        f"values: {kind}",
        lambda: Pipeline([same]),
        lambda p, **kw: p.map({"value": values}, "value", **kw),
        result=[{"same": value} for value in values],
        value_only=True,
        **settings,
    )


def between(kind, values, **settings):
    """The values, as one constant, from node to node."""
    return Case(
        f"values between nodes: {kind}",
        lambda: Pipeline([make, unwrap]),
        lambda p, **kw: p.run({"value": values}, output_name="opened", **kw),
        result={"opened": values},
        calls=[("make",), ("unwrap",)],
        value_only=True,
        **settings,
    )


def hinted(label, func, values, **settings):
    """Hints of every kind neither fail nor change anything."""
    return Case(
        f"hints: {label}",
        lambda: Pipeline([Node(func, "same")]),
        lambda p, **kw: p.map({"value": values}, "value", **kw),
        result=[{"same": value} for value in values],
        cached=False,
        value_only=True,
        **settings,
    )


def plain_int(value: int) -> int:
    return value


def optional(value: Optional[int]) -> Optional[int]:  # noqa: UP045
    return value


def union(value: Union[int, str]) -> int | str:  # noqa: UP007
    return value


def old_list(value: typing.List[int]) -> typing.List[int]:  # noqa: UP006
    return value


def old_dict(value: typing.Dict[str, int]) -> typing.Dict[str, int]:  # noqa: UP006
    return value


def pair_of(value: tuple[int, str]) -> tuple[int, str]:
    return value


def model(value: Model) -> Model:
    return value


def array(value: np.ndarray) -> np.ndarray:
    return value


def unknown(value: "NoSuchName") -> "NoSuchName":  # noqa: F821, UP037
    return value


def anything(value: Any) -> Any:
    return value


def literal(value: typing.Literal["a"]) -> typing.Literal["a"]:
    return value


CASES = [
    *(through(kind, values) for kind, values in DATA.items()),
    *(between(kind, values) for kind, values in DATA.items()),
    *(through(kind, values) for kind, values in OBJECTS.items()),
    *(between(kind, values) for kind, values in OBJECTS.items()),
    *(through(kind, values) for kind, values in ARRAYS.items()),
    *(between(kind, values) for kind, values in ARRAYS.items()),
    *(through(kind, values, cached=False) for kind, values in CLASSES.items()),
    hinted(
        "int that gets something else",
        plain_int,
        [1, 2.5, "x", 2**70, None],
        unfit="Output 'same' does not fit its column: expected int64 but got float",
    ),
    hinted("Optional", optional, [1, None]),
    hinted("Union", union, [1, "a", None]),
    hinted(
        "List[int]",
        old_list,
        [[1], [], [2.5]],
        unfit="Output 'same' does not fit its column: expected list<int64> but got a list whose"
        " item 0 does not fit: expected int64 but got float",
    ),
    # Daft gives a map column back as pairs.
    hinted("Dict", old_dict, [{"a": 1}, {"b": 2, "c": 3}], dataframe=False),
    hinted(
        "tuple",
        pair_of,
        [(1, "a"), [1, "a"]],
        unfit="Output 'same' does not fit its column: expected struct<_0: int64, _1: string>"
        " but got list",
    ),
    hinted(
        "Pydantic model",
        model,
        [Model(name="a", scores=[1.0]), {"name": "a"}],
        unfit="Output 'same' does not fit its column: expected Model but got dict",
    ),
    hinted("ndarray", array, [np.arange(3), [1]]),
    hinted("a name that does not exist", unknown, [1, "a"]),
    hinted("Any", anything, [1, "a", (1,)]),
    hinted(
        "Literal",
        literal,
        ["a", "b", 1],
        unfit="Output 'same' does not fit its column: expected string but got int",
    ),
]
