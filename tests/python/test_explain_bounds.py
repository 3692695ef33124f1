# SPDX-License-Identifier: MIT
"""What explain says of results that a real cache has dropped, and that a run then computes them."""

import collections
import subprocess
import sys
import textwrap
import time
from functools import partial

import pytest

from hypernodes import DiskCache, MemoryCache, Pipeline, node

ROWS = 400
HIT = ("hit", "stored")
EVICTED = ("miss", "evicted")
EXPIRED = ("miss", "expired")


@node("page")
def fetch(x):
    return bytes(8000) + str(x).encode()


@node("size")
def measure(page):
    return len(page)


@pytest.fixture(params=["disk", "memory"])
def make(request, tmp_path):
    """Opens a cache of either kind; a disk's is one directory."""
    return partial(DiskCache, tmp_path / "cache") if request.param == "disk" else MemoryCache


def flow(cache):
    return Pipeline([fetch, measure], cache=cache)


def fill(pipeline):
    """Stores all rows; in parts, because one map's results may go in any order."""
    for start in range(0, ROWS, 50):
        pipeline.map({"x": list(range(start, start + 50))}, map_over="x")


def told(pipeline, rows, name="fetch"):
    """Status and reason by row."""
    explanation = pipeline.explain({"x": list(rows)}, map_over="x")
    return [(answer.status, answer.reason) for answer in explanation.nodes[name].rows]


def ran(pipeline, rows):
    """How many rows of `fetch` a map then computes."""
    pipeline.map({"x": list(rows)}, map_over="x")
    return pipeline.last_run.nodes["fetch"].rows_run


def test_the_evicted_are_told_row_by_row(make):
    cache = make(max_bytes="1 MiB")
    fill(Pipeline([fetch], cache=cache))
    pipeline = flow(cache)
    answers = told(pipeline, range(ROWS))
    count = collections.Counter(answers)
    assert set(count) == {HIT, EVICTED}
    assert count[EVICTED] == cache.stats()["evicted"] > ROWS / 2
    assert (set(answers[:200]), set(answers[-50:])) == ({EVICTED}, {HIT}), "the oldest went first"
    assert told(pipeline, [ROWS]) == [("miss", "new_inputs")]
    explanation = pipeline.explain({"x": 0})
    assert explanation.nodes["fetch"].detail == "evicted: others needed its place"
    assert explanation.nodes["measure"].status == "waits"
    few = range(20)
    assert ran(pipeline, few) == 20
    assert set(told(pipeline, few)) == {HIT}
    assert ran(pipeline, few) == 0


def test_what_gc_evicts_is_told_in_other_processes(tmp_path):
    Pipeline([fetch], cache=DiskCache(tmp_path)).map({"x": list(range(ROWS))}, map_over="x")
    cache = DiskCache(tmp_path, max_bytes="1 MiB")
    assert set(told(flow(cache), range(ROWS))) == {HIT}
    cache.gc()
    assert collections.Counter(told(flow(cache), range(ROWS)))[EVICTED] == cache.stats()["evicted"]
    program = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from test_explain_bounds import DiskCache, ROWS, flow, told
        print(sorted(set(told(flow(DiskCache(sys.argv[2])), range(ROWS)))))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), __file__.rpartition("/")[0]]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == f"{[HIT, EVICTED]}\n", done.stderr


def test_the_expired_are_told_before_and_after_gc(tmp_path):
    caches = [DiskCache(tmp_path, max_age=1), MemoryCache(max_age=1)]
    for cache in caches:
        flow(cache).map({"x": [1, 2]}, map_over="x")
        assert told(flow(cache), [1, 2]) == [HIT, HIT]
    time.sleep(2.1)  # a disk keeps whole seconds
    patient = flow(DiskCache(tmp_path))
    assert told(patient, [1]) == [HIT], "who sets no age gets what is there"
    for cache in caches:
        pipeline = flow(cache)
        assert told(pipeline, [1, 2]) == [EXPIRED, EXPIRED]
        assert pipeline.explain({"x": 1}).nodes["fetch"].detail == "expired: it was too old"
        assert ran(pipeline, [2, 3]) == 2
        cache.gc()
        assert told(pipeline, [1, 2, 3]) == [EXPIRED, HIT, HIT]
    assert told(patient, [1]) == [EXPIRED], "gc dropped it"


def test_what_was_cleared_is_neither_evicted_nor_expired(make):
    cache = make(max_bytes="1 MiB")
    pipeline = flow(cache)
    fill(pipeline)
    assert EVICTED in told(pipeline, range(ROWS))
    cache.clear(node="fetch")
    assert set(told(pipeline, range(ROWS))) == {("miss", "never_computed")}
    assert ran(pipeline, [ROWS - 2, ROWS - 1]) == 2
    assert pipeline.last_run.nodes["measure"].rows_cached == 2, "another node's results stay"
    assert told(pipeline, [0, ROWS - 1]) == [("miss", "new_inputs"), HIT]
    fill(pipeline)
    assert EVICTED in told(pipeline, range(ROWS)), "again"
    cache.clear()
    assert set(told(pipeline, range(ROWS))) == {("miss", "never_computed")}


def test_a_clear_of_another_node_keeps_the_reasons(make):
    cache = make(max_bytes="1 MiB")
    pipeline = flow(cache)
    fill(pipeline)
    before = told(pipeline, range(ROWS))
    cache.clear(node="measure")
    assert told(pipeline, range(ROWS)) == before
