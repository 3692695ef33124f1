# SPDX-License-Identifier: MIT
"""What `DaftEngine.plan` returns: the steps that a pipeline becomes, beside Daft's own plan."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hypernodes import _core, hints
from hypernodes.integrations.daft import extension, frame
from hypernodes.integrations.daft.options import Options
from hypernodes.integrations.daft.steps import OutputType, Step, label
from hypernodes.node import Node

if TYPE_CHECKING:
    import daft
    from hypernodes.pipeline import Pipeline

__all__ = ["DaftPlan", "Kind", "PlanStep"]

Kind = Literal["native", "python-batch", "nested-map"]
"""A C++ node that Daft calls; Python nodes in one batch UDF; pipelines mapped over a column."""

_OBJECTS = "Python"


@dataclass(frozen=True)
class PlanStep:
    """One function from columns to columns.

    Attributes:
        level: Steps read columns of lower levels only; those of one level are one projection.
        kind: What Daft calls.
        nodes: The names of the nodes in it.
        arguments: The columns it reads and their types; "Python" for Python objects.
        constants: The names of what it reads that is the same for every row.
        outputs: The columns it makes and their types.
        options: What its node says of how Daft runs it.
    """

    level: int
    kind: Kind
    nodes: tuple[str, ...]
    arguments: Mapping[str, str]
    constants: tuple[str, ...]
    outputs: Mapping[str, str]
    options: Mapping[str, Any]

    def _cells(self) -> tuple[str, ...]:
        constants = (f"{name} (constant)" for name in self.constants)
        reads = ", ".join([*map(": ".join, self.arguments.items()), *constants])
        makes = ", ".join(map(": ".join, self.outputs.items()))
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return str(self.level), self.kind, " + ".join(self.nodes), reads, makes, options


@dataclass(frozen=True)
class DaftPlan:
    """How Daft evaluates a pipeline. As text, all of it.

    Attributes:
        name: The pipeline's.
        steps: What it becomes in a DataFrame, by level.
        rows: How the rows of `run` and `map` go through Daft, in words.
        daft: Daft's logical and physical plans of the DataFrame; "" if it has no columns.
    """

    name: str | None
    steps: tuple[PlanStep, ...]
    rows: str
    daft: str

    def __str__(self) -> str:
        """Two sections on the pipeline, then what Daft says."""
        header = ("step", "kind", "nodes", "arguments", "outputs", "")
        table = [header, *(step._cells() for step in self.steps)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [f"pipeline {self.name}" if self.name else "pipeline", "columns of a DataFrame"]
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines += ["rows of run and map", f"  {self.rows}"]
        if self.daft:
            lines += ["Daft's plan of the DataFrame", self.daft]
        return "\n".join(lines)


def describe(
    pipeline: Pipeline,
    compiled: frame.Plan,
    shown: daft.DataFrame | None,
    options: Options,
    remote: bool,
) -> DaftPlan:
    """The plan of compiled steps.

    Args:
        pipeline: What they were compiled from.
        compiled: Its columns.
        shown: The DataFrame of the outputs; None if there are none.
        options: How the rows of `run` and `map` go.
        remote: Whether rows of `run` and `map` go to other processes.
    """
    made = tuple(map(_step, compiled.steps))
    native = options.plain and not any(
        node.foreign for step in compiled.steps for node in step.native.nodes
    )
    return DaftPlan(pipeline.name, made, _rows(made, native, remote), _explained(shown))


def _step(step: Step) -> PlanStep:
    native = step.native
    nodes = native.nodes
    kind: Kind = "native" if native.function else "python-batch"
    if all(node.mapped for node in nodes):
        kind = "nested-map"
    return PlanStep(
        native.level,
        kind,
        tuple(node.name for node in nodes),
        _columns(native.arguments, native.argument_types),
        tuple(map(label, native.constants)),
        _columns(native.outputs, step.kinds),
        {} if step.own is None else step.own[1].given(),
    )


def _columns(names: Sequence[str], kinds: Sequence[OutputType]) -> dict[str, str]:
    return dict(zip(map(label, names), map(_type_name, kinds), strict=True))


def _type_name(kind: OutputType) -> str:
    return _OBJECTS if kind is None else str(frame.arrow_type(kind))


def _rows(steps: Sequence[PlanStep], native: bool, remote: bool) -> str:
    names = " + ".join(name for step in steps for name in step.nodes)
    if remote:
        return f"pickled parts of them, run in other processes by one Daft class: {names}"
    function = "native function" if native else "batch UDF"
    return f"tickets, redeemed in this process by one {function}: {names}"


def _explained(frame: daft.DataFrame | None) -> str:
    if frame is None:
        return ""
    text = io.StringIO()
    frame.explain(show_all=True, file=text)
    return text.getvalue().strip()


def empty_columns(
    pipeline: Pipeline,
    graph: _core.Graph,
    given: Mapping[str, Any],
    output_name: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """A column without rows for each input that has no value, typed by the nodes that read it."""
    readers = [node for node in pipeline.graph.execution_order if isinstance(node, Node)]
    columns: dict[str, Any] = {}
    for name, declared in _core.daft_root_types(graph, output_name).items():
        if name not in given and name in graph.unfulfilled_args:
            columns[name] = _empty(declared, readers, name)
    return columns


def _empty(declared: _core.ArrowType | None, readers: Sequence[Node[..., Any]], name: str) -> Any:  # noqa: ANN401
    pa = extension.arrow()
    if declared is not None:
        return pa.array([], pa.field(declared).type)
    found = (hints.input_types(node.func).get(name) for node in readers if name in node.root_args)
    hint = next((each for each in found if each is not None), None)
    return [] if hint is None else pa.array(_core.hinted_column([], hint))
