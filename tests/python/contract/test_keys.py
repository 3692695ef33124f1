# SPDX-License-Identifier: MIT
"""Section 5: what of an object, a class, a helper or a global counts in a cache key, and when."""

from __future__ import annotations

import abc
import contextlib
import copy
import enum
import pickle
import typing
from dataclasses import dataclass, field

import attrs
import pydantic
import pytest

from contract.calls import ran, take
from contract.cases.values import Point
from hypernodes import DiskCache, Node, Pipeline, node


@node(output_name="looked")
def look(value):
    ran("look")
    return 1


def runs(cache, *values, engine=None):
    """How many of these inputs miss, one after the other."""
    take()
    for value in values:
        Pipeline([look], engine, cache).run({"value": value})
    return len(take())


def made(source, **scope):
    """What a notebook cell defines, in a module of the user's."""
    scope |= {"ran": ran, "__name__": "made_by_the_test"}
    exec(source, scope)
    return scope


# Inputs ----------------------------------------------------------------------------------------


@dataclass
class Private:
    x: int
    _y: int = 0
    label: str = field(default="", compare=False)


@attrs.define
class Sized:
    width: int
    _depth: int = 0


class Named(typing.NamedTuple):
    a: int
    b: str


class Other(typing.NamedTuple):
    a: int
    b: str


class Model(pydantic.BaseModel):
    name: str
    _seen: int = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Config:
    def __init__(self, public, private=0):
        self.public = public
        self._private = private


class Hidden:
    def __init__(self, value):
        self._value = value


class Keyed:
    def __init__(self, key, noise=0):
        self.key = key
        self.noise = noise

    def __cache_key__(self):
        return self.key


def model(name, seen):
    made = Model(name=name)
    made._seen = seen
    return made


