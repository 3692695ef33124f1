"""Cost per node of the native engine, beside a plain loop, three Python peers and oneTBB."""

from contextlib import ExitStack

from harness import Row, Target, cpp_program, interleave, report, start_workers
from workers.overhead_workers import NAMES, ROWS

ROUNDS = 5
PEERS = ("hypernodes", "hamilton", "pipefunc")
TARGETS = {"run": Target(2.0, at_least=False), "map": Target(1.3, at_least=False)}


def python_rows() -> list[Row]:
    with ExitStack() as stack:
        workers = start_workers(stack, "overhead_workers", ("plain", "ours"))
        workers |= start_workers(stack, "overhead_workers", PEERS, peer=True)
        samples = interleave(
            {
                f"{case} {name}": lambda worker=worker, case=case: worker.ask(case)
                for case in TARGETS
                for name, worker in workers.items()
            },
            ROUNDS,
        )
    rows = []
    for case, target in TARGETS.items():
        divisor, unit = {"run": (len(NAMES), "ns/node"), "map": (ROWS, "ns/row")}[case]
        plain = min(samples[f"{case} plain"])
        for name in workers:
            taken = samples[f"{case} {name}"]
            rows.append(
                Row(
                    f"{case}: {name}",
                    min(taken) / divisor * 1e9,
                    unit,
                    None if name == "plain" else min(taken) / plain,
                    "plain loop",
                    target if name == "ours" else None,
                    samples=taken,
                )
            )
    return rows


def cpp_rows() -> list[Row]:
    """`bench/overhead.cpp` interleaves its contenders itself and prints ns."""
    figures = cpp_program("bench_overhead")
    targets = {"chain of 10: ours": 15.0, "one node: ours": 100.0}
    rows = []
    for name, samples in figures.items():
        unit = "ns/node" if name.startswith("chain") else "ns/run"
        best = min(samples)
        bound = targets.get(name)
        target = Target(bound, at_least=False, unit=unit) if bound else None
        rows.append(Row(f"C++ {name}", best, unit, best, "", target, samples=samples))
    return rows


if __name__ == "__main__":
    report("overhead", python_rows() + cpp_rows())
