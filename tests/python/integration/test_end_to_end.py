"""The README's programs, as they are printed there, and the two languages in one process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.daft

RUN = "{'doubled': 10, 'result': 20}"
MAP = "{'doubled': [2, 4, 6], 'result': [12, 14, 16]}"

LOGGING_PROGRAM = """
import os
from hypernodes import Pipeline, node
from hypernodes.cache import DiskCache
from hypernodes.integrations.daft import DaftEngineV2

def log(name):
    file = os.open(os.environ["HYPERNODES_TEST_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (name + "\\n").encode())
    os.close(file)

@node(output_name="doubled")
def double(x: int) -> int:
    log("double")
    return x * 2

@node(output_name="result")
def add_ten(doubled: int) -> int:
    log("add_ten")
    return doubled + 10

pipeline = Pipeline(nodes=[double, add_ten], engine=DaftEngineV2(), cache=DiskCache(".cache"))
print(pipeline.run(inputs={"x": 5}))
print(pipeline.map(inputs={"x": [1, 2, 3]}, map_over="x"))
"""

COUNTING_CPP = """
#include <hypernodes/hypernodes.hpp>
#include <cstdio>
namespace hn = hypernodes;
static int calls = 0;
std::int64_t twice(std::int64_t x) { ++calls; return x * 2; }
std::int64_t add_ten(std::int64_t doubled) { ++calls; return doubled + 10; }
int main() {
  auto pipeline =
      hn::Pipeline{hn::node<twice>("doubled", {"x"}), hn::node<add_ten>("result", {"doubled"})}
          .with_engine(hn::DaftEngine{})
          .with_cache(hn::DiskCache{".cache"});
  hn::print(pipeline.run({{"x", 5}}));
  hn::print(pipeline.map({{"x", {1, 2, 3}}}, hn::over("x")));
  std::printf("%d calls\\n", calls);
}
"""


def block(root: Path, language: str) -> str:
    """The first block of this language in the README."""
    found = re.search(rf"```{language}\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found.group(1)


def output_of(command: list[str], folder: Path) -> str:
    """What a command prints when it is run in a folder; it must succeed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_program_of_the_readme_gives_its_comments(root: Path, tmp_path: Path) -> None:
    program = re.sub(
        r"^(pipeline\.\w+\(.*?\)) +#.*$", r"print(\1)", block(root, "python"), flags=re.M
    )
    (tmp_path / "program.py").write_text(program)
    for _ in range(2):
        assert output_of([sys.executable, "program.py"], tmp_path) == f"{RUN}\n{MAP}\n"


def test_second_process_of_the_python_program_calls_nothing(
    tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    (tmp_path / "program.py").write_text(LOGGING_PROGRAM)
    assert output_of([sys.executable, "program.py"], tmp_path) == f"{RUN}\n{MAP}\n"
    assert sorted(calls()) == ["add_ten"] * 4 + ["double"] * 4
    assert output_of([sys.executable, "program.py"], tmp_path) == f"{RUN}\n{MAP}\n"
    assert len(calls()) == 8


def test_cpp_program_of_the_readme_gives_the_same_answers(root: Path, tmp_path: Path) -> None:
    (tmp_path / "program.cpp").write_text(block(root, "cpp"))
    for _ in range(2):
        assert output_of([str(root / "run"), "cpp", "program.cpp"], tmp_path) == f"{RUN}\n{MAP}\n"


def test_second_process_of_the_cpp_program_calls_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "program.cpp").write_text(COUNTING_CPP)
    command = [str(root / "run"), "cpp", "program.cpp"]
    assert output_of(command, tmp_path) == f"{RUN}\n{MAP}\n8 calls\n"
    assert output_of(command, tmp_path) == f"{RUN}\n{MAP}\n0 calls\n"


def test_two_libraries_and_python_share_one_core_and_one_cache(
    tmp_path: Path, node_library: Callable[[str], Path], calls: Callable[[], list[str]]
) -> None:
    from hypernodes import Pipeline, SequentialEngine, load, node
    from hypernodes.cache import DiskCache
    from hypernodes.integrations.daft import DaftEngine

    first = load(str(node_library("nodes_a")))
    second = load(str(node_library("nodes_b")))

    @node(output_name="text")
    def spell(result: int) -> str:
        return f"<{result}>"

    def pipeline() -> Pipeline:
        return Pipeline(
            nodes=[first.twice, second.twice, spell],
            engine=DaftEngine(),
            cache=DiskCache(tmp_path / "cache"),
        )

    expected = [
        {"doubled": 2, "result": 5, "text": "<5>"},
        {"doubled": 4, "result": 9, "text": "<9>"},
    ]
    assert pipeline().map(inputs={"x": [1, 2]}, map_over="x") == expected
    assert sorted(calls()) == ["twice"] * 2 + ["twice again"] * 2
    assert pipeline().map(inputs={"x": [1, 2]}, map_over="x") == expected
    native = pipeline().with_engine(SequentialEngine())
    assert native.map(inputs={"x": [1, 2]}, map_over="x") == expected
    assert native.last_run.nodes["spell"].rows_cached == 2
    assert len(calls()) == 4
    maps = Path("/proc/self/maps").read_text().splitlines()
    assert len({line.split()[-1] for line in maps if "/libhypernodes.so" in line}) == 1
    opened = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    store = str(tmp_path / "cache" / "records.mdb")
    assert opened.count(store) == 2  # LMDB opens a file twice for one environment


def test_native_nodes_are_functions_in_daft_s_plan(node_library: Callable[[str], Path]) -> None:
    import io

    from hypernodes import Pipeline, load
    from hypernodes.integrations.daft import DaftEngine

    first = load(str(node_library("nodes_a")))
    pipeline = Pipeline(nodes=[first.twice, first.fail_at_six])
    frame = DaftEngine().dataframe(pipeline, {"x": [1, 2, 4]}, map_over="x")
    text = io.StringIO()
    frame.explain(show_all=True, file=text)
    assert "hn_twice" in text.getvalue()
    assert "hn_fail_at_six" in text.getvalue()
    assert frame.collect().to_pydict() == {"doubled": [2, 4, 8], "checked": [2, 4, 8]}


def test_dataframe_gives_a_run_s_values_by_the_same_calls(
    tmp_path: Path, node_library: Callable[[str], Path], calls: Callable[[], list[str]]
) -> None:
    from hypernodes import Pipeline, load, node
    from hypernodes.integrations.daft import DaftEngine

    seen: list[int] = []

    @node(output_name="result")
    def add_ten(doubled: int) -> int:
        seen.append(doubled)
        return doubled + 10

    first = load(str(node_library("nodes_a")))
    pipeline = Pipeline(nodes=[first.twice, add_ten])
    frame = DaftEngine().dataframe(pipeline, {"x": [1, 2, 3]}, map_over="x")
    assert calls() == []  # lazy
    assert seen == []
    assert frame.collect().to_pydict() == {"doubled": [2, 4, 6], "result": [12, 14, 16]}
    assert calls() == ["twice"] * 3
    assert sorted(seen) == [2, 4, 6]
