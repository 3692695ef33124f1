# SPDX-License-Identifier: MIT
"""One edit of a project between two programs: what is computed again, and what is not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import hypernodes

from .signatures import signature

PACKAGE = str(Path(hypernodes.__path__[0]).parent)


def _cases() -> ModuleType:
    """The table that `./run bench keys` shows beside the peers."""
    place = Path(__file__).parents[3] / "bench" / "workers" / "keys_cases.py"
    spec = importlib.util.spec_from_file_location("keys_cases", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["keys_cases"] = module
    spec.loader.exec_module(module)
    return module


CASES = _cases()
PAIRS = {name: rest for name, *rest in CASES.pairs()}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_pairs_of_the_benchmark(pair: list[Any]) -> None:
    same, one, other = pair
    assert (signature(one) == signature(other)) is same


# Imports hypernodes once, then forks a process for each folder: quick, and nothing is shared.
DRIVER = """
import json, os, sys
from hypernodes import DiskCache, Node, Pipeline

def answer(folder, name, cache):
    sys.path.insert(0, folder)
    import shapes, work
    function = getattr(work, name)
    pipeline = Pipeline([Node(function, "out")], cache=DiskCache(cache))
    found = pipeline.run({"shape": shapes.Shape(3), "x": 2})["out"]
    assert found == function(shapes.Shape(3), 2), "STALE"
    [did] = pipeline.last_run.nodes.values()
    return "recompute" if did.rows_run else "hit"

for folder, name in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writing, answer(folder, name, sys.argv[1]).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    print(os.read(reading, 1000).decode())
    os.close(reading)
"""


def python(*arguments: object, **options: Any) -> list[str]:
    """The lines that a program prints, in a process that imports our package."""
    environment = options.pop("environment", {})
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": PACKAGE,
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each edit leads to, in processes of another hash seed than the first run."""
    base = tmp_path_factory.mktemp("projects")
    asked = []
    for number, edit in enumerate(CASES.EDITS):
        asked += [CASES.write(base / str(number), edit), CASES.function_of(edit)]
    before = [asked[0], "measure", asked[0], "work"]
    cache = base / "cache"
    first = python("-c", DRIVER, cache, *before, environment={"PYTHONHASHSEED": "1"})
    assert first == ["recompute"] * 2
    again = python("-c", DRIVER, cache, *asked, environment={"PYTHONHASHSEED": "2"})
    return dict(zip(CASES.EDITS, again, strict=True))


@pytest.mark.parametrize("edit", CASES.EDITS)
def test_an_edit(found: dict[str, str], edit: str) -> None:
    assert found[edit] == ("recompute" if CASES.EDITS[edit][3] else "hit")


# --- one node, many ways to write it ------------------------------------------------------------

HEAD = "import functools\nfrom hypernodes import DiskCache, Pipeline, node\n"
TAIL = """
import sys
pipeline = Pipeline([f], cache=DiskCache(sys.argv[1]))
print(pipeline.run({"x": 2})["out"], *[did.rows_run for did in pipeline.last_run.nodes.values()])
"""
BODY = "@node(output_name='out')\ndef f(x):\n    kept = x * 3\n    return kept + 1\n"

REWRITES = {
    "again": (BODY, "7 0"),
    "another name": (BODY.replace("def f", "def g") + "f = g\n", "7 0"),
    "another place": ("\n\nUNREAD = 1\n" + BODY, "7 0"),
    "another local name": (BODY.replace("kept", "other"), "7 1"),
    "another constant": (BODY.replace("+ 1", "+ 2"), "8 1"),
    "a local import": (BODY.replace("return kept", "import json\n    return kept"), "7 1"),
}


# Runs each program in a process of its own that is forked for it.
RUN_ALL = """
import os, runpy, sys
import hypernodes
for program in sys.argv[2:]:
    if os.fork() == 0:
        runpy.run_path(program, run_name="__main__")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_a_rewritten_function(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (tmp_path / "flow.py").write_text(HEAD + BODY + TAIL)
    assert python(tmp_path / "flow.py", cache) == ["7 1"]
    programs = []
    for number, (body, _) in enumerate(REWRITES.values()):
        programs.append(tmp_path / f"flow_{number}.py")
        programs[-1].write_text(HEAD + body + TAIL)
    answers = python("-c", RUN_ALL, cache, *programs)
    assert dict(zip(REWRITES, answers, strict=True)) == {n: e for n, (_, e) in REWRITES.items()}


def test_code_from_a_prompt_equals_that_of_a_file(tmp_path: Path) -> None:
    """A notebook's `__main__`: no file, no source."""
    program = HEAD + BODY + TAIL
    cache = tmp_path / "cache"
    (tmp_path / "flow.py").write_text(program)
    assert python(tmp_path / "flow.py", cache) == ["7 1"]
    assert python("-", cache, input=program) == ["7 0"]
    assert python("-c", "exec(__import__('sys').argv[2])", cache, program) == ["7 0"]
    edited = program.replace("+ 1", "+ 2")
    assert python("-", cache, input=edited) == ["8 1"]


def test_two_lambdas_on_a_line(tmp_path: Path) -> None:
    lambdas = "from hypernodes import Node\nf, g = Node(lambda x: x, 'f'), Node(lambda x: -x, 'g')"
    tail = TAIL.replace("[f]", "[f, g]").replace('["out"]', "")
    cache = tmp_path / "cache"
    for calls in (2, 0):
        answer = f"{{'f': 2, 'g': -2}} {calls}"
        assert python("-c", HEAD + lambdas + tail, cache) == [answer]


def test_a_version_outlives_every_edit(tmp_path: Path) -> None:
    pinned = BODY.replace("'out'", "'out', version='1'")
    cache = tmp_path / "cache"
    for body, expected in (
        (pinned, "7 1"),
        (pinned.replace("+ 1", "+ 2"), "7 0"),
        (pinned.replace("'1'", "'2'").replace("+ 1", "+ 2"), "8 1"),
    ):
        (tmp_path / "flow.py").write_text(HEAD + body + TAIL)
        assert python(tmp_path / "flow.py", cache) == [expected]
