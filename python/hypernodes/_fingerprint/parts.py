# SPDX-License-Identifier: MIT
"""What a node's code digest is made of, part by part, so that a change can be told by its name.

Made when results of new code are stored, and when a run is explained; never on the way of a run.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from . import reach
from .code import code_digest
from .dependencies import new_snapshot
from .digest import NoIdentityError
from .names import SINKS, filled_cells
from .origin import PYTHON, is_user_code, module_of, reference, version_of
from .snapshot import content
from .values import Digester

Part = tuple[str, str, str]
"""Kind, name, and digest or version."""


def code_parts(
    function: Callable[..., Any], batch: Callable[..., Any] | None = None, columns: str = ""
) -> list[Part]:
    """Returns the parts of a node's code, each once; none if something has no digest.

    Args:
        function: What the node calls.
        batch: What it calls for whole batches, if that is another one.
        columns: What kinds of columns a batch comes in.
    """
    functions = (function,) if batch is None else (function, batch)
    try:
        found = [("runtime", "python", PYTHON)]
        for each in functions:
            found += _own(each)
        if columns:
            found.append(("kind of columns", "", columns))
        found += [_read(read) for read in reach.dependencies(functions, new_snapshot())]
    except NoIdentityError:
        return []
    return list(dict.fromkeys(found))


def version_part(version: str) -> Callable[[], list[Part]]:
    """Returns what gives the only part of a node with a version."""
    return lambda: [("version", "", version)]


def _own(function: Any) -> Iterator[Part]:  # noqa: ANN401 (any callable)
    """What a callable is itself."""
    if isinstance(function, types.FunctionType) and is_user_code(function.__module__):
        yield "function", qualified(function), code_digest(function.__code__).hex()
        yield from _defaults(function)
        yield from _closure(function)
    elif isinstance(function, functools.partial):
        yield from _own(function.func)
        for number, argument in enumerate(function.args):
            yield "argument", str(number), _digest(argument)
        for name, argument in function.keywords.items():
            yield "argument", name, _digest(argument)
    elif isinstance(function, types.MethodType):
        yield from _own(function.__func__)
        yield "object", qualified(type(function.__self__)), _digest(function.__self__)
    else:
        yield _part("object", qualified(type(function)), function, _digest(function))


def _defaults(function: types.FunctionType) -> Iterator[Part]:
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    first = len(positional) - len(defaults)
    for name, value in zip(positional[first:], defaults, strict=True):
        yield "default", name, _digest(value)
    for name, value in (function.__kwdefaults__ or {}).items():
        yield "default", name, _digest(value)


def _closure(function: types.FunctionType) -> Iterator[Part]:
    filled = filled_cells(function.__code__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        value = content(cell)
        if value is function or (name in filled and type(value) in SINKS):
            continue
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # nothing is in it yet
        yield _part("closure value", name, value, _digest(value))


def _read(read: reach.Read) -> Part:
    if read.library is not None:
        return _library(read.library)
    if read.module is not None:
        return "module", read.module, read.digest.hex()
    return _part("global", read.home, read.value, read.digest.hex())


def _part(kind: str, name: str, value: object, digest: str) -> Part:
    """A part by what it is: functions, classes and modules have names of their own."""
    if isinstance(value, types.ModuleType):
        return "module", value.__name__, digest
    if reference(value) is not None:
        return _library(version_of(module_of(value)) or "")
    if isinstance(value, type):
        return "class", qualified(value), digest
    if hasattr(value, "__qualname__") and callable(value):
        return "helper", qualified(value), digest
    return kind, name, digest


def _library(version: str) -> Part:
    name, _, number = version.partition(" ")
    return "runtime" if name == "python" else "library", name, number


def qualified(thing: object) -> str:
    """The name of a function or class with its module: `text.normalise`."""
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{module_of(thing)}.{name}"


def _digest(value: object) -> str:
    return Digester()(value).hex()
