# SPDX-License-Identifier: MIT
"""What a function's code reads from elsewhere: helpers, classes, globals, imports.

A global that the code only writes to (`calls.append(x)`, `count += 1`, `seen[x] = y`,
`stats.count += 1`) is not read: otherwise a node that counts its calls would never have the same
dependencies twice.
"""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Iterator
from types import CodeType
from typing import Any, TypeGuard

from . import values
from .digest import ByIdentity, NoIdentityError, mix, text
from .imports import imported_files, nested
from .origin import is_user_code, version_of
from .snapshot import Snapshot

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_SILENT = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL", "RESUME"})
_SIMPLE = frozenset({"LOAD_FAST", "LOAD_CONST", "LOAD_DEREF"})
_WRITERS = frozenset({"append", "appendleft", "add", "insert", "extend", "update", "setdefault"})
_SINKS = (
    list,
    dict,
    set,
    int,
    float,
    collections.deque,
    collections.Counter,
    collections.defaultdict,
)

# What code does with a name: it reads it, or only ever changes its content, or an attribute.
_READ, _CONTENT, _ATTRIBUTE = range(3)
# A dotted name, and one of these.
_Read = tuple[tuple[str, ...], int]
_known: ByIdentity[tuple[_Read, ...]] = ByIdentity()


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
            where = found.__module__ or ""
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
    for names, writes in _names(function.__code__):
        value = scope.get(names[0], _MISSING)
        if writes == _ATTRIBUTE or (writes == _CONTENT and type(value) in _SINKS):
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
    for names, _ in _names(function.__code__):
        module = function.__globals__.get(names[0])
        if _is_library(module):
            whole = ".".join((module.__name__, *names[1:]))
            version = version_of(module.__name__) or ""
            yield ".".join(names), mix("library", text(version), text(whole))


def _is_library(value: object) -> TypeGuard[types.ModuleType]:
    return isinstance(value, types.ModuleType) and not is_user_code(value.__name__)


_MISSING = object()


def _names(code: CodeType) -> tuple[_Read, ...]:
    """The dotted names that code reads, in nested code too; sorted, each once."""
    known = _known.get(code)
    if known is None:
        found: dict[tuple[str, ...], int] = {}
        for part in nested(code):
            for names, writes in _scan(part):
                # A write alone counts only if no other place reads the same name.
                found[names] = min(writes, found.get(names, writes))
        read = {names[0] for names, writes in found.items() if not writes}
        kept = {n: _READ if n[0] in read else w for n, w in found.items()}
        known = _known.put(code, tuple(sorted(kept.items())))
    return known


def _steps(code: CodeType) -> list[dis.Instruction]:
    return [step for step in dis.get_instructions(code) if step.opname not in _SILENT]


def _scan(code: CodeType) -> Iterator[_Read]:
    steps = _steps(code)
    for at, step in enumerate(steps):
        if step.opname in _READS:
            end = at + 1
            while end < len(steps) and steps[end].opname in _ATTRIBUTES:
                end += 1
            names = tuple(str(s.argval) for s in steps[at:end])
            yield names, _writes(steps, at, names)


def _writes(steps: list[dis.Instruction], at: int, names: tuple[str, ...]) -> int:
    """Recognises by bytecode what the top of this module lists, with simple `x` and `y`."""
    following = [step.opname for step in steps[at + 1 : at + 12]]
    if len(names) == 2 and names[1] in _WRITERS:
        arguments = following[1:]
        while arguments and arguments[0] in _SIMPLE:
            arguments = arguments[1:]
        return _CONTENT if arguments[:2] == ["CALL", "POP_TOP"] else _READ
    if len(names) != 1 or not following:
        return _READ
    if following[:2] == ["COPY", "LOAD_ATTR"] and following[2:3] and following[2] in _SIMPLE:
        return _ATTRIBUTE if following[3:6] == ["BINARY_OP", "SWAP", "STORE_ATTR"] else _READ
    if following[0] not in _SIMPLE:
        return _READ
    if following[1:3] == ["BINARY_OP", "STORE_GLOBAL"]:
        return _CONTENT if steps[at + 3].argval == names[0] else _READ
    if following[1:2] == ["STORE_SUBSCR"] or following[1:9] == _ADD_TO_ITEM:
        return _CONTENT
    return _READ


_ADD_TO_ITEM = [
    "COPY",
    "COPY",
    "BINARY_SUBSCR",
    "LOAD_CONST",
    "BINARY_OP",
    "SWAP",
    "SWAP",
    "STORE_SUBSCR",
]
