# SPDX-License-Identifier: MIT
"""What `Pipeline.graph` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import _core
from .node import HyperNode, output_names
from .pipeline_node import PipelineNode

__all__ = ["PipelineGraph", "describe"]


@dataclass(frozen=True)
class PipelineGraph:
    """How the nodes of a pipeline hang together.

    Attributes:
        output_to_node: The node that makes each output.
        execution_order: The nodes in the order they run; ready ones by name.
        root_args: The sorted names that the caller supplies.
        available_output_names: The sorted names that can be asked for.
        dependencies: For each node, those whose outputs it needs.
        required_outputs: For each pipeline node, the outputs that others need; None for all.
    """

    output_to_node: dict[str, HyperNode]
    execution_order: list[HyperNode]
    root_args: list[str]
    available_output_names: list[str]
    dependencies: dict[HyperNode, list[HyperNode]]
    required_outputs: dict[HyperNode, list[str] | None]
    _native: _core.Graph = field(repr=False)

    def get_required_nodes(self, names: str | Sequence[str] | None) -> list[HyperNode] | None:
        """Returns the nodes that these outputs need, in execution order; None for all.

        Raises:
            PlanError: For a name that no node makes (a ValueError, too).
        """
        if names is None:
            return None
        return [self.execution_order[step] for step in self._native.required_steps(names)]


def describe(nodes: Sequence[HyperNode], pruned: _core.Graph) -> PipelineGraph:
    """The view of a graph of `nodes`, which may leave out outputs that nobody needs."""
    whole = pruned.covering(None)
    makers = {name: node for node in nodes for name in output_names(node.output_name)}
    computed = set(pruned.output_names)
    return PipelineGraph(
        output_to_node=makers,
        execution_order=[makers[name] for name in whole.first_outputs],
        root_args=list(whole.root_args),
        available_output_names=sorted(makers),
        dependencies={
            node: list(dict.fromkeys(makers[arg] for arg in node.root_args if arg in makers))
            for node in nodes
        },
        required_outputs={
            node: _required(node, computed) for node in nodes if isinstance(node, PipelineNode)
        },
        _native=whole,
    )


def _required(node: PipelineNode, computed: set[str]) -> list[str] | None:
    """The outputs of `node` that are computed; None for all."""
    names = output_names(node.output_name)
    required = [name for name in names if name in computed]
    return None if len(required) == len(names) else required
