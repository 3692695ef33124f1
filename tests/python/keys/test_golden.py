# SPDX-License-Identifier: MIT
"""Keys that must not change without a new number of the key format.

The nodes have versions, so the keys are the same on every Python; their code is not in them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hypernodes

PACKAGE = str(Path(hypernodes.__path__[0]).parent)
HERE = Path(__file__).parent
GOLDEN: dict[str, str] = json.loads((HERE / "golden_keys.json").read_text())

# As if on another Python: only digests of code and libraries may tell.
ELSEWHERE = """
from hypernodes._fingerprint import code, origin
code.PYTHON = origin.PYTHON = "another"
"""


def keys(seed: str, before: str = "") -> dict[str, str]:
    """What golden_keys.py prints in a process with a hash seed."""
    done = subprocess.run(
        [sys.executable, "-c", before + (HERE / "golden_keys.py").read_text()],
        env={**os.environ, "PYTHONPATH": PACKAGE, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("seed", "before"), [("0", ""), ("1", ELSEWHERE)])
def test_keys_are_golden(seed: str, before: str) -> None:
    assert keys(seed, before) == GOLDEN
