# SPDX-License-Identifier: MIT
"""Section 3a: engines, those of users and ours."""

from __future__ import annotations

import pytest

from contract.calls import take
from contract.cases.common import chain, double, pair
from contract.cases.errors import fail_at_three
from contract.cases.nested import copy, expensive, inner, results_of, total
from contract.cases.nodes import scale
from contract.engines import DAFT, ENGINES
from contract.events import Recorder, lines
from hypernodes import Pipeline, PipelineCallback, SeqEngine
from hypernodes.protocols import Engine


class Recording:
    """An engine of a user: any object with both methods."""

    def __init__(self, result="as it is"):
        self.result = result
        self.calls = []

    def run(self, pipeline, inputs, output_name=None, **options):
        self.calls.append((inputs, output_name, options))
        return self.result

    def map(self, pipeline, inputs, map_over, map_mode="zip", output_name=None, **options):
        self.calls.append((inputs, map_over, map_mode, output_name, options))
        return self.result


def test_any_object_with_both_methods_is_an_engine(engine):
    assert isinstance(Recording(), Engine)
    assert isinstance(engine, Engine)


@pytest.mark.parametrize("output_name", [None, "result", ["result"], ("result",), []])
def test_run_hands_on_merged_inputs_and_output_name_as_given(output_name):
    engine = Recording()
    pipeline = chain().bind(x=1, k=2)
    given = {"k": 3, "z": 4}
    assert pipeline.run(given, output_name, engine=engine, fast=True) == "as it is"
    ((inputs, got, options),) = engine.calls
    assert (inputs, got, options) == ({"x": 1, "k": 3, "z": 4}, output_name, {"fast": True})
    assert got is output_name
    assert inputs is not given


@pytest.mark.parametrize("map_over", ["x", ["x"], ("x",)])
def test_map_hands_on_map_over_as_a_list(map_over):
    engine = Recording()
    chain(engine=engine).map({"x": [1]}, map_over, "product", "result", chunk=5)
    assert engine.calls == [({"x": [1]}, ["x"], "product", "result", {"chunk": 5})]
    assert type(engine.calls[0][1]) is list


def test_result_is_untouched():
    result = object()
    pipeline = chain(engine=Recording(result))
    assert pipeline.run({"x": 1}) is result
    assert pipeline.map({"x": [1]}, "x") is result


def test_validation_comes_before_any_engine():
    engine = Recording()
    with pytest.raises(ValueError, match="Missing required"):
        chain(engine=engine).run()
    with pytest.raises(ValueError, match="not found in pipeline"):
        chain(engine=engine).run({"x": 1}, "nope")
    assert engine.calls == []


def test_our_engines_can_be_called_directly(engine):
    pipeline = chain()
    assert engine.run(pipeline, {"x": 1}) == {"doubled": 2, "result": 12}
    assert engine.run(pipeline, {"x": 1}, "result") == {"result": 12}
    expected = {"result": [12, 14]}
    for over in ("x", ["x"]):
        given = {"x": [1, 2]}
        assert engine.map(pipeline, given, over, "zip", "result", outputs="columns") == expected


def test_called_directly_bound_inputs_count(engine):
    assert engine.run(Pipeline([pair]).bind(a=1), {"b": 2}) == {"pair": (1, 2)}


def test_our_engines_can_be_subclassed(spec):
    class Loud(type(spec.make())):
        def run(self, *args, **options):
            return {"loud": super().run(*args, **options)}

        def map(self, *args, **options):
            return ["loud", super().map(*args, **options)]

    pipeline = chain(engine=Loud())
    assert pipeline.run({"x": 1}, "doubled") == {"loud": {"doubled": 2}}
    assert pipeline.map({"x": [1]}, "x", output_name="doubled", outputs="records") == [
        "loud",
        [{"doubled": 2}],
    ]


def test_an_engine_of_the_inner_pipeline_runs_it():
    engine = Recording({"doubled": 1, "sum": 2})
    outer = Pipeline([inner().with_engine(engine).as_node()])
    assert outer.run({"x": 5, "y": 6}) == {"doubled": 1, "sum": 2}
    ((inputs, _, _),) = engine.calls
    assert inputs == {"x": 5, "y": 6}


@pytest.mark.parametrize(
    "result", [[{"result": 7}, {"result": 8}], {"result": [7, 8]}], ids=["records", "columns"]
)
def test_result_of_a_nested_map_is_normalised(result):
    engine = Recording(result)
    outer = Pipeline([results_of(chain(engine=engine)), total])
    assert outer.run({"items": [1, 2]}) == {"results": [7, 8], "total": 15}
    assert engine.calls[0][1] == ["x"]


