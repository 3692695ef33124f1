"""Rows per second of two chained nodes on Daft: ours, raw `@daft.func`, an extension by hand."""

import os
from contextlib import ExitStack

from harness import Row, Target, interleave, report, start_workers
from workers.daft_workers import MIXED, SIZES

ROUNDS = 5
FULL = os.environ.get("HYPERNODES_BENCH_FULL", "") not in ("", "0")
RAY_ROWS = 1_000_000
AGAINST_RAW = {"columns": 20.0, "records": 15.0, "C++ lists": 60.0, "C++ arrow": 500.0}
# Of two nodes each, in node-rows per second.
CACHED = {"cold cache": 600e3, "warm cache": 2e6}
CORES = ("one core", "all cores")
LABELS = {
    "raw rows": "raw @daft.func, lists in and out",
    "columns": "ours, Python nodes, columns out",
    "records": "ours, Python nodes, records out",
    "C++ lists": "ours, C++ nodes, lists in and out",
    "C++ arrow": "ours, C++ nodes, Arrow in, collected",
    "by hand": "extension by hand, Arrow in, collected",
}


def measure() -> dict[str, list[float]]:
    """Seconds per call of every case, in rounds."""
    with ExitStack() as stack:
        contenders = ("raw", "ours", "handwritten", *CORES)
        workers = start_workers(stack, "daft_workers", contenders)
        ask = {name: worker.ask for name, worker in workers.items()}
        rows = {"raw rows": ask["raw"], "by hand": ask["handwritten"]}
        measures = {
            case: lambda case=case: rows.get(case, ask["ours"])(
                case, samples=2 if case == "raw rows" else 3
            )
            for case in SIZES
        }
        for name in CORES:
            measures[name] = lambda name=name: ask[name]("mixed")
        for name in ("raw", "ours"):
            measures[f"one row {name}"] = lambda name=name: ask[name]("one row", sample_seconds=0.1)
        return interleave(measures, ROUNDS)


def many_rows(samples: dict[str, list[float]]) -> list[Row]:
    rate = {case: SIZES[case] / min(samples[case]) for case in SIZES}
    rows = []
    for case, label in LABELS.items():
        ratio = None if case == "raw rows" else rate[case] / rate["raw rows"]
        bound = AGAINST_RAW.get(case)
        target = Target(bound, at_least=True) if bound else None
        size = f"{SIZES[case] / 1e6:g} M rows"
        rows.append(
            Row(label, rate[case], "rows/s", ratio, "raw", target, size, samples=samples[case])
        )
    rows.append(
        Row(
            "ours / by hand, Arrow",
            rate["C++ arrow"],
            "rows/s",
            rate["C++ arrow"] / rate["by hand"],
            "by hand",
            Target(0.9, at_least=True),
        )
    )
    return rows


def cached(samples: dict[str, list[float]]) -> list[Row]:
    """Python nodes with a DiskCache, columns out."""
    return [
        Row(
            f"ours, {case}",
            (rate := 2 * SIZES[case] / min(samples[case])),
            "node-rows/s",
            rate / bound,
            "target",
            Target(1.0, at_least=True),
            f"{SIZES[case] / 1e6:g} M rows",
            samples=samples[case],
        )
        for case, bound in CACHED.items()
    ]


def on_cores(samples: dict[str, list[float]]) -> list[Row]:
    """A C++ node that computes; two cores are to be 1.8 times as fast as one."""
    rate = {name: MIXED / min(samples[name]) for name in CORES}
    cores = len(os.sched_getaffinity(0))
    return [
        Row(
            f"C++ node of 40 ns, {name}",
            rate[name],
            "rows/s",
            rate[name] / rate["one core"],
            "of one core",
            Target(0.9 * cores, at_least=True) if name == "all cores" else None,
            f"{MIXED / 1e6:g} M rows",
            samples=samples[name],
        )
        for name in CORES
    ]


def one_row(samples: dict[str, list[float]]) -> list[Row]:
    """One row: best and best; the spread is in the results file."""
    best = {name: min(samples[f"one row {name}"]) for name in ("raw", "ours")}
    target = Target(1.0, at_least=False)
    return [
        Row("raw, one row", best["raw"] * 1e3, "ms", samples=samples["one row raw"]),
        Row(
            "ours, run of one row",
            best["ours"] * 1e3,
            "ms",
            best["ours"] / best["raw"],
            "raw",
            target,
            samples=samples["one row ours"],
        ),
    ]


def on_ray() -> list[Row]:
    """Python nodes on a Ray of two processors, lists in and out."""
    with ExitStack() as stack:
        workers = start_workers(stack, "ray_workers", ("raw", "ours"))
        raw, ours = workers["raw"].ask, workers["ours"].ask
        samples = interleave(
            {
                "raw": lambda: raw("ray", samples=1),
                "map": lambda: ours("ray", samples=1),
                "frame": lambda: ours("ray frame", samples=1),
            },
            ROUNDS,
        )
    rate = {case: RAY_ROWS / min(each) for case, each in samples.items()}
    rows = [Row("Ray: raw @daft.func", rate["raw"], "rows/s", samples=samples["raw"])]
    for case, label in (("map", "Ray: ours, map"), ("frame", "Ray: ours, DataFrame")):
        target = Target(1 / 1.1, at_least=True)
        ratio = rate[case] / rate["raw"]
        rows.append(Row(label, rate[case], "rows/s", ratio, "raw", target, samples=samples[case]))
    return rows


if __name__ == "__main__":
    samples = measure()
    cases = (many_rows, cached, on_cores, one_row)
    rows = [row for case in cases for row in case(samples)]
    report("daft", rows + (on_ray() if FULL else []))
