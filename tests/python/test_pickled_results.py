# SPDX-License-Identifier: MIT
"""Results that are no plain data: they come back as they were, here and in other processes."""

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import subprocess
import sys
import textwrap
import threading
import uuid

import pytest

from hypernodes import DiskCache, Node, Pipeline, node
from hypernodes.cache import Cache
from hypernodes.exceptions import UncachedWarning
from hypernodes.fingerprint import code_hash
from pickled import Point, Program, Signatures, producer


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int


class Colour(enum.Enum):
    RED = 1


class Text(str):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


VALUES = [
    Point(1, ["a"]),
    Frozen(2),
    Colour.RED,
    Text("text"),
    Pair(1, [2]),
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
    datetime.timedelta(days=1, microseconds=3),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    pathlib.PurePosixPath("/a/b"),
    1 + 2j,
    bytearray(b"bytes"),
    range(3),
    collections.OrderedDict(b=1, a=2),
    Point,
    [Point(1), {"when": datetime.date(2024, 1, 1)}],
    {"__main__": Point(3, ["__main__"])},
    (Point(1), None),
    "\ud800",
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_object_comes_back_equal_and_of_its_class(cache, value):
    made, calls = producer(lambda: value)
    pipeline = Pipeline([made], cache=cache)
    assert pipeline.run({"x": 1})["out"] is value
    for _ in range(2):
        hit = pipeline.run({"x": 1})["out"]
        assert hit == value
        assert type(hit) is type(value)
    assert calls == [1]
    assert pipeline.last_run.nodes["produce"].rows_cached == 1
    assert pipeline.last_run.damaged_records == 0


def test_pydantic_model(cache):
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", x=(int, ...), at=(datetime.datetime | None, None))
    model.__module__ = __name__
    globals()["Model"] = model
    value = model(x=1, at=datetime.datetime(2024, 1, 1))
    made, calls = producer(lambda: value)
    pipeline = Pipeline([made], cache=cache)
    pipeline.run({"x": 1})
    hit = pipeline.run({"x": 1})["out"]
    assert hit == value
    assert hit.model_fields_set == {"x", "at"}
    assert calls == [1]


def test_pandas_and_numpy(cache):
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pandas.Index([5, 6], name="i"))
    made, calls = producer(lambda: frame)
    pipeline = Pipeline([made], cache=cache)
    pipeline.run({"x": 1})
    pandas.testing.assert_frame_equal(pipeline.run({"x": 1})["out"], frame)
    assert calls == [1]
    for value in (numpy.float32(1.5), numpy.array([Point(1), None]), {"a": numpy.array([object])}):
        cache.put("value", value)
        assert str(cache.get("value")) == str(value)
    # Arrays of numbers are data: nobody needs a key for them.
    cache.put("array", numpy.arange(3))
    assert DiskCache(cache.path, allow_pickle=False).get("array").tolist() == [0, 1, 2]


def test_each_warm_run_gives_an_object_of_its_own(cache):
    kept = Point(1, [])
    made, _ = producer(lambda: kept)
    pipeline = Pipeline([made], cache=cache)
    assert pipeline.run({"x": 1})["out"] is kept
    first = pipeline.run({"x": 1})["out"]
    first.tags.append("changed")
    second = pipeline.run({"x": 1})["out"]
    assert second is not first
    assert second == Point(1, [])
    rows = pipeline.map({"x": [1, 1]}, map_over="x")
    assert rows[0]["out"] is not rows[1]["out"]


def test_what_a_consumer_does_to_the_object_is_not_stored(cache):
    made, _ = producer(lambda: Point(1, []), "point")

    @node(output_name="n")
    def spoil(point):
        point.tags.append("spoiled")
        return len(point.tags)

    pipeline = Pipeline([made, spoil], cache=cache)
    assert pipeline.run({"x": 1})["point"].tags == ["spoiled"]
    assert pipeline.run({"x": 1})["point"].tags == []


def test_several_outputs_of_which_some_are_data(cache):
    made, calls = producer(lambda: ([1], Point(2), "three"), ("a", "b", "c"))

    @node(output_name="d")
    def consumer(a, b, c):
        return [a, b, c]

    signatures = Signatures()
    pipeline = Pipeline([made, consumer], cache=cache, callbacks=[signatures])
    first = pipeline.run({"x": 1})
    assert pipeline.run({"x": 1}) == first
    assert first["d"] == [[1], Point(2), "three"]
    assert calls == [1]
    assert cache.get(signatures.seen[0]) == ([1], Point(2), "three")


def test_nested_and_mapped_pipelines(cache):
    made, calls = producer(lambda: Point(calls[-1]), "point")
    inner = Pipeline([made], name="inner")
    total = Node(lambda point: sum(p.x for p in point), "total")
    outer = Pipeline([inner.as_node(map_over="x"), total], cache=cache)
    expected = {"point": [Point(1), Point(2)], "total": 3}
    assert outer.run({"x": [1, 2]}) == expected
    assert outer.run({"x": [1, 2]}) == expected
    assert outer.last_run.nodes["inner"].rows_cached == 1
    assert outer.run({"x": [2, 3]})["point"] == [Point(2), Point(3)]
    assert calls == [1, 2, 3]


