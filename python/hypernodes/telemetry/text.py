# SPDX-License-Identifier: MIT
"""Values as short text, at a cost that does not grow with their size."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["shorten"]

_DEEPEST = 20
_BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", deque: "[]"}


def shorten(value: object, limit: int = 500) -> str:
    """The first `limit` characters of what `repr` would say.

    Looks at no more of strings, bytes, containers and records (dataclasses, attrs, Pydantic,
    named tuples) than it shows, so containers of other kinds are shown as `Name([...])`. Whatever
    else there is shows itself: arrays and tables are short by nature.

    >>> shorten({"names": ["ada"] * 1_000_000}, limit=24)
    "{'names': ['ada', 'ada',"
    """
    text = ""
    for piece in _pieces(value, limit, 0):
        text += piece
        if len(text) >= limit:
            break
    return text[:limit]


def _pieces(value: Any, limit: int, depth: int) -> Iterator[str]:  # noqa: ANN401
    kind: Any = type(value)
    if depth > _DEEPEST:
        yield "..."
    elif isinstance(value, (str, bytes, bytearray)):
        yield _own(value[:limit])
    elif isinstance(value, int) and value.bit_length() > 4 * limit:
        yield f"<int of {value.bit_length()} bits>"
    elif isinstance(value, dict):
        named = kind.__repr__ is not dict.__repr__
        yield f"{kind.__name__}({{" if named else "{"
        yield from _pairs(value.items(), ": ", limit, depth)
        yield "})" if named else "}"
    elif (fields := _fields(value)) is not None:
        yield f"{kind.__qualname__}("
        yield from _pairs(fields, "=", limit, depth)
        yield ")"
    elif isinstance(value, tuple(_BRACKETS)):
        yield from _items(value, limit, depth)
    else:
        yield _own(value)


def _items(value: Any, limit: int, depth: int) -> Iterator[str]:  # noqa: ANN401
    kind: Any = type(value)
    base = next(each for each in _BRACKETS if isinstance(value, each))
    named = kind.__repr__ is not base.__repr__ or base in (frozenset, deque)
    if not value and base in (set, frozenset):
        yield f"{kind.__name__}()"
        return
    brackets = _BRACKETS[base]
    yield f"{kind.__name__}({brackets[0]}" if named else brackets[0]
    for i, item in enumerate(value):
        if i:
            yield ", "
        yield from _pieces(item, limit, depth + 1)
    if base is tuple and len(value) == 1:
        yield ","
    yield f"{brackets[1]})" if named else brackets[1]


def _pairs(pairs: Iterable[tuple[Any, Any]], between: str, limit: int, depth: int) -> Iterator[str]:
    for i, (name, value) in enumerate(pairs):
        if i:
            yield ", "
        if between == "=":
            yield name
        else:
            yield from _pieces(name, limit, depth + 1)
        yield between
        yield from _pieces(value, limit, depth + 1)


def _fields(value: Any) -> Iterable[tuple[str, Any]] | None:  # noqa: ANN401
    """The fields that a record shows; None if it is no record."""
    kind: Any = type(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__ if field.repr]
    elif isinstance(getattr(kind, "__pydantic_fields__", None), Mapping):
        names = [name for name, field in kind.__pydantic_fields__.items() if field.repr]
    elif isinstance(value, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return None
    return ((name, getattr(value, name, None)) for name in names)


def _own(value: object) -> str:
    """What an object says of itself, even if that fails."""
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)
