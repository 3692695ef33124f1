# SPDX-License-Identifier: MIT
"""`@stateful`: when the object is made, what its handle passes on, pickling, keys, engines."""

import abc
import asyncio
import copy
import dataclasses
import gc
import inspect
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref
from typing import Generic, TypeVar

import pytest

import hypernodes
from hypernodes import DiskCache, Node, Pipeline, SeqEngine, node, stateful
from hypernodes.exceptions import HyperNodesError
from hypernodes.fingerprint import code_hash, dependencies
from hypernodes.integrations.daft import DaftEngine, DaftEngineV2

try:
    from hypernodes.engines import DaskEngine
except ImportError:
    DaskEngine = None

ENGINES = [engine for engine in (SeqEngine, DaftEngine, DaftEngineV2, DaskEngine) if engine]

made: list[str] = []


class Base:
    """What a stateful class may derive from."""

    UNIT = "words"

    def __init__(self):
        self.ready = True


@stateful
class Model(Base):
    """Scales."""

    LABELS = ("low", "high")
    scale = 1

    def __init__(self, path, scale=2):
        super().__init__()
        made.append(path)
        self.path = path
        self.scale = scale

    def __call__(self, x: int) -> int:
        return x * self.scale

    def label(self, x):
        return self.LABELS[x > 10]

    @property
    def name(self):
        return f"{self.path}@{self.scale}"

    @staticmethod
    def parse(text):
        return int(text)

    @classmethod
    def double(cls):
        return cls("double", scale=2)


class Plain:
    def __init__(self, number):
        self.number = number


Lazy = stateful(gpus=1)(Plain)


@node(output_name="scaled")
def apply(x: int, model: Model) -> int:
    return model(x)


@node(output_name="where")
def locate(model: Model) -> str:
    return model.path


@pytest.fixture(autouse=True)
def nothing_made():
    made.clear()


# When the object is made ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model(4),
        lambda model: model.path,
        lambda model: model.label(3),
        lambda model: model.name,
        lambda model: setattr(model, "path", "q"),
        lambda model: delattr(model, "path"),
    ],
    ids=["call", "attribute", "method", "property", "set", "delete"],
)
def test_first_use_makes_the_object_and_later_ones_do_not(use):
    model = Model("p")
    assert made == []
    use(model)
    assert made == ["p"]
    assert model.scale == 2
    assert made == ["p"]


def test_looking_at_a_handle_makes_nothing():
    model = Model("p", scale=3)
    assert repr(model) == "Model('p', scale=3)"
    assert str(model) == repr(model)
    assert isinstance(model, Model)
    assert isinstance(model, Base)
    assert model.__class__ is Model
    assert type(model).__name__ == "Model"
    assert model.__doc__ == "Scales."
    assert model.__module__ == __name__
    assert model.__hypernode_stateful__ is True
    assert str(inspect.signature(model)) == "(x: int) -> int"
    assert callable(model)
    assert model.parse("3") == 3
    assert isinstance(model.double(), Model)
    assert "label" in dir(model)
    assert not hasattr(model, "__array__")
    assert not hasattr(model, "_repr_html_")
    assert model == model
    assert model != Model("p", scale=3)
    assert len({model, copy.copy(model)}) == 2
    assert made == []


def test_class_is_as_it_was_written():
    assert Model.__hypernode_stateful__ is True
    assert Model.__hypernode_options__ == {}
    assert (Model.__name__, Model.__qualname__, Model.__module__) == ("Model", "Model", __name__)
    assert Model.__doc__ == "Scales."
    assert str(inspect.signature(Model)) == "(path, scale=2)"
    assert Model.LABELS == ("low", "high")
    assert Model.UNIT == "words"
    assert Model.parse("7") == 7
    assert issubclass(Model, Base)
    assert made == []


def test_attributes_are_those_of_the_object_not_of_the_class():
    model = Model("p", scale=5)
    assert model.scale == 5  # the class says 1
    model.extra = 1
    assert model.extra == 1
    assert vars(model) == {"ready": True, "path": "p", "scale": 5, "extra": 1}
    del model.extra
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'extra'"):
        _ = model.extra


