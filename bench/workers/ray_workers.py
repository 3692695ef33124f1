"""Contenders of `daft` on Ray: two chained trivial nodes, each contender on a Ray of its own."""

import os
from typing import Any

import ray

import daft
from workers.daft_workers import OUTPUTS, chained
from workers.timing import Timed
from workers.two_nodes import add_ten, double

ROWS = 1_000_000


def begin() -> None:
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=500 << 20
    )
    daft.set_runner_ray()


def inputs() -> dict[str, list[int]]:
    return {"x": list(range(ROWS))}


def answer() -> dict[str, Any]:
    return {"doubled": [x * 2 for x in range(ROWS)], "result": [x * 2 + 10 for x in range(ROWS)]}


def sums(columns: dict[str, list[int]]) -> dict[str, int]:
    """What does not depend on the order of rows, which Daft does not keep on Ray."""
    return {name: sum(values) for name, values in columns.items()}


def raw() -> dict[str, Timed]:
    begin()

    # Functions of this function travel by value: Ray's workers have no module of ours.
    def twice(x: int) -> int:
        return x * 2

    def plus_ten(doubled: int) -> int:
        return doubled + 10

    first, second = daft.func(twice), daft.func(plus_ten)
    given = inputs()

    def by_hand() -> dict:
        frame = daft.from_pydict(given).into_partitions(2)
        return chained(frame, first, second).select(*OUTPUTS).to_pydict()

    return {"ray": Timed(by_hand, sums(answer()), view=sums)}


def ours() -> dict[str, Timed]:
    from hypernodes import Pipeline, node
    from hypernodes.integrations.daft import DaftEngine, DaftEngineV2

    begin()
    nodes = [node(output_name="doubled")(double), node(output_name="result")(add_ten)]
    pipeline, given = Pipeline(nodes, DaftEngineV2()), inputs()
    engine = DaftEngine()
    return {
        "ray": Timed(lambda: pipeline.map(inputs=given, map_over="x"), answer()),
        "ray frame": Timed(
            lambda: engine.dataframe(pipeline, given, map_over="x").to_pydict(),
            sums(answer()),
            view=sums,
        ),
    }


CONTENDERS = {"raw": raw, "ours": ours}
