# SPDX-License-Identifier: MIT
"""Section 6: what callbacks are told, beside the events of the table of cases."""

from __future__ import annotations

import pytest

from contract.calls import ran, take
from contract.cases.common import add_ten, chain, double
from contract.cases.nested import results_of, total
from contract.cases.nodes import bounds
from contract.engines import ENGINES
from contract.events import HOOKS, Recorder, check_unordered, lines, starts
from hypernodes import CallbackContext, Node, Pipeline, PipelineCallback


class Asking(PipelineCallback):
    """Notes what the context says in every hook; no super().__init__()."""

    def __init__(self, ask):
        self.ask = ask
        self.seen = []


def _asking(hook):
    def method(self, *values):
        self.seen.append((hook[3:], *self.ask(values[-1])))

    return method


for _hook in HOOKS:
    setattr(Asking, _hook, _asking(_hook))


def asked(ask, call, engine, pipeline=None, **settings):
    """What the context says in each hook of a call."""
    callback = Asking(ask)
    pipeline = chain(name="p") if pipeline is None else pipeline
    pipeline.with_engine(engine).with_callbacks([callback])
    for name, value in settings.items():
        setattr(pipeline, name, value)
    call(pipeline)
    return callback.seen


def run(pipeline):
    return pipeline.run({"x": 1})


def map_two(pipeline):
    return pipeline.map({"x": [1, 2]}, "x")


# Hooks -----------------------------------------------------------------------------------------


def test_the_base_is_concrete_and_does_nothing(engine):
    assert run(chain(engine=engine, callbacks=[PipelineCallback()])) == {"doubled": 2, "result": 12}


def test_hooks_are_called_positionally(engine):
    seen = []

    class Own(PipelineCallback):
        def on_node_start(self, who, what, where, /):
            seen.append((who, what))

        def on_node_end(self, a, b, c, d, /):
            seen.append((a, b))

        def on_map_start(self, n, ctx, /):
            seen.append(n)

    chain(engine=engine, callbacks=[Own()]).map({"x": [1]}, "x", output_name="doubled")
    assert seen == [1, ("double", {"x": 1}), ("double", {"doubled": 2})]


def test_callbacks_fire_in_the_order_of_the_list(engine):
    order = []

    class Named(PipelineCallback):
        def __init__(self, name):
            self.name = name

        def on_node_start(self, node_id, inputs, ctx):
            order.append((node_id, self.name))

    chain(engine=engine, callbacks=[Named("b"), Named("a")]).run({"x": 1})
    assert order == [("double", "b"), ("double", "a"), ("add_ten", "b"), ("add_ten", "a")]


def test_a_later_hook_of_one_callback_waits_for_the_other(engine):
    order = []

    class Named(PipelineCallback):
        def __init__(self, name):
            self.name = name

        def on_node_start(self, node_id, inputs, ctx):
            order.append(("start", self.name))

        def on_node_end(self, node_id, outputs, duration, ctx):
            order.append(("end", self.name))

    Pipeline([double], engine, None, [Named(1), Named(2)]).run({"x": 1})
    assert order == [("start", 1), ("start", 2), ("end", 1), ("end", 2)]


