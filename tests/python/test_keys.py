# SPDX-License-Identifier: MIT
"""What counts in a cache key: values of any type, code, and what code reads from elsewhere."""

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import os
import pathlib
import subprocess
import sys
import threading
import types
import typing
import uuid
import warnings

import pytest

import hypernodes
from hypernodes import DiskCache, Node, Pipeline, node
from hypernodes._core import decode, encode
from hypernodes.exceptions import UncachedWarning
from hypernodes.fingerprint import NoIdentityError, value_digest

PACKAGE_DIR = str(pathlib.Path(hypernodes.__path__[0]).parent)


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


@node(output_name="out")
def kept(x):
    return 1


def hits(cache, value):
    """Whether a node of one input has its result for `value` from the cache."""
    pipeline = Pipeline([kept], cache=cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UncachedWarning)
        pipeline.run({"x": value})
    return pipeline.last_run.nodes["kept"].rows_cached == 1


def calls_of(pipeline, name, value=1):
    """How often a run calls a node."""
    pipeline.run({"x": value})
    return pipeline.last_run.nodes[name].rows_run


# --- values of all types ------------------------------------------------------------------------


class Plain:
    """Its public attributes are its state."""

    def __init__(self, value, note=None):
        self.value, self._note = value, note


class Hidden:
    def __init__(self, value):
        self._value = value


class Twin:
    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("_b", "a")

    def __init__(self, a, b=0):
        self.a, self._b = a, b


class Keyed:
    def __init__(self, key, noise=None):
        self.key, self.noise = key, noise

    def __cache_key__(self):
        return self.key


class Lazy:
    def __init__(self, value):
        self.value = value

    @functools.cached_property
    def double(self):
        return 2 * self.value


class Text(str):
    pass


class Number(int):
    pass


class Items(list):
    pass


class Table(dict):
    pass


class Noted(list):
    def __init__(self, items, note):
        super().__init__(items)
        self.note = note


@dataclasses.dataclass
class Point:
    x: int
    _y: int = 0


@dataclasses.dataclass
class SameFields:
    x: int
    _y: int = 0


class MoreThanFields(Point):
    def __init__(self, x, more):
        super().__init__(x)
        self.more = more


class Pair(typing.NamedTuple):
    a: int
    b: int = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    A = "a"


def nested(depth, value):
    for _ in range(depth):
        value = Plain(value)
    return value


def deep_list(depth, value):
    for _ in range(depth):
        value = [value]
    return value


def circle(value):
    made = [value]
    made.append(made)
    return made


def linked(value):
    made = Plain(value)
    made.itself = [made]
    return made


BERLIN = datetime.timezone(datetime.timedelta(hours=1))
NOON = datetime.datetime(2024, 5, 1, 12)

