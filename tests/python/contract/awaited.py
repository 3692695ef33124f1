# SPDX-License-Identifier: MIT
"""What is specified and does not work yet: its tests are expected to fail, and must.

When a feature lands or a bug is fixed, delete its line here; then its `awaiting(...)` marks.
"""

from __future__ import annotations

import pytest

AWAITED = {
    "dask-batch": "bug: DaskEngine calls a batch node once for each row",
    "on-batch": "bug: on_batch(events) of a callback is never called",
    "broadcast-mutation": "bug: a broadcast input is digested once though rows change it",
    "inner-callbacks": "bug: callbacks of an inner pipeline are not checked for its engine",
    "surrogate-key": "bug: a str with a lone surrogate is no key of a DiskCache",
    "user-store": "bug: a store of a user is not given what cannot be pickled",
}


def awaiting(what: str) -> pytest.MarkDecorator:
    """Marks a test that fails until `what` is there; a pass before is a failure."""
    return pytest.mark.xfail(what in AWAITED, strict=True, reason=AWAITED.get(what, what))
