# SPDX-License-Identifier: MIT
"""Prints the keys of one node for values of every family; run by test_golden.py.

`python golden_keys.py > golden_keys.json` writes them anew, for a new key format.
"""

import collections
import datetime as dt
import decimal
import fractions
import ipaddress
import json
import math
import pathlib
import re
import sys
import types
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from hypernodes import Pipeline, node
from hypernodes.cache import Cache


class Asked(Cache):
    def __init__(self):
        self.signatures = []

    def get(self, signature):
        return None

    def put(self, signature, output):
        pass

    def has(self, signature):
        self.signatures.append(signature)
        return False


class Keyed:
    __module__ = "golden"

    def __cache_key__(self):
        return {"name": "a", "tags": {"x", "y", "z"}}


@node(output_name="out", version="1", aka="golden.take")
def take(x):
    return 1


def looped():
    made = [1]
    made.append(made)
    return made


VALUES = {
    "none": None,
    "bool": True,
    "int": 1,
    "big int": 2**70,
    "float": 1.5,
    "nan": math.nan,
    "complex": 1j,
    "str": "hé",
    "surrogate": "\ud800",
    "bytes": b"ab",
    "bytearray": bytearray(b"ab"),
    "ints": [1, 2, 3],
    "mixed": [1, None, "a"],
    "tuple": (1, "a"),
    "dict": {"b": [1, 2.5, None], "a": ({"x", "y", "z"}, b"c")},
    "set": {"x", "y", "z", 1, None},
    "frozenset": frozenset({"x", "y"}),
    "looped": looped(),
    "date": dt.date(2024, 5, 1),
    "datetime": dt.datetime(2024, 5, 1, 12, 30, 15, 7),
    "zoned": dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "fold": dt.datetime(2024, 5, 1, fold=1),
    "time": dt.time(1, 2),
    "timedelta": dt.timedelta(days=1, microseconds=5),
    "decimal": decimal.Decimal("1.50"),
    "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=7),
    "path": pathlib.PurePosixPath("/a/b"),
    "address": ipaddress.ip_address("1.2.3.4"),
    "pattern": re.compile("a+"),
    "range": range(1, 9, 2),
    "ordered": collections.OrderedDict(b=1, a=2),
    "counter": collections.Counter("abca"),
    "deque": collections.deque([1, 2], 5),
    "namespace": types.SimpleNamespace(a=1),
    "exception": ValueError("a", 1),
    "keyed": Keyed(),
    "inside": [1, {"a": (dt.date(2024, 5, 1), Keyed())}],
    "numpy": np.arange(6, dtype="f8").reshape(2, 3),
    "numpy times": np.array(["2024-01-01"], "M8[ns]"),
    "numpy records": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "numpy objects": np.array([1, None, "a"], object),
    "numpy scalar": np.float32(1.5),
    "pandas": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, None]}),
    "pandas series": pd.Series([1, 2], name="s", index=["x", "y"]),
    "pandas categories": pd.Series(pd.Categorical(["a", "b"])),
    "pandas nullable": pd.Series([1, None], dtype="Int64"),
    "pandas timestamp": pd.Timestamp("2024-05-01 12:00", tz="UTC"),
    "polars": pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "polars times": pl.Series("t", [dt.datetime(2024, 5, 1)]),
    "arrow": pa.table({"a": [1, 2], "b": ["x", None]}),
    "arrow lists": pa.array([[1], None, [2, 3]]),
    "arrow scalar": pa.scalar(1),
}


def key(value):
    cache = Asked()
    Pipeline([take], cache=cache).run({"x": value})
    return cache.signatures[0]


if __name__ == "__main__":
    json.dump({name: key(value) for name, value in VALUES.items()}, sys.stdout, indent=1)
    print()
