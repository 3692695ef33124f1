# SPDX-License-Identifier: MIT
"""Section 2: what may be a node, and how its outputs are named."""

from __future__ import annotations

import asyncio
import functools

from contract.calls import ran
from contract.case import Case
from contract.cases.common import double
from hypernodes import Node, Pipeline, node


@node
def bare(x):
    ran("bare", x)
    return x


@node()
def called(x):
    ran("called", x)
    return x


@node(output_name=("head", "tail"))
def split(text):
    ran("split", text)
    return text[0], text[1:]


@node(output_name=("low", "high"))
def bounds(x):
    ran("bounds", x)
    return [x - 1, x + 1]


@node(output_name="scaled")
def scale(x, factor=10):
    ran("scale", x, factor)
    return x * factor


@node(output_name="list_of")
def list_of(x, seen=()):
    ran("list_of", x, seen)
    return [*seen, x]


def keyword_only(a, *, b, c=10):
    ran("keyword_only", a, b, c)
    return (a, b, c)


def positional_only(a, b=2, /, c=3):
    ran("positional_only", a, b, c)
    return (a, b, c)


@functools.wraps(keyword_only)
def wrapper(*args, **kwargs):
    return keyword_only(*args, **kwargs)


class Scaler:
    def __init__(self, factor):
        self.factor = factor

    def scale(self, x):
        ran("method", x)
        return self.factor * x

    def __call__(self, x):
        ran("object", x)
        return self.factor * x


@node(output_name="fetched")
async def fetch(x):
    ran("fetch", x)
    await asyncio.sleep(0)
    return x + 1


@node(output_name="after")
def after(fetched):
    ran("after", fetched)
    return fetched * 2


@node(output_name="total")
def misleading(x: int, y: str | None = None) -> str:
    ran("misleading", x, y)
    return x  # type: ignore[return-value]


def one(func):
    """A pipeline of one node with the output `out`."""
    return lambda: Pipeline([Node(func, "out")])


