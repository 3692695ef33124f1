# SPDX-License-Identifier: MIT
"""Different values have different keys, equal ones the same, and what has none is told."""

from __future__ import annotations

import asyncio
import csv
import ctypes
import functools
import hashlib
import itertools
import mmap
import pathlib
import pickle
import socket
import sqlite3
import threading
import typing
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hypernodes import DiskCache, Pipeline
from hypernodes.exceptions import UncachedWarning

from . import values
from .signatures import signature, take


def test_no_two_values_of_any_families_share_a_key() -> None:
    owners: dict[str, str] = {}
    shared = []
    for family, items in values.FAMILIES.items():
        for number, value in enumerate(items):
            name = f"{family}[{number}]: {type(value).__name__}"
            found = signature(value)
            assert found is not None, name
            if found in owners:
                shared.append((owners[found], name))
            owners[found] = name
    assert shared == []


@pytest.mark.parametrize("family", values.FAMILIES)
def test_the_same_value_has_the_same_key_again(family: str) -> None:
    for value in values.FAMILIES[family]:
        assert signature(value) == signature(value)


COPIED = [f for f in values.FAMILIES if f not in ("deep", "functions", "arrays")]


@pytest.mark.parametrize("family", COPIED)
def test_a_pickled_copy_has_the_key_of_the_original(family: str) -> None:
    copied = 0
    for value in values.FAMILIES[family]:
        try:
            copy = pickle.loads(pickle.dumps(value))
        except (TypeError, AttributeError, pickle.PicklingError):
            continue
        assert signature(copy) == signature(value), value
        copied += 1
    assert copied > len(values.FAMILIES[family]) // 2


ROWS = np.arange(24).reshape(2, 3, 4)
WITH_NULL = pa.array([1, None, 3])
VALIDITY, _ = WITH_NULL.buffers()
BLOCKS = pd.DataFrame({"a": [1, 2], "b": [3, 4]})


def over(*buffers: Any) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), 3, list(buffers))


EQUAL: dict[str, tuple[Any, Any]] = {
    "order of a dict": ({"a": 1, 2: "b"}, {2: "b", "a": 1}),
    "order of a set": ({"a", "b", 1, None}, {None, 1, "b", "a"}),
    "shared and separate strings": (["ab" * 9] * 2, ["".join(["ab"] * 9) for _ in range(2)]),
    "shared and separate lists": ([[1]] * 2, [[1], [1]]),
    "big ints": (10**40, int("1" + "0" * 40)),
    "Optional": (typing.Optional[int], int | None),  # noqa: UP045
    "view and copy": (ROWS[:, ::2], ROWS[:, ::2].copy()),
    "backwards": (np.arange(3)[::-1], np.array([2, 1, 0])),
    "orders of C and Fortran": (ROWS, np.asfortranarray(ROWS)),
    "broadcast": (np.broadcast_to(np.int64(1), (3,)), np.ones(3, np.int64)),
    "private attributes": (values.Open(x=1, _y=1), values.Open(x=1, _y=2)),
    "pandas blocks": (BLOCKS, pd.concat([BLOCKS["a"], BLOCKS["b"]], axis=1)),
    "pandas rows of categories": (
        pd.Series(pd.Categorical(["a", "b", "a"]))[:2],
        pd.Series(pd.Categorical(["a", "b"])),
    ),
    "polars chunks": (
        pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False),
        pl.Series([1, 2]),
    ),
    "arrow chunks": (pa.chunked_array([[1], [2, None]]), pa.chunked_array([[1, 2, None]])),
    "arrow tables in pieces": (
        pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})]),
        pa.table({"a": [1, 2]}),
    ),
    "arrow dictionaries of chunks": (
        pa.chunked_array([pa.array([word]).dictionary_encode() for word in "xy"]),
        pa.chunked_array([pa.array(["x", "y"]).dictionary_encode()]),
    ),
    "arrow slices": (pa.array([0, 1, None, 3, 9]).slice(1, 3), WITH_NULL),
    "arrow slices of text": (pa.array(["zz", "a", None]).slice(1), pa.array(["a", None])),
    "arrow slices of lists": (pa.array([[9], [1, 2], None]).slice(1), pa.array([[1, 2], None])),
    "arrow under a null": (WITH_NULL, over(VALIDITY, pa.py_buffer(np.array([1, 77, 3])))),
    "arrow beyond the bitmap": (WITH_NULL, over(pa.py_buffer(b"\xfd"), WITH_NULL.buffers()[1])),
    "arrow bitmap of no nulls": (
        pa.array([1, 2, 3]),
        over(pa.py_buffer(b"\x07"), pa.py_buffer(np.array([1, 2, 3]))),
    ),
}


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_equal_values_share_a_key(pair: tuple[Any, Any]) -> None:
    one, other = map(signature, pair)
    assert one == other
    assert one is not None


def generator() -> Iterator[int]:
    yield 1


class Structure(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int),)


UNDIGESTED: dict[str, Callable[[], Any]] = {
    "generator": generator,
    "its method": lambda: generator().__next__,
    "iterator": lambda: iter([1]),
    "zip": lambda: zip([1], strict=True),
    "map": lambda: map(int, [1]),
    "count": itertools.count,
    "socket": socket.socket,
    "lock": threading.Lock,
    "reentrant lock": threading.RLock,
    "event": threading.Event,
    "condition": threading.Condition,
    "semaphore": threading.Semaphore,
    "thread": threading.Thread,
    "thread local": threading.local,
    "c_int": lambda: ctypes.c_int(1),
    "ctypes structure": lambda: Structure(1),
    "ctypes array": lambda: (ctypes.c_int * 2)(),
    "ctypes pointer": lambda: ctypes.pointer(ctypes.c_int(1)),
    "ctypes function": lambda: ctypes.CDLL(None).abs,
    "weak reference": lambda: weakref.ref(generator),
    "connection": lambda: sqlite3.connect(":memory:"),
    "hash": lambda: hashlib.sha256(b"a"),
    "csv reader": lambda: csv.reader([]),
    "zlib": zlib.decompressobj,
    "mmap": lambda: mmap.mmap(-1, 10),
    "random state": lambda: np.random.default_rng(0),
    "masked array": lambda: np.ma.masked_array([1], [True]),
    "lazy frame": lambda: pl.DataFrame({"a": [1]}).lazy(),
    "partial of a C function": lambda: functools.partial(ctypes.CDLL(None).abs),
}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("make", UNDIGESTED.values(), ids=UNDIGESTED)
def test_what_hides_its_state_runs_uncached(make: Callable[[], Any]) -> None:
    value = make()
    assert signature(value) is None
    assert signature([{"in": value}]) is None
    if hasattr(value, "close"):
        value.close()


def test_the_warning_names_node_and_input_once(tmp_path: pathlib.Path) -> None:
    pipeline = Pipeline([take], cache=DiskCache(tmp_path / "cache"))
    expected = "node 'take' runs uncached: its input 'x' cannot be digested: .*TextIOWrapper"
    with pathlib.Path(__file__).open() as file:
        with pytest.warns(UncachedWarning, match=expected) as told:
            pipeline.run({"x": file})
        pipeline.run({"x": file})
    assert len(told) == 1


def test_a_coroutine_runs_uncached() -> None:
    coroutine = asyncio.sleep(0)
    assert signature(coroutine) is None
    coroutine.close()


def test_locks_inside_objects_are_run_time_state() -> None:
    one, other = (values.Open(x=1, lock=threading.Lock()) for _ in range(2))
    with one.lock:
        assert signature(one) == signature(other)
    assert signature(one) is not None
