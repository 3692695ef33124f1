# SPDX-License-Identifier: MIT
"""Callbacks that show what a pipeline does."""

from .progress import ProgressCallback

__all__ = ["ProgressCallback"]
