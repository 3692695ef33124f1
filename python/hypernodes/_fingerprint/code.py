# SPDX-License-Identifier: MIT
"""The digest of a code object: what it does, not where its lines stand.

Line numbers leave traces in bytecode: NOPs that a debugger stops at, jumps that are not shortened
across lines, two loads fused only when they share a line, docstrings among the constants. So the
digest covers the graph of instructions that can be reached, walked from the entry: NOPs and plain
jumps vanish, branches name what they do when true and when false, fused instructions are split,
constants and names stand for their numbers. (Of the 7 800 functions of the standard library,
written with everything on one line, two get another digest on Python 3.11 and none on 3.12 and
3.13.) Bytecode differs between minor versions of Python, so the version is part of the digest.
"""

from __future__ import annotations

import bisect
import dis
import inspect
import struct
import sys
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from .digest import ByIdentity, NoIdentityError, mix, text, unordered
from .origin import PYTHON

_FLAGS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
_HIDDEN = frozenset({"CACHE", "EXTENDED_ARG"})
_JUMPS = frozenset({"JUMP", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_LAST = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
# A class body stores these; they are its text, its place and what the compiler saw in it.
_NOTES = frozenset({"__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"})
# The opposite of each condition, so that a branch reads the same whichever way it was compiled.
_OPPOSITE = {"FALSE": "TRUE", "NOT_NONE": "NONE"}
# These never raise, so it does not matter whether a `try` covers them. (In 3.11 LOAD_FAST may.)
_QUIET = frozenset({"STORE_FAST", "LOAD_CONST", "PUSH_NULL", "POP_TOP", "COPY", "SWAP"}) | (
    {"LOAD_FAST"} if sys.version_info >= (3, 12) else frozenset()
)
_FUSED = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
}

_known: ByIdentity[bytes] = ByIdentity()


class _Step(NamedTuple):
    """One instruction: what it does, and the numbers of those that may follow."""

    label: bytes
    after: tuple[int, ...]


class _Cover(NamedTuple):
    """A `try`: instructions from `start` to before `end` have a handler at `target` (offsets)."""

    start: int
    end: int
    target: int
    depth: int


def code_digest(code: CodeType) -> bytes:
    """Returns the digest of what a code object does; its own name does not count."""
    known = _known.get(code)
    if known is None:
        digest = mix(
            "code",
            text(PYTHON),
            struct.pack(
                ">4I",
                code.co_argcount,
                code.co_posonlyargcount,
                code.co_kwonlyargcount,
                code.co_flags & _FLAGS,
            ),
            *(text(name) for name in _parameters(code)),
            *_walk(code),
        )
        known = _known.put(code, digest)
    return known


def _parameters(code: CodeType) -> tuple[str, ...]:
    stars = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]


def _walk(code: CodeType) -> Iterator[bytes]:
    """The reachable steps in breadth-first order, each with the places of those after it."""
    steps, skipped = _steps(code)

    def landing(at: int) -> int:
        seen = set()
        while at in skipped and at not in seen:
            seen.add(at)
            at = skipped[at]
        return at

    first = landing(0)
    order, places = [first], {first: 0}
    for at in order:
        # An empty endless loop is a jump to itself and the only step left without a label.
        step = steps.get(at, _Step(b"loop", ()))
        row = [step.label]
        for target in map(landing, step.after):
            if target not in places:
                places[target] = len(order)
                order.append(target)
            row.append(struct.pack(">I", places[target]))
        yield mix("step", *row)


def _steps(code: CodeType) -> tuple[dict[int, _Step], dict[int, int]]:
    """The instructions by number, and for those that do nothing the number of the next one."""
    instructions = list(_instructions(code))
    offsets = [instruction.offset for instruction in instructions]
    covers = list(_covers(code))
    steps: dict[int, _Step] = {}
    skipped: dict[int, int] = {}
    for at, instruction in enumerate(instructions):
        name = instruction.opname
        if name == "NOP":
            skipped[at] = at + 1
        elif name in _JUMPS:
            skipped[at] = bisect.bisect_left(offsets, instruction.argval)
        elif instruction.opcode in dis.hasconst and _is_note(instructions, at):
            skipped[at] = at + 2
        else:
            label, after = _step(code, instruction, at, offsets)
            cover = None if name in _QUIET else _cover(covers, instruction.offset)
            if cover is not None:
                label = mix("try", label, struct.pack(">I", cover.depth))
                after = (*after, bisect.bisect_left(offsets, cover.target))
            steps[at] = _Step(label, after)
    return steps, skipped


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in _FUSED and instruction.arg is not None:
            places = (instruction.arg >> 4, instruction.arg & 15)
            for name, arg in zip(_FUSED[instruction.opname], places, strict=True):
                yield instruction._replace(
                    opname=name, opcode=dis.opmap[name], arg=arg, argval=code.co_varnames[arg]
                )
        elif instruction.opname not in _HIDDEN:
            yield instruction


