# SPDX-License-Identifier: MIT
"""Nodes: Python functions with named inputs and outputs."""

from __future__ import annotations

import functools
import importlib
import inspect
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from . import _changes, _core, _pickling
from ._batch import BatchFunction
from ._fingerprint.dependencies import UNREAD, Reading
from ._fingerprint.digest import mix
from ._fingerprint.parts import Part, code_parts, version_part
from ._fingerprint.pinned import dotted_name, pinned_hash
from ._types import node_hints
from .exceptions import TypeError as NodeTypeError
from .fingerprint import code_hash, no_identity_reason
from .retry import Retry, checked_retry, checked_timeout, limited

if TYPE_CHECKING:
    from .integrations.daft.node_options import NodeOptions

__all__ = ["HyperNode", "Node", "node", "output_names", "parameters_of"]

P = ParamSpec("P")
R = TypeVar("R")


class Definition(NamedTuple):
    """A node as the core has it.

    Attributes:
        native: That; the same object until something about the node changes.
        readers: The nodes in it, at any depth, whose cached results depend on what their code reads
            from elsewhere, and the readings that `native` was built with.
    """

    native: _core.Node
    readers: tuple[tuple[Node[..., Any], Reading], ...] = ()


class HyperNode(ABC):
    """What a pipeline is made of: something with named inputs that makes named outputs."""

    _cache: bool = True
    _daft_options: NodeOptions | None = None
    """How Daft runs it, if it says so."""

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
    def _definition(self) -> Definition:
        """It as it is now."""

    @property
    def _hints(self) -> dict[str, Any]:
        """The type hints that are known of inputs, by name, and as "return" of the result."""
        return {}

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
        optional = self._definition().native.optional_inputs
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
        self,
        func: Callable[P, R],
        output_name: str | Sequence[str],
        cache: bool = True,
        *,
        version: str | None = None,
        aka: str | None = None,
        daft: Mapping[str, Any] | None = None,
        retry: Retry | int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Reads the function's signature; parameters with a default are optional inputs.

        Args:
            func: A function, method, partial, builtin, callable object or async function.
            output_name: The name of the result, or a tuple of names for a function that returns a
                tuple or list.
            cache: False to run it always.
            version: Stands for the code in cache keys, so that results survive edits until you
                change it; see `node`.
            aka: A former name, which counts beside the version.
            daft: How Daft runs it; see `node`.
            retry: When failed calls are made again; see `node`.
            timeout: The most seconds of a call; see `node`.

        Raises:
            TypeError: If `func` takes `*args` or `**kwargs`, or has no signature; if `version` or
                `aka` is no text, or a lambda has a version but no `aka`; if `retry` or `timeout` is
                none.
            PlanError: For options in `daft` that are not known, and a `retry` or `timeout` that
                makes no sense.
        """
        # The attributes of a class or callable object are its own matter.
        wrapped: Any = func
        updated = functools.WRAPPER_UPDATES if inspect.isfunction(wrapped) else ()
        functools.update_wrapper(self, wrapped, updated=updated)
        self.func = func
        self._name = _name_of(func)
        self.__name__ = self._name
        self._output_name = output_name if isinstance(output_name, str) else tuple(output_name)
        self._cache = bool(cache)
        self._parameters = parameters_of(func, self._name)
        self._version: str | None = _checked("version", version, self._name)
        self._aka: str | None = _checked("aka", aka, self._name)
        if daft:
            from .integrations.daft import node_options

            self._daft_options = node_options.read(daft, self._name)
        self._retry = checked_retry(retry, self._name)
        self._timeout = checked_timeout(timeout, self._name)
        self._code: object = func
        self._identify(code_hash(func) if version is None else self._pinned(func))
        # With the reading it was built with, in one piece: other threads may build it, too.
        self._built: tuple[_core.Node, Reading] | None = None
        self._resolved_hints: dict[str, Any] | None = None
        self._complete()

    def _complete(self) -> None:
        """What a kind of node reads of its function besides."""

    def _identify(self, digest: str | None) -> None:
        """Takes a digest of the node's code; None if nothing reliable identifies it."""
        self._has_identity = digest is not None
        # Without an identity it is never cached: any digits will do, but no other node's.
        self._code_hash = digest if digest is not None else secrets.token_hex(32)

    def _pinned(self, *functions: Callable[..., Any]) -> str:
        """What stands for the code of a node with a version."""
        name = dotted_name(functions[0], self._aka)
        if name.endswith("<lambda>"):
            raise NodeTypeError(
                "A lambda with a version needs a name of its own, which tells it from others",
                fix="pass aka='name', or use def",
            )
        outputs = len(output_names(self._output_name))
        return pinned_hash(name, self._version or "", self.root_args, outputs, *functions)

    @property
    def name(self) -> str:
        """The function's name."""
        return self._name

    @property
    def version(self) -> str | None:
        """What stands for the code in cache keys; None if the code itself counts."""
        return self._version

    @property
    def aka(self) -> str | None:
        """The former name that counts beside the version."""
        return self._aka

    @property
    def daft(self) -> dict[str, Any]:
        """The options that say how Daft runs it; others ignore them."""
        return {} if self._daft_options is None else self._daft_options.given()

    @property
    def retry(self) -> Retry | None:
        """When failed calls are made again; None if a failure is final."""
        return self._retry

    @property
    def timeout(self) -> float | None:
        """The most seconds of a call; None if it may take its time."""
        return self._timeout

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
        """64 hex digits that identify the function's code, or the version that stands for it."""
        return self._code_hash

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return _is_async(self.func)

    @property
    def is_dual_node(self) -> bool:
        """Whether it has a version for whole batches, too."""
        return False

    @property
    def _hints(self) -> dict[str, Any]:
        if self._resolved_hints is None:
            self._resolved_hints = node_hints(self.func)
        return self._resolved_hints

    def _definition(self) -> Definition:
        native, reading = self._built or (self._build(UNREAD), UNREAD)
        if native.cached != self._cache:
            native = native.with_cached(self._cache)
        if self._built is None or self._built[0] is not native:
            self._built = native, reading
        reads = self._cache and self._has_identity and self._version is None
        return Definition(native, ((self, reading),) if reads else ())

    def _read_again(self, before: Reading) -> bool:
        """Reads what the function reads from elsewhere, unless another thread has.

        Returns whether its definition has another reading now than the one `before`.
        """
        native, reading = self._built or (self._build(UNREAD), UNREAD)
        if not reading.holds():
            found = Reading.of(self._code)
            if (found.digest, found.refusal) != (reading.digest, reading.refusal):
                self._built = self._build(found), found
                return True
            if not found.refusal:
                self._built = native, found
                return True
        return reading is not before

    def _key_code(self, reading: Reading) -> tuple[str | None, str]:
        """The code digest for keys, and if there is none, why."""
        if not self._has_identity:
            return None, f"its code has no digest: {no_identity_reason(self.func) or 'unknown'}"
        if reading.refusal:
            return None, f"what its code reads has no digest: {reading.refusal}"
        if reading.digest is None:
            return self._code_hash, ""
        return mix("node", bytes.fromhex(self._code_hash), reading.digest).hex(), ""

    def _build(self, reading: Reading) -> _core.Node:
        code, no_identity = self._key_code(reading)
        empty = inspect.Parameter.empty
        parameters: list[tuple[Any, ...]] = [
            (p.name,) if p.default is empty else (p.name, p.default) for p in self._parameters
        ]
        keywords = tuple(p.name for p in self._parameters if p.kind is p.KEYWORD_ONLY)
        batch = self._batch_function()
        return _core.python_node(
            self._limited(self._row_function(), self.is_async),
            self._name,
            parameters,
            keywords or None,
            list(output_names(self._output_name)),
            not isinstance(self._output_name, str),
            code,
            self._cache,
            self.is_async,
            None if batch is None else self._limited(batch, is_async=False),
            no_identity,
            self._code_parts() if self._version is None else version_part(self._version),
            None if self._retry is None else self._retry._native(),
        )

    def _limited(self, function: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
        """The function, whose calls take no longer than they may."""
        if self._timeout is None:
            return function
        return limited(function, self._timeout, self._name, is_async)

    def _row_function(self) -> Callable[..., Any]:
        """What runs one row."""
        return self.func

    def _code_parts(self) -> Callable[[], list[Part]]:
        """What the code digest is made of, to be called when somebody asks."""
        # Not a method of this node: the native node would keep it alive, and it that one.
        return functools.partial(code_parts, self.func)

    def _batch_function(self) -> BatchFunction | None:
        """What runs all rows of a map in one call, if there is such a thing."""
        return None

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

    def _travelling_options(self) -> dict[str, Any]:
        """The keyword arguments that make such a node again."""
        options = {"cache": self._cache, "version": self._version, "aka": self._aka}
        seldom = {"daft": self.daft or None, "retry": self._retry, "timeout": self._timeout}
        return options | {name: value for name, value in seldom.items() if value is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        """By reference if a module holds this node, else by value."""
        module, name = self.__module__, getattr(self, "__qualname__", "")
        held = _pickling.find(module, name) is self
        # In another process __main__ may be another program: it must have this node's code.
        func = None if held and module != "__main__" else _pickling.travelling(self.func)
        options = self._travelling_options()
        state = (type(self), self._output_name, options, self._code_hash, self._has_identity)
        return _revive, ((module, name) if held else None, func, state)


def _revive(
    held_by: tuple[str, str] | None,
    func: Callable[..., Any] | bytes | None,
    state: tuple[Any, ...],
) -> Node[..., Any]:
    kind, output_name, options, digest, has_identity = state
    if held_by is not None:
        if func is None:
            importlib.import_module(held_by[0])
        found = _pickling.find(*held_by)
        if isinstance(found, Node) and (func is None or found.code_hash == digest):
            return found
    if func is None:
        raise AttributeError(f"no module has node {held_by}")
    node: Node[..., Any] = kind(_pickling.revived(func), output_name, **options)
    node._code_hash, node._has_identity = digest, has_identity
    return node


def _checked(option: str, value: object, name: str) -> Any:  # noqa: ANN401 (str or None)
    if value is None or (isinstance(value, str) and value):
        return value
    example = "'2'" if option == "version" else "'old_name'"
    raise NodeTypeError(
        f"Node '{name}' has {option} {value!r}, which is no text or empty",
        fix=f"give it a text, such as {option}={example}",
    )


def _name_of(func: Callable[..., Any]) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__name__", type(func).__name__))


def _is_async(func: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(func):
        return True
    call = getattr(func, "__call__", None)  # noqa: B004 (its kind is asked, not whether it is there)
    return inspect.iscoroutinefunction(call)


def parameters_of(func: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    """The parameters of a node's function.

    Raises:
        TypeError: If it takes `*args` or `**kwargs`, or has no signature.
    """
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


@overload
def node(output_name: Callable[P, R], /) -> Node[P, R]: ...
@overload
def node(
    output_name: str | Sequence[str] | None = None,
    cache: bool = True,
    *,
    batch: bool = False,
    version: str | None = None,
    aka: str | None = None,
    daft: Mapping[str, Any] | None = None,
    retry: Retry | int | None = None,
    timeout: float | None = None,
) -> Callable[[Callable[P, R]], Node[P, R]]: ...
def node(
    output_name: Callable[..., Any] | str | Sequence[str] | None = None,
    cache: bool = True,
    *,
    batch: bool = False,
    version: str | None = None,
    aka: str | None = None,
    daft: Mapping[str, Any] | None = None,
    retry: Retry | int | None = None,
    timeout: float | None = None,
) -> Any:
    """Makes a function a node: `@node`, `@node("sum")`, `@node(output_name=("head", "tail"))`.

    Args:
        output_name: The name of the result, by default the function's; a tuple of names for a
            function that returns a tuple or list.
        cache: False to run it always and store nothing.
        batch: Whether it takes and returns whole columns: a `BatchNode`.
        version: Stands for the code, and all that it reads from elsewhere, in cache keys: results
            survive every edit until you change it. Module and qualified name count beside it, the
            names of the inputs, and data that the function holds: a bound object, arguments of a
            partial, a closure.
        aka: The former name of a renamed function with a version, which counts instead of the new
            one; the former dotted path of one that has moved. Without a version names do not
            count, so it changes nothing.
        daft: How Daft runs it, which other engines ignore and keys do not count: any of
            `batch_size`, `cpus`, `gpus`, `max_concurrency`, `use_process` and `name`, in place of
            what the engine's `default_daft_config` says. In a DataFrame it is then a function of
            its own; `run` and `map` go by the strictest of their nodes.
        retry: When a call that failed is made again: a `Retry`, or the most attempts, the first
            included. Each row is retried by itself, a call for a whole batch as one. Cache keys do
            not count it, nor the time limit.
        timeout: The most seconds of each call, which then fails with a NodeTimeoutError. A
            coroutine is cancelled; any other call is made in a thread of its own and goes on
            there, but nobody waits for it and its result is thrown away.

    >>> @node(output_name="total", cache=False)
    ... def add(a, b=1):
    ...     return a + b
    >>> add, add(2)
    (Node(add, output=total), 3)
    """
    if callable(output_name):
        return Node(output_name, _name_of(output_name))

    def decorate(func: Callable[..., Any]) -> Node[..., Any]:
        kind: type[Node[..., Any]] = Node
        if batch:
            from .batch_node import BatchNode

            kind = BatchNode
        name = _name_of(func) if output_name is None else output_name
        return kind(
            func, name, cache, version=version, aka=aka, daft=daft, retry=retry, timeout=timeout
        )

    return decorate
