"""The examples, as a user runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.daft


def output_of(*command: str | Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(output: str) -> dict[str, tuple[int, int]]:
    """The demo's table: rows run and from the cache, by node."""
    found = re.findall(r"^(\w+\.\w+) +([\d,]+) +([\d,]+)$", output, flags=re.MULTILINE)
    return {
        node: (int(run.replace(",", "")), int(hit.replace(",", ""))) for node, run, hit in found
    }


def first_answers(output: str) -> list[str]:
    return re.findall(r"^  1\. (\S+)", output, flags=re.MULTILINE)


def test_demo_computes_once_on_any_engine_and_after_an_edit_what_depends_on_it(
    root: Path, tmp_path: Path
) -> None:
    demo = [sys.executable, root / "examples" / "demo" / "demo.py"]
    common = ["--limit", "80", "--cache-dir", tmp_path]
    cold = output_of(*demo, *common)
    assert first_answers(cold)[0] == "argparse"
    assert rows(cold)["document.parse"] == (80, 0)
    for engine in "daft", "sequential":
        warm = output_of(*demo, *common, "--engine", engine)
        assert first_answers(warm) == first_answers(cold)
        assert sum(run for run, _ in rows(warm).values()) == 0
    edited = rows(output_of(*demo, *common, "--edit"))
    assert edited["document.parse"] == (0, 80)
    assert edited["document.compose"] == (80, 0)
    run, hit = edited["document.normalise"]
    assert run + hit == 80
    assert 0 < hit < 80  # where the edit made no difference, nothing after it ran


def test_cpp_search_finds_the_file_and_remembers(root: Path, tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_text("Oaks, birches and limes are trees.")
    (tmp_path / "seas.txt").write_text("The sea is salt, and deep.")
    program = root / "build" / "release" / "examples" / "search"
    for _ in range(2):
        done = subprocess.run(
            [str(program), "salt sea", "trees.txt", "seas.txt"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("1. seas.txt")
        assert (tmp_path / ".cache" / "search").is_dir()
