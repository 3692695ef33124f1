"""Contenders of `daft`: two chained trivial nodes, `x * 2` and `+ 10`, on Daft.

And a C++ node of some 40 ns, on all cores and on one.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa

import daft
from daft import col
from workers.timing import Timed
from workers.two_nodes import add_ten, double

SIZES = {
    "raw rows": 100_000,
    "columns": 1_000_000,
    "records": 1_000_000,
    "C++ lists": 1_000_000,
    "C++ arrow": 5_000_000,
    "by hand": 5_000_000,
    "cold cache": 200_000,
    "warm cache": 200_000,
}
MIXED = 5_000_000
OUTPUTS = ("doubled", "result")
ONE = {"x": 5}
ONE_ANSWER = {"doubled": 10, "result": 20}


def many(case: str) -> dict[str, list[int]]:
    return {"x": list(range(SIZES[case]))}


def as_columns(case: str) -> dict[str, list[int]]:
    xs = range(SIZES[case])
    return {"doubled": [x * 2 for x in xs], "result": [x * 2 + 10 for x in xs]}


def as_records(case: str) -> list[dict[str, int]]:
    return [{"doubled": x * 2, "result": x * 2 + 10} for x in range(SIZES[case])]


def chained(df: daft.DataFrame, first: Callable, second: Callable) -> daft.DataFrame:
    """The two nodes as a Daft user writes them."""
    doubled = df.with_column("doubled", first(col("x")))
    return doubled.with_column("result", second(col("doubled")))


def collected_case(case: str, build: Callable[[dict], daft.DataFrame]) -> Timed:
    """Arrow in, collected: the partitions stay in Daft's memory. Checked by the sums."""
    inputs = {"x": pa.array(range(SIZES[case]), type=pa.int64())}
    count = SIZES[case]

    def sums(df: daft.DataFrame) -> dict[str, Any]:
        return df.sum(*OUTPUTS).to_pydict()

    doubled = count * (count - 1)
    expected = {"doubled": [doubled], "result": [doubled + 10 * count]}
    return Timed(lambda: build(inputs).collect(), expected, view=sums)


def raw() -> dict[str, Timed]:
    first, second = daft.func(double), daft.func(add_ten)

    def answer(inputs: dict) -> dict:
        return chained(daft.from_pydict(inputs), first, second).select(*OUTPUTS).to_pydict()

    def one_row() -> dict:
        return chained(daft.from_pydict({"x": [5]}), first, second).to_pydict()

    inputs = many("raw rows")
    return {
        "raw rows": Timed(lambda: answer(inputs), as_columns("raw rows")),
        "one row": Timed(one_row, {"x": [5], "doubled": [10], "result": [20]}),
    }


def handwritten() -> dict[str, Timed]:
    """The plain C ABI by hand (`handwritten_extension.cpp`)."""
    daft.load_extension(os.environ["HYPERNODES_BENCH_BUILD"] + "/libhandwritten_extension.so")

    def native(name: str) -> Callable:
        return lambda *args: daft.get_function(name, *args)

    first, second = native("handwritten_twice"), native("handwritten_add_ten")
    return {
        "by hand": collected_case(
            "by hand",
            # Ours has the outputs only; keeping the input as well would cost this one memory.
            lambda inputs: chained(daft.from_pydict(inputs), first, second).select(*OUTPUTS),
        )
    }


def mixed() -> dict[str, Timed]:
    """Arrow in, collected. A sample of the answers is checked, in Python."""
    import hypernodes
    from hypernodes import DaftEngine, Pipeline

    library = hypernodes.load(os.environ["HYPERNODES_BENCH_BUILD"] + "/libbench_nodes.so")
    pipeline, engine = Pipeline(nodes=[library.mix]), DaftEngine()
    inputs = {"x": pa.array(range(MIXED), type=pa.int64())}

    def mix(bits: int) -> int:
        for _ in range(50):
            bits = (bits ^ (bits >> 33)) * 0xFF51AFD7ED558CCD % 2**64
        return bits - 2**64 if bits >= 2**63 else bits

    def some(df: daft.DataFrame) -> list[int]:
        return df.to_arrow()["mixed"].to_pylist()[:: MIXED // 10]

    def build() -> daft.DataFrame:
        return engine.dataframe(pipeline, inputs, map_over="x").collect()

    return {"mixed": Timed(build, [mix(x) for x in range(0, MIXED, MIXED // 10)], view=some)}


def mixed_on_one_core() -> dict[str, Timed]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return mixed()


def ours() -> dict[str, Timed]:
    import hypernodes
    from hypernodes import Pipeline, node
    from hypernodes.cache import DiskCache
    from hypernodes.integrations.daft import DaftEngine, DaftEngineV2

    python_nodes = [
        node(output_name="doubled")(double),
        node(output_name="result")(add_ten),
    ]
    library = hypernodes.load(os.environ["HYPERNODES_BENCH_BUILD"] + "/libbench_nodes.so")
    cpp_nodes = [library.twice, library.add_ten]

    columns = Pipeline(nodes=python_nodes, engine=DaftEngineV2())

    def cold() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            cached = Pipeline(nodes=python_nodes, engine=DaftEngineV2(), cache=DiskCache(folder))
            return cached.map(inputs=cached_inputs, map_over="x")

    cached_inputs = many("warm cache")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    warm = Pipeline(nodes=python_nodes, engine=DaftEngineV2(), cache=DiskCache(folder))
    records = Pipeline(nodes=python_nodes, engine=DaftEngine())
    native = Pipeline(nodes=cpp_nodes, engine=DaftEngineV2())
    engine = DaftEngine()

    def mapped(pipeline: Pipeline, case: str, expected: Any) -> Timed:
        inputs = many(case)
        return Timed(lambda: pipeline.map(inputs=inputs, map_over="x"), expected)

    return {
        "columns": mapped(columns, "columns", as_columns("columns")),
        "records": mapped(records, "records", as_records("records")),
        "C++ lists": mapped(native, "C++ lists", as_columns("C++ lists")),
        "C++ arrow": collected_case(
            "C++ arrow", lambda inputs: engine.dataframe(native, inputs, map_over="x")
        ),
        "cold cache": Timed(cold, as_columns("cold cache")),
        "warm cache": mapped(warm, "warm cache", as_columns("warm cache")),
        "one row": Timed(lambda: records.run(inputs=ONE), ONE_ANSWER),
    }


CONTENDERS = {
    "raw": raw,
    "handwritten": handwritten,
    "ours": ours,
    "all cores": mixed,
    "one core": mixed_on_one_core,
}
