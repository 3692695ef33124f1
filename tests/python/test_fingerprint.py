# SPDX-License-Identifier: MIT
import ast
import collections
import dataclasses
import enum
import functools
import importlib
import math
import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import types
import typing

import pytest

import hypernodes
from hypernodes.fingerprint import (
    code_hash,
    dependencies,
    dependencies_hash,
    no_identity_reason,
)

PACKAGE_DIR = str(pathlib.Path(hypernodes.__path__[0]).parent)


def made(source, name="f", **scope):
    """A function without source, as a notebook or `exec` makes one."""
    scope["__name__"] = "made"
    exec(textwrap.dedent(source), scope)
    return scope[name]


def holding(value):
    """A function whose closure holds `value`."""

    def inner():
        return value

    return inner


def same(*sources):
    hashes = {code_hash(made(source)) for source in sources}
    assert None not in hashes
    return len(hashes) == 1


# --- what does not count ------------------------------------------------------------------------


def test_a_hash_is_64_hex_digits():
    found = code_hash(lambda x: x)
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    # why\n    if x > 1:  # big\n        return x * 2\n    return None",
        "\n\ndef f(x):\n    '''Doc.'''\n    if x > 1:\n        return x * 2\n    return None",
        "def f(x):\n    if x > 1: return x * 2\n    return None",
        "def f(\n    x\n):\n    if (\n        x\n        > 1\n    ):\n        return (\n x * 2\n )",
        "def f(x: int) -> 'int | None':\n    if x > 1:\n        return x * 2\n    return None",
        "def g(x):\n    if x > 1:\n        return x * 2\n    return None\nf = g",
    ],
    ids=["comment", "docstring", "one line", "many lines", "annotations", "name"],
)
def test_the_text_around_code_does_not_count(other):
    assert same("def f(x):\n    if x > 1:\n        return x * 2\n    return None", other)


def test_docstrings_inside_do_not_count():
    assert same(
        "def f(x):\n def g(): return 1\n class C:\n  def m(self): return 2\n return C, g",
        """
        def f(x):
            "doc"
            def g():
                "doc"
                return 1
            class C:
                "doc"

                def m(self):
                    "doc"
                    return 2
            return C, g
        """,
    )


def test_a_function_without_source_equals_the_one_in_a_file():
    def f(x, *, factor=2):
        """Scales."""
        return [x * factor for x in range(x) if x not in {1, 2}]

    source = "def f(x, *, factor=2):\n return [x*factor for x in range(x) if x not in {2, 1}]"
    assert code_hash(f) == code_hash(made(source))


