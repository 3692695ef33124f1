# SPDX-License-Identifier: MIT
"""Why a node ran: what a run would find in the cache, told without running anything."""

import asyncio
import json
import os
import pathlib
import random
import subprocess
import sys
import textwrap

import pytest

import hypernodes
from hypernodes import DiskCache, DualNode, Explanation, Node, Pipeline, SeqEngine, node, stateful
from hypernodes.cache import Cache
from hypernodes.exceptions import PlanError

PACKAGE_DIR = str(pathlib.Path(hypernodes.__path__[0]).parent)


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


def told(explanation):
    """Status, reason and names by node."""
    return {each.name: (each.status, each.reason, *each.changed) for each in explanation}


HIT = ("hit", "stored")


# --- edits between processes --------------------------------------------------------------------

PROJECT = {
    "myapp/__init__.py": "",
    "myapp/settings.py": """
        LIMIT = 5
        WORDS = ["a"]
    """,
    "myapp/text.py": """
        from . import settings
        class Cleaner:
            def clean(self, text):
                return text.strip()
        def normalise(text):
            return Cleaner().clean(text)[: settings.LIMIT]
    """,
    "myapp/late.py": """
        SUFFIX = "!"
    """,
    "flow.py": """
        import users_library
        from hypernodes import DiskCache, Node, Pipeline, node
        from myapp import settings, text

        def counter(by):
            def count(clean, least=0):
                return max(least, len(clean) * by)
            return count

        @node("clean")
        def tidy(raw):
            return text.normalise(raw)

        @node("index")
        def build(clean, k):
            return [clean, k, settings.WORDS]

        @node("loud")
        def shout(clean):
            from myapp.late import SUFFIX
            return clean + SUFFIX + users_library.mark()

        nodes = [tidy, build, Node(counter(2), "size"), shout]
        pipeline = Pipeline(nodes, cache=DiskCache("cache"))
        inputs = {"raw": " words ", "k": 1}
    """,
    "installed/site-packages/users_library.py": """
        def mark():
            return "?"
    """,
    "installed/site-packages/users_library-1.0.dist-info/METADATA": """
        Name: users-library
        Version: 1.0
    """,
}

# Forks for each edit, in a folder of its own: every one has the cache that one run has filled.
DRIVER = """
import json, os, sys
import hypernodes.cache, hypernodes.pipeline
edits, found = json.loads(sys.argv[1]), {}
def explain(code):
    scope = {}
    exec(code, scope)
    pipeline, inputs = scope["pipeline"], scope["inputs"]
    if "run" in scope:
        pipeline.run(inputs)
    answers = {each.name: (each.status, each.reason, each.changed, each.detail)
               for each in pipeline.explain(inputs)}
    pipeline.run(inputs)
    return answers, {name: did.rows_run for name, did in pipeline.last_run.nodes.items()}
for name, (folder, code) in edits.items():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.path[:0] = [folder, folder + "/installed/site-packages"]
        try:
            text = json.dumps(explain(code))
        except BaseException as error:
            text = json.dumps(repr(error))
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found[name] = json.loads(pipe.read())
    os.waitpid(child, 0)
print(json.dumps(found))
"""