DISTINCT = {
    "1 and '1'": (1, "1"),
    "True and 'True'": (True, "True"),
    "1 and True": (1, True),
    "1 and 1.0": (1, 1.0),
    "0.0 and -0.0": (0.0, -0.0),
    "0 and False": (0, False),
    "None and 'None'": (None, "None"),
    "list and tuple": ([1], (1,)),
    "list of lists": ([1, [2]], [[1], 2]),
    "keys of dicts": ({1: 2}, {"1": 2}),
    "empty list and str": ([], ""),
    "empty list and dict": ([], {}),
    "empty tuple and set": ((), set()),
    "set and frozenset": ({1}, frozenset({1})),
    "bytes and str": (b"a", "a"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "complex": (1j, 2j),
    "big ints": (2**70, 2**70 + 1),
    "surrogates": ("\ud800", "\ud801"),
    "public attributes": (Plain(1), Plain(2)),
    "private attributes, if all are": (Hidden(1), Hidden(2)),
    "classes of objects": (Plain(1), Twin(1)),
    "nested 8 deep": (nested(8, 1), nested(8, 2)),
    "nested 12 deep": (nested(12, 1), nested(12, 2)),
    "lists 250 deep": (deep_list(250, 1), deep_list(250, 2)),
    "lists of another depth": (deep_list(250, 1), deep_list(251, 1)),
    "objects in containers": ({"a": [(Plain(1),)]}, {"a": [(Plain(2),)]}),
    "slots": (Slotted(1), Slotted(2)),
    "private dataclass fields": (Point(1, 2), Point(1, 3)),
    "dataclass and its twin": (Point(1), SameFields(1)),
    "more than a dataclass's fields": (MoreThanFields(1, 2), MoreThanFields(1, 3)),
    "named tuple and tuple": (Pair(1, 2), (1, 2)),
    "named tuples": (Pair(1, 2), Pair(1, 3)),
    "enum members": (Colour.RED, Colour.BLUE),
    "enum member and value": (Level.LOW, 1),
    "str enum member and value": (Word.A, "a"),
    "str and a subclass": ("a", Text("a")),
    "int and a subclass": (1, Number(1)),
    "list and a subclass": ([1], Items([1])),
    "dict and a subclass": ({1: 2}, Table({1: 2})),
    "contents of subclasses": (Items([1]), Items([2])),
    "attributes of subclasses": (Noted([1], "a"), Noted([1], "b")),
    "what they say themselves": (Keyed("a"), Keyed("b")),
    "types of what they say": (Keyed(1), Keyed("1")),
    "what it says and the key": (Keyed("a"), "a"),
    "circles": (circle(1), circle(2)),
    "linked objects": (linked(1), linked(2)),
    "date and datetime": (datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1)),
    "time zones": (NOON, NOON.replace(tzinfo=BERLIN)),
    "fold": (NOON, NOON.replace(fold=1)),
    "timedelta": (datetime.timedelta(1), datetime.timedelta(2)),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "uuids": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "path and str": (pathlib.Path("a"), "a"),
    "paths": (pathlib.Path("a"), pathlib.Path("b")),
    "pure paths": (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")),
    "ordered dicts": (
        collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1),
    ),
    "Counter and dict": (collections.Counter("a"), {"a": 1}),
    "deques": (collections.deque([1]), collections.deque([1], 3)),
    "functions": (len, max),
    "lambdas": ((lambda x: x), (lambda x: -x)),
    "classes": (int, str),
    "own classes": (Plain, Twin),
    "a class that has a key": (Keyed, Plain),
    "modules": (json, types),
    "exceptions": (ValueError("a"), ValueError("b")),
    "namespaces": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    "ranges": (range(3), range(4)),
    "slices": (slice(3), slice(4)),
}

EQUAL = {
    "dicts in another order": ({"a": 1, 2: "b"}, {2: "b", "a": 1}),
    "mixed keys": ({1: 1, "1": 2, (1,): 3}, {(1,): 3, "1": 2, 1: 1}),
    "dicts of objects": ({"a": Plain(1), 2: 3}, {2: 3, "a": Plain(1)}),
    "sets": ({"a", "b", 1, None}, {None, 1, "b", "a"}),
    "shared and separate strings": (["ab" * 9] * 2, ["".join(["ab"] * 9) for _ in range(2)]),
    "shared and separate lists": ([[1]] * 2, [[1], [1]]),
    "shared and separate objects": ([Plain(1)] * 2, [Plain(1), Plain(1)]),
    "private attributes beside public ones": (Plain(1, "a"), Plain(1, "b")),
    "private slots": (Slotted(1, 2), Slotted(1, 3)),
    "what they say themselves": (Keyed("a", 1), Keyed("a", threading.Lock())),
    "objects": (nested(12, [1, {"a": 2}]), nested(12, [1, {"a": 2}])),
    "dataclasses": (Point(1, 2), Point(1, 2)),
    "lambdas": ((lambda x: x + 1), (lambda x: x + 1)),
    "circles": (circle(1), circle(1)),
    "linked objects": (linked(1), linked(1)),
    "subclasses": (Noted([1], "a"), Noted([1], "a")),
    "lists 250 deep": (deep_list(250, 1), deep_list(250, 1)),
    "surrogates": (["\ud800"], ["\ud800"]),
}


