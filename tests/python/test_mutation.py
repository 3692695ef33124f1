# SPDX-License-Identifier: MIT
"""Nodes that change their inputs in place: each record is that of the values before its call."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contract.engines import ENGINES, SEQUENTIAL
from hypernodes import DiskCache, Node, Pipeline
from hypernodes.exceptions import UncachedWarning

MOMENT = 0.5  # seconds that a call waits for another
LARGE = 300_000  # items of a list that takes milliseconds to digest


@pytest.fixture(params=[spec.param() for spec in ENGINES])
def engine(request) -> Any:
    return request.param.make()


@pytest.fixture
def cache(tmp_path) -> DiskCache:
    return DiskCache(tmp_path / "cache")


def count(x, box):
    box.append(x)
    return len(box)


def size(box):
    return len(box)


def rows(result: Any) -> list[dict[str, Any]]:
    """A map's result as records."""
    if isinstance(result, list):
        return result
    return [dict(zip(result, row, strict=True)) for row in zip(*result.values(), strict=True)]


def mapped(pipeline, inputs, over) -> list[dict[str, Any]]:
    return rows(pipeline.map(copy.deepcopy(inputs), over))


# One node --------------------------------------------------------------------------------------


def test_a_small_broadcast_is_digested_for_each_row(engine, cache):
    pipeline = Pipeline([Node(count, "n")], engine, cache)
    for box in ([], [7]):
        mapped(pipeline, {"x": [1, 2, 3], "box": box}, "x")
    for x in (1, 2, 3):
        assert pipeline.run({"x": x, "box": []}) == {"n": 1}
        assert pipeline.run({"x": x, "box": [0, 0]}) == {"n": 3}


def test_rows_before_and_after_a_change_hit(cache):
    pipeline = Pipeline([Node(count, "n")], cache=cache)
    assert mapped(pipeline, {"x": [1, 2], "box": []}, "x") == [{"n": 1}, {"n": 2}]
    pipeline.run({"x": 1, "box": []})
    pipeline.run({"x": 2, "box": [1]})
    assert pipeline.last_run.nodes["count"].rows_cached == 1


def test_a_hit_that_was_found_ahead_is_looked_up_again(engine, cache):
    """Row 2's record is there, under the box that row 1 then changes."""
    pipeline = Pipeline([Node(count, "n")], engine, cache)
    assert pipeline.run({"x": 2, "box": []}) == {"n": 1}
    result = mapped(pipeline, {"x": [1, 2], "box": []}, "x")
    assert [row["n"] for row in result] in ([1, 2], [1, 1])  # 1, 1: row 2 ran first, in its block
    if isinstance(engine, SEQUENTIAL.make().__class__):
        assert result == [{"n": 1}, {"n": 2}]


def test_what_reads_a_hit_that_was_found_ahead_is_looked_up_again(cache):
    def after(n):
        return n * 10

    pipeline = Pipeline([Node(count, "n"), Node(after, "m")], cache=cache)
    assert pipeline.run({"x": 2, "box": []}) == {"n": 1, "m": 10}
    result = mapped(pipeline, {"x": [1, 2, 2], "box": []}, "x")
    assert result == [{"n": 1, "m": 10}, {"n": 2, "m": 20}, {"n": 3, "m": 30}]


def test_a_mapped_item_that_is_there_twice(engine, cache):
    box: list[int] = []
    pipeline = Pipeline([Node(count, "n")], engine, cache)
    pipeline.map({"x": [1, 1], "box": [box, box]}, ["x", "box"])
    assert pipeline.run({"x": 1, "box": []}) == {"n": 1}
    assert pipeline.run({"x": 1, "box": [5]}) == {"n": 2}


def test_a_default_that_is_changed(engine, cache):
    def collect(x, box=[]):  # noqa: B006
        box.append(x)
        return len(box)

    pipeline = Pipeline([Node(collect, "n")], engine, cache)
    pipeline.map({"x": [1, 2]}, "x")
    assert pipeline.run({"x": 2, "box": []}) == {"n": 1}


def test_async_nodes_that_change_a_broadcast(engine, cache):
    async def collect(x, box):
        box.append(x)
        return len(box)

    pipeline = Pipeline([Node(collect, "n")], engine, cache)
    with contextlib.suppress(UncachedWarning):
        mapped(pipeline, {"x": [1, 2, 3], "box": []}, "x")
    for x in (1, 2, 3):
        assert pipeline.run({"x": x, "box": []}) == {"n": 1}


def test_async_nodes_that_share_an_input(engine, cache):
    async def grow(box):
        box.append(1)
        return len(box)

    async def length(box):
        return len(box)

    nodes = [Node(grow, "grown"), Node(length, "n")]
    with contextlib.suppress(UncachedWarning):
        Pipeline(nodes, engine, cache).run({"box": []})
    assert Pipeline(nodes[1:], engine, cache).run({"box": []}) == {"n": 0}


