"""The demo's documents: the modules of the standard library of the running Python."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = {"site-packages", "test", "tests", "idle_test"}


@dataclass(frozen=True)
class Corpus:
    """One entry of each list is one document."""

    modules: list[str]
    paths: list[str]
    stamps: list[str]  # size and time of change: a file that is edited is read again
    size_bytes: int


def find_corpus(limit: int | None = None) -> Corpus:
    """Every .py file outside LEFT_OUT, top-level modules first; `limit` keeps the first ones."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [path.relative_to(root) for path in root.rglob("*.py")]
    found = [(module_name(path), path) for path in files if not LEFT_OUT & set(path.parts[:-1])]
    found.sort(key=lambda item: (item[0].count("."), item[0]))
    found = found[:limit]
    status = [(root / path).stat() for _, path in found]
    return Corpus(
        modules=[module for module, _ in found],
        paths=[str(root / path) for _, path in found],
        stamps=[f"{s.st_size} bytes, {s.st_mtime_ns}" for s in status],
        size_bytes=sum(s.st_size for s in status),
    )


def module_name(path: Path) -> str:
    """`email/__init__.py` is `email`, `email/message.py` is `email.message`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
