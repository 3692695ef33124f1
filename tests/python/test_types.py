# SPDX-License-Identifier: MIT
"""Which outputs may feed which inputs, and what building a pipeline says of those that may not."""

# ruff: noqa: UP007, UP045 (old spellings are under test, too)

import abc
import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import itertools
import numbers
import pathlib
import pickle
import types
import typing
import uuid
import warnings
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Container,
    Generator,
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
    Sized,
    ValuesView,
)
from collections.abc import Set as AbstractSet
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    ParamSpec,
    Protocol,
    SupportsFloat,
    SupportsIndex,
    TypedDict,
    TypeVar,
    Union,
    final,
)

import numpy as np
import numpy.typing as npt
import pydantic
import pytest

import hypernodes
from hypernodes import Node, Pipeline, node
from hypernodes._classes import joinable
from hypernodes._types import Items, describe, satisfiable
from hypernodes.exceptions import HyperNodesError, TypeWarning

T = TypeVar("T")
Number = TypeVar("Number", int, float)
Text = TypeVar("Text", bound=str)
P = ParamSpec("P")
UserId = NewType("UserId", int)
OrderId = NewType("OrderId", int)


class Plain:
    pass


class Other:
    pass


class Child(Plain):
    pass


@final
class Sealed:
    pass


class SlotsA:
    __slots__ = ("a",)


class SlotsB:
    __slots__ = ("b",)


class SlotsNone:
    __slots__ = ()


class Name(str):
    pass


class Greeter:
    """Joined with str by Hello."""


class Hello(str, Greeter):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...


class Registered(abc.ABC):  # noqa: B024 (its instances are registered)
    pass


Registered.register(int)


class Closes(Protocol):
    def close(self) -> None: ...


@dataclasses.dataclass
class Document:
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    text: str


class Model(pydantic.BaseModel):
    x: int


class OtherModel(pydantic.BaseModel):
    y: int


class Point(NamedTuple):
    x: int
    label: str


class Movie(TypedDict):
    title: str
    year: int


class Titled(TypedDict):
    title: str


class NumberedTitle(TypedDict):
    title: int


class Maybe(TypedDict):
    title: NotRequired[int]


class Ids(list[int]):
    pass


class Bag(dict[str, T]):
    pass


class Box(Generic[T]):
    pass


class Stack(Sequence[T]):
    pass


class AnyThing(Any):
    pass


class Phantom(type):
    def __instancecheck__(cls, value):
        return isinstance(value, str)


class NotEmpty(metaclass=Phantom):
    pass


F8 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int64]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Vector = np.ndarray[tuple[int], np.dtype[np.float64]]

