# SPDX-License-Identifier: MIT
"""Section 3, run: what the table of cases does not show."""

from __future__ import annotations

import asyncio

import pytest

from contract.calls import ran, take
from contract.cases.common import add_ten, chain, double, same
from contract.cases.nodes import fetch
from contract.engines import ENGINES
from hypernodes import ExecutionError, Node, Pipeline, SeqEngine, load


def test_result_is_a_plain_dict(engine):
    assert type(chain(engine=engine).run({"x": 1})) is dict


def test_inputs_by_keyword_names(engine):
    pipeline = chain()
    assert pipeline.run(inputs={"x": 1}, output_name="result", engine=engine) == {"result": 12}


def test_engine_of_the_call_wins():
    class Loud(SeqEngine):
        def run(self, *args, **options):
            return {"loud": super().run(*args, **options)}

    pipeline = chain(engine=SeqEngine())
    assert pipeline.run({"x": 1}, "doubled", engine=Loud()) == {"loud": {"doubled": 2}}
    assert pipeline.run({"x": 1}, "doubled") == {"doubled": 2}


def test_inputs_are_not_changed(engine):
    given = {"x": 5, "doubled": 1000}
    chain(engine=engine).run(given)
    assert given == {"x": 5, "doubled": 1000}


def test_objects_travel_by_reference():
    thing = object()
    assert Pipeline([same]).run({"value": thing})["same"] is thing


def test_mutation_by_a_node_is_seen_by_the_next_on_the_sequential_engine():
    first = Node(lambda items: items.append(1) or items, "first")
    second = Node(lambda first: list(first), "second")
    items = []
    assert Pipeline([first, second]).run({"items": items})["second"] == [1]
    assert items == [1]


def test_statistics_are_beside_the_result(engine):
    pipeline = chain(engine=engine)
    assert pipeline.last_run is None
    pipeline.run({"x": 1}, "doubled")
    assert {name: n.rows_run for name, n in pipeline.last_run.nodes.items()} == {"double": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit])
def test_no_exception_is_wrapped(engine, error):
    def fail(x):
        raise error("stop")

    with pytest.raises(error) as caught:
        Pipeline([Node(fail, "out")], engine=engine).run({"x": 1})
    assert type(caught.value) is error


def test_the_exception_object_itself_comes_out(engine):
    failure = LookupError("gone")

    def fail(x):
        raise failure

    with pytest.raises(LookupError) as caught:
        Pipeline([Node(fail, "out")], engine=engine).run({"x": 1})
    assert caught.value is failure
    assert "fail" in [entry.name for entry in caught.traceback]


def test_a_failing_cpp_node_is_an_execution_error(engine, node_library):
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, library.fail_at_six], engine=engine)
    with pytest.raises(ExecutionError, match="six is bad") as caught:
        pipeline.map({"x": [1, 2, 3]}, "x")
    assert isinstance(caught.value, RuntimeError)
    assert (caught.value.node, caught.value.row) == ("fail_at_six", 2)
    with pytest.raises(ExecutionError, match="six is bad"):
        pipeline.run({"x": 3})


def test_cpp_and_python_nodes_mix(engine, node_library):
    library = load(str(node_library("nodes_a")))
    pipeline = Pipeline([library.twice, add_ten], engine=engine)
    assert pipeline.run({"x": 5}) == {"doubled": 10, "result": 20}
    rows = pipeline.map({"x": [1, 2]}, "x", outputs="records")
    assert rows == [{"doubled": 2, "result": 12}, {"doubled": 4, "result": 14}]


def test_async_inside_a_running_loop(engine):
    async def main():
        return Pipeline([fetch], engine=engine).run({"x": 1})

    assert asyncio.run(main()) == {"fetched": 2}
    assert take() == [("fetch", 1)]


class Inside:
    """How many coroutines are waiting at a time."""

    def __init__(self):
        self.now = 0
        self.most = 0

    async def wait(self):
        """Waits for another, but not for long."""
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            if self.most > 1:
                break
            await asyncio.sleep(0.005)
        self.now -= 1


def waiting(inside, output_name):
    async def wait(x):
        await inside.wait()
        return x

    return Node(wait, output_name)


def test_async_nodes_of_a_row_run_concurrently(engine):
    inside = Inside()
    pipeline = Pipeline([waiting(inside, "first"), waiting(inside, "second")], engine)
    assert pipeline.run({"x": 1}) == {"first": 1, "second": 1}
    assert inside.most == 2


@pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES if not spec.ordered])
def test_async_nodes_of_several_rows_run_concurrently(spec):
    inside = Inside()
    pipeline = Pipeline([waiting(inside, "out")], spec.make())
    columns = pipeline.map({"x": list(range(12))}, "x", outputs="columns")
    assert columns == {"out": list(range(12))}
    assert inside.most >= 2


def test_async_nodes_of_rows_run_one_after_another_on_the_sequential_engine():
    inside = Inside()
    Pipeline([waiting(inside, "out")]).map({"x": [1, 2]}, "x")
    assert inside.most == 1


def test_async_errors_come_out_once(engine):
    async def fail(x):
        ran("fail", x)
        raise RuntimeError("no running event loop")

    with pytest.raises(RuntimeError, match="no running event loop"):
        Pipeline([Node(fail, "out")], engine=engine).run({"x": 1})
    assert take() == [("fail", 1)]


def test_concurrent_runs_of_one_pipeline(engine):
    from concurrent.futures import ThreadPoolExecutor

    pipeline = Pipeline([double, add_ten], engine=engine)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: pipeline.run({"x": x}), range(40)))
    assert results == [{"doubled": 2 * x, "result": 2 * x + 10} for x in range(40)]