SAME = {
    "dataclass": (lambda: Point(1, 2.0)),
    "attrs": (lambda: Sized(1, 2)),
    "NamedTuple": (lambda: Named(1, "a")),
    "Pydantic": (lambda: Model(name="a")),
    "enum": (lambda: Colour.RED),
    "object": (lambda: Config(1)),
    "object without public attributes": (lambda: Hidden(1)),
    "in containers": (lambda: [{"p": Point(1, 2.0)}, (Config("a"),)]),
    "__cache_key__": (lambda: Keyed("k")),
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_equal_objects_hit(engine, cache, make):
    assert runs(cache, make(), make(), engine=engine) == 1


DIFFERENT = {
    "dataclass field": (Private(1), Private(2)),
    "private dataclass field": (Private(1, 0), Private(1, 1)),
    "dataclass field that does not compare": (Private(1, label="a"), Private(1, label="b")),
    "private attrs field": (Sized(1, 0), Sized(1, 1)),
    "NamedTuple class": (Named(1, "a"), Other(1, "a")),
    "NamedTuple and tuple": (Named(1, "a"), (1, "a")),
    "Pydantic field": (Model(name="a"), Model(name="b")),
    "private Pydantic attribute": (model("a", 0), model("a", 1)),
    "enum": (Colour.RED, Colour.BLUE),
    "enum and its value": (Colour.RED, 1),
    "public attribute": (Config(1), Config(2)),
    "types inside": (Config(1), Config(1.0)),
    "private attribute where there is no other": (Hidden(1), Hidden(2)),
    "__cache_key__": (Keyed("a"), Keyed("b")),
    "class": (Point(1, 2.0), Private(1)),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_objects_miss(cache, one, other):
    assert runs(cache, one, other, one, other) == 2


def test_private_attributes_are_run_time_state(cache):
    assert runs(cache, Config(1, private=1), Config(1, private=2)) == 1


def test_cache_key_stands_for_the_object(cache):
    assert runs(cache, Keyed("k", noise=1), Keyed("k", noise=2)) == 1


CLASS = """
class C:
    def __init__(self, n):
        self.n = n
    def method(self):
        return {}
"""


def test_code_of_the_class_counts(cache):
    one, again, other = (made(CLASS.format(n))["C"] for n in (1, 1, 2))
    assert runs(cache, one(5), again(5), other(5)) == 2


def test_a_class_as_an_input(cache):
    """By its qualified name and code; its `__cache_key__` is for its objects."""
    one, again, other = (made(CLASS.format(n))["C"] for n in (1, 1, 2))
    assert runs(cache, Keyed, Keyed, one, again, other) == 3


def test_a_function_as_an_input(cache):
    one, again, other = (made(f"def f(x): return x + {n}")["f"] for n in (1, 1, 2))
    assert runs(cache, one, again, other) == 2


def test_inputs_are_digested_before_the_node_runs(cache):
    def change(box):
        ran("change")
        box.append(1)

    pipeline = Pipeline([Node(change, "out")], cache=cache)
    pipeline.run({"box": []})
    pipeline.run({"box": []})
    assert take() == [("change",)]


def test_a_broadcast_input_that_a_row_changes(spec, cache):
    """Row 2 gets what row 1 left, so it must not be stored under what row 1 got."""

    def count(x, box):
        box.append(x)
        return len(box)

    pipeline = Pipeline([Node(count, "n")], spec.make(), cache)
    pipeline.map({"x": [1, 2], "box": []}, "x")
    assert pipeline.run({"x": 2, "box": []}) == {"n": 1}


# What nodes hold -------------------------------------------------------------------------------


class Scaler:
    def __init__(self, factor):
        self.factor = factor

    def scale(self, x):
        ran("scale", self.factor)
        return self.factor * x


def test_methods_of_different_instances(engine, cache):
    results = [
        Pipeline([Node(Scaler(n).scale, "out")], engine, cache).run({"x": 1})["out"]
        for n in (1, 2, 1)
    ]
    assert results == [1, 2, 1]
    assert take() == [("scale", 1), ("scale", 2)]


def test_closures_are_digested_when_the_node_is_made(cache):
    items = [1]

    def f(x):
        ran("f")
        return [x, *items]

    before = Node(f, "out")
    items.append(2)
    after = Node(f, "out")
    assert before.code_hash != after.code_hash
    for made_node in (before, before, after):
        Pipeline([made_node], cache=cache).run({"x": 1})
    assert len(take()) == 2


def test_defaults_and_bound_instances_are_digested_when_the_node_is_made():
    def f(x, items=[]):  # noqa: B006
        return x

    scaler = Scaler(1)
    first = Node(f, "out").code_hash, Node(scaler.scale, "out").code_hash
    f.__defaults__[0].append(1)
    scaler.factor = 2
    assert Node(f, "out").code_hash != first[0]
    assert Node(scaler.scale, "out").code_hash != first[1]


@pytest.mark.parametrize("use", [copy.copy, pickle.dumps], ids=["copied", "pickled"])
@pytest.mark.parametrize("base", [object, abc.ABC])
def test_what_python_keeps_in_a_class_does_not_count(use, base):
    class Used(base):
        def method(self, x):
            return x

    before = Node(Used().method, "out").code_hash
    with contextlib.suppress(AttributeError):  # a local class does not pickle, but is prepared to
        use(Used())
    assert Node(Used().method, "out").code_hash == before


# Helpers and globals ---------------------------------------------------------------------------

CELL = """
import math

LIMIT = 3

def deeper(x):
    return x + LIMIT

def helper(x):
    return deeper(x)

class Tool:
    def use(self, x):
        return helper(x)

def f(x):
    ran("f")
    return Tool().use(x) + math.floor(0.5)
"""

EDITS = [
    "def helper(x): return deeper(x) + 1",
    "def deeper(x): return x - LIMIT",
    "LIMIT = 4",
    "class Tool:\n    def use(self, x): return helper(x) * 2",
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_helper_counts_in_the_next_run(engine, cache, edit):
    scope = made(CELL)
    pipeline = Pipeline([Node(scope["f"], "out")], engine, cache)
    before = pipeline.run({"x": 1})["out"]
    assert take() == [("f",)]
    exec(edit, scope)
    assert pipeline.run({"x": 1})["out"] != before
    assert take() == [("f",)]
    pipeline.run({"x": 1})
    assert take() == []


def test_an_edited_helper_counts_in_the_next_map(engine, cache):
    scope = made(CELL)
    pipeline = Pipeline([Node(scope["f"], "out")], engine, cache)
    assert pipeline.map({"x": [1, 2]}, "x", outputs="columns") == {"out": [4, 5]}
    scope["LIMIT"] = 10
    assert pipeline.map({"x": [1, 2]}, "x", outputs="columns") == {"out": [11, 12]}


def test_an_edited_helper_of_a_nested_pipeline_counts(engine, cache):
    scope = made(CELL)
    inner = Pipeline([Pipeline([Node(scope["f"], "out")]).as_node()])
    outer = Pipeline([inner.as_node()], engine, cache)
    assert outer.run({"x": 1}) == {"out": 4}
    scope["LIMIT"] = 10
    assert outer.run({"x": 1}) == {"out": 11}


@pytest.mark.parametrize(
    "edit",
    [
        "UNREAD = 5",
        "def unused(x): return x",
        "def helper(x):\n    'A docstring.'\n    return deeper(x)  # and a comment",
        "LIMIT = 3",
    ],
)
def test_what_the_node_does_not_reach_does_not_count(engine, cache, edit):
    scope = made(CELL)
    pipeline = Pipeline([Node(scope["f"], "out")], engine, cache)
    pipeline.run({"x": 1})
    exec(edit, scope)
    pipeline.run({"x": 1})
    assert take() == [("f",)]


def test_an_undone_edit_hits_again(cache):
    scope = made(CELL)
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    for limit in (3, 4, 3, 4):
        scope["LIMIT"] = limit
        assert pipeline.run({"x": 1}) == {"out": 1 + limit}
    assert take() == [("f",)] * 2


# Results ---------------------------------------------------------------------------------------


def test_results_of_any_class_hit_and_are_equal(engine, cache):
    def make(x):
        ran("make")
        return {"config": Config(x), "point": Point(x, 1.0), "set": {Colour.RED}}

    pipeline = Pipeline([Node(make, "out")], engine, cache)
    first, second = (pipeline.run({"x": 1})["out"] for _ in range(2))
    assert take() == [("make",)]
    assert (type(second["config"]), vars(second["config"])) == (Config, vars(first["config"]))
    assert (second["point"], second["set"]) == (first["point"], {Colour.RED})


def test_objects_between_nodes_hit_in_another_instance_of_the_store(engine, tmp_path):
    make = Node(lambda x: [ran("make"), Config(x)][1], "config")
    use = Node(lambda config: [ran("use"), config.public][1], "used")
    for _ in range(2):
        pipeline = Pipeline([make, use], engine, DiskCache(tmp_path))
        assert pipeline.run({"x": 1}, "used") == {"used": 1}
    assert take() == [("make",), ("use",)]
