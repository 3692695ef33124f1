# SPDX-License-Identifier: MIT
"""Section 3: map."""

from __future__ import annotations

import numpy as np
import pandas
import polars
import pyarrow

from contract.calls import ran
from contract.case import Case
from contract.cases.common import chain, double, pair, same
from contract.cases.runs import always, wide
from hypernodes import Node, Pipeline, node


@node(output_name="square")
def square(x):
    ran("square", x)
    return x * x


@node(output_name="shape")
def shape(x):
    ran("shape")
    return x.shape


def over(label, items):
    """A map over another kind of sequence."""
    return Case(
        f"map: over {label}",
        lambda: Pipeline([square]),
        lambda p, **kw: p.map({"x": items}, "x", **kw),
        result=[{"square": 1}, {"square": 4}, {"square": 9}],
        calls=[("square", 1), ("square", 2), ("square", 3)],
    )


CASES = [
    Case(
        "map",
        lambda: chain(name="p"),
        lambda p, **kw: p.map({"x": [1, 2]}, map_over="x", **kw),
        result=[{"doubled": 2, "result": 12}, {"doubled": 4, "result": 14}],
        calls=[("double", 1), ("add_ten", 2), ("double", 2), ("add_ten", 4)],
        events="""
map_start 2
map_item_start 0
  pipeline_start p {'x': 1}
  node_start double {'x': 1}
  node_end double {'doubled': 2}
  node_start add_ten {'doubled': 2}
  node_end add_ten {'result': 12}
  pipeline_end p {'doubled': 2, 'result': 12}
map_item_end 0
map_item_start 1
  pipeline_start p {'x': 2}
  node_start double {'x': 2}
  node_end double {'doubled': 4}
  node_start add_ten {'doubled': 4}
  node_end add_ten {'result': 14}
  pipeline_end p {'doubled': 4, 'result': 14}
map_item_end 1
map_end
""",
    ),
    Case(
        "map: one item",
        chain,
        lambda p, **kw: p.map(inputs={"x": [7]}, map_over=["x"], **kw),
        result=[{"doubled": 14, "result": 24}],
        calls=[("double", 7), ("add_ten", 14)],
    ),
    Case(
        "map: without items",
        chain,
        lambda p, **kw: p.map({"x": []}, "x", **kw),
        result=[],
        columns={"doubled": [], "result": []},
        calls=[],
        events="map_start 0\nmap_end",
    ),
    Case(
        "map: a product without items",
        lambda: Pipeline([pair]),
        lambda p, **kw: p.map({"a": [], "b": [1, 2]}, ["a", "b"], "product", **kw),
        result=[],
        columns={"pair": []},
        calls=[],
        events="map_start 0\nmap_end",
    ),
    Case(
        "map: zip",
        lambda: Pipeline([pair]),
        lambda p, **kw: p.map({"a": [1, 2], "b": ["x", "y"]}, ["a", "b"], **kw),
        result=[{"pair": (1, "x")}, {"pair": (2, "y")}],
        calls=[("pair", 1, "x"), ("pair", 2, "y")],
    ),
    Case(
        "map: other inputs are broadcast, lists included",
        lambda: Pipeline([pair]),
        lambda p, **kw: p.map({"a": [1, 2], "b": [5, 6]}, "a", **kw),
        result=[{"pair": (1, [5, 6])}, {"pair": (2, [5, 6])}],
        calls=[("pair", 1, [5, 6]), ("pair", 2, [5, 6])],
    ),
    Case(
        "map: product in the order of the inputs, not of map_over",
        lambda: Pipeline([pair]),
        lambda p, **kw: p.map({"a": [1, 2], "b": ["x", "y"]}, ["b", "a"], "product", **kw),
        result=[{"pair": (1, "x")}, {"pair": (1, "y")}, {"pair": (2, "x")}, {"pair": (2, "y")}],
        calls=[("pair", 1, "x"), ("pair", 1, "y"), ("pair", 2, "x"), ("pair", 2, "y")],
    ),
    Case(
        "map: product with bound inputs first",
        lambda: Pipeline([pair]).bind(b=["x", "y"]),
        lambda p, **kw: p.map({"a": [1, 2]}, ["a", "b"], map_mode="product", **kw),
        result=[{"pair": (1, "x")}, {"pair": (2, "x")}, {"pair": (1, "y")}, {"pair": (2, "y")}],
        calls=[("pair", 1, "x"), ("pair", 2, "x"), ("pair", 1, "y"), ("pair", 2, "y")],
    ),
    Case(
        "map: a given input keeps the place of the bound one",
        lambda: Pipeline([pair]).bind(b=["?"]),
        lambda p, **kw: p.map({"a": [1, 2], "b": ["x"]}, ["a", "b"], "product", **kw),
        result=[{"pair": (1, "x")}, {"pair": (2, "x")}],
        calls=[("pair", 1, "x"), ("pair", 2, "x")],
    ),
    Case(
        "map: a product of one list",
        lambda: Pipeline([pair]),
        lambda p, **kw: p.map({"a": [1, 2], "b": 0}, "a", "product", **kw),
        result=[{"pair": (1, 0)}, {"pair": (2, 0)}],
        calls=[("pair", 1, 0), ("pair", 2, 0)],
    ),
    Case(
        "map: over bound inputs",
        lambda: chain().bind(x=[1, 2]),
        lambda p, **kw: p.map(map_over="x", output_name="doubled", **kw),
        result=[{"doubled": 2}, {"doubled": 4}],
        calls=[("double", 1), ("double", 2)],
    ),
    Case(
        "map: over a name that no node reads",
        chain,
        lambda p, **kw: p.map({"x": 3, "i": [0, 1]}, "i", "zip", "doubled", **kw),
        result=[{"doubled": 6}, {"doubled": 6}],
        calls=[("double", 3), ("double", 3)],
    ),
    Case(
        "map: equal items run each without a cache, once with one",
        chain,
        lambda p, **kw: p.map({"x": [1, 2, 1]}, "x", output_name="doubled", **kw),
        result=[{"doubled": 2}, {"doubled": 4}, {"doubled": 2}],
        calls=[("double", 1), ("double", 2), ("double", 1)],
    ),
    Case(
        "map: equal items run each with cache=False",
        lambda: Pipeline([always]),
        lambda p, **kw: p.map({"x": [1, 1]}, "x", **kw),
        result=[{"always": 1}, {"always": 1}],
        calls=[("always", 1), ("always", 1)],
        always=frozenset({"always"}),
    ),
    Case(
        "map: output_name orders and prunes",
        wide,
        lambda p, **kw: p.map({"x": [1, 2], "y": 0}, "x", "zip", ["result", "doubled"], **kw),
        result=[{"result": 12, "doubled": 2}, {"result": 14, "doubled": 4}],
        calls=[("double", 1), ("add_ten", 2), ("double", 2), ("add_ten", 4)],
    ),
    Case(
        "map: output_name=[] runs nothing",
        wide,
        lambda p, **kw: p.map({"x": [1, 2]}, "x", output_name=[], **kw),
        result=[{}, {}],
        columns={},
        calls=[],
    ),
    Case(
        "map: an empty pipeline",
        lambda: Pipeline([]),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", **kw),
        result=[{}, {}],
        columns={},
        calls=[],
    ),
    Case(
        "map: surplus inputs, lists included, are ignored",
        chain,
        lambda p, **kw: p.map({"x": [1], "z": [1, 2, 3]}, "x", output_name="doubled", **kw),
        result=[{"doubled": 2}],
        calls=[("double", 1)],
    ),
    over("a list", [1, 2, 3]),
    over("a tuple", (1, 2, 3)),
    over("a range", range(1, 4)),
    over("an ndarray", np.array([1, 2, 3])),
    over("a strided ndarray", np.array([0, 1, 9, 2, 9, 3])[1::2]),
    over("an int8 ndarray", np.array([1, 2, 3], dtype="int8")),
    over("an Arrow array", pyarrow.array([1, 2, 3])),
    over("a sliced Arrow array", pyarrow.array([0, 1, 2, 3]).slice(1)),
    over("a chunked Arrow array", pyarrow.chunked_array([[1], [2, 3]])),
    over("a pandas Series", pandas.Series([1, 2, 3])),
    over("a polars Series", polars.Series([1, 2, 3])),
    Case(
        "map: over the rows of a matrix",
        lambda: Pipeline([shape]),
        lambda p, **kw: p.map({"x": np.zeros((2, 3))}, "x", **kw),
        result=[{"shape": (3,)}, {"shape": (3,)}],
    ),
    Case(
        "map: over an empty Arrow array",
        lambda: Pipeline([square]),
        lambda p, **kw: p.map({"x": pyarrow.array([], pyarrow.int64())}, "x", **kw),
        result=[],
        columns={"square": []},
        calls=[],
    ),
    Case(
        "map: over an Arrow array with nulls",
        lambda: Pipeline([same]),
        lambda p, **kw: p.map({"value": pyarrow.array([1, None, 3])}, "value", **kw),
        result=[{"same": 1}, {"same": None}, {"same": 3}],
    ),
    Case(
        "map: a list of lists",
        lambda: Pipeline([Node(lambda x: len(x), "size")]),
        lambda p, **kw: p.map({"x": [[], [1], [1, 2]]}, "x", **kw),
        result=[{"size": 0}, {"size": 1}, {"size": 2}],
    ),
    Case(
        "map: more rows than a batch",
        lambda: Pipeline([double]),
        lambda p, **kw: p.map({"x": range(2000)}, "x", **kw),
        result=[{"doubled": 2 * x} for x in range(2000)],
        cached=False,
    ),
]
