# SPDX-License-Identifier: MIT
"""What a case of the table is, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract import calls
from contract.engines import EngineSpec
from contract.events import Recorder
from hypernodes import Pipeline


@dataclass(frozen=True)
class Raises:
    """What a call raises.

    Attributes:
        error: The exact class.
        text: The first line of its text.
        note: The note that names node and row; None for our own errors, which have none.
        also: Classes that it derives from.
    """

    error: type[BaseException]
    text: str
    note: str | None = None
    also: tuple[type[BaseException], ...] = ()


@dataclass(frozen=True)
class Case:
    """A pipeline, a call, and what comes of it on every engine.

    Expectations are written by hand from the contract, never computed by hypernodes.

    Attributes:
        name: What is shown, unique.
        build: Makes the pipeline, anew for each test.
        call: Runs or maps it; hands its keywords on.
        result: The value, exactly. Of a map: the list of records.
        columns: Of a map: the same as columns; only needed if there are no rows.
        calls: What the nodes report by `ran`, in the order of the sequential engine.
        events: The events on the sequential engine, as a block of lines; if None, their order is
            only checked for being well-formed.
        raises: What comes instead of a result.
        cached: Whether a second run with a cache runs nothing but `always`.
        always: The nodes that run in spite of a cache.
        value_only: Whether shapes and events are as in other cases, so not worth a test.
        dataframe: Whether `DaftEngine.dataframe` can be asked the same.
        unfit: The first line of the error of `dataframe`, if a return hint makes a typed column
            that cannot hold what the node returns.
    """

    name: str
    build: Callable[[], Pipeline]
    call: Callable[..., Any]
    result: Any = None
    columns: dict[str, list[Any]] | None = None
    calls: Sequence[tuple[Any, ...]] | None = None
    events: str | None = None
    raises: Raises | None = None
    cached: bool = True
    always: frozenset[str] = field(default_factory=frozenset)
    value_only: bool = False
    dataframe: bool = True
    unfit: str | None = None

    @property
    def is_map(self) -> bool:
        return isinstance(self.result, list)

    def expected_columns(self) -> dict[str, list[Any]]:
        """The columns of a map's records."""
        if self.columns is not None:
            return self.columns
        return {name: [row[name] for row in self.result] for name in self.result[0]}

    def perform(
        self, spec: EngineSpec, cache: Any = None, watched: bool = False, **options: Any
    ) -> Outcome:
        """Runs the case on an engine; with a callback, which takes other ways, if `watched`."""
        recorder = Recorder()
        pipeline = self.build().with_engine(spec.make())
        if watched:
            pipeline.with_callbacks([recorder])
        if cache is not None:
            pipeline.with_cache(cache)
        calls.take()
        result, error = None, None
        try:
            result = self.call(pipeline, **options)
        except BaseException as raised:
            error = raised
        return Outcome(result, error, calls.take(), recorder)


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    result: Any
    error: BaseException | None
    calls: list[tuple[Any, ...]]
    recorder: Recorder

    def value(self) -> Any:
        """The result; raises the error, if there was one."""
        if self.error is not None:
            raise self.error
        return self.result