def test_an_uncached_node_that_changes_what_others_read(engine, cache):
    nodes = [Node(count, "n", cache=False), Node(size, "s")]
    mapped(Pipeline(nodes, engine, cache), {"x": [1, 2], "box": []}, "x")
    for box in ([], [1], [1, 2]):
        assert Pipeline(nodes[1:], engine, cache).run({"box": box}) == {"s": len(box)}


# Several nodes ---------------------------------------------------------------------------------


def test_two_nodes_of_one_row(engine, cache):
    """`n` changes the box before `size` reads it: nodes that are ready run by name."""
    nodes = [Node(count, "n"), Node(size, "s")]
    assert Pipeline(nodes, engine, cache).run({"x": 1, "box": []}) == {"n": 1, "s": 1}
    assert Pipeline([Node(size, "s")], engine, cache).run({"box": []}) == {"s": 0}
    assert Pipeline([Node(size, "s")], engine, cache).run({"box": [5]}) == {"s": 1}


def test_an_output_that_one_consumer_changes(engine, cache):
    def make(x):
        return [x]

    def grow(items):
        items.append(0)
        return sum(items)

    def last(items, grown):
        return len(items)

    pipeline = Pipeline([Node(make, "items"), Node(grow, "grown"), Node(last, "n")], engine, cache)
    first, second, third = (row["n"] for row in mapped(pipeline, {"x": [1, 2, 1]}, "x"))
    assert second == 2
    # Of the equal rows one is computed; for the other all is hit, or `last` reads a new list.
    at_once = type(engine).__name__ == "DaskEngine"
    assert (first, third) in ([(2, 1), (1, 2), (2, 2)] if at_once else [(2, 1)])
    alone = Pipeline([Node(last, "n")], engine, cache)
    for x in (1, 2):
        assert alone.run({"items": [x], "grown": x}) == {"n": 1}


def test_equal_rows_get_values_of_their_own(engine, cache):
    def make(x):
        return [x]

    def grow(items, y):
        items.append(y)
        return len(items)

    pipeline = Pipeline([Node(make, "items"), Node(grow, "n")], engine, cache)
    result = mapped(pipeline, {"x": [1, 1, 1], "y": [1, 2, 3]}, ["x", "y"])
    assert result == [{"items": [1, y], "n": 2} for y in (1, 2, 3)]


def test_nested(engine, cache):
    pipeline = Pipeline([Pipeline([Node(count, "n")]).as_node()], engine, cache)
    with contextlib.suppress(UncachedWarning):  # raised after the map: other engines run in blocks
        mapped(pipeline, {"x": [1, 2, 3], "box": []}, "x")
    for x in (1, 2, 3):
        assert pipeline.run({"x": x, "box": []}) == {"n": 1}


def test_nested_maps(engine, cache):
    pipeline = Pipeline([Pipeline([Node(count, "n")]).as_node(map_over="x")], engine, cache)
    with contextlib.suppress(UncachedWarning):
        mapped(pipeline, {"x": [[1, 2], [3, 4], [5, 6]], "box": []}, "x")
    for xs in ([1, 2], [3, 4], [5, 6]):
        assert pipeline.run({"x": xs, "box": [0]}) == {"n": [2, 3]}


def test_a_bound_value(engine, cache):
    def make() -> Pipeline:
        inner = Pipeline([Node(count, "n")]).bind(box=[])
        return Pipeline([inner.as_node()], engine, cache)

    with contextlib.suppress(UncachedWarning):
        mapped(make(), {"x": [1, 2, 3]}, "x")
    for x in (1, 2, 3):
        assert make().run({"x": x}) == {"n": 1}


# Calls that overlap ----------------------------------------------------------------------------


class Meeting:
    """Has the call for row 1 wait until the one for row 2 has changed what both were given."""

    def __init__(self) -> None:
        self.changed = threading.Event()

    def __cache_key__(self) -> str:
        return "meeting"


meeting = Meeting()


def meet(x, box):
    if x == 1:
        meeting.changed.wait(MOMENT)  # in vain if rows run one by one
    box.append(x)
    if x == 2:
        meeting.changed.set()
    return len(box)


@pytest.fixture
def fresh_meeting() -> None:
    meeting.changed.clear()


def check_meet(cache) -> None:
    """Whatever was stored is what the function gives alone."""
    meeting.changed.set()
    for x in (1, 2):
        alone = Pipeline([Node(meet, "n")])
        assert alone.with_cache(cache).run({"x": x, "box": []}) == {"n": 1}
        for make in (bound, nested_meet):
            assert make().with_cache(cache).run({"x": x, "box": []}) == {"n": 1}