def test_however_many_threads_race_it_is_made_once():
    begin = threading.Barrier(8)
    constructing = threading.Event()

    @stateful
    class Slow:
        def __init__(self):
            made.append("slow")
            constructing.wait(0.05)  # the others are at the door by now
            self.number = 7

    handle = Slow()
    seen = []

    def use():
        begin.wait()
        seen.append(handle.number)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [7] * 8
    assert made == ["slow"]


def test_failing_constructor_raises_its_own_error_and_is_tried_again():
    class OutOfMemory(Exception):
        pass

    @stateful
    class Large:
        def __init__(self, size):
            made.append(size)
            if len(made) < 3:
                raise OutOfMemory(size)
            self.size = size

    large = Large(10)
    for _ in range(2):
        with pytest.raises(OutOfMemory, match="10"):
            _ = large.size
    assert large.size == 10
    assert made == [10, 10, 10]


def test_object_dies_with_its_last_handle():
    handle = Model("p")
    seen = weakref.ref(handle.label.__self__)
    other = copy.copy(handle)
    del handle
    gc.collect()
    assert seen() is not None
    del other
    gc.collect()
    assert seen() is None


# Errors before any work ------------------------------------------------------------------------


def test_arguments_that_do_not_fit_are_refused_at_once():
    with pytest.raises(TypeError, match=r"Model\(\): missing a required argument: 'path'") as error:
        Model()
    assert isinstance(error.value, HyperNodesError)
    assert error.value.fix == "its signature is Model(path, scale=2)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        Model("p", size=1)


def test_class_without_call_cannot_be_called():
    with pytest.raises(TypeError, match="'Plain' object is not callable"):
        Lazy(1)(2)
    assert not callable(Lazy(1))
    with pytest.raises(TypeError, match=r"Plain\(1\) is not a callable object"):
        Node(Lazy(1), "out")


def test_abstract_class_cannot_be_made_but_one_that_completes_it():
    @stateful
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        def __init__(self, side):
            super().__init__()
            self.side = side

        def area(self):
            return self.side**2

    with pytest.raises(TypeError, match="Class Shape is abstract: it lacks area"):
        Shape()
    assert Square(3).area() == 9


@pytest.mark.parametrize("wrong", [lambda x: x, 3, None])
def test_only_classes_are_decorated(wrong):
    with pytest.raises(TypeError, match="stateful decorates a class, got"):
        stateful()(wrong)


def test_class_that_names_itself_to_super_is_refused():
    class Net(Base):
        def __init__(self):
            super(Net, self).__init__()  # noqa: UP008

    with pytest.raises(TypeError, match=r"Net.__init__ calls super\(Net, ...\)") as error:
        stateful(Net)
    assert error.value.fix == "write super() without arguments"


def test_unknown_option_is_refused():
    with pytest.raises(TypeError, match="max_concurency"):
        stateful(max_concurency=1)


# Kinds of classes ------------------------------------------------------------------------------


def test_options_are_kept_on_the_class():
    assert Lazy.__hypernode_options__ == {"gpus": 1}

    @stateful(use_process=True, max_concurrency=2)
    class Tool:
        pass

    assert Tool.__hypernode_options__ == {"use_process": True, "max_concurrency": 2}
    assert Tool().__hypernode_options__ == Tool.__hypernode_options__
    assert Tool().__hypernode_call__ == (Tool, (), {})


def test_decorated_later_the_plain_class_stays_plain():
    assert type(Plain(3)) is Plain
    lazy = Lazy(3)
    assert isinstance(lazy, Plain)
    assert not isinstance(Plain(3), Lazy)
    assert lazy.number == 3


def test_subclass_is_stateful_and_reaches_its_base():
    class Loud(Model):
        def __init__(self, path):
            super().__init__(path, scale=10)

        def __call__(self, x):
            return -super().__call__(x)

    loud = Loud("loud")
    assert made == []
    assert loud(2) == -20
    assert made == ["loud"]
    assert isinstance(loud, Model)
    assert not isinstance(Model("p"), Loud)
    assert str(inspect.signature(Loud)) == "(path)"