@pytest.mark.parametrize(
    ("returned", "outputs"),
    [
        ({"a": 1}, {"out": {"a": 1}}),
        ((1, 2), {"out": (1, 2)}),
        ([1], {"out": [1]}),
        (None, {"out": None}),
    ],
)
def test_outputs_are_always_by_name(engine, returned, outputs):
    seen = []

    class Watch(PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            seen.append(outputs)

    Pipeline([Node(lambda: returned, "out")], engine, None, [Watch()]).run()
    assert seen == [outputs]


def test_inputs_by_parameter_and_outputs_by_name(engine):
    recorder = Recorder()
    Pipeline([bounds], engine, None, [recorder], "p").run({"x": 1})
    assert recorder.lines[1:3] == [
        "  node_start bounds {'x': 1}",
        "  node_end bounds {'low': 0, 'high': 2}",
    ]


def test_objects_reach_callbacks_as_they_are(engine):
    thing, seen = object(), []

    class Watch(PipelineCallback):
        def on_node_start(self, node_id, inputs, ctx):
            seen.append(inputs["value"])

        def on_node_end(self, node_id, outputs, duration, ctx):
            seen.append(outputs["same"])

    Pipeline([Node(lambda value: value, "same")], engine, None, [Watch()]).run({"value": thing})
    assert seen[0] is thing
    assert seen[1] is thing


@pytest.mark.parametrize(
    "hook", ["on_pipeline_start", "on_node_start", "on_node_end", "on_map_start"]
)
def test_an_exception_in_a_callback_stops_the_run(engine, hook):
    class Stop(PipelineCallback):
        pass

    def stop(self, *values):
        raise RuntimeError("enough")

    setattr(Stop, hook, stop)
    with pytest.raises(RuntimeError, match="enough") as caught:
        chain(engine=engine, callbacks=[Stop()]).map({"x": [1, 2, 3]}, "x")
    assert type(caught.value) is RuntimeError
    assert ("add_ten", 6) not in take()


@pytest.mark.parametrize("hook", ["on_pipeline_end", "on_nested_pipeline_start"])
def test_an_exception_in_a_callback_names_no_node(engine, hook):
    def stop(self, *values):
        raise RuntimeError("enough")

    callback = type("Stop", (PipelineCallback,), {hook: stop})()
    outer = Pipeline([chain().as_node()], engine, None, [callback])
    with pytest.raises(RuntimeError, match="enough") as caught:
        outer.map({"x": [1]}, "x")
    assert getattr(caught.value, "__notes__", []) == []


def test_a_callback_of_an_outer_pipeline_may_run_pipelines_itself(engine):
    class Runs(PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            assert chain(engine=engine).run({"x": 1}, "doubled") == {"doubled": 2}

    rows = chain(engine=engine, callbacks=[Runs()]).map({"x": [1]}, "x", outputs="records")
    assert rows == [{"doubled": 2, "result": 12}]


# The context -----------------------------------------------------------------------------------


def test_one_context_for_the_whole_run(engine):
    recorder = Recorder()
    outer = Pipeline([results_of(chain(name="inner")), total], engine, None, [recorder], "outer")
    outer.run({"items": [1, 2]})
    assert len(recorder.contexts) == 1
    assert isinstance(recorder.contexts[0], CallbackContext)
    outer.run({"items": [1]})
    assert len(recorder.contexts) == 2


def test_callbacks_share_what_they_keep_in_it(engine):
    seen = []

    class Writes(PipelineCallback):
        def on_pipeline_start(self, pipeline_id, inputs, ctx):
            ctx.set("note", pipeline_id)

    class Reads(PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            seen.append(ctx.get("note") == ctx.current_pipeline_id)

    chain(engine=engine, callbacks=[Writes(), Reads()]).run({"x": 1})
    assert seen == [True, True]


def test_path_of_a_nested_run(engine):
    inner = chain(name="inner")
    outer = Pipeline([inner.as_node()], name="outer")

    def ask(ctx):
        names = {outer.id: "outer", inner.id: "inner"}
        path = [names[each] for each in ctx.hierarchy_path]
        around = (names.get(ctx.current_pipeline_id), names.get(ctx.parent_pipeline_id))
        return ctx.depth, path, around

    top, deep = (1, ["outer"], ("outer", None)), (2, ["outer", "inner"], ("inner", "outer"))
    assert asked(ask, run, engine, outer) == [
        ("pipeline_start", *top),
        ("node_start", *top),
        ("nested_pipeline_start", *top),
        ("pipeline_start", *deep),
        *[("node_start", *deep), ("node_end", *deep)] * 2,
        ("pipeline_end", *deep),
        ("nested_pipeline_end", *top),
        ("node_end", *top),
        ("pipeline_end", *top),
    ]


def test_context_is_popped_after_the_end_and_after_an_error(engine):
    fails = Node(lambda x: 1 // x, "out")
    for pipeline, given in ((chain(), 1), (Pipeline([fails]), 0)):
        recorder = Recorder()
        pipeline.with_engine(engine).with_callbacks([recorder])
        try:
            pipeline.run({"x": given})
        except ZeroDivisionError:
            assert recorder.lines[-1].startswith("  error")
        assert recorder.contexts[0].depth == 0


def test_metadata(engine):
    pipeline = chain(name="p")
    expected = {"total_nodes": 2, "pipeline_name": "p", "node_ids": ["double", "add_ten"]}

    def ask(ctx):
        return [ctx.get_pipeline_metadata(pipeline.id) == expected]

    assert {answer for _, answer in asked(ask, run, engine, pipeline)} == {True}


def test_metadata_of_a_pipeline_without_a_name(engine):
    pipeline = chain()

    def ask(ctx):
        return [ctx.get_pipeline_metadata(pipeline.id)["pipeline_name"] == pipeline.id]

    assert all(answer for _, answer in asked(ask, run, engine, pipeline))


def test_metadata_are_there_before_a_map_starts(engine):
    pipeline = chain(name="p")

    def ask(ctx):
        return [ctx.get_pipeline_metadata(pipeline.id).get("total_nodes")]

    assert asked(ask, map_two, engine, pipeline)[0] == ("map_start", 2)


def test_metadata_of_a_nested_map_are_there_before_it_starts(engine):
    inner = chain(name="inner")
    outer = Pipeline([results_of(inner)], name="outer")

    def ask(ctx):
        return [ctx.get_pipeline_metadata(inner.id).get("pipeline_name")]

    seen = asked(ask, lambda p: p.run({"items": [1]}), engine, outer)
    assert ("map_start", "inner") in seen


def in_map(ctx):
    return [ctx.get("_in_map"), ctx.get("_map_total_items"), ctx.get("_map_item_index")]


def test_outside_a_map_the_context_says_so(engine):
    for _, inside, _, index in asked(in_map, run, engine):
        assert not inside
        assert index is None


def test_a_nested_map_leaves_the_context_as_it_was(engine):
    outer = Pipeline([results_of(chain(name="inner")), total])
    seen = asked(in_map, lambda p: p.run({"items": [1, 2]}), engine, outer)
    assert seen[-1][0] == "pipeline_end"
    for _, inside, items, index in (seen[0], seen[-2], seen[-1]):
        assert not inside
        assert items is None
        assert index is None


def test_inside_a_map_the_context_says_where():
    per_item = ["map_item_start", "pipeline_start", *["node_start", "node_end"] * 2, "pipeline_end"]
    seen = asked(in_map, map_two, ENGINES[0].make())
    assert seen[0][:3] == ("map_start", True, 2)
    assert seen[1:-1] == [
        (hook, True, 2, index) for index in (0, 1) for hook in [*per_item, "map_item_end"]
    ]


class WhichItem(PipelineCallback):
    """Which item the context names while each node runs, and the value that belongs to it."""

    def __init__(self):
        self.seen = []

    def on_node_start(self, node_id, inputs, ctx):
        self.seen.append((ctx.get("_map_item_index"), *inputs.values()))

    def on_node_end(self, node_id, outputs, duration, ctx):
        self.seen.append((ctx.get("_map_item_index"), *outputs.values()))


@pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES if spec.ordered])
def test_the_item_of_an_event(spec, cache):
    which_item(spec, cache)


@pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES if not spec.ordered])
def test_the_item_of_an_event_where_rows_are_mixed(spec, cache):
    which_item(spec, cache)


