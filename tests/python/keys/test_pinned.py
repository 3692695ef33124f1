# SPDX-License-Identifier: MIT
"""`version` and `aka`: results that survive edits, renames and moves."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import hypernodes
from hypernodes import BatchNode, DiskCache, DualNode, Node, Pipeline, node, stateful
from hypernodes.exceptions import TypeError as NodeTypeError

PACKAGE = Path(hypernodes.__path__[0]).parent


def made(source: str, module: str = "project", **scope: Any) -> dict[str, Any]:
    """What an edit of a module leaves."""
    scope |= {"__name__": module, "node": node, "Node": Node}
    exec(source, scope)
    return scope


def key(source: str, name: str = "f", module: str = "project", **scope: Any) -> str:
    found: Node[..., Any] = made(source, module, **scope)[name]
    return found.code_hash


PINNED = "HELP = 1\n@node(output_name='out', version='1')\ndef f(x, k=1): return x + HELP"


def test_no_edit_of_the_code_counts_beside_a_version(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    results = []
    for source in (PINNED, PINNED.replace("x + HELP", "x - 5"), PINNED.replace("= 1\n@", "= 7\n@")):
        pipeline = Pipeline([made(source)["f"]], cache=cache)
        results.append(pipeline.run({"x": 1})["out"])
        results.append(pipeline.last_run.nodes["f"].rows_run)
    assert results == [2, 1, 2, 0, 2, 0]
    assert Pipeline([made(PINNED)["f"]], cache=cache).run({"x": 2}) == {"out": 3}
    assert Pipeline([made(PINNED)["f"]], cache=cache).run({"x": 1, "k": 2})["out"] == 2


@pytest.mark.parametrize(
    "other",
    [
        PINNED.replace("'1'", "'2'"),
        PINNED.replace("def f(", "def g(").replace("HELP = 1", "f = 1") + "\nf = g",
        PINNED.replace("x, k=1", "k, x=1"),
        PINNED.replace("x, k=1", "x, j=1"),
        PINNED.replace("'out'", "('a', 'b')"),
        PINNED.replace(", version='1'", ""),
    ],
    ids=["version", "name", "order of inputs", "name of an input", "outputs", "no version"],
)
def test_what_counts_beside_a_version(other: str) -> None:
    assert key(other) != key(PINNED)
    assert key(other) == key(other)


def test_modules_keep_projects_apart() -> None:
    assert key(PINNED) != key(PINNED, module="other")
    moved = PINNED.replace("version='1'", "version='1', aka='project.f'")
    assert key(moved, module="other") == key(PINNED)


def test_a_former_name_keeps_the_results() -> None:
    renamed = PINNED.replace("def f", "def g").replace("version='1'", "version='1', aka='f'")
    assert key(renamed, "g") == key(PINNED)
    assert made(renamed)["g"].aka == "f"
    assert made(renamed)["g"].version == "1"


def test_names_do_not_count_without_a_version(tmp_path: Path) -> None:
    plain = "@node(output_name='out')\ndef f(x): return x"
    renamed = "@node(output_name='made', aka='anything')\ndef g(x):\n  return x"
    cache = DiskCache(tmp_path / "cache")
    Pipeline([made(plain)["f"]], cache=cache).run({"x": 1})
    pipeline = Pipeline([made(renamed, module="moved")["g"]], cache=cache)
    assert pipeline.run({"x": 1}) == {"made": 1}
    assert pipeline.last_run.nodes["g"].rows_cached == 1


class Scaler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def scale(self, x: int) -> int:
        return self.factor * x

    def __call__(self, x: int) -> int:
        return self.factor * x


def closed(factor: Any) -> Callable[[int], Any]:
    def scale(x: int) -> Any:
        return factor if callable(factor) else factor * x

    return scale


def scaled(factor: int, x: int) -> int:
    return factor * x


@stateful
class Model:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return self.factor * x


@pytest.mark.parametrize(
    "hold",
    [
        lambda factor: Scaler(factor).scale,
        Scaler,
        closed,
        lambda factor: functools.partial(scaled, factor),
        lambda factor: functools.lru_cache(closed(factor)),
        lambda factor: closed(closed(factor)),
        Model,
    ],
    ids=["method", "object", "closure", "partial", "lru_cache", "closures", "stateful"],
)
def test_data_that_a_function_holds_counts(hold: Callable[[int], Callable[..., Any]]) -> None:
    one, again, other = (Node(hold(n), "out", version="1").code_hash for n in (1, 1, 2))
    assert one == again
    assert one != other


def test_code_of_what_a_function_holds_does_not_count() -> None:
    source = "class C:\n  def __init__(self): self.n = 1\n  def m(self, x): return x\n"
    source += "def held(): return 1\ndef make(h):\n  @node(version='1')\n  def f(x): return h()\n"
    source += "  return f\nf = make(held)\ng = Node(C().m, 'out', version='1')"
    edited = source.replace("return 1", "return 2").replace("return x", "return -x")
    assert [key(source, name) for name in "fg"] == [key(edited, name) for name in "fg"]


def test_a_version_is_an_identity_for_what_has_none(tmp_path: Path) -> None:
    handle = iter([1])
    held = Node(closed(handle), "out", version="1", cache=True)
    assert held.code_hash == Node(closed(iter([2])), "out", version="1").code_hash


def test_a_helper_with_a_version_is_read_by_its_version(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    caller = "\n@node(output_name='used')\ndef use(x): return f(x)"
    runs = []
    for edit in (PINNED, PINNED.replace("+ HELP", "- HELP"), PINNED.replace("'1'", "'2'")):
        pipeline = Pipeline([made(edit + caller)["use"]], cache=cache)
        pipeline.run({"x": 1})
        runs.append(pipeline.last_run.nodes["use"].rows_run)
    assert runs == [1, 0, 1]


def test_nodes_of_other_kinds() -> None:
    def one(x: int, k: int = 1) -> int:
        return x

    def rows(values: list[int]) -> list[int]:
        return values

    async def later(x: int) -> int:
        return x

    for make in (
        lambda version: DualNode("out", one, lambda x, k: pc.add(x, k), version=version),
        lambda version: BatchNode(rows, "out", version=version),
        lambda version: node("out", batch=True, version=version)(rows),
        lambda version: node(version=version)(later),
    ):
        assert make("1").code_hash == make("1").code_hash != make("2").code_hash
    edited = DualNode("out", one, lambda x, k: pc.subtract(x, k), version="1")
    assert edited.code_hash == DualNode("out", one, lambda x, k: x, version="1").code_hash


def test_a_pipeline_of_nodes_with_versions(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    ran = []
    for source in (PINNED, PINNED.replace("+ HELP", "- HELP"), PINNED.replace("'1'", "'2'")):
        inner = Pipeline([made(source)["f"]], name="inner")
        outer = Pipeline([inner.as_node()], cache=cache)
        outer.run({"x": 1})
        ran.append(outer.last_run.nodes["inner"].rows_run)
    assert ran == [1, 0, 1]


@node(output_name="out", version="1", aka="before")
def travels(x: int) -> int:
    return x


def test_pickled_nodes_keep_their_version() -> None:
    for sent in (travels, Node(closed(2), "out", version="1", aka="before")):
        arrived = pickle.loads(pickle.dumps(sent))
        assert (arrived.version, arrived.aka) == ("1", "before")
        assert arrived.code_hash == sent.code_hash


SCRIPT = """
from hypernodes import node
@node(version="1")
def f(x): return x
if __name__ == "__main__":
    import script
    print(f.code_hash == script.f.code_hash, f.code_hash)
"""


def test_a_script_and_the_module_of_its_file_agree(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    answers = {
        subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{PACKAGE}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in (["script.py"], ["-m", "script"])
    }
    assert len(answers) == 1
    assert answers.pop().startswith("True ")


@pytest.mark.parametrize("option", ["version", "aka"])
@pytest.mark.parametrize("value", [2, "", b"2", ("2",)])
def test_what_is_no_text_is_refused(option: str, value: Any) -> None:
    with pytest.raises(NodeTypeError, match=f"Node 'f' has {option} .*, which is no text") as told:
        key(f"@node({option}={value!r})\ndef f(x): return x")
    assert told.value.fix.startswith(f"give it a text, such as {option}='")


def test_a_lambda_needs_a_name_for_its_version() -> None:
    with pytest.raises(NodeTypeError, match="lambda with a version needs a name"):
        Node(lambda x: x, "out", version="1")
    named = Node(lambda x: x, "out", version="1", aka="same")
    assert named.code_hash == Node(lambda x: -x, "out", version="1", aka="same").code_hash
