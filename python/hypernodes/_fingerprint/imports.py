# SPDX-License-Identifier: MIT
"""The modules that code imports when it runs: libraries by version, the user's by content.

Those that the user's modules import in turn count, too.

Nothing is executed: files are found, compiled and scanned, so that the answer is the same before
and after the first import.
"""

from __future__ import annotations

import dis
import functools
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from .digest import ByIdentity, mix, text
from .names import nested
from .origin import file_stamp, module_digest, version_at
from .snapshot import Snapshot

_known: ByIdentity[tuple[str, ...]] = ByIdentity()


def imported_files(
    code: CodeType, package: str, snapshot: Snapshot
) -> Iterator[tuple[str, bytes, str | None]]:
    """Yields name and digest of each module that code in `package` imports, libraries' version."""
    waiting = list(_names(code, package))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        place, is_package = _find(name)
        snapshot.add_name(sys.modules, name)
        if place is None:
            continue
        version = version_at(name, place)
        if version is not None:
            yield name, mix("library", text(version)), version
            continue
        module = sys.modules.get(name)
        if module is None:
            snapshot.add_file(place)
        else:
            snapshot.add_name(vars(module), "__spec__")
        yield name, module_digest(name, place) or mix("unreadable", text(place)), None
        inside = name if is_package else name.rpartition(".")[0]
        waiting += _names_in_file(place, file_stamp(place), inside)


def _names(code: CodeType, package: str) -> tuple[str, ...]:
    """Absolute names that code may import: of modules, or of what is in them."""
    relative = _known.get(code)
    if relative is None:
        relative = _known.put(code, tuple(sorted(set(_written(code)))))
    found: list[str] = []
    for name in relative:
        try:
            absolute = importlib.util.resolve_name(name, package)
        except ImportError:
            continue
        parts = absolute.split(".")
        found += [".".join(parts[: end + 1]) for end in range(len(parts))]
    return tuple(dict.fromkeys(found))


def _written(code: CodeType) -> Iterator[str]:
    """Names as the import statements have them: `a.b`, `..c`."""
    for part in nested(code):
        constants: list[Any] = []
        base = ""
        for step in dis.get_instructions(part):
            if step.opname == "LOAD_CONST" and step.arg is not None:
                constants.append(part.co_consts[step.arg])
            elif step.opname == "IMPORT_NAME":
                level = constants[-2] if len(constants) > 1 else 0
                base = "." * (level if isinstance(level, int) else 0) + str(step.argval)
                if base.strip("."):
                    yield base
            elif step.opname == "IMPORT_FROM":
                yield f"{base}{'.' if base.strip('.') else ''}{step.argval}"


@functools.lru_cache(maxsize=1024)
def _names_in_file(place: str, stamp: object, package: str) -> tuple[str, ...]:
    try:
        code = compile(Path(place).read_bytes(), place, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return ()
    return _names(code, package)


def _find(name: str) -> tuple[str | None, bool]:
    """The file of a module and whether it is a package, without importing it."""
    module = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__file__", None), hasattr(module, "__path__")
    parent, _, _ = name.rpartition(".")
    path = _search_path(parent) if parent else None
    if parent and path is None:
        return None, False
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # A finder of anyone's may fail in any way.
            continue
        if spec is not None:
            return spec.origin, spec.submodule_search_locations is not None
    return None, False


def _search_path(package: str) -> list[str] | None:
    module = sys.modules.get(package)
    if module is not None:
        return list(getattr(module, "__path__", ())) or None
    place, is_package = _find(package)
    return [str(Path(place).parent)] if place and is_package else None
