# SPDX-License-Identifier: MIT
"""The one hash behind fingerprints: SHA-256 over a tag and parts, each with its length."""

from __future__ import annotations

import hashlib
import struct
import weakref
from collections.abc import Iterable
from types import CodeType
from typing import Generic, TypeVar

T = TypeVar("T")


class NoIdentityError(Exception):
    """Something has no digest that other processes would agree on; the message says what."""


def mix(tag: str, *parts: bytes) -> bytes:
    """Returns the 32-byte digest of a tagged sequence; no two sequences share an encoding."""
    state = hashlib.sha256()
    for part in (tag.encode(), *parts):
        state.update(struct.pack(">Q", len(part)))
        state.update(part)
    return state.digest()


def text(value: str) -> bytes:
    """Returns the bytes of a string, lone surrogates included."""
    return value.encode("utf-8", "surrogatepass")


def unordered(tag: str, digests: Iterable[bytes]) -> bytes:
    """Returns the digest of a collection whose order carries no meaning."""
    return mix(tag, *sorted(digests))


class ByIdentity(Generic[T]):
    """Remembers something for each code object as long as it lives.

    By identity, because code objects that compare equal may differ (in 3.11 in what a `try`
    covers). Threads: safe under the GIL; the same answer may be worked out twice.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self._kept: dict[int, tuple[weakref.ref[CodeType], T]] = {}

    def get(self, code: CodeType) -> T | None:
        """Returns what is kept for `code`."""
        kept = self._kept.get(id(code))
        return kept[1] if kept is not None and kept[0]() is code else None

    def put(self, code: CodeType, value: T) -> T:
        """Keeps `value` for `code` and returns it."""
        key = id(code)
        self._kept[key] = (weakref.ref(code, lambda _: self._kept.pop(key, None)), value)
        return value
