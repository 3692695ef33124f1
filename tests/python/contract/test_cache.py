# SPDX-License-Identifier: MIT
"""Section 5: what hits and what does not, stores of users, DiskCache."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import warnings

import pytest

from contract.calls import ran, take
from contract.cases.common import add_ten, chain, double, pair, same
from contract.cases.nested import inner
from contract.cases.runs import always
from contract.cases.values import Point
from contract.events import Recorder, hits
from hypernodes import DiskCache, Node, Pipeline, PipelineCallback
from hypernodes.cache import Cache
from hypernodes.exceptions import UncachedWarning


def made(source, name="f", output_name="out", **scope):
    """A node from source text."""
    scope |= {"ran": ran, "__name__": "made_by_the_test"}
    exec(source, scope)
    return Node(scope[name], output_name)


# What a hit needs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 1  # a comment",
        "def f(x):\n    'A docstring.'\n    return x + 1",
        "\n\n\ndef f( x ):\n\n    return (x\n      +1)",
        "def f(x: int) -> int:\n    return x + 1",
    ],
)
def test_text_around_the_code_does_not_matter(engine, cache, other):
    recorder = Recorder()
    for source in ("def f(x): return x + 1", other):
        Pipeline([made(source)], engine, cache, [recorder]).run({"x": 1})
    assert hits(recorder.lines) == {"f": 1}


@pytest.mark.parametrize(
    "other",
    ["def f(x): return x + 2", "def f(x): return x - 1", "def f(x, y=1): return x + y"],
)
def test_the_body_matters(engine, cache, other):
    recorder = Recorder()
    for source in ("def f(x): return x + 1", other):
        Pipeline([made(source)], engine, cache, [recorder]).run({"x": 1})
    assert hits(recorder.lines) == {}


def test_the_closure_matters(engine, cache):
    def adding(n):
        def add(x):
            ran("add", n)
            return x + n

        return Node(add, "out")

    results = [Pipeline([adding(n)], engine, cache).run({"x": 1})["out"] for n in (1, 2, 1)]
    assert results == [2, 3, 2]
    assert take() == [("add", 1), ("add", 2)]


def test_a_default_matters(engine, cache):
    def with_default(n):
        def add(x, n=n):
            return x + n

        return Node(add, "out")

    results = [Pipeline([with_default(n)], engine, cache).run({"x": 1})["out"] for n in (1, 2)]
    assert results == [2, 3]


def test_who_produced_a_value_does_not_matter(engine, cache):
    chain(engine=engine, cache=cache).run({"x": 1})
    other = Node(lambda z: [ran("other"), 2][1], "doubled")
    assert Pipeline([other, add_ten], engine, cache).run({"z": 0})["result"] == 12
    assert Pipeline([add_ten], engine, cache).run({"doubled": 2}) == {"result": 12}
    assert take() == [("double", 1), ("add_ten", 2), ("other",)]


def test_uncached_producers_values_count(engine, cache):
    numbers = iter([1, 2, 1])
    producer = Node(lambda: next(numbers), "doubled", cache=False)
    pipeline = Pipeline([producer, add_ten], engine, cache)
    assert [pipeline.run()["result"] for _ in range(3)] == [11, 12, 11]
    assert take() == [("add_ten", 1), ("add_ten", 2)]


def test_unrelated_inputs_do_not_matter(engine, cache):
    pipeline = Pipeline([double, pair], engine, cache)
    pipeline.run({"x": 1, "a": 1, "b": 1})
    pipeline.run({"x": 1, "a": 1, "b": 2, "z": 3})
    assert take() == [("double", 1), ("pair", 1, 1), ("pair", 1, 2)]


def test_order_of_items_and_dicts_does_not_matter(engine, cache):
    pipeline = Pipeline([same], engine, cache)
    pipeline.map({"value": [1, 2, {"a": 1, "b": 2}, {3, 4}]}, "value")
    take()
    pipeline.map({"value": [{4, 3}, {"b": 2, "a": 1}, 2, 1]}, "value")
    assert take() == []


def test_items_of_a_map_are_cached_node_by_node(engine, cache):
    pipeline = chain(engine=engine, cache=cache)
    pipeline.map({"x": [1, 2]}, "x")
    take()
    pipeline.map({"x": [2, 3]}, "x")
    assert sorted(take()) == [("add_ten", 6), ("double", 3)]
    pipeline.run({"x": 3})
    assert take() == []


def test_keys_are_typed(engine, cache):
    values = [1, 1.0, True, "1", b"1", None, "None", [1, 2], (1, 2), [], "", {}, (), set()]
    values += [{1: 2}, {"1": 2}, [[1], 2], [1, [2]], 2**64, float(2**64), "", 0, 0.0, -0.0, False]
    pipeline = Pipeline([same], engine, cache)
    for value in values:
        result = pipeline.run({"value": value})["same"]
        assert (type(result), repr(result)) == (type(value), repr(value))
    assert len(take()) == len({(type(value), repr(value)) for value in values})


def test_equal_rows_are_computed_once_only_with_a_cache(engine, cache):
    items = {"x": [1, 1, 2, 1]}
    Pipeline([double], engine).map(items, "x")
    assert len(take()) == 4
    Pipeline([double], engine, cache).map(items, "x")
    assert sorted(take()) == [("double", 1), ("double", 2)]
    Pipeline([always], engine, cache).map(items, "x")
    assert len(take()) == 4


def test_cache_false_is_never_stored_and_can_be_switched(engine, cache):
    def f(x):
        ran("f", x)
        return x

    switched = Node(f, "out", cache=False)
    pipeline = Pipeline([switched], engine, cache)
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert len(take()) == 2
    assert len(cache) == 0
    switched.cache = True
    pipeline.run({"x": 1})
    pipeline.run({"x": 1})
    assert len(take()) == 1
    switched.cache = False
    pipeline.run({"x": 1})
    assert len(take()) == 1


def test_early_cutoff(engine, cache):
    """A producer's new code that gives the same value keeps its consumers' hits."""
    sources = ("def f(x): return x + x", "def f(x): return x * 2")
    for source in sources:
        producer = made(f"{source}", output_name="doubled")
        assert Pipeline([producer, add_ten], engine, cache).run({"x": 3})["result"] == 16
    assert take() == [("add_ten", 6)]


def test_what_a_node_does_to_its_input_comes_after_the_digest(engine, cache):
    def clear(items):
        ran("clear", len(items))
        items.clear()
        return 0

    pipeline = Pipeline([Node(clear, "out")], engine, cache)
    pipeline.run({"items": [1, 2]})
    pipeline.run({"items": [1, 2]})
    assert take() == [("clear", 2)]


def test_a_cached_value_is_not_shared(engine, cache):
    pipeline = Pipeline([same], engine, cache)
    pipeline.run({"value": [1]})["same"].append(2)
    pipeline.run({"value": [1]})["same"].append(3)
    assert pipeline.run({"value": [1]}) == {"same": [1]}


# Pipeline nodes --------------------------------------------------------------------------------


def test_a_cached_pipeline_node_skips_everything_inside(engine, cache):
    recorder = Recorder()
    outer = Pipeline([chain(name="inner").as_node()], engine, cache, [recorder], "outer")
    outer.run({"x": 1})
    del recorder._lines[:]
    assert outer.run({"x": 1}) == {"doubled": 2, "result": 12}
    assert recorder.lines == [
        "  pipeline_start outer {'x': 1}",
        "  node_cached inner",
        "  pipeline_end outer {'doubled': 2, 'result': 12}",
    ]


def test_inside_a_miss_nodes_hit_one_by_one(engine, cache):
    chain(engine=engine, cache=cache).run({"x": 1})
    take()
    outer = Pipeline([inner().as_node()], engine, cache)
    assert outer.run({"x": 1, "y": 5}) == {"doubled": 2, "sum": 7}
    assert take() == [("add", 2, 5)]


def test_inside_a_miss_items_hit_one_by_one(engine, cache):
    outer = Pipeline([inner(y=1).as_node(map_over="x")], engine, cache)
    outer.run({"x": [1, 2]})
    take()
    assert outer.run({"x": [2, 3, 1]}) == {"doubled": [4, 6, 2], "sum": [5, 7, 3]}
    assert take() == [("double", 3), ("add", 6, 1)]


def test_an_inner_uncached_node_runs_and_the_others_hit(engine, cache):
    recorder = Recorder()
    nodes = [Pipeline([double, always], name="inner").as_node()]
    outer = Pipeline(nodes, engine, cache, [recorder], "outer")
    outer.run({"x": 1})
    take()
    del recorder._lines[:]
    assert outer.run({"x": 1}) == {"always": 1, "doubled": 2}
    assert take() == [("always", 1)]
    assert hits(recorder.lines) == {"double": 1}


def test_an_inner_uncached_node_two_levels_down(engine, cache):
    inner_most = Pipeline([double, always], name="inner")
    outer = Pipeline([Pipeline([inner_most.as_node()]).as_node()], engine, cache)
    for _ in range(2):
        outer.run({"x": 1})
    assert take() == [("always", 1), ("double", 1), ("always", 1)]


SAME_INSIDE = [
    {},
    {"input_mapping": {"a": "b", "b": "a"}},
    {"map_over": "a"},
    {"map_over": ["a", "b"]},
    {"map_over": ["a", "b"], "map_mode": "product"},
    {"output_mapping": {"pair": "pair", "swapped": "swapped"}},
    {"output_mapping": {"pair": "swapped", "swapped": "pair"}},
]


def test_the_key_of_a_pipeline_node_covers_how_it_is_used(engine, cache):
    swapped = Node(lambda a, b: (b, a), "swapped")
    given = {"a": [1, 2], "b": [3, 4]}

    def results(cache):
        pipeline = Pipeline([pair, swapped], name="inner")
        return [
            Pipeline([pipeline.as_node(**options)], engine, cache).run(given)
            for options in SAME_INSIDE
        ]

    without = results(None)
    assert results(cache) == without
    assert results(cache) == without
    assert len({repr(result) for result in without}) == 6  # only the sixth is as the first


def test_the_key_of_a_pipeline_node_covers_the_requested_outputs(engine, cache):
    pipeline = Pipeline([double, Node(lambda x: -x, "negative")], name="inner")
    outer = Pipeline([pipeline.as_node(), add_ten], engine, cache)
    assert outer.run({"x": 1}) == {"doubled": 2, "result": 12}
    assert outer.run({"x": 1}, "negative") == {"negative": -1}
    assert outer.run({"x": 1}, ["doubled", "negative"]) == {"doubled": 2, "negative": -1}


# Stores ----------------------------------------------------------------------------------------


class Simple(Cache):
    """What a user writes: three methods, no super().__init__()."""

    def __init__(self):
        self.store = {}
        self.asked = []

    def get(self, signature):
        return self.store[signature]

    def put(self, signature, output):
        assert signature not in self.store
        self.store[signature] = output

    def has(self, signature):
        self.asked.append(signature)
        return signature in self.store


def test_a_store_of_a_user(engine):
    store, recorder = Simple(), Recorder()
    split = Node(lambda result: (result, [result]), ("a", "b"))
    pipeline = Pipeline([double, add_ten, split], engine, store, [recorder])
    expected = {"doubled": 2, "result": 12, "a": 12, "b": [12]}
    assert pipeline.run({"x": 1}) == expected
    assert sorted(store.store.values(), key=repr) == [(12, [12]), 12, 2]
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in store.store)
    take()
    assert pipeline.run({"x": 1}) == expected
    assert take() == []
    assert set(recorder.signatures) == set(store.store)


def test_none_in_a_store_of_a_user_is_a_hit(engine):
    store = Simple()
    pipeline = Pipeline([same], engine, store)
    for _ in range(2):
        assert pipeline.run({"value": None}) == {"same": None}
    assert take() == [("same",)]


def test_a_store_of_a_user_gets_python_objects(engine):
    store = Simple()
    pipeline = Pipeline([Node(lambda x: Point(x, 0.5), "point")], engine, store)
    assert pipeline.run({"x": 1}) == {"point": Point(1, 0.5)}
    assert list(store.store.values()) == [Point(1, 0.5)]


def test_what_cannot_be_encoded_runs_uncached_in_a_store_of_a_user_too(engine):
    class Local:
        def __init__(self):
            self.number = 5

    def make(x):
        ran("make")
        return Local()

    pipeline = Pipeline([Node(make, "made")], engine, Simple())
    with pytest.warns(UncachedWarning, match="node 'make' is not cached"):
        made = [pipeline.run({"x": 1})["made"] for _ in range(2)]
    assert [type(each) for each in made] == [Local, Local]
    assert take() == [("make",), ("make",)]


def test_defaults_of_a_store():
    store = Simple()
    store.put_many({"a": 1, "b": None})
    assert store.get_many(["a", "b", "c"]) == {"a": 1, "b": None}
    assert store.stats() == {}
    assert store.gc() is None
    with pytest.raises(TypeError):
        Cache()


def test_signature_is_the_key_and_what_events_show(engine, cache):
    recorder = Recorder()
    pipeline = Pipeline([double], engine, cache, [recorder])
    pipeline.map({"x": [1, 2]}, "x")
    pipeline.map({"x": [1, 2]}, "x")
    node_cached, item_cached = recorder.signatures[::2], recorder.signatures[1::2]
    assert node_cached == item_cached
    assert sorted(cache.get(signature) for signature in node_cached) == [2, 4]


def test_disk_cache(tmp_path):
    path = tmp_path / "deep" / "down" / "cache"
    cache = DiskCache(str(path))
    assert path.is_dir()
    assert (cache.get("no"), cache.has("no")) == (None, False)
    for key, value in {"any text": [1, (2,)], "0" * 64: None}.items():
        cache.put(key, value)
        assert cache.has(key)
        assert cache.get(key) == value
    assert DiskCache(path).get("any text") == [1, (2,)]
    cache.clear()
    assert not DiskCache(path).has("any text")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "k" * 511,
        "k" * 100_000,
        "0" * 63,
        "A" * 64,
        "a\0b",
        "žluť 🐎",
        "../up",
        "\ud800",
    ],
    ids=range(9),
)
def test_any_text_is_a_key(cache, key):
    cache.put(key, "value")
    assert cache.has(key)
    assert cache.get(key) == "value"
    assert not cache.has(key + "x")


def test_a_later_put_replaces_an_earlier_one(cache):
    cache.put("k", 1)
    cache.put("k", 2)
    assert DiskCache(cache.path).get("k") == 2


def test_a_put_is_visible_at_once_in_every_instance_and_process(tmp_path):
    first, second = DiskCache(tmp_path), DiskCache(tmp_path)
    for number in range(5):
        first.put(f"k{number}", number)
        assert second.get(f"k{number}") == number
    program = (
        "import sys; from hypernodes import DiskCache; c = DiskCache(sys.argv[1]);"
        "print([c.get(f'k{n}') for n in range(5)]); c.put('back', 'here')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[0, 1, 2, 3, 4]\n"
    assert (first.get("back"), second.get("back")) == ("here", "here")


def test_threads_share_a_store(cache):
    def work(start):
        for number in range(start, start + 25):
            cache.put(f"k{number}", number)

    threads = [threading.Thread(target=work, args=(25 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.get(f"k{number}") for number in range(100)] == list(range(100))


@pytest.mark.filterwarnings("ignore::hypernodes.exceptions.UncachedWarning")
def test_damage_is_a_miss(engine, tmp_path):
    pipeline = chain(engine=engine, cache=DiskCache(tmp_path / "c"))
    pipeline.run({"x": 1})
    take()
    (tmp_path / "copy").mkdir()
    for file in (tmp_path / "c").iterdir():
        data = bytearray(file.read_bytes())
        (tmp_path / "copy" / file.name).write_bytes(bytes(data[: len(data) // 2]))
    damaged = chain(engine=engine, cache=DiskCache(tmp_path / "copy"))
    assert damaged.run({"x": 1}) == {"doubled": 2, "result": 12}
    assert take() == [("double", 1), ("add_ten", 2)]
    assert damaged.run({"x": 1}) == {"doubled": 2, "result": 12}
    assert take() == []


# What cannot be cached -------------------------------------------------------------------------


def test_what_cannot_be_digested_runs_uncached_with_one_warning(engine, cache):
    generator = (i for i in range(3))
    pipeline = Pipeline([Node(lambda value: [ran("f"), 1][1], "out")], engine, cache)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            assert pipeline.run({"value": generator}) == {"out": 1}
    assert len(take()) == 3
    assert [w.category for w in told] == [UncachedWarning]


def test_what_cannot_be_encoded_runs_uncached_with_one_warning(engine, cache):
    def f(x):
        ran("f")
        return (i for i in range(3))

    pipeline = Pipeline([Node(f, "out")], engine, cache)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            assert list(pipeline.run({"x": 1})["out"]) == [0, 1, 2]
    assert len(take()) == 3
    assert [w.category for w in told] == [UncachedWarning]


def test_a_failing_store_is_an_empty_one(engine):
    class Broken(Simple):
        def get(self, signature):
            raise OSError("gone")

        def put(self, signature, output):
            raise OSError("gone")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            assert Pipeline([double], engine, Broken()).run({"x": 1}) == {"doubled": 2}
    assert take() == [("double", 1)] * 2


def test_callbacks_see_hits_of_any_engine_in_the_right_run(engine, cache):
    chain(cache=cache).run({"x": 1})
    take()
    seen = []

    class Watch(PipelineCallback):
        def on_node_cached(self, node_id, signature, ctx):
            seen.append((node_id, cache.has(signature)))

    chain(engine=engine, cache=cache, callbacks=[Watch()]).run({"x": 1})
    assert seen == [("double", True), ("add_ten", True)]
    assert take() == []


def test_last_run_counts_hits(engine, cache):
    pipeline = Pipeline([double, always], engine, cache)
    for _ in range(2):
        pipeline.map({"x": [1, 2]}, "x")
    counts = {k: (n.rows_run, n.rows_cached) for k, n in pipeline.last_run.nodes.items()}
    assert counts == {"double": (0, 2), "always": (2, 0)}
