# SPDX-License-Identifier: MIT
"""The cache from Python: hits, keys, stores, values that come back as they were."""

import contextlib
import math
import pickle
import subprocess
import sys
import warnings

import pytest

from hypernodes import DiskCache, Node, Pipeline, SeqEngine, node
from hypernodes._core import decode, encode
from hypernodes.cache import Cache
from hypernodes.exceptions import CacheError, UncachedWarning


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "deep" / "cache")


class Counter:
    """Counts the calls of the nodes it makes."""

    def __init__(self):
        self.calls = []

    def node(self, output_name="out", cache=True):
        calls = self.calls

        def counted(x):
            _count(calls, x)
            return x

        made = Node(counted, output_name, cache)
        made._code_hash = "0" * 63 + "1"
        made._has_identity = True
        return made


def _count(calls, x):
    calls.append(x)


def test_second_run_is_served_from_the_cache(cache):
    counter = Counter()
    pipeline = Pipeline([counter.node()], cache=cache)
    assert pipeline.run({"x": 5}) == {"out": 5}
    assert pipeline.run({"x": 5}) == {"out": 5}
    assert counter.calls == [5]
    assert pipeline.last_run.nodes["counted"].rows_cached == 1
    assert pipeline.map({"x": [4, 5, 4]}, map_over="x") == [{"out": 4}, {"out": 5}, {"out": 4}]
    assert counter.calls == [5, 4]


PROGRAM = """
import sys
from hypernodes import DiskCache, Pipeline, node

@node(output_name="doubled")
def double(x: int) -> int:
    print("called")
    return x * 2

print(Pipeline([double], cache=DiskCache(sys.argv[1])).run({"x": 5}))
"""


