# SPDX-License-Identifier: MIT
"""What users are told about mistakes: where it is, and how to fix it."""

from __future__ import annotations

import functools
import warnings

import pytest

from contract.engines import ENGINES
from hypernodes import DiskCache, Node, Pipeline, PipelineCallback, SeqEngine, node
from hypernodes.exceptions import HyperNodesError, TypeWarning, UncachedWarning

engines = pytest.mark.parametrize("spec", [spec.param() for spec in ENGINES])


@node(output_name="counts")
def count(path):
    return len(path)


@node(output_name="title")
def name_of(path):
    return path.title()


@node(output_name="total")
def add_up(counts):
    return sum(counts)


def files():
    return Pipeline([count, name_of], name="files")


def told(call, *args, **kwargs):
    """The error that a call raises."""
    with pytest.raises(HyperNodesError) as caught:
        call(*args, **kwargs)
    return caught.value


# Warnings ----------------------------------------------------------------------------------------


def lines_of(category, call):
    """Where a call warns."""
    with pytest.warns(category) as caught:
        call()
    return [(each.filename, each.lineno) for each in caught]


def own_line(call):
    return [(__file__, call.__code__.co_firstlineno)]


@engines
def test_uncached_warning_is_at_the_line_of_the_caller(spec, tmp_path):
    engine = spec.make()
    calls = [
        lambda pipeline: pipeline.run({"x": iter([1])}),
        lambda pipeline: pipeline.run({"x": iter([1])}, "out", engine),
        lambda pipeline: pipeline.map({"x": [iter([1])]}, "x"),
        lambda pipeline: engine.run(pipeline, {"x": iter([1])}),
        lambda pipeline: engine.map(pipeline, {"x": [iter([1])]}, "x"),
    ]
    for call in calls:
        pipeline = Pipeline([Node(lambda x: x, "out")], engine, DiskCache(tmp_path))
        assert lines_of(UncachedWarning, functools.partial(call, pipeline)) == own_line(call)


def test_type_warning_is_at_the_line_of_the_caller():
    class Own(Pipeline):
        pass

    @node(output_name="x")
    def make() -> int:
        return 1

    @node(output_name="y")
    def take(x: str) -> str:
        return x

    for call in (lambda: Pipeline([make, take]), lambda: Own([make, take])):
        assert lines_of(TypeWarning, call) == own_line(call)


def uncached(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message).partition(":")[0] for each in caught]


@node
def whole(path):
    return path


@node
def rest(path):
    return 1


@engines
def test_each_pipeline_tells_a_warning_once(spec, tmp_path):
    inner = Pipeline([whole, rest], spec.make(), name="inner")
    outer = Pipeline([inner.as_node()], spec.make(), DiskCache(tmp_path), name="outer")
    inputs = {"path": iter("abc")}
    subjects = uncached(lambda: outer.run(inputs))
    assert len(subjects) == len(set(subjects)) == 3
    assert uncached(lambda: outer.run(inputs)) == []
    assert uncached(lambda: outer.run(inputs, "whole")) == []
    outer.with_name("renamed")  # which builds its graph anew
    assert uncached(lambda: outer.map({"path": [iter("abc")]}, "path")) == []


def test_a_pipeline_inside_on_an_engine_of_the_user_tells_nothing_itself(tmp_path):
    class Mine(SeqEngine):
        """None of ours, as far as a fast way may tell."""

    inner = Pipeline([Node(lambda x: x, "out")], Mine(), name="inner")
    outer = Pipeline([inner.as_node()], cache=DiskCache(tmp_path))
    assert sorted(uncached(lambda: outer.run({"x": iter([1])}))) == [
        "node '<lambda>' runs uncached",
        "node 'inner' runs uncached",
    ]


def test_one_warning_for_a_node_whatever_its_rows_lack(tmp_path):
    pipeline = Pipeline([Node(lambda x: iter([1]), "out")], cache=DiskCache(tmp_path))
    items = [iter([1]), (i for i in [1]), 3]  # no key, no key, and a result that cannot be stored
    assert len(uncached(lambda: pipeline.map({"x": items}, "x"))) == 1
    assert len(pipeline.last_run.warnings) == 1


# Missing inputs ----------------------------------------------------------------------------------


def test_an_output_that_is_not_mapped_out_is_named():
    inner = files().as_node(map_over="path", output_mapping={"title": "titles"})
    pipeline = Pipeline([inner, add_up])
    for depth in (pipeline, Pipeline([Pipeline([inner]).as_node(), add_up])):
        error = told(depth.run, {"path": ["a"]})
        assert error.message.startswith("Missing required input(s): ['counts'].")
        assert "'files' makes 'counts' inside but does not map it out" in error.fix


def test_an_output_that_is_mapped_out_by_another_name_is_named():
    inner = files().as_node(map_over="path", output_mapping={"counts": "sizes"})
    error = told(Pipeline([inner, add_up]).run, {"path": ["a"]})
    assert "'files' makes 'counts', but maps it out as 'sizes'" in error.fix


def test_a_misspelt_input_is_named():
    pipeline = Pipeline([Node(lambda tokenizer, text: text, "out")])
    error = told(pipeline.bind(tokeniser=1, text="a").run, {"unrelated": 1})
    assert error.fix.endswith("no node takes 'tokeniser': did you mean 'tokenizer'?")
    error = told(pipeline.unbind().map, {"tokenizer": 1, "texts": ["a"]}, "texts")
    assert error.fix.endswith("no node takes 'texts': did you mean 'text'?")
    assert "did you mean" not in told(pipeline.run, {"tokenizer": 1, "other": 1}).fix


# Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({"map_over": "pathes"}, "its inputs are ['path']; did you mean 'path'?"),
        ({"output_mapping": {"titel": "t"}}, "['counts', 'title']; did you mean 'title'?"),
        ({"output_mapping": {"path": "t"}}, "its outputs are ['counts', 'title']"),
        ({"input_mapping": {"file": "paht"}}, "its inputs are ['path']"),
        ({"input_mapping": {"file": "path"}, "map_over": "path"}, "its inputs are ['file']"),
    ],
)
def test_unknown_names_of_as_node_list_those_there_are(options, known):
    error = told(files().as_node, **options)
    assert error.fix.endswith(known)
    assert error.where == "pipeline 'files'"


def test_unknown_outputs_and_names_to_map_over_are_suggested():
    error = told(files().run, {"path": "a"}, output_name="titel")
    assert error.fix.endswith("did you mean 'title'?")
    error = told(files().map, {"path": ["a"]}, map_over="paths")
    assert error.fix.endswith("did you mean 'path'?")


# Nested maps -------------------------------------------------------------------------------------


@engines
def test_a_nested_map_over_no_list_says_which_and_where(spec):
    pipeline = Pipeline([files().as_node(map_over="path")], spec.make(), name="outer")
    with pytest.raises(TypeError) as caught:
        pipeline.run({"path": "abc"})
    error = caught.value
    assert error.message.startswith("Parameter 'path' is in map_over but value is not a list")
    assert error.where == "node 'files' of pipeline 'outer', map_over=['path']"
    assert "pass a list" in error.fix
    with pytest.raises(TypeError) as caught:
        pipeline.map({"path": [["a"], "abc"]}, "path")
    assert caught.value.where.endswith("map_over=['path'], row 1")


@engines
def test_lists_of_unequal_length_in_a_nested_map_say_where(spec):
    pair = Pipeline([Node(lambda a, b: (a, b), "pair")], name="pairs")
    pipeline = Pipeline([pair.as_node(map_over=["a", "b"])], spec.make())
    with pytest.raises(ValueError, match="In zip mode, all lists must") as caught:
        pipeline.run({"a": [1], "b": [1, 2]})
    assert caught.value.where == "node 'pairs', map_over=['a', 'b']"
    assert caught.value.fix == "pass lists of one length, or use map_mode='product'"


# What is no engine, no node, no callback of an engine --------------------------------------------


class HalfAnEngine:
    def run(self, pipeline, inputs, output_name=None):
        return {}


@pytest.mark.parametrize("engine", ["daft", SeqEngine, HalfAnEngine(), 5])
def test_what_is_no_engine_is_refused_when_it_is_set(engine):
    pipeline = files()
    calls = [
        lambda: Pipeline([count], engine=engine),
        lambda: pipeline.with_engine(engine),
        lambda: setattr(pipeline, "engine", engine),
        lambda: pipeline.run({"path": "a"}, engine=engine),
        lambda: pipeline.map({"path": ["a"]}, "path", engine=engine),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="object with the methods run and map, got") as caught:
            call()
        assert "DaftEngine()" in caught.value.fix
    assert pipeline.run({"path": "a"}, "counts") == {"counts": 1}


class Tokenizer:
    def __call__(self, text):
        return text.split()


def test_what_is_no_node_is_refused_with_the_way_to_make_one():
    assert 'Node(obj, "name")' in told(Pipeline, [Tokenizer()]).fix
    assert "@node" in told(Pipeline, [lambda x: x]).fix
    assert "Pipeline(...)" in told(Pipeline, [5]).fix


@engines
def test_callbacks_inside_are_for_the_engine_that_runs_them(spec):
    class Picky(PipelineCallback):
        supported_engines = ("SeqEngine",)

    calls = []
    first = Node(lambda: calls.append(1), "first")
    inner = Pipeline([count], callbacks=[Picky()], name="inner")
    deep = Pipeline([Pipeline([inner.as_node()]).as_node(), first], spec.make())
    if spec.name == "SeqEngine":
        assert deep.run({"path": "ab"}, "counts") == {"counts": 2}
    else:
        engine = deep.engine
        for call in (
            lambda: deep.run({"path": "a"}),
            lambda: deep.map({"path": ["a"]}, "path"),
            lambda: engine.run(deep, {"path": "a"}),
            lambda: engine.map(deep, {"path": ["a"]}, "path"),
        ):
            with pytest.raises(ValueError, match="Picky is not compatible with") as caught:
                call()
            assert f"engine {spec.name}. Supported" in str(caught.value)
        assert calls == []
    inner.with_engine(SeqEngine())
    assert deep.run({"path": "ab"}, "counts") == {"counts": 2}
    inner.with_engine(None).with_callbacks(None)
    assert deep.run({"path": "ab"}, "counts") == {"counts": 2}


# The rest ----------------------------------------------------------------------------------------


def test_repr_cuts_bound_values():
    pipeline = files().bind(path="a" * 1000, table=[list(range(1000))] * 1000, k=5)
    text = repr(pipeline)
    assert len(text) < 200
    assert "path='aaaa" in text
    assert "k=5" in text


@pytest.mark.parametrize("key", [None, 5, b"key"])
def test_keys_of_a_disk_cache_are_text(key, tmp_path):
    cache = DiskCache(tmp_path)
    for call in (cache.get, cache.has, lambda key: cache.put(key, 1)):
        with pytest.raises(TypeError, match="A key of a cache is a str, got") as caught:
            call(key)
        assert caught.value.where == f"key {key!r}"


def test_a_value_that_cannot_be_stored_is_told_with_any_key(tmp_path):
    error = told(DiskCache(tmp_path).put, "\ud800", lambda: 1)
    assert error.where == r"key '\ud800'"
