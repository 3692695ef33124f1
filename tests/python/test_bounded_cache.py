# SPDX-License-Identifier: MIT
"""What DiskCache and MemoryCache share: bounds, figures, verification, many entries at once."""

import pickle
import re
import threading
import time
from datetime import timedelta
from functools import partial

import pytest

from hypernodes import DiskCache, MemoryCache, Node, Pipeline, PipelineCallback, node
from hypernodes.cache import Cache
from hypernodes.exceptions import CacheError, TypeError

MEGABYTE = 2**20


def maker(kind, tmp_path):
    return partial(DiskCache, tmp_path / "cache") if kind == "disk" else MemoryCache


@pytest.fixture(params=["disk", "memory"])
def make(request, tmp_path):
    """Makes a cache of either kind with the given options."""
    return maker(request.param, tmp_path)


def test_many_are_stored_and_read_at_once(make):
    cache = make()
    outputs = {"a": 1, "b": None, "0" * 64: {"x": (1, 2.5)}, "d": complex(1, 2)}
    cache.put_many(outputs)
    assert len(cache) == 4
    assert cache.get_many(["b", "a", "missing", "d", "0" * 64]) == outputs
    assert list(cache.get_many(iter(["b", "a"]))) == ["b", "a"]
    assert cache.get_many([]) == {}
    cache.put_many({})
    with pytest.raises(TypeError, match="A key of a cache is a str, got int"):
        cache.get_many(["a", 1])


def test_all_are_stored_or_none(make):
    cache = make()
    with pytest.raises(TypeError, match="cannot store") as caught:
        cache.put_many({"a": 1, "b": threading.Lock()})
    assert caught.value.where == "key 'b'"
    assert len(cache) == 0


def test_clear_forgets_everything(make):
    cache = make()
    cache.put_many({str(i): i for i in range(100)})
    cache.clear()
    assert len(cache) == 0
    assert not cache.has("1")
    assert cache


def test_figures_have_the_same_names(make):
    stats = make().stats()
    assert sorted(stats) == [
        "bytes",
        "evicted",
        "expired",
        "hits",
        "max_bytes",
        "misses",
        "records",
        "stores",
    ]
    assert stats["max_bytes"] is None


def test_figures_count_what_happened(make):
    cache = make(max_bytes=8 * MEGABYTE)
    cache.put_many({"a": 1, "b": 2})
    cache.get_many(["a", "b", "c"])
    assert not cache.has("d")
    stats = cache.stats()
    assert stats["bytes"] > 0
    del stats["bytes"]
    assert stats == {
        "records": 2,
        "max_bytes": 8 * MEGABYTE,
        "hits": 2,
        "misses": 2,
        "stores": 2,
        "evicted": 0,
        "expired": 0,
    }


def test_what_was_not_used_for_longest_makes_place(make):
    cache = make(max_bytes="4 MiB")
    for i in range(40):
        cache.put(str(i), bytes(256 * 1024))
        assert cache.get("0") is not None
    cache.gc()
    stats = cache.stats()
    assert stats["bytes"] <= 4 * MEGABYTE
    assert stats["evicted"] >= 24
    assert stats["records"] == 40 - stats["evicted"]
    assert cache.has("39")
    assert cache.has("0")
    assert not cache.has("1")


def test_what_is_too_old_is_a_miss(tmp_path):
    caches = [MemoryCache(max_age=1), DiskCache(tmp_path, max_age=1)]
    for cache in caches:
        cache.put("a", 1)
    time.sleep(2.1)  # a disk keeps whole seconds
    for cache in caches:
        assert not cache.has("a")
        cache.put("b", 2)
        assert cache.get("b") == 2
        cache.gc()
        stats = cache.stats()
        assert stats["expired"] == 1
        assert stats["records"] == 1


def test_a_bounded_cache_serves_a_pipeline(make):
    calls = []

    def square(x):
        _log(calls, x)
        return x * x

    made = Node(square, "out")
    made._code_hash, made._has_identity = "0" * 63 + "7", True
    pipeline = Pipeline([made], cache=make(max_bytes="64 MB", max_age=timedelta(hours=1)))
    expected = [{"out": x * x} for x in range(50)]
    for _ in range(2):
        assert pipeline.map({"x": list(range(50))}, map_over="x") == expected
    assert calls == list(range(50))
    assert pipeline.last_run.nodes["square"].rows_cached == 50


def _log(calls, x):
    calls.append(x)


def test_verify_counts_what_it_read(make):
    cache = make()
    cache.put_many({str(i): i for i in range(10)} | {"object": complex(1, 2)})
    assert cache.verify() == {"records": 11, "damaged": 0, "foreign": 0}
    cache.flush()


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (10**9, 10**9),
        ("10 GB", 10**10),
        ("512 MiB", 2**29),
        ("1.5MiB", 3 * 2**19),
        ("2000 kB", 2_000_000),
    ],
)
def test_sizes(size, count):
    assert MemoryCache(max_bytes=size).stats()["max_bytes"] == count


