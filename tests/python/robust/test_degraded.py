# SPDX-License-Identifier: MIT
"""A cache that cannot do its work: right results, one warning, and `last_run.degraded`."""

import contextlib
import os
import pickle
import shutil
import subprocess
import sys
import warnings

import pytest

from hypernodes import DiskCache, Pipeline, node
from hypernodes.cache import Cache
from hypernodes.exceptions import UncachedWarning


@node(output_name="y")
def large(x):
    return bytes([x % 256]) * 3000


@node(output_name="n")
def size(y):
    return len(y)


ROWS = list(range(60))
EXPECTED = [{"y": bytes([x % 256]) * 3000, "n": 3000} for x in ROWS]
HERE = os.path.dirname(__file__)  # noqa: PTH120 (goes into a program)

PROGRAM = f"""
import os, resource, signal, sys, time, warnings
sys.path.insert(0, {HERE!r})
from test_degraded import EXPECTED, ROWS, large, size
from hypernodes import DiskCache, Pipeline

def run(pipeline):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert pipeline.map({{"x": ROWS}}, map_over="x") == EXPECTED
    did = pipeline.last_run
    assert len(did.warnings) == did.degraded, did
    cached = did.nodes["large"].rows_cached + did.nodes["size"].rows_cached
    print("degraded" if did.degraded else "sound", len(caught), cached, flush=True)

"""

OPEN = """
cache = DiskCache(sys.argv[1])
pipeline = Pipeline([large, size], cache=cache)
"""


def told(tmp_path, body, cache=None, opening=OPEN):
    """What a program prints that maps with a cache in trouble."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + opening + body)
    done = subprocess.run(
        [sys.executable, program, cache or tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_sound_run_is_not_degraded(tmp_path):
    pipeline = Pipeline([large, size], cache=DiskCache(tmp_path / "cache"))
    assert pipeline.map({"x": ROWS}, map_over="x") == EXPECTED
    assert pipeline.last_run.degraded is False
    assert repr(pipeline.last_run).endswith("warnings=[], degraded=False)")
    without = Pipeline([large, size])
    without.run({"x": 1})
    assert without.last_run.degraded is False


def test_full_disk_that_is_freed(tmp_path):
    assert told(
        tmp_path,
        """
sound = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, sound[1]))
run(pipeline)
run(pipeline)
resource.setrlimit(resource.RLIMIT_FSIZE, sound)
run(pipeline)
run(pipeline)
""",
    ) == ["degraded 1 0", "degraded 0 0", "sound 0 0", "sound 0 120"]


def test_warm_run_on_a_full_disk_is_sound(tmp_path):
    assert told(
        tmp_path,
        """
run(pipeline)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
pipeline.map({"x": [1000]}, map_over="x")
run(pipeline)
""".replace("pipeline.map", "warnings.simplefilter('ignore'); pipeline.map"),
    ) == ["sound 0 0", "sound 0 120"]


@contextlib.contextmanager
def small_disk(path):
    """A file system of its own of 400 kB."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=777", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_full_file_system(tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk):
        (disk / "ballast").write_bytes(bytes(300_000))
        assert told(
            tmp_path,
            f"""
run(pipeline)
run(pipeline)
os.unlink({str(disk / "ballast")!r})
run(pipeline)
run(pipeline)
""",
            disk / "cache",
        ) == ["degraded 1 0", "degraded 0 0", "sound 0 0", "sound 0 120"]
        assert not list((disk / "cache").glob("*.damaged*"))


def test_permission_removed_and_given_back(tmp_path):
    """As root, who may write anywhere, the child becomes nobody."""
    for folder in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    cache = tmp_path / "cache"
    cache.mkdir()
    if os.geteuid() == 0:
        os.chown(cache, 65534, 65534)
    assert told(
        tmp_path,
        """
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
def allow(directory, files):
    os.chmod(sys.argv[1], 0o700)
    for name in os.listdir(sys.argv[1]):
        os.chmod(os.path.join(sys.argv[1], name), files)
    os.chmod(sys.argv[1], directory)
cache = DiskCache(sys.argv[1])
pipeline = Pipeline([large], cache=cache)
pipeline.run({"x": 1})
# The store is opened anew by who may only read it.
allow(0o500, 0o400)
del cache, pipeline
pipeline = Pipeline([large, size], cache=DiskCache(sys.argv[1]))
run(pipeline)
allow(0o700, 0o600)
time.sleep(0.2)
run(pipeline)
run(pipeline)
""",
        opening="",
    ) == ["degraded 1 1", "sound 0 1", "sound 0 120"]


