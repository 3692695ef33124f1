# SPDX-License-Identifier: MIT
"""Scripts of DaftEngine.generate_code: what they look like, and what their functions read."""

from __future__ import annotations

import contextlib
import functools
import math
import subprocess
import sys
import textwrap
import threading
import urllib.parse as urls
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DaftEngine, DualNode, Node, Pipeline, load, node
from hypernodes.exceptions import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

daft = pytest.importorskip("daft")
pytestmark = pytest.mark.daft

FACTOR = 3
TABLE = {"a": 1}
LOCK = threading.Lock()


@functools.lru_cache(maxsize=4)
def times(x: int) -> int:
    return x * FACTOR


def scaled(x: int, by: int) -> int:
    return x * by


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


@contextlib.contextmanager
def opened(x: Any) -> Iterator[Any]:
    yield x


class Scale:
    """Multiplies."""

    by = FACTOR

    @classmethod
    def apply(cls, x: int) -> int:
        return x * cls.by


@node(output_name="doubled")
def double(x: int) -> int:
    """Doubles."""
    return x * 2  # twice


@node(output_name="result")
def add_ten(doubled: int, offset: int = 10) -> int:
    return doubled + offset


def script(pipeline: Pipeline, inputs: Any, mode: str = "run", *args: Any, **options: Any) -> Any:
    """The columns that the generated script makes."""
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(DaftEngine().generate_code(pipeline, inputs, mode, *args, **options), scope)
    return scope["df"].to_pydict()


def agree(function: Any, *items: Any) -> None:
    """Checks that a function of one column does the same in a script."""
    given = Node(function, "y")
    inputs = {given.root_args[0]: list(items)}
    expected = Pipeline([given]).map(inputs, given.root_args[0], outputs="columns")
    assert script(Pipeline([given]), inputs, "map") == expected


def test_script_reads_like_one_written_by_hand() -> None:
    code = DaftEngine().generate_code(Pipeline([double, add_ten], name="demo"), {"x": 5})
    body = code.partition("import daft\n")[2]
    assert body == textwrap.dedent(
        '''

        def double(x: int) -> int:
            """Doubles."""
            return x * 2  # twice


        def add_ten(doubled: int, offset: int = 10) -> int:
            return doubled + offset


        df = daft.from_pydict(
            {
                "x": [5],
            }
        )
        df = df.with_column(
            "doubled", daft.func(double, return_dtype=daft.DataType.int64())(daft.col("x"))
        )
        df = df.with_column(
            "result", daft.func(add_ten, return_dtype=daft.DataType.int64())(daft.col("doubled"))
        )
        df = df.select("doubled", "result")
        '''
    )


def test_script_needs_neither_hypernodes_nor_this_module(tmp_path: Path) -> None:
    inner = Pipeline([double, Node(lambda doubled: times(doubled), "y")], name="inner")
    pipeline = Pipeline([inner.as_node(map_over="x")])
    code = DaftEngine().generate_code(pipeline, {"x": [1, 2]})
    file = tmp_path / "script.py"
    file.write_text(
        code + "\nimport sys\nassert 'hypernodes' not in sys.modules\nprint(df.to_pydict())\n"
    )
    done = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == str({"doubled": [[2, 4]], "y": [[6, 12]]})


def test_functions_bring_what_they_read() -> None:
    agree(lambda x: times(x) + TABLE["a"], 1, 2)
    agree(lambda n: even(n), 0, 3, 4)
    agree(lambda x: math.floor(x) + len(urls.quote("a b")), 1.5)
    agree(lambda x: Scale.apply(x), 2)
    agree(lambda x: double(x), 2)
    agree(math.sqrt, 4.0)
    agree(functools.partial(scaled, by=4), 3)


def test_lambdas_on_one_line() -> None:
    first, second = (lambda x: x + 1), (lambda x: -x if x else (lambda y: y)(5))
    agree(first, 1, 2)
    agree(second, 0, 2)
    outer = lambda n: lambda x: x * n  # noqa: E731
    agree(outer(3), 1, 2)
    agree(lambda x: outer(2)(x), 1)


def test_a_helper_that_a_decorator_made() -> None:
    def use(x: int) -> int:
        with opened(x) as found:
            return found

    agree(use, 1, 2)


def test_closures_keep_their_values() -> None:
    def scale(by: Any, shift: Callable[[int], int]) -> Callable[[int], int]:
        def scaled(x: int) -> int:
            return shift(x * by)

        return scaled

    first = Node(scale(2, lambda x: x + 1), "first")
    second = Node(scale(3, lambda x: x - 1), "second")
    assert script(Pipeline([first, second]), {"x": [1, 5]}, "map") == {
        "first": [3, 11],
        "second": [2, 14],
    }


def test_text_of_several_lines_is_not_indented() -> None:
    prefix = "> "

    def quote(x: str) -> str:
        return (
            prefix
            + f"""{x}
  end"""
        )

    agree(quote, "a")


