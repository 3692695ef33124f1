# SPDX-License-Identifier: MIT
"""Handles: what calling a stateful class gives, in place of an object that is made when needed.

Handles of one call share one `_Resource`, also those that pickling brings back into a process.
"""

from __future__ import annotations

import collections
import copy
import functools
import importlib
import inspect
import pickle
import reprlib
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from . import _pickling
from .exceptions import TypeError as StatefulTypeError
from .fingerprint import code_hash

__all__ = ["constructor_signature", "make_handle"]


def make_handle(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """A handle on what `cls` will make of these arguments.

    Raises:
        TypeError: If they do not fit its constructor.
    """
    call = _Call(cls, args, kwargs)
    call.arguments()
    return _handle_type(cls)(_Resource(call))


def constructor_signature(cls: type) -> inspect.Signature | None:
    """How a class is called; None if it does not tell."""
    for base in cls.__mro__[:-1]:
        own = vars(base)
        given = own.get("__signature__")
        if isinstance(given, inspect.Signature):
            return given
        constructor = own.get("__init__") or own.get("__new__")
        if constructor is not None:
            try:
                whole = inspect.signature(getattr(constructor, "__func__", constructor))
            except ValueError:
                return None  # One written in C.
            return _without_self(whole)
    return inspect.Signature()


def _without_self(whole: inspect.Signature) -> inspect.Signature:
    parameters = list(whole.parameters.values())
    if parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    return whole.replace(parameters=parameters)


class _Call:
    """A call of a stateful class."""

    __slots__ = ("args", "cls", "kwargs")

    def __init__(self, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ANN401 (a stateful class)
        self.cls = cls
        self.args = args
        self.kwargs = kwargs

    def arguments(self) -> dict[str, Any]:
        """All arguments by name, defaults too, however they were passed."""
        signature = constructor_signature(self.cls)
        if signature is None:
            return {"args": self.args, "kwargs": self.kwargs}
        try:
            bound = signature.bind(*self.args, **self.kwargs)
        except TypeError as error:
            name = self.cls.__name__
            raise StatefulTypeError(
                f"{name}(): {error}", fix=f"its signature is {name}{signature}"
            ) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def __repr__(self) -> str:
        shown = [reprlib.repr(value) for value in self.args]
        shown += [f"{name}={reprlib.repr(value)}" for name, value in self.kwargs.items()]
        return f"{self.cls.__name__}({', '.join(shown)})"


_NOT_MADE: Any = object()
# What inspect.iscoroutinefunction looks for, and asyncio's, by the names of each version of Python.
_COROUTINE_MARK = "_is_coroutine"


class _Resource:
    """What one call makes, when it is needed. Threads: safe."""

    __slots__ = ("__weakref__", "call", "lock", "made", "token")

    def __init__(self, call: _Call, token: str = "") -> None:
        self.call = call
        self.token = token or uuid.uuid4().hex
        self.lock = threading.RLock()
        self.made = _NOT_MADE
        _resources[self.token] = self

    def get(self) -> Any:  # noqa: ANN401
        if self.made is _NOT_MADE:
            with self.lock:
                if self.made is _NOT_MADE:
                    call = self.call
                    self.made = call.cls.__hypernode_make__(*call.args, **call.kwargs)
        return self.made


# By token, so that a handle that was pickled finds its object again.
_resources: weakref.WeakValueDictionary[str, _Resource] = weakref.WeakValueDictionary()
# What came from another process last: a worker that is sent task after task makes it once.
_arrived: collections.deque[_Resource] = collections.deque(maxlen=16)
_arriving = threading.Lock()


class _Handle:
    """Stands for an object; the type of each handle adds the special methods of its class."""

    __slots__ = ("__hypernode_resource__", "__weakref__")
    __hypernode_resource__: _Resource
    __hypernode_stateful__ = True

    def __init__(self, resource: _Resource) -> None:
        object.__setattr__(self, "__hypernode_resource__", resource)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        cls: type = self.__hypernode_resource__.call.cls
        return cls

    @property
    def __signature__(self) -> inspect.Signature:
        """That of `__call__`, without `self`."""
        method, owner = _on_class(self.__class__, "__call__")
        if owner is None:
            raise AttributeError("__signature__")
        whole = inspect.signature(method)
        return whole if isinstance(method, staticmethod) else _without_self(whole)

    @property
    def __hypernode_call__(self) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
        """What it takes to make the object: class, arguments, keyword arguments."""
        call = self.__hypernode_resource__.call
        return call.cls, call.args, call.kwargs

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """What the object has; what the class has for all its objects, without making one."""
        resource = self.__hypernode_resource__
        if resource.made is not _NOT_MADE:
            return getattr(resource.made, name)
        cls = resource.call.cls
        found, owner = _on_class(cls, name)
        if isinstance(found, staticmethod | classmethod):
            return getattr(cls, name)
        if _is_special(name) or name.startswith(_COROUTINE_MARK):
            # Asked by those who look what kind of object it is.
            if owner is None:
                raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
            if not hasattr(type(found), "__get__"):
                return found
        return getattr(resource.get(), name)

    def __setattr__(self, name: str, value: object) -> None:
        if _is_special(name):  # typing sets __orig_class__ on what Model[int]() gives.
            raise AttributeError(f"{name!r} of a stateful object cannot be set")
        setattr(self.__hypernode_resource__.get(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__hypernode_resource__.get(), name)

    def __dir__(self) -> list[str]:
        made = self.__hypernode_resource__.made
        return dir(self.__class__ if made is _NOT_MADE else made)

    def __repr__(self) -> str:
        return repr(self.__hypernode_resource__.call)

    def __cache_key__(self) -> Any:  # noqa: ANN401 (a class's own may be anything)
        """What stands for it in cache keys: its class and the arguments, or what the class says."""
        resource = self.__hypernode_resource__
        call = resource.call
        own, owner = _on_class(call.cls, "__cache_key__")
        if isinstance(own, staticmethod | classmethod):
            return call.cls.__cache_key__(*call.args, **call.kwargs)
        if owner is not None:
            return resource.get().__cache_key__()
        return call.cls, call.arguments()

    def __copy__(self) -> _Handle:
        return type(self)(self.__hypernode_resource__)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Handle:
        call = self.__hypernode_resource__.call
        args, kwargs = copy.deepcopy((call.args, call.kwargs), memo)
        return type(self)(_Resource(_Call(call.cls, args, kwargs)))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:  # noqa: ANN401
        resource = self.__hypernode_resource__
        call = resource.call
        return _arrive, (resource.token, _describe(call.cls), call.args, call.kwargs)


def _is_special(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _on_class(cls: type, name: str) -> tuple[Any, type | None]:
    """What a class or its bases hold under a name, as it stands there, and which of them."""
    for base in cls.__mro__[:-1]:
        if name in vars(base):
            return vars(base)[name], base
    return None, None


# The type of handles -----------------------------------------------------------------------------

_handle_types: weakref.WeakKeyDictionary[type, type[_Handle]] = weakref.WeakKeyDictionary()


def _handle_type(cls: type) -> type[_Handle]:
    known = _handle_types.get(cls)
    if known is None:
        names = ("__module__", "__qualname__", "__doc__")
        body = {"__slots__": (), **{name: getattr(cls, name) for name in names}}
        body.update(_special_methods(cls))
        known = _handle_types[cls] = type(cls.__name__, (_Handle,), body)
    return known


# Those that a handle has itself, and those that are not about using an object.
_NOT_FORWARDED = frozenset(vars(_Handle)) | {
    "__new__",
    "__del__",
    "__getattribute__",
    "__reduce__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__sizeof__",
    "__init_subclass__",
    "__subclasshook__",
    "__class_getitem__",
    "__set_name__",
    "__post_init__",
}


def _special_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Those of the class, which use the object: Python looks them up on the type."""
    names = {name for base in cls.__mro__[:-1] for name in vars(base)}
    for name in sorted(names - _NOT_FORWARDED):
        if name.startswith("__") and name.endswith("__"):
            method, _ = _on_class(cls, name)
            if name == "__hash__" and method is None:
                yield name, None
            elif callable(method) and not isinstance(method, type):
                yield name, _forward(name, inspect.iscoroutinefunction(method))


@functools.cache
def _forward(name: str, is_async: bool) -> Callable[..., Any]:
    def forward(self: _Handle, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return getattr(self.__hypernode_resource__.get(), name)(*args, **kwargs)

    async def forward_async(self: _Handle, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return await getattr(self.__hypernode_resource__.get(), name)(*args, **kwargs)

    made = forward_async if is_async else forward
    made.__name__ = name
    return made


# Pickling ----------------------------------------------------------------------------------------

# Module and name of a class, its code if they do not suffice, and the digest of that code; or, for
# what `Lazy = stateful(Plain)` made, Plain and the options.
_Description = tuple[str, str, bytes | None, str | None] | tuple[type, dict[str, Any]]


def _describe(cls: type) -> _Description:
    module, name = cls.__module__, cls.__qualname__
    found = _pickling.find(module, name)
    if found is cls and module != "__main__":
        return module, name, None, None
    plain = cls.__bases__[0]
    if found is plain and "__hypernode_options__" in vars(cls):
        return plain, vars(cls)["__hypernode_options__"]
    # In another process __main__ may be another program: take the code along, if we can.
    code = _pickling.by_value(cls)
    if code is None and found is not cls:
        raise pickle.PicklingError(
            f"class {name} of module {module} cannot be imported by that name:"
            " define it at the top of a module, or pip install cloudpickle"
        )
    return module, name, code, None if code is None else code_hash(cls)


def _find_class(description: _Description) -> type:
    if len(description) == 2:
        return _derived_from(*description)
    module, name, code, digest = description
    if code is None:
        importlib.import_module(module)
    found = _pickling.find(module, name)
    known = found if isinstance(found, type) and _is_stateful(found) else None
    if known is not None and (code is None or code_hash(known) == digest):
        return known
    if code is None:
        raise AttributeError(f"module {module!r} has no stateful class {name!r}")
    loaded: type = _pickling.from_value(code)
    return loaded


def _is_stateful(cls: type) -> bool:
    return hasattr(cls, "__hypernode_make__")


def _derived_from(plain: type, options: dict[str, Any]) -> type:
    from .stateful import stateful

    subclasses: list[type] = type.__subclasses__(plain)
    for known in subclasses:
        if _is_stateful(known) and vars(known).get("__hypernode_options__") == options:
            return known
    derived: type = stateful(**options)(plain)
    return derived


def _arrive(
    token: str, description: _Description, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _Handle:
    """The handle that was pickled: on the object of this process, if it is known here."""
    resource = _resources.get(token)
    if resource is None:
        call = _Call(_find_class(description), args, kwargs)
        with _arriving:
            resource = _resources.get(token)
            if resource is None:
                resource = _Resource(call, token)
                _arrived.append(resource)
    return _handle_type(resource.call.cls)(resource)
