# SPDX-License-Identifier: MIT
"""Maps that go on when a row fails: on_error, failures, replay."""

import asyncio
import random

import pytest

from every_engine import HERE
from hypernodes import (
    Collected,
    DiskCache,
    ExecutionError,
    MemoryCache,
    Pipeline,
    PipelineCallback,
    load,
    node,
)
from hypernodes.exceptions import PlanError


@node("inverse")
def invert(x):
    return 60 // x


@node("shifted")
def shift(inverse, y):
    return inverse + y


@node("doubled")
def double(x):
    return x * 2


def pipeline(engine=None, **kwargs):
    return Pipeline([invert, shift, double], engine=engine, **kwargs)


INPUTS = {"x": [1, 0, 3, 0, 5], "y": 100}


def test_raise_is_the_default(engine):
    with pytest.raises(ZeroDivisionError):
        pipeline(engine).map(INPUTS, "x")
    with pytest.raises(ZeroDivisionError):
        pipeline(engine).map(INPUTS, "x", on_error="raise")


def test_null_keeps_what_does_not_depend_on_the_failure(any_engine):
    mapped = pipeline(any_engine)
    rows = mapped.map(INPUTS, "x", on_error="null")
    assert [row["inverse"] for row in rows] == [60, None, 20, None, 12]
    assert [row["shifted"] for row in rows] == [160, None, 120, None, 112]
    assert [row["doubled"] for row in rows] == [2, 0, 6, 0, 10]
    failures = mapped.last_run.failures
    assert [(each.row, each.node, each.path) for each in failures] == [
        (1, "invert", ("invert",)),
        (3, "invert", ("invert",)),
    ]
    assert all(isinstance(each.error, ZeroDivisionError) for each in failures)
    assert failures[0].inputs == {"x": 0}
    assert failures[0].inputs_digest == failures[1].inputs_digest
    assert "ZeroDivisionError" in failures[0].traceback
    assert "60 // x" in failures[0].traceback


def test_collect_gives_the_good_rows(any_engine):
    collected = pipeline(any_engine).map(
        INPUTS, "x", output_name="shifted", outputs="columns", on_error="collect"
    )
    assert isinstance(collected, Collected)
    assert collected.results == {"shifted": [160, 120, 112]}
    assert collected.rows == [0, 2, 4]
    assert collected.failures.to_pydict()["row"] == [1, 3]
    assert collected.failures.to_pydict()["error"] == ["ZeroDivisionError"] * 2
    assert collected.failures.to_pydict()["node"] == ["invert"] * 2


def test_no_failure_and_only_failures(engine):
    good, rows, failures = pipeline(engine).map({"x": [1], "y": 1}, "x", on_error="collect")
    assert (good, rows, failures) == ([{"inverse": 60, "shifted": 61, "doubled": 2}], [0], ())
    bad, rows, failures = pipeline(engine).map({"x": [0, 0], "y": 1}, "x", on_error="collect")
    assert (bad, rows, len(failures)) == ([], [], 2)
    assert pipeline(engine).map({"x": [], "y": 1}, "x", on_error="collect") == ([], [], ())


def test_the_failures_of_a_run_are_gone_after_the_next():
    mapped = pipeline()
    mapped.map(INPUTS, "x", on_error="null")
    assert len(mapped.last_run.failures) == 2
    mapped.map({"x": [1], "y": 1}, "x")
    assert mapped.last_run.failures == ()


@pytest.mark.parametrize("make", [MemoryCache, DiskCache])
def test_nothing_failed_is_stored_and_the_rest_is(engine, make, tmp_path):
    cache = DiskCache(tmp_path / "cache") if make is DiskCache else MemoryCache()
    mapped = pipeline(engine, cache=cache)
    first = mapped.map(INPUTS, "x", on_error="null")
    assert mapped.map(INPUTS, "x", on_error="null") == first
    nodes = mapped.last_run.nodes
    assert nodes["double"].rows_cached == 5
    assert (nodes["invert"].rows_run, nodes["invert"].rows_cached) == (0, 3)
    assert [each.row for each in mapped.last_run.failures] == [1, 3]


