# SPDX-License-Identifier: MIT
"""What becomes of the rows of a map that fail, where they do not stop it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core
from .node import output_names

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["Collected", "Failure", "Failures", "replay"]


@dataclass(frozen=True)
class _Call:
    """The map that a row was of."""

    inputs: Mapping[str, Any]
    overrides: frozenset[str]


@dataclass(frozen=True, eq=False)
class Failure:
    """A node that failed in a row of a map.

    Attributes:
        row: The row of the map, from 0.
        path: The names of the nodes, from that of the mapped pipeline to the innermost.
        error: What it raised; from another process a copy, or a RemoteError with its text.
        inputs: What the map has for this row alone, as it is now: the node may have changed it.
        inputs_digest: 64 hex digits that tell equal inputs; None if one has no digest.
        attempts: How many calls were made: more than one for a node with a `retry`.
    """

    row: int
    path: tuple[str, ...]
    error: BaseException
    inputs: dict[str, Any]
    inputs_digest: str | None
    attempts: int
    _call: _Call = field(repr=False)

    @property
    def node(self) -> str:
        """The name of the innermost node."""
        return self.path[-1]

    @property
    def traceback(self) -> str:
        """The traceback as Python prints it; of another process, that one's."""
        return "".join(traceback.format_exception(self.error))


class Failures(tuple[Failure, ...]):
    """The failures of a map, by row."""

    __slots__ = ()

    def to_pydict(self) -> dict[str, list[Any]]:
        """Columns for a table: row, node, inputs_digest, error, message, traceback."""
        columns: dict[str, Callable[[Failure], Any]] = {
            "row": lambda failure: failure.row,
            "node": lambda failure: ".".join(failure.path),
            "inputs_digest": lambda failure: failure.inputs_digest,
            "error": lambda failure: type(failure.error).__name__,
            "message": lambda failure: str(failure.error),
            "traceback": lambda failure: failure.traceback,
        }
        return {name: [value(failure) for failure in self] for name, value in columns.items()}


class Collected(NamedTuple):
    """What a map with `on_error="collect"` returns.

    Attributes:
        results: The outputs of the rows that did not fail, in the shape that was asked for.
        rows: Which rows of the map these are.
        failures: The others' failures.
    """

    results: Any
    rows: list[int]
    failures: Failures


RawFailure = tuple[int, tuple[str, ...], BaseException, dict[str, Any], str | None, int]
Raw = tuple[Any, list[int] | None, list[RawFailure]]


def settle(
    pipeline: Pipeline,
    raw: Raw,
    given: Mapping[str, Any],
    overrides: Mapping[str, Any] | None,
    build: Callable[[Any], Any],
) -> Any:  # noqa: ANN401 (as asked for)
    """What a map that collected failures returns; they are in the pipeline's last run, too.

    Args:
        pipeline: What was mapped.
        raw: What the core returned.
        given: The inputs of the map, with what was given instead of outputs.
        overrides: The latter.
        build: Makes what was asked for of the core's results.
    """
    results, rows, failed = raw
    call = _Call(given, frozenset(overrides or ()))
    failures = Failures(Failure(*each, call) for each in failed)
    pipeline._last_runs.set_failures(failures)
    built = build(results)
    return built if rows is None else Collected(built, rows, failures)


def replay(pipeline: Pipeline, failure: Failure) -> dict[str, Any]:
    """Runs the node of a failure again: see `Pipeline.replay`."""
    call = failure._call
    given = {**call.inputs, **failure.inputs}
    overrides = {name: given[name] for name in call.overrides}
    inputs = {name: value for name, value in given.items() if name not in overrides}
    cache, _ = pipeline._own_settings()
    made = set(pipeline.graph.available_output_names)
    result: dict[str, Any] = {}
    # Nodes may share a name: then each is run.
    for node in pipeline.graph.execution_order:
        if node.name != failure.path[0]:
            continue
        names = list(output_names(node.output_name))
        needed = [name for name in node.root_args if name in made and name not in overrides]
        arguments = dict(overrides)
        if needed:
            before = pipeline._native(needed, overrides, cached=cache is not None)
            arguments |= before.run({**inputs, **overrides}, needed, cache, None)
        alone = pipeline._native(names, arguments)
        result |= alone.run({**inputs, **arguments}, names, None, None)
    return result


_core.Statistics.failures = Failures()
