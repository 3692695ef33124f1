# SPDX-License-Identifier: MIT
"""Calls functions of whole columns for the native module: what comes in, what goes out.

Columns are objects of numpy, pyarrow, pandas or polars here, so this is not in the core.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from .exceptions import DependencyMissingError, OutputError
from .exceptions import TypeError as ColumnTypeError
from .hints import plain_hint, resolved_hints

__all__ = ["BatchFunction", "Forms", "arrow_form", "required"]

Column = list[Any] | _core.ArrowColumn
Form = Callable[[Column], Any]
"""Makes the kind of column that a function wants of a list, or an Arrow column of the core."""


def required(module: str, what: str) -> Any:  # noqa: ANN401
    """The module; raises DependencyMissingError if `what` cannot have it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyMissingError(
            f"{what} requires '{module}'", fix=f"pip install {module}"
        ) from error


def arrow_form(column: Column) -> Any:  # noqa: ANN401
    """A pyarrow.Array."""
    return required("pyarrow", "a column of Arrow").array(column)


def _numpy_form(column: Column) -> Any:  # noqa: ANN401
    numpy = required("numpy", "a column of numpy")
    if isinstance(column, list):
        return numpy.array(column)
    return arrow_form(column).to_numpy(zero_copy_only=False)


def _list_form(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.to_list()


def _pandas_form(column: Column) -> Any:  # noqa: ANN401
    return required("pandas", "a column of pandas").Series(_list_form(column))


def _polars_form(column: Column) -> Any:  # noqa: ANN401
    return required("polars", "a column of polars").Series(_list_form(column))


_FORMS: dict[str, Form] = {
    "numpy": _numpy_form,
    "pyarrow": arrow_form,
    "pandas": _pandas_form,
    "polars": _polars_form,
    "list": _list_form,
}
_LISTS: frozenset[object] = frozenset(
    {
        list,
        collections.abc.Sequence,
        collections.abc.MutableSequence,
        collections.abc.Collection,
        collections.abc.Iterable,
    }
)


class Forms:
    """What kind of column each parameter of a function takes: what its hint says, else numpy.

    Attributes:
        names: The kinds in words.
        forms: How each is made.
        wants_column: Whether the parameter is a column in a single run, too, where nothing is
            mapped: unless its hint names something else, such as `float`.
    """

    def __init__(self, func: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
        """Reads the hints."""
        hints = resolved_hints(func)
        self.names: list[str] = []
        self.forms: list[Form] = []
        self.wants_column: list[bool] = []
        for parameter in parameters:
            hint = plain_hint(hints.get(parameter.name, Any))
            name = _form_name(hint)
            self.names.append(name or "numpy")
            self.forms.append(_FORMS[name or "numpy"])
            self.wants_column.append(name is not None or hint is Any)


def _form_name(hint: object) -> str | None:
    """What kind of column a hint asks for; None if it names no kind."""
    kind = typing.get_origin(hint) or hint
    try:
        if kind in _LISTS:
            return "list"
    except TypeError:  # an unhashable hint
        return None
    package = str(getattr(kind, "__module__", "")).partition(".")[0]
    return package if package in _FORMS else None


class BatchFunction:
    """A function that takes columns and returns columns, as the native module calls it."""

    def __init__(
        self,
        func: Callable[..., Any],
        name: str,
        parameters: Sequence[inspect.Parameter],
        forms: Sequence[Form],
        outputs: int | None,
    ) -> None:
        """Keeps how to call it.

        Args:
            func: The function.
            name: The node's, in messages.
            parameters: Its parameters.
            forms: What a column is made into for each.
            outputs: How many columns it returns in a tuple or list; None for one by itself.
        """
        self._func = func
        self._name = name
        self._parameters = parameters
        self._forms = forms
        self._outputs = outputs

    def __call__(
        self, arguments: Sequence[Any], constant: Sequence[bool], rows: int
    ) -> list[list[Any]]:
        """Calls the function once.

        Args:
            arguments: For each parameter a column, or a value that is the same for all rows.
            constant: Which of them are such values.
            rows: How many each column has.

        Returns:
            For each output a list with an item for each row.

        Raises:
            TypeError: If something cannot be made into a column.
            OutputError: If a result has another length (a RuntimeError).
        """
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter, form, argument, same in zip(
            self._parameters, self._forms, arguments, constant, strict=True
        ):
            value = argument if same else self._column(parameter.name, form, argument)
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        result = self._func(*positional, **named)
        if inspect.isawaitable(result):
            from . import _async  # here: asyncio takes long to import

            result = _async.complete(result)
        if self._outputs is None:
            return [self._items(result, rows)]
        if not isinstance(result, (tuple, list)) or len(result) != self._outputs:
            got = len(result) if isinstance(result, (tuple, list)) else type(result).__name__
            raise OutputError(
                f"Node '{self._name}' returned {got}, expected {self._outputs} columns in a tuple"
            )
        return [self._items(column, rows) for column in result]

    def one(self, wants_column: Sequence[bool], *arguments: Any) -> Any:  # noqa: ANN401
        """Calls the function for a single row: columns have one item."""
        constant = [
            not column or getattr(argument, "__hypernode_stateful__", False) is True
            for column, argument in zip(wants_column, arguments, strict=True)
        ]
        columns = [a if same else [a] for a, same in zip(arguments, constant, strict=True)]
        items = [column[0] for column in self(columns, constant, 1)]
        return items[0] if self._outputs is None else tuple(items)

    def _column(self, parameter: str, form: Form, items: Column) -> Any:  # noqa: ANN401
        try:
            return form(items)
        except (ValueError, TypeError, OverflowError) as error:  # pyarrow's are ValueErrors
            raise ColumnTypeError(
                f"Node '{self._name}' takes '{parameter}' as a column, but its values do not make"
                f" one: {error}",
                fix="pass values of one plain type, or annotate the parameter as a list",
            ) from error

    def _items(self, column: Any, rows: int) -> list[Any]:  # noqa: ANN401
        items = _to_list(column)
        if items is None:
            raise ColumnTypeError(
                f"Node '{self._name}' returned {type(column).__name__}, which is no column",
                fix="return a list, a numpy array, or an Arrow, pandas or polars column",
            )
        if len(items) != rows:
            raise OutputError(
                f"Node '{self._name}' returned {len(items)} values, expected {rows}",
                fix="return one value for each row",
            )
        return items


def _to_list(column: Any) -> list[Any] | None:  # noqa: ANN401
    """The items; None if it is no column."""
    if isinstance(column, list):
        return column
    package = type(column).__module__.partition(".")[0]
    if package == "numpy" and getattr(column, "ndim", 0) > 0:
        items: list[Any] = column.tolist() if column.ndim == 1 else list(column)
        return items
    for method in ("to_pylist", "to_list") if package in _FORMS else ():
        if hasattr(column, method):
            items = getattr(column, method)()
            return items
    return None