@pytest.mark.daft
def test_on_daft(cache):
    pytest.importorskip("daft")
    from hypernodes import DaftEngine

    made, calls = producer(lambda: Point(0), "point")
    use = Node(lambda point: point.x + 1, "y")
    pipeline = Pipeline([made, use], engine=DaftEngine(), cache=cache)
    for _ in range(2):
        rows = pipeline.map({"x": [1, 2, 1]}, map_over="x")
        assert rows == [{"point": Point(0), "y": 1}] * 3
    assert sorted(calls) == [1, 2]


# Other processes --------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def test_another_process_hits_the_whole_chain(program):
    pytest.importorskip("pydantic")
    pytest.importorskip("pandas")
    outputs = ("point", "when", "model", "frame", "area", "size")
    cold = program(*outputs)
    called = ["area", "make_frame", "make_model", "make_point", "make_when", "size"]
    assert sorted(cold[:6]) == called
    assert cold[6:] == ["area 9 size 8", "damaged 0"]
    assert program(*outputs) == ["area 9 size 8", "damaged 0"]


def test_consumers_see_a_changed_method_though_the_pickle_is_the_same(program):
    program("area")
    program.edit(factor=5)
    assert program("area") == ["make_point", "area", "area 18 size None", "damaged 0"]
    assert program("area") == ["area 18 size None", "damaged 0"]


def test_pickle_that_cannot_be_opened_is_a_miss(program):
    warm = ["area None size None", "damaged 0"]
    assert program("fragile") == ["make_fragile", *warm]
    assert program("fragile") == warm
    assert program("fragile", BROKEN="yes") == ["make_fragile", warm[0], "damaged 1"]
    assert program("fragile") == warm


def test_pickling_an_object_does_not_change_the_code_of_its_class(cache):
    class_body = {"__module__": __name__, "__qualname__": "Made"}
    made = globals()["Made"] = type("Made", (), class_body)
    before = code_hash(lambda: made)
    cache.put("an object", made())
    assert "__slotnames__" in vars(made)  # pickle's own note
    assert code_hash(lambda: made) == before


# What cannot be pickled ------------------------------------------------------------------------


UNPICKLABLE = [
    (lambda: 0, "function"),
    (threading.Lock(), r"_thread\.lock"),
    ((i for i in ()), "generator"),
]


@pytest.mark.parametrize(("value", "name"), UNPICKLABLE, ids=[name for _, name in UNPICKLABLE])
def test_unpicklable_result_is_uncached_with_one_warning(cache, value, name):
    made, calls = producer(lambda: value)
    pipeline = Pipeline([made], cache=cache)
    with pytest.warns(UncachedWarning, match=f"node 'produce' .* of type {name}, cannot") as caught:
        pipeline.map({"x": [1, 2]}, map_over="x")
    assert len(caught) == 1
    rows = pipeline.map({"x": [1, 2]}, map_over="x")  # the pipeline has said it
    assert all(row["out"] is value for row in rows)
    assert calls == [1, 2, 1, 2]
    assert len(cache) == 0


def test_local_class_is_uncached(cache):
    @dataclasses.dataclass
    class Local:
        x: int

    made, _ = producer(lambda: Local(1))
    with pytest.warns(UncachedWarning, match=r"of type .*<locals>\.Local, cannot be pickled"):
        assert Pipeline([made], cache=cache).run({"x": 1})["out"] == Local(1)
    assert len(cache) == 0


def test_classes_of_a_script_are_found_when_it_is_run_again_and_in_its_children(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import multiprocessing
        import sys
        from hypernodes import DiskCache, Pipeline, node

        class Mine:
            def __init__(self, x):
                self.x = x

        @node(output_name="mine")
        def mine(x):
            return [{"deep": Mine(x)}]

        def run(x):
            pipeline = Pipeline([mine], cache=DiskCache(sys.argv[1]))
            made = pipeline.run({"x": x})["mine"][0]["deep"]
            assert type(made) is Mine and made.x == x
            return pipeline.last_run.nodes["mine"].rows_run

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(run, (1,)), run(1), run(2), pool.apply(run, (2,)))
        """)
    )
    command = [sys.executable, program, tmp_path / "cache"]
    told = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]
    assert told == ["1 0 1 0\n", "0 0 0 0\n"]


def test_interrupt_while_pickling_ends_the_run(cache):
    made, _ = producer(Interrupting)
    with pytest.raises(KeyboardInterrupt):
        Pipeline([made], cache=cache).run({"x": 1})


class Interrupting:
    def __reduce__(self):
        raise KeyboardInterrupt


# Caches of other kinds -------------------------------------------------------------------------


class Simple(Cache):
    def __init__(self):
        self.values = {}

    def get(self, signature):
        return self.values[signature]

    def put(self, signature, output):
        self.values[signature] = output

    def has(self, signature):
        return signature in self.values


def test_cache_written_in_python_gets_the_objects():
    store = Simple()
    made, calls = producer(lambda: Point(1), "point")
    use = Node(lambda point: (point.x, point), ("x2", "same"))
    pipeline = Pipeline([made, use], cache=store)
    first = pipeline.run({"x": 1})
    assert Point(1) in store.values.values()
    assert (1, Point(1)) in store.values.values()
    for _ in range(2):
        assert pipeline.run({"x": 1}) == first
    assert calls == [1]
