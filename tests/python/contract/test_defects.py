# SPDX-License-Identifier: MIT
"""Section 10: what went wrong upstream, numbered as there, and must not here."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import threading
import typing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hypernodes
from contract.calls import ran, take
from contract.cases.common import add_ten, chain, double, pair, same
from contract.cases.nested import copy, expensive, inner
from contract.cases.nodes import split
from contract.cases.runs import always, constant
from contract.cases.values import Model
from contract.engines import DAFT, DAFT_V2
from contract.events import Recorder
from hypernodes import DiskCache, Node, Pipeline, PipelineCallback, SeqEngine

on_daft = pytest.mark.parametrize("spec", [DAFT.param(), DAFT_V2.param()])


# 1. No Daft engine with any current Daft: private names, and the failure is silent -------------


@on_daft
def test_1_the_daft_engine_is_there_and_runs(spec):
    assert "DaftEngine" in hypernodes.__all__
    assert chain(engine=spec.make()).run({"x": 1}) == {"doubled": 2, "result": 12}


def test_1_daft_is_used_by_its_public_names_only():
    from hypernodes.integrations.daft import engine, extension, frame, query

    for module in (engine, extension, frame, query):
        for part in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(part, ast.Import | ast.ImportFrom):
                names = [getattr(part, "module", None) or "", *(a.name for a in part.names)]
                assert not any("daft." in n and "hypernodes" not in n for n in names), names
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                private = part.attr.startswith("_") and not part.attr.startswith("__")
                assert not (part.value.id == "daft" and private), part.attr


# 2. On Daft ------------------------------------------------------------------------------------


@on_daft
def test_2_tuple_outputs(spec):
    columns = Pipeline([split], spec.make()).map({"text": ["ab"]}, "text", outputs="columns")
    assert columns == {"head": ["a"], "tail": ["b"]}


@on_daft
def test_2_nodes_without_parameters(spec):
    pipeline = Pipeline([constant, double], spec.make())
    rows = pipeline.map({"x": [1, 2]}, "x", outputs="records")
    assert rows == [{"constant": 7, "doubled": 2}, {"constant": 7, "doubled": 4}]
    assert take().count(("constant",)) == 2


def optional(x: typing.Optional[int]) -> typing.Optional[int]:  # noqa: UP045
    return x


def union(x: typing.Union[int, str]) -> int | str:  # noqa: UP007
    return x


def old_list(x: typing.List[int]) -> typing.List[int]:  # noqa: UP006
    return x


def old_dict(x: typing.Dict[str, int]) -> typing.Dict[str, int]:  # noqa: UP006
    return x


def bare(x):
    return x


@on_daft
@pytest.mark.parametrize(
    ("func", "values"),
    [
        (bare, [1, "a", None]),
        (optional, [None, 1]),
        (union, [1, "a"]),
        (old_list, [[1], []]),
        (old_dict, [{"a": 1}, {"b": 2}]),
    ],
)
def test_2_hints_of_every_kind(spec, func, values):
    pipeline = Pipeline([Node(func, "y")], spec.make())
    assert pipeline.map({"x": values}, "x", outputs="columns") == {"y": values}


@on_daft
@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"b": [2]}],
        [Model(name="a", scores=[1.0])],
        [np.arange(3)],
        [(1, 2), [1, 2]],
        [1, "a", 2.5],
        [1, 2.5],
        [2**64, -(2**70)],
        [[], [1]],
        [{"a": []}],
    ],
    ids=repr,
)
def test_2_values_stay_what_they_are(spec, values):
    results = Pipeline([same], spec.make()).map({"value": values}, "value", outputs="columns")
    for got, value in zip(results["same"], values, strict=True):
        assert type(got) is type(value)
        assert got is value or got == value


@on_daft
def test_2_mappings_of_nested_pipelines(spec):
    made = inner().as_node(input_mapping={"a": "x"}, output_mapping={"sum": "s"})
    assert Pipeline([made], spec.make()).run({"a": 1, "y": 2}) == {"s": 4}


@on_daft
def test_2_every_map_over_name_counts(spec):
    columns = Pipeline([pair], spec.make()).map(
        {"a": [1, 2], "b": [3, 4]}, ["a", "b"], outputs="columns"
    )
    assert columns == {"pair": [(1, 3), (2, 4)]}


@on_daft
def test_2_an_empty_list_is_no_null_row(spec):
    nested = Pipeline([double]).as_node(map_over="x")
    rows = Pipeline([nested], spec.make()).map({"x": [[], [1]]}, "x", outputs="records")
    assert rows == [{"doubled": []}, {"doubled": [2]}]
    assert take() == [("double", 1)]


@on_daft
def test_2_unneeded_nodes_do_not_run(spec):
    pipeline = Pipeline([double, expensive], spec.make())
    pipeline.map({"x": [1, 2]}, "x", output_name="doubled")
    assert sorted(take()) == [("double", 1), ("double", 2)]


@on_daft
def test_2_errors_are_not_wrapped(spec):
    failure = LookupError("mine")

    def fail(x):
        raise failure

    with pytest.raises(LookupError) as caught:
        Pipeline([Node(fail, "y")], spec.make()).map({"x": [1]}, "x")
    assert caught.value is failure


# 3. Stale or wrong values ----------------------------------------------------------------------


def test_3_keys_of_pipeline_nodes_cover_how_they_are_used(engine, cache):
    pipeline = Pipeline([pair], name="inner")

    def run(given, **options):
        return Pipeline([pipeline.as_node(**options)], engine, cache).run(given)["pair"]

    lists = {"a": [1, 2], "b": [3, 4]}
    for _ in range(2):
        assert run(lists) == ([1, 2], [3, 4])
        assert run(lists, map_over="a") == [(1, [3, 4]), (2, [3, 4])]
        assert run(lists, map_over=["a", "b"]) == [(1, 3), (2, 4)]
        assert len(run(lists, map_over=["a", "b"], map_mode="product")) == 4
        assert run(lists, input_mapping={"a": "b", "b": "a"}) == ([3, 4], [1, 2])


def test_3_keys_of_pipeline_nodes_cover_bound_values(engine, cache):
    results = [
        Pipeline([inner(y=y).as_node()], engine, cache).run({"x": 1})["sum"] for y in (1, 2, 1)
    ]
    assert results == [3, 4, 3]


@on_daft
def test_3_consumers_of_several_outputs_have_keys_of_their_own(spec, cache):
    use = Node(lambda head, tail: [ran("use", head, tail), head + "-" + tail][1], "used")
    pipeline = Pipeline([split, use], spec.make(), cache)
    columns = pipeline.map(
        {"text": ["ab", "cd", "ax"]}, "text", output_name="used", outputs="columns"
    )
    assert columns == {"used": ["a-b", "c-d", "a-x"]}
    assert pipeline.run({"text": "cx"}, "used") == {"used": "c-x"}


def test_3_values_of_uncached_producers_are_in_the_key(engine, cache):
    numbers = iter((1, 2))
    producer = Node(lambda: next(numbers), "doubled", cache=False)
    pipeline = Pipeline([producer, add_ten], engine, cache)
    assert [pipeline.run()["result"] for _ in range(2)] == [11, 12]


@pytest.mark.parametrize(
    "values",
    [
        (1, "1"),
        (None, "None"),
        ([1, 2], (1, 2)),
        ([], "", {}),
        ({1: 2}, {"1": 2}),
        (1, 1.0, True),
        ("1", b"1"),
    ],
    ids=repr,
)
def test_3_keys_do_not_collide(engine, cache, values):
    pipeline = Pipeline([same], engine, cache)
    for value in values:
        got = pipeline.run({"value": value})["same"]
        assert (type(got), got) == (type(value), value)
    assert len(take()) == len(values)


def test_3_functions_without_source(engine, cache):
    results = []
    for body in ("x + 1", "x + 2"):
        scope = {}
        exec(f"def f(x): return {body}", scope)
        results.append(Pipeline([Node(scope["f"], "y")], engine, cache).run({"x": 1})["y"])
    assert results == [2, 3]


def test_3_two_lambdas_on_a_line(engine, cache):
    first, second = Node(lambda x: x + 1, "y"), Node(lambda x: x + 2, "y")
    assert Pipeline([first], engine, cache).run({"x": 1}) == {"y": 2}
    assert Pipeline([second], engine, cache).run({"x": 1}) == {"y": 3}


class Adder:
    def __init__(self, n):
        self.n = n

    def add(self, x):
        return x + self.n


def test_3_methods_of_different_instances(engine, cache):
    for n in (1, 2):
        assert Pipeline([Node(Adder(n).add, "y")], engine, cache).run({"x": 1}) == {"y": 1 + n}


# 4. Never a hit --------------------------------------------------------------------------------

PROGRAM = """
import sys
from dataclasses import dataclass
from hypernodes import DiskCache, Node, Pipeline, node

