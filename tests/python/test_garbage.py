# SPDX-License-Identifier: MIT
"""Pipelines that their own nodes refer to are freed, and those in use are not."""

import gc
import weakref

import pytest

from hypernodes import BatchNode, DaftEngine, MemoryCache, Node, Pipeline, Retry, node, stateful


class Service:
    """An object that has a pipeline of its own methods."""

    def __init__(self, **options):
        self.pipeline = Pipeline([Node(self.step, "y", **options)])

    def step(self, x):
        return x + 1


def method():
    return Service().pipeline


def method_with_limits():
    return Service(retry=Retry(delay=0), timeout=60).pipeline


def closure():
    @node("y")
    def step(x):
        return x + len(pipeline.nodes)

    pipeline = Pipeline([step])
    return pipeline


def closure_of_an_async_function():
    @node("y")
    async def step(x):
        return x + len(pipeline.nodes)

    pipeline = Pipeline([step])
    return pipeline


def closure_of_a_batch():
    def step(x: list) -> list:
        return [each + len(pipeline.nodes) for each in x]

    pipeline = Pipeline([BatchNode(step, "y")])
    return pipeline


def stateful_object():
    @stateful
    class Step:
        def __init__(self, pipelines):
            self.pipelines = pipelines

        def __call__(self, x):
            return x + 1

    pipelines = []
    pipelines.append(Pipeline([Node(Step(pipelines), "y")]))
    return pipelines[0]


def nested():
    @node("y")
    def step(x):
        return x + len(pipeline.nodes)

    pipeline = Pipeline([Pipeline([step]).as_node()])
    return pipeline


def uncached_later():
    pipeline = method()
    pipeline.nodes[0].cache = False
    return pipeline


MADE = [
    method,
    method_with_limits,
    closure,
    closure_of_an_async_function,
    closure_of_a_batch,
    stateful_object,
    nested,
    uncached_later,
]


def use(pipeline, cache=None):
    pipeline.with_cache(cache)
    assert pipeline.run({"x": 1}) == {"y": 2}
    assert pipeline.map({"x": [1, 2]}, "x", output_name="y") == [{"y": 2}, {"y": 3}]
    assert pipeline.run({"x": 1}, overrides={"y": 5}) == {"y": 5}


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.filterwarnings("ignore::hypernodes.exceptions.UncachedWarning")
def test_a_circle_is_freed(make, cached, used):
    pipeline = make()
    if used:
        use(pipeline, MemoryCache() if cached else None)
    gone = weakref.ref(pipeline)
    gc.collect()
    assert gone() is pipeline
    del pipeline
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("make", MADE)
def test_what_is_in_use_is_kept(make):
    pipeline = make()
    outer = Pipeline([pipeline.as_node(input_mapping={"xs": "x"}, map_over="xs")])
    del pipeline
    gc.collect()
    assert outer.run({"xs": [1, 2]}) == {"y": [2, 3]}


def test_a_graph_that_another_thread_has_keeps_its_functions():
    pipeline = method()
    before = pipeline._native()
    given = pipeline._native(overrides=["y"])
    pipeline.nodes[0].cache = False  # the next graph has another native node
    pipeline.run({"x": 1})
    del pipeline
    gc.collect()
    assert before.run({"x": 1}, None, None, None) == {"y": 2}
    assert given.run({"y": 1}, None, None, None) == {"y": 1}


@pytest.mark.daft
def test_a_dataframe_keeps_the_functions():
    daft = pytest.importorskip("daft")

    def made():
        return closure()

    frame = DaftEngine().dataframe(made(), {"x": [1, 2]}, "x")
    extended = made().with_columns(daft.from_pydict({"x": [1, 2]}))
    gc.collect()
    assert frame.to_pydict()["y"] == [2, 3]
    assert extended.to_pydict()["y"] == [2, 3]


def test_a_collection_while_a_pipeline_is_made_frees_nothing_of_it():
    before = gc.get_threshold()
    try:
        for x in range(40):
            gc.set_threshold(x + 1, 1, 1)  # so it begins at every object in turn
            pipeline = closure()
            assert pipeline.map({"x": [x]}, "x") == [{"y": x + 1}]
    finally:
        gc.set_threshold(*before)
