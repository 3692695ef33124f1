# SPDX-License-Identifier: MIT
"""A node of a DataFrame in processes of its own: what travels, and what runs it there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core, _outputs, _travel
from hypernodes.engines import SeqEngine
from hypernodes.integrations.daft import extension
from hypernodes.pipeline import Pipeline

if TYPE_CHECKING:
    from hypernodes.hints import ColumnType
    from hypernodes.integrations.daft.node_options import NodeOptions
    from hypernodes.node import Node

__all__ = ["expression", "opened"]


@dataclass(frozen=True)
class _Task:
    """How to run rows of a node."""

    pipeline: Pipeline
    arguments: list[str]
    pickled: list[bool]
    """For each argument, whether its column holds pickled objects."""
    constants: dict[str, Any]
    outputs: list[str]
    types: list[Any]
    """Arrow's of the outputs; None for Python objects."""
    hints: list[ColumnType | None]
    """What return hints promise of them."""
    cache: Any


def expression(
    daft: ModuleType,
    node: Node[..., Any],
    options: NodeOptions,
    step: _core.DaftStep,
    dtype: Any,  # noqa: ANN401 (a type of Daft's)
    cache: Any,  # noqa: ANN401
    columns: Sequence[Any],
) -> Any:  # noqa: ANN401 (an expression of Daft's)
    """A call of a Daft class with one object in each process, which opens the node once.

    Args:
        daft: Daft.
        node: The node.
        options: How it runs.
        step: It as a step.
        dtype: Of the column it makes.
        cache: The cache, or None.
        columns: What tells the rows, then the step's arguments.

    Raises:
        TypeError: Naming what cannot travel.
    """
    pipeline = Pipeline([node])
    constants = step.constants
    promised = _outputs.hinted_types(pipeline)
    pa = extension.arrow()
    types = [None if kind is None else pa.field(kind).type for kind in step.types]
    hints = [promised.get(name) for name in step.outputs]
    pickled = [kind is None for kind in step.argument_types]
    arguments = (step.arguments, pickled, constants, step.outputs)
    task = _Task(pipeline, *arguments, types, hints, cache)
    data = _travel.dumps_job(task, pipeline, {**constants, "cache": cache})

    # Daft keeps functions of Python objects in this process, whatever they ask for.
    objects = None in types
    travelling = daft.DataType.binary() if objects else dtype
    counted, *given = columns
    pack = daft.func.batch(return_dtype=daft.DataType.binary())(_pickled)
    given = [
        pack(each) if kind is None else each
        for each, kind in zip(given, step.argument_types, strict=True)
    ]

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

        rows = daft.method.batch(return_dtype=travelling, batch_size=options.batch_size)(run)

    made = daft.cls(
        Worker,
        use_process=True,
        max_concurrency=options.max_concurrency,
        cpus=options.cpus,
        gpus=options.gpus or 0,
        name_override=options.name or step.name,
    )
    call = made(list(sys.path), data).rows(counted, *given)
    if not objects:
        return call
    return daft.func.batch(return_dtype=dtype)(_unpickled)(call)


def opened(data: bytes) -> Any:  # noqa: ANN401 (a function of columns)
    """What runs rows of a node that `expression` has packed."""
    return functools.partial(_run, _travel.loads(data))


def _run(task: _Task, counted: Any, *columns: Any) -> Any:  # noqa: ANN401
    given = {
        name: list(map(_travel.loads, column.to_pylist())) if pickled else column.to_pylist()
        for name, column, pickled in zip(task.arguments, columns, task.pickled, strict=True)
    }
    rows = len(counted)
    if given:
        made = SeqEngine(task.cache).map(
            task.pipeline,
            task.constants | given,
            list(given),
            output_name=task.outputs,
            outputs="columns",
        )
    else:
        engine = SeqEngine(task.cache)
        each = [engine.run(task.pipeline, task.constants, task.outputs) for _ in range(rows)]
        made = {name: [row[name] for row in each] for name in task.outputs}
    return _series([made[name] for name in task.outputs], task)


def _series(columns: list[list[Any]], task: _Task) -> Any:  # noqa: ANN401
    import daft

    if None in task.types:
        single = len(columns) == 1
        items = columns[0] if single else list(zip(*columns, strict=True))
        return daft.Series.from_pylist(list(map(_travel.dumps, items)))
    arrays = list(map(_array, columns, task.types, task.hints))
    if len(arrays) > 1:
        arrays = [_core.daft_struct(task.outputs, arrays)]
    return daft.Series.from_arrow(extension.arrow().array(arrays[0]))


def _pickled(objects: Any) -> list[bytes]:  # noqa: ANN401 (a series of Daft's)
    """A batch UDF."""
    return list(map(_travel.dumps, objects.to_pylist()))


def _unpickled(column: Any) -> Any:  # noqa: ANN401
    """A batch UDF."""
    import daft

    return daft.Series.from_pylist(list(map(_travel.loads, column.to_pylist())), pyobj="force")


def _array(items: list[Any], kind: Any, hint: ColumnType | None) -> Any:  # noqa: ANN401
    pa = extension.arrow()
    return pa.array(items, kind) if hint is None else pa.array(_core.hinted_column(items, hint))
