"""Contenders of `cache`: cold stores and warm hits of distinct rows.

A peer is fed in steps until its time is up, so its size is what it finishes in that time. The warm
pass runs in a new process, and is proven to have called no function.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers import chain, two_nodes
from workers.timing import count_calls, seconds
from workers.two_nodes import double

Function = Callable[[Any], Any]
Answers = Sequence[Any]
MapRows = Callable[[list[Any]], Answers]
LARGE = 4096
SAMPLE = 200
PASSES = 3


def block(number: int) -> bytes:
    """4 KiB that are the same in every process."""
    return hashlib.shake_128(number.to_bytes(8, "little")).digest(LARGE)


def backwards(x: bytes) -> bytes:
    return x[::-1]


@dataclass
class Rows:
    """What a contender is given, and what it must answer."""

    inputs: Callable[[range], list[Any]] = list
    answer: Function = double


INTS = Rows()
CHAIN = Rows(answer=lambda x: x + 10)
LARGE_ROWS = Rows(lambda rows: [block(i) for i in rows], backwards)

Cases = dict[str, Callable[..., Any]]


def cases(open_cache: Callable[[str], MapRows], rows_of: Rows = INTS) -> Cases:
    """`fill` and `read` for a contender whose `open_cache(path)` maps rows to answers."""

    def fill(path: str, rows: int, step: int, budget: float) -> dict[str, float]:
        """Stores `rows` new rows, `step` at a time, and stops when `budget` seconds are over."""
        map_rows = open_cache(path)
        done, spent = 0, 0.0
        while done < rows and spent < budget:
            spent += timed(map_rows, rows_of, range(done, min(done + step, rows)))
            done = min(done + step, rows)
        return {"rows": done, "seconds": spent}

    def read(path: str, rows: int) -> float:
        """Seconds to look up all `rows` in one pass."""
        map_rows = open_cache(path)
        page_in(Path(path))
        taken = timed(map_rows, rows_of, range(rows))
        if isinstance(map_rows, OurMap):
            calls = map_rows.calls()
        else:
            some = list(range(0, rows, max(1, rows // SAMPLE)))
            calls = count_calls(double, lambda: map_rows(some))
        if calls:
            raise AssertionError(f"{calls} results were computed again")
        return taken

    return {"fill": fill, "read": read}


def page_in(folder: Path) -> None:
    """Has the files in the page cache, as they are after filling: some machines empty it soon."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 20):
                    pass


def timed(map_rows: MapRows, rows_of: Rows, rows: range) -> float:
    """Seconds for list in, answers out; the rows are made before, the ends are checked after."""
    inputs = rows_of.inputs(rows)
    answers: Answers = []

    def action() -> None:
        nonlocal answers
        answers = map_rows(inputs)

    taken = seconds(action)
    ends = [next(iter(a.values())) if isinstance(a, dict) else a for a in (answers[0], answers[-1])]
    expected = [rows_of.answer(inputs[0]), rows_of.answer(inputs[-1])]
    if len(answers) != len(inputs) or ends != expected:
        raise AssertionError(f"{len(inputs)} rows with ends {expected!r:.99}, got {ends!r:.99}")
    return taken


class OurMap:
    """Python list in, a list of dicts with the last output out."""

    def __init__(
        self, path: str, functions: dict[str, Function], engine: Any = None, **options: Any
    ) -> None:
        from hypernodes import DiskCache, Pipeline, SequentialEngine, node

        self.pipeline = Pipeline(
            nodes=[node(output_name=name)(function) for name, function in functions.items()],
            engine=engine or SequentialEngine(),
            cache=DiskCache(path, **options),
        )
        self.last = list(functions)[-1]

    def __call__(self, xs: list[Any]) -> Answers:
        return self.pipeline.map(inputs={"x": xs}, map_over="x", output_name=self.last)

    def calls(self) -> int:
        """How many rows the nodes ran in the last map, in whichever thread."""
        return sum(node.rows_run for node in self.pipeline.last_run.nodes.values())


def ours() -> Cases:
    return cases(lambda path: OurMap(path, {"doubled": double}))


def ours_synced() -> Cases:
    return cases(lambda path: OurMap(path, {"doubled": double}, durability="commit"))


