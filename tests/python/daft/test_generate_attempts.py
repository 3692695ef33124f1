# SPDX-License-Identifier: MIT
"""Scripts of DaftEngine.generate_code with retries and time limits: they do as the engine does."""

from __future__ import annotations

import asyncio
import builtins
import math
import subprocess
import sys
import threading
import time as clock
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import (
    BatchNode,
    DaftEngine,
    DualNode,
    ExecutionError,
    Node,
    NodeTimeoutError,
    Pipeline,
    Retry,
    load,
    node,
)
from hypernodes.exceptions import PlanError
from hypernodes.library import CppNode

if TYPE_CHECKING:
    from collections.abc import Callable

daft = pytest.importorskip("daft")
pytestmark = pytest.mark.daft

AT_ONCE = Retry(attempts=3, delay=0, on=ConnectionError)


class OverloadedError(Exception):
    """An exception of the user's."""


def noted(log: str, function: str, x: int) -> int:
    """Notes a call, and says which one of `function` for `x` it is."""
    with Path(log).open("a") as file:
        file.write(f"{function}({x})\n")
    return calls(Path(log)).count(f"{function}({x})")


def calls(log: Path) -> list[str]:
    return sorted(log.read_text().split()) if log.exists() else []


def flaky(log: str, x: int) -> int:
    if noted(log, "flaky", x) < 3 and x % 2:
        raise ConnectionError(f"{x} is odd")
    return x * 10


async def async_flaky(log: str, x: int) -> int:
    await asyncio.sleep(0)
    if noted(log, "async_flaky", x) < 3 and x % 2:
        raise ConnectionError(f"{x} is odd")
    return x * 10


def broken(log: str, x: int) -> int:
    raise ConnectionError(f"call {noted(log, 'broken', x)}")


def wrong(log: str, x: int) -> int:
    raise ValueError(f"call {noted(log, 'wrong', x)}")


def own_timeout(log: str, x: int) -> int:
    raise TimeoutError(f"call {noted(log, 'own_timeout', x)}")


def overloaded(log: str, x: int) -> int:
    if noted(log, "overloaded", x) < 2:
        raise OverloadedError
    return x


def slow(log: str, x: int) -> int:
    clock.sleep(60 if noted(log, "slow", x) <= x else 0)
    return x


async def async_slow(log: str, x: int) -> int:
    await asyncio.sleep(60 if noted(log, "async_slow", x) <= x else 0)
    return x


def test_a_program_of_its_own_does_as_the_engine_does(tmp_path: Path) -> None:
    late = {"retry": Retry(delay=0, on=NodeTimeoutError), "timeout": 0.5}
    later = {"retry": Retry(delay=0, on=RuntimeError), "timeout": 0.5}
    pipeline = Pipeline(
        [
            Node(flaky, "retried", retry=AT_ONCE),
            Node(flaky, "retried_after_a_wait", retry=Retry(delay=0.01)),
            Node(flaky, "in_time", retry=AT_ONCE, timeout=60),
            Node(async_flaky, "async_retried", retry=AT_ONCE),
            Node(async_flaky, "async_in_time", retry=AT_ONCE, timeout=60),
            Node(overloaded, "user_s", retry=Retry(delay=0, on=(KeyError, OverloadedError))),
            Node(slow, "late", **late),
            Node(async_slow, "async_late", **later),
        ]
    )

    def inputs(name: str) -> dict[str, Any]:
        return {"log": str(tmp_path / name), "x": [0, 1]}

    expected = pipeline.map(inputs("engine"), "x", engine=DaftEngine(), outputs="columns")
    code = DaftEngine().generate_code(pipeline, inputs("script"), "map", "x")
    file = tmp_path / "script.py"
    file.write_text(
        code + "\nimport sys\nassert 'hypernodes' not in sys.modules\nprint(df.to_pydict())\n"
    )
    done = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")
    assert calls(tmp_path / "script") == calls(tmp_path / "engine")


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (broken, {"retry": AT_ONCE}),
        (wrong, {"retry": AT_ONCE}),
        (own_timeout, {"retry": Retry(delay=0, on=NodeTimeoutError), "timeout": 60}),
        (slow, {"retry": Retry(attempts=2, delay=0), "timeout": 0.1}),
        (slow, {"timeout": 0.1}),
        (async_slow, {"timeout": 0.1}),
    ],
)
def test_failures_are_the_engine_s(function: Any, options: dict[str, Any], tmp_path: Path) -> None:
    pipeline = Pipeline([Node(function, "y", **options)])
    errors: list[Exception] = []
    for name, run in (("engine", pipeline.run), ("script", lambda given: script(pipeline, given))):
        try:
            run({"log": str(tmp_path / name), "x": 9})
        except Exception as error:
            errors.append(error)
    of_engine, of_script = errors
    told = str(of_engine)
    if isinstance(of_engine, NodeTimeoutError):
        told = f"{function.__name__} took longer than 0.1 s"
    # Daft wraps what a function raises that is no coroutine function.
    assert f"{type(of_engine).__name__}: {told}" in "".join(traceback.format_exception(of_script))
    assert calls(tmp_path / "script") == calls(tmp_path / "engine")


