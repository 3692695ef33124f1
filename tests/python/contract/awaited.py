# SPDX-License-Identifier: MIT
"""What is specified and does not work yet: its tests are expected to fail, and must.

When a feature lands or a bug is fixed, delete its line here; then its `awaiting(...)` marks.
"""

from __future__ import annotations

import pytest

AWAITED = {
    "daft-options": "default_daft_config of DaftEngine",
    "generate-code": "DaftEngine.generate_code",
    "dataframe-empty": "bug: a DataFrame without outputs has the column __hn_row",
    "dataframe-hints": "bug: a DataFrame refuses a value that does not fit its hint",
}


def awaiting(what: str) -> pytest.MarkDecorator:
    """Marks a test that fails until `what` is there; a pass before is a failure."""
    return pytest.mark.xfail(what in AWAITED, strict=True, reason=AWAITED.get(what, what))
