# SPDX-License-Identifier: MIT
"""A test that takes `engine` runs on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from contract import calls
from contract.engines import ENGINES, EngineSpec
from hypernodes import DiskCache


@pytest.fixture(params=[spec.param() for spec in ENGINES])
def spec(request: pytest.FixtureRequest) -> EngineSpec:
    """Each engine in turn."""
    return request.param


@pytest.fixture
def engine(spec: EngineSpec) -> Any:
    """An engine of each kind in turn."""
    return spec.make()


@pytest.fixture
def cache(tmp_path) -> DiskCache:
    """An empty cache."""
    return DiskCache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.take()