# What is edited, and how each node answers: status, reason, names of what has changed.
WAITS = ("waits", "waits", "tidy")
EDITS = {
    "nothing": ({}, {}),
    "a comment": ({"myapp/text.py": ("def normalise", "# nothing\ndef normalise")}, {}),
    "the function": (
        {"flow.py": ("[clean, k,", "[k, clean,")},
        {"build": ("miss", "code_changed", "flow.build")},
    ),
    "a helper": (
        {"myapp/text.py": ("clean(text)[:", "clean(text)[0:")},
        {
            "tidy": ("miss", "code_changed", "myapp.text.normalise"),
            "build": WAITS,
            "count": WAITS,
            "shout": WAITS,
        },
    ),
    "a class": (
        {"myapp/text.py": ("text.strip()", "text.rstrip().lstrip()")},
        {
            "tidy": ("miss", "code_changed", "myapp.text.Cleaner"),
            "build": WAITS,
            "count": WAITS,
            "shout": WAITS,
        },
    ),
    "a number": (
        {"myapp/settings.py": ("LIMIT = 5", "LIMIT = 4")},
        {
            "tidy": ("miss", "code_changed", "myapp.settings.LIMIT"),
            "build": WAITS,
            "count": WAITS,
            "shout": WAITS,
        },
    ),
    "a list": (
        {"myapp/settings.py": ('WORDS = ["a"]', 'WORDS = ["b"]')},
        {"build": ("miss", "code_changed", "myapp.settings.WORDS")},
    ),
    "a closure": (
        {"flow.py": ("counter(2)", "counter(3)")},
        {"count": ("miss", "code_changed", "by")},
    ),
    "a default": (
        {"flow.py": ("least=0", "least=1")},
        {"count": ("miss", "code_changed", "least")},
    ),
    "a module imported inside": (
        {"myapp/late.py": ('"!"', '"!!"')},
        {"shout": ("miss", "code_changed", "myapp.late")},
    ),
    "a library": (
        {"installed/site-packages/users_library-1.0.dist-info/METADATA": ("1.0", "1.1")},
        {"shout": ("miss", "library_changed", "users_library")},
    ),
    "an input": (
        {"flow.py": ('"k": 1', '"k": 2')},
        {"build": ("miss", "input_changed", "k")},
    ),
    "the first input": (
        {"flow.py": ('" words "', '" worms "')},
        {
            "tidy": ("miss", "input_changed", "raw"),
            "build": WAITS,
            "count": WAITS,
            "shout": WAITS,
        },
    ),
    "the function and an input": (
        {"flow.py": ("[clean, k,", "[k, clean,"), "flow.py ": ('"k": 1', '"k": 2')},
        {"build": ("miss", "code_changed", "flow.build", "k")},
    ),
    "a node that is switched off": (
        {"flow.py": ('@node("index")', '@node("index", cache=False)')},
        {"build": ("uncached", "not_cached")},
    ),
    "a node's name": ({"flow.py": ("shout", "roar")}, {}),
}


