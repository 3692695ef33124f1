# SPDX-License-Identifier: MIT
"""Nodes that Ray's workers import."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hypernodes import node


def note(log: str, line: object) -> None:
    """Adds a line to a file that all processes of this machine share."""
    with Path(log).open("a") as file:
        file.write(f"{line}\n")


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


@node(output_name="total")
def total(doubled: int, offset: int = 1) -> int:
    return doubled + offset


@node(output_name="checked")
def check(doubled: int) -> int:
    if doubled in (14, 30):
        raise KeyError(doubled)
    return doubled


@node(output_name="squared")
def square_slowly(x: int, log: str) -> int:
    note(log, f"{x} {os.getpid()}")
    time.sleep(0.02)
    return x * x


def twice(x: int) -> int:
    return x * 2


def boxed(x: int) -> tuple[Any, int]:
    return {x}, x


@node(output_name="seen")
def wait_for(x: int, path: str) -> bool:
    """Whether the file appears within a minute."""
    deadline = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return Path(path).exists()
