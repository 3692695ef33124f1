# SPDX-License-Identifier: MIT
"""The cache key of an input, by running a node with it."""

from __future__ import annotations

import warnings
from typing import Any

from hypernodes import Pipeline, node
from hypernodes.cache import Cache
from hypernodes.exceptions import UncachedWarning


@node(output_name="out", version="1", aka="keys.take")
def take(x: Any) -> int:
    return 1


class Asked(Cache):
    """Has nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.signatures: list[str] = []

    def get(self, signature: str) -> None:
        return None

    def put(self, signature: str, output: Any) -> None:
        pass

    def has(self, signature: str) -> bool:
        self.signatures.append(signature)
        return False


def signature(value: Any) -> str | None:
    """The key of a node's result for `value`; None if it runs uncached, which is told once."""
    cache = Asked()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Pipeline([take], cache=cache).run({"x": value})
    assert [warning.category for warning in told] == [UncachedWarning] * (not cache.signatures)
    return cache.signatures[0] if cache.signatures else None