def helper(x):
    return x

@dataclass
class Config:
    n: int

def closing(function, config):
    def closed(words):
        print("closed", end=" ")
        return len(words) + function(config.n)
    return Node(closed, "out")

@node(output_name="deep")
def deep(out):
    print("deep", end=" ")
    return out

two_levels = Pipeline([Pipeline([Pipeline([deep]).as_node()]).as_node()])
nodes = [closing(helper, Config(1)), two_levels.as_node()]
pipeline = Pipeline(nodes, cache=DiskCache(sys.argv[1]))
print(pipeline.run({"words": {"a", "b", "c", "d"}}))
"""


def test_4_another_process_hits(tmp_path):
    """Pipelines two levels down, closures over functions and objects, sets of strings."""
    (tmp_path / "program.py").write_text(PROGRAM)
    told = [
        subprocess.run(
            [sys.executable, tmp_path / "program.py", tmp_path / "cache"],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert told == ["closed deep {'out': 5, 'deep': 5}\n", "{'out': 5, 'deep': 5}\n"]


def test_4_none_hits(engine, cache):
    pipeline = Pipeline([same], engine, cache)
    for _ in range(2):
        assert pipeline.run({"value": None}) == {"same": None}
    assert take() == [("same",)]


def test_4_an_inner_uncached_node_is_not_hidden(engine, cache):
    outer = Pipeline([Pipeline([double, always]).as_node()], engine, cache)
    for _ in range(2):
        outer.run({"x": 1})
    assert sorted(take()) == [("always", 1), ("always", 1), ("double", 1)]


# 5. The store ----------------------------------------------------------------------------------


def test_5_no_update_is_lost_between_instances(tmp_path):
    caches = [DiskCache(tmp_path) for _ in range(3)]

    def put(number):
        caches[number % 3].put(f"k{number}", number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(put, range(90)))
    assert [caches[0].get(f"k{number}") for number in range(90)] == list(range(90))


WRITER = """
import sys
from hypernodes import DiskCache
cache = DiskCache(sys.argv[1])
for number in range(20):
    cache.put(f"{sys.argv[2]}{number}", number)
