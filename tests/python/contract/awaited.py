# SPDX-License-Identifier: MIT
"""What is specified and does not work yet: its tests are expected to fail, and must.

When a feature lands or a bug is fixed, delete its line here; then its `awaiting(...)` marks.
"""

from __future__ import annotations

import pytest

AWAITED = {
    "overrides": "overrides= of run and map",
    "objects": "results and inputs of any class in the cache",
}


def awaiting(what: str) -> pytest.MarkDecorator:
    """Marks a test that fails until `what` is there; a pass before is a failure."""
    return pytest.mark.xfail(what in AWAITED, strict=True, reason=AWAITED.get(what, what))
