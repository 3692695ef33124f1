# SPDX-License-Identifier: MIT
"""What a function's code reads from elsewhere: helpers, classes, globals, imports.

A global that the code only writes to (`calls.append(x)`, `count += 1`, `seen[x] = y`) is not read:
otherwise a node that counts its calls would never have the same dependencies twice.
"""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Iterator
from types import CodeType
from typing import Any

from . import values
from .digest import ByIdentity, NoIdentityError
from .imports import imported_files, nested
from .origin import is_user_code

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_SILENT = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL", "RESUME"})
_SIMPLE = frozenset({"LOAD_FAST", "LOAD_CONST", "LOAD_DEREF"})
_WRITERS = frozenset({"append", "appendleft", "add", "insert", "extend", "update", "setdefault"})
_SINKS = (list, dict, set, collections.deque, collections.Counter, collections.defaultdict)

# A dotted name that the code reads; `writes` says that it only ever fills that container.
_Read = tuple[tuple[str, ...], bool]
_known: ByIdentity[tuple[_Read, ...]] = ByIdentity()


def dependencies(function: object) -> Iterator[tuple[str, bytes]]:
    """Yields name and digest of everything of the user's own that a callable's code reaches.

    Raises:
        NoIdentityError: if something it reads has no digest.
    """
    seen: dict[int, object] = {}  # Keeps each alive, so that no other has its id.
    waiting = [function]
    while waiting:
        for found in _functions(waiting.pop(), seen):
            where = found.__module__ or ""
            for name, value in _reads(found):
                try:
                    digest = values.Digester()(value)
                except NoIdentityError as error:
                    raise NoIdentityError(f"{error} in the global {name}") from None
                yield f"{where}.{name}", digest
                waiting.append(value)
            package = str(found.__globals__.get("__package__") or "")
            for name, digest in imported_files(found.__code__, package):
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


def _reads(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """The globals that a function reads, as far as attributes of modules lead."""
    scope = function.__globals__
    for names, writes in _names(function.__code__):
        if names[0] not in scope:
            continue  # A builtin, or nothing yet.
        value, depth = scope[names[0]], 1
        while isinstance(value, types.ModuleType) and depth < len(names):
            inner = getattr(value, names[depth], _MISSING)
            if inner is _MISSING:
                break
            value, depth = inner, depth + 1
        if not (writes and depth == 1 and type(value) in (*_SINKS, int, float)):
            yield ".".join(names[:depth]), value


_MISSING = object()


def _names(code: CodeType) -> tuple[_Read, ...]:
    """The dotted names that code reads, in nested code too; sorted, each once."""
    known = _known.get(code)
    if known is None:
        found: dict[tuple[str, ...], bool] = {}
        for part in nested(code):
            for names, writes in _scan(part):
                # A write alone counts only if no other place reads the same name.
                found[names] = writes and found.get(names, True)
        read = {names[0] for names, writes in found.items() if not writes}
        kept = {n: w and n[0] not in read for n, w in found.items()}
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
            yield names, _only_writes(steps, at, names)


def _only_writes(steps: list[dis.Instruction], at: int, names: tuple[str, ...]) -> bool:
    """Recognises `NAME.append(simple)`, `NAME += simple` and `NAME[simple] = ...` by bytecode."""
    following = [step.opname for step in steps[at + 1 : at + 12]]
    if len(names) == 2 and names[1] in _WRITERS:
        arguments = following[1:]
        while arguments and arguments[0] in _SIMPLE:
            arguments = arguments[1:]
        return arguments[:2] == ["CALL", "POP_TOP"]
    if len(names) != 1 or not following or following[0] not in _SIMPLE:
        return False
    if following[1:3] == ["BINARY_OP", "STORE_GLOBAL"]:
        return bool(steps[at + 3].argval == names[0])
    if following[1:2] == ["STORE_SUBSCR"]:
        return True
    return following[1:9] == [
        "COPY",
        "COPY",
        "BINARY_SUBSCR",
        "LOAD_CONST",
        "BINARY_OP",
        "SWAP",
        "SWAP",
        "STORE_SUBSCR",
    ]
