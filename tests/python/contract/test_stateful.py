# SPDX-License-Identifier: MIT
"""Section 9: `@stateful` classes."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.calls import ran, take
from contract.cases.common import double
from hypernodes import Node, Pipeline


def stateful(cls):
    import hypernodes

    return hypernodes.stateful(cls)


class Model:
    """Counts how often it is made."""

    def __init__(self, factor, offset=0):
        ran("made", factor, offset)
        self.factor = factor
        self.offset = offset
        self.lock = threading.Lock()  # would not pickle

    def __call__(self, x):
        return self.factor * x + self.offset


def scale(model, x):
    ran("scale", x)
    return model(x)


def test_marks():
    wrapped = stateful(Model)(2)
    assert wrapped.__hypernode_stateful__ is True
    assert stateful(Model).__name__ == "Model"
    assert stateful(Model).__module__ == __name__


def test_made_on_first_use_only():
    wrapped = stateful(Model)(2, offset=1)
    assert take() == []
    assert wrapped(3) == 7
    assert wrapped(4) == 9
    assert take() == [("made", 2, 1)]


def test_calling_needs_call():
    class Quiet:
        pass

    with pytest.raises(TypeError):
        stateful(Quiet)()(1)


def test_once_per_process_however_many_threads():
    wrapped = stateful(Model)(2)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrapped, range(50))) == [2 * x for x in range(50)]
    assert take() == [("made", 2, 0)]


def test_as_an_input(engine):
    wrapped = stateful(Model)(2)
    pipeline = Pipeline([Node(scale, "out")], engine).bind(model=wrapped)
    assert pipeline.map({"x": [1, 2, 3]}, "x", outputs="columns") == {"out": [2, 4, 6]}
    assert [call for call in take() if call[0] == "made"] == [("made", 2, 0)]


def test_as_a_node(engine):
    wrapped = stateful(Model)(3)
    pipeline = Pipeline([Node(wrapped, "out"), double], engine)
    assert pipeline.map({"x": [1, 2]}, "x", output_name="out", outputs="columns") == {"out": [3, 6]}
    assert take() == [("made", 3, 0)]


def test_a_node_with_only_stateful_parameters_runs(engine):
    pipeline = Pipeline([Node(lambda model: model(5), "out")], engine)
    assert pipeline.bind(model=stateful(Model)(2)).run() == {"out": 10}


def test_pickles_its_arguments_only():
    wrapped = stateful(Model)(2, offset=1)
    wrapped(1)
    copy = pickle.loads(pickle.dumps(wrapped))
    take()
    assert copy(3) == 7


def test_key_is_class_and_arguments(engine, cache):
    pipeline = Pipeline([Node(scale, "out")], engine, cache)
    for factor in (2, 3, 2):
        assert pipeline.run({"x": 1, "model": stateful(Model)(factor)}) == {"out": factor}
    assert [call for call in take() if call[0] == "scale"] == [("scale", 1)] * 2


def test_key_covers_the_code_of_the_class(cache):
    source = "class C:\n    def __call__(self, x): return x + {}"
    results = []
    for n in (1, 2):
        scope = {"__name__": "made_by_the_test"}
        exec(source.format(n), scope)
        pipeline = Pipeline([Node(scale, "out")], cache=cache)
        results.append(pipeline.run({"x": 1, "model": stateful(scope["C"])()})["out"])
    assert results == [2, 3]


def test_a_hit_does_not_make_it(engine, cache):
    pipeline = Pipeline([Node(scale, "out")], engine, cache)
    pipeline.run({"x": 1, "model": stateful(Model)(2)})
    take()
    assert pipeline.run({"x": 1, "model": stateful(Model)(2)}) == {"out": 2}
    assert take() == []


def test_its_cache_key_stands_for_it(cache):
    class Keyed(Model):
        def __cache_key__(self):
            return "always the same"

    pipeline = Pipeline([Node(scale, "out")], cache=cache)
    results = [pipeline.run({"x": 1, "model": stateful(Keyed)(factor)})["out"] for factor in (2, 3)]
    assert results == [2, 2]
