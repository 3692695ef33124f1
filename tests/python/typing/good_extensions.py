# SPDX-License-Identifier: MIT
"""A cache, callbacks and an engine of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type

from hypernodes import CallbackContext, Pipeline, PipelineCallback, SeqEngine, node
from hypernodes.cache import Cache
from hypernodes.protocols import Engine


class Memory(Cache):
    def __init__(self, size: int) -> None:
        self.size = size
        self.values: dict[str, Any] = {}

    def get(self, signature: str) -> Any:
        return self.values.get(signature)

    def put(self, signature: str, output: Any) -> None:
        self.values[signature] = output

    def has(self, signature: str) -> bool:
        return signature in self.values


class Timings(PipelineCallback):
    supported_engines = ["SeqEngine"]  # noqa: RUF012

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: CallbackContext) -> None:
        ctx.set("started", node_id)

    def on_node_end(
        self, node_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        self.seconds[node_id] = self.seconds.get(node_id, 0.0) + duration
        path: list[str] = ctx.hierarchy_path
        assert_type(ctx.current_pipeline_id, str | None)
        print(path, ctx.depth)

    def on_error(self, node_id: str, error: BaseException, ctx: CallbackContext) -> None:
        print(f"{node_id} failed: {error}")

    def on_map_item_end(self, index: int, duration: float, ctx: CallbackContext) -> None:
        self.seconds[str(index)] = duration


class Twice:
    """An engine by its methods alone."""

    def run(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None = None,
        *,
        times: int = 2,
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for _ in range(times):
            results = pipeline.run(inputs, output_name, engine=SeqEngine())
        return results

    def map(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        map_over: str | Sequence[str],
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pipeline.map(
            inputs, map_over, map_mode, output_name, engine=SeqEngine()
        )
        return rows


class Logged(SeqEngine):
    def run(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        return super().run(pipeline, inputs, output_name, **options)


@node
def double(x: int) -> int:
    return x * 2


timings = Timings()
own: Engine = Twice()
pipeline = Pipeline([double], own, Memory(10), [timings])
pipeline.run({"x": 1}, times=3)
pipeline.map({"x": [1]}, "x", engine=Logged(Memory(1), [timings]))
pipeline.with_callbacks([timings]).with_engine(Twice()).with_cache(Memory(1))
assert_type(timings.seconds, dict[str, float])
assert_type(Memory(1).get_many(["a"]), dict[str, Any])
