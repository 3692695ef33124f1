# SPDX-License-Identifier: MIT
"""Pipelines as nodes: engines of their own, changes seen later."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hypernodes import DiskCache, Node, Pipeline, SeqEngine, node


@node(output_name="doubled")
def double(x):
    return x * 2


@node(output_name="result")
def add(doubled, y):
    return doubled + y


def inner(**bound):
    return Pipeline([double, add], name="inner").bind(**bound)


def test_later_changes_inside_are_seen_outside():
    pipeline = inner()
    made = pipeline.as_node()
    outer = Pipeline([made])
    with pytest.raises(ValueError, match="Missing"):
        outer.run({"x": 1})
    pipeline.bind(y=1)
    assert outer.run({"x": 1})["result"] == 3
    pipeline.bind(y=2)
    assert outer.run({"x": 1})["result"] == 4
    pipeline.unbind("y")
    assert outer.unfulfilled_args == ("x", "y")
    first = made.code_hash
    pipeline.bind(y=3)
    assert made.code_hash != first
    pipeline.with_name("other")
    assert made.name == "other"
    deep = Pipeline([Pipeline([outer.as_node()]).as_node()])
    pipeline.bind(y=100)
    assert deep.run({"x": 1})["result"] == 102


class Upstairs(SeqEngine):
    """An engine that is not ours, as far as a fast way may tell."""

    def __init__(self):
        super().__init__()
        self.used = 0

    def run(self, *args, **kwargs):
        self.used += 1
        return super().run(*args, **kwargs)

    def map(self, *args, **kwargs):
        self.used += 1
        return super().map(*args, **kwargs)


def test_inner_engine_is_used():
    engine = Upstairs()
    pipeline = inner().with_engine(engine)
    outer = Pipeline([pipeline.as_node(), Node(lambda result: -result, "negative")])
    assert outer.run({"x": 1, "y": 2}) == {"result": 4, "negative": -4}
    assert engine.used == 1
    mapped = Pipeline([pipeline.as_node(map_over="x")])
    assert mapped.run({"x": [1, 2], "y": 1}) == {"doubled": [2, 4], "result": [3, 5]}
    assert engine.used == 2


def test_equality_is_identity_and_repr_shows_the_needs():
    pipeline = inner(y=1)
    assert pipeline.as_node() != pipeline.as_node()
    assert repr(pipeline.as_node()) == "PipelineNode(inner, bound=[y], needs=[x])"


def test_bound_value_changed_in_place_is_seen(tmp_path: Path) -> None:
    @node(output_name="total")
    def total(items: list[int], scale: list[int]) -> int:
        return sum(items) * scale[0]

    scale = [1]
    inner = Pipeline(nodes=[total], name="inner").bind(scale=scale)
    outer = Pipeline(nodes=[inner.as_node()], cache=DiskCache(tmp_path))
    assert outer.run({"items": [1, 2]}) == {"total": 3}
    scale[0] = 10
    assert outer.run({"items": [1, 2]}) == {"total": 30}
    deeper = Pipeline(
        nodes=[Pipeline(nodes=[inner.as_node()]).as_node()], cache=DiskCache(tmp_path)
    )
    assert deeper.run({"items": [1, 2]}) == {"total": 30}
    scale[0] = 2
    assert deeper.run({"items": [1, 2]}) == {"total": 6}


@pytest.mark.parametrize("items", [range(3), (0, 1, 2), np.arange(3), pd.Series([0, 1, 2])])
def test_a_nested_map_goes_over_what_a_map_goes_over(items):
    inner = Pipeline([Node(lambda x: x + 1, "y")]).as_node(map_over="x")
    assert Pipeline([inner]).run({"x": items}) == {"y": [1, 2, 3]}
