# SPDX-License-Identifier: MIT
"""A pipeline as a Daft script: nodes are functions of columns, and hypernodes is not needed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypernodes import hints
from hypernodes.batch_node import BatchNode
from hypernodes.exceptions import PlanError
from hypernodes.hints import ColumnType
from hypernodes.integrations.daft import script
from hypernodes.integrations.daft.function_source import Unwritable
from hypernodes.integrations.daft.script_attempts import Attempts
from hypernodes.integrations.daft.source import Sources
from hypernodes.library import CppNode
from hypernodes.map_planner import MapPlanner
from hypernodes.node import HyperNode, Node, output_names
from hypernodes.pipeline_node import PipelineNode

if TYPE_CHECKING:
    from hypernodes.pipeline import Pipeline


@dataclass(eq=False)
class Value:
    """Something that a node needs or makes.

    Attributes:
        wish: What it is called if nothing else is.
        type: Its column's type, if a return hint promises one.
    """

    wish: str
    type: ColumnType | None = None


@dataclass(eq=False)
class Call:
    """A function that makes values of others.

    Attributes:
        function: An expression for it.
        arguments: Values, each with its keyword or None.
        outputs: What it makes.
        unpack: Whether it returns several as one tuple or list.
        is_async: Whether it is a coroutine function.
    """

    function: str
    arguments: list[tuple[str | None, Value]]
    outputs: list[Value]
    unpack: bool
    is_async: bool = False


@dataclass(eq=False)
class Block:
    """Calls in an order in which they can be made.

    Attributes:
        calls: They.
        constants: Values that are given, as expressions.
    """

    calls: list[Call] = field(default_factory=list)
    constants: dict[Value, str] = field(default_factory=dict)


def generate(
    pipeline: Pipeline,
    inputs: Mapping[str, Any] | None,
    mode: str,
    map_over: str | Sequence[str] | None,
    map_mode: str,
    output_name: str | Sequence[str] | None,
) -> str:
    """Returns the script; see DaftEngine.generate_code."""
    if mode not in ("run", "map"):
        raise PlanError(f"Unknown mode {mode!r}", where="generate_code", fix="use 'run' or 'map'")
    wanted = [output_name] if isinstance(output_name, str) else output_name
    wanted = None if wanted is None else list(wanted)
    is_map = mode == "map"
    given = _placeholders(pipeline, wanted, is_map) if inputs is None else dict(inputs)
    over = [map_over] if isinstance(map_over, str) else map_over
    if is_map and over is None:
        over = [name for name, value in given.items() if _is_sequence(value)]
    merged = pipeline._merged(given)
    pipeline._native(output_name).check(merged, output_name)
    rows = [merged]
    if is_map:
        if not over:
            raise PlanError("map_over must name at least one input", where="generate_code")
        rows = MapPlanner().plan_execution(merged, list(over), map_mode)
    elif over is not None:
        raise PlanError("map_over is for mode='map'", where="generate_code", fix="leave it out")
    writer = _Writer(pipeline)
    columns = {name: Value(name) for name in merged if name in pipeline.graph.root_args}
    block = Block()
    outputs = writer.walk(pipeline, dict(columns), wanted, block)
    read = {value for call in block.calls for _, value in call.arguments}
    texts = {
        value: script.column(name, [row[name] for row in rows], writer.input_text)
        for name, value in columns.items()
        if value in read
    }
    order = list(outputs) if wanted is None else wanted
    return script.text(
        writer.sources,
        block,
        texts,
        len(rows),
        {name: outputs[name] for name in order},
        pipeline.name,
        is_placeholder=inputs is None,
    )


class _Writer:
    """Turns pipelines into calls, and collects the functions that are called."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._name = pipeline.name
        self.sources = Sources(script.reserved())
        self._attempts = Attempts(self.sources)
        self._functions: dict[int, str] = {}

    def walk(
        self,
        pipeline: Pipeline,
        given: dict[str, Value],
        wanted: list[str] | None,
        block: Block,
    ) -> dict[str, Value]:
        """Adds the calls that make the outputs, and returns these in execution order."""
        values = dict(given)
        nodes = _needed_nodes(pipeline, wanted)
        needed = {name for node in nodes for name in node.root_args}
        for name, value in pipeline.bound_inputs.items():
            if name in needed and name not in values:
                values[name] = self._constant(block, name, value)
        made: dict[str, Value] = {}
        for node in nodes:
            if isinstance(node, PipelineNode):
                names = _used(node, needed, wanted)
                outputs = self._nested(node, values, names, block)
            else:
                outputs = self._call(node, values, block)
            made.update(outputs)
            values.update(outputs)
        return made

    def input_text(self, name: str, value: Any) -> str:  # noqa: ANN401
        """An input as an expression."""
        try:
            return self.sources.value(value, name)
        except (Unwritable, RecursionError) as error:
            raise self._refusal(
                f"Input '{name}'", error, "generate it without inputs, and fill them in"
            ) from error

    def _refusal(self, what: str, error: Exception, fix: str) -> PlanError:
        where = f"pipeline '{self._name}'" if self._name else "generate_code"
        return PlanError(f"{what} cannot be written as source: {error}", where=where, fix=fix)

    def _constant(self, block: Block, name: str, thing: Any) -> Value:  # noqa: ANN401
        value = Value(name)
        block.constants[value] = self.input_text(name, thing)
        return value

    def _call(self, node: HyperNode, values: dict[str, Value], block: Block) -> dict[str, Value]:
        names = output_names(node.output_name)
        types: list[ColumnType | None] = [None] * len(names)
        if isinstance(node, Node):
            promised = hints.output_types(node.func, node.output_name)
            types = [kind if kind is not None and kind.exact else None for kind in promised]
        outputs = [Value(name, kind) for name, kind in zip(names, types, strict=True)]
        unpack = not isinstance(node.output_name, str)
        is_async = isinstance(node, Node) and node.is_async
        arguments = self._arguments(node, values, block)
        block.calls.append(
            Call(self._function(node, names[0]), arguments, outputs, unpack, is_async)
        )
        return dict(zip(names, outputs, strict=True))

    def _function(self, node: HyperNode, output: str) -> str:
        """What to call for a node: its function, or one around it that is retried or limited."""
        function: Any = node.func if isinstance(node, Node) else node
        wish = _identifier(output if node.name == "<lambda>" else node.name or "")
        if isinstance(node, CppNode) and node._retry is None and node._definition().native.retried:
            raise self._refusal(
                f"The retry of node '{node.name}'",
                Unwritable("its library says it in C++"),
                "say it in Python: with_options(retry=...)",
            )
        try:
            if isinstance(node, BatchNode):
                raise Unwritable("it takes and returns whole columns")
            if id(node) not in self._functions:
                name = self.sources.function(function, wish)
                if isinstance(node, Node | CppNode):
                    name = self._attempts.around(name, node, wish)
                self._functions[id(node)] = name
            return self._functions[id(node)]
        except (Unwritable, RecursionError) as error:
            raise self._refusal(
                f"Node '{node.name}'", error, "write it as a function that reads plain values"
            ) from error

    def _arguments(
        self, node: HyperNode, values: dict[str, Value], block: Block
    ) -> list[tuple[str | None, Value]]:
        if not isinstance(node, Node):
            return [(name, values[name]) for name in node.root_args if name in values]
        arguments: list[tuple[str | None, Value]] = []
        by_name = False
        for parameter in node._parameters:
            name = parameter.name
            by_name |= parameter.kind is parameter.KEYWORD_ONLY
            if name in values:
                arguments.append((name if by_name else None, values[name]))
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                arguments.append((None, self._constant(block, name, parameter.default)))
            else:
                by_name = True
        return arguments

    def _nested(
        self, node: PipelineNode, values: dict[str, Value], names: list[str], block: Block
    ) -> dict[str, Value]:
        """A plain one becomes its nodes, a mapped one a function with a loop over them."""
        inner_names = {outer: inner for inner, outer in node.output_mapping.items()}
        wanted = [inner_names.get(name, name) for name in names]
        args = {
            outer: node.input_mapping.get(outer, outer)
            for outer in node.root_args
            if outer in values
        }
        if not node.map_over:
            given = {inner: values[outer] for outer, inner in args.items()}
            made = self.walk(node.pipeline, given, wanted, block)
            return {name: made[inner] for name, inner in zip(names, wanted, strict=True)}
        body = Block()
        given = {inner: Value(inner) for inner in args.values()}
        made = self.walk(node.pipeline, given, wanted, body)
        loop = script.Loop(
            name=self.sources.free(_identifier(f"map_{node.name or node.pipeline.name or 'rows'}")),
            parameters={outer: given[inner] for outer, inner in args.items()},
            mapped=[outer for outer in args if outer in node.map_over],
            is_product=node.map_mode == "product",
            body=body,
            outputs={name: made[inner] for name, inner in zip(names, wanted, strict=True)},
        )
        self.sources.definitions.append(script.loop_text(loop, self.sources))
        outputs = {name: Value(name) for name in names}
        arguments: list[tuple[str | None, Value]] = [(None, values[outer]) for outer in args]
        several = len(names) > 1
        block.calls.append(Call(loop.name, arguments, list(outputs.values()), several))
        return outputs