def _flattened(tree):
    """Puts each function on one line: the strongest formatting there is."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ast.walk(node):
                if hasattr(part, "lineno"):
                    part.lineno = part.end_lineno = node.lineno
                    part.col_offset = part.end_col_offset = 0
        else:
            _flattened(node)


def _functions(code):
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_flags & 1:
                yield constant
            else:
                yield from _functions(constant)


@pytest.mark.parametrize(
    "module", ["ast", "collections", "dataclasses", "functools", "subprocess", "threading"]
)
def test_formatting_of_real_code_does_not_count(module):
    from hypernodes._fingerprint.code import code_digest

    tree = ast.parse(pathlib.Path(sys.modules[module].__file__).read_text())
    before = list(_functions(compile(tree, "before", "exec", dont_inherit=True)))
    _flattened(tree)
    after = list(_functions(compile(tree, "after", "exec", dont_inherit=True)))
    differing = [
        one.co_name
        for one, other in zip(before, after, strict=True)
        if code_digest(one) != code_digest(other)
    ]
    assert len(before) > 5
    assert differing == []


def test_what_a_try_covers_counts():
    code = made("def f(x):\n try: g()\n except A: h()").__code__
    assert code.co_exceptiontable
    bare = code.replace(co_exceptiontable=b"")
    functions = [types.FunctionType(one, {}) for one in (code, bare)]
    assert code_hash(functions[0]) != code_hash(functions[1])


def test_running_a_function_does_not_change_its_hash():
    def f(n):
        total = 0
        for i in range(n):
            total += math.sqrt(i) if i % 2 else -i
        return total

    before = code_hash(made("def f(n):\n return [i * 2 for i in range(n)]")), code_hash(f)
    g = made("def f(n):\n return [i * 2 for i in range(n)]")
    for _ in range(50):
        f(100), g(100)  # Bytecode specialises itself.
    fresh = types.FunctionType(f.__code__.replace(co_firstlineno=9), f.__globals__)
    assert (code_hash(g), code_hash(fresh)) == before


# --- what counts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + 1", "x + 2"),
        ("x + 1", "x + 1.0"),
        ("x + 1", "x + True"),
        ("x + 0.0", "x + -0.0"),
        ("x == 'a'", "x == b'a'"),
        ("x in (1, 2)", "x in (2, 1)"),
        ("x in (1, 2)", "x in {1, 2}"),
        ("x in {1, 2}", "x in {1, 3}"),
        ("x + 1", "1 + x"),
        ("x < 1", "x <= 1"),
        ("x is None", "x is not None"),
        ("x and 1", "x or 1"),
        ("1 if x else 2", "2 if x else 1"),
        ("not x", "x"),
        ("len(x)", "max(x)"),
        ("x.real", "x.imag"),
        ("f(x, k=1)", "f(x, j=1)"),
        ("f(x, 1)", "f(x, k=1)"),
        ("lambda: x", "lambda: 1"),
        ("[y for y in x]", "[y for y in x if y]"),
        ("f'{x}'", "f'{x!r}'"),
        ("x[1:2]", "x[1:3]"),
        ("...", "None"),
    ],
)
def test_the_code_counts(one, other):
    assert not same(f"def f(x): return {one}", f"def f(x): return {other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x", "def f(y): return y"),
        ("def f(x): return x", "def f(*x): return x"),
        ("def f(x): return x", "def f(x, /): return x"),
        ("def f(x): return x", "def f(*, x): return x"),
        ("def f(x): return x", "async def f(x): return x"),
        ("def f(x): return x", "def f(x): yield x"),
        ("def f(x, y=1): return x", "def f(x, y=2): return x"),
        ("def f(x, *, y=1): return x", "def f(x, *, y='1'): return x"),
        ("def f(x):\n try: g()\n except A: pass", "def f(x):\n try: g()\n except B: pass"),
        (
            "def f(x):\n try: g(); h()\n except A: pass",
            "def f(x):\n g()\n try: h()\n except A: pass",
        ),
        ("def f(x):\n while x: g()", "def f(x):\n if x: g()"),
        ("def f(x):\n while True: pass", "def f(x): pass"),
        ("def f(x):\n for i in x: g()\n h()", "def f(x):\n for i in x:\n  g()\n  h()"),
        ("def f(x):\n def g(): return 1\n return g", "def f(x):\n def g(): return 2\n return g"),
        ("def f(x):\n class C: a = 1\n return C", "def f(x):\n class C: a = 2\n return C"),
    ],
)
def test_the_shape_counts(one, other):
    assert not same(one, other)


def test_two_lambdas_on_a_line_differ():
    one, other = (lambda x: x + 1), (lambda x: x + 2)
    assert code_hash(one) != code_hash(other)


VALUES = [
    None, "None", True, 1, 1.0, "1", b"1", 0.0, -0.0, 2**80, (), [], "", {}, set(), frozenset(),
    [1], (1,), [[1]], {1}, {1: 2}, {"1": 2}, {"a": None}, "\ud800", bytearray(b"1"), 1j, range(3),
    math.nan, slice(1), pathlib.PurePosixPath("a"), typing.Any, list[int], int | None, math, len,
    int, str, collections.deque([1]), collections.Counter("a"), collections.OrderedDict(a=1),
    types.SimpleNamespace(a=1), str.upper, "a".upper, "b".upper, math.sqrt, math.sin, Ellipsis,
]  # fmt: skip


def test_values_in_closures_defaults_and_partials_count():
    def f(value):
        return value

    holders = {
        "closure": holding,
        "default": lambda value: types.FunctionType(f.__code__, {}, "f", (value,)),
        "partial": lambda value: functools.partial(f, value),
    }
    for hold in holders.values():
        hashes = [code_hash(hold(value)) for value in VALUES]
        assert None not in hashes
        assert len(set(hashes)) == len(VALUES)


def test_order_counts_where_it_means_something():
    assert code_hash(holding({"a": 1, "b": 2})) == code_hash(holding({"b": 2, "a": 1}))
    assert code_hash(holding({1, 2})) == code_hash(holding({2, 1}))
    assert code_hash(holding([1, 2])) != code_hash(holding([2, 1]))
    one, other = collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)
    assert code_hash(holding(one)) != code_hash(holding(other))


def test_helpers_in_closures_count():
    def twice(x):
        return x * 2

    def thrice(x):
        return x * 3

    assert code_hash(holding(twice)) != code_hash(holding(thrice))
    assert code_hash(holding(twice)) == code_hash(holding(made("def f(x):\n\n  return x * 2")))


def test_recursive_closures():
    def counter(step):
        def down(n):
            return up(n - step)

        def up(n):
            return n if n < 0 else down(n)

        return up

    assert code_hash(counter(1)) == code_hash(counter(1))
    assert code_hash(counter(1)) != code_hash(counter(2))
    loop = []
    loop.append(loop)
    assert code_hash(holding(loop)) is not None


def test_decorators_count_and_so_does_what_they_wrap():
    def times(factor):
        def decorate(function):
            @functools.wraps(function)
            def inner(*args):
                return factor * function(*args)

            return inner

        return decorate

    hashes = {code_hash(times(n)(f)) for n in (2, 3) for f in (lambda x: x, lambda x: -x)}
    assert len(hashes) == 4
    assert code_hash(times(2)(lambda x: x)) in hashes


def test_lru_cache_and_singledispatch_count_what_they_wrap():
    assert code_hash(functools.lru_cache(lambda x: x)) == code_hash(
        functools.lru_cache(lambda x: x)
    )
    assert code_hash(functools.lru_cache(lambda x: x)) != code_hash(
        functools.lru_cache(lambda x: 1)
    )

    def dispatched(result):
        f = functools.singledispatch(lambda x: None)
        f.register(int, lambda x: result)
        return f

    assert code_hash(dispatched(1)) == code_hash(dispatched(1))
    assert code_hash(dispatched(1)) != code_hash(dispatched(2))


# --- objects and classes ------------------------------------------------------------------------


class Scale:
    """Its public attributes are its state."""

    def __init__(self, factor, note=None):
        self.factor, self._note = factor, note

    def apply(self, x):
        return x * self.factor

    def __call__(self, x):
        return self.apply(x)

    @classmethod
    def build(cls):
        return cls(1)


class Hidden:
    def __init__(self, value):
        self._value = value

    def __call__(self):
        return self._value


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Keyed:
    def __init__(self, name):
        self.name, self.handle = name, threading.Thread()

    def __cache_key__(self):
        return self.name


@dataclasses.dataclass
class Point:
    x: int
    _y: int = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Named(typing.NamedTuple):
    a: int
    b: str = ""


def test_bound_methods_and_callable_objects_count_their_object():
    assert code_hash(Scale(2).apply) == code_hash(Scale(2).apply)
    assert code_hash(Scale(2).apply) != code_hash(Scale(3).apply)
    assert code_hash(Scale(2)) != code_hash(Scale(3))
    assert code_hash(Scale(2)) != code_hash(Scale(2).apply)
    assert code_hash(Scale.build) != code_hash(Scale(2).apply)


def test_private_attributes_count_only_where_there_is_no_other_or_a_field_declares_them():
    assert code_hash(Scale(2, "a")) == code_hash(Scale(2, "b"))
    assert code_hash(Hidden(1)) != code_hash(Hidden(2))
    assert code_hash(holding(Point(1, 2))) != code_hash(holding(Point(1, 3)))


def test_objects_of_all_kinds():
    values = [
        Slotted(1), Slotted(2), Keyed("a"), Keyed("b"), Point(1), Point(2), Colour.RED, Colour.BLUE,
        Named(1), Named(2), Named(1, "b"), (1, ""), 1, Scale, Hidden, Colour, Point, Named,
    ]  # fmt: skip
    hashes = [code_hash(holding(value)) for value in values]
    assert None not in hashes
    assert len(set(hashes)) == len(values)
    assert code_hash(holding(Keyed("a"))) == code_hash(holding(Keyed("a")))


CLASSES = {
    "method": ("def m(self): return 1", "def m(self): return 2"),
    "attribute": ("a = 1", "a = 2"),
    "staticmethod": ("m = staticmethod(lambda: 1)", "m = staticmethod(lambda: 2)"),
    "property": ("p = property(lambda self: 1)", "p = property(lambda self: 2)"),
    "cached": (
        "from functools import cached_property as c\n    p = c(lambda s: 1)",
        "from functools import cached_property as c\n    p = c(lambda s: 2)",
    ),
}


@pytest.mark.parametrize(("one", "other"), CLASSES.values(), ids=CLASSES)
def test_the_code_of_a_class_counts(one, other):
    first = made(f"class f:\n    {one}")
    again = made(f"class f:\n    'A docstring.'\n\n    {one}  # and a comment")
    second = made(f"class f:\n    {other}")
    derived = made("class f(Base): pass", Base=first), made("class f(Base): pass", Base=second)
    assert code_hash(first) == code_hash(again)
    assert code_hash(first) != code_hash(second)
    assert code_hash(holding(first())) != code_hash(holding(second()))
    assert code_hash(derived[0]) != code_hash(derived[1])


DECLARED = "import dataclasses, enum, typing\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "@dataclasses.dataclass\nclass f:\n    a: int = 1",
            "@dataclasses.dataclass\nclass f:\n    a: int = 2",
        ),
        (
            "@dataclasses.dataclass\nclass f:\n    a: int\n    def m(self): return 1",
            "@dataclasses.dataclass\nclass f:\n    a: int\n    def m(self): return 2",
        ),
        (
            "@dataclasses.dataclass\nclass f:\n    a: int\n    def __init__(self): self.a = 1",
            "@dataclasses.dataclass\nclass f:\n    a: int\n    def __init__(self): self.a = 2",
        ),
        ("class f(enum.Enum):\n    A = 1", "class f(enum.Enum):\n    A = 2"),
        (
            "class f(enum.Enum):\n    A = 1\n    def __str__(self): return 'a'",
            "class f(enum.Enum):\n    A = 1\n    def __str__(self): return 'b'",
        ),
        (
            "class f(typing.NamedTuple):\n    a: int = 1",
            "class f(typing.NamedTuple):\n    a: int = 2",
        ),
        (
            "class f(typing.NamedTuple):\n    a: int\n    def m(self): return 1",
            "class f(typing.NamedTuple):\n    a: int\n    def m(self): return 2",
        ),
    ],
)
def test_declared_classes_count_what_they_declare(one, other):
    first, again, second = (made(DECLARED + source) for source in (one, one, other))
    assert code_hash(first) == code_hash(again) is not None
    assert code_hash(first) != code_hash(second)


@pytest.mark.parametrize("library", ["pydantic", "attrs"])
def test_models(library):
    module = pytest.importorskip(library)
    source = {
        "pydantic": "class f(library.BaseModel):\n    a: int = {0}\n    def m(self): return {1}",
        "attrs": "@library.define\nclass f:\n    a: int = {0}\n    def m(self): return {1}",
    }[library]
    first, again, default, method = (
        made(source.format(*numbers), library=module)
        for numbers in ((1, 1), (1, 1), (2, 1), (1, 2))
    )
    assert code_hash(first) == code_hash(again) is not None
    assert len({code_hash(cls) for cls in (first, default, method)}) == 3
    assert code_hash(holding(first(a=5))) == code_hash(holding(again(a=5))) is not None
    assert code_hash(holding(first(a=5))) != code_hash(holding(first(a=6)))


def test_numpy_values():
    numpy = pytest.importorskip("numpy")
    arrays = [
        numpy.zeros(6), numpy.zeros((2, 3)), numpy.zeros((3, 2)), numpy.zeros(6, "f4"),
        numpy.zeros(6, "i8"), numpy.ones(6), numpy.float64(0), numpy.float32(0), 0.0,
    ]  # fmt: skip
    hashes = [code_hash(holding(array)) for array in arrays]
    assert len({*hashes, None}) == len(arrays) + 1
    view = numpy.arange(6)[::2]
    assert code_hash(holding(view)) == code_hash(holding(view.copy()))
    assert code_hash(numpy.add) != code_hash(numpy.subtract)
    objects = [numpy.array([1, "a", None], object), numpy.array([1, "a", 0], object)]
    assert len({code_hash(holding(array)) for array in objects} - {None}) == 2
    assert code_hash(holding(numpy.array([iter([1])]))) is None


def test_what_has_no_identity_has_none_and_says_why(tmp_path):
    with (tmp_path / "x").open("w") as file:
        assert code_hash(holding(file)) is None
        assert "TextIOWrapper in a closure" in no_identity_reason(holding(file))
        assert code_hash(Scale(file).apply) is None
        assert "class Scale" in no_identity_reason(Scale(file).apply)
        assert code_hash(functools.partial(print, file=file)) is None
    assert code_hash(holding(iter([1]))) is None
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert code_hash(holding(deep)) is None
    assert no_identity_reason(holding(1)) is None


# --- everywhere the same ------------------------------------------------------------------------

PROBE = """
import functools, math, enum, dataclasses
from hypernodes.fingerprint import code_hash, dependencies_hash

