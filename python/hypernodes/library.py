# SPDX-License-Identifier: MIT
"""Nodes written in C++."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _core
from .exceptions import HyperNodesError
from .node import Definition, HyperNode
from .retry import Retry, checked_retry, checked_timeout

__all__ = ["CppNode", "Library", "load"]


class CppNode(HyperNode):
    """A C++ function of a loaded library as a node; it can be called like a Python function."""

    def __init__(
        self,
        definition: _core.Node,
        library: Path,
        retry: Retry | None = None,
        timeout: float | None = None,
    ) -> None:
        """Made by `load`."""
        self._plain = definition
        self._retry = retry
        self._timeout = timeout
        if timeout is not None:
            definition = definition.with_timeout(timeout)
        if retry is not None:
            definition = definition.with_retry(retry._native())
        self._built = definition
        self._library = library
        self._cache = definition.cached
        self.__name__ = definition.name
        self.__doc__ = definition.signature
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=... if name in definition.optional_inputs else inspect.Parameter.empty,
                )
                for name in definition.input_names
            ]
        )

    @property
    def name(self) -> str:
        """The function's name."""
        return self._built.name

    @property
    def output_name(self) -> str | tuple[str, ...]:
        """The name of the result, or the names."""
        names = self._built.output_names
        return names[0] if len(names) == 1 else tuple(names)

    @property
    def root_args(self) -> tuple[str, ...]:
        """The names of all parameters, in order."""
        return tuple(self._built.input_names)

    @property
    def code_hash(self) -> str:
        """64 hex digits that identify the function: the library's content and the place in it."""
        return self._built.code

    def with_options(
        self, *, retry: Retry | int | None = None, timeout: float | None = None
    ) -> CppNode:
        """A copy of the library's node with these options of `node`; None leaves C++ its say.

        Nothing stops a C++ function: one that takes too long goes on in its thread.

        Raises:
            PlanError: For a `retry` or `timeout` that makes no sense.
            TypeError: For what is none.
        """
        checked = checked_retry(retry, self.name), checked_timeout(timeout, self.name)
        node = CppNode(self._plain, self._library, *checked)
        node.cache = self._cache
        return node

    def _definition(self) -> Definition:
        if self._built.cached != self._cache:
            self._built = self._built.with_cached(self._cache)
        return Definition(self._built)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (the C++ types decide)
        """Calls the function.

        Raises:
            ExecutionError: If it fails, or an argument does not fit its C++ type.
        """
        names = self._built.input_names
        if len(args) == len(names) and not kwargs:
            return self._built.call(list(args), [True] * len(names))
        bound = self.__signature__.bind(*args, **kwargs).arguments
        return self._built.call([bound.get(n) for n in names], [n in bound for n in names])

    def __repr__(self) -> str:
        """`CppNode(twice(x: int64) -> int64, output=doubled)`."""
        return f"CppNode({self._built.signature}, output={self.output_name})"

    def __eq__(self, other: object) -> bool:
        """Nodes are equal by their names, those of their outputs, and the library."""
        if not isinstance(other, CppNode):
            return NotImplemented
        return (self.name, self.output_name, self._library) == (
            other.name,
            other.output_name,
            other._library,
        )

    def __hash__(self) -> int:
        """As equality."""
        return hash((self.name, self.output_name))

    def __reduce__(self) -> tuple[Any, ...]:
        """The library's path and the name in it."""
        options = (self._retry, self._timeout)
        return _reload, (str(self._library), self.name, self._cache, *options)


class Library:
    """The nodes of a loaded library: attributes by name, items by name, iterable.

    Attributes:
        path: The file.
    """

    def __init__(self, name: str, path: Path, nodes: list[CppNode]) -> None:
        """Made by `load`."""
        self._name = name
        self.path = path
        self._nodes = {node.name: node for node in nodes}

    def __getattr__(self, name: str) -> CppNode:
        """The node of that name."""
        # Asked for before __init__ when it is copied or unpickled.
        nodes: dict[str, CppNode] = self.__dict__.get("_nodes", {})
        if name in nodes:
            return nodes[name]
        raise AttributeError(f"library has no node {name!r}; it has: {', '.join(nodes)}")

    def __getitem__(self, name: str) -> CppNode:
        """The node of that name."""
        return self._nodes[name]

    def __iter__(self) -> Iterator[CppNode]:
        """All nodes, in the library's order."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    def __dir__(self) -> list[str]:
        """The nodes' names, too."""
        return [*super().__dir__(), *self._nodes]

    def __repr__(self) -> str:
        """`Library(my_nodes: twice, add_ten)`."""
        return f"Library({self._name}: {', '.join(self._nodes)})"


def load(path: str | Path) -> Library:
    """Loads a shared library of C++ nodes, such as `hypernodes_add_nodes` in CMake builds.

    Args:
        path: The file. It stays loaded; loading it again gives equal nodes.

    Raises:
        DependencyMissingError: If there is no such file, or it is no node library (an ImportError).
        PlanError: If it was built for another version of hypernodes.
    """
    absolute = Path(path).absolute()
    name, nodes = _core.load_library(str(absolute))
    return Library(name, absolute, [CppNode(definition, absolute) for definition in nodes])


def _reload(
    path: str, name: str, cache: bool, retry: Retry | None, timeout: float | None
) -> CppNode:
    try:
        node = load(path)[name].with_options(retry=retry, timeout=timeout)
    except HyperNodesError as error:
        error.where = f"node '{name}', library {path}"
        raise
    node.cache = cache
    return node
