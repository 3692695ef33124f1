# SPDX-License-Identifier: MIT
"""Where a function is in its module's source, and which names it reads."""

from __future__ import annotations

import ast
import dataclasses
import dis
import functools
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any


class Unwritable(Exception):
    """Why something cannot be written as source."""


@dataclasses.dataclass(frozen=True)
class Found:
    """A function in its module's source."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    source: str

    def text(self, moved: bool) -> str:
        """Its text without decorators. Lines of strings stay as they are, if it is indented."""
        node = self.node
        if isinstance(node, ast.Lambda):
            return f"({ast.get_source_segment(self.source, node)})"
        if (moved or node.col_offset) and _has_long_strings(node):
            bare = ast.parse(ast.unparse(node)).body[0]
            assert isinstance(bare, ast.FunctionDef | ast.AsyncFunctionDef)
            bare.decorator_list = []
            return ast.unparse(bare)
        lines = self.source.split("\n")[node.lineno - 1 : node.end_lineno]
        return textwrap.dedent("\n".join(lines))

    def defaults(self, function: types.FunctionType) -> dict[str, tuple[Any] | None]:
        """The names in its default values; with the value, if a name is all there is to one."""
        arguments = self.node.args
        given = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        texts = [*arguments.defaults, *(each for each in arguments.kw_defaults if each is not None)]
        names: dict[str, tuple[Any] | None] = {}
        for text, value in zip(texts, given, strict=True):
            for name in names_read(text):
                names[name] = (value,) if isinstance(text, ast.Name) else None
        return names


def find(function: types.FunctionType) -> Found:
    """Returns the function's definition.

    Raises:
        Unwritable: If its source is not there.
    """
    code = function.__code__
    try:
        lines, _ = inspect.findsource(code)
        source = "".join(lines)
        tree = _parsed(source)
    except (OSError, SyntaxError):
        raise Unwritable("its source is not there") from None
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    functions = (node for node in ast.walk(tree) if isinstance(node, kinds))
    found = [node for node in functions if _is_of(node, code)]
    if not found:
        raise Unwritable("its source is not there")
    return Found(min(found, key=_length), source)  # of lambdas inside each other the inner one


@functools.lru_cache(maxsize=8)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _is_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, code: types.CodeType) -> bool:
    """Whether a function was compiled to this code."""
    if not isinstance(node, ast.Lambda):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return (node.name, first) == (code.co_name, code.co_firstlineno)
    if code.co_name != "<lambda>":
        return False
    body = node.body
    begin = (body.lineno, body.col_offset)
    end = (body.end_lineno or body.lineno, body.end_col_offset or 0)
    return node.lineno == code.co_firstlineno and all(
        begin <= (line, column) and (last, stop) <= end
        for line, last, column, stop in code.co_positions()
        if line is not None and last is not None and column is not None and stop
    )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> int:
    return len(ast.unparse(node))


def globals_of(code: types.CodeType) -> dict[str, None]:
    """The global names that code reads, in order."""
    names = {
        str(each.argval): None
        for each in dis.get_instructions(code)
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(globals_of(constant))
    return names


def names_read(tree: ast.AST) -> Iterator[str]:
    """The names that are read anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def _has_long_strings(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Constant | ast.JoinedStr) and each.end_lineno != each.lineno
        for each in ast.walk(node)
    )
