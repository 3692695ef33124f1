# SPDX-License-Identifier: MIT
"""Nodes: Python functions with named inputs and outputs."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import inspect
import secrets
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from . import _changes, _core
from ._fingerprint.dependencies import Dependencies
from ._fingerprint.digest import mix
from .exceptions import TypeError as NodeTypeError
from .fingerprint import code_hash, no_identity_reason

__all__ = ["HyperNode", "Node", "node"]

P = ParamSpec("P")
R = TypeVar("R")


class HyperNode(ABC):
    """What a pipeline is made of: something with named inputs that makes named outputs."""

    _cache: bool = True

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The name in errors, events and drawings."""

    @property
    @abstractmethod
    def output_name(self) -> str | tuple[str, ...]:
        """The name of what it makes, or the names."""

    @property
    @abstractmethod
    def root_args(self) -> tuple[str, ...]:
        """The names of what it needs."""

    @property
    @abstractmethod
    def code_hash(self) -> str:
        """64 hex digits that identify its code."""

    @abstractmethod
    def _definition(self, outputs: tuple[str, ...] | None = None) -> _core.Node:
        """The native node; the same object until something about it changes.

        Args:
            outputs: The only ones that are needed; a function makes all of them anyway.
        """

    def _readers(self) -> Sequence[Node[..., Any]]:
        """The nodes in it, at any depth, whose cached results depend on helpers and globals."""
        return ()

    @property
    def cache(self) -> bool:
        """Whether its results are cached; False means that it always runs."""
        return self._cache

    @cache.setter
    def cache(self, cached: bool) -> None:
        self._cache = bool(cached)
        _changes.note()

    @property
    def unfulfilled_args(self) -> tuple[str, ...]:
        """Those of `root_args` that have no default."""
        optional = self._definition().optional_inputs
        return tuple(name for name in self.root_args if name not in optional)


