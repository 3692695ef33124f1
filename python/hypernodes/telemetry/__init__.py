# SPDX-License-Identifier: MIT
"""Callbacks that show what a pipeline does; each needs its packages only when it is used."""

from .progress import ProgressCallback
from .tracing import TelemetryCallback

__all__ = ["ProgressCallback", "TelemetryCallback"]
