# SPDX-License-Identifier: MIT
"""What tests of pickled results share: objects, nodes that make them, a program of a user."""

import dataclasses
import os
import subprocess
import sys

from hypernodes import Node, PipelineCallback


@dataclasses.dataclass
class Point:
    x: int
    tags: list = dataclasses.field(default_factory=list)


def producer(value, output_name="out"):
    """A node that returns what `value()` gives, and the list of its calls."""
    calls = []

    def produce(x):
        calls.append(x)
        return value()

    made = Node(produce, output_name)
    made._code_hash, made._has_identity = "0" * 63 + "a", True
    return made, calls


class Signatures(PipelineCallback):
    """The keys of what was cached."""

    def __init__(self):
        self.seen = []

    def on_node_cached(self, node_id, signature, ctx):
        self.seen.append(signature)


SHAPES = """
import dataclasses
import datetime
import os

@dataclasses.dataclass
class Point:
    x: int
    at: datetime.datetime

    def area(self):
        return self.x * {factor}

class Fragile:
    def __reduce__(self):
        return rebuild, ()

def rebuild():
    if "BROKEN" in os.environ:
        raise AttributeError("gone")
    return Fragile()
"""

MODELS = """
import pydantic

class Model(pydantic.BaseModel):
    name: str
    points: list[int]
"""

PROGRAM = """
import datetime
import os
import sys
import warnings
import shapes
from hypernodes import DiskCache, Pipeline, node

warnings.simplefilter("ignore")

@node(output_name="point")
def make_point(x):
    print("make_point")
    unused = {factor}
    return shapes.Point(x, datetime.datetime(2024, 1, x))

@node(output_name="when")
def make_when(x):
    print("make_when")
    return datetime.datetime(2024, 1, x)

@node(output_name="model")
def make_model(x):
    import models
    print("make_model")
    return models.Model(name="m", points=[x])

@node(output_name="frame")
def make_frame(x):
    import pandas
    print("make_frame")
    return pandas.DataFrame({"x": [x, x + 1], "s": ["a", "b"]})

@node(output_name="area")
def area(point, when):
    print("area")
    return point.area() + when.day

@node(output_name="size")
def size(frame, model):
    print("size")
    return int(frame["x"].sum()) + len(model.points)

@node(output_name="fragile")
def make_fragile(x):
    print("make_fragile")
    return shapes.Fragile()

nodes = [make_point, make_when, make_model, make_frame, area, size, make_fragile]
cache = DiskCache(sys.argv[1], allow_pickle="FORBIDDEN" not in os.environ)
pipeline = Pipeline(nodes, cache=cache)
out = pipeline.run({"x": 3}, output_name=sys.argv[2:])
if "point" in out:
    assert out["point"] == shapes.Point(3, datetime.datetime(2024, 1, 3))
if "model" in out:
    import models
    assert out["model"] == models.Model(name="m", points=[3])
if "frame" in out:
    import pandas
    assert out["frame"].equals(pandas.DataFrame({"x": [3, 4], "s": ["a", "b"]}))
if "fragile" in out:
    assert type(out["fragile"]) is shapes.Fragile
print("area", out.get("area"), "size", out.get("size"))
print("damaged", pipeline.last_run.damaged_records)
"""


class Program:
    """A user's program with modules of its own, run in new processes."""

    def __init__(self, directory):
        self.directory = directory
        self.cache = directory / "cache"
        (directory / "models.py").write_text(MODELS)
        self.edit(factor=2)

    def edit(self, factor):
        """Changes a method that a consumer calls, and the producer."""
        for name, text in (("shapes", SHAPES), ("program", PROGRAM)):
            (self.directory / f"{name}.py").write_text(text.replace("{factor}", str(factor)))

    def start(self, *outputs, **variables):
        return subprocess.Popen(
            [sys.executable, "program.py", self.cache, *outputs],
            cwd=self.directory,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *outputs, **variables):
        """What it printed."""
        child = self.start(*outputs, **variables)
        out, _ = child.communicate()
        assert child.returncode == 0
        return out.splitlines()
