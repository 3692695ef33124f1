# SPDX-License-Identifier: MIT
"""Code in cache keys: an edit runs what it can change, and nothing else."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import hypernodes
from hypernodes import DiskCache, Node, Pipeline, SeqEngine, node

PACKAGE_DIR = str(pathlib.Path(hypernodes.__path__[0]).parent)


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


def ran(pipeline, value=1):
    """The nodes that a run calls."""
    pipeline.run({"x": value})
    return {name for name, did in pipeline.last_run.nodes.items() if did.rows_run}


# --- edits between processes --------------------------------------------------------------------

PROJECT = {
    "settings.py": """
        FACTOR = 3
        class Config:
            scale = 2
            names = ["a"]
    """,
    "helpers.py": """
        from settings import FACTOR
        def deepest(x):
            return x * FACTOR
        def helper(x):
            return abs(deepest(x) + 1)
    """,
    "shapes.py": """
        SIDES = 4
        def sides():
            return SIDES
        class Shape:
            def __init__(self, side):
                self.side = side
            def length(self):
                return self.side * sides()
    """,
    "late.py": """
        def late_helper(x):
            return x + 2
    """,
    "flow.py": '''
        import functools
        import json
        import sys
        import helpers
        import settings
        from hypernodes import DiskCache, Node, Pipeline, node
        from shapes import Shape

        def traced(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        def scaled(by):
            def scale(x):
                return x * by
            return scale

        class Adder:
            def add(self, x):
                return x + 1

        @node(output_name="helped")
        def help_(x):
            return helpers.helper(x)

        @node(output_name="consumed")
        def consume(helped):
            return -helped

        @node(output_name="configured")
        def configure(x):
            return settings.Config.scale * x, settings.Config.names

        @node(output_name="decorated")
        @traced
        def decorate(x):
            return x

        @node(output_name="defaulted")
        def default(x, by=2):
            return x * by

        @node(output_name="measured")
        def measure(shape):
            return shape.length()

        @node(output_name="imported")
        def import_(x):
            from late import late_helper
            return late_helper(x)

        @node(output_name="plain")
        def plain(x):
            """Adds."""
            return x + 1  # one

        closed = Node(scaled(4), "closed")
        bound = Node(Adder().add, "bound")
        inner = Pipeline([help_, consume, configure, decorate], name="inner")
        middle = Pipeline([inner.as_node()], name="middle")
        others = [default, measure, import_, plain, closed, bound]
        pipeline = Pipeline([middle.as_node(), *others], cache=DiskCache(sys.argv[1]))
    ''',
}

# Runs the project as it is in each of the folders, each time as if in a new process.
DRIVER = """
import importlib, json, sys
found = {}
for folder in sys.argv[2:]:
    sys.path.insert(0, folder)
    for name in ("settings", "helpers", "shapes", "late", "flow"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    flow = importlib.import_module("flow")
    flow.pipeline.run({"x": 1, "shape": flow.Shape(2)})
    nodes = flow.pipeline.last_run.nodes
    found[folder] = sorted(name for name, did in nodes.items() if did.rows_run)
    sys.path.remove(folder)
json.dump(found, sys.stdout)
"""

INNER = {"inner", "middle"}
EDITS = {
    "nothing": ("flow.py", "", "", set()),
    "comment": ("helpers.py", "return x * FACTOR", "return x * FACTOR  # so", set()),
    "docstring": ("flow.py", '"""Adds."""', '"""Adds one."""', set()),
    "formatting": ("flow.py", "return x + 1  # one", "return (\n        x\n + 1)", set()),
    "unread": ("settings.py", "FACTOR = 3", "FACTOR = 3\nUNREAD = 4", set()),
    "helper of a helper": ("helpers.py", "x * FACTOR", "x * FACTOR * 2", {"help_", "consume"}),
    "global of a helper": ("settings.py", "FACTOR = 3", "FACTOR = 5", {"help_", "consume"}),
    "helper": ("helpers.py", "deepest(x) + 1", "deepest(x) + 9", {"help_", "consume"}),
    "helper with the same result": ("helpers.py", "abs(", "int(", {"help_"}),
    "class attribute": ("settings.py", "scale = 2", "scale = 3", {"configure"}),
    "list in a class": ("settings.py", '["a"]', '["b"]', {"configure"}),
    "method of an input's class": ("shapes.py", "* sides()", "+ sides()", {"measure"}),
    "global of an input's class": ("shapes.py", "SIDES = 4", "SIDES = 6", {"measure"}),
    "closure": ("flow.py", "scaled(4)", "scaled(5)", {"scale"}),
    "default": ("flow.py", "by=2", "by=3", {"default"}),
    "decorator": ("flow.py", "return function(", "return [function][0](", {"decorate"}),
    "import in a function": ("late.py", "x + 2", "x + 3", {"import_"}),
    "method of a bound object": ("flow.py", "return x + 1\n\n", "return x + 9\n\n", {"add"}),
}


def python(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([PACKAGE_DIR, os.environ.get("PYTHONPATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(textwrap.dedent(content))
    return folder


@pytest.fixture(scope="module")
def edited_runs(tmp_path_factory):
    """What runs after each edit, in a process of another hash seed than the first."""
    base = tmp_path_factory.mktemp("project")
    cache = base / "cache"
    first = write(base / "first", PROJECT)
    everything = python("-c", DRIVER, cache, first, PYTHONHASHSEED="1")[str(first)]
    assert len(everything) == 12
    folders = {}
    for number, (edit, (file, old, new, _)) in enumerate(EDITS.items()):
        text = textwrap.dedent(PROJECT[file])
        assert old in text
        files = PROJECT | {file: text.replace(old, new, 1)}
        folders[edit] = str(write(base / str(number), files))
    found = python("-c", DRIVER, cache, *folders.values(), PYTHONHASHSEED="2")
    return {edit: set(found[folder]) for edit, folder in folders.items()}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_runs_what_it_can_change(edited_runs, edit):
    expected = EDITS[edit][3]
    inside = {"help_", "consume", "configure", "decorate"}
    if expected & inside:
        expected = expected | INNER
    assert edited_runs[edit] == expected


LIBRARY_USER = """
import json, sys
from hypernodes import DiskCache, Pipeline, node
import users_library

@node(output_name="out")
def use(x):
    return users_library.compute(x)

pipeline = Pipeline([use], cache=DiskCache(sys.argv[1]))
json.dump([pipeline.run({"x": 1})["out"], pipeline.last_run.nodes["use"].rows_run], sys.stdout)
"""


def test_an_installed_library_counts_by_its_version(tmp_path):
    found = []
    for number, (version, result) in enumerate([("1.0", 1), ("1.0", 2), ("1.1", 3)]):
        place = tmp_path / str(number) / "site-packages"
        notes = place / f"users_library-{version}.dist-info"
        notes.mkdir(parents=True)
        (notes / "METADATA").write_text(f"Name: users-library\nVersion: {version}\n")
        (notes / "top_level.txt").write_text("users_library\n")
        (place / "users_library.py").write_text(f"def compute(x): return {result}\n")
        path = os.pathsep.join([PACKAGE_DIR, str(place)])
        found.append(python("-c", LIBRARY_USER, tmp_path / "cache", PYTHONPATH=path))
    assert found == [[1, 1], [1, 0], [3, 1]]


# --- edits in one process -----------------------------------------------------------------------

NOTEBOOK = """
LIMIT = 3
TABLE = {"a": 1}
POINTS = []
calls = []
seen = 0

class Config:
    scale = 2

class Stats:
    count = 0

config = Config()
config.offset = 1
stats = Stats()

def inner(x):
    return x + LIMIT

def helper(x):
    return inner(x)

def f(x):
    global seen
    seen += 1
    stats.count += 1
    calls.append(x)
    return helper(x), TABLE["a"], Config.scale, config.offset, missing(), len(POINTS)

def missing():
    return 1
"""


def notebook():
    scope = {"__name__": "notebook"}
    exec(NOTEBOOK, scope)
    return scope


CELLS = {
    "helper": "def helper(x): return inner(x) + 1",
    "helper of a helper": "def inner(x): return x - LIMIT",
    "global": "LIMIT = 4",
    "item of a dict": "TABLE['a'] = 2",
    "another dict": "TABLE = {'a': 2}",
    "appended": "POINTS.append(1)",
    "class attribute": "Config.scale = 3",
    "class": "class Config:\n    scale = 5",
    "attribute of an object": "config.offset = 2",
    "method of an object's class": "Config.more = lambda self: 1",
    "code of a helper": "helper.__code__ = (lambda x: 7).__code__",
    "shadowed builtin": "len = lambda items: 5",
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_cell_that_changes_what_is_read_counts_at_the_next_run(cache, cell):
    scope = notebook()
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    assert [ran(pipeline) for _ in range(2)] == [{"f"}, set()]
    exec(cell, scope)
    assert [ran(pipeline) for _ in range(2)] == [{"f"}, set()]
    assert scope["calls"] == [1, 1]
    again = notebook()
    exec(cell, again)
    assert ran(Pipeline([Node(again["f"], "out")], cache=cache)) == set()


def test_a_cell_that_is_run_again_unchanged_hits(cache):
    scope = notebook()
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    pipeline.run({"x": 1})
    exec(NOTEBOOK, scope)
    assert ran(pipeline) == set()


def test_a_helper_that_comes_later_counts(cache):
    scope = {"__name__": "notebook"}
    exec("def f(x): return helper(x)", scope)
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    with pytest.raises(NameError):
        pipeline.run({"x": 1})
    exec("def helper(x): return 1", scope)
    assert pipeline.run({"x": 1}) == {"out": 1}
    exec("def helper(x): return 2", scope)
    assert pipeline.run({"x": 1}) == {"out": 2}
    exec("def helper(x): return 1", scope)
    assert ran(pipeline) == set()


def test_what_a_helper_closes_over_counts(cache):
    scope = {"__name__": "notebook"}
    exec(
        "def make():\n    by = 1\n    def scale(x): return x * by\n"
        "    def set_by(value):\n        nonlocal by\n        by = value\n"
        "    return scale, set_by\nscale, set_by = make()\ndef f(x): return scale(x)",
        scope,
    )
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    assert [ran(pipeline) for _ in range(2)] == [{"f"}, set()]
    scope["set_by"](5)
    assert pipeline.run({"x": 1}) == {"out": 5}
    scope["set_by"](1)
    assert ran(pipeline) == set()


def test_an_input_class_changed_in_place_counts(cache):
    class Shape:
        def length(self):
            return 1

    measure = Node(lambda x: x.length(), "out")
    pipeline = Pipeline([measure], cache=cache)
    assert pipeline.run({"x": Shape()}) == {"out": 1}
    Shape.length = lambda self: 2
    assert pipeline.run({"x": Shape()}) == {"out": 2}


def test_a_module_counts_as_it_was_loaded(cache, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    place = tmp_path / "users_late_module.py"
    place.write_text("def helper(): return 1\n")
    scope = {"__name__": "notebook"}
    exec("def f(x):\n from users_late_module import helper\n return helper()", scope)
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    assert pipeline.run({"x": 1}) == {"out": 1}
    place.write_text("def helper(): return 22\n")  # not what this process runs
    assert ran(pipeline) == set()
    del sys.modules["users_late_module"]
    assert pipeline.run({"x": 1}) == {"out": 22}
    del sys.modules["users_late_module"]


FACTOR = 2


def scaled(x):
    return x * FACTOR


@node(output_name="out")
def scale(x):
    return scaled(x)


def holders(cache):
    """A pipeline with the cache at each place it can be, two levels deep or not."""
    engine = SeqEngine(cache=cache)
    inner = [Pipeline([scale], name="inner").as_node()]
    deep = [Pipeline(inner, name="middle").as_node()]
    cached = [Pipeline([scale], name="inner", cache=cache).as_node()]
    on_engine = [Pipeline([scale], name="inner", engine=engine).as_node()]
    return {
        "pipeline": Pipeline([scale], cache=cache),
        "engine": Pipeline([scale], engine=engine),
        "outer pipeline": Pipeline(deep, cache=cache),
        "outer engine": Pipeline(deep, engine=engine),
        "inner pipeline": Pipeline(cached),
        "inner engine": Pipeline(on_engine),
        "innermost pipeline": Pipeline([Pipeline(cached, name="middle").as_node()]),
    }


@pytest.mark.parametrize("holder", holders(None))
def test_helpers_count_wherever_the_cache_is(cache, monkeypatch, holder):
    pipeline = holders(cache)[holder]
    assert "scale" in ran(pipeline)
    assert "scale" not in ran(pipeline)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3)
    assert pipeline.run({"x": 1}) == {"out": 3}
    assert "scale" not in ran(pipeline)
    mapped = pipeline.map({"x": [1, 5]}, map_over="x")
    assert mapped == [{"out": 3}, {"out": 15}]
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 4)
    assert pipeline.map({"x": [1, 5]}, map_over="x") == [{"out": 4}, {"out": 20}]


def test_an_engine_called_directly_looks_too(cache, monkeypatch):
    pipeline = Pipeline([scale])
    engine = SeqEngine(cache=cache)
    assert engine.run(pipeline, {"x": 1}) == {"out": 2}
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3)
    assert engine.run(pipeline, {"x": 1}) == {"out": 3}
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 4)
    assert engine.map(pipeline, {"x": [1]}, "x") == [{"out": 4}]


class OtherEngine:
    def run(self, pipeline, inputs, output_name=None):
        return SeqEngine().run(pipeline, inputs, output_name)

    def map(self, pipeline, inputs, map_over, map_mode="zip", output_name=None):
        return SeqEngine().map(pipeline, inputs, map_over, map_mode, output_name)


def test_what_an_inner_pipeline_on_another_engine_binds_counts(cache):
    inner = Pipeline([Node(lambda x, k: x + k, "out")], engine=OtherEngine(), name="i").bind(k=1)
    for outer in (
        Pipeline([inner.as_node()], cache=cache),
        Pipeline([Pipeline([inner.as_node()], name="middle").as_node()], cache=cache),
    ):
        inner.bind(k=1)
        assert outer.run({"x": 1}) == {"out": 2}
        inner.bind(k=5)
        assert outer.run({"x": 1}) == {"out": 6}


def test_a_pipeline_that_a_function_runs_counts(cache):
    inner = Pipeline([Node(lambda x, k: x + k, "out")], name="inner").bind(k=1)
    scope = {"__name__": "notebook", "inner": inner, "part": inner.as_node()}
    exec("def f(x): return inner.run({'x': x})['out'], part(x=x)['out']", scope)
    pipeline = Pipeline([Node(scope["f"], "out")], cache=cache)
    assert pipeline.run({"x": 1}) == {"out": (2, 2)}
    assert ran(pipeline) == set()
    inner.bind(k=5)
    assert pipeline.run({"x": 1}) == {"out": (6, 6)}


def test_the_code_hash_stays_the_function_s_own(cache):
    before = scale.code_hash
    Pipeline([scale], cache=cache).run({"x": 1})
    assert scale.code_hash == before


def test_a_node_that_is_not_cached_reads_nothing(cache):
    scope = {"__name__": "notebook", "handle": iter([1])}
    exec("def f(x): return handle and x", scope)
    pipeline = Pipeline([Node(scope["f"], "out", cache=False)], cache=cache)
    assert ran(pipeline) == {"f"}
