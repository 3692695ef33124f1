# SPDX-License-Identifier: MIT
"""What the checkers must refuse: the code of mypy, then the rule of pyright."""

from __future__ import annotations

from typing import Any

from hypernodes import Node, Pipeline, PipelineCallback, SeqEngine, node
from hypernodes.cache import Cache


@node
def plain(x: int) -> str:
    return str(x)


@node("named")
async def slow(x: int) -> str:
    return str(x)


@node(output_name=("a", "b"))
def several(x: int, *, y: int = 1) -> tuple[int, int]:
    return x, y


plain("text")  # error: arg-type, reportArgumentType
plain()  # error: call-arg, reportCallIssue
plain(1, 2)  # error: call-arg, reportCallIssue
plain(y=1)  # error: call-arg, reportCallIssue
number: int = plain(1)  # error: assignment, reportAssignmentType
text: str = slow(1)  # error: assignment, reportAssignmentType
several(1, y="2")  # error: arg-type, reportArgumentType
plain.output_name = "other"  # error: misc, reportAttributeAccessIssue
_ = plain.nothing  # error: attr-defined, reportAttributeAccessIssue
node(1)  # error: call-overload, reportArgumentType
node("x", cache="yes")  # error: call-overload, reportArgumentType
Node(plain)  # error: call-arg, reportCallIssue

pipeline = Pipeline([plain])
Pipeline(plain)  # error: arg-type, reportArgumentType
Pipeline([lambda x: x])  # error: list-item, reportArgumentType
Pipeline([plain], engine="daft")  # error: arg-type, reportArgumentType
Pipeline([plain], cache="folder")  # error: arg-type, reportArgumentType
Pipeline([plain], strict_types="yes")  # error: arg-type, reportArgumentType
Pipeline([plain], None, None, None, None, True)  # error: call-arg, reportCallIssue
pipeline.run(1)  # error: arg-type, reportArgumentType
pipeline.run({"x": 1}, output_name=1)  # error: arg-type, reportArgumentType
pipeline.map({"x": [1]}, map_over=1)  # error: call-overload, reportArgumentType
pipeline.as_node(input_mapping=["x"])  # error: arg-type, reportArgumentType
pipeline.as_node(nothing=1)  # error: call-arg, reportCallIssue
pipeline.unbind(1)  # error: arg-type, reportArgumentType
_ = pipeline.id.nothing  # error: attr-defined, reportAttributeAccessIssue
SeqEngine(callbacks=SeqEngine())  # error: arg-type, reportArgumentType


class NoHas(Cache):
    def get(self, signature: str) -> Any:
        return None

    def put(self, signature: str, output: Any) -> None:
        pass


NoHas()  # error: abstract, reportAbstractUsage


class Fewer(PipelineCallback):
    def on_map_start(self, n: int) -> None:  # error: override, reportIncompatibleMethodOverride
        pass

    def on_map_end(self, *d: str) -> None:  # error: override, reportIncompatibleMethodOverride
        pass


class OnlyRuns:
    def run(self, pipeline: Pipeline, inputs: dict[str, Any], output_name: Any = None) -> Any:
        return None


pipeline.with_engine(OnlyRuns())  # error: arg-type, reportArgumentType
