# SPDX-License-Identifier: MIT
"""Types checked along the wires of a pipeline, when it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import GenericAlias
from typing import Any, Union, final

from . import _core
from ._types import Items, describe, output_hints, satisfiable
from ._warnings import warn
from .exceptions import TypeError as PipelineTypeError
from .exceptions import TypeWarning
from .library import CppNode
from .node import HyperNode, Node, output_names
from .pipeline_node import PipelineNode

__all__ = ["End", "Mismatch", "check_types", "input_ends", "mismatches", "output_end"]

_FIX = "correct the hint that is wrong, or convert in a node between them"


@dataclass(frozen=True)
class Mismatch:
    """An output and an input that it feeds, of which no value can be both.

    Attributes:
        name: What the value is called where they are wired.
        producer: The node that makes it, such as "node 'load'".
        output_type: What it says that it makes.
        consumer: The node that takes it.
        input_type: What it says that it takes.
    """

    name: str
    producer: str
    output_type: str
    consumer: str
    input_type: str

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"Output '{self.name}' of {self.producer} is {self.output_type},"
            f" but {self.consumer} takes it as {self.input_type}"
        )


def check_types(nodes: Sequence[HyperNode], pipeline: str | None, strict: bool) -> None:
    """Warns of each mismatch, at the line that builds the pipeline.

    Raises:
        TypeError: Instead, if `strict`; it names them all.
    """
    found = mismatches(nodes)
    if found and strict:
        where = f"pipeline '{pipeline}'" if pipeline else ""
        raise PipelineTypeError("\n".join(map(str, found)), where, _FIX)
    for mismatch in found:
        text = f"{mismatch}\n  fix:   {_FIX}; strict_types=True makes this an error"
        warn(text, TypeWarning)


def mismatches(nodes: Sequence[HyperNode]) -> list[Mismatch]:
    """What does not fit between these nodes, each pair once.

    Pairs of C++ nodes are left out: the graph refuses them. So is what is inside a pipeline node:
    it was checked when that pipeline was built.
    """
    typed = [node for node in nodes if _may_have_hints(node)]
    makers = {name: node for node in typed for name in output_names(node.output_name)}
    found: dict[Mismatch, None] = {}
    for consumer in typed:
        for name in consumer.root_args:
            producer = makers.get(name)
            if producer is None or (made := output_end(producer, name)) is None:
                continue
            for taken in input_ends(consumer, name):
                if not ((made.native and taken.native) or satisfiable(made.hint, taken.hint)):
                    found[_mismatch(name, made, taken)] = None
    return list(found)


def _may_have_hints(node: HyperNode) -> bool:
    """Whether it is worth a look; hints are only resolved where there is a wire."""
    return not isinstance(node, Node) or bool(getattr(node.func, "__annotations__", True))


def _mismatch(name: str, made: End, taken: End) -> Mismatch:
    output, taken_as = made.text or describe(made.hint), taken.text or describe(taken.hint)
    if output == taken_as:  # Two classes of one name.
        output, taken_as = repr(made.hint), repr(taken.hint)
    return Mismatch(name, made.node, output, taken.node, taken_as)


# The ends of a wire ----------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """An output or input of a function, as it appears outside of the pipelines around it."""

    node: str
    hint: object
    text: str = ""
    """The C++ type, if it is one."""

    @property
    def native(self) -> bool:
        return bool(self.text)

    def mapped(self, container: type) -> End:
        text = f"list[{self.text}]" if self.text else ""
        return replace(self, hint=GenericAlias(container, (self.hint,)), text=text)

    def within(self, outer: PipelineNode) -> End:
        if not outer.name or " in pipeline " in self.node:
            return self
        return replace(self, node=f"{self.node} in pipeline '{outer.name}'")


def output_end(node: HyperNode, name: str) -> End | None:
    """What makes the output; None if nothing is known of its type."""
    if isinstance(node, PipelineNode):
        return _output_of_inner(node, name)
    position = output_names(node.output_name).index(name)
    if isinstance(node, CppNode):
        return _native_end(node, node._definition().native.output_types[position], _made_hint)
    if "return" not in node._hints:
        return None
    hint = output_hints(node._hints["return"], node.output_name)[position]
    return End(f"node '{node.name}'", hint)


def _output_of_inner(node: PipelineNode, name: str) -> End | None:
    inner_names = {outer: inner for inner, outer in node.output_mapping.items()}
    inner_name = inner_names.get(name, name)
    for inner in node.pipeline._nodes:
        if inner_name in output_names(inner.output_name):
            made = output_end(inner, inner_name)
            if made is not None and node.map_over:
                made = made.mapped(list)
            return made and made.within(node)
    return None


def input_ends(node: HyperNode, name: str) -> Iterator[End]:
    """What takes the input, of that of which the type is known."""
    if isinstance(node, PipelineNode):
        yield from _inputs_of_inner(node, name)
    elif isinstance(node, CppNode):
        definition = node._definition().native
        position = definition.input_names.index(name)
        yield _native_end(node, definition.input_types[position], _taken_hint)
    elif name in node._hints:
        yield End(f"node '{node.name}'", node._hints[name])


def _inputs_of_inner(node: PipelineNode, name: str) -> Iterator[End]:
    inner_name = node.input_mapping.get(name, name)
    for inner in node.pipeline._nodes:
        if inner_name not in inner.root_args:
            continue
        for taken in input_ends(inner, inner_name):
            if name in (node.map_over or []):
                taken = taken.mapped(Items)
            yield taken.within(node)


# C++ types as hints ----------------------------------------------------------------------------


@final
class _Int64(int):
    """What C++ makes: never a bool, never of a subclass."""


@final
class _Float64(float):
    """What C++ makes: never an int."""


class _Indexable:
    """What C++ takes as an integer without being an int."""


_MADE: dict[str, Any] = {
    "null": None,
    "bool": bool,
    "int64": _Int64,
    "float64": _Float64,
    "string": str,
    "bytes": bytes,
    "struct": dict[str, Any],
}
_TAKEN: dict[str, Any] = {**_MADE, "int64": int | _Indexable, "float64": float, "struct": Any}


def _native_end(node: CppNode, type: _core.Type, hint: Callable[[_core.Type], object]) -> End:
    return End(f"node '{node.name}'", hint(type), str(type))


def _made_hint(type: _core.Type) -> object:
    """The Python values that an output of this type becomes."""
    fields = tuple(_made_hint(field) for _, field in type.fields)
    containers = {"list": list, "map": dict}
    if type.kind in containers:
        made: object = GenericAlias(containers[type.kind], fields)
    else:
        made = _MADE.get(type.kind, Any)
    return Union[made, None] if type.nullable else made  # noqa: UP007 (of any hint)


def _taken_hint(type: _core.Type) -> object:
    """The Python values that an input of this type accepts."""
    fields = tuple(_taken_hint(field) for _, field in type.fields)
    containers: dict[str, Any] = {"list": Items, "map": dict}
    if type.kind in containers:
        taken: object = GenericAlias(containers[type.kind], fields)
    else:
        taken = _TAKEN.get(type.kind, Any)
    return Union[taken, None] if type.nullable else taken  # noqa: UP007
