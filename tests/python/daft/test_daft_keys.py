# SPDX-License-Identifier: MIT
"""Keys on Daft: what nodes read from elsewhere counts, and the entries are those of the others."""

import datetime
import sys

import pytest

from hypernodes import DaftEngine, DiskCache, Pipeline, node

pytest.importorskip("daft")
pytestmark = pytest.mark.daft

FACTOR = 2


def scaled(x):
    return x * FACTOR


@node(output_name="out")
def scale(x: int) -> int:
    return scaled(x)


@node(output_name="year")
def year(day: datetime.date) -> int:
    return day.year


@pytest.fixture
def set_factor(monkeypatch):
    return lambda factor: monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)


def test_an_edited_helper_counts_in_run_map_and_dataframe(tmp_path, set_factor):
    engine = DaftEngine(cache=DiskCache(tmp_path))
    pipeline = Pipeline([scale], engine=engine)
    assert pipeline.run({"x": 1}) == {"out": 2}
    set_factor(3)
    assert pipeline.run({"x": 1}) == {"out": 3}
    assert pipeline.map({"x": [1, 2]}, map_over="x") == [{"out": 3}, {"out": 6}]
    set_factor(4)
    assert pipeline.map({"x": [1, 2]}, map_over="x") == [{"out": 4}, {"out": 8}]
    frame = engine.dataframe(pipeline, {"x": [1, 2]}, map_over="x")
    assert frame.to_pydict() == {"out": [4, 8]}
    set_factor(5)
    frame = engine.dataframe(pipeline, {"x": [1, 2]}, map_over="x")
    assert frame.to_pydict() == {"out": [5, 10]}


def test_entries_serve_the_sequential_engine(tmp_path):
    days = [datetime.date(2024, 5, day) for day in (1, 2)]
    cache = DiskCache(tmp_path)
    Pipeline([year], engine=DaftEngine(), cache=cache).map({"day": days}, map_over="day")
    pipeline = Pipeline([year], cache=cache)
    assert pipeline.map({"day": days}, map_over="day") == [{"year": 2024}] * 2
    assert pipeline.last_run.nodes["year"].rows_cached == 2
