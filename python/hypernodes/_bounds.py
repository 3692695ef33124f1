# SPDX-License-Identifier: MIT
"""The bounds of a cache, as a user writes them."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from .exceptions import CacheError, TypeError

__all__ = ["bytes_of", "seconds_of"]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B\s*")
_POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_MOST = 2**63 - 1
_MOST_SECONDS = 2**33  # in nanoseconds, it fits into 64 bits


def bytes_of(max_bytes: int | str | None) -> int:
    """The number of bytes; 0 for None, which is no bound.

    >>> bytes_of(1000), bytes_of("10 GB"), bytes_of("1.5 MiB")
    (1000, 10000000000, 1572864)

    Raises:
        CacheError: If it is no size, or none above zero.
        TypeError: If it is neither a number nor text.
    """
    if max_bytes is None:
        return 0
    fix = "give a number of bytes, a text such as '512 MiB' or '10 GB', or None for no bound"
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int | str):
        raise TypeError(
            f"A size is an int or a str, got {type(max_bytes).__name__}", "max_bytes", fix
        )
    count = max_bytes
    if isinstance(count, str):
        match = _SIZE.fullmatch(count)
        if match is None or (match[3] and not match[2]):
            raise CacheError(f"{max_bytes!r} is no size", "max_bytes", fix)
        unit = (1024 if match[3] else 1000) ** _POWERS[match[2]]
        count = int(Fraction(match[1]) * unit)
    if not 0 < count <= _MOST:
        raise CacheError(f"A cache cannot be bound to {max_bytes!r} bytes", "max_bytes", fix)
    return count


def seconds_of(max_age: float | timedelta | None) -> int:
    """The number of seconds; 0 for None, which is no bound.

    >>> seconds_of(90), seconds_of(timedelta(days=1))
    (90, 86400)

    Raises:
        CacheError: If it is no whole number of seconds above zero.
        TypeError: If it is no number and no timedelta.
    """
    if max_age is None:
        return 0
    fix = "give whole seconds, a datetime.timedelta, or None for no bound"
    if isinstance(max_age, bool) or not isinstance(max_age, int | float | timedelta):
        raise TypeError(
            f"An age is a number of seconds or a timedelta, got {type(max_age).__name__}",
            "max_age",
            fix,
        )
    seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    if not (1 <= seconds <= _MOST_SECONDS and seconds == int(seconds)):
        raise CacheError(f"The age of a result cannot be {max_age!r}", "max_age", fix)
    return int(seconds)
