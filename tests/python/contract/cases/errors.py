# SPDX-License-Identifier: MIT
"""What a bad request or a failing node raises, the same on every engine."""

from __future__ import annotations

from array import array

from contract.calls import ran
from contract.case import Case, Raises
from contract.cases.common import add_ten, double, negate, pair
from contract.cases.nodes import scale
from hypernodes import HyperNodesError, Node, Pipeline, node
from hypernodes.exceptions import OutputError, PlanError

OURS = (HyperNodesError, ValueError)


class Custom(Exception):
    """An exception of a user, with arguments that a copy could not be made of."""

    def __init__(self, code, *, detail):
        super().__init__(f"{code}: {detail}")
        self.detail = detail


@node(output_name="checked")
def fail_at_three(x):
    ran("fail_at_three", x)
    if x == 3:
        raise LookupError("three")
    return x


@node(output_name="custom")
def custom(x):
    ran("custom", x)
    raise Custom(x, detail="no")


@node(output_name="later")
async def fail_later(x):
    ran("fail_later", x)
    raise RuntimeError("no running event loop")


def bad(name, call, text, build=lambda: Pipeline([add_ten, double, negate])):
    """A request that is refused before any node runs or any event is told."""
    return Case(
        f"refused: {name}",
        build,
        call,
        raises=Raises(PlanError, text, also=OURS),
        calls=[],
        events="",
    )


def of_two(name, call, text):
    return bad(name, call, text, build=lambda: Pipeline([pair]))