def test_special_methods_use_the_object():
    @stateful
    class Store:
        def __init__(self, *items):
            made.append(items)
            self.items = list(items)

        def __len__(self):
            return len(self.items)

        def __getitem__(self, place):
            return self.items[place]

        def __contains__(self, item):
            return item in self.items

        def __enter__(self):
            return self.items

        def __exit__(self, *error):
            self.items = []

        def __eq__(self, other):
            return isinstance(other, Store) and self.items == other.items

        def __repr__(self):
            return "the store"

    store = Store("a", "b")
    assert (len(store), store[1], "b" in store, list(store)) == (2, "b", True, ["a", "b"])
    assert store == Store("a", "b")
    assert store != Store("a")
    with pytest.raises(TypeError, match="unhashable"):
        hash(store)
    with store as items:
        assert items == ["a", "b"]
    assert not store
    assert repr(store) == "Store('a', 'b')"  # whatever is made or not, and costs nothing


def test_dataclasses_slots_and_generics():
    T = TypeVar("T")

    @stateful
    @dataclasses.dataclass
    class Settings:
        path: str
        size: int = 4

    @stateful
    class Slotted:
        __slots__ = ("value",)

        def __init__(self, value):
            self.value = value

    @stateful
    class Box(Generic[T]):
        def __init__(self, item):
            made.append(item)
            self.item = item

    assert Settings("p").size == 4
    assert Settings("p") == Settings("p")
    assert [field.name for field in dataclasses.fields(Settings("p"))] == ["path", "size"]
    assert Slotted(3).value == 3
    with pytest.raises(AttributeError):
        Slotted(3).other = 1
    box = Box[int](5)
    assert made == []
    assert box.item == 5


def test_copy_shares_the_object_and_deepcopy_makes_another():
    model = Model(["p"])
    shared = copy.copy(model)
    own = copy.deepcopy(model)
    shared.scale = 9
    assert model.scale == 9
    assert made == [["p"]]
    assert own.scale == 2
    assert made == [["p"], ["p"]]
    own.path.append("q")
    assert model.path == ["p"]


# Pickling --------------------------------------------------------------------------------------


def test_pickle_holds_class_and_arguments_only():
    model = Model("p", scale=4)
    before = pickle.dumps(model)
    model.weights = "w" * 100_000
    after = pickle.dumps(model)
    assert after == before
    assert len(after) < 300


def test_unpickled_here_it_is_the_same_object():
    model = Model("p")
    other = pickle.loads(pickle.dumps(model))
    assert made == []
    assert isinstance(other, Model)
    other.scale = 7
    assert model.scale == 7
    assert made == ["p"]


def _pid_and_makes(model):
    return os.getpid(), model.path, len(made)


def test_each_spawned_process_makes_it_once():
    model = Model("p")
    assert model.path == "p"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seen = [pool.apply(_pid_and_makes, (model,)) for _ in range(3)]
    assert len(set(seen)) == 1  # one process, one object, although it was sent three times
    pid, path, count = seen[0]
    assert pid != os.getpid()
    assert (path, count) == ("p", 1)


def test_class_decorated_under_another_name_is_found_again():
    lazy = Lazy(5)
    here = pickle.loads(pickle.dumps(lazy))
    assert here.number == 5
    assert isinstance(here, Lazy)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(getattr, (lazy, "number")) == 5


