# SPDX-License-Identifier: MIT
import collections
import dataclasses
import typing

import pytest

from hypernodes.telemetry.text import shorten


@dataclasses.dataclass
class Point:
    x: int
    label: str = "here"
    secret: str = dataclasses.field(default="", repr=False)


class Pair(typing.NamedTuple):
    left: int
    right: int


@pytest.mark.parametrize(
    "value",
    [
        None, True, 1, -2.5, "text", "it's", b"bytes", bytearray(b"more"), [], [1, [2]], (), (1,),
        (1, 2), {}, {"a": 1, "b": [2]}, set(), {1}, frozenset(), frozenset({1}), Point(1),
        Pair(1, 2), collections.deque([1]), range(3), ..., len,
    ],
)  # fmt: skip
def test_short_text_is_the_repr(value):
    assert shorten(value) == repr(value)


class Counted(list):
    """Notes how many of its items were looked at."""

    seen = 0

    def __iter__(self):
        for item in super().__iter__():
            self.seen += 1
            yield item


def test_short_text_looks_at_no_more_than_it_shows():
    many = Counted(range(1_000_000))
    assert shorten({"many": many}) == repr({"many": list(range(200))})[:500]
    assert many.seen < 200
    for value in ("x" * 1_000_000, b"x" * 1_000_000, Point(1, "x" * 1_000_000)):
        assert shorten(value) == repr(value)[:500]
    assert shorten(10**100_000) == "<int of 332193 bits>"


def test_short_text_of_records():
    attrs, pydantic = pytest.importorskip("attrs"), pytest.importorskip("pydantic")

    @attrs.define
    class Place:
        name: str
        hidden: str = attrs.field(default="", repr=False)

    class Model(pydantic.BaseModel):
        names: list[str]

    assert shorten(Place("here")).endswith("Place(name='here')")
    assert len(shorten(Model(names=["a"] * 1_000_000))) == 500
    assert shorten(Model(names=["a"])).endswith("Model(names=['a'])")


def test_short_text_of_what_has_none():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no text")

    assert "Broken object at" in shorten([Broken()])
    endless = []
    endless.append(endless)
    assert shorten(endless).startswith("[[[[")
