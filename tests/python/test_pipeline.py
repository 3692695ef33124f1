# SPDX-License-Identifier: MIT
"""Pipeline: wiring, run, bind, errors, settings, statistics."""

import gc
import pickle
import re
import sys
import threading
import weakref

import pytest

from hypernodes import (
    CycleError,
    DependencyError,
    HyperNodesError,
    Node,
    Pipeline,
    SeqEngine,
    SequentialEngine,
    node,
)
from hypernodes.protocols import Engine


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


# Building -------------------------------------------------------------------------------------


def test_two_producers_of_a_name_are_refused():
    with pytest.raises(
        DependencyError, match=r"^Multiple nodes produce output 'a': f and g"
    ) as caught:
        Pipeline([named("f", [], "a"), named("g", [], "a")])
    assert isinstance(caught.value, ValueError | HyperNodesError)
    assert caught.value.message == "Multiple nodes produce output 'a': f and g"
    assert caught.value.fix


def test_cycle_is_refused_and_named():
    with pytest.raises(CycleError, match=r"f -> g -> f|g -> f -> g"):
        Pipeline([named("f", ["b"], "a"), named("g", ["a"], "b")])


def test_node_that_needs_its_own_output_is_a_cycle():
    with pytest.raises(CycleError, match="f -> f"):
        Pipeline([named("f", ["a"], "a")])


def test_what_is_no_node_is_refused():
    with pytest.raises(TypeError, match="A pipeline is made of nodes, got function"):
        Pipeline([lambda x: x])


def test_execution_order_does_not_depend_on_the_list():
    nodes = [
        named("d", ["b", "c"], "d"),
        named("c", ["a"], "c"),
        named("b", ["a"], "b"),
        named("a", ["x"], "a"),
    ]
    for ordered in (nodes, nodes[::-1]):
        graph = Pipeline(ordered).graph
        assert [n.name for n in graph.execution_order] == ["a", "b", "c", "d"]
        assert list(Pipeline(ordered).run({"x": 0})) == ["a", "b", "c", "d"]


def test_graph_attributes(pipeline):
    graph = pipeline.graph
    assert graph.output_to_node == {"result": add_ten, "doubled": double, "other": other}
    assert graph.root_args == ["x", "y"]
    assert graph.available_output_names == ["doubled", "other", "result"]
    assert graph.dependencies == {add_ten: [double], double: [], other: []}
    assert graph.required_outputs == {}
    assert graph.get_required_nodes("result") == [double, add_ten]
    assert graph.get_required_nodes(None) is None
    with pytest.raises(ValueError, match="nope"):
        graph.get_required_nodes(["nope"])


def test_empty_pipeline_runs_to_nothing():
    assert Pipeline([]).run() == {}
    assert Pipeline([]).run({"x": 1}) == {}
    assert Pipeline([]).name is None


def test_identity_repr_and_id(pipeline):
    assert pipeline == pipeline
    assert pipeline != Pipeline(pipeline.nodes)
    assert len({pipeline, Pipeline([])}) == 2
    assert pipeline.id.startswith("pipeline_")
    assert pipeline.id != Pipeline([]).id
    assert repr(pipeline.with_name("p").bind(y=1)) == (
        "Pipeline(name='p', nodes=3, bound=[y=1], needs=[x])"
    )


# Running --------------------------------------------------------------------------------------


def test_run_gives_every_output_in_execution_order(pipeline):
    result = pipeline.run(inputs={"x": 5, "y": 1})
    assert type(result) is dict
    assert result == {"doubled": 10, "other": -1, "result": 20}
    assert list(result) == ["doubled", "result", "other"] or list(result) == [
        n.output_name for n in pipeline.graph.execution_order
    ]


def test_output_name_selects_orders_and_prunes(pipeline):
    assert pipeline.run({"x": 5}, output_name="result") == {"result": 20}
    chosen = pipeline.run({"x": 5}, output_name=["result", "doubled"])
    assert list(chosen.items()) == [("result", 20), ("doubled", 10)]
    assert pipeline.run(output_name=[]) == {}
    calls = []
    counted = Pipeline([double, Node(lambda: calls.append(1), "effect")])
    counted.run({"x": 1}, output_name="doubled")
    assert calls == []


def test_surplus_and_intermediate_inputs_are_ignored(pipeline):
    given = {"x": 5, "y": 1, "z": 0, "doubled": 1000}
    assert pipeline.run(given)["result"] == 20
    assert given == {"x": 5, "y": 1, "z": 0, "doubled": 1000}


def test_objects_travel_by_reference():
    value = [1, 2]
    result = Pipeline([Node(lambda v: v, "same"), Node(lambda same: same, "again")]).run(
        {"v": value}
    )
    assert result["same"] is value
    assert result["again"] is value


