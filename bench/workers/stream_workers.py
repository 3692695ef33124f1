"""Contenders of `stream`: Parquet to Parquet through two trivial nodes. One job a process."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds

import daft
from daft import col
from workers.two_nodes import add_ten, double

# Daft's writers hold a row group in memory: with small ones the peak is that of the stream.
SMALL_FILES = {"parquet_target_row_group_size": 8 * 2**20, "parquet_target_filesize": 32 * 2**20}


def peak_bytes() -> int:
    """The most memory that this process has had at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process its peak memory")


def job(extend: Callable[[daft.DataFrame], daft.DataFrame]) -> Callable[..., dict[str, float]]:
    """Reads, extends, writes; then checks what was written."""

    def run(source: str, target: str, rows: int) -> dict[str, float]:
        daft.set_execution_config(**SMALL_FILES)
        start = time.perf_counter()
        extend(daft.read_parquet(f"{source}/*.parquet")).write_parquet(target)
        seconds, peak = time.perf_counter() - start, peak_bytes()
        written = ds.dataset(target)
        total = sum(pc.sum(batch["result"]).as_py() for batch in written.to_batches(["result"]))
        if (written.count_rows(), total) != (rows, rows * (rows - 1) + 10 * rows):
            raise RuntimeError("the files written are wrong")
        return {"seconds": seconds, "peak": peak}

    return run


def expressions() -> dict[str, Callable]:
    def extend(df: daft.DataFrame) -> daft.DataFrame:
        return df.with_column("doubled", col("x") * 2).with_column("result", col("doubled") + 10)

    return {"stream": job(extend)}


def cpp_nodes() -> dict[str, Callable]:
    import hypernodes
    from hypernodes import DaftEngine, Pipeline

    library = hypernodes.load(os.environ["HYPERNODES_BENCH_BUILD"] + "/libbench_nodes.so")
    pipeline = Pipeline([library.twice, library.add_ten], engine=DaftEngine())
    return {"stream": job(pipeline.with_columns)}


def python_nodes() -> dict[str, Callable]:
    from hypernodes import DaftEngine, Pipeline, node

    nodes = [node(output_name="doubled")(double), node(output_name="result")(add_ten)]
    pipeline = Pipeline(nodes, engine=DaftEngine())
    return {"stream": job(pipeline.with_columns)}


CONTENDERS = {"expressions": expressions, "C++ nodes": cpp_nodes, "Python nodes": python_nodes}