def executed(code: str) -> dict[str, Any]:
    """The names that a script leaves."""
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(code, scope)
    return scope


def script(pipeline: Pipeline, inputs: Any, mode: str = "run") -> dict[str, list[Any]]:
    """The columns that the generated script makes."""
    scope = executed(DaftEngine().generate_code(pipeline, inputs, mode))
    columns: dict[str, list[Any]] = scope["df"].to_pydict()
    return columns


def waits_of(retry: Retry | int) -> Any:
    code = DaftEngine().generate_code(Pipeline([Node(abs, "y", retry=retry)]), {"x": 1})
    return executed(code)["waits"]


@pytest.mark.parametrize(
    "retry",
    [
        Retry(attempts=6, delay=0.5, backoff=3, max_delay=10, jitter=0),
        Retry(attempts=4, delay=90, jitter=0),
        Retry(attempts=4, delay=0, backoff=math.inf),
        Retry(attempts=4, delay=0.5, backoff=math.inf, jitter=0),
        Retry(attempts=3000, delay=0.5, max_delay=math.inf, backoff=1.01, jitter=0),
        Retry(attempts=1),
    ],
)
def test_waits_are_the_engine_s(retry: Retry) -> None:
    waits = waits_of(retry)
    given = {name: getattr(retry, name) for name in ("attempts", "delay", "max_delay", "jitter")}
    made = list(waits(**given, backoff=min(retry.backoff, sys.float_info.max)))
    native = retry._native()
    expected = [native.next_attempt(ValueError(), each) for each in range(1, retry.attempts)]
    assert made == pytest.approx(expected)


def test_jitter_is_a_part_of_the_wait() -> None:
    waits = waits_of(2)
    made = set(waits(attempts=100, delay=10, backoff=1, max_delay=60, jitter=0.5))
    assert len(made) > 1
    assert all(5 <= each <= 15 for each in made)


def test_it_reads_like_one_written_by_hand() -> None:
    @node("page", retry=Retry(attempts=4, on=(ConnectionError, TimeoutError)), timeout=5)
    def fetch(url: str) -> str:
        return f"<p>{url}</p>"

    code = DaftEngine().generate_code(Pipeline([fetch]), {"url": "a"})
    assert (
        """
fetch_retried = retried(
    limited(fetch, 5.0),
    on=(ConnectionError, TimeoutError),
    attempts=4, delay=0.5, backoff=2.0, max_delay=60.0, jitter=0.1,
)
"""
        in code
    )
    assert "daft.func(fetch_retried, return_dtype=daft.DataType.string())" in code
    assert "async" not in code.partition("import daft")[2]


def test_helpers_are_written_once_and_a_node_s_function_too(tmp_path: Path) -> None:
    first = Node(flaky, "y", retry=AT_ONCE, timeout=60)
    inner = Pipeline([first], name="inner")
    outer = Pipeline(
        [
            inner.as_node(input_mapping={"xs": "x"}, output_mapping={"y": "ys"}, map_over="xs"),
            first,
            Node(broken, "z", retry=AT_ONCE, timeout=60),
        ]
    )
    given = {"log": str(tmp_path / "log"), "x": 1, "xs": [2, 3]}
    code = DaftEngine().generate_code(outer, given, output_name=["ys", "y"])
    for text in ("def retried(", "def limited(", "def waits(", "flaky_retried = "):
        assert code.count(text) == 1
    assert executed(code)["df"].to_pydict() == {"ys": [[20, 30]], "y": [10]}
    assert calls(tmp_path / "log") == ["flaky(1)"] * 3 + ["flaky(2)"] + ["flaky(3)"] * 3


