# SPDX-License-Identifier: MIT
"""Section 3: run."""

from __future__ import annotations

from contract.calls import ran
from contract.case import Case
from contract.cases.common import add_ten, chain, double, negate, pair
from hypernodes import Pipeline, node


@node(output_name="left")
def left(doubled):
    ran("left", doubled)
    return doubled + 1


@node(output_name="right")
def right(doubled):
    ran("right", doubled)
    return doubled + 2


@node(output_name="joined")
def join(left, right):
    ran("join", left, right)
    return [left, right]


@node(output_name="constant")
def constant():
    ran("constant")
    return 7


@node(output_name="always", cache=False)
def always(x):
    ran("always", x)
    return x


@node(output_name="nothing")
def nothing(x):
    ran("nothing", x)


@node(output_name="sum")
def join_with(doubled, y):
    ran("join_with", doubled, y)
    return doubled + y


@node(output_name=("low", "high"))
def bounds(x):
    ran("bounds", x)
    return x - 1, x + 1


@node(output_name="width")
def width(low, high):
    ran("width", low, high)
    return high - low


def wide():
    """Two parts that have nothing to do with each other."""
    return Pipeline([negate, add_ten, double])


CASES = [
    Case(
        "run",
        lambda: chain(name="p"),
        lambda p, **kw: p.run({"x": 5}, **kw),
        result={"doubled": 10, "result": 20},
        calls=[("double", 5), ("add_ten", 10)],
        events="""
  pipeline_start p {'x': 5}
  node_start double {'x': 5}
  node_end double {'doubled': 10}
  node_start add_ten {'doubled': 10}
  node_end add_ten {'result': 20}
  pipeline_end p {'doubled': 10, 'result': 20}
""",
    ),
    Case(
        "run: a diamond, ready nodes by name, whatever the order of the list",
        lambda: Pipeline([join, right, left, double]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"doubled": 2, "left": 3, "right": 4, "joined": [3, 4]},
        calls=[("double", 1), ("left", 2), ("right", 2), ("join", 3, 4)],
    ),
    Case(
        "run: outputs in execution order",
        wide,
        lambda p, **kw: p.run({"y": 1, "x": 5}, **kw),
        result={"doubled": 10, "result": 20, "negative": -1},
        calls=[("double", 5), ("add_ten", 10), ("negate", 1)],
    ),
    Case(
        "run: a node without inputs",
        lambda: Pipeline([constant]),
        lambda p, **kw: p.run(**kw),
        result={"constant": 7},
        calls=[("constant",)],
    ),
    Case(
        "run: an empty pipeline",
        lambda: Pipeline([], name="empty"),
        lambda p, **kw: p.run({}, **kw),
        result={},
        calls=[],
        events="""
  pipeline_start empty {}
  pipeline_end empty {}
""",
    ),
    Case(
        "run: output_name as a str prunes",
        wide,
        lambda p, **kw: p.run({"x": 5}, output_name="result", **kw),
        result={"result": 20},
        calls=[("double", 5), ("add_ten", 10)],
        events="""
  pipeline_start unnamed {'x': 5}
  node_start double {'x': 5}
  node_end double {'doubled': 10}
  node_start add_ten {'doubled': 10}
  node_end add_ten {'result': 20}
  pipeline_end unnamed {'doubled': 10, 'result': 20}
""",
    ),
    Case(
        "run: output_name as a list orders",
        wide,
        lambda p, **kw: p.run({"x": 5, "y": 1}, ["negative", "doubled"], **kw),
        result={"negative": -1, "doubled": 10},
        calls=[("double", 5), ("negate", 1)],
    ),
    Case(
        "run: output_name=[] runs nothing and needs nothing",
        wide,
        lambda p, **kw: p.run(output_name=[], **kw),
        result={},
        calls=[],
    ),
    Case(
        "run: surplus inputs and values for intermediate outputs are ignored",
        chain,
        lambda p, **kw: p.run({"x": 5, "z": 0, "doubled": 1000}, **kw),
        result={"doubled": 10, "result": 20},
        calls=[("double", 5), ("add_ten", 10)],
    ),
    Case(
        "run: bound inputs under given ones",
        lambda: Pipeline([pair]).bind(a=1, b=2, nobody=3),
        lambda p, **kw: p.run({"b": 20}, **kw),
        result={"pair": (1, 20)},
        calls=[("pair", 1, 20)],
    ),
    Case(
        "run: bound inputs alone",
        lambda: Pipeline([pair]).bind(a=1).bind(b=2),
        lambda p, **kw: p.run(**kw),
        result={"pair": (1, 2)},
        calls=[("pair", 1, 2)],
    ),
    Case(
        "run: a node with cache=False runs every time",
        lambda: Pipeline([always, double]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"always": 1, "doubled": 2},
        calls=[("always", 1), ("double", 1)],
        always=frozenset({"always"}),
    ),
    Case(
        "run: None is a result",
        lambda: Pipeline([nothing]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"nothing": None},
        calls=[("nothing", 1)],
    ),
    Case(
        "overrides supply intermediate outputs",
        chain,
        lambda p, **kw: p.run({"x": 5}, "result", overrides={"doubled": 1}, **kw),
        result={"result": 11},
        calls=[("add_ten", 1)],
        dataframe=False,
    ),
    Case(
        "overrides make what only they replace unnecessary",
        chain,
        lambda p, **kw: p.run({}, "result", overrides={"doubled": 1}, **kw),
        result={"result": 11},
        calls=[("add_ten", 1)],
        dataframe=False,
    ),
    Case(
        "overrides in a map",
        lambda: Pipeline([double, join_with]),
        lambda p, **kw: p.map(
            {"y": [1, 2]}, "y", output_name="sum", overrides={"doubled": 5}, **kw
        ),
        result=[{"sum": 6}, {"sum": 7}],
        calls=[("join_with", 5, 1), ("join_with", 5, 2)],
        dataframe=False,
    ),
    Case(
        "overrides of one of several outputs",
        lambda: Pipeline([bounds, width]),
        lambda p, **kw: p.run({"x": 5}, "width", overrides={"low": 0}, **kw),
        result={"width": 6},
        calls=[("bounds", 5), ("width", 0, 6)],
        dataframe=False,
    ),
    Case(
        "overrides of what a nested pipeline makes",
        lambda: Pipeline([Pipeline([double]).as_node(), add_ten]),
        lambda p, **kw: p.run({}, "result", overrides={"doubled": 1}, **kw),
        result={"result": 11},
        calls=[("add_ten", 1)],
        dataframe=False,
    ),
]