if sys.argv[3] == "die":
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_5_no_update_is_lost_between_processes_and_by_a_kill(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name, end])
        for name, end in (("a", "die"), ("b", "live"))
    ]
    assert [writer.wait(60) for writer in writers] == [-9, 0]
    cache = DiskCache(tmp_path)
    for name in "ab":
        assert [cache.get(f"{name}{number}") for number in range(20)] == list(range(20))


@pytest.mark.filterwarnings("ignore::hypernodes.exceptions.UncachedWarning")
def test_5_damage_does_not_abort_a_run(engine, tmp_path):
    pipeline = chain(engine=engine, cache=DiskCache(tmp_path / "good"))
    pipeline.run({"x": 1})
    (tmp_path / "bad").mkdir()
    for file in (tmp_path / "good").iterdir():
        (tmp_path / "bad" / file.name).write_bytes(b"\x55" * 5000)
    damaged = chain(engine=engine, cache=DiskCache(tmp_path / "bad"))
    assert damaged.run({"x": 1}) == {"doubled": 2, "result": 12}


@pytest.mark.filterwarnings("ignore::hypernodes.exceptions.UncachedWarning")
def test_5_what_cannot_be_stored_does_not_abort_a_run(engine, cache):
    class Keyed:
        def __cache_key__(self):
            return "k"

    pipeline = Pipeline([Node(lambda value: (i for i in range(2)), "out")], engine, cache)
    for value in (Keyed, {1: 1, "1": 1, None: 1}):
        assert list(pipeline.run({"value": value})["out"]) == [0, 1]


def test_5_a_put_does_not_cost_the_whole_store(tmp_path):
    """The store's files do not grow by the number of entries with each put."""
    cache = DiskCache(tmp_path)

    def size():
        return sum(file.stat().st_blocks for file in tmp_path.iterdir()) * 512

    for number in range(300):
        cache.put(f"k{number}", number)
    before = size()
    for number in range(300, 600):
        cache.put(f"k{number}", number)
    assert size() - before < 500_000