def test_another_process_hits(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run():
        return subprocess.run(
            [sys.executable, program, tmp_path / "cache"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")

    assert run() == ["called", "{'doubled': 10}", ""]
    assert run() == ["{'doubled': 10}", ""]


def test_engine_cache_counts_and_the_pipeline_wins(cache, tmp_path):
    counter = Counter()
    pipeline = Pipeline([counter.node()], engine=SeqEngine(cache=cache))
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert counter.calls == [1]
    pipeline.with_cache(DiskCache(tmp_path / "another")).run({"x": 1})
    assert counter.calls == [1, 1]


def test_uncached_node_always_runs_and_can_be_switched(cache):
    counter = Counter()
    made = counter.node(cache=False)
    pipeline = Pipeline([made], cache=cache)
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert counter.calls == [1, 1]
    made.cache = True
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert counter.calls == [1, 1, 1]


def test_failures_are_not_stored_and_finished_items_are(cache):
    calls = []

    def fragile(x):
        _count(calls, x)
        if x == 2 and len(calls) < 4:
            raise ValueError(x)
        return x

    made = Node(fragile, "out")
    made._code_hash, made._has_identity = "0" * 63 + "2", True
    pipeline = Pipeline([made], cache=cache)
    with pytest.raises(ValueError, match="2"):
        pipeline.map({"x": [0, 1, 2, 3]}, map_over="x")
    assert calls == [0, 1, 2]
    assert len(pipeline.map({"x": [0, 1, 2, 3]}, map_over="x")) == 4
    assert calls == [0, 1, 2, 2, 3]


def test_none_is_a_hit(cache):
    counter = Counter()
    pipeline = Pipeline([counter.node()], cache=cache)
    assert pipeline.run({"x": None}) == {"out": None}
    assert pipeline.run({"x": None}) == {"out": None}
    assert counter.calls == [None]


VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    10**50,
    -(10**50),
    0.0,
    -0.0,
    1.0,
    1e308,
    math.inf,
    "",
    "None",
    "1",
    "žluťoučký 🐎",
    b"",
    b"1",
    bytes(range(256)),
    [],
    [1],
    [1, 2, 3],
    [1.0, 2.5],
    [1, 2.5],
    [True],
    [None],
    [2**63],
    [[1], [2.0], []],
    (),
    (1,),
    (1, 2, 3),
    ([1], (2,)),
    {},
    {1: 2},
    {"1": 2},
    {"a": {"b": [1, None]}, "c": ()},
    set(),
    {1, 2, 3},
    {"a", "b"},
    frozenset(),
    frozenset({1, "1", (2,)}),
    {frozenset({1}), frozenset()},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_comes_back_as_it_was(cache, value):
    def same(a, b):
        if isinstance(a, set | frozenset):
            return a == b
        return type(a) is type(b) and repr(a) == repr(b)

    assert same(decode(encode(value)), value)
    counter = Counter()
    pipeline = Pipeline([counter.node()], cache=cache)
    pipeline.run({"x": value})
    (hit,) = pipeline.run({"x": value}).values()
    assert len(counter.calls) == 1
    assert type(hit) is type(value)
    assert hit == value


def test_no_two_values_share_an_encoding():
    encodings = [encode(value, canonical=True) for value in VALUES]
    assert len(set(encodings)) == len(VALUES)
    assert len(encode(math.nan)) == 9
    assert math.isnan(decode(encode(math.nan)))


def test_dict_and_set_order_does_not_matter():
    a, b = {"x": 1, "y": {2: 3, 4: 5}}, {"y": {4: 5, 2: 3}, "x": 1}
    assert encode(a, canonical=True) == encode(b, canonical=True)
    assert encode(a) != encode(b)
    assert list(decode(encode(b))) == ["y", "x"]
    words = [str(i) for i in range(100)]
    assert encode(set(words)) == encode(set(reversed(words)))


def test_what_has_no_encoding():
    class Text(str):
        __slots__ = ()

    cyclic = [1]
    cyclic.append(cyclic)
    twice = []
    twice.extend([twice, twice])
    deep = []
    for _ in range(300):
        deep = [deep]
    for value in (Text("a"), object(), cyclic, twice, deep, "\ud800", [object()], {1: {object()}}):
        assert encode(value) is None
    shallow = []
    for _ in range(190):
        shallow = [shallow]
    assert decode(encode(shallow)) == shallow


def test_hostile_bytes_are_refused():
    good = encode({"a": [1, (2.0, None)], "b": {1, 2}})
    for cut in range(len(good)):
        with pytest.raises(ValueError, match="no encoding"):
            decode(good[:cut])
    for position in range(len(good)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(good)
            damaged[position] ^= flip
            with contextlib.suppress(ValueError):
                decode(bytes(damaged))
    # A list of 2^60 items; nested beyond the limit; an unhashable key; two equal keys.
    for hostile in (b"\x08" + b"\xff" * 8 + b"\x0f", b"\x08\x01" * 5000 + b"\x00"):
        with pytest.raises(ValueError, match="no encoding"):
            decode(hostile)
    with pytest.raises(ValueError, match="no encoding"):
        decode(b"\x0a\x01\x08\x00\x00")
    with pytest.raises(ValueError, match="no encoding"):
        decode(b"\x0a\x02" + encode(1) + encode(1) + encode(True) + encode(1))


def test_numpy_arrays():
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(24).reshape(2, 3, 4)
    for array in (
        base,
        base.astype("float32"),
        base[:, ::2],
        base.T,
        numpy.zeros((0, 3)),
        numpy.array(5),
        numpy.array([True, False]),
        numpy.array(["a", "bc"]),
        numpy.array([b"a", b"bc"]),
        numpy.array([1 + 2j]),
        numpy.array(["2020-01-01"], dtype="M8[D]"),
        numpy.array([1], dtype=">i4"),
    ):
        encoded = encode(array)
        copy = decode(encoded)
        assert copy.dtype == array.dtype
        assert copy.shape == array.shape
        assert (copy == array).all()
        assert copy.flags.writeable
        assert encode(array.copy(order="F")) == encoded
    assert encode(base) != encode(base.astype("int32"))
    assert encode(base) != encode(base.reshape(3, 2, 4))
    assert encode(numpy.array([object()])) is None
    assert encode(numpy.zeros(2, dtype=[("a", "i4")])) is None
    assert encode(numpy.float64(1)) is None
    good = encode(numpy.arange(3))
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        with contextlib.suppress(ValueError):
            decode(bytes(damaged))


def test_what_cannot_be_digested_runs_uncached_with_one_warning(cache):
    counter = Counter()
    pipeline = Pipeline([counter.node()], cache=cache)
    thing = (i for i in ())
    with pytest.warns(UncachedWarning, match="'counted'"):
        assert pipeline.run({"x": thing})["out"] is thing
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipeline.run({"x": thing})["out"] is thing
    assert counter.calls == [thing, thing]
    assert pipeline.last_run.warnings


def test_nested_and_mapped_pipelines_hit(cache):
    counter = Counter()
    inner = Pipeline([counter.node()], name="inner")
    outer = Pipeline([inner.as_node(map_over="x")], cache=cache)
    assert outer.run({"x": [1, 2]}) == {"out": [1, 2]}
    assert outer.run({"x": [1, 2]}) == {"out": [1, 2]}
    assert outer.run({"x": [2, 3]}) == {"out": [2, 3]}
    assert counter.calls == [1, 2, 3]


def test_inner_cache_is_its_own(cache):
    counter = Counter()
    inner = Pipeline([counter.node()], name="inner", cache=cache)
    outer = Pipeline([inner.as_node()])
    outer.run({"x": 1})
    outer.run({"x": 1})
    assert counter.calls == [1]


def test_disk_cache_as_a_store(cache):
    assert cache.get("nothing") is None
    assert not cache.has("nothing")
    cache.put("a", None)
    cache.put("0" * 64, {"x": (1, 2)})
    assert cache.has("a")
    assert cache.get("a") is None
    assert cache.get("0" * 64) == {"x": (1, 2)}
    assert len(cache) == 2
    assert DiskCache(str(cache.path)).get("0" * 64) == {"x": (1, 2)}
    assert pickle.loads(pickle.dumps(cache)).has("a")
    with pytest.raises(TypeError, match="cannot store function"):
        cache.put("b", lambda: None)
    cache.clear()
    assert not cache.has("a")
    assert cache


def test_signatures_are_the_keys_of_node_results(cache):
    made = Node(lambda x: (x, x + 1), ("a", "b"))
    signatures = []

    from hypernodes import PipelineCallback

    class Seen(PipelineCallback):
        def on_node_cached(self, node_id, signature, ctx):
            signatures.append(signature)

    pipeline = Pipeline([made], cache=cache, callbacks=[Seen()])
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    (signature,) = signatures
    assert cache.has(signature)
    assert cache.get(signature) == (1, 2)


def test_unusable_directory_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError):
        DiskCache(tmp_path / "file" / "cache")


class Simple(Cache):
    """What a user writes."""

    def __init__(self):
        self.store = {}

    def get(self, signature):
        return self.store[signature]

    def put(self, signature, output):
        self.store[signature] = output

    def has(self, signature):
        return signature in self.store


def test_cache_written_in_python():
    counter = Counter()
    store = Simple()
    split = Node(lambda out: (out, [out]), ("a", "b"))
    pipeline = Pipeline([counter.node(), split], cache=store)
    first = pipeline.run({"x": 3})
    assert first == pipeline.run({"x": 3}) == {"out": 3, "a": 3, "b": [3]}
    assert counter.calls == [3]
    assert sorted(store.store.values(), key=repr) == [(3, [3]), 3]
    assert all(len(signature) == 64 for signature in store.store)
    assert store.get_many(store.store) == store.store
    assert store.stats() == {}
    store.gc()


def test_failing_python_cache_is_an_empty_one():
    class Broken(Simple):
        def has(self, signature):
            raise OSError("gone")

    counter = Counter()
    pipeline = Pipeline([counter.node()], cache=Broken())
    with pytest.warns(UncachedWarning, match=r"cache Broken failed, .*: OSError: gone"):
        assert pipeline.run({"x": 1}) == {"out": 1}


def test_what_is_no_cache_is_refused():
    with pytest.raises(TypeError, match="cache must be a Cache, got dict"):
        Pipeline([Counter().node()], cache={}).run({"x": 1})


def test_cache_needs_its_three_methods():
    with pytest.raises(TypeError, match="abstract"):
        Cache()


@node(output_name="out")
def fresh(x):
    return x


def test_changed_code_misses(cache):
    calls = []
    for body in ("x + 1", "x + 2"):
        scope = {"calls": calls}
        exec(f"def f(x):\n    return {body}", scope)
        assert Pipeline([Node(scope["f"], "out")], cache=cache).run({"x": 1}) == {
            "out": eval(body, {"x": 1})
        }