_PROGRAM = """
import pickle, sys
from hypernodes import stateful

@stateful
class Model:
    def __init__(self, number):
        self.number = number
        print("made")

def local():
    @stateful
    class Inner:
        def __init__(self, number):
            self.number = number * 2
    return Inner(21)

if sys.argv[1] == "write":
    with open(sys.argv[2], "wb") as file:
        pickle.dump([Model(7), local()], file)
"""
_READER = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    print([handle.number for handle in pickle.load(file)])
"""


def test_classes_of_main_and_of_functions_travel_with_cloudpickle(tmp_path):
    pytest.importorskip("cloudpickle")

    def run(code, *arguments):
        (tmp_path / "program.py").write_text(code)
        command = [sys.executable, str(tmp_path / "program.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(_PROGRAM, "write", tmp_path / "handles") == ""
    assert run(_READER, tmp_path / "handles") == "made\n[7, 42]\n"


def test_local_class_without_cloudpickle_says_what_to_do(monkeypatch):
    @stateful
    class Inner:
        pass

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(pickle.PicklingError, match="pip install cloudpickle"):
        pickle.dumps(Inner())


# Keys ------------------------------------------------------------------------------------------


def test_digest_is_that_of_class_and_arguments_however_they_are_passed():
    digest = code_hash(Model("p"))
    assert digest is not None
    assert digest == code_hash(Model(path="p")) == code_hash(Model("p", 2))
    assert digest == code_hash(Model("p", scale=2))
    assert digest != code_hash(Model("q"))
    assert digest != code_hash(Model("p", 3))
    assert made == []
    used = Model("p")
    used.scale = 100
    assert code_hash(used) == digest  # what an object becomes does not count


def _variant(body, options=None):
    scope = {"stateful": stateful, "__name__": "variants"}
    exec(f"@stateful\nclass Variant:\n    def __init__(self, a): self.a = a\n    {body}", scope)
    return scope["Variant"] if options is None else stateful(**options)(scope["Variant"])


def test_digest_covers_the_class_s_code_not_its_options():
    one = _variant("def __call__(self, x): return x + self.a")
    same = _variant("def __call__(self, x):\n        'Adds.'\n        return x + self.a  # so")
    other = _variant("def __call__(self, x): return x - self.a")
    assert code_hash(one(1)) == code_hash(same(1))
    assert code_hash(one(1)) != code_hash(other(1))
    gpu, cpu = (
        _variant("def __call__(self, x): return x", {"gpus": number})(1) for number in (1, 2)
    )
    assert code_hash(gpu) == code_hash(cpu)


def test_digest_is_the_same_in_another_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(code_hash, (Model("p"),)) == code_hash(Model("p"))


def test_argument_without_identity_has_no_digest(tmp_path):
    with (tmp_path / "file").open("w") as file:
        assert code_hash(Model(file)) is None
    assert made == []


def test_own_cache_key_of_the_class_gets_the_arguments():
    @stateful
    class Versioned:
        def __init__(self, path, log=None):
            made.append(path)

        @staticmethod
        def __cache_key__(path, log=None):
            return path

    assert code_hash(Versioned("p")) == code_hash(Versioned("p", log="debug"))
    assert code_hash(Versioned("p")) != code_hash(Versioned("q"))
    assert made == []


def test_own_cache_key_of_the_object_makes_it():
    @stateful
    class Keyed:
        def __init__(self, path):
            made.append(path)
            self.version = len(path)

        def __cache_key__(self):
            return self.version

    assert code_hash(Keyed("aa")) == code_hash(Keyed("bb"))
    assert made == ["aa", "bb"]


def _helper(x):
    return x + 1


@stateful
class Helped:
    def __init__(self):
        made.append("helped")

    def __call__(self, x):
        return _helper(x)


def test_helpers_of_the_class_are_dependencies_of_its_node():
    assert f"{__name__}._helper" in dependencies(Helped())
    assert made == []


# In pipelines ----------------------------------------------------------------------------------


def records(result):
    """Whatever shape the engine gives, a list of dicts."""
    if isinstance(result, list):
        return result
    return [dict(zip(result, row, strict=True)) for row in zip(*result.values(), strict=True)]


@pytest.mark.parametrize("engine", ENGINES)
def test_given_or_bound_it_is_made_once_for_all_items(engine):
    pipeline = Pipeline([apply, locate], engine=engine())
    given = {"x": [1, 2, 3], "model": Model("given")}
    expected = [{"where": "given", "scaled": x} for x in (2, 4, 6)]
    assert records(pipeline.map(given, map_over="x")) == expected
    pipeline.bind(model=Model("bound"))
    assert pipeline.run({"x": 5}) == {"where": "bound", "scaled": 10}
    assert "model=Model('bound')" in repr(pipeline)
    assert made == ["given", "bound"]


@pytest.mark.parametrize("engine", ENGINES)
def test_node_with_only_stateful_inputs_runs(engine):
    pipeline = Pipeline([locate], engine=engine())
    assert pipeline.run({"model": Model("p")}) == {"where": "p"}
    models = [Model("a"), Model("b")]
    mapped = records(pipeline.map({"model": models}, map_over="model"))
    assert mapped == [{"where": "a"}, {"where": "b"}]
    nested = Pipeline([pipeline.as_node()], engine=engine()).bind(model=Model("n"))
    assert nested.run() == {"where": "n"}
    assert made == ["p", "a", "b", "n"]


@pytest.mark.parametrize("engine", ENGINES)
def test_as_a_node_s_function_it_is_made_when_the_node_runs(engine):
    scale = Node(Model("p", scale=3), "scaled")
    assert scale.root_args == ("x",)
    assert repr(scale) == "Node(Model, output=scaled)"
    assert scale.is_async is False
    pipeline = Pipeline([scale], engine=engine())
    assert made == []
    assert records(pipeline.map({"x": [1, 2]}, map_over="x")) == [{"scaled": 3}, {"scaled": 6}]
    assert pickle.loads(pickle.dumps(scale))(4) == 12
    assert made == ["p"]


@pytest.mark.parametrize("asks", [inspect.iscoroutinefunction, asyncio.iscoroutinefunction])
def test_asking_whether_it_is_async_makes_nothing(asks):
    model = Model("p")
    assert not asks(model)
    assert made == []
    assert model.scale == 2
    assert not asks(model)


@pytest.mark.parametrize("engine", ENGINES)
def test_async_call_is_an_async_node(engine):
    @stateful
    class Client:
        def __init__(self, url):
            self.url = url

        async def __call__(self, path):
            await asyncio.sleep(0)
            return self.url + path

    fetch = Node(Client("host/"), "page")
    assert fetch.is_async is True
    assert Pipeline([fetch], engine=engine()).run({"path": "a"}) == {"page": "host/a"}


@pytest.mark.parametrize("engine", ENGINES)
def test_constructor_s_error_is_the_node_s_and_the_next_run_tries_again(engine):
    @stateful
    class Flaky:
        def __init__(self):
            made.append("flaky")
            if len(made) == 1:
                raise ConnectionError("no route")

        def __call__(self, x):
            return x

    pipeline = Pipeline([Node(Flaky(), "same")], engine=engine())
    with pytest.raises(ConnectionError, match="no route"):
        pipeline.run({"x": 1})
    assert pipeline.run({"x": 1}) == {"same": 1}


@pytest.mark.parametrize("engine", ENGINES)
def test_warm_rows_of_its_node_make_nothing(engine, tmp_path):
    def scaled(path):
        pipeline = Pipeline(
            [Node(Model(path), "scaled")], engine=engine(), cache=DiskCache(tmp_path)
        )
        result = records(pipeline.map({"x": [1, 2]}, map_over="x"))
        return result, pipeline.last_run.nodes["Model"].rows_run

    expected = [{"scaled": 2}, {"scaled": 4}]
    assert scaled("p") == (expected, 2)
    assert scaled("p") == (expected, 0)
    assert made == ["p"]
    assert scaled("q") == (expected, 2)


def test_hints_of_call_type_a_daft_column():
    frame = DaftEngine().dataframe(Pipeline([Node(Model("p"), "scaled")]), {"x": [1]}, "x")
    assert str(frame.schema()["scaled"].dtype) == "Int64"
    assert made == []
    assert frame.to_pydict() == {"scaled": [2]}


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_see_the_class_itself(checker, tmp_path):
    program = tmp_path / "typed.py"
    program.write_text(
        "from hypernodes import stateful\n"
        "@stateful\n"
        "class Model:\n"
        "    def __init__(self, path: str) -> None:\n"
        "        self.path = path\n"
        "    def __call__(self, x: int) -> float:\n"
        "        return x / 2\n"
        "@stateful(gpus=1)\n"
        "class Large(Model):\n"
        "    pass\n"
        "right: float = Model('p')(1)\n"
        "path: str = Large('p').path\n"
        "wrong: str = Model('p')(1)\n"
        "also: Model = Model(3)\n"
    )
    options = {
        "mypy": ["-m", "mypy", "--strict"],
        "pyright": ["-m", "pyright", "--pythonpath", sys.executable, "--outputjson"],
    }
    done = subprocess.run(
        [sys.executable, *options[checker], str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if checker == "pyright":
        found = json.loads(done.stdout)["generalDiagnostics"]
        lines = [each["range"]["start"]["line"] + 1 for each in found]
    else:
        errors = [line for line in done.stdout.splitlines() if " error: " in line]
        lines = [int(line.split(":")[1]) for line in errors]
    assert lines == [13, 14], done.stdout


def test_it_is_exported():
    assert hypernodes.stateful is stateful
    assert "stateful" in hypernodes.__all__
