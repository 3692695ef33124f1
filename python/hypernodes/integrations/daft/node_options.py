# SPDX-License-Identifier: MIT
"""What `@node(daft=...)` may say: how Daft runs one node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import options
from hypernodes.node import HyperNode, Node, output_names
from hypernodes.pipeline_node import PipelineNode

if TYPE_CHECKING:
    from hypernodes.pipeline import Pipeline

__all__ = ["NodeOptions", "Own"]


@dataclass(frozen=True)
class NodeOptions:
    """How Daft runs a node.

    Attributes:
        batch_size: The most rows of a call.
        cpus: How many CPUs Daft reserves for each thread or process that runs it.
        gpus: How many GPUs Daft reserves for each.
        max_concurrency: How many calls are under way at once; with `use_process`, how many
            processes there are.
        use_process: Whether it runs in processes of its own.
        name: What Daft's plan calls it.
    """

    batch_size: int | None = None
    cpus: float | None = None
    gpus: float | None = None
    max_concurrency: int | None = None
    use_process: bool | None = None
    name: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set."""
        return {key: value for key, value in vars(self).items() if value is not None}


Own: TypeAlias = tuple[HyperNode, NodeOptions]
"""A node that is a function of its own, and how Daft runs it."""

Numbers: TypeAlias = "list[tuple[tuple[str, ...], int | Numbers]]"
"""Where such nodes are: the outputs of each with its number; of a pipeline, with those inside."""


def read(config: Mapping[str, Any], node: str) -> NodeOptions:
    """Returns the options of a node.

    Args:
        config: What it was given.
        node: Its name.

    Raises:
        PlanError: For unknown keys and values that make no sense.
    """
    where = f"node '{node}', daft=..."
    given = {key: value for key, value in config.items() if value is not None}
    for option in ("max_retries", "on_error"):
        if option in given:
            raise PlanError(
                f"Daft's own {option} would have rows run again, or fail, behind the node's back",
                where,
                "write @node(retry=...), which works on every engine, or map(on_error=...)",
            )
    options.check(given, [field.name for field in fields(NodeOptions)], where)
    return NodeOptions(**given)


def of(node: HyperNode) -> NodeOptions | None:
    """The node's own options, those of the stateful class of its function below; None without."""
    own: NodeOptions | None = node._daft_options
    kind: Any = getattr(node, "func", None).__class__  # A handle's class is not its type.
    if not getattr(kind, "__hypernode_stateful__", False):
        return own
    known = {field.name for field in fields(NodeOptions)}
    stateful = {k: v for k, v in kind.__hypernode_options__.items() if k in known}
    merged = stateful | (own.given() if own is not None else {})
    return NodeOptions(**merged) if merged else None


def for_rows(pipeline: Pipeline, engine: options.Options) -> options.Options:
    """How `run` and `map` go: one function runs all nodes of a row, so the strictest counts."""
    found = _strictest(pipeline)
    if found is None:
        return engine
    return replace(
        engine,
        batch_size=_least(engine.batch_size, found.batch_size),
        max_concurrency=_least(engine.max_concurrency, found.max_concurrency),
        use_process=engine.use_process or bool(found.use_process),
        gpus=max(engine.gpus, found.gpus or 0),
        cpus=_most(engine.cpus, found.cpus),
    )


def _strictest(pipeline: Pipeline) -> NodeOptions | None:
    """What one function for all nodes of a pipeline has to keep to; None if none says anything."""
    found = list(_inside(pipeline))
    if not found:
        return None
    return NodeOptions(
        batch_size=_least(*(each.batch_size for each in found)),
        cpus=_most(*(each.cpus for each in found)),
        gpus=_most(*(each.gpus for each in found)),
        max_concurrency=_least(*(each.max_concurrency for each in found)),
        use_process=any(each.use_process for each in found) or None,
    )


def _most(*needs: float | None) -> float | None:
    return max((need for need in needs if need is not None), default=None)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _inside(pipeline: Pipeline) -> Iterator[NodeOptions]:
    for node in pipeline._nodes:
        if isinstance(node, PipelineNode):
            if node.pipeline._engine is None:
                yield from _inside(node.pipeline)
        else:
            found = of(node)
            if found is not None:
                yield found


def own_nodes(pipeline: Pipeline) -> tuple[list[Own], Numbers]:
    """The nodes that are functions of their own in a DataFrame, and where they are.

    A plain pipeline inside that has such nodes becomes its nodes. One that is mapped, or has its
    own cache, is a function of its own as a whole, for which the strictest counts; one with its own
    engine runs there.
    """
    own: list[Own] = []
    return own, _numbers(pipeline, own)


def _numbers(pipeline: Pipeline, own: list[Own]) -> Numbers:
    numbers: Numbers = []
    for node in pipeline._nodes:
        names = output_names(node.output_name)
        if isinstance(node, PipelineNode):
            if node.pipeline._engine is not None:
                continue
            if not node.map_over and node.pipeline._own_settings()[0] is None:
                inside = _numbers(node.pipeline, own)
                if inside:
                    numbers.append((names, inside))
                continue
            found = _strictest(node.pipeline)
        else:
            found = of(node) if isinstance(node, Node) else None
        if found is not None:
            numbers.append((names, len(own)))
            own.append((node, found))
    return numbers
