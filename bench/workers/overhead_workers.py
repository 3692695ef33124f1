"""Contenders of `overhead`: `run` of a chain of ten nodes, `map` of it over rows to records."""

from collections.abc import Callable
from typing import Any

from workers import chain
from workers.timing import Timed

FUNCTIONS = [getattr(chain, f"n{i}") for i in range(1, 11)]
NAMES = [function.__name__ for function in FUNCTIONS]
ROWS = 2_000
ONE = {"x": 5}
MANY = {"x": list(range(ROWS))}


def cases(run: Callable[[], Any], map_rows: Callable[[], Any]) -> dict[str, Timed]:
    """The two cases of every contender; each must give exactly these answers."""
    return {
        "run": Timed(run, {name: 6 + i for i, name in enumerate(NAMES)}),
        "map": Timed(
            map_rows, [{name: x + 1 + i for i, name in enumerate(NAMES)} for x in range(ROWS)]
        ),
    }


def plain() -> dict[str, Timed]:
    """A loop that calls the functions and builds the same dicts: what the ratios refer to."""
    steps = list(zip(NAMES, FUNCTIONS, strict=True))

    def run(inputs: dict) -> dict:
        value = inputs["x"]
        outputs = {}
        for name, function in steps:
            outputs[name] = value = function(value)
        return outputs

    def map_rows(inputs: dict) -> list[dict]:
        records = []
        for value in inputs["x"]:
            outputs = {}
            for name, function in steps:
                outputs[name] = value = function(value)
            records.append(outputs)
        return records

    return cases(lambda: run(ONE), lambda: map_rows(MANY))


def ours() -> dict[str, Timed]:
    from hypernodes import Pipeline, SequentialEngine, node

    pipeline = Pipeline(
        nodes=[node(output_name=f.__name__)(f) for f in FUNCTIONS], engine=SequentialEngine()
    )
    return cases(lambda: pipeline.run(inputs=ONE), lambda: pipeline.map(inputs=MANY, map_over="x"))


def hypernodes() -> dict[str, Timed]:
    from hypernodes import Pipeline, SeqEngine, node

    pipeline = Pipeline(
        nodes=[node(output_name=f.__name__)(f) for f in FUNCTIONS], engine=SeqEngine()
    )
    return cases(lambda: pipeline.run(inputs=ONE), lambda: pipeline.map(inputs=MANY, map_over="x"))


def hamilton() -> dict[str, Timed]:
    """Hamilton has no map of a whole graph over rows in process: a loop of `execute`."""
    from hamilton import base, driver

    graph = driver.Builder().with_modules(chain).with_adapters(base.DictResult()).build()
    return cases(
        lambda: graph.execute(NAMES, inputs=ONE),
        lambda: [graph.execute(NAMES, inputs={"x": x}) for x in MANY["x"]],
    )


def pipefunc() -> dict[str, Timed]:
    """Pipefunc returns arrays from `map`; turning them into records is 0.3% of its time."""
    from pipefunc import PipeFunc, Pipeline

    single = Pipeline([PipeFunc(f, f.__name__) for f in FUNCTIONS])
    sources = ["x", *NAMES]
    mapped = Pipeline(
        [
            PipeFunc(f, f.__name__, mapspec=f"{source}[i] -> {f.__name__}[i]")
            for source, f in zip(sources, FUNCTIONS, strict=False)
        ]
    )

    def run() -> dict:
        outputs = single.run(NAMES[-1], kwargs=ONE, full_output=True)
        return {name: outputs[name] for name in NAMES}

    def map_rows() -> list[dict]:
        results = mapped.map(MANY, parallel=False, storage="dict", show_progress=False)
        columns = [results[name].output.tolist() for name in NAMES]
        return [dict(zip(NAMES, row, strict=True)) for row in zip(*columns, strict=True)]

    return cases(run, map_rows)


CONTENDERS = {
    "plain": plain,
    "ours": ours,
    "hypernodes": hypernodes,
    "hamilton": hamilton,
    "pipefunc": pipefunc,
}