@pytest.mark.parametrize(
    ("inputs", "output_name", "text"),
    [
        ({}, None, "Missing required input(s): ['x', 'y']. Required inputs: ['x', 'y']"),
        ({"y": 1}, None, "Missing required input(s): ['x']. Required inputs: ['x', 'y']"),
        ({"y": 1}, "result", "Missing required input(s): ['x']. Required inputs: ['x']"),
        (
            {"x": 1},
            ["nope", "result"],
            "Output name(s) ['nope'] not found in pipeline. Available outputs:"
            " ['doubled', 'other', 'result']",
        ),
    ],
)
def test_bad_requests_fail_before_any_node_runs(inputs, output_name, text):
    calls = []

    @node(output_name="doubled")
    def counted(x):
        calls.append(x)
        return x

    pipeline = Pipeline([counted, add_ten, other])
    for attempt in (
        lambda: pipeline.run(inputs, output_name),
        lambda: pipeline.map(inputs, "x", output_name=output_name),
    ):
        with pytest.raises(ValueError, match=r"^" + re.escape(text)) as caught:
            attempt()
        assert isinstance(caught.value, HyperNodesError)
        assert str(caught.value).splitlines()[0] == text
    assert calls == []


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_any_exception_passes(error):
    def fail():
        raise error

    with pytest.raises(error):
        Pipeline([Node(fail, "out")]).run()


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


# Settings -------------------------------------------------------------------------------------


def test_bind_merges_under_given_inputs(pipeline):
    assert pipeline.bind(x=1).bind(y=2, nobody=3) is pipeline
    assert pipeline.bound_inputs == {"x": 1, "y": 2, "nobody": 3}
    pipeline.bound_inputs["x"] = 100
    assert pipeline.unfulfilled_args == ()
    assert pipeline.run()["result"] == 12
    assert pipeline.run({"x": 2})["result"] == 14
    assert pipeline.run()["result"] == 12
    assert pipeline.unbind("x", "unknown").bound_inputs == {"y": 2, "nobody": 3}
    assert pipeline.unbind().bound_inputs == {}
    assert pipeline.unfulfilled_args == ("x", "y")


def test_settings_are_the_objects_given():
    nodes, engine, callbacks = [double], SeqEngine(), []
    pipeline = Pipeline(nodes, engine, None, callbacks, "p")
    assert pipeline.nodes is nodes
    assert pipeline.engine is engine
    assert pipeline.callbacks is callbacks
    assert pipeline.cache is None
    assert pipeline.name == "p"
    replacement = SequentialEngine()
    assert pipeline.with_engine(replacement) is pipeline
    assert pipeline.engine is replacement
    assert pipeline.with_name("q").name == "q"
    assert isinstance(Pipeline([]).engine, SeqEngine)


class Recorder:
    """An engine of a user."""

    def __init__(self):
        self.calls = []

    def run(self, pipeline, inputs, output_name=None, **options):
        self.calls.append(("run", pipeline, inputs, output_name, options))
        return "ran"

    def map(self, pipeline, inputs, map_over, map_mode="zip", output_name=None, **options):
        self.calls.append(("map", pipeline, inputs, map_over, map_mode, output_name, options))
        return "mapped"


def test_engine_gets_merged_inputs_and_its_result_is_untouched(pipeline):
    engine = Recorder()
    assert isinstance(engine, Engine)
    pipeline.bind(y=1)
    assert pipeline.run({"x": 2}, "result", engine=engine, fast=True) == "ran"
    assert pipeline.with_engine(engine).map({"x": [2]}, "x", output_name=["result"]) == "mapped"
    assert engine.calls == [
        ("run", pipeline, {"y": 1, "x": 2}, "result", {"fast": True}),
        ("map", pipeline, {"y": 1, "x": [2]}, ["x"], "zip", ["result"], {}),
    ]
    with pytest.raises(ValueError, match="Missing required"):
        pipeline.unbind().run()


def test_engine_can_be_called_directly_and_subclassed(pipeline):
    class Loud(SeqEngine):
        def run(self, pipeline, inputs, output_name=None, **options):
            return {"loud": super().run(pipeline, inputs, output_name, **options)}

    assert SeqEngine().run(pipeline, {"x": 1, "y": 1}, "result") == {"result": 12}
    assert SeqEngine().map(pipeline, {"x": [1], "y": 1}, "x", output_name="result") == [
        {"result": 12}
    ]
    assert pipeline.with_engine(Loud()).run({"x": 1}, "result") == {"loud": {"result": 12}}


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


def test_pipeline_pickles():
    pipeline = Pipeline([double, add_ten], name="p", engine=SeqEngine()).bind(x=4)
    pipeline.run()
    copy = pickle.loads(pickle.dumps(pipeline))
    assert copy.run() == {"doubled": 8, "result": 18}
    assert copy.name == "p"
    assert copy.bound_inputs == {"x": 4}
    assert copy.last_run.nodes["double"].rows_run == 1


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
