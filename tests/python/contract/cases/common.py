# SPDX-License-Identifier: MIT
"""Nodes that many cases use."""

from __future__ import annotations

from contract.calls import ran
from hypernodes import Pipeline, node


@node(output_name="doubled")
def double(x):
    ran("double", x)
    return x * 2


@node(output_name="result")
def add_ten(doubled):
    ran("add_ten", doubled)
    return doubled + 10


@node(output_name="pair")
def pair(a, b):
    ran("pair", a, b)
    return (a, b)


@node(output_name="negative")
def negate(y):
    ran("negate", y)
    return -y


@node(output_name="same")
def same(value):
    ran("same")
    return value


def chain(**settings):
    """x -> doubled -> result."""
    return Pipeline([double, add_ten], **settings)
