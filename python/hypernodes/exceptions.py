# SPDX-License-Identifier: MIT
"""What hypernodes raises: the twins of the core's exceptions.

Each derives from `HyperNodesError` and from the builtin that Python code would expect. The first
line of its text is `message`; `where` and `fix` follow on lines of their own.
"""

from __future__ import annotations

import builtins

__all__ = [
    "CacheError",
    "CycleError",
    "DependencyError",
    "DependencyMissingError",
    "ExecutionError",
    "HyperNodesError",
    "NodeTimeoutError",
    "OutputError",
    "PlanError",
    "RemoteError",
    "TypeError",
    "TypeWarning",
    "UncachedWarning",
]


class HyperNodesError(Exception):
    """Base of every exception of hypernodes itself.

    Attributes:
        message: What is wrong.
        where: The node, pipeline, input or file concerned; may be empty.
        fix: What to do about it; may be empty.

    >>> str(HyperNodesError("no such input", fix="pass it")).splitlines()
    ['no such input', '  fix:   pass it']
    """

    def __init__(self, message: str = "", where: str = "", fix: str = "") -> None:
        """Keeps the three parts."""
        super().__init__(message, where, fix)
        self.message = message
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        """The parts that are there, on a line each."""
        text = self.message
        if self.where:
            text += f"\n  where: {self.where}"
        if self.fix:
            text += f"\n  fix:   {self.fix}"
        return text


class CycleError(HyperNodesError, ValueError):
    """Nodes of a pipeline need each other in a circle."""


class DependencyError(HyperNodesError, ValueError):
    """Two nodes produce one name, or a mapping has an unknown one."""


class PlanError(HyperNodesError, ValueError):
    """Inputs or options that a run or map cannot use."""


class TypeError(HyperNodesError, builtins.TypeError):
    """A value or object of a type that cannot be used there."""


class OutputError(HyperNodesError, RuntimeError, ValueError):
    """A node returned another number of values than it has outputs, or a batch has rows."""


class CacheError(HyperNodesError, RuntimeError):
    """A cache that cannot be opened as asked."""


class DependencyMissingError(HyperNodesError, ImportError):
    """A part that is needed is not installed: an optional package, a node library."""


class RemoteError(HyperNodesError, RuntimeError):
    """Another process could not open what was sent, or raised what cannot be sent."""


class ExecutionError(HyperNodesError, RuntimeError):
    """A C++ node failed. What a Python node raises comes out as it is.

    Attributes:
        node: The node's name.
        row: The item of the map, from 0; None in a run.
    """

    def __init__(
        self,
        message: str = "",
        where: str = "",
        fix: str = "",
        node: str = "",
        row: int | None = None,
    ) -> None:
        """Keeps the parts."""
        super().__init__(message, where, fix)
        self.args = (message, where, fix, node, row)
        self.node = node
        self.row = row


class NodeTimeoutError(ExecutionError, builtins.TimeoutError):
    """A call of a node, Python or C++, took longer than its time limit.

    Attributes:
        node: The node's name.
        row: The item of the map, from 0, of a C++ node; that of a Python node is in a note.
    """


class TypeWarning(UserWarning):
    """An output feeds an input whose type hint no value of it can satisfy; told at building."""


class UncachedWarning(UserWarning):
    """A node runs uncached although there is a cache; says why. Each pipeline tells it once."""
