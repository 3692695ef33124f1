# SPDX-License-Identifier: MIT
"""What `default_daft_config` of a Daft engine may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import execution


@dataclass(frozen=True)
class Options:
    """How Daft runs rows.

    Attributes:
        max_workers: Into how many parts a map is cut, and how many run at once. By default a thread
            or process for each core.
        batch_size: The most rows that Daft hands over in one call.
        max_concurrency: How many calls are under way at once, in processes how many there are.
        use_process: Whether rows run in processes of their own.
        gpus: How many GPUs Daft reserves for each thread or process that runs rows.
        cpus: How many CPUs Daft reserves for each of those; None leaves it to Daft.
        config: Daft's execution configuration for queries, on top of what it is otherwise.
    """

    max_workers: int | None = None
    batch_size: int | None = None
    max_concurrency: int | None = None
    use_process: bool = False
    gpus: float = 0
    cpus: float | None = None
    config: execution.Config = ()

    @property
    def plain(self) -> bool:
        """Whether Daft calls functions as it likes."""
        return replace(self, config=()) == Options()

    @property
    def most_at_once(self) -> int | None:
        """How many calls may be under way at once; None leaves it to Daft."""
        limits = [limit for limit in (self.max_workers, self.max_concurrency) if limit is not None]
        return min(limits, default=None)


def read(
    config: Mapping[str, Any] | None, use_batch_udf: bool, execution_config: execution.Config = ()
) -> Options:
    """Returns the options that an engine was given.

    Args:
        config: `default_daft_config`.
        use_batch_udf: False for batches of one row, where `config` has no batch_size.
        execution_config: Daft's execution configuration.

    Raises:
        PlanError: For unknown keys and values that make no sense.
    """
    known = ["max_workers", "batch_size", "max_concurrency", "use_process", "gpus", "cpus"]
    given = {key: value for key, value in (config or {}).items() if value is not None}
    check(given, known, "DaftEngine(default_daft_config=...)")
    if not use_batch_udf:
        given.setdefault("batch_size", 1)
    return Options(**given, config=execution_config)


def check(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Refuses options that are not known, or of values that make no sense.

    Raises:
        PlanError: Naming the option, in `where`.
    """

    def refuse(message: str, fix: str = "leave it out") -> NoReturn:
        raise PlanError(message, where=where, fix=fix)

    for key, value in given.items():
        if key not in known:
            refuse(f"Unknown option {key!r}", f"the options are: {', '.join(known)}")
        if key == "use_process":
            if not isinstance(value, bool):
                refuse(f"use_process must be a bool, got {value!r}")
        elif key == "name":
            if not isinstance(value, str) or not value:
                refuse(f"name must be a text that is not empty, got {value!r}")
        elif key in ("gpus", "cpus"):
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                refuse(f"{key} must be a number, at least 0, got {value!r}")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            refuse(f"{key} must be a whole number, at least 1, got {value!r}")