def _needed_nodes(pipeline: Pipeline, wanted: list[str] | None) -> list[HyperNode]:
    graph = pipeline.graph
    needed = graph.get_required_nodes(wanted)
    return list(graph.execution_order) if needed is None else needed


def _used(node: PipelineNode, needed: set[str], wanted: list[str] | None) -> list[str]:
    """The outputs that are computed: those that others use or the caller wants; else all."""
    names = list(output_names(node.output_name))
    used = [name for name in names if name in needed or (wanted is not None and name in wanted)]
    return used or names


def _placeholders(pipeline: Pipeline, wanted: list[str] | None, is_map: bool) -> dict[str, Any]:
    """A value for each input that must be given, of the type that a hint names."""
    kinds: dict[str, Any] = {}
    for node in _needed_nodes(pipeline, wanted):
        for name in node.root_args:
            if name in pipeline.unfulfilled_args:
                hint = hints.plain_hint(node._hints.get(name))
                kinds.setdefault(name, hint() if hint in (bool, int, float, str, bytes) else None)
    return {name: [value] if is_map else value for name, value in kinds.items()}


def _is_sequence(value: object) -> bool:
    if isinstance(value, list | tuple | range):
        return True
    return (hasattr(value, "__len__") and hasattr(value, "dtype")) or hasattr(value, "to_pylist")


def _identifier(text: str) -> str:
    name = re.sub(r"\W", "_", text) or "function"
    return f"{name}_" if keyword.iskeyword(name) or name[0].isdigit() else name