def which_item(spec, cache):
    callback = WhichItem()
    Pipeline([double], spec.make(), cache, [callback]).map({"x": [10, 11, 12, 13]}, "x")
    expected = [(i, value) for i in range(4) for value in (10 + i, 20 + 2 * i)]
    assert sorted(callback.seen) == expected


def test_item_start_time_is_in_the_context(engine):
    def ask(ctx):
        return [type(ctx.get("_map_item_start_time"))]

    seen = asked(ask, map_two, engine)
    assert ("map_item_start", float) in seen


def test_hits_and_runs_of_a_half_warm_map(engine, cache):
    recorder = Recorder()
    pipeline = Pipeline([double], engine, cache, [recorder], "p")
    pipeline.run({"x": 2})
    del recorder._lines[:]
    pipeline.map({"x": [1, 2, 1]}, "x")
    expected = lines(
        """
map_start 3
map_item_start 0
  pipeline_start p {'x': 1}
  node_start double {'x': 1}
  node_end double {'doubled': 2}
  pipeline_end p {'doubled': 2}
map_item_end 0
map_item_start 1
  pipeline_start p {'x': 2}
  node_cached double
  map_item_cached 1
  pipeline_end p {'doubled': 4}
map_item_end 1
map_item_start 2
  pipeline_start p {'x': 1}
  node_cached double
  map_item_cached 2
  pipeline_end p {'doubled': 2}
map_item_end 2
map_end
"""
    )
    if "map_item_cached 0" in map(str.strip, recorder.lines):
        # Rows that run at once: of two that are equal, either may be the one that is computed.
        assert type(engine).__name__ == "DaskEngine"
        expected = [
            line.translate(str.maketrans("02", "20")) if "item" in line else line
            for line in expected
        ]
        expected[0] = "map_start 3"
    check_unordered(recorder.lines, expected)
    if type(engine).__name__ == "SeqEngine":
        assert recorder.lines == expected