@pytest.mark.parametrize("pair", DISTINCT.values(), ids=DISTINCT)
def test_different_values_have_different_keys(cache, pair):
    first, second = pair
    assert not hits(cache, first)
    assert hits(cache, first)
    assert not hits(cache, second)
    assert not hits(cache, {"in": first})
    assert not hits(cache, {"in": second})


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_equal_values_have_equal_keys(cache, pair):
    first, second = pair
    assert not hits(cache, first)
    assert hits(cache, second)


def test_a_cached_property_that_was_read_does_not_count(cache):
    read = Lazy(2)
    assert read.double == 4
    assert not hits(cache, Lazy(2))
    assert hits(cache, read)


def test_a_class_as_a_value_is_not_asked_for_its_key(cache):
    asked = []

    class Asked:
        def __cache_key__(self):
            asked.append(self)
            return "key"

    assert not hits(cache, Asked)
    assert asked == []
    assert not hits(cache, Asked())
    assert len(asked) == 1


def test_models_of_libraries(cache):
    attrs = pytest.importorskip("attrs")
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        a: typing.Annotated[int, pydantic.Field(gt=0)]
        parts: tuple["Model", ...] = ()
        _b: int = 0

        @pydantic.field_validator("a")
        @classmethod
        def _even(cls, a):
            return a + a % 2

    @attrs.define
    class Record:
        a: int
        _b: int = 0

    def private(b):
        model = Model(a=2)
        model._b = b
        return model

    assert not hits(cache, Model(a=2, parts=(Model(a=4),)))
    assert hits(cache, Model(a=1, parts=(Model(a=3),)))
    assert not hits(cache, Model(a=2, parts=(Model(a=6),)))
    assert not hits(cache, private(1))
    assert not hits(cache, private(2))
    assert hits(cache, [private(1)]) is False
    assert hits(cache, [private(1)])
    assert not hits(cache, Record(1))
    assert hits(cache, Record(1))
    assert not hits(cache, Record(1, 2))
    assert not hits(cache, Record(2))


def test_numpy(cache):
    numpy = pytest.importorskip("numpy")
    assert not hits(cache, numpy.zeros((2, 3)))
    assert not hits(cache, numpy.zeros((3, 2)))
    assert not hits(cache, numpy.zeros((2, 3), "f4"))
    assert not hits(cache, numpy.zeros((2, 3)).tolist())
    base = numpy.arange(24).reshape(2, 3, 4)
    for view in (base[:, ::2], base.T, base[..., 0], base[:0], base[0, 0, 0]):
        assert not hits(cache, view)
        assert hits(cache, view.copy())
        assert not hits(cache, Plain(view))
        assert hits(cache, Plain(view.copy(order="F")))
    records = numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    assert not hits(cache, records)
    assert hits(cache, records.copy())
    assert not hits(cache, records.astype([("a", "i4"), ("c", "f8")]))
    assert not hits(cache, numpy.array([1, None], object))
    assert hits(cache, numpy.array([1, None], object))
    assert not hits(cache, numpy.float64(1))
    assert not hits(cache, numpy.float32(1))
    assert not hits(cache, 1.0)
    assert not hits(cache, numpy.datetime64("2024-01-01"))
    with pytest.raises(NoIdentityError, match="hidden state"):
        value_digest(numpy.ma.masked_array([1, 2], [True, False]))


