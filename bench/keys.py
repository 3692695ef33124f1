"""Which inputs share a key and which edits are seen, by us and by five Python caches."""

import json
import shutil
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from harness import RESULTS, ROOT, Worker, commit_id, progress, scratch
from workers import keys_cases

PEERS = ("joblib", "diskcache", "hypernodes", "hamilton", "pipefunc")


def start(stack: ExitStack, name: str) -> Worker:
    return stack.enter_context(Worker("keys_workers", name, peer=name != "ours"))


def truth(name: str, folder: Path) -> dict[str, str]:
    """By pair: ok, FALSE if different inputs share a key, miss if equal ones do not."""
    found = {}
    with ExitStack() as stack:
        workers = [start(stack, name) for _ in range(2)]  # of different hash seeds
        for number, (pair, same, *_) in enumerate(keys_cases.pairs()):
            progress(f"{name}: {pair}")
            path = str(folder / name / str(number))
            first, second = (
                worker.ask("pair", path=path, name=pair, second=bool(i))
                for i, worker in enumerate(workers)
            )
            if isinstance(first, dict) or isinstance(second, dict):
                found[pair] = "error"
            else:
                found[pair] = "ok" if second == same else ("miss" if same else "FALSE")
    return found


def edits(name: str, folder: Path) -> dict[str, str]:
    """By edit: recompute, hit or STALE."""
    found = {}
    with ExitStack() as stack:
        worker = start(stack, name)
        for function in ("measure", "work"):
            before = str(folder / "project" / "nothing")
            path = str(folder / name / function)
            first = worker.ask("project", path=path, folder=before, name=function)
            if first != "recompute":
                raise RuntimeError(f"{name} does not run the project: {first}")
        for edit in keys_cases.EDITS:
            progress(f"{name}: {edit}")
            function = keys_cases.function_of(edit)
            copy = str(folder / name / "copy")
            shutil.copytree(folder / name / function, copy)
            project = str(folder / "project" / edit)
            answer = worker.ask("project", path=copy, folder=project, name=function)
            shutil.rmtree(copy)
            found[edit] = "error" if isinstance(answer, dict) else answer
    return found


def table(title: str, columns: dict[str, dict[str, str]], wanted: dict[str, str] | None) -> None:
    rows = list(next(iter(columns.values())))
    width = max(map(len, rows))
    extra = [] if wanted is None else ["want"]
    print(
        "  ".join([title.ljust(width), *(name.ljust(10) for name in [*extra, *columns])]).rstrip()
    )
    print("-" * (width + 12 * (len(columns) + len(extra))))
    for row in rows:
        cells = [] if wanted is None else [wanted[row]]
        cells += [column[row] for column in columns.values()]
        print("  ".join([row.ljust(width), *(cell.ljust(10) for cell in cells)]).rstrip())
    print()


def main() -> None:
    with scratch("keys") as folder:
        for edit in keys_cases.EDITS:
            keys_cases.write(folder / "project" / edit, edit)
        names = ("ours", *PEERS)
        pairs = {name: truth(name, folder) for name in names}
        changes = {name: edits(name, folder) for name in names}
    progress("")
    wanted = {n: "recompute" if again else "hit" for n, (*_, again) in keys_cases.EDITS.items()}
    table("keys of two inputs", pairs, None)
    table("edit between two runs", changes, wanted)
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}-keys-{commit_id()[:12]}.json"
    path.write_text(
        json.dumps({"bench": "keys", "pairs": pairs, "edits": changes}, indent=1) + "\n"
    )
    print(f"saved {path.relative_to(ROOT)}")
    wrong = [row for row, cell in pairs["ours"].items() if cell != "ok"]
    wrong += [edit for edit, cell in changes["ours"].items() if cell != wanted[edit]]
    if wrong:
        sys.exit(f"ours is wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
