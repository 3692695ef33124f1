# SPDX-License-Identifier: MIT
"""Random pipelines: every engine, with any state of a cache, gives what the sequential one gives.

Each node's result depends on the exact text and types of what it was given, so that a value which
changes on its way (a tuple that becomes a list, 1 that becomes 1.0) changes everything after it.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from contract.same import assert_same
from hypernodes import DaftEngine, Node, Pipeline, SequentialEngine, _outputs
from hypernodes.batch_node import BatchNode
from hypernodes.cache import DiskCache, MemoryCache
from hypernodes.engines import DaskEngine

EVERY_DAY = 60
# How many random pipelines the soak runs, and from which seed on.
SOAK = int(os.environ.get("HYPERNODES_SOAK_PIPELINES", "300"))
SOAK_SEED = int(os.environ.get("HYPERNODES_SOAK_SEED", "1000"))


@dataclasses.dataclass
class Point:
    x: int
    name: str


class Failure(ValueError):
    """What nodes raise."""


# Values -----------------------------------------------------------------------------------------

# A hint, and what makes a value of it of any number.
KINDS: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "none": (None, lambda n: None),
    "int": (int, lambda n: n % 7 - 3),
    "big": (Any, lambda n: 2**64 + n),
    "bool": (bool, lambda n: n % 2 == 0),
    "float": (float, lambda n: (n % 5) / 4 - 0.0),
    "int as float": (float, lambda n: n % 3),
    "str": (str, lambda n: "é" * (n % 3) + str(n % 4)),
    "bytes": (bytes, lambda n: bytes([n % 256])),
    "optional": (int | None, lambda n: None if n % 3 == 0 else n % 5),
    "union": (int | str, lambda n: n % 5 if n % 2 else str(n % 5)),
    "literal": (Literal["a", "b"], lambda n: "ab"[n % 2]),
    "list": (list[int], lambda n: [n % 3, n % 2][: n % 3]),
    "mixed": (list, lambda n: [1, 1.0, True, None, "x", (n % 3,)][: n % 7]),
    "dict": (dict, lambda n: {"ab"[n % 2]: n % 3, n % 2: None}),
    "map": (dict[str, int], lambda n: {str(i): i for i in range(n % 3)}),
    "tuple": (tuple[int, str], lambda n: (n % 3, "t")),
    "tuples": (tuple[int, ...], lambda n: (n % 3,) * (n % 4)),
    "class": (Point, lambda n: Point(n % 4, "p")),
    "date": (datetime.date, lambda n: datetime.date(2026, 1, 1 + n % 28)),
    "set": (set[int], lambda n: {n % 3}),
}


def number(*values: object) -> int:
    """A number of what the values are, with their types."""
    return zlib.crc32(repr(values).encode())


# Nodes ------------------------------------------------------------------------------------------


def plain(
    name: str,
    inputs: list[str],
    kind: str,
    hinted: bool,
    fails: int | None,
    daft: dict[str, Any] | None = None,
) -> Node:
    hint, make = KINDS[kind]

    def body(*values: Any) -> Any:
        n = number(name, *values)
        if fails is not None and n % 29 == fails:
            raise Failure(f"{name} of {n}")
        return make(n)

    return Node(named(body, name, inputs, hint if hinted else None), name, daft=daft)


def pair(name: str, inputs: list[str], kind: str) -> Node:
    _, make = KINDS[kind]

    def body(*values: Any) -> Any:
        n = number(name, *values)
        return n % 5, make(n)

    return Node(named(body, name, inputs, None), (name, f"{name}_b"))


def batch(name: str, inputs: list[str], kind: str) -> Node:
    _, make = KINDS[kind]

    def body(*columns: Any) -> list[Any]:
        rows = zip(*columns, strict=True)
        return [make(number(name, *row)) for row in rows]

    function = named(body, name, inputs, None)
    function.__annotations__ = dict.fromkeys(inputs, list) | {"return": list}
    return BatchNode(function, name)


def items(name: str, inputs: list[str]) -> Node:
    """Makes a list, for pipelines that are mapped over it."""
    kinds = random.Random(name).sample(sorted(KINDS), 3)
    makes = [KINDS[kind][1] for kind in kinds]

    def body(*values: Any) -> Any:
        n = number(name, *values)
        return [make(n) for make in makes[: n % 4]]

    return Node(named(body, name, inputs, None), name)


def named(body: Any, name: str, inputs: list[str], hint: Any) -> Any:
    """`body` with parameters of these names; its code stays that of `body`."""
    source = f"def {name}({', '.join(inputs)}):\n    return body({', '.join(inputs)})\n"
    scope = {"body": body, "__name__": __name__}
    exec(source, scope)
    function: Any = scope[name]
    if hint is not None:
        function.__annotations__ = {"return": hint}
    return function


# What a node says about Daft; most say nothing.
Options = Callable[[], dict[str, Any] | None]


def random_pipeline(
    rng: random.Random,
    depth: int = 0,
    prefix: str = "n",
    options: Options = lambda: None,
) -> Pipeline:
    known = [f"{prefix}_x", f"{prefix}_k"]
    nodes: list[Any] = []
    for i in range(rng.randint(2, 6 - depth)):
        name = f"{prefix}{i}"
        inputs = rng.sample(known, min(len(known), rng.randint(1, 3)))
        kind = rng.choice(sorted(KINDS))
        what = rng.random()
        if what < 0.08:
            nodes.append(pair(name, inputs, kind))
            known.append(f"{name}_b")
        elif what < 0.16 and depth == 0 and f"{prefix}_k" not in inputs:
            nodes.append(batch(name, inputs, kind))
        elif what < 0.4 and depth < 2:
            nodes += nested(rng, depth, name, inputs, options)
        else:
            fails = rng.randrange(29) if rng.random() < 0.15 else None
            nodes.append(plain(name, inputs, kind, rng.random() < 0.5, fails, options()))
        known.append(name)
    rng.shuffle(nodes)
    return Pipeline(nodes, name=prefix)


def nested(
    rng: random.Random, depth: int, name: str, inputs: list[str], options: Options
) -> Iterator[Any]:
    inner = random_pipeline(rng, depth + 1, f"{name}i", options)
    over = rng.random() < 0.5
    x = f"{name}_items" if over else inputs[0]
    if over:
        yield items(x, inputs)
    wanted = rng.choice(sorted(inner.graph.available_output_names))
    roots = {f"{name}i_x": x, f"{name}i_k": inputs[-1]}
    if over and inputs[-1] == x:
        del roots[f"{name}i_k"]
    used = {outer: inside for inside, outer in roots.items() if inside in inner.graph.root_args}
    if len(used) < len(set(inner.graph.root_args)) or x not in used:
        # Both inner inputs are the same outer one: nothing to rename twice.
        yield plain(name, inputs, "mixed", False, None)
        return
    yield inner.as_node(
        input_mapping=used,
        output_mapping={wanted: name},
        map_over=x if over else None,
        name=f"{name}_nested",
    )


def random_rows(rng: random.Random, pipeline: Pipeline) -> list[dict[str, Any]]:
    roots = [name for name in ("n_x", "n_k") if name in pipeline.graph.root_args]
    values = [KINDS[kind][1](rng.randrange(100)) for kind in rng.sample(sorted(KINDS), 5)]
    return [{name: rng.choice(values) for name in roots} for _ in range(rng.randint(1, 6))]


# Comparing --------------------------------------------------------------------------------------


class Expected:
    """What the sequential engine gives: the records, or the errors of the rows that fail.

    Row by row: in a map, engines may meet another of the failing rows first.
    """

    def __init__(
        self, pipeline: Pipeline, rows: list[dict[str, Any]], names: list[str] | None = None
    ) -> None:
        self.rows = rows
        self.records: list[Any] = []
        self.errors: set[str] = set()
        engine = SequentialEngine()
        for row in rows:
            try:
                self.records.append(pipeline.run(row, names, engine=engine))
            except Failure as error:
                self.errors.add(str(error))

    def check(self, call: Callable[[], Any], columns: bool = False) -> bool:
        """Fails unless `call` gives the same; returns whether that is no error."""
        if self.errors:
            with pytest.raises(Failure) as caught:
                call()
            assert str(caught.value) in self.errors
            return False
        got = call()
        if columns:
            for name, column in got.items():
                assert_same(column, [record[name] for record in self.records], name)
        else:
            assert_same(got, self.records)
        return True


def mapped(pipeline: Pipeline, rows: list[dict[str, Any]], **options: Any) -> Any:
    return pipeline.map({k: [row[k] for row in rows] for k in rows[0]}, list(rows[0]), **options)


def check(
    seed: int, folder: Any, engines: list[Any], thorough: bool = False, on_ray: bool = False
) -> None:
    """One pipeline on every engine, and as DataFrames; thorough: with every cache."""
    rng = random.Random(seed)
    pipeline = random_pipeline(rng)
    rows = random_rows(rng, pipeline)
    expected, first = Expected(pipeline, rows), Expected(pipeline, rows[:1])
    for i, engine in enumerate(engines):
        pipeline.with_engine(engine).with_cache(None)
        expected.check(lambda: mapped(pipeline, rows))
        first.check(lambda: [pipeline.run(rows[0])])
        # A MemoryCache keeps what its own process computes.
        elsewhere = on_ray or getattr(engine, "default_daft_config", None) is not None
        if not elsewhere and (thorough or seed % 2):
            check_cached(pipeline, MemoryCache(), expected)
        if elsewhere or thorough or not seed % 2:
            check_cached(pipeline, DiskCache(folder / f"{seed}-{i}"), expected)
    if importlib.util.find_spec("daft"):
        check_frames(pipeline, expected)


def check_cached(pipeline: Pipeline, cache: Any, expected: Expected) -> None:
    pipeline.with_cache(cache)
    rows = expected.rows
    half = Expected(Pipeline(pipeline.nodes, name=pipeline.name), rows[: len(rows) // 2])
    if half.rows:
        half.check(lambda: mapped(pipeline, half.rows))  # half warm
    if expected.check(lambda: mapped(pipeline, rows)):
        assert expected.check(lambda: mapped(pipeline, rows))  # warm
        warm = totals(pipeline)
        assert all(run == 0 for run, _ in warm.values()), warm
        assert_same(mapped(pipeline, rows, engine=SequentialEngine()), expected.records)
        assert totals(pipeline) == warm


def totals(pipeline: Pipeline) -> dict[str, tuple[int, int]]:
    """By node, how many rows of the last run were computed and cached."""
    last = pipeline.last_run
    assert last is not None
    return {name: (node.rows_run, node.rows_cached) for name, node in last.nodes.items()}


def untyped(pipeline: Pipeline) -> list[str]:
    """Outputs whose columns hold Python objects."""
    hints = _outputs.hinted_types(pipeline)
    return sorted(name for name in pipeline.graph.available_output_names if not hints.get(name))


def check_frames(
    pipeline: Pipeline, expected: Expected, output_name: list[str] | None = None
) -> None:
    """The outputs that are not typed; with `output_name`, no others are asked for."""
    import daft

    pipeline.with_cache(None).with_engine(SequentialEngine())
    inputs = {k: [row[k] for row in expected.rows] for k in expected.rows[0]}
    names = untyped(pipeline)

    def frame() -> Any:
        made = DaftEngine().dataframe(pipeline, inputs, list(inputs), output_name=output_name)
        return made.select(*names).to_pydict()

    def extended() -> Any:
        series = {k: daft.Series.from_pylist(v, pyobj="force") for k, v in inputs.items()}
        rows = daft.from_pydict(series)
        made = pipeline.with_columns(rows, output_name=output_name)
        return made.select(*names).to_pydict()

    if names and inputs:
        expected.check(frame, columns=True)
        expected.check(extended, columns=True)


def check_options(seed: int, *choices: dict[str, Any] | None) -> bool:
    """DataFrames of a pipeline whose nodes, at any depth, have some of these options.

    Returns whether the rows fail.
    """
    rng, choosing = random.Random(seed), random.Random(-seed - 1)
    pipeline = random_pipeline(rng, options=lambda: choosing.choice(choices))
    # Daft leaves out functions that nobody reads, so that a node may not get to fail.
    names = untyped(pipeline)
    expected = Expected(pipeline, random_rows(rng, pipeline), names)
    check_frames(pipeline, expected, names)
    return bool(expected.errors)


def local_engines() -> list[Any]:
    engines: list[Any] = [SequentialEngine()]
    if importlib.util.find_spec("daft"):
        engines.append(DaftEngine())
    if importlib.util.find_spec("dask"):
        engines.append(DaskEngine())
    return engines


def process_engine() -> Any:
    pytest.importorskip("daft")
    return DaftEngine(default_daft_config={"use_process": True, "max_concurrency": 1})


@pytest.mark.parametrize("seed", range(EVERY_DAY))
def test_engines_agree(seed: int, tmp_path: Any) -> None:
    check(seed, tmp_path, local_engines())


def test_processes_agree(tmp_path: Any) -> None:
    check(11, tmp_path, [process_engine()])


@pytest.mark.parametrize("seed", range(40))
def test_nodes_with_options_agree(seed: int) -> None:
    pytest.importorskip("daft")
    check_options(seed, None, None, {"batch_size": 1}, {"batch_size": 2}, {"max_concurrency": 1})


@pytest.mark.parametrize("seed", [4, 28, 55, 108])
def test_nodes_in_processes_agree(seed: int) -> None:
    pytest.importorskip("daft")
    process = {"use_process": True, "max_concurrency": 1}
    assert not check_options(seed, None, None, None, process), "no row fails"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_pipelines(tmp_path: Any) -> None:
    for seed in range(SOAK_SEED, SOAK_SEED + SOAK):
        engines = local_engines()
        if seed % 100 == 0:
            engines.append(process_engine())
        try:
            check(seed, tmp_path, engines, thorough=True)
            check_options(seed, None, {"batch_size": 1}, {"batch_size": 2})
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.slow
def test_ray_agrees(tmp_path: Any) -> None:
    pytest.importorskip("ray")
    script = f"""
import daft, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
daft.set_runner_ray(noop_if_initialized=True)
import test_differential
from hypernodes import DaftEngine
for seed in range(10):
    test_differential.check(seed, pathlib.Path({str(tmp_path)!r}), [DaftEngine()], on_ray=True)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
