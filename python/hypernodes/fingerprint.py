# SPDX-License-Identifier: MIT
"""Which code a Python function runs, as a digest that every process agrees on.

`code_hash` covers a function itself: what its bytecode does, defaults, closure, the objects it is
bound to. Comments, docstrings, annotations, formatting, line numbers and the function's own name
do not count; nor does the hash seed, the machine, or whether the source is at hand. A function of
a library counts by name and version. The minor version of Python counts, because bytecode differs.

`dependencies` adds what the code reads from elsewhere: helpers, classes and globals of the user's
own modules. Closures are digested when a node is made, dependencies when a run with a cache begins
(`contract.md` 5), hence two functions.

What has no reliable digest has None, never a guess: a node that uses it runs uncached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._fingerprint.dependencies import digest_of, named_digests, new_snapshot
from ._fingerprint.digest import NoIdentityError
from ._fingerprint.inputs import InputDigester
from ._fingerprint.values import Digester

__all__ = [
    "NoIdentityError",
    "code_hash",
    "dependencies",
    "dependencies_hash",
    "no_identity_reason",
    "value_digest",
]


def code_hash(function: Callable[..., Any]) -> str | None:
    """Returns 64 hex digits that identify a callable's code, or None if nothing reliable does.

    >>> def area(width, height=2): return width * height
    >>> def same(width, height=2):
    ...     '''With a docstring, and on another line.'''
    ...     return width * height  # and a comment
    >>> code_hash(area) == code_hash(same)
    True
    """
    try:
        return Digester()(function).hex()
    except NoIdentityError:
        return None


def dependencies(function: Callable[..., Any]) -> dict[str, str] | None:
    """Returns what a callable's code reads from elsewhere: {dotted name: 64 hex digits}.

    Helpers, classes and globals of the user's own modules, those that they read in turn, library
    modules by version; None if one of them has no reliable digest. Two things of one name, read by
    functions of one module in different scopes, share an entry.

    Cost: the code is scanned once; each call digests the values again, some 10 us for each.
    """
    try:
        return named_digests(function, new_snapshot())
    except NoIdentityError:
        return None


def dependencies_hash(function: Callable[..., Any]) -> str | None:
    """Returns 64 hex digits for all of `dependencies`, or None if one of them has no digest."""
    found = dependencies(function)
    return None if found is None else digest_of(found).hex()


def no_identity_reason(function: Callable[..., Any]) -> str | None:
    """Says why `code_hash` or `dependencies` is None, in words for a warning; else None."""
    try:
        Digester()(function)
        named_digests(function, new_snapshot())
    except NoIdentityError as error:
        return str(error)
    return None


def value_digest(value: object) -> bytes:
    """Returns 32 bytes that stand for an input value which is no plain data.

    `__cache_key__()` if the object has it; else its type and content: the fields of dataclasses,
    attrs classes, named tuples and Pydantic models, the content of arrays and tables, the class and
    the public attributes of other objects. Of the user's classes and functions name and code count,
    and what the code reads from elsewhere.

    Raises:
        NoIdentityError: If something in it has no digest that other processes would agree on; the
            message says what.
    """
    return InputDigester()(value)
