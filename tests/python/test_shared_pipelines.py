# SPDX-License-Identifier: MIT
"""A pipeline that several threads run at once has the keys that it has in one."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hypernodes import Node, Pipeline, node
from hypernodes.cache import Cache, MemoryCache

THREADS = 4
# Without the order in which definitions are published, two of three go wrong.
ROUNDS = 40


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Threads take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


SETTINGS = {"step": 1}


def stepped(x: int) -> int:
    return x + SETTINGS["step"]


@pytest.fixture(autouse=True)
def same_settings() -> Iterator[None]:
    yield
    SETTINGS["step"] = 1


def new_class() -> type:
    """A class, whose method reads something from elsewhere, that nobody has looked at."""

    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def __call__(self, x: int) -> int:
            return stepped(x) * self.factor

    return Scale


def new_nodes() -> list[Node[..., Any]]:
    """Nodes whose code nobody has looked at."""

    def up(x: int) -> int:
        return stepped(x)

    def down(x: int) -> int:
        return -stepped(x)

    def both(up: int, down: int) -> int:
        return up + SETTINGS["step"] * down

    return [node("up")(up), node("down")(down), node("both")(both)]


def flat(cache: Cache) -> Pipeline:
    return Pipeline(new_nodes(), cache=cache)


def nested(cache: Cache) -> Pipeline:
    return Pipeline([Pipeline(new_nodes(), name="inner").as_node()], cache=cache)


def inside(cache: Cache) -> Pipeline:
    return Pipeline([Pipeline(new_nodes(), name="inner", cache=cache).as_node()])


def together(call: Callable[[int], Any]) -> list[Any]:
    """Calls it with the number of each of some threads that begin at once."""
    begin = threading.Barrier(THREADS)

    def work(number: int) -> Any:
        begin.wait(60)
        return call(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def computed(pipeline: Pipeline) -> int:
    """How many rows of functions the last run of this thread computed."""
    assert pipeline.last_run is not None
    nodes = pipeline.last_run.nodes.items()
    return sum(done.rows_run for name, done in nodes if name != "inner")


def ran(pipeline: Pipeline, x: int, **others: Any) -> int:
    """Maps over one item; returns how many rows of functions that computed."""
    pipeline.map({"x": [x], **others}, "x")
    return computed(pipeline)


@pytest.mark.parametrize("make", [flat, nested, inside])
def test_what_is_stored_is_found(make: Callable[[Cache], Pipeline]) -> None:
    for _ in range(ROUNDS):
        cache = MemoryCache()
        make(cache).map({"x": list(range(THREADS))}, "x")
        shared = make(cache)
        assert together(functools.partial(ran, shared)) == [0] * THREADS


@pytest.mark.parametrize("make", [flat, nested, inside])
def test_what_is_stored_is_found_by_others(make: Callable[[Cache], Pipeline]) -> None:
    for _ in range(ROUNDS):
        cache = MemoryCache()
        shared = make(cache)
        together(functools.partial(ran, shared))
        assert ran(make(cache), 0) == 0
        again = make(cache)
        again.map({"x": list(range(THREADS))}, "x")
        assert computed(again) == 0


@pytest.mark.parametrize("make", [flat, nested, inside])
def test_nothing_is_stored_under_what_the_code_was(make: Callable[[Cache], Pipeline]) -> None:
    for _ in range(ROUNDS):
        SETTINGS["step"] = 1
        cache = MemoryCache()
        shared = make(cache)
        ran(shared, -1)
        SETTINGS["step"] = 2
        together(functools.partial(ran, shared))
        SETTINGS["step"] = 1
        expected = make(MemoryCache()).map({"x": list(range(THREADS))}, "x")
        assert make(cache).map({"x": list(range(THREADS))}, "x") == expected


def test_classes_of_inputs_have_one_digest() -> None:
    @node("scaled")
    def scaled(scale: Any, x: int) -> int:
        return int(scale(x))

    for _ in range(3 * ROUNDS):
        shared = Pipeline([scaled], cache=MemoryCache())
        run = functools.partial(ran, shared, scale=new_class()(2))
        assert together(run) == [1] * THREADS
        assert together(run) == [0] * THREADS
