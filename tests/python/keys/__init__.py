# SPDX-License-Identifier: MIT
"""Cache keys: what counts, what does not, and what must never change."""