def test_pandas(cache):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    assert not hits(cache, frame)
    assert hits(cache, frame.copy())
    assert hits(cache, pandas.concat([frame, frame], axis=1).iloc[:, :2])
    others = [
        frame.rename(columns={"a": "c"}),
        frame.astype({"a": "float64"}),
        frame.astype({"a": "category"}),
        frame.set_index("b"),
        frame.iloc[::-1],
        frame.iloc[1:],
        frame["a"],
        frame["a"].rename("c"),
        frame["a"].to_numpy(),
        pandas.Index([1, 2, 3]),
        pandas.RangeIndex(1, 4),
        pandas.MultiIndex.from_frame(frame),
        pandas.Series(pandas.date_range("2024", periods=3)),
        pandas.Series(pandas.date_range("2024", periods=3, tz="UTC")),
        pandas.Series(pandas.date_range("2024", periods=3, tz="Europe/Berlin")),
        pandas.Series([1, None, 3], dtype="Int64"),
        pandas.Series([1, 2, 3], dtype="Int64"),
        pandas.Timestamp("2024-01-01"),
        pandas.Timestamp("2024-01-01", tz="UTC"),
        pandas.Timedelta(1, "s"),
        pandas.Period("2024-01"),
        pandas.Interval(1, 2),
        pandas.NA,
        pandas.NaT,
        pandas.DataFrame({"a": [[1], Plain(2), {"c": 3}]}),
    ]
    for other in others:
        assert not hits(cache, other)
    for other in others:
        assert hits(cache, other)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_and_tables(cache, library):
    module = pytest.importorskip(library)
    make = module.DataFrame if library == "polars" else module.table
    whole = make({"a": [1, 2, 3, 4], "b": ["x" * 20, None, "z", "xx" * 20]})
    assert not hits(cache, whole)
    assert hits(cache, make({"a": [1, 2, 3, 4], "b": ["x" * 20, None, "z", "xx" * 20]}))
    assert not hits(cache, whole.slice(2, 2))
    assert hits(cache, make({"a": [3, 4], "b": ["z", "xx" * 20]}))
    assert not hits(cache, make({"a": [1.0, 2.0, 3.0, 4.0], "b": whole["b"]}))
    assert not hits(cache, make({"c": whole["a"], "b": whole["b"]}))
    assert not hits(cache, whole["a"])
    assert hits(cache, make({"a": [1, 2, 3, 4]})["a"])
    pieces = (
        module.concat([whole.slice(0, 1), whole.slice(1)])
        if library == "polars"
        else module.concat_tables([whole.slice(0, 1), whole.slice(1)])
    )
    assert hits(cache, pieces)
    assert hits(cache, pieces["a"])
    if library == "pyarrow":
        for value in (module.array([1, 2]), module.scalar(1), module.int8(), whole.schema):
            assert not hits(cache, value)
            assert hits(cache, value)
    else:
        with pytest.raises(NoIdentityError, match="LazyFrame"):
            value_digest(whole.lazy())


# --- digests that stay --------------------------------------------------------------------------

SAMPLES = """
import collections, datetime, decimal, fractions, json, math, pathlib, sys, uuid
from hypernodes._core import encode

class Keyed:
    __module__ = "samples"
    def __cache_key__(self):
        return {"name": "a", "tags": {"x", "y", "z"}}

looped = [1]
looped.append(looped)
samples = {
    "plain": {"b": [1, 2.5, None], "a": ({"x", "y", "z"}, b"c")},
    "complex": 1j,
    "surrogate": "\\ud800",
    "bytearray": bytearray(b"ab"),
    "date": datetime.date(2024, 5, 1),
    "zoned": datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.timezone.utc),
    "delta": datetime.timedelta(days=1, microseconds=5),
    "decimal": decimal.Decimal("1.50"),
    "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=7),
    "path": pathlib.PurePosixPath("/a/b"),
    "range": range(1, 9, 2),
    "ordered": collections.OrderedDict(b=1, a=2),
    "counter": collections.Counter("abca"),
    "deque": collections.deque([1, 2], 5),
    "keyed": Keyed(),
    "looped": looped,
    "inside": [1, {"a": (datetime.date(2024, 5, 1), Keyed())}],
}
found = {name: encode(value, canonical=True).hex() for name, value in samples.items()}
json.dump(found, sys.stdout)
"""

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden_digests.json").read_text())


