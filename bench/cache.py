"""Warm hits/s and cold stores/s of trivial rows, beside the caches of joblib, diskcache and others.

Ours: ints through one node by default and with every commit synced, a chain of ten nodes, rows of
4 KiB, two cores. `HYPERNODES_BENCH_FULL=1` adds ten million rows: some minutes, 6 GB of disk.
"""

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import Row, Target, Worker, interleave, progress, report, scratch

MILLION = 1_000_000
FULL = os.environ.get("HYPERNODES_BENCH_FULL", "") not in ("", "0")
ROUNDS = 3
CHAIN_NODES = 10
LARGE_ROWS = 100_000
PEER_SECONDS = float(os.environ.get("HYPERNODES_BENCH_PEER_SECONDS", "20"))
PEER_STEPS = {
    "joblib": 1_000,
    "diskcache": 5_000,
    "hypernodes": 250,
    "hamilton": 20,
    "pipefunc": 1_000,
}
BY_HAND = "by hand, 4 KiB"
FLOOR = Target(1.5, at_least=False)


def rate(bound: float, unit: str) -> Target:
    return Target(bound, True, unit)


@dataclass
class Filled:
    """A cache on disk and what filling and reading it took."""

    name: str
    rows: int
    path: Path
    nodes: int = 1
    stores_target: Target | None = None
    hits_target: Target | None = None
    stores: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)

    @property
    def is_peer(self) -> bool:
        return self.name in PEER_STEPS

    def worker(self) -> Worker:
        return Worker("cache_workers", self.name, peer=self.is_peer)


def our_caches(folder: Path) -> list[Filled]:
    """What is measured of ours; the first is what the peers are compared with."""
    caches = [
        Filled(
            "ours",
            MILLION,
            folder / "million",
            stores_target=rate(300e3, "stores/s"),
            hits_target=rate(2e6, "hits/s"),
        ),
        Filled("ours, two cores", MILLION, folder / "two-cores"),
        Filled(
            "ours, 10 nodes",
            MILLION,
            folder / "chain",
            nodes=CHAIN_NODES,
            stores_target=rate(300e3, "stores/s"),
            hits_target=rate(1e6, "hits/s"),
        ),
        Filled("ours, 4 KiB", LARGE_ROWS, folder / "large"),
        Filled(BY_HAND, LARGE_ROWS, folder / "copies"),
        Filled(
            "ours, synced",
            MILLION,
            folder / "synced",
            stores_target=None if FULL else rate(100e3, "stores/s"),
        ),
    ]
    if FULL:
        caches += [
            Filled(
                "ours",
                10 * MILLION,
                folder / "ten-million",
                stores_target=rate(300e3, "stores/s"),
                hits_target=rate(1e6, "hits/s"),
            ),
            Filled(
                "ours, synced",
                10 * MILLION,
                folder / "ten-million-synced",
                stores_target=rate(100e3, "stores/s"),
            ),
        ]
    return caches


def fill(cache: Filled, step: int, budget: float) -> None:
    """A cold run in a new process into an empty folder; the cache stays for `read_all`."""
    progress(f"cold: {cache.name}, up to {cache.rows:,} rows")
    shutil.rmtree(cache.path, ignore_errors=True)
    with cache.worker() as worker:
        done = worker.ask("fill", path=str(cache.path), rows=cache.rows, step=step, budget=budget)
    cache.rows = done["rows"]
    cache.stores.append(cache.nodes * done["rows"] / done["seconds"])


def fill_all(folder: Path) -> list[Filled]:
    """Ours of up to a million in rounds, that of a million ints again between any two others; a
    peer gets the rows that it finishes in its time."""
    ours = our_caches(folder)
    peers = [Filled(name, MILLION, folder / name) for name in PEER_STEPS]
    again = [cache for cache in ours[1:] if cache.rows <= MILLION]
    once = [cache for cache in ours if cache.rows > MILLION]
    for cache in again * ROUNDS + once + peers:
        fill(ours[0], step=ours[0].rows, budget=1e9)
        if cache.is_peer:
            fill(cache, step=PEER_STEPS[cache.name], budget=PEER_SECONDS)
        else:
            fill(cache, step=cache.rows, budget=1e9)
    return ours + peers


def read_all(caches: list[Filled]) -> None:
    """Warm passes in rounds, by processes that did not fill the caches."""
    with ExitStack() as stack:
        workers = [stack.enter_context(cache.worker()) for cache in caches]
        measures = {
            str(i): lambda worker=worker, cache=cache: worker.ask(
                "read", path=str(cache.path), rows=cache.rows
            )
            for i, (worker, cache) in enumerate(zip(workers, caches, strict=True))
        }
        for cache, taken in zip(caches, interleave(measures, ROUNDS).values(), strict=True):
            cache.hits = [cache.nodes * cache.rows / seconds for seconds in taken]


def line(cache: Filled, unit: str, best_of: dict[str, float]) -> Row:
    """A cache's stores or hits, beside the best of others by name."""
    stores = unit == "stores/s"
    samples = cache.stores if stores else cache.hits
    best = max(samples)
    compared, against = best, ""
    target = cache.stores_target if stores else cache.hits_target
    if cache.is_peer:
        compared, against = best_of["ours"] / best, "slower than ours"
    elif cache.name == "ours, 4 KiB":
        compared = best_of[BY_HAND] / best
        against, target = "of SHA-256 and copy", FLOOR
    elif cache.name == "ours, two cores":
        compared, against = best / best_of["ours"], "of one core"
    size = f"{cache.rows:,} rows" + (f" of {cache.nodes} nodes" if cache.nodes > 1 else "")
    name = f"{unit.removesuffix('/s')}: {cache.name}"
    return Row(name, best, unit, compared, against, target, size, samples)


def growth(caches: list[Filled]) -> Row:
    """How much longer a look-up takes among ten times as many."""
    small, large = (max(c.hits) for c in caches if c.name == "ours")
    bound = Target(4.0, at_least=False)
    against = f"of {MILLION:,} rows"
    return Row("a hit among ten million", 1e9 / large, "ns", small / large, against, bound)


def main() -> None:
    with scratch("cache") as folder:
        caches = fill_all(folder)
        read_all(caches)
    million = [cache for cache in caches if cache.rows <= MILLION]
    rows = []
    for unit in ("stores/s", "hits/s"):
        best_of = {c.name: max(c.stores if unit == "stores/s" else c.hits) for c in million}
        rows += [line(cache, unit, best_of) for cache in caches]
    report("cache", rows + ([growth(caches)] if FULL else []))


if __name__ == "__main__":
    main()