FITS = [
    # the same, wider, narrower
    (int, int),
    (int, float),
    (int, complex),
    (float, complex),
    (bool, int),
    (bool, float),
    (int, bool),
    (float, int),
    (int, object),
    (object, int),
    (Any, int),
    (int, Any),
    (None, None),
    (None, type(None)),
    (None, object),
    (bytearray, bytes),
    (bytes, bytearray),
    (str, Name),
    (Name, str),
    (Child, Plain),
    (Plain, Child),
    (datetime.datetime, datetime.date),
    (int, numbers.Number),
    (float, numbers.Real),
    (float, numbers.Integral),
    # unions
    (int | None, int),
    (int, Optional[int]),
    (Optional[int], Optional[str]),
    (int | str, str | bytes),
    (Union[int, list[str]], list[str]),
    (None, int | None),
    (list[int] | None, list[int]),
    # names for types
    (Annotated[int, "positive"], int),
    (int, Annotated[float, "positive"]),
    (UserId, int),
    (int, UserId),
    (UserId, OrderId),
    (Final[int], int),
    (ClassVar[int], int),
    (typing.LiteralString, str),
    (typing.TypeGuard[int], bool),
    # type variables
    (T, int),
    (int, T),
    (list[T], list[int]),
    (Number, int),
    (Text, str),
    (str, Text),
    (list[int], list[Number]),
    # literals
    (Literal["a", "b"], Literal["b", "c"]),
    (Literal["a"], str),
    (str, Literal["a"]),
    (Literal[1], float),
    (Literal[1], bool),
    (Literal["a", 1], int),
    (Literal[None], int | None),
    (Literal[Color.RED], Color),
    (Literal["ab"], Sequence[str]),
    # containers
    (list, list[int]),
    (list[int], list),
    (list[int], list[float]),
    (list[bool], list[int]),
    (list[Any], list[int]),
    (list[int | None], list[str | None]),
    (list[list[int]], list[list[float]]),
    (list[int], Sequence[int]),
    (list[int], Iterable[float]),
    (list[int], Collection[int]),
    (list[int], Container[int]),
    (list[int], Sized),
    (Sequence[int], list[int]),
    (Sequence[int], tuple[int, ...]),
    (typing.List[int], list[int]),  # noqa: UP006
    (typing.List, list[int]),  # noqa: UP006
    (typing.Sequence[int], list[int]),
    (list[int], Hashable),
    (dict[str, int], Mapping[str, float]),
    (dict[str, int], Iterable[str]),
    (dict, dict[str, int]),
    (dict[str, Any], dict[str, int]),
    (dict[str, int], MutableMapping[str, int]),
    (collections.Counter[str], dict[str, int]),
    (collections.OrderedDict[str, int], dict[str, int]),
    (collections.defaultdict[str, list[int]], Mapping[str, Sequence[int]]),
    (set[int], AbstractSet[int]),
    (frozenset[int], Iterable[int]),
    (collections.deque[int], Iterable[int]),
    (range, Sequence[int]),
    (int, Iterable[int]),  # an enum.IntFlag
    (str, Sequence[str]),
    (str, Iterable[str]),
    (bytes, Sequence[int]),
    (Generator[int, None, None], Iterable[int]),
    (Iterator[int], list[int]),
    (Sequence[int], AbstractSet[str]),
    (ItemsView[str, int], Iterable[tuple[str, int]]),
    (ValuesView[int], Iterable[int]),
    (Ids, list[int]),
    (Ids, Sequence[float]),
    (Bag[int], dict[str, int]),
    (Bag, dict[str, int]),
    (Stack[int], Sequence[int]),
    (Box[int], Box[str]),
    # tuples
    (tuple, tuple[int, str]),
    (tuple[int, str], tuple),
    (tuple[int, str], tuple[float, str]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], Sequence[int]),
    (tuple[()], tuple[int, ...]),
    (tuple[int, *tuple[str, ...]], tuple[int, str, str]),
    (Point, tuple[int, str]),
    (tuple[int, str], Point),
    (Point, tuple),
    # typed dicts
    (Movie, dict),
    (Movie, dict[str, Any]),
    (Movie, Mapping[str, int | str]),
    (Movie, Titled),
    (Titled, Movie),
    (Maybe, Titled),
    (dict[str, str], Titled),
    # classes that could have a common subclass, or are not what they seem
    (Plain, Other),
    (Plain, Document),
    (list, Plain),
    (Shape, Plain),
    (int, Registered),
    (str, Greeter),
    (str, enum.Enum),
    (SlotsNone, SlotsA),
    (Closes, int),
    (int, Closes),
    (int, SupportsFloat),
    (str, SupportsIndex),
    (AnyThing, int),
    (str, NotEmpty),
    (str, pydantic.EmailStr),
    (datetime.datetime, pydantic.AwareDatetime),
    (str, pydantic.SecretStr | str),
    (Level, int),
    (int, Level),
    (Word, str),
    (Model, OtherModel),
    (Model, pydantic.BaseModel),
    (ValueError, KeyError),
    (ValueError, Exception),
    # functions and classes as values
    (Callable[[int], str], Callable[[str], int]),
    (Callable, Callable[..., Any]),
    (types.FunctionType, Callable[[int], int]),
    (type, Callable[..., Any]),
    (type[int], type),
    (type[bool], type[int]),
    (type[Any], type[int]),
    (list, Callable[..., Any]),
    (Awaitable[int], Closes),
    # numpy
    (F8, np.ndarray),
    (F8, F8),
    (np.ndarray, F8),
    (npt.NDArray[np.floating], F8),
    (npt.NDArray[Any], F8),
    (F8, Matrix),
    (F8, Sequence[float]),
    (list[float], npt.ArrayLike),
    (np.float64, float),
    (float, np.float64),
    (np.int64, int),
    (int, np.int64),
    (np.int64, np.integer),
    # what a map goes over
    (list[int], Items[int]),
    (tuple[int, ...], Items[float]),
    (tuple[int, int], Items[int]),
    (range, Items[int]),
    (F8, Items[float]),
    (Iterable[int], Items[int]),
    (Plain, Items[int]),
    (Any, Items[int]),
    (list, Items[int]),
    # what nobody understands
    ("int", str),
    (42, str),
    (P, int),
    (typing.Never, int),
    (typing.NoReturn, int),
    ([int], str),
    (list["Unknown"], list[int]),  # noqa: F821
    (Annotated[int, []], float),
]

