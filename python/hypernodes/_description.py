# SPDX-License-Identifier: MIT
"""What `Pipeline.describe` returns: the pipeline as a user of it sees it.

In Python because hints and defaults are Python objects; C++ has `Pipeline::describe`.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._type_check import End, input_ends, output_end
from ._types import describe as type_text
from .node import HyperNode, Node, output_names
from .pipeline_node import PipelineNode

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = [
    "InputDescription",
    "NodeDescription",
    "OutputDescription",
    "PipelineDescription",
    "describe_pipeline",
]

_NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True)
class InputDescription:
    """An input of a pipeline.

    Attributes:
        name: What it is called.
        type: Its type in words, "" if no hint says.
        required: Whether a call must give it: it is neither bound nor has a default.
        default: What it is without a value: what is bound, else the parameter's default;
            `inspect.Parameter.empty` if there is none.
        bound: Whether `bind` gave it a value.
        nodes: The names of the nodes that read it.
    """

    name: str
    type: str
    required: bool
    default: Any
    bound: bool
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class OutputDescription:
    """An output of a pipeline: its name, its type in words ("" if no hint says), its node."""

    name: str
    type: str
    node: str


@dataclass(frozen=True)
class NodeDescription:
    """A node of a pipeline, with the names of what it reads and makes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cached: bool


@dataclass(frozen=True)
class PipelineDescription:
    """Inputs by name, outputs and nodes in the order they run. As text, a table of each."""

    name: str | None
    inputs: tuple[InputDescription, ...]
    outputs: tuple[OutputDescription, ...]
    nodes: tuple[NodeDescription, ...]

    def __str__(self) -> str:
        """The tables."""
        inputs = [(f"{i.name}: {i.type}" if i.type else i.name, _source(i)) for i in self.inputs]
        outputs = [(f"{o.name}: {o.type}" if o.type else o.name, o.node) for o in self.outputs]
        nodes = [
            (n.name, f"{', '.join(n.inputs)} -> {', '.join(n.outputs)}{_mark(n)}")
            for n in self.nodes
        ]
        lines = [f"pipeline {self.name}" if self.name else "pipeline"]
        for title, rows in (("inputs", inputs), ("outputs", outputs), ("nodes", nodes)):
            lines.append(title)
            width = max((len(left) for left, _ in rows), default=0)
            lines += [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]
        return "\n".join(lines)


def _source(described: InputDescription) -> str:
    if described.required:
        return "required"
    if described.default is _NO_DEFAULT:  # of an inner pipeline on the way through C++
        return "optional"
    return f"{'bound to' if described.bound else 'default'} {reprlib.repr(described.default)}"


def _mark(node: NodeDescription) -> str:
    return "" if node.cached else "  (never cached)"


def describe_pipeline(pipeline: Pipeline) -> PipelineDescription:
    """The description of a pipeline as it is now."""
    graph = pipeline.graph
    return PipelineDescription(
        pipeline.name,
        tuple(_input(pipeline, graph.execution_order, name) for name in graph.root_args),
        tuple(
            OutputDescription(name, _output_type(node, name), str(node.name or ""))
            for node in graph.execution_order
            for name in output_names(node.output_name)
        ),
        tuple(
            NodeDescription(
                str(node.name or ""), node.root_args, output_names(node.output_name), node.cache
            )
            for node in graph.execution_order
        ),
    )


def _input(pipeline: Pipeline, nodes: Sequence[HyperNode], name: str) -> InputDescription:
    readers = [node for node in nodes if name in node.root_args]
    bound = name in pipeline.bound_inputs
    default = pipeline.bound_inputs[name] if bound else _default(readers, name)
    types = dict.fromkeys(
        text for node in readers for end in input_ends(node, name) if (text := _text(end))
    )
    return InputDescription(
        name,
        " & ".join(types),
        name in pipeline.unfulfilled_args,
        default,
        bound,
        tuple(str(node.name or "") for node in readers),
    )


def _default(readers: Sequence[HyperNode], name: str) -> Any:  # noqa: ANN401
    """The first default that a reader has for it."""
    return next((default for node in readers for default in _defaults(node, name)), _NO_DEFAULT)


def _defaults(node: HyperNode, name: str) -> Iterator[Any]:
    if isinstance(node, Node):
        for parameter in node._parameters:
            if parameter.name == name and parameter.default is not _NO_DEFAULT:
                yield parameter.default
    elif isinstance(node, PipelineNode):
        inner = node.input_mapping.get(name, name)
        for reader in node.pipeline._nodes:
            if inner in reader.root_args:
                yield from _defaults(reader, inner)


def _output_type(node: HyperNode, name: str) -> str:
    end = output_end(node, name)
    return "" if end is None else _text(end)


def _text(end: End) -> str:
    if end.hint is Any:
        return ""
    return end.text or type_text(end.hint)
