# SPDX-License-Identifier: MIT
"""Programs that are killed while they store: what was acknowledged is there, nothing is wrong."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from hypernodes import DiskCache, Pipeline, node

WRITER = """
import os, sys
from hypernodes import DiskCache

def value(i):
    return ["value", i, "x" * (i * 37 % 6000)]

if __name__ == "__main__":
    path, first, options = sys.argv[1], int(sys.argv[2]), eval(sys.argv[3])
    cache = DiskCache(path, **options)
    os.write(1, b"ready\\n")
    for i in range(first, first + 100_000):
        cache.put(str(i), value(i))
        os.write(1, b"%d\\n" % i)
"""

MAPPER = """
import os, sys
from hypernodes import DiskCache, Pipeline, node

@node(output_name="y")
def work(x):
    return [x, "x" * (x * 37 % 6000)]

if __name__ == "__main__":
    cache = DiskCache(sys.argv[1])
    os.write(1, b"ready\\n")
    for first in range(0, 1_000_000, 50):
        rows = list(range(first % 1000, first % 1000 + 50))
        if first >= 1000:
            cache.clear()
        Pipeline([work], cache=cache).map({"x": rows}, map_over="x")
        os.write(1, b"%d\\n" % first)
"""


def kill_at_a_random_moment(program, arguments, chance):
    """Starts it, kills it a moment after it is ready, and gives the lines it wrote after that."""
    child = subprocess.Popen([sys.executable, program, *arguments], stdout=subprocess.PIPE)
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.06))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split(b"\n")
    assert child.wait() == -signal.SIGKILL
    return [int(line) for line in lines[:-1]]


def rounds(everyday):
    """How often, and with what luck: more of both in a soak."""
    slow = pytest.param(50 * everyday, random.randrange(1 << 32), marks=pytest.mark.slow)
    return pytest.mark.parametrize(("count", "seed"), [(everyday, 1), slow])


@pytest.mark.parametrize("options", [{}, {"max_bytes": 1 << 20}], ids=["unbounded", "bounded"])
@rounds(6)
def test_killed_writer(tmp_path, options, count, seed):
    program = tmp_path / "writer.py"
    program.write_text(WRITER)
    scope = {"__name__": "writer"}
    exec(WRITER, scope)
    chance = random.Random(seed)
    done = []
    for number in range(count):
        trial = f"seed {seed}, round {number}"
        first = done[-1] + 1 if done else 0
        done += kill_at_a_random_moment(
            program, [tmp_path / "cache", str(first), repr(options)], chance
        )
        cache = DiskCache(tmp_path / "cache", **options)
        for i in done[-2000:]:
            found = cache.get(str(i))
            assert found == scope["value"](i) or (options and found is None), f"{trial}: {i}"
        assert not cache._store.warning, trial
        if not options:
            # One more may have been stored than was told, each time.
            assert len(done) <= len(cache) <= len(done) + number + 1, trial
        cache.put("probe", number)
        assert cache.get("probe") == number, trial
        del cache
    assert len(done) > count, f"seed {seed}: it was never quick enough"


@rounds(4)
def test_killed_map(tmp_path, count, seed, monkeypatch):
    """Also while it clears, and among other things that it does not acknowledge."""
    program = tmp_path / "mapper.py"
    program.write_text(MAPPER)
    monkeypatch.syspath_prepend(tmp_path)
    from mapper import work

    chance = random.Random(seed)
    hits = 0
    for number in range(count):
        kill_at_a_random_moment(program, [tmp_path / "cache"], chance)
        pipeline = Pipeline([work], cache=DiskCache(tmp_path / "cache"))
        rows = pipeline.map({"x": range(200)}, map_over="x")
        expected = [{"y": [x, "x" * (x * 37 % 6000)]} for x in range(200)]
        trial = f"seed {seed}, round {number}"
        assert rows == expected, trial
        assert pipeline.last_run.damaged_records == 0, trial
        assert not pipeline.last_run.degraded, trial
        hits += pipeline.last_run.nodes["work"].rows_cached
        del pipeline
    assert hits > 0, f"seed {seed}"
    sys.modules.pop("mapper")


# Several processes -----------------------------------------------------------------------------

SHARER = """
import random, sys
from hypernodes import DiskCache, Pipeline, node

@node(output_name="y")
def work(x):
    return {"x": x, "text": "x" * (x * 37 % 6000)}

if __name__ == "__main__":
    chance = random.Random(int(sys.argv[2]))
    pipeline = Pipeline([work], cache=DiskCache(sys.argv[1]))
    for _ in range(int(sys.argv[3])):
        rows = [chance.randrange(400) for _ in range(60)]
        made = pipeline.map({"x": rows}, map_over="x")
        assert made == [{"y": work(x)} for x in rows]
        did = pipeline.last_run
        assert did.damaged_records == 0 and not did.warnings and not did.degraded, did
    print(*sorted(set(rows)))
"""


@rounds(10)
def test_processes_with_overlapping_keys(tmp_path, count, seed, monkeypatch):
    program = tmp_path / "sharer.py"
    program.write_text(SHARER)
    children = [
        subprocess.Popen(
            [sys.executable, program, tmp_path / "cache", str(seed + i), str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    stored = set()
    for child in children:
        out, _ = child.communicate()
        assert child.returncode == 0, f"seed {seed}"
        stored |= {int(x) for x in out.split()}
    monkeypatch.syspath_prepend(tmp_path)
    from sharer import work

    pipeline = Pipeline([work], cache=DiskCache(tmp_path / "cache"))
    rows = pipeline.map({"x": sorted(stored)}, map_over="x")
    assert rows == [{"y": work(x)} for x in sorted(stored)]
    assert pipeline.last_run.nodes["work"].rows_cached == len(stored), f"seed {seed}"
    sys.modules.pop("sharer")


@node(output_name="y")
def ten_times(x):
    return x * 10


def test_fork_and_exec_after_open(tmp_path):
    """A child has a store of its own; a program that it starts has nothing of it."""
    pipeline = Pipeline([ten_times], cache=DiskCache(tmp_path / "cache"))
    pipeline.map({"x": [1, 2]}, map_over="x")
    for number in range(3):
        child = os.fork()
        if child == 0:
            made = pipeline.map({"x": [1, 2, 3 + number]}, map_over="x")
            right = made[2] == {"y": 10 * (3 + number)}
            os._exit(0 if right and pipeline.last_run.nodes["ten_times"].rows_cached == 2 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert pipeline.map({"x": [1, 2, 3, 4, 5]}, map_over="x")[4] == {"y": 50}
    assert pipeline.last_run.nodes["ten_times"].rows_cached == 5
    program = "import os; print([os.readlink(f'/proc/self/fd/{fd}') for fd in range(3, 30) \
if os.path.exists(f'/proc/self/fd/{fd}')])"
    files = subprocess.run(
        [sys.executable, "-c", program], close_fds=False, capture_output=True, text=True, check=True
    )
    assert "records.mdb" not in files.stdout
