# SPDX-License-Identifier: MIT
"""What code has read from namespaces and objects, so that a change of it is cheap to see.

Names, functions, classes and immutable values are compared by identity, mutable values by their
digest. Nothing that is compared by identity can be freed meanwhile, since the snapshot holds it.
"""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

from .classes import counts
from .names import SINKS, filled_cells
from .origin import file_stamp, reference

_MISSING = object()
# Immutable all through, or told apart by identity: the same object is the same value.
_ATOMS: tuple[type, ...] = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    type(None),
    types.ModuleType,
    types.BuiltinFunctionType,
    types.CodeType,
)
_DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_FUNCTION_PARTS = ("__code__", "__defaults__", "__kwdefaults__")


class Snapshot:
    """A list of things that were read, and what they were.

    Cost: of `holds`, some 40 ns for each name; for each mutable value, its digest.
    Threads: any number may ask at once.
    """

    __slots__ = ("_cells", "_digest", "_files", "_names", "_parts", "_seen", "_sizes", "_values")

    def __init__(self, digest: Callable[[object], bytes]) -> None:
        """Has nothing in it; `digest` is used for mutable values."""
        self._digest = digest
        self._names: list[tuple[Mapping[str, Any], str, object]] = []
        self._sizes: list[tuple[Mapping[str, Any], int]] = []
        self._parts: list[tuple[object, str, object]] = []
        self._cells: list[tuple[types.CellType, object]] = []
        self._values: list[tuple[object, bytes]] = []
        self._files: list[tuple[str, object]] = []
        self._seen: set[int] = set()

    def holds(self) -> bool:
        """Whether everything is still as it was."""
        for scope, name, value in self._names:
            if scope.get(name, _MISSING) is not value:
                return False
        for owner, name, value in self._parts:
            if getattr(owner, name) is not value:
                return False
        for scope, size in self._sizes:
            if len(scope) != size:
                return False
        return self._contents_hold()

    def _contents_hold(self) -> bool:
        for cell, value in self._cells:
            if content(cell) is not value:
                return False
        for place, stamp in self._files:
            if file_stamp(place) != stamp:
                return False
        return all(self._digest(value) == digest for value, digest in self._values)

    def add_name(self, scope: Mapping[str, Any], name: str) -> None:
        """Remembers which object a name stands for, or that it stands for none."""
        self._names.append((scope, name, scope.get(name, _MISSING)))

    def add_file(self, place: str) -> None:
        """Remembers size and time of a file."""
        self._files.append((place, file_stamp(place)))

    def add(self, value: Any) -> None:  # noqa: ANN401 (any object)
        """Remembers a value, and of functions and classes what they are made of.

        Raises:
            NoIdentityError: If something mutable in it has no digest.
        """
        kind = type(value)
        if kind in _ATOMS or isinstance(value, enum.Enum) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if kind is types.FunctionType:
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        else:
            parts = _immutable_parts(value)
            if parts is None:
                self._values.append((value, self._digest(value)))
            else:
                self._parts.append((value, "__class__", kind))  # keeps it alive
                for part in parts:
                    self.add(part)

    def _add_function(self, function: types.FunctionType) -> None:
        if reference(function) is not None:
            self._parts.append((function, "__code__", function.__code__))
            return
        for name in _FUNCTION_PARTS:
            self._parts.append((function, name, getattr(function, name)))
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.add(default)
        filled = filled_cells(function.__code__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            held = content(cell)
            if name in filled and type(held) in SINKS:
                continue
            self._cells.append((cell, held))
            if held is not _MISSING:
                self.add(held)

    def _add_class(self, cls: type) -> None:
        self._parts.append((cls, "__mro__", cls.__mro__))
        if reference(cls) is not None:
            return
        body = vars(cls)
        self._sizes.append((body, len(body)))
        for name, item in list(body.items()):
            if counts(cls, name, item):
                self._names.append((body, name, item))
                self.add(item)
        for base in (*cls.__bases__, type(cls)):
            self.add(base)


def content(cell: types.CellType) -> object:
    """What is in a closure's cell; a mark of its own if nothing is."""
    try:
        return cell.cell_contents
    except ValueError:
        return _MISSING


def _immutable_parts(value: Any) -> tuple[object, ...] | None:  # noqa: ANN401
    """What an immutable object is made of; None for one that may change."""
    if type(value) in (tuple, frozenset):
        return tuple(value)
    if isinstance(value, staticmethod | classmethod | types.MethodType):
        owner = getattr(value, "__self__", None)
        return (value.__func__, owner)
    if type(value) is property:
        return (value.fget, value.fset, value.fdel)
    if type(value) is functools.cached_property:
        return (value.func,)
    return () if isinstance(value, _DESCRIPTORS) else None