@pytest.mark.parametrize("shape", ["arrow", "pandas", "polars", "daft"])
def test_tables(engine, shape):
    @node("inverse")
    def invert(x: int) -> int:
        return 60 // x

    table = Pipeline([invert], engine=engine).map(INPUTS, "x", outputs=shape, on_error="null")
    assert len(table if shape != "daft" else table.to_arrow()) == 5
    if shape == "arrow":
        assert table.column("inverse").to_pylist() == [60, None, 20, None, 12]
        assert str(table.schema.field("inverse").type) == "int64"
    collected = Pipeline([invert], engine=engine).map(
        INPUTS, "x", outputs=shape, on_error="collect"
    )
    assert collected.rows == [0, 2, 4]


def test_columns_of_cpp_nodes(any_engine, node_library, tmp_path):
    library = load(node_library("nodes_a"))
    cache = DiskCache(tmp_path / "cache")
    mapped = Pipeline([library.twice, library.fail_at_six], engine=any_engine, cache=cache)
    inputs = {"x": [1, 3, 5, 3]}
    columns = mapped.map(inputs, "x", outputs="columns", on_error="null")
    assert columns == {"doubled": [2, 6, 10, 6], "checked": [2, None, 10, None]}
    table = mapped.map(inputs, "x", outputs="arrow", on_error="null")
    assert table.column("checked").to_pylist() == [2, None, 10, None]
    assert str(table.schema.field("checked").type) == "int64"
    collected = mapped.map(inputs, "x", output_name="checked", outputs="arrow", on_error="collect")
    assert collected.results.column("checked").to_pylist() == [2, 10]
    assert [(each.row, each.error.row) for each in collected.failures] == [(1, 1), (3, 3)]
    assert all(isinstance(each.error, ExecutionError) for each in collected.failures)


def test_a_nested_pipeline_fails_the_outer_row(engine):
    inner = Pipeline([invert, shift], name="inner")
    outer = Pipeline([inner.as_node(name="nested"), double], engine=engine)
    rows = outer.map(INPUTS, "x", on_error="null")
    assert [row["shifted"] for row in rows] == [160, None, 120, None, 112]
    assert [row["doubled"] for row in rows] == [2, 0, 6, 0, 10]
    assert [(each.row, each.path) for each in outer.last_run.failures] == [
        (1, ("nested", "invert")),
        (3, ("nested", "invert")),
    ]


def test_a_mapped_nested_pipeline_fails_the_outer_row(any_engine):
    inner = Pipeline([invert]).as_node(map_over="x", name="each")
    outer = Pipeline([inner], engine=any_engine)
    lists = [[1, 2], [3, 0], [], [0]]
    results, rows, failures = outer.map({"x": lists}, "x", on_error="collect")
    assert results == [{"inverse": [60, 30]}, {"inverse": []}]
    assert rows == [0, 2]
    assert [(each.row, each.path) for each in failures] == [
        (1, ("each", "invert")),
        (3, ("each", "invert")),
    ]


def test_a_batch_call_fails_all_its_rows():
    @node("total", batch=True)
    def total(x):
        raise ValueError("whole batch")

    mapped = Pipeline([total, double])
    rows = mapped.map({"x": [1, 2, 3]}, "x", on_error="null")
    assert rows == [{"total": None, "doubled": 2 * x} for x in (1, 2, 3)]
    assert [each.row for each in mapped.last_run.failures] == [0, 1, 2]


def test_async_nodes_go_on(engine):
    calls = []

    @node("slept")
    async def sleep(x):
        calls.append(x)
        await asyncio.sleep(0)
        if x % 3 == 0:
            raise ValueError(x)
        return x

    results, rows, failures = Pipeline([sleep], engine=engine).map(
        {"x": list(range(10))}, "x", on_error="collect"
    )
    assert results == [{"slept": x} for x in rows]
    assert rows == [1, 2, 4, 5, 7, 8]
    assert [each.row for each in failures] == [0, 3, 6, 9]
    assert sorted(calls) == list(range(10))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_never_collected(error):
    @node("out")
    def stop(x):
        raise error

    with pytest.raises(error):
        Pipeline([stop]).map({"x": [1, 2]}, "x", on_error="collect")