def bound() -> Pipeline:
    return Pipeline([Pipeline([Node(meet, "n")]).bind(box=[]).as_node()])


def nested_meet() -> Pipeline:
    return Pipeline([Pipeline([Node(meet, "n")]).as_node()])


@pytest.mark.usefixtures("fresh_meeting")
def test_rows_that_change_what_is_bound_inside(engine, cache):
    pipeline = bound().with_engine(engine).with_cache(cache)
    with contextlib.suppress(UncachedWarning):
        pipeline.map({"x": [1, 2]}, "x")
    check_meet(cache)


@pytest.mark.parametrize("make", [lambda: Pipeline([Node(meet, "n")]), nested_meet])
@pytest.mark.usefixtures("fresh_meeting")
def test_rows_that_share_an_item(make, engine, cache):
    box: list[Any] = []
    with contextlib.suppress(UncachedWarning):
        make().with_engine(engine).with_cache(cache).map(
            {"x": [1, 2], "box": [box, box]}, ["x", "box"]
        )
    check_meet(cache)


@pytest.mark.usefixtures("fresh_meeting")
def test_rows_of_a_product_share_items(engine, cache):
    pipeline = nested_meet().with_engine(engine).with_cache(cache)
    with contextlib.suppress(UncachedWarning):
        pipeline.map({"x": [1, 2], "box": [[]]}, ["x", "box"], map_mode="product")
    check_meet(cache)


@pytest.mark.usefixtures("fresh_meeting")
def test_runs_that_share_what_is_bound(cache):
    shared = bound().with_cache(cache)

    def run(x: int) -> None:
        with contextlib.suppress(UncachedWarning):
            shared.run({"x": x})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [1, 2]))
    check_meet(cache)


async def wait_a_turn(x, box):
    box.append(x)
    await asyncio.sleep(0)
    return len(box)


def test_async_rows_that_share_an_item(engine, cache):
    box: list[Any] = []
    pipeline = Pipeline([Node(wait_a_turn, "n")], engine, cache)
    with contextlib.suppress(UncachedWarning):
        pipeline.map({"x": [1, 2, 3], "box": [box] * 3}, ["x", "box"])
    for x in (1, 2, 3):
        assert pipeline.run({"x": x, "box": []}) == {"n": 1}


def enrich(x, doc):
    time.sleep(0.02)
    doc["x"] = x
    return doc


def test_rows_that_each_change_their_own_item_are_cached(engine, cache):
    pipeline = Pipeline([Node(enrich, "n")], engine, cache)
    for _ in range(2):
        docs = [{"id": i} for i in range(8)]
        mapped = rows(pipeline.map({"x": list(range(8)), "doc": docs}, ["x", "doc"]))
        assert mapped == [{"n": {"id": i, "x": i}} for i in range(8)]
    assert pipeline.last_run.nodes["enrich"].rows_cached == 8


# Large constants -------------------------------------------------------------------------------


def large() -> list[Any]:
    return ["item"] * LARGE


def read(x, corpus):
    return x + len(corpus)


def test_a_large_broadcast_that_nobody_changes_is_cached(engine, cache):
    pipeline = Pipeline([Node(read, "n")], engine, cache)
    first = mapped(pipeline, {"x": list(range(30)), "corpus": large()}, "x")
    assert first == [{"n": x + LARGE} for x in range(30)]
    assert mapped(pipeline, {"x": list(range(30)), "corpus": large()}, "x") == first
    assert pipeline.last_run.nodes["read"].rows_cached == 30


def test_a_large_broadcast_that_is_changed(engine, cache):
    """Rows that may not be told apart by it are not stored."""
    pipeline = Pipeline([Node(count, "n")], engine, cache)
    with contextlib.suppress(UncachedWarning):
        mapped(pipeline, {"x": list(range(30)), "box": large()}, "x")
    for x in (0, 1, 15, 29):
        assert pipeline.run({"x": x, "box": large()}) == {"n": LARGE + 1}


def test_a_warning_says_that_a_large_broadcast_is_changed(cache):
    pipeline = Pipeline([Node(count, "n")], cache=cache)
    with pytest.warns(UncachedWarning, match=r"'count'.*'box' is changed in place"):
        pipeline.map({"x": list(range(30)), "box": 5 * large()}, "x")
    assert pipeline.run({"x": 15, "box": 5 * large()}) == {"n": 5 * LARGE + 1}