@pytest.fixture(scope="module")
def after_edits(tmp_path_factory):
    """What explain says after each edit, and how many rows each node then ran."""
    base = tmp_path_factory.mktemp("projects")

    def write(folder, edits):
        for name, body in PROJECT.items():
            path = base / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = textwrap.dedent(body).lstrip()
            for edited, (before, after) in edits.items():
                if edited.strip() == name:
                    assert before in text
                    text = text.replace(before, after)
            path.write_text(text)
        return str(base / folder)

    def drive(edits):
        command = [sys.executable, "-c", DRIVER, json.dumps(edits)]
        environment = {**os.environ, "PYTHONPATH": PACKAGE_DIR, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = drive({"first": (write("first", {}), "from flow import *")})["first"]
    jobs = {}
    for number, (name, (edits, _)) in enumerate(EDITS.items()):
        folder = write(str(number), edits)
        (base / str(number) / "cache").mkdir()
        # LMDB's file is sparse: only what is written is copied.
        copied = (base / "first" / "cache" / "records.mdb").read_bytes()
        (base / str(number) / "cache" / "records.mdb").write_bytes(copied)
        jobs[name] = (folder, "from flow import *")
    return first, drive(jobs)


def test_nothing_is_known_at_first(after_edits):
    (answers, ran), _ = after_edits
    assert {name: (status, reason) for name, (status, reason, *_) in answers.items()} == {
        "tidy": ("miss", "never_computed"),
        "build": ("waits", "waits"),
        "count": ("waits", "waits"),
        "shout": ("waits", "waits"),
    }
    assert set(ran.values()) == {1}


@pytest.mark.parametrize("name", list(EDITS))
def test_an_edit_is_named_exactly(after_edits, name):
    answers, ran = after_edits[1][name]
    expected = dict.fromkeys(["tidy", "build", "count", "shout"], HIT) | EDITS[name][1]
    if name == "a node's name":
        expected["roar"] = expected.pop("shout")
    got = {each: (status, why, *changed) for each, (status, why, changed, _) in answers.items()}
    assert got == expected
    for each, (status, *_) in expected.items():  # what it said is what the run did
        if status != "waits":
            assert ran[each] == (status != "hit")


@pytest.mark.parametrize(
    ("name", "each", "words"),
    [
        ("a helper", "tidy", "code changed: helper myapp.text.normalise"),
        ("a helper", "build", "for tidy"),
        ("a class", "tidy", "code changed: class myapp.text.Cleaner"),
        ("a list", "build", "code changed: global myapp.settings.WORDS"),
        ("a closure", "count", "code changed: closure value by"),
        ("a default", "count", "code changed: default least"),
        ("a module imported inside", "shout", "code changed: module myapp.late"),
        ("a library", "shout", "library version changed: users_library 1.0 -> 1.1"),
        ("an input", "build", "input changed: k"),
        (
            "the function and an input",
            "build",
            "code changed: function flow.build; input changed: k",
        ),
    ],
)
def test_the_words_say_what_it_was(after_edits, name, each, words):
    assert after_edits[1][name][0][each][3] == words


# --- one process --------------------------------------------------------------------------------


def test_a_chain_waits_for_its_first_cause(cache):
    calls = []

    @node("b")
    def first(a):
        calls.append("first")
        return a % 10

    @node("c")
    def second(b):
        calls.append("second")
        return b + 1

    @node("d")
    def third(c):
        calls.append("third")
        return c + 1

    pipeline = Pipeline([first, second, third], cache=cache)
    explanation = pipeline.explain({"a": 1})
    assert told(explanation) == {
        "first": ("miss", "never_computed"),
        "second": ("waits", "waits", "first"),
        "third": ("waits", "waits", "first"),
    }
    assert str(explanation) == (
        "first   miss   never computed\nsecond  waits  for first\nthird   waits  for first"
    )
    assert calls == []
    pipeline.run({"a": 1})
    assert set(told(pipeline.explain({"a": 1})).values()) == {HIT}
    assert told(pipeline.explain({"a": 11}))["second"] == ("waits", "waits", "first")
    pipeline.run({"a": 11})
    assert calls == ["first", "second", "third", "first"]  # an early cutoff: it did not have to run
    assert repr(pipeline.explain({"a": 11})) == "Explanation(first: hit, second: hit, third: hit)"


def test_rows_of_a_map(cache):
    calls = []

    @node("y")
    def double(x, k):
        calls.append(x)
        return x * k

    pipeline = Pipeline([double], cache=cache)
    pipeline.map({"x": [1, 2], "k": 1}, map_over="x")
    calls.clear()
    explanation = pipeline.explain({"x": [1, 3, 2, 3], "k": 1}, map_over="x")
    each = explanation.nodes["double"]
    assert [(row.status, row.reason) for row in each.rows] == [
        HIT,
        ("miss", "new_inputs"),
        HIT,
        ("waits", "same_inputs"),
    ]
    assert {answer.reason: count for answer, count in each.counts.items()} == {
        "stored": 2,
        "new_inputs": 1,
        "same_inputs": 1,
    }
    assert (each.status, each.reason) == ("miss", "new_inputs")
    assert explanation.row(1)["double"].detail == "never computed for these inputs"
    assert each.rows[-1] == each.row(3) == each.rows[1:][2]
    with pytest.raises(IndexError, match="no row 4"):
        explanation.row(4)
    assert str(explanation).splitlines() == [
        "double  2  hit",
        "        1  miss   never computed for these inputs",
        "        1  waits  for an earlier row with the same inputs",
    ]
    other = pipeline.explain({"x": [1, 2, 3], "k": 2}, map_over="x").nodes["double"]
    assert [(row.reason, *row.changed) for row in other.rows] == [
        ("input_changed", "k"),
        ("input_changed", "k"),
        ("new_inputs",),
    ]
    product = pipeline.explain({"x": [1, 5], "k": [1, 2]}, ["x", "k"], map_mode="product")
    assert [row.status for row in product.nodes["double"].rows] == ["hit", "miss", "miss", "miss"]
    assert pipeline.explain({"x": [], "k": 1}, map_over="x").nodes["double"].status == "hit"
    assert calls == []


def test_many_rows_are_no_objects(cache):
    @node("y")
    def double(x):
        return x * 2

    pipeline = Pipeline([double], cache=cache)
    count = 140_000  # more than one block
    explanation = pipeline.explain({"x": range(count)}, map_over="x")
    each = explanation.nodes["double"]
    assert list(each.counts.values()) == [count]
    assert each.rows[count - 1].reason == explanation.row(17)["double"].reason == "never_computed"


def test_reasons_not_to_be_cached(cache):
    @node("a", cache=False)
    def always(x):
        return 1

    @node("b")
    def of_objects(thing):
        return 1

    stream = iter(())

    @node("c")
    def reads_a_stream(x):
        return next(stream, x)

    @node("d")
    def after(a):
        return a

    pipeline = Pipeline([always, of_objects, reads_a_stream, after], cache=cache)
    explanation = pipeline.explain({"x": 1, "thing": iter(())})
    assert told(explanation) == {
        "always": ("uncached", "not_cached"),
        "of_objects": ("uncached", "no_digest", "thing"),
        "reads_a_stream": ("uncached", "no_identity"),
        "after": ("waits", "waits", "always"),
    }
    assert "its input 'thing' cannot be digested: " in explanation.nodes["of_objects"].detail
    assert "its code has no digest: " in explanation.nodes["reads_a_stream"].detail
    uncached = Pipeline([after]).explain({"a": 1})
    assert str(uncached) == "after  uncached  there is no cache"


def test_inner_nodes_are_asked_if_their_pipeline_is_entered(cache):
    calls = []

    def make(by):
        @node("y")
        def inner(x):
            calls.append(x)
            return x + by

        @node("z")
        def last(y):
            return y

        return Pipeline([inner, last], name="prep")

    outer = Pipeline([make(1)], cache=cache)
    assert told(outer.explain({"x": 1})) == {
        "prep": ("miss", "never_computed"),
        "prep.inner": ("miss", "never_computed"),
        "prep.last": ("waits", "waits", "prep.inner"),
    }
    outer.run({"x": 1})
    assert told(outer.explain({"x": 1})) == {"prep": HIT}
    edited = Pipeline([make(2)], cache=cache).explain({"x": 1})
    assert told(edited) == {
        "prep": ("miss", "code_changed", "by"),
        "prep.inner": ("miss", "code_changed", "by"),
        "prep.last": ("waits", "waits", "prep.inner"),
    }
    rows = outer.explain({"x": [1, 2, 3, 1]}, map_over="x")
    assert [row.status for row in rows.nodes["prep"].rows] == ["hit", "miss", "miss", "hit"]
    assert len(rows.nodes["prep.inner"].rows) == 2
    assert set(rows.row(0)) == {"prep"}
    assert rows.row(2)["prep.inner"].reason == "new_inputs"
    assert calls == [1]


def test_bound_values_and_lists_of_nested_pipelines(cache):
    @node("y")
    def scale(x, k):
        return x * k

    def pipeline(k):
        inner = Pipeline([scale], name="inner").bind(k=k)
        return Pipeline([inner.as_node(map_over="x")], cache=cache)

    pipeline(1).run({"x": [1, 2]})
    assert told(pipeline(1).explain({"x": [1, 2]})) == {"inner": HIT}
    changed = pipeline(2).explain({"x": [1, 2]})
    assert told(changed) == {
        "inner": ("miss", "input_changed", "bound k"),
        "inner.scale": ("miss", "input_changed", "k"),
    }
    more = pipeline(1).explain({"x": [1, 2, 3]})
    assert more.nodes["inner"].status == "miss"
    assert [row.status for row in more.nodes["inner.scale"].rows] == ["hit", "hit", "miss"]
    assert pipeline(1).explain({"x": 1}).nodes["inner"].status == "miss"  # the run will refuse it


def test_overrides_bound_values_and_asked_outputs(cache):
    @node("b")
    def first(a):
        return a

    @node("c")
    def second(b):
        return b

    @node("d")
    def other(a):
        return a

    pipeline = Pipeline([first, second, other], cache=cache).bind(a=1)
    assert list(pipeline.explain(output_name="c").nodes) == ["first", "second"]
    assert told(pipeline.explain(output_name="c", overrides={"b": 4})) == {
        "second": ("miss", "never_computed")
    }
    pipeline.run(output_name="c")
    assert told(pipeline.explain(output_name="c", overrides={"b": 4})) == {
        "second": ("miss", "input_changed", "b")
    }
    with pytest.raises(PlanError, match="Missing required"):
        Pipeline([first], cache=cache).explain()


def test_an_input_made_by_another_node_says_so(cache):
    def make(by):
        @node("b")
        def first(a):
            return a + by

        @node("c")
        def second(b):
            return b

        return Pipeline([first, second], cache=cache)

    make(1).run({"a": 1})
    edited = make(2)
    edited.run({"a": 1}, output_name="b")
    assert edited.explain({"a": 1}).nodes["second"].detail == "input changed: b (made by first)"


def test_async_batch_and_stateful_nodes(cache):
    @node("b")
    async def fetch(a):
        await asyncio.sleep(0)
        return a

    @node("c", batch=True)
    def total(b):
        return b * 2

    @stateful
    class Model:
        def __init__(self, k):
            raise AssertionError("made")

        def __call__(self, c):
            return c

    def once(x):
        return x

    def at_once(x):
        return x

    nodes = [fetch, total, Node(Model(1), "d"), DualNode("e", once, at_once)]
    pipeline = Pipeline(nodes, cache=cache)
    inputs = {"a": [1, 2], "x": 1}
    first = pipeline.explain(inputs, map_over="a")
    assert sorted(each.status for each in first) == ["miss", "miss", "waits", "waits"]
    pipeline.map(inputs, map_over="a", output_name=["c", "e"])
    second = {each.name: each.status for each in pipeline.explain(inputs, map_over="a")}
    assert sorted(second.values()) == ["hit", "hit", "hit", "miss"]
    assert second["fetch"] == second["total"] == "hit"
    other = Pipeline([Node(Model(2), "d")], cache=cache).explain({"c": 1})
    assert [each.reason for each in other] == ["never_computed"]


def test_nodes_of_a_cpp_library(cache, node_library):
    library = hypernodes.load(node_library("nodes_a"))
    pipeline = Pipeline([library.twice], cache=cache)
    assert told(pipeline.explain({"x": 1})) == {"twice": ("miss", "never_computed")}
    pipeline.run({"x": 1})
    assert told(pipeline.explain({"x": 1})) == {"twice": HIT}
    assert told(pipeline.explain({"x": 2})) == {"twice": ("miss", "input_changed", "x")}


def test_damage_is_told(cache, tmp_path):
    @node("b")
    def double(a):
        return "x" * 1000 + str(a)

    pipeline = Pipeline([double], cache=cache)
    pipeline.run({"a": 1})
    path = tmp_path / "cache" / "records.mdb"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 500, b"y" * 500))
    again = Pipeline([double], cache=DiskCache(tmp_path / "cache"))
    assert told(again.explain({"a": 1})) == {"double": ("miss", "damaged")}
    again.run({"a": 1})
    assert told(again.explain({"a": 1})) == {"double": HIT}