# Engines that mix rows -------------------------------------------------------------------------


def test_hits_are_told_in_a_map(engine, cache):
    recorder = Recorder()
    pipeline = chain(engine=engine, cache=cache, callbacks=[recorder], name="p")
    pipeline.map({"x": [1, 2]}, "x")
    del recorder._lines[:]
    pipeline.map({"x": [1, 2]}, "x")
    expected = lines(
        """
map_start 2
map_item_start 0
  pipeline_start p {'x': 1}
  node_cached double
  map_item_cached 0
  node_cached add_ten
  map_item_cached 0
  pipeline_end p {'doubled': 2, 'result': 12}
map_item_end 0
map_item_start 1
  pipeline_start p {'x': 2}
  node_cached double
  map_item_cached 1
  node_cached add_ten
  map_item_cached 1
  pipeline_end p {'doubled': 4, 'result': 14}
map_item_end 1
map_end
"""
    )
    check_unordered(recorder.lines, expected)
    if type(engine).__name__ == "SeqEngine":
        assert recorder.lines == expected


def test_equal_rows_of_a_cached_map_are_told_as_hits(engine, cache):
    recorder = Recorder()
    Pipeline([double], engine, cache, [recorder]).map({"x": [1, 1, 1]}, "x")
    assert starts(recorder.lines) == {"double": 1}
    assert len(recorder.signatures) == 2 * 2


def test_every_row_has_its_events_in_a_larger_map(engine):
    recorder = Recorder()
    items = list(range(300))
    Pipeline([double, add_ten], engine, None, [recorder]).map({"x": items}, "x")
    expected = ["map_start 300"]
    for x in items:
        expected += [
            f"map_item_start {x}",
            f"  pipeline_start unnamed {{'x': {x}}}",
            f"  node_start double {{'x': {x}}}",
            f"  node_end double {{'doubled': {2 * x}}}",
            f"  node_start add_ten {{'doubled': {2 * x}}}",
            f"  node_end add_ten {{'result': {2 * x + 10}}}",
            f"  pipeline_end unnamed {{'doubled': {2 * x}, 'result': {2 * x + 10}}}",
            f"map_item_end {x}",
        ]
    check_unordered(recorder.lines, [*expected, "map_end"])


def test_errors_are_told_once_and_last(engine):
    def fail(x):
        ran("fail", x)
        if x == 2:
            raise LookupError(x)
        return x

    recorder = Recorder()
    pipeline = Pipeline([Node(fail, "out")], engine, None, [recorder])
    with pytest.raises(LookupError):
        pipeline.map({"x": [0, 1, 2, 3]}, "x")
    assert [line for line in recorder.lines if "error" in line] == ["  error fail LookupError(2)"]
    assert recorder.lines[-1] == "  error fail LookupError(2)"
    assert "map_end" not in recorder.lines


def test_hooks_run_one_at_a_time(engine):
    inside, most = [], []

    class Slow(PipelineCallback):
        def on_node_start(self, node_id, inputs, ctx):
            inside.append(node_id)
            most.append(len(inside))
            inside.pop()

    Pipeline([double], engine, None, [Slow()]).map({"x": list(range(200))}, "x")
    assert set(most) == {1}
    assert len(most) == 200


@pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES if not spec.ordered])
def test_on_batch_gets_every_event(spec):
    class Batches(PipelineCallback):
        def __init__(self):
            self.sizes = []

        def on_batch(self, events):
            self.sizes.append(len(events))

    recorder, batches = Recorder(), Batches()
    pipeline = Pipeline([double], spec.make(), None, [recorder, batches])
    pipeline.map({"x": list(range(50))}, "x")
    assert sum(batches.sizes) == len(recorder.lines)
    assert len(batches.sizes) < len(recorder.lines)