LIMIT = {"a", "b", "c"}

class Model:
    words = {"x", "y", "z"}
    def __init__(self): self.names = {"one", "two", "three"}
    def check(self, x): return x in {"red", "green", "blue"}

@dataclasses.dataclass
class Config:
    name: str = "a"
    tags: frozenset = frozenset({"p", "q", "r"})

def outer(items, mapping):
    def inner(x): return x in {"k", "l", "m"}, items, mapping
    return inner

def helper(x):
    "A helper."
    return x in LIMIT

def reads(x): return helper(x), math.sqrt(x), Model().check(x)

class Kind(enum.Enum):
    A = "a"
    B = "b"
    def m(self): return self.value

found = [outer({"a", "b", "c"}, {"k": {"v", "w"}}), Model().check, Model, Config, Config(), reads,
         functools.partial(reads, x=frozenset({"s", "t"})), lambda x: x, len, math.sqrt, Kind,
         functools.lru_cache(reads), outer(Kind.A, Kind)]
hashes = [code_hash(f) for f in found] + [dependencies_hash(reads)]
assert None not in hashes
print("\\n".join(hashes))
"""


def probe(python, seed, script):
    path = os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), PACKAGE_DIR])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    # The package itself needs its native module; the fingerprint can do without.
    stub = "import sys, types; p = types.ModuleType('hypernodes'); sys.modules['hypernodes'] = p;"
    stub += f"p.__path__ = [{PACKAGE_DIR + '/hypernodes'!r}];"
    stub += "p._core = types.SimpleNamespace(plain_digest=lambda value: None);"
    run = f"{stub} import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    done = subprocess.run(
        [python, "-W", "error", "-c", run], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_same_in_every_process_and_place(tmp_path):
    places = [tmp_path / "probe.py", tmp_path / "elsewhere.py"]
    places[0].write_text(PROBE)
    places[1].write_text("# moved\n\n" + PROBE)
    found = [probe(sys.executable, seed, place) for seed in "123" for place in places]
    assert len(found[0]) == 14
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("minor", [12, 13])
def test_the_same_in_every_process_of_other_pythons(tmp_path, minor):
    pythons = sorted(pathlib.Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python"))
    if not pythons:
        pytest.skip(f"no Python 3.{minor}")
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    found = [probe(pythons[0], seed, script) for seed in "12"]
    assert found[0] == found[1]
    assert len(set(found[0])) == 14


# --- dependencies -------------------------------------------------------------------------------

READER = """
import math

