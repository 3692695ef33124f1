# SPDX-License-Identifier: MIT
"""The names that code reads, by bytecode.

A container that the code only fills (`calls.append(x)`, `count += 1`, `seen[x] = y`) and an
attribute that it only counts up (`stats.count += 1`) are not read: otherwise a node that counts its
calls would never have the same key twice.
"""

from __future__ import annotations

import collections
import dis
import enum
from collections.abc import Iterator
from types import CodeType

from .digest import ByIdentity

# What may be filled without being read.
SINKS = (
    list,
    dict,
    set,
    int,
    float,
    collections.deque,
    collections.Counter,
    collections.defaultdict,
)

_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_CELLS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_STORES = frozenset({"STORE_GLOBAL", "STORE_DEREF"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_SIMPLE = frozenset({"LOAD_FAST", "LOAD_CONST", "LOAD_DEREF"})
_WRITERS = frozenset({"append", "appendleft", "add", "insert", "extend", "update", "setdefault"})
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})
_ADD_TO_ITEM = ["COPY", "COPY", "BINARY_SUBSCR", "simple", "BINARY_OP", "SWAP", "SWAP"]
_ADD_TO_ATTRIBUTE = ["COPY", "LOAD_ATTR", "simple", "BINARY_OP", "SWAP", "STORE_ATTR"]


class Use(enum.IntEnum):
    """What code does with a name."""

    READ = 0
    CONTENT = 1
    """It only ever adds to it."""
    ATTRIBUTE = 2
    """It only ever changes an attribute."""


Names = tuple[tuple[tuple[str, ...], Use], ...]
_globals: ByIdentity[Names] = ByIdentity()
_filled: ByIdentity[frozenset[str]] = ByIdentity()


def nested(code: CodeType) -> Iterator[CodeType]:
    """Yields a code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def names_in(code: CodeType) -> Names:
    """Returns the dotted global names in code, in nested code too; sorted, each once."""
    known = _globals.get(code)
    if known is None:
        found: dict[tuple[str, ...], Use] = {}
        for names, use in _uses(code, _GLOBALS):
            found[names] = min(use, found.get(names, use))
        read = {names[0] for names, use in found.items() if use is Use.READ}
        kept = {names: Use.READ if names[0] in read else use for names, use in found.items()}
        known = _globals.put(code, tuple(sorted(kept.items())))
    return known


def filled_cells(code: CodeType) -> frozenset[str]:
    """Returns those names of a closure that code, nested code too, only ever adds to."""
    if not code.co_freevars:
        return frozenset()
    known = _filled.get(code)
    if known is None:
        read = {names[0] for names, use in _uses(code, _CELLS) if use is not Use.CONTENT}
        known = _filled.put(code, frozenset(code.co_freevars) - read)
    return known


def _uses(code: CodeType, loads: frozenset[str]) -> Iterator[tuple[tuple[str, ...], Use]]:
    for part in nested(code):
        steps = list(dis.get_instructions(part))
        for at, step in enumerate(steps):
            if step.opname not in loads:
                continue
            end = at + 1
            while end < len(steps) and steps[end].opname in {*_ATTRIBUTES, "EXTENDED_ARG"}:
                end += 1
            chain = [s for s in steps[at:end] if s.opname != "EXTENDED_ARG"]
            yield tuple(str(s.argval) for s in chain), _use(steps, at, len(chain))


def _use(steps: list[dis.Instruction], at: int, names: int) -> Use:
    """What happens to the name that step `at` loads; a chain of `names` attributes follows."""
    name = steps[at].argval
    if names == 2 and steps[at + 1].argval in _WRITERS:
        call, _ = _taker(steps, at)
        done = _name(steps, call) == "CALL" and _name(steps, call + 1) == "POP_TOP"
        return Use.CONTENT if done else Use.READ
    if names != 1:
        return Use.READ
    following = [_kind(step) for step in steps[at + 1 : at + 10] if step.opname != "EXTENDED_ARG"]
    if following[:6] == _ADD_TO_ATTRIBUTE:
        return Use.ATTRIBUTE
    if following[:9] == ["simple", *_ADD_TO_ITEM, "STORE_SUBSCR"]:
        return Use.CONTENT
    taker, above = _taker(steps, at)
    if above != 1:  # `other[x] = NAME` is reading
        return Use.READ
    if _name(steps, taker) == "STORE_SUBSCR":
        return Use.CONTENT
    if _name(steps, taker) == "BINARY_OP" and _name(steps, taker + 1) in _STORES:
        return Use.CONTENT if steps[taker + 1].argval == name else Use.READ
    return Use.READ


def _kind(step: dis.Instruction) -> str:
    return "simple" if step.opname in _SIMPLE else step.opname


def _name(steps: list[dis.Instruction], place: int) -> str:
    return steps[place].opname if 0 < place < len(steps) else ""


def _taker(steps: list[dis.Instruction], at: int) -> tuple[int, int]:
    """The place of the step that takes what step `at` loaded, and how many values lie above it.

    Place 0 if code branches before, or something else takes it.
    """
    depth = 1  # on the stack, from what step `at` loaded upwards
    for place in range(at + 1, len(steps)):
        step = steps[place]
        if step.opcode in _JUMPS:
            break
        before = depth
        argument = step.arg if step.opcode >= dis.HAVE_ARGUMENT else None
        depth += dis.stack_effect(step.opcode, argument, jump=False)
        if depth < before and depth <= 1:
            return place, before - 1
        if before == depth == 1 and step.opname not in {"EXTENDED_ARG", "NOP"}:
            break  # it became something else
    return 0, 0
