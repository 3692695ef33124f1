"""What `keys` asks of every cache: pairs of inputs, and edits of a small project.

The tests of the product assert the same tables for ours (`tests/python/keys`).
"""

import dataclasses
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Private:
    """Its state is in an attribute that begins with an underscore."""

    def __init__(self, value: Any) -> None:
        self._value = value


@dataclasses.dataclass
class Point:
    x: int
    _y: int = 0


def nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def objects(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = Private(value)
    return value


def nan(payload: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", (0x7FF8 << 48) + payload))[0]


def pairs() -> Iterator[tuple[str, bool, Any, Any]]:
    """Name, whether both must share a key, and two inputs."""
    import numpy as np
    import pandas as pd

    day = pd.Timestamp("2024-01-01")
    yield "1, '1'", False, 1, "1"
    yield "True, 'True'", False, True, "True"
    yield "1, True", False, 1, True
    yield "1, 1.0", False, 1, 1.0
    yield "0.0, -0.0", False, 0.0, -0.0
    yield "None, 'None'", False, None, "None"
    yield "[1], (1,)", False, [1], (1,)
    yield "{1: 2}, {'1': 2}", False, {1: 2}, {"1": 2}
    yield "b'a', 'a'", False, b"a", "a"
    yield "payloads of NaN", False, [nan(0)], [nan(1)]
    yield "shapes of an array", False, np.zeros((2, 3)), np.zeros((3, 2))
    yield "dtypes of an array", False, np.zeros(2, "i8"), np.zeros(2, "f8")
    yield "byte orders of an array", False, np.zeros(2, "<i4"), np.zeros(2, ">i4")
    yield "np.int64(1), 1", False, np.int64(1), 1
    yield "objects that differ in _x", False, Private(1), Private(2)
    yield "dataclasses that differ in _y", False, Point(1, 1), Point(1, 2)
    yield "lists nested 8 deep", False, nested(8, 1), nested(8, 2)
    yield "objects nested 12 deep", False, objects(12, 1), objects(12, 2)
    yield "lists nested 150 deep", False, nested(150, 1), nested(150, 2)
    yield "Timestamps", False, day, pd.Timestamp("2024-01-02")
    yield "units of a Timestamp", False, day.as_unit("s"), day.as_unit("ns")
    yield "names of a Series", False, pd.Series([1], name="a"), pd.Series([1], name="b")
    yield "indexes of a Series", False, pd.Series([1], index=[0]), pd.Series([1], index=[1])
    yield "order of a dict", True, {"a": 1, "b": 2}, {"b": 2, "a": 1}
    yield "mixed keys of a dict", True, {1: 1, "1": 2}, {"1": 2, 1: 1}
    yield "shared strings", True, ["ab" * 9] * 2, ["".join(["ab"] * 9) for _ in range(2)]
    yield "view of an array", True, np.arange(6)[::2], np.arange(6)[::2].copy()
    yield "set in another process", True, *[{f"item {i}" for i in range(20)}] * 2


FILES = {
    "tally.py": "CALLS = []\ndef note():\n    CALLS.append(1)\n",
    "other.py": """
LIMIT = 3
def deepest(x):
    return x + LIMIT
def helper(x):
    return deepest(x) * 2
""",
    "late.py": "def late(x):\n    return x + 5\n",
    "shapes.py": """
import dataclasses
class Base:
    def inherited(self):
        return 1
class Shape(Base):
    sides = 4
    def __init__(self, size):
        self.size = size
    def area(self):
        return self.size * self.size
    @property
    def double(self):
        return self.size * 2
@dataclasses.dataclass
class Unit:
    factor: int = 1
""",
    "work.py": '''
import functools
import other
import tally
from other import helper as imported
from shapes import Unit
RATE = 2
TABLE = {"a": [1, 2]}
def near(x):
    return x - RATE
def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
def shifted(function):
    def wrapper(shape, x):
        return function(shape, x) + [0]
    return wrapper
def unrelated(x):
    return x
def make(by):
    def closed(x):
        return x * by
    return closed
scaled = make(7)
def measure(shape, x, factor=1, *, offset=0):
    """Measures."""
    tally.note()
    from late import late
    def inner(y):
        return y + 11
    total = [near(x), other.helper(x), imported(x), scaled(x), late(x), factor, offset]
    total += [TABLE["a"][0], inner(x), (lambda y: y * 13)(x), *[y + 17 for y in range(2)]]
    total += [shape.area(), shape.inherited(), shape.double, shape.sides, Unit().factor]
    return total
@traced
@shifted
def work(shape, x):
    return measure(shape, x)
''',
}

# Name: file, what is there, what takes its place, whether the result must be computed again.
EDITS: dict[str, tuple[str, str, str, bool]] = {
    "nothing": ("work.py", "", "", False),
    "helper": ("work.py", "x - RATE", "x - RATE - 1", True),
    "helper of a helper, another module": ("other.py", "x + LIMIT", "x - LIMIT", True),
    "helper, from import": ("other.py", "deepest(x) * 2", "deepest(x) * 3", True),
    "global": ("work.py", "RATE = 2", "RATE = 3", True),
    "global of another module": ("other.py", "LIMIT = 3", "LIMIT = 4", True),
    "content of a global": ("work.py", "[1, 2]", "[5, 2]", True),
    "closure": ("work.py", "make(7)", "make(8)", True),
    "default": ("work.py", "factor=1,", "factor=2,", True),
    "keyword default": ("work.py", "offset=0", "offset=1", True),
    "decorator": ("work.py", "+ [0]", "+ [1]", True),
    "decorator with wraps": ("work.py", "return function(*", "return [1] + function(*", True),
    "method of the input": ("shapes.py", "size * self.size", "size * self.size * 3", True),
    "method of its base": ("shapes.py", "return 1", "return 2", True),
    "property": ("shapes.py", "size * 2", "size * 5", True),
    "class attribute": ("shapes.py", "sides = 4", "sides = 5", True),
    "default of a dataclass": ("shapes.py", "int = 1", "int = 2", True),
    "nested function": ("work.py", "y + 11", "y + 12", True),
    "lambda": ("work.py", "y * 13", "y * 14", True),
    "comprehension": ("work.py", "y + 17", "y + 18", True),
    "import in the function": ("late.py", "x + 5", "x + 6", True),
    "comment": ("work.py", "tally.note()", "tally.note()  # counts", False),
    "docstring": ("work.py", "Measures.", "Measures shapes.", False),
    "formatting": (
        "work.py",
        "return x - RATE",
        "return (\n        x\n        - RATE\n    )",
        False,
    ),
    "lines moved": ("work.py", "RATE = 2", "\n\n\nRATE = 2", False),
    "annotations": ("work.py", "def near(x):", "def near(x: int) -> int:", False),
    "unrelated function": ("work.py", "    return x\n", "    return -x\n", False),
}


def function_of(edit: str) -> str:
    """What the caches are put around: the function, or what its decorators make of it."""
    return "work" if edit.startswith("decorator") else "measure"


def write(folder: Path, edit: str) -> Path:
    """The project in a folder, after an edit."""
    file, old, new, _ = EDITS[edit]
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        changed = content.replace(old, new, 1) if name == file else content
        if name == file and old not in content:
            raise AssertionError(f"{edit}: {old!r} is not in {file}")
        (folder / name).write_text(changed)
    return folder
