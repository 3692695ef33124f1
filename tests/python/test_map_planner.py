# SPDX-License-Identifier: MIT
"""MapPlanner: which inputs each item of a map gets."""

import pytest

from hypernodes.map_planner import MapPlanner


def test_map_planner():
    plan = MapPlanner().plan_execution
    assert plan({"x": [1, 2], "k": [0]}, ["x"], "zip") == [
        {"x": 1, "k": [0]},
        {"x": 2, "k": [0]},
    ]
    assert plan({"x": [1, 2], "y": [3, 4]}, ["y", "x"], "product") == [
        {"x": 1, "y": 3},
        {"x": 1, "y": 4},
        {"x": 2, "y": 3},
        {"x": 2, "y": 4},
    ]
    with pytest.raises(ValueError, match="same length"):
        plan({"x": [1], "y": []}, ["x", "y"], "zip")
    with pytest.raises(ValueError, match="'z' in map_over not found"):
        plan({}, ["z"], "zip")
    with pytest.raises(ValueError, match="not a list"):
        plan({"x": "ab"}, ["x"], "zip")
    with pytest.raises(ValueError, match="Unknown map_mode"):
        plan({"x": [1]}, ["x"], "cross")