def ours_chain() -> Cases:
    functions = {f"n{i}": getattr(chain, f"n{i}") for i in range(1, 11)}
    return cases(lambda path: OurMap(path, functions), CHAIN)


def ours_large() -> Cases:
    return cases(lambda path: OurMap(path, {"y": backwards}), LARGE_ROWS)


def by_hand_large() -> Cases:
    """The least that rows of 4 KiB take: hashing and copying them."""
    digest = hashlib.sha256

    def fill(path: str, rows: int, step: int, budget: float) -> dict[str, float]:
        """Calls the function, hashes inputs and results, and copies these to a file."""
        inputs = LARGE_ROWS.inputs(range(rows))

        def action() -> list[Any]:
            kept = []
            with Path(path).open("wb", buffering=1 << 20) as file:
                for x in inputs:
                    y = backwards(x)
                    kept.append((digest(x).digest(), digest(y).digest(), y))
                    file.write(y)
            return kept

        return {"rows": rows, "seconds": seconds(action)}

    def read(path: str, rows: int) -> float:
        """Hashes the inputs and copies the results, once more into memory that was used before."""
        pairs = [(x, backwards(x)) for x in LARGE_ROWS.inputs(range(rows))]

        def action() -> list[Any]:
            return [(digest(x).digest(), bytes(memoryview(y))) for x, y in pairs]

        return min(seconds(action) for _ in range(PASSES))

    return {"fill": fill, "read": read}


def ours_two_cores() -> Cases:
    """What a user does for a second core: the same pipeline on the Daft engine."""
    from hypernodes.integrations.daft import DaftEngine

    return cases(lambda path: OurMap(path, {"doubled": double}, DaftEngine()))


def hypernodes() -> Cases:
    from hypernodes import DiskCache, Pipeline, SeqEngine, node

    def open_cache(path: str) -> MapRows:
        engine = SeqEngine(cache=DiskCache(path))
        pipeline = Pipeline(nodes=[node(output_name="doubled")(double)], engine=engine)
        return lambda xs: pipeline.map(inputs={"x": xs}, map_over="x")

    return cases(open_cache)


def joblib() -> Cases:
    from joblib import Memory

    def open_cache(path: str) -> MapRows:
        cached = Memory(path, verbose=0).cache(double)
        return lambda xs: [cached(x) for x in xs]

    return cases(open_cache)


def diskcache() -> Cases:
    from diskcache import Cache

    def open_cache(path: str) -> MapRows:
        cached = Cache(path).memoize()(double)
        return lambda xs: [cached(x) for x in xs]

    return cases(open_cache)


def hamilton() -> Cases:
    """Hamilton has no map of a whole graph over rows in process: a loop of `execute`."""
    import logging

    from hamilton import base, driver

    logging.getLogger("hamilton").setLevel(logging.ERROR)  # it tells every hit

    def open_cache(path: str) -> MapRows:
        builder = driver.Builder().with_modules(two_nodes).with_adapters(base.DictResult())
        graph = builder.with_cache(path).build()
        return lambda xs: [graph.execute(["double"], inputs={"x": x}) for x in xs]

    return cases(open_cache)


def pipefunc() -> Cases:
    from pipefunc import PipeFunc, Pipeline

    def open_cache(path: str) -> MapRows:
        Path(path).mkdir(parents=True, exist_ok=True)
        options = {"cache_dir": path, "with_lru_cache": False, "lru_shared": False}
        function = PipeFunc(double, "doubled", cache=True)
        pipeline = Pipeline([function], cache_type="disk", cache_kwargs=options)
        return lambda xs: [pipeline("doubled", x=x) for x in xs]

    return cases(open_cache)


CONTENDERS = {
    "ours": ours,
    "ours, synced": ours_synced,
    "ours, 10 nodes": ours_chain,
    "ours, 4 KiB": ours_large,
    "by hand, 4 KiB": by_hand_large,
    "ours, two cores": ours_two_cores,
    "hypernodes": hypernodes,
    "joblib": joblib,
    "diskcache": diskcache,
    "hamilton": hamilton,
    "pipefunc": pipefunc,
}
