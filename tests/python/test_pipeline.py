# SPDX-License-Identifier: MIT
"""Pipeline: references and leaks, statistics, threads, size."""

import gc
import sys
import threading
import weakref

import pytest

from hypernodes import (
    Node,
    Pipeline,
    node,
)


@node(output_name="doubled")
def double(x):
    return x * 2


@node(output_name="result")
def add_ten(doubled):
    return doubled + 10


@node(output_name="other")
def other(y):
    return -y


def named(name, needs, makes):
    """A node called `name` that takes `needs` and makes `makes`."""
    scope = {}
    exec(f"def {name}({', '.join(needs)}): return {makes!r}", scope)
    return Node(scope[name], makes)


@pytest.fixture
def pipeline():
    return Pipeline([add_ten, double, other])


def test_what_is_no_node_is_refused():
    with pytest.raises(TypeError, match="A pipeline is made of nodes, got function"):
        Pipeline([lambda x: x])


def test_node_error_comes_out_as_itself_with_a_note():
    error = KeyError("gone")

    @node(output_name="out")
    def fail(x):
        raise error

    pipeline = Pipeline([fail])
    with pytest.raises(KeyError) as caught:
        pipeline.run({"x": 1})
    assert caught.value is error
    assert error.__notes__ == ["hypernodes: node 'fail'"]
    names = [frame.name for frame in caught.traceback]
    assert "fail" in names
    with pytest.raises(KeyError):
        pipeline.map({"x": [1, 2]}, map_over="x")
    assert error.__notes__ == ["hypernodes: node 'fail'", "hypernodes: node 'fail', row 0"]


def test_nothing_leaks():
    class Thing:
        pass

    thing = Thing()
    before = sys.getrefcount(thing)
    ref = weakref.ref(thing)
    pipeline = Pipeline([Node(lambda t: t, "a"), Node(lambda a: [a], "b")])
    for _ in range(50):
        pipeline.run({"t": thing})
        pipeline.map({"t": [thing] * 3}, map_over="t")
        with pytest.raises(ZeroDivisionError):
            Pipeline([Node(lambda t: 1 / 0, "a")]).run({"t": thing})
    gc.collect()
    assert sys.getrefcount(thing) == before
    del thing
    gc.collect()
    assert ref() is None


def test_last_run_counts_per_thread(pipeline):
    assert pipeline.last_run is None
    pipeline.run({"x": 1}, "result")
    assert {name: s.rows_run for name, s in pipeline.last_run.nodes.items()} == {
        "double": 1,
        "add_ten": 1,
    }
    pipeline.map({"x": [1, 2, 3], "y": 0}, map_over="x")
    assert pipeline.last_run.nodes["other"].rows_run == 3
    seen = []
    thread = threading.Thread(target=lambda: seen.append(pipeline.last_run))
    thread.start()
    thread.join()
    assert seen == [None]


def test_runs_from_many_threads(pipeline):
    failures = []

    def work(number):
        for i in range(200):
            if pipeline.run({"x": i, "y": number}) != {
                "doubled": 2 * i,
                "result": 2 * i + 10,
                "other": -number,
            }:
                failures.append(i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_wide_pipeline():
    nodes = [named(f"n{i}", [], f"o{i}") for i in range(100)]
    assert Pipeline(nodes).run() == {f"o{i}": f"o{i}" for i in range(100)}