def test_async_functions_without_columns_and_in_loops(tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    @node("one", retry=AT_ONCE)
    async def one() -> int:
        return await async_flaky(log, 1)

    inner = Pipeline([Node(async_flaky, "y", retry=AT_ONCE, timeout=60)], name="inner")
    pipeline = Pipeline([one, inner.as_node(map_over="x")])
    made = script(pipeline, {"log": log, "x": [3, 5]})
    assert made == {"one": [10], "y": [[30, 50]]}
    assert calls(tmp_path / "log") == [f"async_flaky({x})" for x in (1, 1, 1, 3, 3, 3, 5, 5, 5)]


def test_names_that_the_script_has_in_use() -> None:
    def time(x: int) -> int:
        return x + 1

    def min(x: int) -> int:
        return x + 2

    def retried(x: int) -> tuple[int, int]:
        return time(x), min(x)

    def limited(x: int) -> bool:
        return threading is not None and builtins.min(x, 2) == x

    first = Node(retried, ("a", "b"), retry=AT_ONCE, timeout=60)
    second = Node(limited, "c", retry=AT_ONCE, timeout=60)
    made = script(Pipeline([first, second]), {"x": 1})
    assert made == {"a": [2], "b": [3], "c": [True]}


def test_helpers_call_functions_without_attempts(tmp_path: Path) -> None:
    inner = Node(broken, "y", retry=AT_ONCE)

    @node("z")
    def catch(log: str, x: int) -> str:
        try:
            return str(inner(log, x))
        except ConnectionError as error:
            return str(error)

    pipeline = Pipeline([catch])
    inputs = {"log": str(tmp_path / "log"), "x": 1}
    assert script(pipeline, inputs) == {"z": ["call 1"]}


def test_dual_nodes_are_retried_row_by_row(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    dual = DualNode("y", flaky, lambda log, x: x, retry=AT_ONCE)
    inputs = {"log": str(tmp_path / "log"), "x": [1, 3]}
    assert script(Pipeline([dual]), inputs, "map") == {"y": [10, 30]}
    assert calls(tmp_path / "log") == ["flaky(1)"] * 3 + ["flaky(3)"] * 3


def test_native_nodes(node_library: Callable[[str], Path]) -> None:
    path = node_library("nodes_a")
    fails = load(path)["fail_at_six"]
    on = (ConnectionError, ExecutionError)
    made = fails.with_options(retry=Retry(attempts=3, delay=0, on=on), timeout=60)
    code = DaftEngine().generate_code(Pipeline([made]), {"doubled": 5})
    assert "library['fail_at_six'].with_options(timeout=60.0)(*values" in code
    assert "on=(ConnectionError, ExecutionError)" in code
    assert "class NodeTimeoutError" not in code
    scope = executed(code)
    assert scope["df"].to_pydict() == {"checked": [5]}
    with pytest.raises(ExecutionError, match="six is bad"):
        scope["fail_at_six_retried"](6)


def test_what_cannot_be_written_is_named(node_library: Callable[[str], Path]) -> None:
    path = node_library("nodes_a")
    in_cpp = CppNode(load(path)["twice"]._plain.with_retry(AT_ONCE._native()), path)
    with pytest.raises(PlanError, match=r"The retry of node 'twice' .* says it in C") as caught:
        DaftEngine().generate_code(Pipeline([in_cpp]), {"x": 1})
    assert "with_options" in caught.value.fix
    made_up = type("MadeUpError", (Exception,), {})
    odd = Node(abs, "y", retry=Retry(on=made_up))
    with pytest.raises(PlanError, match=r"Node 'abs' .* source of class MadeUpError"):
        DaftEngine().generate_code(Pipeline([odd]), {"x": 1})

    def whole(x: list[int]) -> list[int]:
        return x

    with pytest.raises(PlanError, match="whole columns"):
        DaftEngine().generate_code(Pipeline([BatchNode(whole, "y", retry=2)]), {"x": 1})
