# SPDX-License-Identifier: MIT
"""Objects that are costly to make, such as models and indexes: made when they are first used."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import types
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ._handles import constructor_signature, make_handle
from .exceptions import TypeError as StatefulTypeError

__all__ = ["StatefulType", "stateful"]

C = TypeVar("C", bound=type)


@overload
def stateful(cls: C, /) -> C: ...
@overload
def stateful(
    *,
    use_process: bool | None = None,
    max_concurrency: int | None = None,
    max_workers: int | None = None,
    batch_size: int | None = None,
    gpus: float | None = None,
    cpus: float | None = None,
) -> Callable[[C], C]: ...
def stateful(
    cls: type | None = None,
    /,
    *,
    use_process: bool | None = None,
    max_concurrency: int | None = None,
    max_workers: int | None = None,
    batch_size: int | None = None,
    gpus: float | None = None,
    cpus: float | None = None,
) -> Any:
    """Makes a class whose objects are made on first use, once in a process.

    `Model("path")` keeps the arguments. The object is made when it is first called, or one of its
    attributes or methods is used, however many threads do so at once; if its constructor fails, the
    error comes out there, and the next use tries again. Pickling takes the class and the arguments
    along, never the object: it is made anew in the process where it is used. `copy.copy` gives
    another name for the same object, `copy.deepcopy` one that will be made anew.

    As an input of a node, or as its function, its digest in cache keys is the class's code and the
    arguments, and nothing is made for it. A class may define `__cache_key__` instead: a static or
    class method is called with the constructor's arguments; any other is called on the object,
    which is made for that.

    What the class itself holds is there as ever (`Model.LABELS`, `Model.from_folder(...)`); static
    and class methods through objects, too. A subclass is stateful as well.

    Args:
        cls: The class, which is left as it is: a subclass of the same name takes its place.
        use_process: Whether engines may use it in processes of their own.
        max_concurrency: How many of its objects may be used at once.
        max_workers: How many workers may share the rows.
        batch_size: How many rows a worker is given at once.
        gpus: How many GPUs each object needs.
        cpus: How many CPUs each object needs.

    The options given are in `__hypernode_options__`; they are not part of cache keys.

    Raises:
        TypeError: If it is no class that can be derived from, or calls `super` with its own name.

    >>> @stateful
    ... class Model:
    ...     def __init__(self, path):
    ...         print("loading", path)
    ...     def __call__(self, x):
    ...         return x * 2
    >>> model = Model("weights.bin")
    >>> model
    Model('weights.bin')
    >>> model(21)
    loading weights.bin
    42
    """
    options = {
        "use_process": use_process,
        "max_concurrency": max_concurrency,
        "max_workers": max_workers,
        "batch_size": batch_size,
        "gpus": gpus,
        "cpus": cpus,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return functools.partial(_derive, options=given) if cls is None else _derive(cls, given)


class StatefulType(type):
    """The metaclass of stateful classes: calling one gives a handle."""

    @property
    def __signature__(cls) -> inspect.Signature | None:
        """The constructor's, without `self`; None if it does not tell."""
        return constructor_signature(cls)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (an object, as far as types go)
        """Keeps the arguments.

        Raises:
            TypeError: If they do not fit the constructor, or the class is abstract.
        """
        if inspect.isabstract(cls):
            missing = sorted(getattr(cls, "__abstractmethods__", ()))
            raise StatefulTypeError(
                f"Class {cls.__name__} is abstract: it lacks {', '.join(missing)}",
                fix="derive a class that defines them",
            )
        return make_handle(cls, args, kwargs)

    def __hypernode_make__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Makes an object, as calling the class does without us."""
        return super().__call__(*args, **kwargs)


def _derive(cls: type, options: dict[str, Any]) -> type:
    if not isinstance(cls, type):
        raise StatefulTypeError(
            f"stateful decorates a class, got {type(cls).__name__}", fix="use @node for a function"
        )
    method = _names_itself_to_super(cls)
    if method is not None:
        raise StatefulTypeError(
            f"{cls.__name__}.{method} calls super({cls.__name__}, ...), but @stateful puts a"
            " subclass under that name",
            fix="write super() without arguments",
        )
    body = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__slots__": (),
        "__hypernode_stateful__": True,
        "__hypernode_options__": options,
    }
    derived = _metaclass(type(cls))(cls.__name__, (cls,), body)
    if hasattr(cls, "__parameters__"):
        # Generic takes a subclass for one without parameters of its own.
        type.__setattr__(derived, "__parameters__", cls.__parameters__)
    return derived


@functools.cache
def _metaclass(kind: type[type]) -> type[type]:
    """StatefulType on top of a class's own metaclass."""
    if issubclass(kind, StatefulType):
        return kind
    if kind is type:
        return StatefulType
    return type(f"Stateful{kind.__name__}", (StatefulType, kind), {"__module__": __name__})


def _names_itself_to_super(cls: type) -> str | None:
    """A method with `super(Model, self)`: from a subclass called Model it would call itself."""
    for name, method in vars(cls).items():
        code = getattr(method, "__code__", None)
        if not isinstance(code, types.CodeType) or "super" not in code.co_names:
            continue
        loads = [s.argval for s in dis.get_instructions(code) if s.opname.startswith("LOAD_")]
        if ("super", cls.__name__) in itertools.pairwise(loads):
            return name
    return None
