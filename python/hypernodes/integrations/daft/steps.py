# SPDX-License-Identifier: MIT
"""Steps of a DataFrame's plan that Ray's workers run: the pipeline travels and is compiled there.

A step holds functions of this process. What it was compiled from can travel, and gives the same
steps in the same order wherever it is compiled.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypernodes import _core, _outputs, _places, _travel

if TYPE_CHECKING:
    from hypernodes.pipeline import Pipeline

__all__ = ["Origin", "TravellingStep"]


@dataclass(frozen=True)
class Origin:
    """What a plan was compiled from, pickled."""

    token: str
    data: bytes

    @classmethod
    def pack(
        cls,
        pipeline: Pipeline,
        columns: dict[str, Any],
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: object,
    ) -> Origin:
        """Packs it.

        Args:
            pipeline: What runs.
            columns: The Arrow types of the columns that are inputs; None for Python objects.
            inputs: Inputs that are the same for every row.
            output_name: The outputs wanted; None for all.
            cache: The cache; rows run uncached on machines that do not have its directory.

        Raises:
            TypeError: Naming the node, input or cache that cannot travel.
        """
        parts = (pipeline, columns, inputs, output_name, cache, _places.place(cache))
        data = _travel.dumps_job(parts, pipeline, {**inputs, "cache": cache})
        return cls(secrets.token_hex(16), data)


@dataclass(frozen=True)
class TravellingStep:
    """A step of the plan that `origin` gives, as an argument of its UDF."""

    origin: Origin
    index: int

    @property
    def native(self) -> _core.DaftStep:
        """The step in this process."""
        return _compiled(self.origin)[self.index]


@functools.lru_cache(maxsize=4)
def _compiled(origin: Origin) -> list[_core.DaftStep]:
    try:
        pipeline, columns, inputs, output_name, cache, place = _travel.loads(origin.data)
    except Exception as error:
        raise _travel.unopened("A worker process", error) from error
    if _places.place(cache) != place:
        cache = None
    graph = pipeline._native(output_name, cached=cache is not None)
    promised = _outputs.hinted_types(pipeline)
    source = _core.daft_source_on(graph, columns, inputs, output_name, promised)
    return _core.daft_compile(source, cache)
