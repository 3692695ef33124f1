"""Contenders of `cache`: a trivial int function over distinct rows, cold stores and warm hits.

A peer is fed in steps until its time is up, so its size is what it finishes in that time. The warm
pass runs in a new process, and a sample of it is counted to prove that nothing was recomputed.
"""

from collections.abc import Callable
from typing import Any

from workers.timing import count_calls, seconds
from workers.two_nodes import double

Answers = list[int] | list[dict[str, int]]
MapRows = Callable[[list[int]], Answers]
SAMPLE = 200


def cases(open_cache: Callable[[str], MapRows]) -> dict[str, Callable[..., Any]]:
    """`fill` and `read` for a contender whose `open_cache(path)` maps a range to doubled values."""

    def fill(path: str, rows: int, step: int, budget: float) -> dict[str, float]:
        """Stores `rows` new rows, `step` at a time, and stops when `budget` seconds are over."""
        map_rows = open_cache(path)
        done, spent = 0, 0.0
        while done < rows and spent < budget:
            spent += timed(map_rows, range(done, min(done + step, rows)))
            done = min(done + step, rows)
        return {"rows": done, "seconds": spent}

    def read(path: str, rows: int) -> float:
        """Seconds to look up all `rows` in one pass."""
        map_rows = open_cache(path)
        taken = timed(map_rows, range(rows))
        some = list(range(0, rows, max(1, rows // SAMPLE)))
        calls = count_calls(double, lambda: map_rows(some))
        if calls:
            raise AssertionError(f"{calls} of {len(some)} rows were computed again")
        return taken

    return {"fill": fill, "read": read}


def timed(map_rows: MapRows, rows: range) -> float:
    """Seconds for list in, answers out; the ints are made before, the ends are checked after."""
    inputs = list(rows)
    answers: Answers = []

    def action() -> None:
        nonlocal answers
        answers = map_rows(inputs)

    taken = seconds(action)
    ends = [answers[0], answers[-1]]
    expected = [inputs[0] * 2, inputs[-1] * 2]
    if len(answers) != len(inputs) or ends not in (expected, [{"doubled": x} for x in expected]):
        raise AssertionError(f"{len(inputs)} rows with ends {expected}, got {ends}")
    return taken


def ours() -> dict[str, Callable[..., Any]]:
    from hypernodes import DiskCache, Pipeline, SequentialEngine, node

    def open_cache(path: str) -> MapRows:
        pipeline = Pipeline(
            nodes=[node(output_name="doubled")(double)],
            engine=SequentialEngine(),
            cache=DiskCache(path),
        )
        return lambda xs: pipeline.map(inputs={"x": xs}, map_over="x")

    return cases(open_cache)


def hypernodes() -> dict[str, Callable[..., Any]]:
    from hypernodes import DiskCache, Pipeline, SeqEngine, node

    def open_cache(path: str) -> MapRows:
        engine = SeqEngine(cache=DiskCache(path))
        pipeline = Pipeline(nodes=[node(output_name="doubled")(double)], engine=engine)
        return lambda xs: pipeline.map(inputs={"x": xs}, map_over="x")

    return cases(open_cache)


def joblib() -> dict[str, Callable[..., Any]]:
    from joblib import Memory

    def open_cache(path: str) -> MapRows:
        cached = Memory(path, verbose=0).cache(double)
        return lambda xs: [cached(x) for x in xs]

    return cases(open_cache)


def diskcache() -> dict[str, Callable[..., Any]]:
    from diskcache import Cache

    def open_cache(path: str) -> MapRows:
        cached = Cache(path).memoize()(double)
        return lambda xs: [cached(x) for x in xs]

    return cases(open_cache)


CONTENDERS = {"ours": ours, "hypernodes": hypernodes, "joblib": joblib, "diskcache": diskcache}
