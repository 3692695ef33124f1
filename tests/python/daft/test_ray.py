# SPDX-License-Identifier: MIT
"""The Daft engine where Daft runs on Ray: a cluster of two nodes on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("daft")
pytestmark = [
    pytest.mark.daft,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]

PROGRAM = Path(__file__).with_name("on_ray") / "program.py"


@pytest.fixture
def run(node_library: Callable[[str], Path], tmp_path: Path) -> Callable[[str], None]:
    """Runs a case of the program: Daft's runner belongs to a process."""

    def run(case: str) -> None:
        log = tmp_path / "output"
        command = [sys.executable, PROGRAM, case, tmp_path, node_library("nodes_a")]
        # Ray's processes outlive a program that fails, and would hold a pipe.
        with log.open("w") as output:
            done = subprocess.run(command, stdout=output, stderr=output, timeout=200, check=False)
        text = log.read_text()
        assert done.returncode == 0, text
        assert f"\n{case} is right\n" in text, text

    return run


@pytest.mark.parametrize(
    "case",
    [
        "answers",
        "events",
        "workers",
        "frame_events",
        "live",
        "failure",
        "cache",
        "library",
        "frames",
        "lost_worker",
        "lost_process",
        "lost_node",
        "deadly",
        "runner",
        "native_first",
    ],
)
def test_on_two_nodes(case: str, run: Callable[[str], None]) -> None:
    run(case)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can mount"
)
def test_machine_without_the_cache(run: Callable[[str], None]) -> None:
    run("machines")
