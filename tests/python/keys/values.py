# SPDX-License-Identifier: MIT
"""Values no two of which may share a key, by family."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import math
import os
import pathlib
import re
import struct
import time
import types
import typing
import uuid
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic


class Plain(enum.Enum):
    A = 1
    B = 2


class Number(enum.IntEnum):
    A = 1


class Word(enum.StrEnum):
    A = "a"


class Flags(enum.Flag):
    A = 1
    B = 2


class Text(str):
    pass


class Integer(int):
    pass


class Items(list[Any]):
    pass


class Typed(typing.TypedDict):
    x: int


class Named(typing.NamedTuple):
    x: int


@dataclasses.dataclass
class Data:
    x: int
    _y: int = 0


@dataclasses.dataclass
class Twin:
    x: int
    _y: int = 0


@attrs.define(slots=False)
class Sized:
    x: int
    _y: int = 0


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    x: int
    secret: pydantic.SecretStr = pydantic.SecretStr("")
    _seen: int = 0


class Open:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("_b", "a")

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


class Hidden:
    __slots__ = ("_a",)

    def __init__(self, a: Any) -> None:
        self._a = a


class Keyed:
    def __init__(self, key: Any) -> None:
        self.key = key

    def __cache_key__(self) -> Any:
        return self.key

    def method(self) -> None:
        pass


def with_attribute(value: Any, name: str, item: Any) -> Any:
    setattr(value, name, item)
    return value


def nested(depth: int, value: Any, wrap: Any = lambda value: [value]) -> Any:
    return functools.reduce(lambda inner, _: wrap(inner), range(depth), value)


def loop(*before: Any) -> list[Any]:
    made: list[Any] = list(before)
    made.append(made)
    return made


def not_a_number(bits: int) -> float:
    number: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return number


def function(a: Any, b: int = 1) -> Any:
    return a


def other_function(a: Any, b: int = 2) -> Any:
    return a


def closed(value: Any) -> Any:
    return lambda: value


NOON = dt.datetime(2024, 10, 27, 2, 30)
PLUS_2 = dt.timezone(dt.timedelta(hours=2))

PLAIN: list[Any] = [
    None, "None", True, "True", False, 0, 1, "1", 1.0, 0.0, -0.0, "", "a", b"a", bytearray(b"a"),
    b"", math.inf, -math.inf, not_a_number(0x7FF8 << 48), not_a_number((0x7FF8 << 48) + 1),
    not_a_number(0xFFF8 << 48), 2**63, 2**63 - 1, -(2**63), float(2**63), 2**64, 1j,
    complex(-0.0, 1), ..., NotImplemented, "\ud800", "\ud801", "\x00", "é", "e\u0301",
    [], (), {}, set(), frozenset(), [1], (1,), [True], (True,), [1.0], ["1"], {1}, frozenset({1}),
    [[1]], [[1], 2], [1, [2]], [1, None], [1, 1.0], [0.0], [-0.0], {1: 2}, {"1": 2}, {1: "2"},
    {True: 2, "x": 1}, {1: 2, "x": 1}, {1.0: 2, "x": 1}, {(1,): 2}, {"a": {"b": 1}}, range(3),
    range(0, 3, 2), slice(1), slice(1, None), slice(1.0), types.MappingProxyType({"a": 1}),
    collections.OrderedDict(a=1), {"a": 1}, collections.Counter("a"),
    collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1),
    collections.defaultdict(int, a=1), collections.defaultdict(list, a=1),
    collections.deque([1]), collections.deque([1], 3), types.SimpleNamespace(a=1),
    collections.ChainMap({"a": 1}), collections.UserDict({"a": 1}), collections.UserList([1]),
]  # fmt: skip

DEEP: list[Any] = [
    make
    for depth in (8, 12, 50, 150, 199, 200, 201, 250, 600)
    for make in (
        nested(depth, 1),
        nested(depth, 2),
        nested(depth, 1, lambda value: (value,)),
        nested(depth, 1, lambda value: {"k": value}),
        nested(depth, 1, lambda value: Open(v=value)),
        nested(depth, 2, lambda value: Open(v=value)),
    )
] + [loop(), loop(1), loop(2), loop([1]), [loop(1)]]

TIMES: list[Any] = [
    dt.date(2024, 10, 27), dt.datetime(2024, 10, 27), NOON, NOON.replace(fold=1),
    NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=PLUS_2), dt.time(2, 30),
    NOON.replace(tzinfo=dt.timezone(dt.timedelta(0), "other name")), dt.time(2, 30, fold=1),
    dt.time(2, 30, tzinfo=dt.UTC), dt.timedelta(0), dt.timedelta(days=1), dt.UTC, PLUS_2,
    "2024-10-27", time.localtime(0), time.struct_time(time.localtime(0)[:9]),
]  # fmt: skip

OTHERS: list[Any] = [
    decimal.Decimal("1.0"), decimal.Decimal("1.00"), decimal.Decimal("1"), decimal.Decimal("NaN"),
    decimal.Decimal("sNaN"), decimal.Decimal("0"), decimal.Decimal("-0"), fractions.Fraction(1),
    uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1)),
    uuid.UUID(int=1, is_safe=uuid.SafeUUID.safe),
    pathlib.Path("a"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.Path("b"),
    re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"),
    ipaddress.ip_address("1.1.1.1"), ipaddress.ip_address("1.1.1.2"),
    int, list[int], list[str], typing.List[int], int | None, typing.Any, json, os,  # noqa: UP006
    ValueError(1), ValueError("1"), OSError(2, "x"), OSError(2, "x", "file"),
    ImportError("a"), ImportError("a", name="b"), ExceptionGroup("a", [ValueError(1)]),
]  # fmt: skip

OBJECTS: list[Any] = [
    Plain.A, Plain.B, Number.A, Word.A, Flags.A, Flags.A | Flags.B, Text("a"), Integer(1),
    Items([1]), Items([2]), with_attribute(Items([1]), "note", 1),
    with_attribute(Text("a"), "k", 1),
    Typed(x=1), Named(1), Named(2), Data(1), Data(2), Data(1, 2), Twin(1),
    with_attribute(Data(1), "more", 1), Sized(1), Sized(1, 2), with_attribute(Sized(1), "more", 1),
    Model(x=1), Model(x=2), Model(x=1, more=1), Model(x=1, more=2), Model(x=1, secret="a"),
    Model(x=1, secret="b"), Model(x=1, secret=""), with_attribute(Model(x=1), "_seen", 1),
    Model.model_construct(x="1"), pydantic.SecretStr("a"), pydantic.SecretStr("b"),
    pydantic.SecretBytes(b"a"), Open(), Open(x=1), Open(x=1.0), Open(_x=1), Open(_x=2), Open(y=1),
    Slotted(), Slotted(a=1), Slotted(a=2), Slotted(_b=1), Slotted(_b=2), Hidden(1), Hidden(2),
    Keyed("a"), Keyed(1), Keyed("1"), Keyed(("a",)), [Open(x=1)], {"a": Open(x=1)},
    Open(x=Open(x=1)),
]  # fmt: skip

FUNCTIONS: list[Any] = [
    function, other_function, len, max, math.sqrt, lambda x: x, lambda x: -x, closed(1), closed(2),
    closed("1"), functools.partial(function, 1), functools.partial(function, 2),
    functools.partial(function, a=1), Keyed(1).method, Keyed(2).method, [1].append, [2].append,
    Open, Slotted, Keyed, with_attribute(closed(1), "unit", "s"),
    with_attribute(closed(1), "unit", "m"),
]  # fmt: skip

ARRAYS: list[Any] = [
    *(np.zeros(shape) for shape in ((), (1,), (2,), (1, 1), (2, 3), (3, 2), (6,), (0, 2), (2, 0))),
    *(np.zeros((2, 3), kind) for kind in (
        "i1", "i2", "i4", "i8", ">i4", "u4", "f2", "f4", ">f8", "c8", "c16", "?", "S1", "S2", "U1",
        "U2", "M8[ns]", "M8[s]", "M8[2s]", "m8[ns]", "V8", "O")),
    np.zeros(2, [("a", "i4"), ("b", "i4")]), np.zeros(2, [("a", "i4"), ("c", "i4")]),
    np.zeros(2, [("a", "i4"), ("b", "i4")]).view(np.recarray),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
    np.zeros(2, [("a", "i1"), ("b", "i4")]), np.array(["a" * 40], np.dtypes.StringDType()),
    np.array(["b" * 40], np.dtypes.StringDType()), np.array([-0.0]), np.array([math.nan]),
    np.array([not_a_number((0x7FF8 << 48) + 1)]), np.array([1, None]),
    np.array([1, "None"], object),
    np.int64(1), np.int32(1), np.bool_(True), np.float64(1), np.float32(1), np.longdouble(1),
    np.str_("a"), np.bytes_(b"a"), np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "s"),
    np.datetime64("NaT", "ns"), np.datetime64("NaT", "D"), np.timedelta64("NaT", "ns"),
    np.dtype("f8"), np.dtype("f8", metadata={"unit": "m"}), np.dtype((float, (2,))),
    np.dtype((float, (1, 2))), np.dtype("V16"), np.dtype([("a", "i4")]),
    np.dtype([("a", "i4")], align=True), np.float64, np.add, np.multiply,
]  # fmt: skip

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
DAY = pd.Timestamp("2024-10-27 02:30")

PANDAS: list[Any] = [
    FRAME, FRAME.set_index("a"), FRAME.rename(columns={"a": "c"}), FRAME.rename_axis("i"),
    FRAME.rename_axis(columns="i"), FRAME.astype({"a": float}), FRAME.astype({"b": "category"}),
    with_attribute(FRAME.copy(), "attrs", {"k": 1}), FRAME[["b", "a"]], FRAME.iloc[::-1],
    FRAME.assign(b=pd.Categorical(["x", None], categories=["x", "y"])),
    FRAME.assign(b=pd.Categorical(["x", None], categories=["y", "x"])),
    FRAME.assign(b=pd.Categorical(["x", None], ordered=True)), FRAME.astype({"b": object}),
    FRAME.astype({"b": "string"}), FRAME.set_flags(allows_duplicate_labels=False),
    pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame(), pd.DataFrame(index=[0, 1]),
    pd.DataFrame(columns=["a"]), FRAME["a"], FRAME["a"].rename(None), FRAME["a"].rename("c"),
    pd.Series([1, 2], index=pd.Index([0, 1])), pd.Series([1, None], dtype="Int64"),
    pd.Series(pd.arrays.SparseArray([0, 1])), pd.Series(["a"], dtype=pd.ArrowDtype(pa.string())),
    pd.MultiIndex.from_tuples([(1, 2)]), pd.MultiIndex.from_tuples([(1, 2)], names=["a", "b"]),
    pd.Index([0, 1]), pd.RangeIndex(2), pd.interval_range(0, 2),
    pd.interval_range(0, 2, closed="left"), pd.date_range("2024", periods=3),
    pd.DatetimeIndex(list(pd.date_range("2024", periods=3))),
    pd.period_range("2024", periods=2, freq="M"), pd.CategoricalDtype(["a"]),
    pd.CategoricalDtype(["a"], ordered=True), DAY, DAY.tz_localize("UTC"), DAY.as_unit("s"),
    DAY.as_unit("ns"), DAY + pd.Timedelta(1, "ns"), pd.Timedelta(1, "s"), pd.NaT, pd.NA,
    DAY.tz_localize("Europe/Berlin", ambiguous=True),
    DAY.tz_localize("Europe/Berlin", ambiguous=False), pd.Period("2024-01"),
    pd.Period("2024-01-01", "D"), pd.Interval(1, 2), pd.Interval(1, 2, closed="both"),
]  # fmt: skip

COLUMNS = pl.DataFrame({"a": [1, 2], "b": ["x", None]})

POLARS: list[Any] = [
    COLUMNS, COLUMNS.cast({"b": pl.Categorical}), COLUMNS.cast({"a": pl.Int32}), COLUMNS["a"],
    COLUMNS["a"].alias("c"), COLUMNS.cast({"a": pl.Float64}), COLUMNS.select("b", "a"),
    COLUMNS.cast({"b": pl.Enum(["x"])}), COLUMNS.cast({"b": pl.Enum(["x", "y"])}), pl.DataFrame(),
    pl.Series([NOON], dtype=pl.Datetime("ms")), pl.Series([NOON], dtype=pl.Datetime("us")),
    pl.Series([NOON], dtype=pl.Datetime("us")).dt.replace_time_zone("UTC"), pl.Series([{"a": 1}]),
    pl.Series([{"b": 1}]), pl.Series([[1]]), pl.Series([[1]], dtype=pl.Array(pl.Int64, 1)),
    pl.Series([decimal.Decimal("1.0")]), pl.Series([decimal.Decimal("1.00")]), pl.Series([0.0]),
    pl.Series([-0.0]), pl.Series([math.nan]), pl.Series([None], dtype=pl.Float64), pl.Int64,
    pl.Series([b"a"]), pl.Series(["a"]), pl.Series([dt.time(1)]), pl.Datetime("ms"),
    pl.Series([dt.date(2024, 1, 1)]), pl.Series([dt.timedelta(1)]), COLUMNS.schema,
]  # fmt: skip

TABLE = pa.table({"a": [1, 2], "b": ["x", None]})

ARROW: list[Any] = [
    TABLE, TABLE.replace_schema_metadata({"k": "v"}), TABLE.to_batches()[0], TABLE["a"],
    TABLE.schema, TABLE.select(["b", "a"]), TABLE.rename_columns(["c", "b"]), TABLE.slice(1),
    pa.array([1, 2]), pa.array([1, 2], pa.int32()), pa.array([1, None]), pa.array(["x"]),
    pa.array(["x"], pa.large_string()), pa.array(["x"]).dictionary_encode(), pa.scalar(1),
    pa.scalar(1, pa.int32()), pa.scalar(None, pa.int64()), pa.scalar(1, pa.timestamp("s")),
    pa.scalar(1, pa.timestamp("ms")), pa.int64(), pa.field("a", pa.int64()),
    pa.field("a", pa.int64(), nullable=False), pa.field("a", pa.int64(), metadata={"k": "v"}),
    pa.array([], pa.int64()), pa.table({}), pa.array([math.nan]), pa.array([{"a": 1}]),
    pa.array([[1]]),
    pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16], pa.binary(16))),
    pa.array([b"1" * 16], pa.binary(16)),
]  # fmt: skip

FAMILIES = {
    "plain": PLAIN,
    "deep": DEEP,
    "times": TIMES,
    "others": OTHERS,
    "objects": OBJECTS,
    "functions": FUNCTIONS,
    "arrays": ARRAYS,
    "pandas": PANDAS,
    "polars": POLARS,
    "arrow": ARROW,
}
