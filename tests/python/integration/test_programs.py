# SPDX-License-Identifier: MIT
"""The programs of examples/ on every engine, cold and warm, in one process and in two."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import programs
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.daft

ENGINES = list(programs.engines())
# What runs although everything is cached.
ALWAYS = {"retrieval": {}, "documents": {}, "etl": {"extract": 12, "write": 12}}
WARM = ["retrieval", "documents", "etl"]


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory) -> Callable[[str], tuple[Any, dict[str, int]]]:
    """Answers and calls of a program without a cache, on the sequential engine."""

    @functools.cache
    def run(program: str) -> tuple[Any, dict[str, int]]:
        return programs.run(program, "SeqEngine", None, tmp_path_factory.mktemp(program))

    return run


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory) -> Callable[[str], tuple[list[Any], list[Any]]]:
    """Answers and calls in a process with a cold cache, and in another on every engine after it."""

    @functools.cache
    def run(program: str) -> tuple[list[Any], list[Any]]:
        folder = tmp_path_factory.mktemp(program)
        script, folders = Path(programs.__file__), (folder / "cache", folder / "files")
        cold, warm = (
            json.loads(output_of(script, program, *folders, *engines))
            for engines in (["DaftEngine"], ENGINES)
        )
        return cold, warm

    return run


def output_of(script: Path, *arguments: str | Path) -> str:
    """What a Python program prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # its threads spin beside those of Daft
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_answers_are_right(plain_run) -> None:
    answers, _ = plain_run("documents")
    by_source = dict(zip(answers["sources"], answers["answers"], strict=True))
    assert "null operation" in by_source["pass"]
    assert "anonymous functions" in by_source["lambda"]
    assert "re-raises" in by_source["raise"]
    answers, calls = plain_run("retrieval")
    assert calls["cut"] == calls["count"] > 70
    assert calls["judge"] == len(answers["answers"]) == 16
    # Other versions of Python have other texts.
    assert answers["report"]["fused"]["ndcg"] > 0.6
    answers, calls = plain_run("etl")
    assert set(calls.values()) == {12}
    for part, written in answers:
        header, *lines = written.splitlines()
        assert header == "product,quantity,turnover"
        totals = {line.split(",")[0]: float(line.split(",")[2]) for line in lines}
        assert totals == part["turnover"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("program", programs.PROGRAMS)
def test_every_engine_gives_the_same_answers_by_the_same_calls(
    program: str, engine: str, tmp_path: Path, plain_run
) -> None:
    assert programs.run(program, engine, None, tmp_path) == plain_run(program)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("program", WARM)
def test_warm_nothing_runs_again(program: str, engine: str, tmp_path: Path, plain_run) -> None:
    for _ in "cold", "warm":
        answers, calls = programs.run(program, engine, tmp_path / "cache", tmp_path / "files")
        assert answers == plain_run(program)[0]
    assert calls == ALWAYS[program]


@pytest.mark.parametrize("program", programs.PROGRAMS)
def test_another_process_gives_the_same_answers_on_every_engine(
    program: str, plain_run, elsewhere
) -> None:
    cold, warm = elsewhere(program)
    expected, _ = plain_run(program)
    assert [answers for answers, _ in cold] == [expected]
    assert [answers for answers, _ in warm] == [expected] * len(ENGINES)


@pytest.mark.parametrize("program", WARM)
def test_another_process_runs_nothing_again_on_any_engine(program: str, elsewhere) -> None:
    _, warm = elsewhere(program)
    assert [calls for _, calls in warm] == [ALWAYS[program]] * len(ENGINES)


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("retrieval", "fused  "),
        ("documents", "[pass, 0."),
        ("etl", "60 lines in 12 files"),
    ],
)
def test_as_a_script_it_prints_the_same_on_any_engine(
    program: str, shown: str, tmp_path: Path
) -> None:
    script = programs.EXAMPLES / program / f"{program}.py"
    names = ["seq", "daft", *(["dask"] if "DaskEngine" in ENGINES else [])]
    printed = {output_of(script, "--engine", name, "--cache", tmp_path) for name in names}
    assert len(printed) == 1
    assert shown in printed.pop()