def test_any_engine_and_the_engines_cache(cache):
    @node("b")
    def double(a):
        return a

    pipeline = Pipeline([double], engine=SeqEngine(cache=cache))
    pipeline.run({"a": 1})
    assert told(pipeline.explain({"a": 1})) == {"double": HIT}


class Plain(Cache):
    """A user's own, which keeps no notes."""

    def __init__(self):
        self.kept = {}

    def get(self, signature):
        return self.kept.get(signature)

    def put(self, signature, output):
        self.kept[signature] = output

    def has(self, signature):
        return signature in self.kept


def test_a_cache_without_notes_has_shorter_reasons():
    @node("b")
    def double(a):
        return a

    cache = Plain()
    pipeline = Pipeline([double], cache=cache)
    pipeline.run({"a": 1})
    assert told(pipeline.explain({"a": 1})) == {"double": HIT}
    assert told(pipeline.explain({"a": 2})) == {"double": ("miss", "never_computed")}
    assert len(cache.kept) == 1


def test_results_are_forgotten_by_the_name_of_their_node(cache):
    def make(by):
        @node("b")
        def first(a):
            return a + by

        @node("c")
        def second(a):
            return a

        return Pipeline([first, second], cache=cache)

    for by in range(12):  # more versions than a note has
        make(by).map({"a": [1, 2]}, map_over="a")
    assert len(cache) == 26
    cache.clear(node="first")
    assert len(cache) == 2
    assert told(make(0).explain({"a": 1})) == {"first": ("miss", "never_computed"), "second": HIT}
    cache.clear(node="unknown")
    assert len(cache) == 2
    cache.clear()
    assert told(make(0).explain({"a": 1}))["second"] == ("miss", "never_computed")