CASES = [
    Case(
        "node: bare @node and @node() name the output after the function",
        lambda: Pipeline([bare, called]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"bare": 1, "called": 1},
        calls=[("bare", 1), ("called", 1)],
    ),
    Case(
        "node: several outputs from a tuple and a list",
        lambda: Pipeline([split, bounds], name="p"),
        lambda p, **kw: p.run({"text": "abc", "x": 5}, **kw),
        result={"low": 4, "high": 6, "head": "a", "tail": "bc"},
        calls=[("bounds", 5), ("split", "abc")],
        events="""
  pipeline_start p {'text': 'abc', 'x': 5}
  node_start bounds {'x': 5}
  node_end bounds {'low': 4, 'high': 6}
  node_start split {'text': 'abc'}
  node_end split {'head': 'a', 'tail': 'bc'}
  pipeline_end p {'low': 4, 'high': 6, 'head': 'a', 'tail': 'bc'}
""",
    ),
    Case(
        "node: one of several outputs",
        lambda: Pipeline([split]),
        lambda p, **kw: p.map({"text": ["ab", "cd"]}, "text", output_name="tail", **kw),
        result=[{"tail": "b"}, {"tail": "d"}],
        calls=[("split", "ab"), ("split", "cd")],
    ),
    Case(
        "node: a default is used",
        lambda: Pipeline([scale]),
        lambda p, **kw: p.run({"x": 2}, **kw),
        result={"scaled": 20},
        calls=[("scale", 2, 10)],
    ),
    Case(
        "node: a default is replaced",
        lambda: Pipeline([scale]),
        lambda p, **kw: p.run({"x": 2, "factor": 3}, **kw),
        result={"scaled": 6},
        calls=[("scale", 2, 3)],
    ),
    Case(
        "node: a default in a map, and mapped over itself",
        lambda: Pipeline([scale]),
        lambda p, **kw: p.map({"x": 2, "factor": [1, 3]}, "factor", **kw),
        result=[{"scaled": 2}, {"scaled": 6}],
        calls=[("scale", 2, 1), ("scale", 2, 3)],
    ),
    Case(
        "node: nodes with different defaults for one input",
        lambda: Pipeline([Node(lambda k=1: k, "one"), Node(lambda k=2: k, "two")]),
        lambda p, **kw: p.run(output_name=["one", "two"], **kw),
        result={"one": 1, "two": 2},
    ),
    Case(
        "node: a default gives way to another node's output",
        lambda: Pipeline([scale, Node(lambda x: x + 1, "factor")]),
        lambda p, **kw: p.run({"x": 2}, output_name="scaled", **kw),
        result={"scaled": 6},
        calls=[("scale", 2, 3)],
    ),
    Case(
        "node: a default that is an empty tuple",
        lambda: Pipeline([list_of]),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", **kw),
        result=[{"list_of": [1]}, {"list_of": [2]}],
        calls=[("list_of", 1, ()), ("list_of", 2, ())],
    ),
    Case(
        "node: keyword-only parameters",
        one(keyword_only),
        lambda p, **kw: p.run({"a": 1, "b": 2}, **kw),
        result={"out": (1, 2, 10)},
        calls=[("keyword_only", 1, 2, 10)],
    ),
    Case(
        "node: positional-only parameters",
        one(positional_only),
        lambda p, **kw: p.map({"a": [1, 5], "c": 9}, "a", **kw),
        result=[{"out": (1, 2, 9)}, {"out": (5, 2, 9)}],
        calls=[("positional_only", 1, 2, 9), ("positional_only", 5, 2, 9)],
    ),
    Case(
        "node: through functools.wraps",
        one(wrapper),
        lambda p, **kw: p.run({"a": 1, "b": 2}, **kw),
        result={"out": (1, 2, 10)},
        calls=[("keyword_only", 1, 2, 10)],
    ),
    Case(
        "node: partial",
        one(functools.partial(keyword_only, b=5)),
        lambda p, **kw: p.run({"a": 1}, **kw),
        result={"out": (1, 5, 10)},
        calls=[("keyword_only", 1, 5, 10)],
    ),
    Case(
        "node: bound method",
        one(Scaler(3).scale),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", **kw),
        result=[{"out": 3}, {"out": 6}],
        calls=[("method", 1), ("method", 2)],
    ),
    Case(
        "node: callable object",
        one(Scaler(3)),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", **kw),
        result=[{"out": 3}, {"out": 6}],
        calls=[("object", 1), ("object", 2)],
    ),
    Case(
        "node: builtin",
        one(len),
        lambda p, **kw: p.map({"obj": ["a", "abc"]}, "obj", **kw),
        result=[{"out": 1}, {"out": 3}],
    ),
    Case(
        "node: lambda",
        one(lambda x: [ran("lambda", x), -x][1]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"out": -1},
        calls=[("lambda", 1)],
    ),
    Case(
        "node: async run",
        lambda: Pipeline([fetch, after], name="p"),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"fetched": 2, "after": 4},
        calls=[("fetch", 1), ("after", 2)],
        events="""
  pipeline_start p {'x': 1}
  node_start fetch {'x': 1}
  node_end fetch {'fetched': 2}
  node_start after {'fetched': 2}
  node_end after {'after': 4}
  pipeline_end p {'fetched': 2, 'after': 4}
""",
    ),
    Case(
        "node: async map",
        lambda: Pipeline([fetch, after]),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", **kw),
        result=[{"fetched": 2, "after": 4}, {"fetched": 3, "after": 6}],
        calls=[("fetch", 1), ("after", 2), ("fetch", 2), ("after", 3)],
    ),
    Case(
        "node: hints never convert or refuse",
        lambda: Pipeline([misleading]),
        lambda p, **kw: p.map({"x": [1, 2.5, "text", (1,)], "y": 3}, "x", **kw),
        result=[{"total": 1}, {"total": 2.5}, {"total": "text"}, {"total": (1,)}],
        calls=[("misleading", x, 3) for x in (1, 2.5, "text", (1,))],
        unfit="Output 'total' does not fit its column: expected string but got int",
    ),
    Case(
        "node: called once per row, never to learn a type",
        lambda: Pipeline([double]),
        lambda p, **kw: p.map({"x": [1, 2, 3]}, "x", **kw),
        result=[{"doubled": 2}, {"doubled": 4}, {"doubled": 6}],
        calls=[("double", 1), ("double", 2), ("double", 3)],
    ),
]