def test_a_large_input_of_two_nodes(engine, cache):
    nodes = [Node(count, "n"), Node(size, "s")]
    with contextlib.suppress(UncachedWarning):
        Pipeline(nodes, engine, cache).run({"x": 1, "box": large()})
    assert Pipeline([Node(size, "s")], engine, cache).run({"box": large()}) == {"s": LARGE}


def test_a_large_broadcast_is_not_digested_for_each_row(cache):
    """Its digest is asked for some times a map, not some times a row."""

    class Corpus:
        made = 0

        def __cache_key__(self):
            Corpus.made += 1
            return hashlib.sha256(bytes(20_000_000)).hexdigest()

        def __len__(self):
            return 7

    pipeline = Pipeline([Node(read, "n"), Node(lambda n, corpus: n, "m")], cache=cache)
    pipeline.map({"x": list(range(200)), "corpus": Corpus()}, "x")
    assert Corpus.made < 20


# Any pipeline ----------------------------------------------------------------------------------

BODIES = [
    "{0}.append({1} if isinstance({1}, int) else len({1})); return len({0})",
    "return {0}",
    "{0}.extend({1} if isinstance({1}, list) else [{1}]); return [*{0}]",
    "return [{0} if isinstance({0}, int) else len({0}), 1]",
    "return {0}.pop() if {0} else 0",
    "return str({0}) + str({1})",
]


def random_pipeline(random_: random.Random) -> list[Node]:
    """Nodes over the list `box`, the list `item` and the int `x`, and over each other's outputs."""
    lists, names, nodes = ["box", "item"], ["box", "item", "x"], []
    for number in range(random_.randint(1, 5)):
        body = random_.choice(BODIES)
        first = random_.choice(lists)
        second = random_.choice([name for name in names if name != first])
        scope: dict[str, Any] = {}
        code = f"_ = {number}; {body.format(first, second)}"  # no two nodes share records
        exec(f"def f{number}({first}, {second}):\n    {code}", scope)
        name = f"out{number}"
        nodes.append(Node(scope[f"f{number}"], name))
        names.append(name)
        if body in (BODIES[1], BODIES[2], BODIES[3]):
            lists.append(name)
    return nodes


def remembered(nodes, rows_, memory) -> list[dict[str, Any]]:
    """What a loop gives that remembers each call's result by the values before the call."""
    results = []
    for row in rows_:
        values = dict(row)
        for each in nodes:
            arguments = [values[name] for name in each.root_args]
            key = (each.code_hash, repr(arguments))
            if key in memory:
                result = eval(memory[key])
            else:
                result = each.func(*arguments)
                memory[key] = repr(result)
            values[each.output_name] = result
        results.append({each.output_name: values[each.output_name] for each in nodes})
    return results


def random_rows(random_: random.Random) -> dict[str, list[Any]]:
    shared = [0]
    return {
        "x": [random_.randint(0, 2) for _ in range(6)],
        "item": [random_.choice([shared, [1], [random_.randint(0, 1)]]) for _ in range(6)],
    }


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_cached_map_is_a_loop_that_remembers(seed, nested, tmp_path):
    random_ = random.Random(seed)
    pipeline = Pipeline(random_pipeline(random_))
    nodes = pipeline.graph.execution_order
    if nested:
        pipeline = Pipeline([pipeline.as_node(cache=False)])
    pipeline.with_cache(DiskCache(tmp_path / "cache"))
    memory: dict[Any, str] = {}
    for _ in range(4):  # cold, then warmer
        inputs = {**random_rows(random_), "box": []}
        given, expected = copy.deepcopy(inputs), copy.deepcopy(inputs)
        rows_ = [
            {"x": x, "item": item, "box": expected["box"]}
            for x, item in zip(expected["x"], expected["item"], strict=True)
        ]
        assert pipeline.map(given, ["x", "item"]) == remembered(nodes, rows_, memory)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_every_record_is_that_of_its_key(seed, nested, engine, tmp_path):
    """Whatever order the engine runs in: a node alone gives what its function gives."""
    random_ = random.Random(seed)
    cache = DiskCache(tmp_path / "cache")
    nodes = random_pipeline(random_)
    for _ in range(2):
        inputs = {**random_rows(random_), "box": []}
        with contextlib.suppress(UncachedWarning):
            wired = [Pipeline(nodes).as_node()] if nested else nodes
            Pipeline(wired, engine, cache).map(inputs, ["x", "item"])
    small = [[], [0], [1], [0, 1], [1, 0], [0, 0], [1, 1], 0, 1, 2]
    for each in nodes:
        for first in small[:7]:
            for second in small:
                given = dict(zip(each.root_args, (first, second), strict=True))
                expected = each.func(*copy.deepcopy((first, second)))
                cached = Pipeline([each], cache=cache).run(copy.deepcopy(given))
                assert cached == {each.output_name: expected}