CLASHES = [
    # scalars
    (int, str),
    (str, int),
    (float, str),
    (str, bytes),
    (bool, str),
    (complex, str),
    (complex, bytes),
    (None, int),
    (int, None),
    (int, Name),
    (UserId, str),
    (decimal.Decimal, float),
    (fractions.Fraction, float),
    (pathlib.Path, str),
    (str, pathlib.Path),
    (datetime.datetime, str),
    (datetime.date, datetime.timedelta),
    (uuid.UUID, str),
    # unions
    (int | None, str),
    (int | str, bytes | None),
    (Optional[int], list[int]),
    (None, int | str),
    (Annotated[int, "positive"], Annotated[str, "long"]),
    # type variables
    (Number, str),
    (Text, int),
    (list[Text], list[int]),
    # literals
    (Literal["a"], Literal["b"]),
    (Literal["a"], int),
    (Literal[1], Literal["1"]),
    (Literal[1], Literal[True]),
    (int, Literal["a", "b"]),
    (Literal[Color.RED], Literal[Color.BLUE]),
    (Literal["ab"], Sequence[int]),
    # containers
    (int, list[int]),
    (list[int], int),
    (list[int], list[str]),
    (list[list[int]], list[list[str]]),
    (list[int], tuple[int, ...]),
    (list[int], set[int]),
    (list[int], dict[int, int]),
    (list[int], Sequence[str]),
    (Sequence[int], list[str]),
    (Iterable[int], Iterable[str]),
    (typing.List[int], typing.List[str]),  # noqa: UP006
    (set[int], frozenset[int]),
    (set[int], set[str]),
    (set[int], AbstractSet[str]),
    (dict[str, int], dict[int, int]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], Mapping[str, str]),
    (dict[str, int], Iterable[int]),
    (dict[str, list[int]], dict[str, list[str]]),
    (collections.Counter[str], dict[str, str]),
    (collections.deque[int], list[int]),
    (range, list[int]),
    (range, Sequence[str]),
    (str, list[str]),
    (str, Sequence[int]),
    (bytes, Sequence[str]),
    (int, Sequence[int]),
    (float, Mapping[str, float]),
    (None, Iterable[int]),
    (bool, Sequence[bool]),
    (Generator[int, None, None], Iterable[str]),
    (Generator[int, None, None], int),
    (ItemsView[str, int], Iterable[str]),
    (Ids, list[str]),
    (Bag[int], dict[str, str]),
    (Stack[int], Sequence[str]),
    # tuples
    (tuple[int, str], tuple[int, int]),
    (tuple[int, str], tuple[int, str, str]),
    (tuple[int, ...], tuple[str, str]),
    (tuple[int, ...], tuple[str, ...]),
    (tuple[int, str], Sequence[int]),
    (tuple[int, int], list[int]),
    (Point, tuple[str, str]),
    (Point, tuple[int, str, int]),
    (tuple[str, str], Point),
    (Point, list),
    # typed dicts
    (Movie, dict[str, int]),
    (Movie, dict[int, Any]),
    (Movie, NumberedTitle),
    (Movie, list[str]),
    (dict[str, int], Titled),
    (str, Movie),
    # classes
    (Sealed, Plain),
    (Plain, Sealed),
    (SlotsA, SlotsB),
    (SlotsA, list),
    (Color, int),
    (Color, Plain),
    (str, Color),
    (Level, str),
    (Word, int),
    (str, Document),
    (Document, str),
    (int, Chunk),
    (dict, Chunk),
    (str, Plain),
    (float, Shape),
    (None, Plain),
    (str, Model),
    (dict[str, Any], Model),
    (Model, str),
    (Model, list[int]),
    (ValueError, str),
    # functions and classes as values
    (Callable[[int], int], int),
    (int, Callable[[int], int]),
    (None, Callable[..., Any]),
    (type[int], type[str]),
    (type[int], int),
    (int, type[int]),
    # numpy
    (F8, I8),
    (F8, list[float]),
    (list[float], F8),
    (Matrix, Vector),
    (F8, float),
    (F8, npt.NDArray[np.integer]),
    (np.float64, str),
    (np.int64, np.floating),
    # what a map goes over
    (int, Items[int]),
    (str, Items[str]),
    (dict[str, int], Items[str]),
    (set[int], Items[int]),
    (None, Items[int]),
    (list[str], Items[int]),
    (tuple[int, str], Items[int]),
    (Mapping[str, int], Items[str]),
]