def test_an_exception_of_a_callback_is_never_collected():
    class Bad(PipelineCallback):
        def on_node_end(self, *_args, **_kwargs):
            raise RuntimeError("callback")

    with pytest.raises(RuntimeError, match="callback"):
        Pipeline([double], callbacks=[Bad()]).map({"x": [1]}, "x", on_error="collect")


def test_each_failure_is_told_once(engine):
    class Errors(PipelineCallback):
        def __init__(self):
            self.told = []

        def on_error(self, node_id, error, ctx):
            self.told.append((node_id, type(error)))

    errors = Errors()
    pipeline(engine, callbacks=[errors]).map(INPUTS, "x", on_error="null")
    assert errors.told == [("invert", ZeroDivisionError)] * 2


def test_replay_runs_the_node_again():
    calls = []

    @node("inverse")
    def upstream(x):
        calls.append(x)
        return x

    @node("out")
    def fail(inverse, y):
        if inverse == 2:
            raise ValueError(f"{inverse} {y}")
        return inverse

    mapped = Pipeline([upstream, fail], cache=MemoryCache())
    _, _, failures = mapped.map({"x": [1, 2], "y": 5}, "x", on_error="collect")
    with pytest.raises(ValueError, match="2 5"):
        mapped.replay(failures[0])
    assert calls == [1, 2]


def test_replay_in_a_nested_pipeline():
    outer = Pipeline([Pipeline([invert]).as_node(name="nested")])
    _, _, failures = outer.map({"x": [1, 0]}, "x", on_error="collect")
    with pytest.raises(ZeroDivisionError):
        outer.replay(failures[0])


def test_an_unknown_word():
    with pytest.raises(PlanError, match="Unknown on_error 'ignore'"):
        pipeline().map(INPUTS, "x", on_error="ignore")


def random_nodes(rng):
    nodes = []
    names = ["x"]
    for index in range(rng.randint(2, 7)):
        inputs = rng.sample(names, min(len(names), rng.randint(1, 2)))
        modulus, salt = rng.randint(2, 5), rng.randint(0, 9)
        arguments = ", ".join(inputs)
        space = {}
        exec(
            f"def n{index}({arguments}):\n"
            f"    total = {' + '.join(inputs)} + {salt}\n"
            f"    if total % {modulus} == 0: raise ValueError(total)\n"
            f"    return total\n",
            space,
        )
        nodes.append(node(f"v{index}")(space[f"n{index}"]))
        names.append(f"v{index}")
    return nodes


@pytest.mark.parametrize("seed", range(12))
def test_engines_agree_on_random_graphs(seed):
    rng = random.Random(seed)
    nodes = random_nodes(rng)
    items = [rng.randint(0, 30) for _ in range(40)]

    def outcome(engine, cache):
        mapped = Pipeline(nodes, engine=engine, cache=cache)
        rows = mapped.map({"x": items}, "x", on_error="null")
        failed = sorted((f.row, f.node, str(f.error)) for f in mapped.last_run.failures)
        return rows, failed

    def expected():
        rows, failed = [], []
        for row, x in enumerate(items):
            values = {"x": x}
            for each in nodes:
                values.setdefault(each.output_name, None)
                arguments = [values[name] for name in each.root_args]
                if None in arguments:
                    continue
                try:
                    values[each.output_name] = each(*arguments)
                except ValueError as error:
                    failed.append((row, each.name, str(error)))
            del values["x"]
            rows.append(values)
        return rows, sorted(failed)

    want = expected()
    for make in HERE.values():
        for cache in (None, MemoryCache()):
            assert outcome(make(), cache) == want