def test_names_with_two_meanings() -> None:
    @node(output_name="list")
    def sum(x: list[int]) -> list[int]:
        return [*x, 1]

    @node(output_name="df")
    def item(list: list[int]) -> int:
        return builtin_sum(list)

    @node(output_name="objects")
    def daft(df: int) -> int:
        return df + 1

    def builtin_sum(x: list[int]) -> int:
        return math.fsum(x) and __builtins_sum(x)

    __builtins_sum = __import__("builtins").sum
    assert script(Pipeline([sum, item, daft]), {"x": [1, 2]}) == {
        "list": [[1, 2, 1]],
        "df": [4],
        "objects": [5],
    }


def test_names_of_this_module_stay_its_own() -> None:
    agree(lambda x: (x, __name__), 1)


def test_mapped_inputs_are_the_sequences_unless_named() -> None:
    pipeline = Pipeline([add_ten])
    assert script(pipeline, {"doubled": [1, 2], "offset": 5}, "map") == {"result": [6, 7]}
    assert script(pipeline, {"doubled": [1, 2], "offset": [5, 6]}, "map", None, "product") == {
        "result": [6, 7, 7, 8]
    }
    pipeline = Pipeline([Node(lambda xs, k: [*xs, k], "y")])
    assert script(pipeline, {"xs": [1], "k": [2, 3]}, "map", map_over="k") == {
        "y": [[1, 2], [1, 3]]
    }


def test_only_what_is_asked_for() -> None:
    code = DaftEngine().generate_code(
        Pipeline([double, add_ten]), {"x": 5}, output_name=["doubled"]
    )
    assert "add_ten" not in code
    assert script(Pipeline([double, add_ten]), {"x": 5}, output_name=[]) == {}


def test_bound_inputs_and_inner_ones() -> None:
    inner = Pipeline([add_ten], name="inner").bind(offset=100)
    node_ = inner.as_node(input_mapping={"xs": "doubled"}, map_over="xs")
    pipeline = Pipeline([node_, double]).bind(x=7)
    assert script(pipeline, {"xs": [1, 2]}) == {"doubled": [14], "result": [[101, 102]]}


@pytest.mark.parametrize("mode", ["run", "map"])
def test_placeholders(mode: str) -> None:
    code = DaftEngine().generate_code(Pipeline([double, add_ten]), mode=mode)
    assert "# Replace these values with your own." in code
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["df"].to_pydict() == {"doubled": [0], "result": [10]}


def test_native_nodes_come_from_their_library(node_library: Callable[[str], Path]) -> None:
    path = str(node_library("nodes_a"))
    library = load(path)
    inner = Pipeline([library.twice], name="inner")
    mapped = inner.as_node(
        input_mapping={"xs": "x"}, output_mapping={"doubled": "all"}, map_over="xs"
    )
    pipeline = Pipeline([library.twice, library.describe, mapped, add_ten])
    code = DaftEngine().generate_code(pipeline, {"x": 2, "text": "ab", "xs": [1, 2]})
    assert "from hypernodes.library import load\n" in code
    assert f"library = load({path!r})\n" in code
    assert "# C++ nodes have no Python source" in code
    expected = pipeline.run({"x": 2, "text": "ab", "xs": [1, 2]})
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["df"].to_pydict() == {name: [value] for name, value in expected.items()}


def test_dual_nodes_are_their_function_of_one_row() -> None:
    pytest.importorskip("pyarrow")
    dual = DualNode("y", lambda x: x + 1, lambda x: x)
    assert script(Pipeline([dual]), {"x": [1, 2]}, "map") == {"y": [2, 3]}


def locked(x: int) -> int:
    with LOCK:
        return x


@node(output_name="y", batch=True)
def whole(x: list[int]) -> list[int]:
    return x


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            Node(locked, "y"),
            "Node 'locked' .*: it reads 'LOCK', and an object of class lock has no literal",
        ),
        (Node(eval("lambda x: x"), "y"), "Node '<lambda>' .*: its source is not there"),
        (whole, "Node 'whole' .*: it takes and returns whole columns"),
    ],
)
def test_what_cannot_be_written_is_named(given: Any, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        DaftEngine().generate_code(Pipeline([given]), {"x": 1})


def test_errors_of_the_call() -> None:
    engine, pipeline = DaftEngine(), Pipeline([double])
    with pytest.raises(PlanError, match="Input 'x' cannot be written as source: an object"):
        engine.generate_code(pipeline, {"x": object()})
    with pytest.raises(PlanError, match="Unknown mode 'walk'"):
        engine.generate_code(pipeline, {"x": 1}, "walk")
    with pytest.raises(PlanError, match="map_over must name at least one input"):
        engine.generate_code(pipeline, {"x": 1}, "map")
    with pytest.raises(PlanError, match="map_over is for mode='map'"):
        engine.generate_code(pipeline, {"x": [1]}, map_over="x")
    with pytest.raises(ValueError, match="Missing required input"):
        engine.generate_code(pipeline, {})
    with pytest.raises(ValueError, match="not found in pipeline"):
        engine.generate_code(pipeline, {"x": 1}, output_name="nope")