def named(hint):
    return describe(hint)[:40]


@pytest.mark.parametrize(("output", "taken"), FITS, ids=named)
def test_values_of_both_types_are_possible(output, taken):
    assert satisfiable(output, taken)


@pytest.mark.parametrize(("output", "taken"), CLASHES, ids=named)
def test_no_value_is_of_both_types(output, taken):
    assert not satisfiable(output, taken)


@pytest.mark.parametrize(("output", "taken"), FITS + CLASHES, ids=named)
def test_the_question_is_symmetrical(output, taken):
    assert satisfiable(output, taken) == satisfiable(taken, output)


LAYOUTS = [
    *(int, float, str, bytes, list, dict, tuple, set, frozenset, bytearray),
    *(collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter),
    *(ValueError, KeyError, OSError, UnicodeError, StopIteration, ImportError),
    *(datetime.date, datetime.datetime, datetime.timedelta, decimal.Decimal, fractions.Fraction),
    *(pathlib.PurePath, uuid.UUID, types.SimpleNamespace, functools.partial, property, type),
    *(Plain, Child, SlotsA, SlotsB, SlotsNone, Document, Chunk, Name, Ids, Greeter, Movie.__base__),
    *(np.ndarray, np.generic, np.dtype, Model),
]


def test_layouts_conflict_where_the_interpreter_says_so():
    scalars = {int, float, str, bytes, np.generic}
    for a, b in itertools.product(LAYOUTS, LAYOUTS):
        if issubclass(a, b) or issubclass(b, a):
            continue
        try:
            type("Both", (a, b), {})
        except TypeError as error:
            if "lay-out conflict" in str(error):
                assert not joinable(a, b), (a, b)
            continue
        if scalars.isdisjoint((a, b)):
            assert joinable(a, b), (a, b)
    gc.collect()  # Classes that join a scalar and another would count in other tests.


def test_recursive_types_end():
    namespace: dict[str, Any] = {}
    Json = Union[str, list["Json"]]

    def one(x: Json): ...

    hint = typing.get_type_hints(one, {"Json": Json}, namespace)["x"]
    assert satisfiable(hint, hint)
    assert satisfiable(hint, list[str])
    assert not satisfiable(hint, int)


def test_hints_that_raise_are_in_doubt():
    class Meta(type):
        def __subclasscheck__(cls, other):
            raise RuntimeError("never ask")

    class Touchy(metaclass=Meta):
        pass

    assert satisfiable(int, Touchy)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (None, "None"),
        (Any, "Any"),
        (Optional[int], "int | None"),
        (list[int | None], "list[int | None]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (Annotated[int, "positive"], "int"),
        (UserId, "UserId"),
        (T, "T"),
        (Document, "Document"),
        (typing.Sequence[int], "Sequence[int]"),
        (type[int], "type[int]"),
        (Items[int], "list[int]"),
        (42, "42"),
    ],
)
def test_hints_are_described_as_they_are_written(hint, text):
    assert describe(hint) == text


# Pipelines -------------------------------------------------------------------------------------


@pytest.fixture
def nodes(node_library):
    return hypernodes.load(node_library("nodes_a"))


def make(hint, output="x", *, name="load"):
    def load():
        return None

    load.__name__ = name
    load.__annotations__ = {"return": hint}
    return Node(load, output)


