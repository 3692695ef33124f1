# SPDX-License-Identifier: MIT
"""Section 4: pipelines as nodes."""

from __future__ import annotations

from contract.calls import ran
from contract.case import Case
from contract.cases.common import add_ten, chain, double, pair
from contract.cases.nodes import fetch, scale
from contract.cases.runs import always
from hypernodes import Node, Pipeline, node


@node(output_name="sum")
def add(doubled, y):
    ran("add", doubled, y)
    return doubled + y


@node(output_name="expensive")
def expensive(x):
    ran("expensive", x)
    return x


@node(output_name="total")
def total(results):
    ran("total", results)
    return sum(results)


@node(output_name="copy")
def copy(doubled):
    ran("copy", doubled)
    return doubled


def inner(**bound):
    """x, y -> doubled, sum."""
    return Pipeline([double, add], name="inner").bind(**bound)


def results_of(pipeline):
    """The pipeline mapped over `items`, its result as `results`."""
    return pipeline.as_node(
        input_mapping={"items": "x"}, output_mapping={"result": "results"}, map_over="items"
    )


CASES = [
    Case(
        "nested: run",
        lambda: Pipeline([chain(name="inner").as_node(), Node(lambda result: -result, "negative")]),
        lambda p, **kw: p.run({"x": 5}, **kw),
        result={"result": 20, "negative": -20},
        calls=[("double", 5), ("add_ten", 10)],
    ),
    Case(
        "nested: events",
        lambda: Pipeline([chain(name="inner").as_node(name="step")], name="outer"),
        lambda p, **kw: p.run({"x": 5}, **kw),
        result={"doubled": 10, "result": 20},
        calls=[("double", 5), ("add_ten", 10)],
        events="""
  pipeline_start outer {'x': 5}
  node_start step {'x': 5}
  nested_pipeline_start outer inner
    pipeline_start inner {'x': 5}
    node_start double {'x': 5}
    node_end double {'doubled': 10}
    node_start add_ten {'doubled': 10}
    node_end add_ten {'result': 20}
    pipeline_end inner {'doubled': 10, 'result': 20}
  nested_pipeline_end outer inner
  node_end step {'doubled': 10, 'result': 20}
  pipeline_end outer {'doubled': 10, 'result': 20}
""",
    ),
    Case(
        "nested: in a map",
        lambda: Pipeline([inner().as_node(), Node(lambda sum: -sum, "negative")]),
        lambda p, **kw: p.map({"x": [1, 2], "y": 5}, "x", **kw),
        result=[{"sum": 7, "negative": -7}, {"sum": 9, "negative": -9}],
        calls=[("double", 1), ("add", 2, 5), ("double", 2), ("add", 4, 5)],
    ),
    Case(
        "nested: a Pipeline placed directly in nodes",
        lambda: Pipeline([inner()]),
        lambda p, **kw: p.run({"x": 1, "y": 2}, **kw),
        result={"doubled": 2, "sum": 4},
        calls=[("double", 1), ("add", 2, 2)],
    ),
    Case(
        "nested: mappings rename both ways",
        lambda: Pipeline(
            [
                inner().as_node(
                    input_mapping={"a": "x", "b": "y"}, output_mapping={"sum": "c"}, name="n"
                )
            ]
        ),
        lambda p, **kw: p.map({"a": [1, 2], "b": 10}, "a", **kw),
        result=[{"c": 12}, {"c": 14}],
        calls=[("double", 1), ("add", 2, 10), ("double", 2), ("add", 4, 10)],
    ),
    Case(
        "nested: mappings that swap names",
        lambda: Pipeline(
            [Pipeline([pair]).as_node(input_mapping={"a": "b", "b": "a"})],
        ),
        lambda p, **kw: p.run({"a": 1, "b": 2}, **kw),
        result={"pair": (2, 1)},
        calls=[("pair", 2, 1)],
    ),
    Case(
        "nested: one pipeline twice, under other names",
        lambda: Pipeline(
            [
                (shared := Pipeline([double], name="shared")).as_node(
                    input_mapping={"a": "x"}, output_mapping={"doubled": "p"}, name="first"
                ),
                shared.as_node(
                    input_mapping={"b": "x"}, output_mapping={"doubled": "q"}, name="second"
                ),
            ]
        ),
        lambda p, **kw: p.run({"a": 1, "b": 2}, **kw),
        result={"p": 2, "q": 4},
        calls=[("double", 1), ("double", 2)],
    ),
    Case(
        "nested: inner bound values",
        lambda: Pipeline([inner(y=100).as_node()]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"doubled": 2, "sum": 102},
        calls=[("double", 1), ("add", 2, 100)],
    ),
    Case(
        "nested: an inner default is used and replaced",
        lambda: Pipeline([Pipeline([scale]).as_node(input_mapping={"by": "factor"})]),
        lambda p, **kw: p.map({"x": [2, 3]}, "x", **kw),
        result=[{"scaled": 20}, {"scaled": 30}],
        calls=[("scale", 2, 10), ("scale", 3, 10)],
    ),
    Case(
        "nested: an inner default replaced from outside",
        lambda: Pipeline([Pipeline([scale]).as_node(input_mapping={"by": "factor"})]),
        lambda p, **kw: p.run({"x": 2, "by": 5}, **kw),
        result={"scaled": 10},
        calls=[("scale", 2, 5)],
    ),
    Case(
        "nested: only outputs that siblings use are computed",
        lambda: Pipeline([Pipeline([double, expensive]).as_node(), copy]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"doubled": 2, "copy": 2},
        calls=[("double", 1), ("copy", 2)],
    ),
    Case(
        "nested: an unused node gives all outputs",
        lambda: Pipeline([Pipeline([double, expensive]).as_node()]),
        lambda p, **kw: p.map({"x": [1]}, "x", **kw),
        result=[{"doubled": 2, "expensive": 1}],
        calls=[("double", 1), ("expensive", 1)],
    ),
    Case(
        "nested: a pruned output can be asked for",
        lambda: Pipeline([Pipeline([double, expensive]).as_node(), copy]),
        lambda p, **kw: p.run({"x": 1}, output_name="expensive", **kw),
        result={"expensive": 1},
    ),
    Case(
        "nested map",
        lambda: Pipeline([results_of(chain(name="inner")), total], name="outer"),
        lambda p, **kw: p.run({"items": [1, 2]}, **kw),
        result={"results": [12, 14], "total": 26},
        calls=[
            ("double", 1),
            ("add_ten", 2),
            ("double", 2),
            ("add_ten", 4),
            ("total", [12, 14]),
        ],
        events="""
  pipeline_start outer {'items': [1, 2]}
  node_start inner {'items': [1, 2]}
  nested_pipeline_start outer inner
  map_start 2
  map_item_start 0
    pipeline_start inner {'x': 1}
    node_start double {'x': 1}
    node_end double {'doubled': 2}
    node_start add_ten {'doubled': 2}
    node_end add_ten {'result': 12}
    pipeline_end inner {'doubled': 2, 'result': 12}
  map_item_end 0
  map_item_start 1
    pipeline_start inner {'x': 2}
    node_start double {'x': 2}
    node_end double {'doubled': 4}
    node_start add_ten {'doubled': 4}
    node_end add_ten {'result': 14}
    pipeline_end inner {'doubled': 4, 'result': 14}
  map_item_end 1
  map_end
  nested_pipeline_end outer inner
  node_end inner {'results': [12, 14]}
  node_start total {'results': [12, 14]}
  node_end total {'total': 26}
  pipeline_end outer {'results': [12, 14], 'total': 26}
""",
    ),
    Case(
        "nested map: over nothing",
        lambda: Pipeline([inner(y=1).as_node(map_over="x")], name="outer"),
        lambda p, **kw: p.run({"x": []}, **kw),
        result={"doubled": [], "sum": []},
        calls=[],
        events="""
  pipeline_start outer {'x': []}
  node_start inner {'x': []}
  nested_pipeline_start outer inner
  map_start 0
  map_end
  nested_pipeline_end outer inner
  node_end inner {'doubled': [], 'sum': []}
  pipeline_end outer {'doubled': [], 'sum': []}
""",
    ),
    Case(
        "nested map: over a tuple",
        lambda: Pipeline([results_of(chain())]),
        lambda p, **kw: p.run({"items": (1,)}, **kw),
        result={"results": [12]},
        calls=[("double", 1), ("add_ten", 2)],
    ),
    Case(
        "nested map: zip over two names",
        lambda: Pipeline([inner().as_node(map_over=["x", "y"], output_mapping={"sum": "sums"})]),
        lambda p, **kw: p.run({"x": [1, 2], "y": [10, 20]}, **kw),
        result={"sums": [12, 24]},
        calls=[("double", 1), ("add", 2, 10), ("double", 2), ("add", 4, 20)],
    ),
    Case(
        "nested map: product over two names",
        lambda: Pipeline(
            [Pipeline([pair]).as_node(map_over=["a", "b"], map_mode="product", name="n")]
        ),
        lambda p, **kw: p.run({"a": [1, 2], "b": ["x", "y"]}, **kw),
        result={"pair": [(1, "x"), (1, "y"), (2, "x"), (2, "y")]},
    ),
    Case(
        "nested map: other inputs are broadcast",
        lambda: Pipeline([inner().as_node(map_over="x")]),
        lambda p, **kw: p.run({"x": [1, 2], "y": 100}, **kw),
        result={"doubled": [2, 4], "sum": [102, 104]},
        calls=[("double", 1), ("add", 2, 100), ("double", 2), ("add", 4, 100)],
    ),
    Case(
        "nested map: over a bound input",
        lambda: Pipeline([inner(x=1000, y=0).as_node(map_over="x", output_mapping={"sum": "s"})]),
        lambda p, **kw: p.run({"x": [1, 2]}, **kw),
        result={"s": [2, 4]},
        calls=[("double", 1), ("add", 2, 0), ("double", 2), ("add", 4, 0)],
    ),
    Case(
        "nested map: in a map",
        lambda: Pipeline([results_of(chain(name="inner")), total]),
        lambda p, **kw: p.map({"items": [[1, 2], [], [3]]}, "items", **kw),
        result=[
            {"results": [12, 14], "total": 26},
            {"results": [], "total": 0},
            {"results": [16], "total": 16},
        ],
        calls=[
            ("double", 1),
            ("add_ten", 2),
            ("double", 2),
            ("add_ten", 4),
            ("total", [12, 14]),
            ("total", []),
            ("double", 3),
            ("add_ten", 6),
            ("total", [16]),
        ],
    ),
    Case(
        "nested map: over what a node makes",
        lambda: Pipeline([Node(lambda n: list(range(n)), "items"), results_of(chain()), total]),
        lambda p, **kw: p.map({"n": [2, 1]}, "n", output_name="total", **kw),
        result=[{"total": 22}, {"total": 10}],
    ),
    Case(
        "nested: two levels of maps",
        lambda: Pipeline(
            [
                Pipeline([results_of(chain(name="inner"))], name="middle").as_node(
                    input_mapping={"lists": "items"}, map_over="lists", name="outermost"
                )
            ],
            name="outer",
        ),
        lambda p, **kw: p.run({"lists": [[1, 2], [3]]}, **kw),
        result={"results": [[12, 14], [16]]},
        calls=[
            ("double", 1),
            ("add_ten", 2),
            ("double", 2),
            ("add_ten", 4),
            ("double", 3),
            ("add_ten", 6),
        ],
        events="""
  pipeline_start outer {'lists': [[1, 2], [3]]}
  node_start outermost {'lists': [[1, 2], [3]]}
  nested_pipeline_start outer middle
  map_start 2
  map_item_start 0
    pipeline_start middle {'items': [1, 2]}
    node_start inner {'items': [1, 2]}
    nested_pipeline_start middle inner
    map_start 2
    map_item_start 0
      pipeline_start inner {'x': 1}
      node_start double {'x': 1}
      node_end double {'doubled': 2}
      node_start add_ten {'doubled': 2}
      node_end add_ten {'result': 12}
      pipeline_end inner {'doubled': 2, 'result': 12}
    map_item_end 0
    map_item_start 1
      pipeline_start inner {'x': 2}
      node_start double {'x': 2}
      node_end double {'doubled': 4}
      node_start add_ten {'doubled': 4}
      node_end add_ten {'result': 14}
      pipeline_end inner {'doubled': 4, 'result': 14}
    map_item_end 1
    map_end
    nested_pipeline_end middle inner
    node_end inner {'results': [12, 14]}
    pipeline_end middle {'results': [12, 14]}
  map_item_end 0
  map_item_start 1
    pipeline_start middle {'items': [3]}
    node_start inner {'items': [3]}
    nested_pipeline_start middle inner
    map_start 1
    map_item_start 0
      pipeline_start inner {'x': 3}
      node_start double {'x': 3}
      node_end double {'doubled': 6}
      node_start add_ten {'doubled': 6}
      node_end add_ten {'result': 16}
      pipeline_end inner {'doubled': 6, 'result': 16}
    map_item_end 0
    map_end
    nested_pipeline_end middle inner
    node_end inner {'results': [16]}
    pipeline_end middle {'results': [16]}
  map_item_end 1
  map_end
  nested_pipeline_end outer middle
  node_end outermost {'results': [[12, 14], [16]]}
  pipeline_end outer {'results': [[12, 14], [16]]}
""",
    ),
    Case(
        "nested: three levels without maps",
        lambda: Pipeline(
            [Pipeline([Pipeline([double, add_ten]).as_node()]).as_node(name="n")], name="outer"
        ),
        lambda p, **kw: p.map({"x": [1, 2]}, "x", output_name="result", **kw),
        result=[{"result": 12}, {"result": 14}],
        calls=[("double", 1), ("add_ten", 2), ("double", 2), ("add_ten", 4)],
    ),
    Case(
        "nested: an inner cache=False node runs even if its pipeline would hit",
        lambda: Pipeline([Pipeline([double, always]).as_node()]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"always": 1, "doubled": 2},
        calls=[("always", 1), ("double", 1)],
        always=frozenset({"always"}),
    ),
    Case(
        "nested: async nodes",
        lambda: Pipeline([Pipeline([fetch]).as_node(map_over="x")]),
        lambda p, **kw: p.map({"x": [[1, 2], [3]]}, "x", **kw),
        result=[{"fetched": [2, 3]}, {"fetched": [4]}],
        calls=[("fetch", 1), ("fetch", 2), ("fetch", 3)],
    ),
    Case(
        "nested: output_mapping leaves only the mapped outputs",
        lambda: Pipeline([chain().as_node(output_mapping={"doubled": "twice"}, name="n")]),
        lambda p, **kw: p.run({"x": 1}, **kw),
        result={"twice": 2},
        calls=[("double", 1)],
    ),
]