def _is_note(instructions: list[dis.Instruction], at: int) -> bool:
    following = instructions[at + 1] if at + 1 < len(instructions) else None
    return following is not None and following.opname == "STORE_NAME" and following.argval in _NOTES


def _step(code: CodeType, instruction: dis.Instruction, at: int, offsets: list[int]) -> _Step:
    name, opcode = instruction.opname, instruction.opcode
    if opcode in dis.hasjrel or opcode in dis.hasjabs:
        target = bisect.bisect_left(offsets, instruction.argval)
        name = name.replace("_FORWARD", "").replace("_BACKWARD", "")
        condition = name.removeprefix("POP_JUMP_IF_")
        if condition in _OPPOSITE:
            return _Step(mix("branch", text(_OPPOSITE[condition])), (at + 1, target))
        if condition != name:
            return _Step(mix("branch", text(condition)), (target, at + 1))
        return _Step(mix("jump", text(name)), (target, at + 1))
    after = () if name in _LAST else (at + 1,)
    if opcode in dis.hasconst and instruction.arg is not None:
        constant = code.co_consts[instruction.arg]  # `argval` lacks those of KW_NAMES in 3.11.
        return _Step(mix("const", text(name), _constant(constant)), after)
    if isinstance(instruction.argval, str) and (
        opcode in dis.hasname or opcode in dis.haslocal or opcode in dis.hasfree
    ):
        # A name stands for its number and the flag bits beside it, which repeat what the
        # instructions around it say (whether a call follows).
        return _Step(mix("name", text(name), text(instruction.argval)), after)
    return _Step(mix("plain", text(name), text(str(instruction.arg))), after)


def _cover(covers: list[_Cover], offset: int) -> _Cover | None:
    return next((cover for cover in covers if cover.start <= offset < cover.end), None)


def _covers(code: CodeType) -> Iterator[_Cover]:
    """Reads `co_exceptiontable` (CPython: Objects/exception_handling_notes.txt)."""
    table = iter(code.co_exceptiontable)
    for byte in table:
        start, length, target, depth = (
            _varint(byte, table),
            _varint(next(table), table),
            _varint(next(table), table),
            _varint(next(table), table),
        )
        yield _Cover(2 * start, 2 * (start + length), 2 * target, depth)


def _varint(byte: int, table: Iterator[int]) -> int:
    value = byte & 63
    while byte & 64:
        byte = next(table)
        value = value << 6 | byte & 63
    return value


def _constant(value: object) -> bytes:
    """The digest of a constant that the compiler made."""
    if isinstance(value, CodeType):
        return mix("nested", text(value.co_name), code_digest(value))
    if isinstance(value, tuple):
        return mix("tuple", *map(_constant, value))
    if isinstance(value, frozenset):
        return unordered("frozenset", map(_constant, value))
    return scalar_digest(value)


# The types that scalar_digest knows.
SCALARS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, slice}
    | {type(Ellipsis), type(NotImplemented)}
)


def scalar_digest(value: object) -> bytes:
    """Returns the typed digest of a plain value without parts.

    Raises:
        NoIdentityError: if it is of another type.
    """
    kind = type(value)
    if value is None or kind in (bool, type(Ellipsis), type(NotImplemented)):
        return mix("singleton", text(repr(value)))
    if isinstance(value, int) and kind is int:
        return mix("int", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, float) and kind is float:
        return mix("float", struct.pack(">d", value))
    if isinstance(value, complex) and kind is complex:
        return mix("complex", struct.pack(">2d", value.real, value.imag))
    if isinstance(value, str) and kind is str:
        return mix("str", text(value))
    if isinstance(value, bytes) and kind is bytes:
        return mix("bytes", value)
    if isinstance(value, slice):
        return mix("slice", *map(_constant, (value.start, value.stop, value.step)))
    raise NoIdentityError(f"a constant of type {kind.__qualname__}")
