# SPDX-License-Identifier: MIT
"""Nodes whose functions take and return whole columns, used wherever a pipeline is mapped."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _pickling
from ._batch import BatchFunction, Forms, arrow_form, required
from ._fingerprint.parts import Part, code_parts
from .exceptions import TypeError as NodeTypeError
from .fingerprint import code_hash
from .node import Node, output_names, parameters_of
from .retry import Retry

__all__ = ["BatchNode", "DualNode"]

_SINGULAR_ENDINGS = ("_singular", "_single", "_one")


class BatchNode(Node[..., Any]):
    """A function of columns as a node: `@node("scaled", batch=True)`.

    In a map it is called once for all rows that no cache has. What is mapped over, or computed from
    what is, comes as a column of the kind that the parameter's hint names (a list, or a numpy,
    pyarrow, pandas or polars column; numpy without a hint), everything else as it is. In a single
    run, columns have one item; a parameter whose hint is no column gets the value. Results may be
    any of these columns; they are kept row by row.

    >>> from hypernodes import Pipeline, node
    >>> @node("scaled", batch=True)
    ... def scale(values: list[float], factor: float) -> list[float]:
    ...     return [value * factor for value in values]
    >>> Pipeline([scale]).map({"values": [1.0, 2.0], "factor": 3.0}, map_over="values")
    [{'scaled': 3.0}, {'scaled': 6.0}]
    """

    def _complete(self) -> None:
        self._forms = Forms(self.func, self._parameters)
        if self._version is None:
            # The function gets other objects when a hint changes.
            self._code_hash = _joined("batch", self._code_hash, *self._forms.names)
        several = not isinstance(self._output_name, str)
        count = len(output_names(self._output_name)) if several else None
        self._batch = BatchFunction(
            self.func, self._name, self._parameters, self._forms.forms, count
        )

    @property
    def is_async(self) -> bool:
        """False: a batch is one call, which is waited for."""
        return False

    @property
    def _hints(self) -> dict[str, Any]:
        return {}  # they are of columns, what is wired are items

    def _row_function(self) -> Callable[..., Any]:
        return functools.partial(self._batch.one, self._forms.wants_column)

    def _batch_function(self) -> BatchFunction:
        return self._batch

    def _code_parts(self) -> Callable[[], list[Part]]:
        return functools.partial(code_parts, self.func, columns=", ".join(self._forms.names))


class DualNode(Node[..., Any]):
    """Two functions for one result: for one row, and for whole columns.

    `run` calls `singular`; every map, on every engine, calls `batch` once for all rows that no
    cache has, with a pyarrow.Array for each parameter that is mapped over, or computed from what
    is, and the plain value for every other. It returns a pyarrow.Array, a list or a numpy array,
    with one value for each row. Both functions must agree: results of either are cached, row by
    row.

    >>> import pyarrow.compute
    >>> from hypernodes import Pipeline
    >>> double = DualNode("doubled", lambda x: x * 2, lambda x: pyarrow.compute.multiply(x, 2))
    >>> Pipeline([double]).map({"x": [1, 2]}, map_over="x")
    [{'doubled': 2}, {'doubled': 4}]
    """

    def __init__(
        self,
        output_name: str | Sequence[str],
        singular: Callable[..., Any],
        batch: Callable[..., Any],
        cache: bool = True,
        *,
        version: str | None = None,
        aka: str | None = None,
        daft: Mapping[str, Any] | None = None,
        retry: Retry | int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Reads the signatures, which must have the same parameters.

        Args:
            output_name: The name of the result, or a tuple of names.
            singular: The function of one row; a trailing _singular, _single or _one is not part of
                the node's name.
            batch: The function of columns.
            cache: False to run it always.
            version: Stands for the code of both in cache keys, as for `node`.
            aka: A former name of `singular`, as for `node`.
            daft: How Daft runs it, as for `node`.
            retry: When failed calls are made again, as for `node`.
            timeout: The most seconds of a call, as for `node`; of a batch, for all its rows.

        Raises:
            TypeError: If the parameters differ, or a function is async.
            DependencyMissingError: Without pyarrow (an ImportError).
        """
        required("pyarrow", "DualNode batch execution")
        super().__init__(
            singular,
            output_name,
            cache,
            version=version,
            aka=aka,
            daft=daft,
            retry=retry,
            timeout=timeout,
        )
        for ending in _SINGULAR_ENDINGS:
            self._name = self._name.removesuffix(ending) or self._name
        self.__name__ = self._name
        self.singular = singular
        self.batch = batch
        parameters = parameters_of(batch, self._name)
        self._check(parameters)
        if version is None:
            digest = code_hash(batch)
            self._has_identity = self._has_identity and digest is not None
            if digest is not None:
                self._code_hash = _joined("dual", self._code_hash, digest)
        else:
            self._identify(self._pinned(singular, batch))
        self._code = (singular, batch)
        several = not isinstance(self._output_name, str)
        count = len(output_names(self._output_name)) if several else None
        by_name = {parameter.name: parameter for parameter in parameters}
        ordered = [by_name[name] for name in self.root_args]
        self._batch = BatchFunction(batch, self._name, ordered, [arrow_form] * len(ordered), count)

    def _check(self, parameters: Sequence[inspect.Parameter]) -> None:
        names = [parameter.name for parameter in parameters]
        if sorted(names) != sorted(self.root_args):
            raise NodeTypeError(
                f"The functions of node '{self._name}' have different parameters:"
                f" {list(self.root_args)} and {names}",
                fix="give both the same names",
            )
        if inspect.iscoroutinefunction(self.func) or inspect.iscoroutinefunction(self.batch):
            raise NodeTypeError(
                f"The functions of node '{self._name}' must not be async",
                fix="make an async function a node of its own",
            )

    @property
    def is_dual_node(self) -> bool:
        """True."""
        return True

    def _batch_function(self) -> BatchFunction:
        return self._batch

    def _code_parts(self) -> Callable[[], list[Part]]:
        return functools.partial(code_parts, self.singular, self.batch)

    def __reduce__(self) -> tuple[Any, ...]:
        """The functions, by reference or, if nothing can import them, by value."""
        functions = _pickling.travelling(self.singular), _pickling.travelling(self.batch)
        options = self._travelling_options()
        return _revive_dual, (self._output_name, *functions, options, self._code_hash)


def _revive_dual(
    output_name: str | tuple[str, ...],
    singular: Callable[..., Any] | bytes,
    batch: Callable[..., Any] | bytes,
    options: dict[str, Any],
    digest: str,
) -> DualNode:
    node = DualNode(output_name, _pickling.revived(singular), _pickling.revived(batch), **options)
    node._code_hash = digest
    return node


def _joined(*parts: str) -> str:
    """64 hex digits for texts none of which contains a newline."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
