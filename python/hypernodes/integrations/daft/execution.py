# SPDX-License-Identifier: MIT
"""Daft's execution configuration for the queries of one engine.

Daft has one configuration for the process, which a query reads when it begins. Ours are laid on top
while queries of their engines run, and taken off again: what is below is what it was.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import extension

__all__ = ["Config", "applied", "read"]

Config = tuple[tuple[str, Any], ...]
"""Options of Daft's `set_execution_config` by name."""

_WHERE = "DaftEngine(config=...)"


def read(config: Mapping[str, Any] | None) -> Config:
    """Returns the configuration that an engine was given.

    Raises:
        PlanError: For options that Daft does not have.
        DependencyMissingError: If there are any and Daft is missing.
    """
    if not config:
        return ()
    known = list(inspect.signature(extension.load().set_execution_config).parameters)
    known.remove("config")
    for name in config:
        if name not in known:
            raise PlanError(
                f"Daft has no execution option {name!r}",
                where=_WHERE,
                fix=f"its options are: {', '.join(known)}",
            )
    return tuple(config.items())


_lock = threading.Lock()
_layers: list[Config] = []
_below: Any = None


@contextlib.contextmanager
def applied(config: Config) -> Iterator[None]:
    """Daft's configuration with these options on top.

    Queries of any engine that begin meanwhile have them, too. Of layers that overlap, the latest
    counts; they may end in any order.

    Raises:
        PlanError: If a value is none that Daft takes.
    """
    global _below
    if not config:
        yield
        return
    with _lock:
        if not _layers:
            _below = extension.load().context.get_context().daft_execution_config
        _layers.append(config)
        try:
            _lay()
        except Exception as error:
            _take_off(config)
            shown = ", ".join(f"{name}={value!r}" for name, value in config)
            raise PlanError(
                f"Daft refuses its execution options {shown}: {error}",
                where=_WHERE,
                fix="see daft.set_execution_config for what it takes",
            ) from error
    try:
        yield
    finally:
        with _lock:
            _take_off(config)


def _lay() -> None:
    """REQUIRES: `_lock`."""
    options = {name: value for layer in _layers for name, value in layer}
    extension.load().set_execution_config(config=_below, **options)


def _take_off(config: Config) -> None:
    """REQUIRES: `_lock`."""
    global _below
    # Layers that are equal are one as good as the other.
    del _layers[len(_layers) - 1 - _layers[::-1].index(config)]
    _lay()
    if not _layers:
        _below = None