# 6. Events -------------------------------------------------------------------------------------


def test_6_nested_runs_share_the_context(engine):
    recorder = Recorder()
    nested = Pipeline([Pipeline([double], name="b").as_node()], name="a")
    Pipeline([nested.as_node(map_over="x")], engine, None, [recorder], "outer").run({"x": [1]})
    assert len(recorder.contexts) == 1
    assert "      pipeline_start b {'x': 1}" in recorder.lines


def test_6_names_are_there_when_a_map_starts(engine):
    names = []

    class Bars(PipelineCallback):
        def on_map_start(self, total, ctx):
            names.append(ctx.get_pipeline_metadata(pipeline.id))

    pipeline = chain(engine=engine, name="p", callbacks=[Bars()])
    pipeline.map({"x": [1]}, "x")
    assert [(each["pipeline_name"], each["node_ids"]) for each in names] == [
        ("p", ["double", "add_ten"])
    ]


def test_6_errors_and_hits_are_told_on_every_engine(engine, cache):
    def fail(doubled):
        raise LookupError(doubled)

    recorder = Recorder()
    pipeline = Pipeline([double, Node(fail, "out")], engine, cache, [recorder], "p")
    for _ in range(2):
        with pytest.raises(LookupError):
            pipeline.run({"x": 1})
    assert take() == [("double", 1)]
    assert recorder.lines[-4:] == [
        "  pipeline_start p {'x': 1}",
        "  node_cached double",
        "  node_start fail {'doubled': 2}",
        "  error fail LookupError(2)",
    ]


@on_daft
def test_6_rows_reported_as_hits_are_not_computed(spec, cache):
    recorder = Recorder()
    pipeline = Pipeline([double], spec.make(), cache, [recorder])
    pipeline.map({"x": [1, 2]}, "x")
    take()
    pipeline.map({"x": [1, 2, 3]}, "x")
    assert len(recorder.signatures) == 2 * 2
    assert take() == [("double", 3)]


def test_6_spans_are_closed_and_cached_nodes_have_one(cache):
    from hypernodes.telemetry import TelemetryCallback

    telemetry = TelemetryCallback()
    fails = Node(lambda doubled: 1 // 0, "out")
    pipeline = Pipeline([double, fails], cache=cache, callbacks=[telemetry], name="p")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            pipeline.run({"x": 1})
    assert [span["name"] for span in telemetry.span_data].count("double") == 2
    assert [span["cached"] for span in telemetry.span_data if span["name"] == "double"] == [
        False,
        True,
    ]
    assert all(span["duration"] is not None for span in telemetry.span_data)


# 7. Threads, async, pruned outputs, Dask -------------------------------------------------------


def test_7_one_inner_pipeline_from_two_threads_keeps_its_engine():
    class Other(SeqEngine):
        pass

    shared = Pipeline([double], name="shared")
    outers = [Pipeline([shared.as_node()], engine) for engine in (SeqEngine(), Other())]
    seen = set()

    def work(outer):
        for x in range(100):
            assert outer.run({"x": x}) == {"doubled": 2 * x}
            seen.add(type(shared.engine))

    threads = [threading.Thread(target=work, args=(outer,)) for outer in outers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {SeqEngine}


def test_7_a_runtime_error_of_an_async_node_runs_it_once(engine):
    async def fail(x):
        ran("fail", x)
        raise RuntimeError("no running event loop")

    with pytest.raises(RuntimeError, match="no running event loop"):
        Pipeline([Node(fail, "out")], engine).run({"x": 1})
    assert take() == [("fail", 1)]


def test_7_a_pruned_output_can_be_asked_for(engine):
    outer = Pipeline([Pipeline([double, expensive]).as_node(), copy], engine)
    assert outer.run({"x": 1}, "expensive") == {"expensive": 1}
    rows = outer.map({"x": [1]}, "x", output_name="expensive", outputs="records")
    assert rows == [{"expensive": 1}]


def test_7_only_needed_nodes_run_on_every_engine(engine):
    pipeline = Pipeline([double, add_ten, expensive], engine)
    pipeline.map({"x": [1]}, "x", output_name="doubled")
    pipeline.run({"x": 2}, "doubled")
    assert take() == [("double", 1), ("double", 2)]