def python(*arguments, cwd=None, **environment):
    path = os.pathsep.join([PACKAGE_DIR, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", ["0", "1"])
def test_digests_are_the_same_in_every_process(seed):
    assert python("-c", SAMPLES, PYTHONHASHSEED=seed) == GOLDEN


def test_a_digest_is_never_read_as_a_value():
    encoded = encode([1, datetime.date(2024, 5, 1)], canonical=True)
    assert len(encoded) == 2 + 9 + 33
    with pytest.raises(ValueError, match="no encoding"):
        decode(encoded)
    assert encode([1, datetime.date(2024, 5, 1)]) is None


# --- what has no digest -------------------------------------------------------------------------


def test_an_input_without_a_digest_is_told_by_name(cache, tmp_path):
    pipeline = Pipeline([kept], cache=cache)
    with (tmp_path / "x").open("w") as file:
        expected = "node 'kept' runs uncached: its input 'x' cannot be digested: .*TextIOWrapper"
        with pytest.warns(UncachedWarning, match=expected) as told:
            assert pipeline.run({"x": [1, file]}) == {"out": 1}
        assert len(told) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pipeline.run({"x": [1, file]}) == {"out": 1}
        assert pipeline.last_run.nodes["kept"].rows_run == 1


def test_a_key_that_fails_is_a_warning_once_for_all_rows(cache):
    class Failing:
        count = 0

        def __cache_key__(self):
            self.count += 1
            raise LookupError(f"no key {id(self)}")

    pipeline = Pipeline([kept], cache=cache)
    items = [Failing(), Failing(), 3]
    with pytest.warns(
        UncachedWarning, match=r"Failing.__cache_key__\(\) raised LookupError"
    ) as told:
        assert pipeline.map({"x": items}, map_over="x") == [{"out": 1}] * 3
    assert len(told) == 1
    assert [item.count for item in items[:2]] == [1, 1]
    assert pipeline.last_run.nodes["kept"].rows_run == 3


def test_a_bound_input_without_a_digest_is_told(cache):
    inner = Pipeline([kept], name="inner").bind(x=iter([1]))
    with pytest.warns(UncachedWarning) as told:
        assert Pipeline([inner.as_node()], cache=cache).run({}) == {"out": 1}
    assert [str(warning.message).rpartition(" cannot be")[0] for warning in told] == [
        "node 'inner' runs uncached: its bound input 'x'",
        "node 'kept' runs uncached: its input 'x'",
    ]


def test_a_global_without_a_digest_is_told_and_may_get_one(cache):
    scope = {"__name__": "notebook", "handle": iter([1])}
    exec("def f(x): return handle and x", scope)
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    with pytest.warns(UncachedWarning, match="'f' runs uncached: .*global handle"):
        pipeline.run({"x": 1})
    scope["handle"] = 5
    assert [calls_of(pipeline, "f") for _ in range(2)] == [1, 0]


def test_a_closure_without_a_digest_is_told(cache):
    handle = iter([1])

    @node(output_name="out")
    def closed(x):
        return handle and x

    with pytest.warns(UncachedWarning, match="'closed' runs uncached: .*in a closure"):
        Pipeline([closed], cache=cache).run({"x": 1})
    outer = Pipeline([Pipeline([closed], name="inner").as_node()], cache=cache)
    with pytest.warns(UncachedWarning) as told:
        outer.run({"x": 1})
    assert [str(warning.message).partition(":")[0] for warning in told] == [
        "node 'inner' runs uncached",
        "node 'closed' runs uncached",
    ]


def test_consumers_of_a_result_that_cannot_be_stored_are_cached(cache):
    @node(output_name="made")
    def make(x):
        return Plain(types.MappingProxyType({"x": x}))

    @node(output_name="out")
    def use(made):
        return made.value["x"]

    pipeline = Pipeline([make, use], cache=cache)
    with pytest.warns(UncachedWarning, match="'make' is not cached"):
        pipeline.run({"x": 1}, "out")
    assert pipeline.run({"x": 1}, "out") == {"out": 1}
    assert pipeline.last_run.nodes["use"].rows_cached == 1
