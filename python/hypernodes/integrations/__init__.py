# SPDX-License-Identifier: MIT
"""Engines that need optional packages."""
