# SPDX-License-Identifier: MIT
"""What is specified and does not work yet: its tests are expected to fail, and must.

When a feature lands or a bug is fixed, delete its line here; then its `awaiting(...)` marks.
"""

from __future__ import annotations

import pytest

AWAITED = {
    "dask-batch": "bug: DaskEngine calls a batch node once for each row",
    "daft-options": "default_daft_config of DaftEngine",
    "generate-code": "DaftEngine.generate_code",
    "on-batch": "bug: on_batch(events) of a callback is never called",
    "dataframe-empty": "bug: a DataFrame without outputs has the column __hn_row",
    "dataframe-hints": "bug: a DataFrame refuses a value that does not fit its hint",
    "inner-callbacks": "bug: callbacks of an inner pipeline are not checked for its engine",
    "surrogate-key": "bug: a str with a lone surrogate is no key of a DiskCache",
    "user-store": "bug: a store of a user is not given what cannot be pickled",
}


def awaiting(what: str) -> pytest.MarkDecorator:
    """Marks a test that fails until `what` is there; a pass before is a failure."""
    return pytest.mark.xfail(what in AWAITED, strict=True, reason=AWAITED.get(what, what))
