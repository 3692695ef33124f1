# SPDX-License-Identifier: MIT
"""Pipelines on Daft, which is imported when one runs: `pip install 'hypernodes[daft]'`."""

from __future__ import annotations

from hypernodes.integrations.daft.engine import DaftEngine, DaftEngineV2

__all__ = ["DaftEngine", "DaftEngineV2"]
