# SPDX-License-Identifier: MIT
"""A node of a DataFrame in processes of its own: what travels, and what runs it there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core, _travel
from hypernodes._part_events import Inbox, Outbox, Parcel
from hypernodes.engines import SeqEngine
from hypernodes.node import HyperNode, output_names
from hypernodes.pipeline import Pipeline
from hypernodes.pipeline_node import PipelineNode

if TYPE_CHECKING:
    from hypernodes.integrations.daft.node_options import NodeOptions
    from hypernodes.integrations.daft.steps import Step

__all__ = ["expression", "heard", "opened"]


# Begins the name of a column of the very objects that another column holds as their type.
_RAW = "__hn_raw_"


@dataclass(frozen=True)
class _Task:
    """How to run rows of a node."""

    pipeline: Pipeline
    arguments: list[list[str]]
    """For each argument, the names by which the node knows it."""
    pickled: list[bool]
    """For each argument, whether its column holds pickled objects."""
    constants: dict[str, Any]
    outputs: list[str]
    cache: Any
    listened: bool


@dataclass(frozen=True)
class _Told:
    """The row that comes first of those of a call, if somebody hears of events.

    Attributes:
        result: The row's.
        parcel: The events of the call.
        failure: The place of its exception among theirs, if it failed.
    """

    result: Any
    parcel: Parcel
    failure: int | None


def expression(
    daft: ModuleType,
    node: HyperNode,
    options: NodeOptions,
    step: _core.DaftStep,
    cache: Any,  # noqa: ANN401
    columns: Sequence[Any],
    listened: bool,
) -> Any:  # noqa: ANN401 (an expression of Daft's)
    """A call of a Daft class with one object in each process, which opens the node once.

    It makes a column of pickled results: one value for each row, or a tuple of several. If somebody
    hears of events, `heard` takes each.

    Args:
        daft: Daft.
        node: The node.
        options: How it runs.
        step: It as a step.
        cache: The cache, or None.
        columns: What tells the rows, then the step's arguments; Python objects pickled.
        listened: Whether somebody hears of events.

    Raises:
        TypeError: Naming what cannot travel.
    """
    [known] = step.nodes
    columns_read = [name.removeprefix(_RAW) for name in step.arguments]
    arguments = [[own for own, name in known.inputs if name == each] for each in columns_read]
    held = step.constants
    constants = {own: held[name] for own, name in known.inputs if name in held}
    made = {name: own for own, name in known.outputs}
    outputs = [made[name.removeprefix(_RAW)] for name in step.outputs]
    pipeline = Pipeline([_restricted(node, list(made.values()))])
    pickled = [kind is None for kind in step.argument_types]
    task = _Task(pipeline, arguments, pickled, constants, outputs, cache, listened)
    data = _travel.dumps_job(task, pipeline, {**constants, "cache": cache})

    # A class of this function travels by value and imports us there, where our module may not be
    # on the path yet.
    class Worker:
        def __init__(self, path: list[str], data: bytes) -> None:
            import sys

            sys.path.extend(place for place in path if place not in sys.path)
            from hypernodes.integrations.daft import worker

            self.run_rows = worker.opened(data)

        def run(self, counted: Any, *columns: Any) -> Any:  # noqa: ANN401
            return self.run_rows(counted, *columns)

        rows = daft.method.batch(
            return_dtype=daft.DataType.binary(), batch_size=options.batch_size
        )(run)

    worker = daft.cls(
        Worker,
        use_process=True,
        max_concurrency=options.max_concurrency,
        cpus=options.cpus,
        gpus=options.gpus or 0,
        name_override=options.name or step.name,
    )
    return worker(list(sys.path), data).rows(*columns)


def _restricted(node: HyperNode, outputs: Sequence[str]) -> HyperNode:
    """A node that makes these outputs; a pipeline computes only what they need."""
    if not isinstance(node, PipelineNode) or len(outputs) == len(output_names(node.output_name)):
        return node
    inner = {outer: name for name, outer in node.output_mapping.items()}
    return node.pipeline.as_node(
        input_mapping=node.input_mapping,
        output_mapping={inner.get(name, name): name for name in outputs},
        map_over=node.map_over,
        map_mode=node.map_mode,
        name=node.name,
        cache=node.cache,
    )


def opened(data: bytes) -> Any:  # noqa: ANN401 (a function of columns)
    """What runs rows of a node that `expression` has packed."""
    return functools.partial(_run, _travel.loads(data))


def _run(task: _Task, counted: Any, *given_columns: Any) -> list[bytes]:  # noqa: ANN401
    given: dict[str, Any] = {}
    for names, column, pickled in zip(task.arguments, given_columns, task.pickled, strict=True):
        # The core reads a column as it does in any process: a map is a dict.
        items = list(map(_travel.loads, column.to_pylist())) if pickled else column.to_arrow()
        given |= dict.fromkeys(names, items)
    rows = len(counted)
    outputs = list(dict.fromkeys(task.outputs))
    if task.listened:
        return _run_listened(task, given, rows, outputs)
    if given:
        made = SeqEngine(task.cache).map(
            task.pipeline,
            task.constants | given,
            list(given),
            output_name=outputs,
            outputs="columns",
        )
    else:
        engine = SeqEngine(task.cache)
        each = [engine.run(task.pipeline, task.constants, outputs) for _ in range(rows)]
        made = {name: [row[name] for row in each] for name in outputs}
    return list(map(_travel.dumps, _results(task, made)))


def _results(task: _Task, made: Mapping[str, Sequence[Any]]) -> list[Any]:
    columns = [made[name] for name in task.outputs]
    return list(columns[0] if len(columns) == 1 else zip(*columns, strict=True))


def _run_listened(task: _Task, given: dict[str, Any], rows: int, outputs: list[str]) -> list[bytes]:
    """As `_run`, with the events; a failure is a result."""
    outbox = Outbox(0, task.constants, listened=True)
    graph = task.pipeline._native(outputs, cached=task.cache is not None)
    parts = (0, rows, outputs, task.cache, outbox.recorder, False)
    made, _, failure, _ = _core.run_part(graph, task.constants, given, *parts)
    results = [None] * rows
    if made is not None:
        results = _results(task, dict(zip(outputs, made, strict=True)))
    place = None if failure is None else outbox.place(failure[0])
    told = _Told(results[0], outbox.close(), place) if rows else None
    return list(map(_travel.dumps, [told, *results[1:]][:rows]))


def heard(step: Step, row: Any) -> Any:  # noqa: ANN401
    """The result of a row; tells the events that came with it.

    Raises:
        BaseException: What the node raised there, or a callback here.
    """
    if not isinstance(row, _Told) or step.events is None:
        return row
    _, column = step.native.nodes[0].outputs[0]
    inbox = Inbox(step.native.constants, functools.partial(step.events.tell_alone, column))
    inbox.expect(0)
    errors = inbox.finish(0, row.parcel)
    if row.failure is not None:
        raise errors[row.failure]
    return row.result
