# SPDX-License-Identifier: MIT
"""Where code comes from: the user's own modules count by content, all others by version."""

from __future__ import annotations

import functools
import hashlib
import operator
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from .digest import mix, text

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_OWN = __name__.partition(".")[0]
_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def version_of(module_name: str) -> str | None:
    """Returns "python 3.11", "numpy 2.4.6" and the like; None for the user's own code.

    The user's own are all modules that neither the standard library nor an installed distribution
    holds: scripts, notebooks, editable installs, what `exec` made.
    """
    module = sys.modules.get(module_name)
    return _version(module_name, _place(module) if module else "")


def version_at(module_name: str, place: str) -> str | None:
    """Returns the same for a module that need not be loaded, by its file."""
    return _version(module_name, place)


def is_user_code(module_name: str | None) -> bool:
    """Says whether a module's code counts by content."""
    return module_name is None or version_of(module_name) is None


@functools.lru_cache(maxsize=4096)
def _version(module_name: str, place: str) -> str | None:
    top = module_name.partition(".")[0]
    if top == _OWN:
        return f"{_OWN} {_release(_OWN) or ''}"
    installed = not _INSTALLED.isdisjoint(Path(place).parts)
    if top in sys.stdlib_module_names and not installed:
        # A user's file may have the name of a standard module.
        return f"python {PYTHON}" if not place or place.startswith(_LIBRARY) else None
    if not installed:
        return None
    release = _release(top)
    return None if release is None else f"{top} {release}"


def _place(module: ModuleType) -> str:
    place = getattr(module, "__file__", None)
    if place is None:  # A namespace package has only folders.
        place = next(iter(getattr(module, "__path__", ())), "")
    return place if isinstance(place, str) else ""


def _release(top: str) -> str | None:
    import importlib.metadata  # here: it takes a third of the time that importing us takes

    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        names = sorted(set(_distributions().get(top, ())))
        return " ".join(f"{name} {importlib.metadata.version(name)}" for name in names) or None


@functools.cache
def _distributions() -> dict[str, list[str]]:
    import importlib.metadata

    return dict(importlib.metadata.packages_distributions())


def module_of(thing: object) -> str:
    """The module of a class or function; a child process has another name for the main one."""
    name = getattr(thing, "__module__", None) or ""
    return "__main__" if name == "__mp_main__" else str(name)


def importable_module(thing: object) -> str:
    """The module of a class or function under the name that other programs import it by.

    `__main__` of a script is called as its file, of `python -m package.module` as that module; in a
    notebook or at a prompt it stays `__main__`.
    """
    name = module_of(thing)
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    place = getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return Path(place).stem if isinstance(place, str) else name


def reference(found: object) -> bytes | None:
    """Returns the digest of an importable thing of a library: its name and the library's version.

    None for user code, and for what its own name does not lead back to.
    """
    module_name = getattr(found, "__module__", None) or type(found).__module__
    name = getattr(found, "__qualname__", None) or getattr(found, "__name__", None)
    if not isinstance(module_name, str) or not isinstance(name, str):
        return None
    version = version_of(module_name)
    if version is None or not leads_to(module_name, name, found):
        return None
    return mix("reference", text(version), text(module_name), text(name))


def leads_to(module_name: str, name: str, found: object) -> bool:
    """Says whether importing `name` from a module gives `found`."""
    try:
        return operator.attrgetter(name)(sys.modules[module_name]) is found
    except Exception:  # A module's __getattr__ runs any code.
        return False


def file_stamp(place: str) -> tuple[int, int] | None:
    """Returns a file's time and size, None if there is no such file."""
    try:
        status = Path(place).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def module_digest(name: str, place: str) -> bytes | None:
    """Returns the digest of a module's file as it was before the module was loaded.

    What runs is what was loaded, whatever becomes of the file. If it was loaded before anybody
    asked, the file as it was then. None if it cannot be read.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)  # a new one after importlib.reload()
    kept_spec, digest = _modules.get(name, (None, None))
    if spec is None or kept_spec is not spec:
        loaded_since = spec is not None and kept_spec is None and name in _modules
        digest = digest if loaded_since else file_digest(place)
        _modules[name] = (spec, digest)
    return digest


# By name: the spec of the module that is loaded, or None, and the digest of its file.
_modules: dict[str, tuple[object, bytes | None]] = {}


def file_digest(place: str) -> bytes | None:
    """Returns the digest of a file's bytes, None if it cannot be read."""
    try:
        return mix("file", hashlib.sha256(Path(place).read_bytes()).digest())
    except OSError:
        return None
