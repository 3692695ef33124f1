# SPDX-License-Identifier: MIT
"""Pipelines on Daft, which is imported when one runs: `pip install 'hypernodes[daft]'`."""

from __future__ import annotations

from hypernodes.integrations.daft.engine import DaftEngine, DaftEngineV2
from hypernodes.integrations.daft.plan import DaftPlan, PlanStep

__all__ = ["DaftEngine", "DaftEngineV2", "DaftPlan", "PlanStep"]
