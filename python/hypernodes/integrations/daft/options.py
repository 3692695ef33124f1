# SPDX-License-Identifier: MIT
"""What `default_daft_config` of a Daft engine may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

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
        config: Daft's execution configuration for queries, on top of what it is otherwise.
    """

    max_workers: int | None = None
    batch_size: int | None = None
    max_concurrency: int | None = None
    use_process: bool = False
    gpus: float = 0
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
    known = [field.name for field in fields(Options) if field.name != "config"]
    given = {key: value for key, value in (config or {}).items() if value is not None}
    for key in given:
        if key not in known:
            raise _refusal(f"Unknown option {key!r}", f"the options are: {', '.join(known)}")
    for key in ("max_workers", "batch_size", "max_concurrency"):
        value = given.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _refusal(
                f"{key} must be a whole number, at least 1, got {value!r}", "leave it out"
            )
    if not isinstance(given.get("use_process", False), bool):
        raise _refusal(f"use_process must be a bool, got {given['use_process']!r}", "leave it out")
    gpus = given.get("gpus", 0)
    if isinstance(gpus, bool) or not isinstance(gpus, int | float) or gpus < 0:
        raise _refusal(f"gpus must be a number, at least 0, got {gpus!r}", "leave it out")
    if not use_batch_udf:
        given.setdefault("batch_size", 1)
    return Options(**given, config=execution_config)


def _refusal(message: str, fix: str) -> PlanError:
    return PlanError(message, where="DaftEngine(default_daft_config=...)", fix=fix)
