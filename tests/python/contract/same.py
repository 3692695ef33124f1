# SPDX-License-Identifier: MIT
"""Equality that does not take 1 for 1.0 or True, nor a tuple for a list, at any depth."""

from __future__ import annotations

import dataclasses
from typing import Any


def assert_same(got: Any, expected: Any, at: str = "result") -> None:
    """Fails unless both are of the same type and equal, and so is everything inside.

    Dicts must have their keys in the same order, NaN equals NaN, 0.0 is not -0.0.
    """
    assert type(got) is type(expected), f"{at}: got {got!r}, expected {expected!r}"
    if isinstance(expected, dict):
        _same_items(list(got), list(expected), f"keys of {at}")
        for key, value in expected.items():
            assert_same(got[key], value, f"{at}[{key!r}]")
    elif isinstance(expected, list | tuple):
        _same_items(got, expected, at)
    elif isinstance(expected, set | frozenset):
        _same_items(sorted(got, key=repr), sorted(expected, key=repr), at)
    elif isinstance(expected, float | complex):
        assert repr(got) == repr(expected), f"{at}: got {got!r}, expected {expected!r}"
    elif type(expected).__module__ == "numpy" and hasattr(expected, "dtype"):
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape), at
        _same_items(got.tolist(), expected.tolist(), at) if expected.ndim else None
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(
                getattr(got, field.name), getattr(expected, field.name), f"{at}.{field.name}"
            )
    else:
        assert got == expected, f"{at}: got {got!r}, expected {expected!r}"


def _same_items(got: Any, expected: Any, at: str) -> None:
    assert len(got) == len(expected), f"{at}: got {got!r}, expected {expected!r}"
    for i, (one, other) in enumerate(zip(got, expected, strict=True)):
        assert_same(one, other, f"{at}[{i}]")
