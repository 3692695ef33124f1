# SPDX-License-Identifier: MIT
import datetime
import decimal
import enum
import functools
import typing
from typing import Annotated, Any, Dict, List, NewType, Optional, Tuple, Union  # noqa: UP035

import pytest

from hypernodes.hints import ColumnType, column_type, input_types, output_types

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "r"


class Shades(enum.Enum):
    RED = "r"
    GREY = 1


class Row(typing.TypedDict):
    a: int
    b: typing.NotRequired[str]


class Tree(typing.NamedTuple):
    value: int
    below: "Tree | None"


class Model:
    value: int

    def __init__(self, value: int) -> None: ...

    def method(self, x: float) -> str: ...

    def __call__(self, x: bytes) -> bool: ...


TYPED = {
    "null": [None, type(None)],
    "bool": [bool, Annotated[bool, "x"]],
    "int64": [int, UserId, Annotated[UserId, 1], typing.Final[int]],
    "float64": [float],
    "string": [str, typing.Literal["a", "b"]],
    "bytes": [bytes],
    "list<list<string>>": [list[list[str]]],
    "list<optional<int64>>": [list[int | None], List[Optional[int]]],  # noqa: UP006, UP045
    "optional<int64>": [
        typing.Literal[1, None],
        Optional[int],  # noqa: UP045
        int | None,
        None | int,
        Union[int, None],  # noqa: UP007
    ],
    "optional<list<float64>>": [list[float] | None],
    "list<null>": [list[None]],
    "map<string, int64>": [dict[str, int], Dict[str, int]],  # noqa: UP006
    "list<int64>[2]": [tuple[int, int]],
    "list<int64>": [list[int], List[int], Tuple[int, ...]],  # noqa: UP006
    "struct<_0: int64, _1: string>": [tuple[int, str]],
    "list<list<int64>[1]>": [list[tuple[int]]],
    "date": [datetime.date],
    "timestamp": [datetime.datetime],
    "timestamp<UTC>": [Annotated[datetime.datetime, datetime.timezone.utc]],  # noqa: UP017
    "decimal": [decimal.Decimal],
    "enum<string>": [Color],
    "struct<a: int64, b: optional<string>>": [Row],
}
UNTYPED = [
    Any,
    object,
    list,
    List,  # noqa: UP006
    tuple,
    dict,
    set[int],
    int | str,
    dict[str, Any],
    dict[float, int],
    tuple[int, Any],
    Tree,
    Shades,
    typing.Literal[1, "a"],
    int | str | None,
    list[Any],
    list[int | str],
    complex,
    bytearray,
    Model,
    typing.TypeVar("T"),
    typing.Callable[[int], int],
    "int",
    3,
    [],
    {},
]


@pytest.mark.parametrize(
    ("expected", "hint"), [(name, hint) for name, hints in TYPED.items() for hint in hints]
)
def test_exact_types_have_a_column(expected, hint):
    assert str(column_type(hint)) == expected


@pytest.mark.parametrize("hint", UNTYPED, ids=repr)
def test_other_hints_have_none(hint):
    assert column_type(hint) is None


def test_column_types_compare_and_hash():
    assert column_type(list[int]) == ColumnType("list", ColumnType("int64"))
    assert len({column_type(List[int]), column_type(list[int])}) == 1  # noqa: UP006
    assert column_type(int) != column_type(float)


def test_inputs_in_order():
    def f(a: int, b, c: "str" = "", *, d: list[int] | None = None): ...

    assert {name: str(kind) for name, kind in input_types(f).items()} == {
        "a": "int64",
        "b": "None",
        "c": "string",
        "d": "optional<list<int64>>",
    }
    assert list(input_types(f)) == ["a", "b", "c", "d"]


def test_one_unresolvable_hint_leaves_the_others():
    def f(a: "NoSuchType", b: "int") -> "float": ...  # noqa: F821

    assert [str(kind) for kind in input_types(f).values()] == ["None", "int64"]
    assert [str(kind) for kind in output_types(f, "y")] == ["float64"]


def test_postponed_annotations():
    scope = {}
    code = "from __future__ import annotations\ndef f(a: int, b: NotThere) -> list[str]: ...\n"
    exec(code, scope)
    assert [str(kind) for kind in input_types(scope["f"]).values()] == ["int64", "None"]
    assert str(output_types(scope["f"], "y")[0]) == "list<string>"


def test_an_annotation_that_raises_is_no_hint():
    def f(a: "1 / 0", b: "int"): ...

    assert [str(kind) for kind in input_types(f).values()] == ["None", "int64"]


def test_outputs():
    def one() -> int: ...
    def pair() -> tuple[int, str]: ...
    def many() -> tuple[int, ...]: ...
    def several() -> list[str]: ...
    def none() -> None: ...
    def silent(): ...

    def kinds(function, names):
        return [str(kind) for kind in output_types(function, names)]

    assert kinds(one, "a") == ["int64"]
    assert kinds(pair, "a") == ["struct<_0: int64, _1: string>"]
    assert kinds(pair, ("a", "b")) == ["int64", "string"]
    assert kinds(pair, ("a", "b", "c")) == ["None"] * 3
    assert kinds(many, ("a", "b", "c")) == ["int64"] * 3
    assert kinds(several, ("a", "b")) == ["string"] * 2
    assert kinds(one, ("a", "b")) == ["None"] * 2
    assert kinds(none, "a") == ["null"]
    assert kinds(silent, "a") == ["None"]
    assert kinds(Model, "a") == ["None"]


def test_async_functions_give_what_they_return():
    async def fetch(url: str) -> bytes: ...

    assert str(output_types(fetch, "body")[0]) == "bytes"


def test_other_callables():
    def scale(x: int, factor: float) -> float: ...

    def wrap(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner

    def kinds(function):
        types = [*input_types(function).values(), *output_types(function, "y")]
        return [str(kind) for kind in types]

    assert kinds(wrap(scale)) == ["int64", "float64", "float64"]
    assert kinds(functools.partial(scale, 2)) == ["float64", "float64"]
    assert kinds(Model(1).method) == ["float64", "string"]
    assert kinds(Model(1)) == ["bytes", "bool"]
    assert kinds(Model) == ["int64", "None"]
    assert kinds(len) == ["None", "None"]
    assert output_types(print, "y") == [None]
    assert output_types(max, "y") == [None]
    assert input_types(max) == {}