def take(hint, *, name="use"):
    def use(x):
        return x

    use.__name__ = name
    use.__annotations__ = {"x": hint}
    return Node(use, name)


def complaints(parts, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Pipeline(parts, **options)
    return [str(each.message).splitlines()[0] for each in caught]


def test_a_mismatch_warns_with_both_nodes_both_types_and_the_name():
    with pytest.warns(TypeWarning) as caught:
        Pipeline([make(str), take(int)])
    assert str(caught[0].message) == (
        "Output 'x' of node 'load' is str, but node 'use' takes it as int\n"
        "  fix:   correct the hint that is wrong, or convert in a node between them;"
        " strict_types=True makes this an error"
    )
    assert caught[0].filename == __file__
    assert issubclass(TypeWarning, UserWarning)


def test_strict_types_refuses_before_anything_runs():
    ran = []

    @node("x")
    def load() -> str:
        ran.append("load")
        return "1"

    with pytest.raises(TypeError, match="'x' of node 'load' is str, but node 'use'") as caught:
        Pipeline([load, take(int)], name="strict", strict_types=True)
    assert isinstance(caught.value, HyperNodesError)
    assert isinstance(caught.value, hypernodes.exceptions.TypeError)
    assert caught.value.where == "pipeline 'strict'"
    assert "hint" in caught.value.fix
    assert ran == []


def test_strict_types_names_every_mismatch():
    with pytest.raises(TypeError) as caught:
        Pipeline([make(str), take(int, name="a"), take(int, name="b")], strict_types=True)
    first, second = caught.value.message.splitlines()
    assert first.endswith("node 'a' takes it as int")
    assert second.endswith("node 'b' takes it as int")


def test_strict_types_accepts_what_fits():
    pipeline = Pipeline([make(int), take(float)], strict_types=True)
    assert pipeline.run({}) == {"x": None, "use": None}


def test_each_pair_is_told_once_per_building():
    parts = [make(str), take(int, name="a"), take(int, name="b"), take(str, name="c")]
    told = [
        "Output 'x' of node 'load' is str, but node 'a' takes it as int",
        "Output 'x' of node 'load' is str, but node 'b' takes it as int",
    ]
    assert complaints(parts) == told
    assert complaints(parts) == told


def test_running_and_changing_a_pipeline_tells_nothing_more():
    with pytest.warns(TypeWarning):
        pipeline = Pipeline([make(str), take(int)])
    assert pipeline.run({}) == {"x": None, "use": None}
    assert pipeline.bind(y=1).with_name("other").run({})["use"] is None
    assert pipeline.as_node().output_name == ("use", "x")


@node("x")
def load_text() -> str:
    return "1"


@node("used")
def use_number(x: int) -> int:
    return x


def test_an_unpickled_pipeline_does_not_warn_again():
    with pytest.warns(TypeWarning):
        pipeline = Pipeline([load_text, use_number])
    assert pickle.loads(pickle.dumps(pipeline)).run({})["used"] == "1"


def test_two_classes_of_one_name_are_told_apart():
    def record():
        @final
        class Record:
            pass

        return Record

    first, second = record(), record()
    second.__module__ = "elsewhere"
    (told,) = complaints([make(first), take(second)])
    assert "test_types." in told
    assert "elsewhere." in told


def test_what_has_no_hint_is_no_matter():
    assert complaints([Node(lambda: "1", "x"), take(int)]) == []
    assert complaints([make(str), Node(lambda x: x, "y")]) == []


def test_hints_that_cannot_be_resolved_are_no_matter():
    assert complaints([make("Unknown"), take(int)]) == []
    assert complaints([make(str), take("Unknown | None")]) == []


def test_hints_are_resolved_once_and_only_where_there_is_a_wire(monkeypatch):
    resolved = []

    def hint(name):
        resolved.append(name)
        return int

    monkeypatch.setitem(globals(), "hint", hint)
    alone = make("hint('alone')", "nobody")
    parts = [make("hint('made')"), take("hint('taken')"), alone]
    for _ in range(2):
        assert complaints(parts) == []
    assert sorted(resolved) == ["made", "taken"]


def test_forward_references_are_resolved():
    assert len(complaints([make("Color"), take("Document")])) == 1
    assert complaints([make("Child"), take("Plain")]) == []


def test_a_parameter_with_default_none_takes_none():
    @node("y")
    def use(x: int = None): ...  # noqa: RUF013

    assert complaints([make(type(None)), use]) == []
    assert complaints([make(str), use]) == [
        "Output 'x' of node 'load' is str, but node 'use' takes it as int | None"
    ]


def test_an_async_function_makes_what_is_awaited():
    @node("x")
    async def load() -> int:
        await asyncio.sleep(0)
        return 1

    assert complaints([load, take(int)]) == []
    assert len(complaints([load, take(str)])) == 1


def test_several_outputs_take_their_hint_by_position():
    def pair(hint):
        return make(hint, ("x", "z"))

    assert complaints([pair(tuple[int, str]), take(int)]) == []
    assert complaints([pair(tuple[str, int]), take(int)]) == [
        "Output 'x' of node 'load' is str, but node 'use' takes it as int"
    ]
    assert len(complaints([pair(tuple[str, ...]), take(int)])) == 1
    assert len(complaints([pair(list[str]), take(int)])) == 1
    assert len(complaints([pair(Point), take(str)])) == 1
    for unknown in (tuple, list, tuple[str, str, str], tuple[str, str] | None, Any):
        assert complaints([pair(unknown), take(int)]) == []


def test_a_class_makes_its_instances():
    made = Node(Document, "x")
    assert complaints([Node(Document, "x"), take(Document)]) == []
    assert complaints([made, take(str)]) == [
        "Output 'x' of node 'Document' is Document, but node 'use' takes it as str"
    ]
    assert len(complaints([make(int, "text"), made])) == 1


def test_what_a_class_makes_is_unknown_if_it_decides_that_itself():
    class Meta(type):
        def __call__(cls):
            return 1

    class Made(metaclass=Meta):
        pass

    class New:
        def __new__(cls):
            return 1

    for function in (Made, New, functools.partial(New)):
        assert complaints([Node(function, "x"), take(int)]) == []
    assert complaints([Node(functools.partial(Document, "text"), "x"), take(Document)]) == []
    assert len(complaints([Node(functools.partial(Document, "text"), "x"), take(str)])) == 1


def test_a_wrapper_may_make_something_else_of_a_coroutine():
    async def load() -> int:
        return 1

    @functools.wraps(load)
    def started():
        return load()

    assert complaints([Node(started, "x"), take(Awaitable[int])]) == []


def test_methods_partials_and_callable_objects_have_hints():
    class Loader:
        def load(self) -> str:
            return ""

        def __call__(self, ignored: int) -> str:
            return ""

    for function in (Loader().load, functools.partial(Loader().load), Loader()):
        assert len(complaints([Node(function, "x"), take(int)])) == 1


def test_a_subclass_of_pipeline_is_checked_too():
    class Mine(Pipeline):
        pass

    with pytest.raises(TypeError, match="takes it as int"):
        Mine([make(str), take(int)], strict_types=True)


# Nested ----------------------------------------------------------------------------------------


def test_the_wires_of_a_nested_pipeline_are_checked():
    inner = Pipeline([take(int)], name="inner")
    assert complaints([make(str), inner]) == [
        "Output 'x' of node 'load' is str, but node 'use' in pipeline 'inner' takes it as int"
    ]
    maker = Pipeline([make(str)], name="maker")
    assert complaints([maker, take(int)]) == [
        "Output 'x' of node 'load' in pipeline 'maker' is str, but node 'use' takes it as int"
    ]
    assert complaints([make(int), inner]) == []


def test_what_is_inside_a_nested_pipeline_is_told_by_it_alone():
    with pytest.warns(TypeWarning):
        inner = Pipeline([make(str), take(int)], name="inner")
    assert complaints([inner.as_node(), take(str, name="other")]) == []


def test_mappings_of_names_are_followed():
    inner = Pipeline([take(int)], name="inner")
    renamed = inner.as_node(input_mapping={"text": "x"}, output_mapping={"use": "x"})
    assert len(complaints([make(str, "text"), renamed])) == 1
    maker = Pipeline([make(str, "made")]).as_node(output_mapping={"made": "x"})
    assert len(complaints([maker, take(int)])) == 1


def test_several_inner_nodes_that_take_an_input_are_each_checked():
    inner = Pipeline([take(int, name="a"), take(str, name="b")], name="inner")
    assert len(complaints([make(float), inner])) == 1


def test_a_mapped_pipeline_takes_and_makes_lists():
    def square(x: int) -> int:
        return x * x

    inner = Pipeline([Node(square, "squared")], name="inner")
    mapped = inner.as_node(map_over="x")

    @node("total")
    def total(squared: list[int]) -> int:
        return sum(squared)

    @node("wrong")
    def wrong(squared: int) -> int:
        return squared

    for hint in (list[int], tuple[int, ...], range, npt.NDArray[np.int64], Sequence[int], list):
        assert complaints([make(hint), mapped, total]) == []
    where = "node 'square' in pipeline 'inner'"
    for hint, text in ((int, "int"), (list[str], "list[str]"), (str, "str")):
        assert complaints([make(hint), mapped]) == [
            f"Output 'x' of node 'load' is {text}, but {where} takes it as list[int]"
        ]
    assert complaints([mapped, wrong]) == [
        f"Output 'squared' of {where} is list[int], but node 'wrong' takes it as int"
    ]


def test_what_a_mapped_pipeline_shares_is_no_list():
    def scale(x: int, factor: int) -> int:
        return x * factor

    mapped = Pipeline([Node(scale, "scaled")]).as_node(map_over="x")
    assert complaints([make(int, "factor"), mapped]) == []
    assert len(complaints([make(list[int], "factor"), mapped])) == 1


def test_maps_nest():
    inner = Pipeline([take(int)], name="inner").as_node(map_over="x")
    outer = Pipeline([inner], name="outer").as_node(map_over="x")
    assert complaints([make(list[list[int]]), outer]) == []
    assert complaints([make(list[int]), outer]) == [
        "Output 'x' of node 'load' is list[int],"
        " but node 'use' in pipeline 'inner' takes it as list[list[int]]"
    ]


# C++ -------------------------------------------------------------------------------------------


def test_python_hints_are_checked_against_cpp_inputs(nodes):
    for hint in (int, float, UserId, np.int64, Level, Any, int | None, SupportsIndex, Plain):
        assert complaints([make(hint), nodes.twice]) == []
    for hint in (str, None):
        (told,) = complaints([make(hint), nodes.twice])
        assert told.endswith(f"is {describe(hint)}, but node 'twice' takes it as int64")
    for hint in (list[str], tuple[str, ...], Sequence[str], list):
        assert complaints([make(hint, "words"), nodes.count]) == []
    for hint in (str, list[int], dict[str, str], set[str]):
        assert len(complaints([make(hint, "words"), nodes.count])) == 1


def test_cpp_outputs_are_checked_against_python_hints(nodes):
    def use(hint, name):
        part = take(hint)
        return Pipeline([part]).as_node(input_mapping={name: "x"})

    for hint in (int, float, object, Any, SupportsIndex, int | None, Literal[2], np.int64):
        assert complaints([nodes.twice, use(hint, "doubled")]) == []
    for hint in (str, bool, Level, list[int]):
        (told,) = complaints([nodes.twice, use(hint, "doubled")])
        assert told.startswith("Output 'doubled' of node 'twice' is int64, but node 'use'")
    assert complaints([nodes.describe, use(int, "length")]) == []
    assert complaints([nodes.describe, use(None, "length")]) == []
    (told,) = complaints([nodes.describe, use(str, "length")])
    assert "is optional<int64>" in told
    for hint in (dict[str, int], Mapping[str, float], dict):
        assert complaints([nodes.count, use(hint, "counts")]) == []
    assert len(complaints([nodes.count, use(dict[int, int], "counts")])) == 1


def test_strict_types_refuses_between_python_and_cpp(nodes):
    with pytest.raises(TypeError, match="is str, but node 'twice' takes it as int64"):
        Pipeline([make(str), nodes.twice], strict_types=True)


def test_cpp_nodes_are_refused_by_the_graph_without_strict_types(nodes):
    text = Pipeline([nodes.describe]).as_node(output_mapping={"shout": "x"}, name="shouting")
    with pytest.raises(TypeError, match="is string, but node 'twice' takes it as int64"):
        Pipeline([text, nodes.twice])
