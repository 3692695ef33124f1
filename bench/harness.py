"""What the benchmarks share: workers, interleaved rounds, the table, the results file."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
RESULTS = BENCH / "results"
SCRATCH = ROOT / "build" / "bench-scratch"
BUILT = Path(os.environ.get("HYPERNODES_BENCH_BUILD", ROOT / "build" / "release" / "bench"))
PEERS_PYTHON = BENCH / ".peers" / "bin" / "python"


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder on the checkout's disk (never /tmp, which may be memory), removed afterwards."""
    folder = SCRATCH / f"{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Worker:
    """A contender in a process of its own, idle unless asked.

    Ours and raw Daft run under this interpreter; `peer=True` means the peers' interpreter, isolated
    (`-I`), so that nothing of the product is in its path.
    """

    def __init__(self, module: str, contender: str, *, peer: bool = False) -> None:
        self.name = contender
        python = [str(PEERS_PYTHON), "-I"] if peer else [sys.executable]
        environment = {
            **os.environ,
            "HYPERNODES_BENCH_BUILD": str(BUILT),
            "HAMILTON_TELEMETRY_ENABLED": "false",
            "DAFT_ANALYTICS_ENABLED": "0",
            "DO_NOT_TRACK": "true",
            "DAFT_PROGRESS_BAR": "0",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [*python, str(BENCH / "worker.py"), module, contender],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def ask(self, case: str, **args: Any) -> Any:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"case": case, "args": args}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"worker {self.name} ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"worker {self.name} failed:\n{answer['error']}")
        return answer["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def start_workers(
    stack: ExitStack, module: str, contenders: Iterable[str], *, peer: bool = False
) -> dict[str, Worker]:
    """One worker per contender; `stack` ends them."""
    return {name: stack.enter_context(Worker(module, name, peer=peer)) for name in contenders}


def interleave(
    measures: Mapping[str, Callable[[], float | list[float]]], rounds: int
) -> dict[str, list[float]]:
    """Asks every measure once per round, so that the machine's moods hit all alike."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for name, measure in measures.items():
            taken = measure()
            samples[name] += taken if isinstance(taken, list) else [taken]
    progress("")
    return samples


def progress(text: str) -> None:
    """A line that overwrites itself, on terminals only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def cpp_program(name: str) -> Any:
    """The JSON that a C++ benchmark prints."""
    done = subprocess.run([BUILT / name], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


@dataclass
class Target:
    """A bound on a row's `compared` number."""

    bound: float
    at_least: bool
    unit: str = "x"

    def met_by(self, compared: float) -> bool:
        return compared >= self.bound if self.at_least else compared <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {quantity(self.bound, self.unit)}"


@dataclass
class Row:
    """One line of the table. `compared` is what the target bounds: a ratio or the value itself."""

    name: str
    value: float
    unit: str
    compared: float | None = None
    against: str = ""
    target: Target | None = None
    note: str = ""
    samples: list[float] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.target is None or self.compared is None:
            return ""
        return "pass" if self.target.met_by(self.compared) else "MISS"

    def cells(self) -> list[str]:
        ratio = ""
        if self.against and self.compared is not None:
            ratio = f"{quantity(self.compared, 'x')} {self.against}"
        return [
            self.name,
            quantity(self.value, self.unit),
            ratio,
            self.note,
            str(self.target or ""),
            self.verdict,
        ]


def quantity(value: float, unit: str) -> str:
    """A number with three digits that matter, in the unit's usual scale."""
    if unit.endswith("/s"):
        for scale, prefix in ((1e6, "M "), (1e3, "k ")):
            if value >= scale:
                return f"{value / scale:.3g} {prefix}{unit}"
        return f"{value:.3g} {unit}"
    text = f"{value:.3g}" if value < 1_000 else f"{value:,.0f}"
    return f"{text}x" if unit == "x" else f"{text} {unit}"


def report(name: str, rows: list[Row]) -> None:
    """Prints the table and saves it, with commit and machine, under `bench/results/`."""
    header = ["", name, "ratio", "", "target", ""]
    table = [header, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    for i, line in enumerate(table):
        cells = [
            cell.rjust(width) if column == 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        if i == 0:
            print("-" * (sum(widths) + 2 * (len(widths) - 1)))
    now = datetime.now(UTC)
    commit = commit_id()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}-{name}-{commit[:12]}.json"
    record = {
        "bench": name,
        "commit": commit,
        "time": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{cpu_model()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg(),
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nsaved {path.relative_to(ROOT)} (load average {record['load_average'][0]:.1f})\n")


def commit_id() -> str:
    """The commit of the checkout, with `-dirty` when files differ from it."""

    def git(*args: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(ROOT), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--verify", "HEAD") or "none"
    return head + ("-dirty" if git("status", "--porcelain") else "")


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
