"""Warm hits/s and cold stores/s of trivial int rows, beside joblib, diskcache and hypernodes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import SCRATCH, Row, Target, Worker, interleave, progress, report

OURS_ROWS = (200_000, 1_000_000)
MAIN_ROWS = OURS_ROWS[-1]
WARM_ROUNDS = 3
PEER_SECONDS = float(os.environ.get("HYPERNODES_BENCH_PEER_SECONDS", "20"))
PEER_STEPS = {"joblib": 1_000, "diskcache": 5_000, "hypernodes": 250}
TARGETS = {"stores/s": Target(300e3, True, "stores/s"), "hits/s": Target(1e6, True, "hits/s")}


@dataclass
class Filled:
    """A cache on disk and what filling and reading it took."""

    name: str
    rows: int
    path: Path
    stores: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)

    def worker(self) -> Worker:
        return Worker("cache_workers", self.name, peer=self.name != "ours")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the checkout's disk (never /tmp, which may be memory), removed afterwards."""
    folder = SCRATCH / f"cache-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(cache: Filled, step: int, budget: float) -> None:
    """A cold run in a new process into an empty folder; the cache stays for `read_all`."""
    progress(f"cold: {cache.name}, up to {cache.rows:,} rows")
    shutil.rmtree(cache.path, ignore_errors=True)
    with cache.worker() as worker:
        done = worker.ask("fill", path=str(cache.path), rows=cache.rows, step=step, budget=budget)
    cache.rows = done["rows"]
    cache.stores.append(done["rows"] / done["seconds"])


def fill_all(folder: Path) -> list[Filled]:
    """Ours, a peer, ours, a peer, ...; a peer gets as many rows as it finishes in its time."""
    ours = [Filled("ours", rows, folder / f"ours-{rows}") for rows in OURS_ROWS]
    peers = []
    for peer, step in PEER_STEPS.items():
        for cache in ours:
            fill(cache, step=cache.rows, budget=1e9)
        peers.append(Filled(peer, MAIN_ROWS, folder / peer))
        fill(peers[-1], step=step, budget=PEER_SECONDS)
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
        for cache, taken in zip(caches, interleave(measures, WARM_ROUNDS).values(), strict=True):
            cache.hits = [cache.rows / seconds for seconds in taken]


def table(caches: list[Filled], unit: str) -> list[Row]:
    """Ours at its sizes, then the peers with how many times slower they are."""
    rates = [cache.stores if unit == "stores/s" else cache.hits for cache in caches]
    reference = max(rates[len(OURS_ROWS) - 1])
    rows = []
    for i, (cache, samples) in enumerate(zip(caches, rates, strict=True)):
        best = max(samples)
        is_peer = i >= len(OURS_ROWS)
        rows.append(
            Row(
                f"{unit.removesuffix('/s')}: {cache.name}",
                best,
                unit,
                reference / best if is_peer else best,
                "slower than ours" if is_peer else "",
                TARGETS[unit] if cache.name == "ours" and cache.rows == MAIN_ROWS else None,
                f"{cache.rows:,} rows",
                samples,
            )
        )
    return rows


def main() -> None:
    with scratch() as folder:
        caches = fill_all(folder)
        read_all(caches)
    report("cache", table(caches, "stores/s") + table(caches, "hits/s"))


if __name__ == "__main__":
    main()