def test_html_is_escaped(cache):
    explanation = Pipeline([Node(lambda a: a, "b")], cache=cache).explain({"a": 1})
    assert isinstance(explanation, Explanation)
    assert "&lt;lambda&gt;  miss" in explanation._repr_html_()


# --- explain agrees with what a run then does ---------------------------------------------------


def random_flow(random_, edits):
    """A pipeline of nodes `n0`, `n1`, ... whose code holds the numbers in `edits`."""
    nodes = []
    for number, (inputs, cached) in enumerate(random_):
        scope = {}
        names = ", ".join(inputs)
        # Few different results: early cutoffs happen.
        body = f"def n{number}({names}):\n    return (sum([{names}]) + {edits[number]}) % 3\n"
        exec(body, scope)
        nodes.append(Node(scope[f"n{number}"], f"v{number}", cache=cached))
    return nodes


@pytest.mark.parametrize("seed", range(20))
def test_what_it_says_is_what_a_run_does(tmp_path, seed):
    chance = random.Random(seed)
    shape = []
    for number in range(chance.randint(2, 6)):
        known = ["x", "y", *(f"v{other}" for other in range(number))]
        names = chance.sample(known, chance.randint(1, min(3, len(known))))
        shape.append((names, chance.random() > 0.15))
    edits = [0] * len(shape)
    inputs = {"x": [0, 1, 2], "y": 0}
    cache = DiskCache(tmp_path / "cache")
    for _ in range(6):
        pipeline = Pipeline(random_flow(shape, edits), cache=cache)
        explanation = pipeline.explain(inputs, map_over="x")
        pipeline.map(inputs, map_over="x")
        for each in explanation:
            did = pipeline.last_run.nodes[each.name]
            count = {"hit": 0, "miss": 0, "waits": 0, "uncached": 0}
            for answer, rows in each.counts.items():
                count[answer.status] += rows
            runs = count["miss"] + count["uncached"]
            assert runs <= did.rows_run <= runs + count["waits"]
            assert did.rows_cached >= count["hit"]
        after = pipeline.explain(inputs, map_over="x")
        assert {row.status for each in after for row in each.rows} <= {"hit", "uncached", "waits"}
        edit = chance.randrange(4)
        if edit == 0:
            edits[chance.randrange(len(edits))] += 1
        elif edit == 1:
            inputs["y"] = chance.randrange(5)
        elif edit == 2:
            inputs["x"] = [chance.randrange(6) for _ in range(5)]
        else:
            cache.clear(node=f"n{chance.randrange(len(shape))}")


def test_rows_of_a_table(cache):
    pyarrow = pytest.importorskip("pyarrow")
    pipeline = Pipeline([Node(lambda x: x + 1, "y")], cache=cache)
    pipeline.map({"x": [1, 2]}, "x")
    table = pyarrow.table({"x": [1, 2, 3], "other": ["a", "b", "c"]})
    (explained,) = pipeline.explain(table)
    assert [explained.row(i).status for i in range(3)] == ["hit", "hit", "miss"]
