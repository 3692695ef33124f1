# SPDX-License-Identifier: MIT
"""Nodes keep the signature of their functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from hypernodes import HyperNode, Node, node


@node
def plain(x: int) -> str:
    return str(x)


@node()
def with_brackets(x: int) -> str:
    return str(x)


@node("named")
def with_name(x: int, *, factor: float = 1.0) -> float:
    return x * factor


@node(output_name=("head", "tail"), cache=False)
def several(text: str) -> tuple[str, str]:
    return text[:1], text[1:]


@node(output_name="answer")
async def slow(question: str) -> int:
    return len(question)


class Scaler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def scale(self, x: int) -> int:
        return x * self.factor

    @node("shifted")
    def shift(self, x: int) -> int:
        return x + self.factor

    def __call__(self, x: int) -> int:
        return x


def add(a: int, b: int) -> int:
    return a + b


assert_type(plain(1), str)
assert_type(with_brackets(x=1), str)
assert_type(with_name(1), float)
assert_type(with_name(1, factor=2.0), float)
assert_type(several("text"), tuple[str, str])
answer: Coroutine[Any, Any, int] = slow("?")

scaler = Scaler(2)
scaled = node("scaled")(scaler.scale)
assert_type(scaled(3), int)
assert_type(Scaler.shift(scaler, 3), int)
assert_type(Node(scaler, "same")(4), int)
assert_type(Node(functools.partial(add, 1), "more")(2), int)
assert_type(Node(add, ("sum",)).output_name, str | tuple[str, ...])

anything: list[HyperNode] = [plain, with_name, several, slow, scaled]
function: Callable[[int], str] = plain
assert_type(plain.root_args, tuple[str, ...])
assert_type(plain.unfulfilled_args, tuple[str, ...])
assert_type(plain.code_hash, str)
assert_type(plain.is_async, bool)
plain.cache = False