LIMIT = 3
calls, seen, counts, total = [], {}, {"n": 0}, 0

def inner(x): return x + LIMIT
def helper(x): return inner(x)

class Tool:
    def use(self, x): return helper(x)

def f(x):
    global total
    calls.append(x)
    seen[x] = x
    counts["n"] += 1
    total += 1
    return Tool().use(x) + math.sqrt(x) + len("a")
"""


def edited(old, new, name="f"):
    assert old in READER
    return made(READER.replace(old, new), name)


def test_dependencies_are_named():
    names = dependencies(made(READER))
    assert set(names) == {"made.Tool", "made.helper", "made.inner", "made.LIMIT", "made.math.sqrt"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = '3'"),
        ("return x + LIMIT", "return x - LIMIT"),
        ("return inner(x)", "return inner(x) + 1"),
        ("return helper(x)", "return helper(x) * 2"),
        ("math.sqrt(x)", "math.sin(x)"),
    ],
)
def test_what_the_code_reads_counts(old, new):
    assert dependencies_hash(made(READER)) == dependencies_hash(edited("LIMIT", "LIMIT"))
    assert dependencies_hash(made(READER)) != dependencies_hash(edited(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "def inner(x): return x + LIMIT",
            "def inner(x):\n    'Adds.'\n    return x + LIMIT  # so",
        ),
        ("calls, seen", "unread = 5\ncalls, seen"),
    ],
)
def test_what_the_code_does_not_read_does_not_count(old, new):
    assert dependencies_hash(made(READER)) == dependencies_hash(edited(old, new))


def test_counting_calls_is_not_reading():
    function = made(READER)
    before = dependencies_hash(function)
    function(2)
    assert function.__globals__["counts"] == {"n": 1}
    assert function.__globals__["calls"] == [2]
    assert dependencies_hash(function) == before


@pytest.mark.parametrize(
    "body",
    [
        "return len(calls)",
        "calls.append(x); return calls",
        "return calls.append(x)",
        "y = calls; return y",
        "return [c for c in calls]",
        "kept = {}; kept[x] = calls",
        "kept = {}; kept[len(calls)] = x",
        "f(x).append(calls)",
        "calls.append(x).y",
        "calls.append(x) if calls else None",
        "x += calls",
        "return (lambda: calls)()",
        "calls.pop(); return x",
    ],
)
def test_reading_a_list_is_reading(body):
    function = made(f"calls = [1]\ndef f(x): {body}")
    before = dependencies_hash(function)
    function.__globals__["calls"].append(2)
    assert dependencies_hash(function) != before


@pytest.mark.parametrize(
    "body",
    [
        "calls.append(x)",
        "calls.append([len(x), (1 + x) * 2])",
        "calls[x + 1] = len(x)",
        "calls[0] += 1",
        "global calls; calls += [x, len(x)]",
    ],
)
def test_filling_a_container_is_not_reading(body):
    function = made(f"calls = [1]\ndef f(x):\n    {body}\n    return x")
    before = dependencies_hash(function)
    function.__globals__["calls"].append(2)
    assert dependencies_hash(function) == before


def test_filling_a_container_in_a_closure_is_not_reading():
    def counting(body):
        source = f"def make(calls):\n def f(x):\n  {body}\n  return x\n return f"
        return made(source, "make")

    for body in ("calls.append(x)", "calls[0] += x", "calls[x] = x", "nonlocal calls; calls += x"):
        make = counting(body)
        assert code_hash(make([])) == code_hash(make([1])) is not None
        assert code_hash(make([])) != code_hash(make(()))
    for body in ("x = calls", "calls.append(x); x = len(calls)", "(lambda: calls)()"):
        make = counting(body)
        assert code_hash(make([])) != code_hash(make([1]))


def test_an_edited_helper_counts_at_once():
    scope = {"__name__": "notebook"}
    exec("def helper(x): return x\ndef f(x): return helper(x)", scope)
    before = dependencies_hash(scope["f"]), code_hash(scope["f"])
    exec("def helper(x): return -x", scope)
    assert dependencies_hash(scope["f"]) != before[0]
    assert code_hash(scope["f"]) == before[1]


def test_helpers_reached_in_any_way():
    sources = {
        "decorator": "def d(g): return lambda x: g(x) + K\n@d\ndef f(x): return x",
        "default": "def g(x): return K\ndef f(x, h=g): return h(x)",
        "method": "class C:\n def m(self): return K\nf = C().m",
        "object": "class C:\n def __call__(self): return K\nf = C()",
        "global object": "class C:\n def m(self): return K\nc = C()\ndef f(x): return c.m()",
        "base": "class B:\n def m(self): return K\nclass C(B): pass\ndef f(x): return C().m()",
        "nested": "def f(x):\n def g(): return [K for _ in x]\n return g",
        "dict": "def g(): return K\ntable = {'g': g}\ndef f(x): return table[x]()",
        "partial": "import functools\ndef g(x): return K\nf = functools.partial(g, 1)",
        "cached": "import functools\n@functools.lru_cache\ndef f(x): return K",
    }
    for way, source in sources.items():
        function = made("K = 1\n" + source)
        again, other = made("K = 1\n" + source), made("K = 2\n" + source)
        assert dependencies_hash(function) == dependencies_hash(again), way
        assert dependencies_hash(function) != dependencies_hash(other), way


def test_modules_of_the_user_are_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # One file, written twice in a second.
    place = tmp_path / "users_module.py"
    hashes = set()
    for number in (1, 2):
        place.write_text(f"def helper(): return {number}\nother = {number}\n")
        sys.modules.pop("users_module", None)
        importlib.invalidate_caches()
        through_module = made("import users_module\ndef f(): return users_module.helper()")
        by_name = made("from users_module import helper\ndef f(): return helper()")
        inside = made("def f():\n from users_module import helper\n return helper()")
        hashes |= {dependencies_hash(f) for f in (through_module, by_name, inside)}
    sys.modules.pop("users_module", None)
    assert len(hashes - {None}) == 6


@pytest.mark.parametrize("loaded", [False, True])
def test_imports_inside_a_function_are_followed_unloaded_too(tmp_path, monkeypatch, loaded):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "top.py").write_text("from .deep import helper\n")
    hashes = set()
    for number in (1, 22, 333):
        (package / "deep.py").write_text(f"def helper(): return {number}\n")
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.startswith("users_package")]:
            del sys.modules[name]
        function = made("def f():\n from users_package import top\n return top.helper()")
        before = dependencies_hash(function)
        if loaded:
            assert function() == number
            assert dependencies_hash(function) == before
        hashes.add(before)
    assert len(hashes - {None}) == 3


def test_a_global_without_identity_gives_none(tmp_path):
    with (tmp_path / "x").open("w") as file:
        function = made("def f(x): return log", log=file)
        assert dependencies_hash(function) is None
        assert dependencies(function) is None
        assert "global log" in no_identity_reason(function)
        assert code_hash(function) is not None


def test_loggers_and_locks_are_not_data():
    source = """
    import logging, threading
    log, lock = logging.getLogger("a"), threading.Lock()
    def f(x):
        with lock:
            log.info(x)
    """
    assert dependencies_hash(made(source)) == dependencies_hash(made(source)) is not None
