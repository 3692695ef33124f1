# SPDX-License-Identifier: MIT
"""`@node` and Node: signatures, names, defaults, pickling."""

import functools
import inspect
import pickle

import pytest

from hypernodes import Node, Pipeline, node
from hypernodes.exceptions import HyperNodesError


@node(output_name="doubled")
def double(x: int) -> int:
    """Twice x."""
    return x * 2


def plain(x, y=3):
    return x + y


class Scaler:
    def __init__(self, factor):
        self.factor = factor

    def scale(self, x):
        return self.factor * x

    def __call__(self, x):
        return self.factor * x


def test_decorated_function_stays_callable_and_keeps_its_names():
    assert double(21) == 42
    assert double.__name__ == double.name == "double"
    assert double.__doc__ == "Twice x."
    assert double.root_args == ("x",)
    assert double.output_name == "doubled"
    assert double.cache is True
    assert double.is_async is False
    assert double.is_dual_node is False
    assert repr(double) == "Node(double, output=doubled)"
    assert str(inspect.signature(double)) == "(x: int) -> int"


def test_code_hash_is_64_hex_digits_and_ignores_the_name():
    assert len(double.code_hash) == 64
    assert set(double.code_hash) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "decorate", [node, node(), node(cache=False), node(output_name=None)], ids=str
)
def test_without_a_name_the_output_is_called_like_the_function(decorate):
    def total(a):
        return a

    assert decorate(total).output_name == "total"


def test_nodes_are_equal_by_function_and_output_name():
    assert Node(plain, "a") == Node(plain, "a")
    assert hash(Node(plain, "a")) == hash(Node(plain, "a"))
    assert Node(plain, "a") != Node(plain, "b")
    assert Node(plain, "a") != "a"


def test_a_default_makes_an_input_optional():
    made = Node(plain, "sum")
    pipeline = Pipeline([made])
    assert made.root_args == ("x", "y")
    assert made.unfulfilled_args == ("x",)
    assert pipeline.unfulfilled_args == ("x",)
    assert pipeline.graph.root_args == ["x", "y"]
    assert pipeline.run({"x": 1}) == {"sum": 4}
    assert pipeline.run({"x": 1, "y": 1}) == {"sum": 2}
    assert pipeline.map({"x": [1, 2]}, map_over="x") == [{"sum": 4}, {"sum": 5}]


def keyword_only(a, *, b, c=10):
    return (a, b, c)


def positional_only(a, b=2, /, c=3):
    return (a, b, c)


@pytest.mark.parametrize(
    ("func", "inputs", "expected"),
    [
        (keyword_only, {"a": 1, "b": 2}, (1, 2, 10)),
        (keyword_only, {"a": 1, "b": 2, "c": 3}, (1, 2, 3)),
        (positional_only, {"a": 1}, (1, 2, 3)),
        (positional_only, {"a": 1, "c": 9}, (1, 2, 9)),
        (functools.partial(plain, y=10), {"x": 1}, 11),
        (functools.partial(plain, 5), {"y": 1}, 6),
        (Scaler(3), {"x": 2}, 6),
        (Scaler(3).scale, {"x": 2}, 6),
        (len, {"obj": "abc"}, 3),
        (lambda: 7, {}, 7),
        (lambda a, b, c, d, e, f, g, h, i, j: [a, j], dict.fromkeys("abcdefghij", 1), [1, 1]),
    ],
)
def test_any_callable_with_a_signature_is_a_node(func, inputs, expected):
    assert Pipeline([Node(func, "out")]).run(inputs) == {"out": expected}


def test_signature_is_read_through_wraps():
    @functools.wraps(plain)
    def wrapper(*args, **kwargs):
        return plain(*args, **kwargs)

    assert Node(wrapper, "out").root_args == ("x", "y")


@pytest.mark.parametrize("func", [lambda *args: 0, lambda **named: 0])
def test_variable_parameters_are_refused(func):
    with pytest.raises(TypeError, match="inputs are matched by name") as caught:
        Node(func, "out")
    assert isinstance(caught.value, HyperNodesError)


def test_decorated_node_pickles_to_itself():
    copy = pickle.loads(pickle.dumps(double))
    assert copy is double


def test_plain_function_node_pickles_by_value():
    made = Node(plain, "sum", cache=False)
    copy = pickle.loads(pickle.dumps(made))
    assert copy == made
    assert copy.code_hash == made.code_hash
    assert copy.cache is False
    assert copy(1) == 4


def test_local_function_node_pickles_with_cloudpickle():
    pytest.importorskip("cloudpickle")
    offset = 5
    made = Node(lambda x: x + offset, "out")
    copy = pickle.loads(pickle.dumps(made))
    assert copy(1) == 6
    assert copy.code_hash == made.code_hash
