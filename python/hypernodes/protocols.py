# SPDX-License-Identifier: MIT
"""What a pipeline expects of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["ArrowTable", "Engine", "LazyTable", "Table"]


@runtime_checkable
class Engine(Protocol):
    """Runs pipelines: any object with these two methods is an engine.

    `Pipeline.run` and `Pipeline.map` call them with all inputs merged into a new dict, `map_over`
    as a list, `output_name` as it was given, and hand on extra keyword arguments, which an engine
    may take; they return the result untouched.
    """

    def run(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None = None,
    ) -> Any:  # noqa: ANN401 (the engine decides)
        """Runs `pipeline` on one item."""

    def map(
        self,
        pipeline: Pipeline,
        inputs: dict[str, Any],
        map_over: str | Sequence[str],
        map_mode: str = "zip",
        output_name: str | Sequence[str] | None = None,
    ) -> Any:  # noqa: ANN401
        """Runs `pipeline` on each item."""


class ArrowTable(Protocol):
    """What type checkers take for a table: DataFrames of all kinds give their rows to Arrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:  # noqa: ANN401
        """The rows, as the Arrow PyCapsule interface has it."""


class LazyTable(Protocol):
    """The same of a LazyFrame of polars."""

    def collect_schema(self) -> Any:  # noqa: ANN401
        """Its columns."""


Table: TypeAlias = ArrowTable | LazyTable
