# SPDX-License-Identifier: MIT
"""Which inputs each item of a map gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _core
from .exceptions import PlanError

__all__ = ["MapPlanner"]


class MapPlanner:
    """Expands inputs into one dict for each item.

    >>> MapPlanner().plan_execution({"x": [1, 2], "y": [3, 4], "k": 0}, ["x", "y"], "zip")
    [{'x': 1, 'y': 3, 'k': 0}, {'x': 2, 'y': 4, 'k': 0}]
    """

    def plan_execution(
        self,
        inputs: Mapping[str, Any],
        map_over_list: Sequence[str],
        map_mode: str = "zip",
    ) -> list[dict[str, Any]]:
        """Returns the inputs of each item, in the order in which a map runs them.

        Args:
            inputs: Values by name; those named in `map_over_list` are sequences.
            map_over_list: The names to map over.
            map_mode: "zip" or "product".

        Raises:
            PlanError: For unknown names, values that are no sequence, unequal lengths.
        """
        if map_mode not in ("zip", "product"):
            raise PlanError(f"Unknown map_mode '{map_mode}'", fix="use 'zip' or 'product'")
        for name in map_over_list:
            if name not in inputs:
                raise PlanError(f"Parameter '{name}' in map_over not found in inputs")
        names = [name for name in inputs if name in map_over_list]
        items = {name: _core.map_items(name, inputs[name]) for name in names}
        rows = _core.plan_rows(names, [len(items[name]) for name in names], map_mode)
        return [
            {**inputs, **{name: items[name][i] for name, i in zip(names, row, strict=True)}}
            for row in rows
        ]
