# SPDX-License-Identifier: MIT
"""One cache for several versions of Python: what they share, and what each computes for itself.

Run by tests/python_versions.sh on another version than that of .venv, which fills the cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hypernodes

ROOT = Path(__file__).resolve().parents[2]
# An interpreter, and where it has the package from.
FIRST = (ROOT / ".venv" / "bin" / "python", ROOT / "python")
MINE = (sys.executable, Path(hypernodes.__path__[0]).parent)
LIBRARY = ROOT / "build" / "release" / "tests" / "cpp" / "libnodes_a.so"

FLOW = """
import datetime, decimal, sys
from hypernodes import DiskCache, Pipeline, load, node

def helper(text):
    return [word for word in text.split() if word]

@node("words")
def split(text):
    return helper(text)

@node("count", version="1")
def count(words):
    return {"n": len(words), "all": {*words}, "price": [1.5, None, 2**70]}

@node("total", version="1")
def price(text):
    return decimal.Decimal("1.50")

@node("length", version="1")
def measure(text, page):
    return len(text)

twice = load(sys.argv[2]).twice
pipeline = Pipeline([split, count, price, measure, twice], cache=DiskCache(sys.argv[1]))
inputs = {"text": "a b  c", "page": ("a page", datetime.date(2024, 5, 1)), "x": 2}
asked = ["words", "count", "total", "length", "doubled"]
"""

PROGRAM = """
import json, sys
from flow import asked, inputs, pipeline
explained = pipeline.explain(inputs, output_name=asked)
values = pipeline.run(inputs, output_name=asked)
print(json.dumps({
    "why": {each.name: [each.status, each.detail] for each in explained},
    "ran": sorted(name for name, did in pipeline.last_run.nodes.items() if did.rows_run),
    "values": repr([*values.items(), *sorted(values["count"].pop("all"))]),
    "version": "%d.%d" % sys.version_info[:2],
}))
"""


@pytest.fixture
def compute(tmp_path):
    """What a Python explains, runs and gets, with the one cache."""
    (tmp_path / "flow.py").write_text(FLOW)

    def run(python, package):
        command = [python, "-c", PROGRAM, tmp_path / "cache", LIBRARY]
        environment = {**os.environ, "PYTHONPATH": f"{package}:{tmp_path}"}
        environment |= {"XDG_DATA_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_versions_share_what_does_not_hang_on_the_code(compute):
    first = compute(*FIRST)
    mine = compute(*MINE)
    assert first["version"] != mine["version"]
    assert first["ran"] == ["count", "measure", "price", "split", "twice"]
    moved = f"library version changed: python {first['version']} -> {mine['version']}"
    assert mine["why"] == {
        "split": ["miss", moved],
        "count": ["waits", "for split"],
        "measure": ["hit", ""],
        "price": ["hit", ""],
        "twice": ["hit", ""],
    }
    assert mine["ran"] == ["split"], "an equal value, and a version: the next node hits"
    assert mine["values"] == first["values"]
    # Neither drops what the other has.
    assert compute(*FIRST)["ran"] == compute(*MINE)["ran"] == []