def wrong_length(name, returned, text):
    """A node with two outputs that returns something else."""

    def f(x):
        ran("f", x)
        return returned

    return Case(
        f"wrong outputs: {name}",
        lambda: Pipeline([Node(f, ("a", "b"))]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        raises=Raises(OutputError, text, "hypernodes: node 'f'", also=OURS),
        calls=[("f", 1)],
    )


NO_LISTS = ["abc", b"abc", {"a": 1}, {1, 2}, 5, None, object(), iter([1]), array("q", [1])]


def not_a_list(value):
    return of_two(
        f"map over {type(value).__name__}",
        lambda p, **kw: p.map({"a": value, "b": 1}, "a", **kw),
        "Parameter 'a' is in map_over but value is not a list",
    )


CASES = [
    bad(
        "missing inputs",
        lambda p, **kw: p.run(**kw),
        "Missing required input(s): ['x', 'y']. Required inputs: ['x', 'y']",
    ),
    bad(
        "a missing input",
        lambda p, **kw: p.run({"y": 1}, **kw),
        "Missing required input(s): ['x']. Required inputs: ['x', 'y']",
    ),
    bad(
        "a missing input of what is requested",
        lambda p, **kw: p.run({"y": 1}, output_name="result", **kw),
        "Missing required input(s): ['x']. Required inputs: ['x']",
    ),
    bad(
        "a missing input of a map",
        lambda p, **kw: p.map({"x": [1]}, "x", **kw),
        "Missing required input(s): ['y']. Required inputs: ['x', 'y']",
    ),
    bad(
        "an unknown output",
        lambda p, **kw: p.run({"x": 1, "y": 1}, output_name="nope", **kw),
        "Output name(s) ['nope'] not found in pipeline. Available outputs:"
        " ['doubled', 'negative', 'result']",
    ),
    bad(
        "an unknown output before missing inputs",
        lambda p, **kw: p.run({}, output_name=["result", "nope"], **kw),
        "Output name(s) ['nope'] not found in pipeline. Available outputs:"
        " ['doubled', 'negative', 'result']",
    ),
    bad(
        "an unknown output of a map",
        lambda p, **kw: p.map({"x": [1], "y": 1}, "x", output_name=["nope"], **kw),
        "Output name(s) ['nope'] not found in pipeline. Available outputs:"
        " ['doubled', 'negative', 'result']",
    ),
    of_two(
        "zip of unequal lengths",
        lambda p, **kw: p.map({"a": [1], "b": [1, 2]}, ["a", "b"], **kw),
        "In zip mode, all lists must have the same length. Got lengths: {'a': 1, 'b': 2}",
    ),
    of_two(
        "zip of nothing and something",
        lambda p, **kw: p.map({"a": [], "b": [1, 2]}, ["a", "b"], **kw),
        "In zip mode, all lists must have the same length. Got lengths: {'a': 0, 'b': 2}",
    ),
    of_two(
        "an unknown name in map_over",
        lambda p, **kw: p.map({"a": [1], "b": 1}, ["a", "z"], **kw),
        "Parameter 'z' in map_over not found in inputs",
    ),
    of_two(
        "an empty map_over",
        lambda p, **kw: p.map({"a": [1], "b": 1}, [], **kw),
        "map_over must name at least one input",
    ),
    of_two(
        "a missing map_over",
        lambda p, **kw: p.map({"a": [1], "b": 1}, **kw),
        "map_over must name at least one input",
    ),
    of_two(
        "an unknown map_mode",
        lambda p, **kw: p.map({"a": [1], "b": 1}, "a", "cross", **kw),
        "Unknown map_mode 'cross'",
    ),
    *(not_a_list(value) for value in NO_LISTS),
    Case(
        "refused: unequal lengths in a nested map",
        lambda: Pipeline([Pipeline([pair]).as_node(map_over=["a", "b"])]),
        lambda p, **kw: p.run({"a": [1], "b": [1, 2]}, **kw),
        raises=Raises(
            PlanError,
            "In zip mode, all lists must have the same length. Got lengths: {'a': 1, 'b': 2}",
            also=OURS,
        ),
        calls=[],
    ),
    bad(
        "a missing input beside an optional one",
        lambda p, **kw: p.run({}, **kw),
        "Missing required input(s): ['x']. Required inputs: ['x']",
        build=lambda: Pipeline([scale]),
    ),
    bad(
        "a missing input that is optional for another node only",
        lambda p, **kw: p.run({"x": 1}, **kw),
        "Missing required input(s): ['factor']. Required inputs: ['factor', 'x']",
        build=lambda: Pipeline([scale, Node(lambda factor: factor, "copy")]),
    ),
    wrong_length("one of two", (1,), "Node 'f' returned 1 values, expected 2"),
    wrong_length("three of two", [1, 2, 3], "Node 'f' returned 3 values, expected 2"),
    wrong_length("no sequence", 5, "Node 'f' returned int, expected 2 values in a tuple or list"),
    Case(
        "node error: run",
        lambda: Pipeline([fail_at_three], name="p"),
        lambda p, **kw: p.run({"x": 3}, **kw),
        raises=Raises(LookupError, "three", "hypernodes: node 'fail_at_three'"),
        calls=[("fail_at_three", 3)],
        events="""
  pipeline_start p {'x': 3}
  node_start fail_at_three {'x': 3}
  error fail_at_three LookupError('three')
""",
    ),
    Case(
        "node error: map",
        lambda: Pipeline([fail_at_three, Node(lambda checked: checked, "copy")], name="p"),
        lambda p, **kw: p.map({"x": [1, 3, 4]}, "x", **kw),
        raises=Raises(LookupError, "three", "hypernodes: node 'fail_at_three', row 1"),
        calls=[("fail_at_three", 1), ("fail_at_three", 3)],
        events="""
map_start 3
map_item_start 0
  pipeline_start p {'x': 1}
  node_start fail_at_three {'x': 1}
  node_end fail_at_three {'checked': 1}
  node_start <lambda> {'checked': 1}
  node_end <lambda> {'copy': 1}
  pipeline_end p {'checked': 1, 'copy': 1}
map_item_end 0
map_item_start 1
  pipeline_start p {'x': 3}
  node_start fail_at_three {'x': 3}
  error fail_at_three LookupError('three')
""",
    ),
    Case(
        "node error: a class of the user's own",
        lambda: Pipeline([custom]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        raises=Raises(Custom, "1: no", "hypernodes: node 'custom'"),
        calls=[("custom", 1)],
    ),
    Case(
        "node error: async",
        lambda: Pipeline([fail_later]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        raises=Raises(RuntimeError, "no running event loop", "hypernodes: node 'fail_later'"),
        calls=[("fail_later", 1)],
    ),
    Case(
        "node error: nested",
        lambda: Pipeline(
            [
                Pipeline(
                    [Pipeline([fail_at_three], name="inner").as_node()], name="middle"
                ).as_node()
            ],
            name="outer",
        ),
        lambda p, **kw: p.run({"x": 3}, **kw),
        raises=Raises(LookupError, "three", "hypernodes: node 'fail_at_three'"),
        calls=[("fail_at_three", 3)],
        events="""
  pipeline_start outer {'x': 3}
  node_start middle {'x': 3}
  nested_pipeline_start outer middle
    pipeline_start middle {'x': 3}
    node_start inner {'x': 3}
    nested_pipeline_start middle inner
      pipeline_start inner {'x': 3}
      node_start fail_at_three {'x': 3}
      error fail_at_three LookupError('three')
    error inner LookupError('three')
  error middle LookupError('three')
""",
    ),
    Case(
        "node error: nested map",
        lambda: Pipeline(
            [Pipeline([fail_at_three], name="inner").as_node(map_over="x")], name="outer"
        ),
        lambda p, **kw: p.run({"x": [3]}, **kw),
        raises=Raises(LookupError, "three", "hypernodes: node 'fail_at_three', row 0"),
        calls=[("fail_at_three", 3)],
        events="""
  pipeline_start outer {'x': [3]}
  node_start inner {'x': [3]}
  nested_pipeline_start outer inner
  map_start 1
  map_item_start 0
    pipeline_start inner {'x': 3}
    node_start fail_at_three {'x': 3}
    error fail_at_three LookupError('three')
  error inner LookupError('three')
""",
    ),
    Case(
        "node error: after others have run",
        lambda: Pipeline([double, add_ten, Node(lambda result: 1 // 0, "never")]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        raises=Raises(
            ZeroDivisionError,
            "integer division or modulo by zero",
            "hypernodes: node '<lambda>'",
        ),
        calls=[("double", 1), ("add_ten", 2)],
    ),
]