@pytest.mark.parametrize("size", [0, -1, 2**63, "", "10", "GB", "10 XB", "1 iB", "-1 GB", "1e3 B"])
def test_what_is_no_size_is_told(make, size):
    with pytest.raises(CacheError, match=re.escape(repr(size))) as caught:
        make(max_bytes=size)
    assert caught.value.where == "max_bytes"


@pytest.mark.parametrize("size", [1.5, True, b"1 GB"])
def test_what_has_no_size_is_told(make, size):
    with pytest.raises(TypeError, match="A size is an int or a str"):
        make(max_bytes=size)


@pytest.mark.parametrize("age", [0, -1, 0.5, float("nan"), float("inf"), timedelta(seconds=1.5)])
def test_what_is_no_age_is_told(make, age):
    with pytest.raises(CacheError, match="The age of a result cannot be") as caught:
        make(max_age=age)
    assert caught.value.where == "max_age"


def test_an_age_is_a_number_or_a_timedelta(make):
    make(max_age=60.0)
    with pytest.raises(TypeError, match="got str"):
        make(max_age="1 day")


def test_durability_is_chosen(tmp_path):
    cache = DiskCache(tmp_path / "cache", durability="commit")
    cache.put("a", 1)
    assert cache.get("a") == 1
    with pytest.raises(CacheError, match="There is no durability 'always'"):
        DiskCache(tmp_path / "cache", durability="always")


def test_repr_is_the_call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert repr(MemoryCache()) == "MemoryCache()"
    assert repr(MemoryCache("1 MiB", 60)) == "MemoryCache(max_bytes=1048576, max_age=60)"
    assert repr(MemoryCache(allow_pickle=False)) == "MemoryCache(allow_pickle=False)"
    assert repr(DiskCache("cache")) == "DiskCache('cache')"
    strict = DiskCache("cache", max_age=5, pickle_key="s" * 16, durability="commit")
    assert repr(strict) == "DiskCache('cache', max_age=5, durability='commit')"


# MemoryCache alone -------------------------------------------------------------------------------


def test_values_come_back_as_new_objects():
    cache = MemoryCache()
    value = [1, [2]]
    cache.put("a", value)
    value[1].append(3)
    first = cache.get("a")
    assert first == [1, [2]]
    first.append(4)
    assert cache.get("a") == [1, [2]]


def test_objects_are_pickled_unless_forbidden():
    assert MemoryCache().allow_pickle
    cache = MemoryCache(allow_pickle=False)
    cache.put("a", [1])
    with pytest.raises(TypeError, match="allow_pickle"):
        cache.put("b", complex(1, 2))


def test_it_travels_empty_with_its_options():
    cache = MemoryCache(max_bytes=MEGABYTE, max_age=60, allow_pickle=False)
    cache.put("a", 1)
    arrived = pickle.loads(pickle.dumps(cache))
    assert repr(arrived) == repr(cache)
    assert len(arrived) == 0
    arrived.put("b", 2)
    assert not cache.has("b")
    assert cache.has("a")


def test_pipelines_share_one():
    made = Node(lambda x: x + 1, "out")
    cache = MemoryCache()
    Pipeline([made], cache=cache).run({"x": 1})
    second = Pipeline([made], cache=cache)
    assert second.run({"x": 1}) == {"out": 2}
    assert second.last_run.nodes[made.name].rows_cached == 1


def test_signatures_are_its_keys():
    signatures = []

    class Seen(PipelineCallback):
        def on_node_cached(self, node_id, signature, ctx):
            signatures.append(signature)

    made = Node(lambda x: (x, x + 1), ("a", "b"))
    cache = MemoryCache()
    pipeline = Pipeline([made], cache=cache, callbacks=[Seen()])
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert cache.get(signatures[0]) == (1, 2)


def test_threads_share_one():
    cache = MemoryCache(max_bytes="1 MB")

    def work(mine):
        for i in range(300):
            cache.put(f"{mine} {i}", i)
            assert cache.get(f"{mine} {i}") == i

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.stats()["stores"] == 1200


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


def test_daft_in_process_keeps_results():
    pytest.importorskip("daft")
    from hypernodes import DaftEngine

    cache = MemoryCache()
    pipeline = Pipeline([double], engine=DaftEngine(), cache=cache)
    for _ in range(2):
        assert pipeline.map({"x": [1, 2, 3]}, map_over="x") == [
            {"doubled": 2 * x} for x in (1, 2, 3)
        ]
    assert pipeline.last_run.nodes["double"].rows_cached == 3
    assert len(cache) == 3


def test_a_cache_of_ones_own_needs_no_figures():
    class Plain(Cache):
        def get(self, signature):
            return 1

        def put(self, signature, output):
            pass

        def has(self, signature):
            return signature == "a"

    cache = Plain()
    assert cache.stats() == {}
    assert cache.gc() is None
    assert cache.get_many(["a", "b"]) == {"a": 1}
