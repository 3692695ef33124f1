# SPDX-License-Identifier: MIT
"""What `Pipeline.graph` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import _core
from .node import HyperNode, output_names
from .pipeline_node import PipelineNode, pruned_outputs

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


def describe(nodes: Sequence[HyperNode], native: _core.Graph) -> PipelineGraph:
    """The view of `native`, which was built from all outputs of `nodes`."""
    makers = {name: node for node in nodes for name in output_names(node.output_name)}
    pruned = {node: pruned_outputs(node, nodes) for node in nodes if isinstance(node, PipelineNode)}
    return PipelineGraph(
        output_to_node=makers,
        execution_order=[makers[name] for name in native.first_outputs],
        root_args=list(native.root_args),
        available_output_names=sorted(makers),
        dependencies={
            node: list(dict.fromkeys(makers[arg] for arg in node.root_args if arg in makers))
            for node in nodes
        },
        required_outputs={
            node: None if names is None else list(names) for node, names in pruned.items()
        },
        _native=native,
    )
