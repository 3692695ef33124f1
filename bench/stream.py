"""Parquet to Parquet with `with_columns`: time and peak memory beside Daft's own expressions."""

import itertools
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from harness import Row, Target, Worker, interleave, report, scratch

FULL = os.environ.get("HYPERNODES_BENCH_FULL", "0") != "0"
ROUNDS = 3
FILES = 8
CPP_ROWS = 100_000_000 if FULL else 20_000_000
PYTHON_ROWS = 10_000_000
FEWER_ROWS = PYTHON_ROWS // 4
GROUP_ROWS = 250_000


def write_source(folder: Path, rows: int) -> Path:
    """`rows` whole numbers from 0 on, as a column x in a few files."""
    source = folder / f"source-{rows}"
    source.mkdir()
    cuts = [rows * i // FILES for i in range(FILES + 1)]
    for number, (begin, end) in enumerate(itertools.pairwise(cuts)):
        with pq.ParquetWriter(source / f"{number}.parquet", pa.schema({"x": pa.int64()})) as file:
            for first in range(begin, end, GROUP_ROWS):
                group = pa.array(range(first, min(end, first + GROUP_ROWS)), type=pa.int64())
                file.write_table(pa.table({"x": group}), row_group_size=GROUP_ROWS)
    return source


class Job:
    """One contender on one source; each measure is a new process."""

    def __init__(self, folder: Path, source: Path, contender: str, rows: int) -> None:
        self.target = folder / "target"
        self.source, self.contender, self.rows = source, contender, rows
        self.peaks: list[float] = []

    def __call__(self) -> float:
        with Worker("stream_workers", self.contender) as worker:
            done = worker.ask(
                "stream", source=str(self.source), target=str(self.target), rows=self.rows
            )
        shutil.rmtree(self.target)
        self.peaks.append(done["peak"] / 2**20)
        return done["seconds"]


def compared(jobs: dict[str, Job], seconds: dict[str, list[float]]) -> list[Row]:
    """Rows a second, and peaks: the least of each contender."""
    rows = []
    peers = {"C++ nodes": "expressions", "Python nodes": "Python nodes, a quarter"}
    for name, job in jobs.items():
        peer = peers.get(name)
        ratio = target = None
        if name == "C++ nodes":
            ratio = min(seconds[name]) / min(seconds["expressions"])
            target = Target(1.3, at_least=False)
        rate = job.rows / min(seconds[name])
        label, size = f"{name}, rows", f"{job.rows / 1e6:g} M rows"
        against = "the time of expressions" if ratio else ""
        rows.append(Row(label, rate, "rows/s", ratio, against, target, size, seconds[name]))
        ratio = target = None
        if peer:
            ratio = min(job.peaks) / min(jobs[peer].peaks)
            target = Target(1.2 if name == "C++ nodes" else 1.3, at_least=False)
        rows.append(
            Row(
                f"{name}, peak memory",
                min(job.peaks),
                "MiB",
                ratio,
                f"{peer}" if peer else "",
                target,
                samples=job.peaks,
            )
        )
    return rows


if __name__ == "__main__":
    with scratch("stream") as folder:
        sources = {n: write_source(folder, n) for n in (CPP_ROWS, PYTHON_ROWS, FEWER_ROWS)}
        jobs = {
            name: Job(folder, sources[rows], contender, rows)
            for name, contender, rows in (
                ("expressions", "expressions", CPP_ROWS),
                ("C++ nodes", "C++ nodes", CPP_ROWS),
                ("Python nodes, a quarter", "Python nodes", FEWER_ROWS),
                ("Python nodes", "Python nodes", PYTHON_ROWS),
            )
        }
        seconds = interleave(jobs, ROUNDS)
        report("stream", compared(jobs, seconds))