def test_directory_deleted_between_runs(tmp_path):
    pipeline = Pipeline([large, size], cache=DiskCache(tmp_path / "cache"))
    for _ in range(2):
        assert pipeline.map({"x": ROWS}, map_over="x") == EXPECTED
        assert pipeline.last_run.nodes["large"].rows_cached == 0
        assert not pipeline.last_run.degraded
        shutil.rmtree(tmp_path / "cache")
    assert pipeline.map({"x": ROWS}, map_over="x") == EXPECTED


def damage(what, directory):
    data = directory / "records.mdb"
    match what:
        case "directory deleted":
            shutil.rmtree(directory)
        case "file deleted":
            data.unlink()
        case "lock file deleted":
            (directory / "records.mdb-lock").unlink()
        case "file replaced":
            data.rename(directory / "old")
            data.write_bytes(os.urandom(100_000))
        case "file replaced by a directory":
            data.unlink()
            data.mkdir()
        case "file replaced by a pipe":
            data.unlink()
            os.mkfifo(data)
        case "file cut":
            os.truncate(data, 20_000)
        case "file emptied":
            os.truncate(data, 0)


TAMPERING = [
    "directory deleted",
    "file deleted",
    "lock file deleted",
    "file replaced",
    "file replaced by a directory",
    "file replaced by a pipe",
    "file cut",
    "file emptied",
]


def test_store_tampered_with_in_the_middle_of_a_map(tmp_path):
    lines = told(
        tmp_path,
        f"""
from pathlib import Path
import test_degraded
from hypernodes import node
warnings.simplefilter("ignore")

@node(output_name="n", cache=False)
def size(y):
    if victims:
        test_degraded.damage(what, victims.pop())
    return len(y)

for what in {TAMPERING!r}:
    directory = Path(sys.argv[1], what)
    pipeline = Pipeline([large, size], cache=DiskCache(directory))
    victims = []
    assert pipeline.map({{"x": ROWS}}, map_over="x") == EXPECTED
    victims = [directory]
    rows = pipeline.map({{"x": [*ROWS, *range(100, 130)]}}, map_over="x")
    assert not victims
    assert rows[:60] == EXPECTED
    assert len(pipeline.last_run.warnings) <= 1
    for _ in range(2):
        assert pipeline.map({{"x": ROWS}}, map_over="x") == EXPECTED
    assert not pipeline.last_run.degraded, pipeline.last_run
    print(what, pipeline.last_run.nodes["large"].rows_cached)
""",
    )
    assert lines == [f"{what} 60" for what in TAMPERING]


class Simple(Cache):
    """Fails differently each time, until it is repaired."""

    def __init__(self):
        self.values, self.broken = {}, 1

    def get(self, signature):
        return self.values[signature]

    def put(self, signature, output):
        if self.broken:
            self.broken += 1
            raise OSError(f"failure {self.broken}")
        self.values[signature] = output

    def has(self, signature):
        return signature in self.values


def test_cache_of_the_users_that_raises():
    store = Simple()
    pipeline = Pipeline([large, size], cache=store)
    with pytest.warns(UncachedWarning, match="cache Simple failed") as caught:
        assert pipeline.map({"x": ROWS}, map_over="x") == EXPECTED
    assert len(caught) == 1
    assert store.broken > 60
    assert pipeline.last_run.degraded
    store.broken = 0
    pipeline.map({"x": ROWS}, map_over="x")
    assert not pipeline.last_run.degraded


def test_result_that_cannot_be_pickled_degrades_nothing(tmp_path):
    made = node(output_name="f")(lambda x: lambda: x)
    pipeline = Pipeline([made], cache=DiskCache(tmp_path / "cache"))
    with pytest.warns(UncachedWarning):
        pipeline.run({"x": 1})
    assert pipeline.last_run.warnings
    assert not pipeline.last_run.degraded


@pytest.mark.parametrize("engine", ["threads", "processes", "daft"])
def test_on_other_engines(engine):
    if engine == "daft":
        pytest.importorskip("daft")
        from hypernodes import DaftEngine

        chosen = DaftEngine()
    else:
        pytest.importorskip("dask")
        from hypernodes.engines import DaskEngine

        chosen = DaskEngine(scheduler=engine)
    store = Simple()
    pipeline = Pipeline([large, size], engine=chosen, cache=store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert pipeline.map({"x": ROWS}, map_over="x") == EXPECTED
    assert sum(w.category is UncachedWarning for w in caught) == 1
    assert len(pipeline.last_run.warnings) == 1
    assert pipeline.last_run.degraded
    assert pickle.loads(pickle.dumps(pipeline.last_run)).degraded
