# SPDX-License-Identifier: MIT
"""Caches that cannot store: one warning, and the run goes on."""

import os
import subprocess
import sys

from hypernodes import DiskCache

STORING = """
import os, resource, sys, warnings
from hypernodes import DiskCache, Pipeline, node

@node(output_name="y")
def large(x):
    return bytes([x]) * 1_000_000

cache = DiskCache(sys.argv[1])
pipeline = Pipeline([large], cache=cache)
{limit}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        rows = pipeline.map({"x": [1, 2, 3]}, map_over="x")
        assert [len(row["y"]) for row in rows] == [1_000_000] * 3
        print(pipeline.last_run.nodes["large"].rows_run)
print(*(f"{w.category.__name__}: {w.message}" for w in caught), sep="\\n")
{lift}
pipeline.map({"x": [1, 2, 3]}, map_over="x")
print(pipeline.last_run.warnings, pipeline.last_run.nodes["large"].rows_run)
"""


def store_with(tmp_path, limit, lift=""):
    program = tmp_path / "storing.py"
    program.write_text(STORING.replace("{limit}", limit).replace("{lift}", lift))
    return subprocess.run(
        [sys.executable, program, tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def test_full_disk_is_one_warning_and_an_uncached_run(tmp_path):
    lines = store_with(
        tmp_path,
        "size = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, size[1]))",
        "resource.setrlimit(resource.RLIMIT_FSIZE, size)",
    )
    assert lines[:2] == ["3", "3"]
    assert len(lines) == 4
    assert "UncachedWarning: cache '" in lines[2]
    assert "results could not be stored: " in lines[2]
    assert "free some space" in lines[2]
    assert lines[3] == "[] 3"  # there is room again


def test_read_only_directory_is_one_warning_and_an_uncached_run(tmp_path):
    """As root, who may write anywhere, the child becomes nobody."""
    DiskCache(tmp_path / "cache").put("before", 1)
    for file in (tmp_path / "cache").iterdir():
        file.chmod(0o444)
    (tmp_path / "cache").chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    # The file is opened anew by who may not write to it.
    lines = store_with(
        tmp_path,
        "if os.geteuid() == 0:\n    os.seteuid(65534)\n"
        "cache._opened = None\npipeline.with_cache(cache)",
    )
    (tmp_path / "cache").chmod(0o755)
    assert lines[:2] == ["3", "3"]
    assert len(lines) == 4
    assert "UncachedWarning: cache '" in lines[2]
    assert "make the directory and its files writable" in lines[2]
    assert lines[3].endswith(" 3")
