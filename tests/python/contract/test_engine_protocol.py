# SPDX-License-Identifier: MIT
"""Section 3a: engines, those of users and ours."""

from __future__ import annotations

import pytest

from contract.calls import take
from contract.cases.common import chain, double, pair
from contract.cases.nested import inner, results_of, total
from contract.engines import DAFT, ENGINES
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
