# SPDX-License-Identifier: MIT
"""Section 4: pipelines as nodes, beside the table of cases."""

from __future__ import annotations

import pytest

from contract.calls import take
from contract.cases.common import chain, double
from contract.cases.nested import add, copy, expensive, inner
from contract.cases.nodes import scale
from contract.events import Recorder
from hypernodes import DiskCache, Node, Pipeline
from hypernodes.pipeline_node import PipelineNode


def test_names_without_mappings():
    made = inner().as_node()
    assert isinstance(made, PipelineNode)
    assert made.root_args == ("x", "y")
    assert made.output_name == ("doubled", "sum")
    assert made.name == "inner"
    assert Pipeline([double]).as_node().output_name == "doubled"


def test_names_with_mappings():
    made = inner(y=1).as_node(
        input_mapping={"a": "x", "b": "y"},
        output_mapping={"sum": "a_sum", "doubled": "z_doubled"},
        name="n",
    )
    assert made.root_args == ("a",)
    assert made.output_name == ("z_doubled", "a_sum")  # in sorted inner order: doubled, sum
    assert made.name == "n"
    assert made.bound_inputs == {"b": 1}
    assert made.unfulfilled_args == ("a",)


def test_root_args_hold_what_is_mapped_over_though_bound():
    made = inner(x=1, y=2).as_node(input_mapping={"xs": "x"}, map_over="xs")
    assert made.root_args == ("xs",)


def test_without_any_name():
    made = Pipeline([double]).as_node()
    assert made.name is None
    recorder = Recorder()
    Pipeline([made], callbacks=[recorder]).run({"x": 1})
    assert recorder.lines[1] == "  node_start unnamed {'x': 1}"  # its pipeline's id


def test_name_of_the_pipeline_is_seen_later():
    pipeline = chain()
    made = pipeline.as_node()
    pipeline.with_name("late")
    assert made.name == "late"


def test_called():
    made = inner().as_node(input_mapping={"a": "x"}, output_mapping={"sum": "s"})
    assert made(a=1, y=2) == {"s": 4}
    assert inner(y=1).as_node(map_over="x")(x=[1, 2]) == {"doubled": [2, 4], "sum": [3, 5]}


@pytest.mark.parametrize(
    "options",
    [
        {"input_mapping": {"a": "nope"}},
        {"output_mapping": {"nope": "a"}},
        {"output_mapping": {"x": "a"}},
        {"map_over": "nope"},
        {"map_over": ["x", "nope"]},
        {"map_mode": "nope"},
    ],
    ids=str,
)
def test_unknown_names(options):
    with pytest.raises(ValueError, match=r"nope|'x'"):
        inner().as_node(**options)


def test_defaults_inside_stay_optional_outside():
    made = Pipeline([scale]).as_node(input_mapping={"by": "factor"})
    assert set(made.root_args) == {"x", "by"}
    assert made.unfulfilled_args == ("x",)
    assert Pipeline([made]).unfulfilled_args == ("x",)


def test_later_bind_and_unbind_are_seen(engine, cache):
    pipeline = inner()
    outer = Pipeline([Pipeline([pipeline.as_node()]).as_node()], engine=engine, cache=cache)
    with pytest.raises(ValueError, match=r"\['y'\]"):
        outer.run({"x": 1})
    for y in (1, 2, 1):
        pipeline.bind(y=y)
        assert outer.run({"x": 1}) == {"doubled": 2, "sum": 2 + y}
    assert take() == [("double", 1), ("add", 2, 1), ("add", 2, 2)]
    pipeline.unbind("y")
    assert outer.unfulfilled_args == ("x", "y")


def test_later_settings_are_seen(engine, cache):
    pipeline, recorder = chain(name="inner"), Recorder()
    outer = Pipeline([pipeline.as_node()], engine=engine)
    outer.run({"x": 1})
    pipeline.with_cache(cache).with_callbacks([recorder])
    outer.run({"x": 1})
    outer.run({"x": 1})
    assert take() == [("double", 1), ("add_ten", 2)] * 2
    assert [line.split()[0] for line in recorder.lines if "node_" in line] == [
        "node_start",
        "node_end",
        "node_start",
        "node_end",
        "node_cached",
        "node_cached",
    ]


def test_own_cache_is_used_and_others_are_inherited(engine, cache, tmp_path):
    own = DiskCache(tmp_path / "own")
    outer = Pipeline(
        [Pipeline([double], cache=own).as_node(), Node(lambda doubled: doubled, "copied")],
        engine=engine,
        cache=cache,
    )
    outer.run({"x": 1})
    assert len(own) == 1
    inherited = Pipeline([Pipeline([double]).as_node()], engine=engine, cache=cache)
    before = len(cache)
    take()
    inherited.run({"x": 5})
    assert len(cache) > before
    Pipeline([double], engine=engine, cache=cache).run({"x": 5})
    assert take() == [("double", 5)]


def test_own_callbacks_are_used_and_others_are_inherited(engine):
    mine, theirs = Recorder(), Recorder()
    nodes = [
        Pipeline([double], name="with", callbacks=[mine]).as_node(),
        Pipeline([expensive], name="without").as_node(),
    ]
    Pipeline(nodes, engine=engine, callbacks=[theirs]).run({"x": 1})
    started = [
        [line.split()[1] for line in each.lines if "node_start" in line] for each in (mine, theirs)
    ]
    assert started == [["double"], ["with", "without", "expensive"]]


def test_pruned_outputs(engine):
    made = Pipeline([double, expensive]).as_node()
    outer = Pipeline([made, copy], engine=engine)
    assert outer.graph.available_output_names == ["copy", "doubled", "expensive"]
    outer.run({"x": 1})
    assert take() == [("double", 1), ("copy", 2)]
    assert outer.run({"x": 1}, ["expensive", "copy"]) == {"expensive": 1, "copy": 2}


def test_pruned_in_a_map_too(engine):
    made = Pipeline([double, expensive]).as_node(map_over="x")
    outer = Pipeline([made, Node(lambda doubled: sum(doubled), "total")], engine=engine)
    assert outer.run({"x": [1, 2]}) == {"doubled": [2, 4], "total": 6}
    assert take() == [("double", 1), ("double", 2)]


def test_cache_false_enters_the_pipeline_every_time(engine, cache):
    recorder = Recorder()
    outer = Pipeline(
        [chain(name="inner").as_node(cache=False)],
        engine=engine,
        cache=cache,
        callbacks=[recorder],
    )
    outer.run({"x": 1})
    outer.run({"x": 1})
    assert take() == [("double", 1), ("add_ten", 2)]
    entered = [line.strip() for line in recorder.lines if "node_" in line][-4:]
    assert entered == [
        "node_start inner {'x': 1}",
        "node_cached double",
        "node_cached add_ten",
        "node_end inner {'doubled': 2, 'result': 12}",
    ]


def test_one_pipeline_in_two_outer_ones(engine):
    shared = Pipeline([double, add], name="shared")
    first = Pipeline([shared.as_node()], engine=engine)
    second = Pipeline([shared.as_node(output_mapping={"sum": "s"})], engine=engine)
    assert first.run({"x": 1, "y": 1}) == {"doubled": 2, "sum": 3}
    assert second.run({"x": 1, "y": 1}) == {"s": 3}
    assert first.run({"x": 2, "y": 1}) == {"doubled": 4, "sum": 5}