@pytest.mark.parametrize("outer_spec", [spec.param() for spec in ENGINES])
def test_any_engine_inside_any_other(spec, outer_spec):
    nested = results_of(chain(name="inner", engine=spec.make()))
    outer = Pipeline([nested, total], engine=outer_spec.make())
    assert outer.run({"items": [1, 2]}) == {"results": [12, 14], "total": 26}
    assert sorted(take()) == sorted(
        [("double", 1), ("add_ten", 2), ("double", 2), ("add_ten", 4), ("total", [12, 14])]
    )
    rows = outer.map({"items": [[1], []]}, "items", output_name="total", outputs="records")
    assert rows == [{"total": 12}, {"total": 0}]


def test_engine_s_cache_and_callbacks_serve_pipelines_without(spec, cache):
    seen = []

    class Watch(PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            seen.append(node_id)

    engine = spec.make(cache=cache, callbacks=[Watch()])
    for _ in range(2):
        chain(engine=engine).run({"x": 1})
    assert take() == [("double", 1), ("add_ten", 2)]
    assert seen == ["double", "add_ten"]


def test_pipeline_s_cache_and_callbacks_win(spec, cache, tmp_path):
    from hypernodes import DiskCache

    class Watch(PipelineCallback):
        def __init__(self):
            self.seen = []

        def on_node_end(self, node_id, outputs, duration, ctx):
            self.seen.append(node_id)

    loser, winner = Watch(), Watch()
    other = DiskCache(tmp_path / "other")
    engine = spec.make(cache=other, callbacks=[loser])
    Pipeline([double], engine=engine, cache=cache, callbacks=[winner]).run({"x": 1})
    assert (loser.seen, winner.seen) == ([], ["double"])
    assert (len(other), len(cache)) == (0, 1)


def test_settings_of_an_engine_can_change(spec, cache):
    engine = spec.make()
    pipeline = Pipeline([double], engine=engine)
    pipeline.run({"x": 1})
    engine.cache = cache
    for _ in range(2):
        pipeline.run({"x": 1})
    assert take() == [("double", 1)] * 2


@pytest.mark.parametrize("spec", [DAFT.param()])
def test_dataframe_is_lazy_and_gives_the_same_by_the_same_calls(spec):
    engine = spec.make()
    frame = engine.dataframe(chain(), {"x": [1, 2]}, map_over="x")
    assert take() == []
    assert frame.collect().to_pydict() == {"doubled": [2, 4], "result": [12, 14]}
    assert sorted(take()) == [("add_ten", 2), ("add_ten", 4), ("double", 1), ("double", 2)]
    assert engine.dataframe(chain(), {"x": 5}).to_pydict() == {"doubled": [10], "result": [20]}


@pytest.mark.parametrize("spec", [DAFT.param()])
def test_dataframe_of_a_product(spec):
    given = {"a": [1, 2], "b": ["x", "y"]}
    frame = spec.make().dataframe(Pipeline([pair]), given, ["a", "b"], "product")
    assert frame.to_pydict() == {"pair": [(1, "x"), (1, "y"), (2, "x"), (2, "y")]}


def test_incompatible_callbacks_are_refused(spec):
    class Picky(PipelineCallback):
        supported_engines = ("OtherEngine",)

    pipeline = chain(engine=spec.make(), callbacks=[Picky()])
    text = (
        f"Callback Picky is not compatible with engine {spec.name}."
        " Supported engines: ['OtherEngine']"
    )
    for call in (lambda: pipeline.run({"x": 1}), lambda: pipeline.map({"x": [1]}, "x")):
        with pytest.raises(ValueError, match="Picky") as caught:
            call()
        assert str(caught.value).splitlines()[0] == text
    assert take() == []


def test_incompatible_callbacks_of_an_inner_pipeline_are_refused(spec):
    class Picky(PipelineCallback):
        supported_engines = ("OtherEngine",)

    outer = Pipeline([chain(callbacks=[Picky()]).as_node()], spec.make())
    with pytest.raises(ValueError, match="Callback Picky is not compatible"):
        outer.run({"x": 1})
    assert take() == []


def test_compatible_callbacks_by_name_other_name_and_base(spec):
    class Sub(type(spec.make())):
        pass

    class Picky(PipelineCallback):
        def __init__(self, name):
            self.supported_engines = [name]

    aliases = {
        "SeqEngine": ["SeqEngine", "SequentialEngine"],
        "DaftEngine": ["DaftEngine", "DaftEngineV2"],
        "DaftEngineV2": ["DaftEngineV2", "DaftEngine"],
    }
    for name in aliases.get(spec.name, [spec.name]):
        for engine in (spec.make(), Sub()):
            pipeline = chain(engine=engine, callbacks=[Picky(name)])
            assert pipeline.run({"x": 1}, "doubled") == {"doubled": 2}


def test_the_sequential_engine_is_not_taken_for_its_subclass():
    class Mine(SeqEngine):
        def run(self, pipeline, inputs, output_name=None):
            return "mine"

    assert chain(engine=Mine()).run({"x": 1}) == "mine"


# An inner pipeline on an engine of a user's ----------------------------------------------------


class Mine(SeqEngine):
    """A subclass of ours, so none of ours as far as a fast way may tell."""


class Delegating:
    """An engine that only has the two methods."""

    def run(self, *args, **options):
        return SeqEngine().run(*args, **options)

    def map(self, *args, **options):
        return SeqEngine().map(*args, **options)


theirs = pytest.mark.parametrize("their_engine", [Mine, Delegating])


@theirs
def test_inside_on_their_engine_nodes_run_once(engine, their_engine):
    outer = Pipeline([results_of(chain(engine=their_engine())), total], engine)
    assert outer.run({"items": [1, 2]}) == {"results": [12, 14], "total": 26}
    assert len(take()) == 5


@theirs
def test_inside_on_their_engine_only_needed_outputs_are_computed(engine, their_engine):
    made = Pipeline([double, expensive], engine=their_engine()).as_node()
    outer = Pipeline([made, copy], engine)
    assert outer.run({"x": 1}) == {"doubled": 2, "copy": 2}
    assert take() == [("double", 1), ("copy", 2)]
    assert outer.run({"x": 1}, "expensive") == {"expensive": 1}


@theirs
def test_inside_on_their_engine_defaults_stay_optional(engine, their_engine):
    outer = Pipeline([Pipeline([scale], engine=their_engine()).as_node()], engine)
    assert outer.run({"x": 1}) == {"scaled": 10}
    assert outer.run({"x": 1, "factor": 2}) == {"scaled": 2}


@theirs
def test_inside_on_their_engine_bound_values_count_in_the_key(engine, cache, their_engine):
    pipeline = inner().with_engine(their_engine())
    outer = Pipeline([pipeline.as_node()], engine, cache)
    results = [pipeline.bind(y=y) and outer.run({"x": 1})["sum"] for y in (1, 2, 1)]
    assert results == [3, 4, 3]


@theirs
def test_inside_on_their_engine_bound_values_count_a_level_down(engine, cache, their_engine):
    pipeline = inner()
    middle = Pipeline([pipeline.as_node()], their_engine())
    outer = Pipeline([middle.as_node()], engine, cache)
    results = [pipeline.bind(y=y) and outer.run({"x": 1})["sum"] for y in (1, 2)]
    assert results == [3, 4]


def test_inside_on_their_engine_the_outer_cache_is_used(engine, cache):
    outer = Pipeline([results_of(chain(engine=Mine()))], engine, cache)
    outer.run({"items": [1, 2]})
    take()
    assert outer.run({"items": [2, 3]}) == {"results": [14, 16]}
    assert take() == [("double", 3), ("add_ten", 6)]


def test_inside_on_their_engine_the_outer_callbacks_are_told(engine):
    recorder = Recorder()
    made = chain(name="inner", engine=Mine()).as_node()
    Pipeline([made], engine, None, [recorder], "outer").run({"x": 5})
    assert recorder.lines == lines(
        """
  pipeline_start outer {'x': 5}
  node_start inner {'x': 5}
  nested_pipeline_start outer inner
    pipeline_start inner {'x': 5}
    node_start double {'x': 5}
    node_end double {'doubled': 10}
    node_start add_ten {'doubled': 10}
    node_end add_ten {'result': 20}
    pipeline_end inner {'doubled': 10, 'result': 20}
  nested_pipeline_end outer inner
  node_end inner {'doubled': 10, 'result': 20}
  pipeline_end outer {'doubled': 10, 'result': 20}
"""
    )


@theirs
def test_inside_on_their_engine_an_error_has_one_note(engine, their_engine):
    nested = Pipeline([fail_at_three], their_engine(), name="inner").as_node(map_over="x")
    with pytest.raises(LookupError) as caught:
        Pipeline([nested], engine).run({"x": [1, 3]})
    assert caught.value.__notes__ == ["hypernodes: node 'fail_at_three', row 1"]
