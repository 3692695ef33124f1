# SPDX-License-Identifier: MIT
"""Pipelines on Dask: `pip install 'hypernodes[dask]'`."""

from __future__ import annotations

from hypernodes.integrations.dask.engine import DaskEngine

__all__ = ["DaskEngine"]
