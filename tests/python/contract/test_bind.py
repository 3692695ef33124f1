# SPDX-License-Identifier: MIT
"""Section 3, bind."""

from __future__ import annotations

from contract.calls import take
from contract.cases.common import chain, pair
from hypernodes import Pipeline


def test_bind_merges_and_returns_the_pipeline():
    pipeline = Pipeline([pair])
    assert pipeline.bind(a=1).bind(b=2, a=3) is pipeline
    assert pipeline.bound_inputs == {"a": 3, "b": 2}


def test_unbind():
    pipeline = Pipeline([pair]).bind(a=1, b=2, c=3)
    assert pipeline.unbind("a", "unknown") is pipeline
    assert pipeline.bound_inputs == {"b": 2, "c": 3}
    assert pipeline.unbind().bound_inputs == {}
    assert pipeline.unbind("a").bound_inputs == {}


def test_unknown_names_are_harmless(engine):
    pipeline = chain(engine=engine).bind(nobody=1)
    assert pipeline.run({"x": 1}, "doubled") == {"doubled": 2}


def test_bound_inputs_is_a_copy():
    pipeline = Pipeline([pair]).bind(a=1)
    pipeline.bound_inputs["a"] = 100
    assert pipeline.bound_inputs == {"a": 1}


def test_unfulfilled_args_is_a_tuple():
    pipeline = Pipeline([pair])
    assert pipeline.unfulfilled_args == ("a", "b")
    assert pipeline.bind(a=1).unfulfilled_args == ("b",)
    assert pipeline.bind(b=None).unfulfilled_args == ()


def test_given_inputs_win_for_that_call_only(engine):
    pipeline = Pipeline([pair], engine=engine).bind(a=1, b=2)
    assert pipeline.run({"a": 10}) == {"pair": (10, 2)}
    assert pipeline.run() == {"pair": (1, 2)}
    assert pipeline.map({"a": [10]}, "a", outputs="records") == [{"pair": (10, 2)}]
    assert pipeline.bound_inputs == {"a": 1, "b": 2}


def test_bound_values_count_in_keys(engine, cache):
    pipeline = Pipeline([pair], engine=engine, cache=cache)
    for a, b in ((1, 2), (1, 3), (1, 2)):
        assert pipeline.bind(a=a, b=b).run() == {"pair": (a, b)}
    assert take() == [("pair", 1, 2), ("pair", 1, 3)]
    assert pipeline.unbind().run({"a": 1, "b": 3}) == {"pair": (1, 3)}
    assert take() == []


def test_a_bound_value_that_changes_in_place_is_seen(engine, cache):
    items = [1]
    pipeline = Pipeline([pair], engine=engine, cache=cache).bind(a=items, b=0)
    assert pipeline.run() == {"pair": ([1], 0)}
    items.append(2)
    assert pipeline.run() == {"pair": ([1, 2], 0)}
