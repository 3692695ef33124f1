# SPDX-License-Identifier: MIT
"""What a function's code reads from elsewhere: helpers, classes, globals, imports."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any, TypeGuard

from . import values
from .digest import NoIdentityError, mix, text
from .imports import imported_files
from .names import SINKS, Use, names_in
from .objects import is_pinned
from .origin import is_user_code, module_of, version_of
from .snapshot import Snapshot


def dependencies(function: object, snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    """Yields name and digest of everything of the user's own that a callable's code reaches.

    Args:
        function: A callable, or a class: then what its methods reach.
        snapshot: Is told of everything that was looked at.

    Raises:
        NoIdentityError: if something it reads has no digest.
    """
    seen: dict[int, object] = {}  # Keeps each alive, so that no other has its id.
    waiting = [function]
    while waiting:
        for found in _functions(waiting.pop(), seen):
            where = module_of(found)
            for name, value in _reads(found, snapshot):
                try:
                    digest = values.Digester()(value)
                    snapshot.add(value)
                except NoIdentityError as error:
                    raise NoIdentityError(f"{error} in the global {name}") from None
                yield f"{where}.{name}", digest
                waiting.append(value)
            for name, digest in _library_reads(found):
                yield f"{where}.{name}", digest
            package = str(found.__globals__.get("__package__") or "")
            for name, digest in imported_files(found.__code__, package, snapshot):
                yield f"{where}:import {name}", digest


def _functions(value: Any, seen: dict[int, object]) -> Iterator[types.FunctionType]:  # noqa: ANN401
    """The user's Python functions that using a value may call."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, types.ModuleType | str | bytes | int | float):
            continue
        seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            if is_user_code(value.__module__):
                yield value
            waiting += [c.cell_contents for c in value.__closure__ or () if _filled(c)]
            waiting += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        elif isinstance(value, type):
            if is_user_code(value.__module__):
                waiting += [*vars(value).values(), *value.__bases__]
        else:
            waiting += _parts(value)


def _parts(value: Any) -> list[Any]:  # noqa: ANN401 (any object)
    if getattr(type(value), "__hypernode_call__", None) is not None:  # Not made for this.
        cls, args, kwargs = value.__hypernode_call__
        return [cls, *args, *kwargs.values()]
    if isinstance(value, functools.partial | functools.partialmethod):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if is_pinned(value):  # its version stands for all that it reads
        return []
    parts: list[Any] = [type(value)]
    for name in ("__wrapped__", "func"):  # functools.lru_cache; cached_property and our nodes
        inner = getattr(value, name, None) if not isinstance(value, types.BuiltinMethodType) else 0
        if callable(inner):
            parts.append(inner)
    return parts


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _reads(function: types.FunctionType, snapshot: Snapshot) -> Iterator[tuple[str, object]]:
    """The user's own globals that a function reads, as far as attributes of modules lead."""
    scope = function.__globals__
    for names, use in names_in(function.__code__):
        value = scope.get(names[0], _MISSING)
        if use is Use.ATTRIBUTE or (use is Use.CONTENT and type(value) in SINKS):
            continue
        snapshot.add_name(scope, names[0])
        if value is _MISSING or _is_library(value):
            continue  # A builtin, or nothing yet; see _library_reads.
        depth = 1
        while isinstance(value, types.ModuleType) and depth < len(names):
            snapshot.add_name(vars(value), names[depth])
            inner = getattr(value, names[depth], _MISSING)
            if inner is _MISSING:
                break
            value, depth = inner, depth + 1
        yield ".".join(names[:depth]), value


def _library_reads(function: types.FunctionType) -> Iterator[tuple[str, bytes]]:
    """What a function reads from modules of libraries: by name and version."""
    for names, _ in names_in(function.__code__):
        module = function.__globals__.get(names[0])
        if _is_library(module):
            whole = ".".join((module.__name__, *names[1:]))
            version = version_of(module.__name__) or ""
            yield ".".join(names), mix("library", text(version), text(whole))


def _is_library(value: object) -> TypeGuard[types.ModuleType]:
    return isinstance(value, types.ModuleType) and not is_user_code(value.__name__)


_MISSING = object()