def output_names(output_name: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names as a tuple, also if there is one."""
    return (output_name,) if isinstance(output_name, str) else output_name


class Node(HyperNode, Generic[P, R]):
    """A Python function as a node; it can still be called like the function.

    >>> double = Node(lambda x: x * 2, "doubled")
    >>> double(21), double.root_args, double.output_name
    (42, ('x',), 'doubled')
    """

    __name__: str
    __qualname__: str

    def __init__(
        self, func: Callable[P, R], output_name: str | Sequence[str], cache: bool = True
    ) -> None:
        """Reads the function's signature; parameters with a default are optional inputs.

        Args:
            func: A function, method, partial, builtin, callable object or async function.
            output_name: The name of the result, or a tuple of names for a function that returns a
                tuple or list.
            cache: False to run it always.

        Raises:
            TypeError: If `func` takes `*args` or `**kwargs`, or has no signature.
        """
        # The attributes of a class or callable object are its own matter.
        updated = functools.WRAPPER_UPDATES if inspect.isfunction(func) else ()
        functools.update_wrapper(self, func, updated=updated)
        self.func = func
        self._name = _name_of(func)
        self.__name__ = self._name
        self._output_name = output_name if isinstance(output_name, str) else tuple(output_name)
        self._cache = bool(cache)
        self._parameters = _parameters_of(func, self._name)
        digest = code_hash(func)
        self._has_identity = digest is not None
        self._dependencies = Dependencies(func)
        # Without an identity it is never cached: any digits will do, but no other node's.
        self._code_hash = digest if digest is not None else secrets.token_hex(32)
        self._built: _core.Node | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return self._name

    @property
    def output_name(self) -> str | tuple[str, ...]:
        """The name of the result, or the names."""
        return self._output_name

    @property
    def root_args(self) -> tuple[str, ...]:
        """The names of all parameters, in order."""
        return tuple(parameter.name for parameter in self._parameters)

    @property
    def code_hash(self) -> str:
        """64 hex digits that identify the function's code."""
        return self._code_hash

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return _is_async(self.func)

    @property
    def is_dual_node(self) -> bool:
        """Whether it has a version for whole batches, too."""
        return False

    def _definition(self, outputs: tuple[str, ...] | None = None) -> _core.Node:
        if self._built is None:
            self._built = self._build()
        if self._built.cached != self._cache:
            self._built = self._built.with_cached(self._cache)
        return self._built

    def _readers(self) -> Sequence[Node[..., Any]]:
        return (self,) if self._cache and self._has_identity else ()

    def _read_again(self) -> None:
        """Digests what the function reads from elsewhere; a new digest makes a new native node."""
        if self._dependencies.update():
            self._built = self._build()
            _changes.note()

    def _key_code(self) -> tuple[str | None, str]:
        """The code digest for keys, and if there is none, why."""
        if not self._has_identity:
            return None, f"its code has no digest: {no_identity_reason(self.func) or 'unknown'}"
        read = self._dependencies
        if read.refusal:
            return None, f"what its code reads has no digest: {read.refusal}"
        if read.digest is None:
            return self._code_hash, ""
        return mix("node", bytes.fromhex(self._code_hash), read.digest).hex(), ""

    def _build(self) -> _core.Node:
        code, no_identity = self._key_code()
        empty = inspect.Parameter.empty
        parameters: list[tuple[Any, ...]] = [
            (p.name,) if p.default is empty else (p.name, p.default) for p in self._parameters
        ]
        keywords = tuple(p.name for p in self._parameters if p.kind is p.KEYWORD_ONLY)
        return _core.python_node(
            self.func,
            self._name,
            parameters,
            keywords or None,
            list(output_names(self._output_name)),
            not isinstance(self._output_name, str),
            code,
            self._cache,
            _complete if self.is_async else None,
            no_identity,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function."""
        return self.func(*args, **kwargs)

    def __repr__(self) -> str:
        """`Node(add, output=sum)`."""
        return f"Node({self._name}, output={self._output_name})"

    def __eq__(self, other: object) -> bool:
        """Nodes are equal by their names and those of their outputs."""
        if not isinstance(other, Node):
            return NotImplemented
        return (self._name, self._output_name) == (other._name, other._output_name)

    def __hash__(self) -> int:
        """As equality."""
        return hash((self._name, self._output_name))

    def __reduce__(self) -> tuple[Any, ...]:
        """By reference if a module holds this node or its function, else by value."""
        state = (self._output_name, self._cache, self._code_hash, self._has_identity)
        module, name = self.__module__, getattr(self, "__qualname__", "")
        if _find(module, name) is self:
            # In another process __main__ may be another program: take the code along, if we can.
            code = _pickled(self.func) if module == "__main__" else None
            return _by_reference, (module, name, code, state)
        if _find(module, name) is self.func or not inspect.isfunction(self.func):
            return _by_value, (self.func, state)
        return _by_reference, (module, name, _pickled(self.func), state)


def _find(module: str, name: str) -> object:
    """What `name` is in a module that is loaded."""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _pickled(func: Callable[..., Any]) -> bytes | None:
    """The function's code, for a process that cannot import it; needs cloudpickle."""
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError:
        return None
    code: bytes = cloudpickle.dumps(func)
    return code


def _by_value(func: Callable[..., Any], state: tuple[Any, ...]) -> Node[..., Any]:
    output_name, cache, digest, has_identity = state
    restored = Node(func, output_name, cache)
    restored._code_hash, restored._has_identity = digest, has_identity
    return restored


def _by_reference(
    module: str, name: str, code: bytes | None, state: tuple[Any, ...]
) -> Node[..., Any]:
    found = _find(module, name)
    if found is None and code is None:
        importlib.import_module(module)
        found = _find(module, name)
    if isinstance(found, Node) and (code is None or found.code_hash == state[2]):
        return found
    if code is None:
        raise AttributeError(f"module {module!r} has no node {name!r}")
    return _by_value(importlib.import_module("cloudpickle").loads(code), state)


def _name_of(func: Callable[..., Any]) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__name__", type(func).__name__))


def _is_async(func: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(func):
        return True
    call = getattr(func, "__call__", None)  # noqa: B004 (its kind is asked, not whether it is there)
    return inspect.iscoroutinefunction(call)


def _parameters_of(func: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except ValueError as error:
        raise NodeTypeError(
            f"Node '{name}' has no signature to read its inputs from",
            fix="wrap it in a function with named parameters",
        ) from error
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise NodeTypeError(
                f"Node '{name}' takes {parameter}, but inputs are matched by name",
                fix="name each parameter",
            )
    return parameters


def _complete(coroutine: Coroutine[Any, Any, R]) -> R:
    """Runs a coroutine to its end, inside a running event loop too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return _complete_in_thread(coroutine)
    return asyncio.run(coroutine)


def _complete_in_thread(coroutine: Coroutine[Any, Any, R]) -> R:
    results: list[R] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            results.append(context.run(asyncio.run, coroutine))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="hypernodes-async")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@overload
def node(output_name: Callable[P, R], /) -> Node[P, R]: ...
@overload
def node(
    output_name: str | Sequence[str] | None = None, cache: bool = True
) -> Callable[[Callable[P, R]], Node[P, R]]: ...
def node(
    output_name: Callable[..., Any] | str | Sequence[str] | None = None, cache: bool = True
) -> Any:
    """Makes a function a node: `@node`, `@node("sum")`, `@node(output_name=("head", "tail"))`.

    Args:
        output_name: The name of the result, by default the function's; a tuple of names for a
            function that returns a tuple or list.
        cache: False to run it always and store nothing.

    >>> @node(output_name="total", cache=False)
    ... def add(a, b=1):
    ...     return a + b
    >>> add, add(2)
    (Node(add, output=total), 3)
    """
    if callable(output_name):
        return Node(output_name, _name_of(output_name))
    name = output_name

    def decorate(func: Callable[P, R]) -> Node[P, R]:
        return Node(func, _name_of(func) if name is None else name, cache)

    return decorate
