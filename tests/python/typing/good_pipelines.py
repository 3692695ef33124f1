# SPDX-License-Identifier: MIT
"""Building, running, mapping and nesting pipelines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import polars

import hypernodes
from hypernodes import (
    Collected,
    CppNode,
    CycleError,
    DaftEngine,
    DiskCache,
    ExecutionError,
    Failures,
    HyperNodesError,
    Library,
    MemoryCache,
    Pipeline,
    PipelineNode,
    SeqEngine,
    SequentialEngine,
    node,
)
from hypernodes.engines import NativeEngine
from hypernodes.exceptions import DependencyMissingError, PlanError, TypeWarning, UncachedWarning
from hypernodes.map_planner import MapPlanner
from hypernodes.protocols import Engine
from hypernodes.telemetry import ProgressCallback


@node("doubled")
def double(x: int) -> int:
    return x * 2


inner = Pipeline([double], name="inner")
assert_type(inner.as_node(), PipelineNode)
mapped = inner.as_node(
    input_mapping={"numbers": "x"}, output_mapping={"doubled": "all"}, map_over="numbers"
)
pipeline = Pipeline(
    nodes=[mapped, inner],
    engine=SeqEngine(cache=DiskCache("cache")),
    cache=DiskCache(Path("cache"), "10 GB", timedelta(days=1), durability="commit"),
    callbacks=[ProgressCallback(enable="auto")],
    name="outer",
    strict_types=True,
)

result = pipeline.run({"x": 1, "numbers": [1, 2]}, output_name=["all", "doubled"])
total: int = result["doubled"]
first: int = pipeline.run(inputs={"x": 1}, output_name="doubled")["doubled"]
rows = pipeline.map(inputs={"x": [1, 2], "numbers": [3]}, map_over=["x"], map_mode="product")
values: list[int] = [row["doubled"] for row in rows]
columns: dict[str, list[int]] = pipeline.map({"x": [1]}, "x", outputs="columns")
assert_type(pipeline.map({"x": [1]}, "x", outputs="columns"), dict[str, list[Any]])
assert_type(pipeline.map({"x": [1]}, "x", outputs="records"), list[dict[str, Any]])
table = polars.DataFrame({"x": [1]})
made: polars.DataFrame = pipeline.map(table, outputs="polars")
made = pipeline.map(table.lazy(), map_over="x", outputs="polars")
assert_type(pipeline.with_columns(table, "doubled", {"k": 1}), polars.DataFrame)
one: int = pipeline.run(table)["doubled"]

memory = MemoryCache(max_bytes=10**9, max_age=3600)
assert_type(pipeline.with_cache(memory), Pipeline)
assert_type(memory.stats()["max_bytes"], int | None)
assert_type(memory.verify(), dict[str, int])
assert_type(memory.get_many(["a"]), dict[str, Any])

assert_type(pipeline.bind(x=1, other="text"), Pipeline)
assert_type(pipeline.unbind("x").unbind(), Pipeline)
assert_type(pipeline.bound_inputs, dict[str, Any])
assert_type(pipeline.unfulfilled_args, tuple[str, ...])
assert_type(pipeline.with_engine(SequentialEngine()).with_name("x").with_cache(None), Pipeline)
assert_type(pipeline.graph.root_args, list[str])
assert_type(mapped(numbers=[1]), dict[str, Any])


class Traced(Pipeline):
    def double(self, x: int) -> int:
        return int(self.run({"x": x})["doubled"])


assert_type(Traced([double]).bind(x=1), Traced)
assert_type(Traced([double]).bind(x=1).double(2), int)

statistics = pipeline.last_run
if statistics is not None:
    cached: dict[str, int] = {name: made.rows_cached for name, made in statistics.nodes.items()}

    assert_type(statistics.failures, Failures)

collected: Collected = pipeline.map({"x": [1]}, "x", on_error="collect")
assert_type(pipeline.map({"x": [1]}, "x", on_error="collect", outputs="columns"), Collected)
for failure in collected.failures:
    where: tuple[int, str, str | None] = (failure.row, failure.node, failure.inputs_digest)
    assert_type(pipeline.replay(failure), dict[str, Any])

engine: Engine = SeqEngine()
engines: list[NativeEngine] = [SeqEngine(), DaftEngine(use_batch_udf=True)]
assert_type(engines[0].cache, hypernodes.cache.Cache | None)

library: Library = hypernodes.load("libnodes.so")
twice: CppNode = library.twice
with_cpp = Pipeline([twice, *library, double])

assert_type(MapPlanner().plan_execution({"x": [1]}, ["x"], "zip"), list[dict[str, Any]])

try:
    pipeline.run()
except ExecutionError as error:
    row: int | None = error.row
    failed: str = error.node
except (CycleError, PlanError, DependencyMissingError) as error:
    said: tuple[str, str, str] = (error.message, error.where, error.fix)
except HyperNodesError as error:
    assert_type(error.message, str)
categories: list[type[Warning]] = [TypeWarning, UncachedWarning]
