# SPDX-License-Identifier: MIT
"""The digest of a Python value: plain data, functions, classes, modules and objects.

Equal values have equal digests in every process, whatever the hash seed. What has no such digest
(an open file, an object of a C type that does not show its state) raises `NoIdentityError`: a
wrong digest serves a wrong result, a missing one only costs time.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextvars
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import logging
import operator
import pathlib
import re
import sys
import threading
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hypernodes import _core

from . import classes, objects
from .arrays import array_digest
from .code import SCALARS, code_digest, scalar_digest
from .digest import NoIdentityError, mix, text, unordered
from .names import SINKS, filled_cells
from .origin import is_user_code, module_digest, reference, version_of
from .snapshot import Snapshot, content

# Immutable, and `repr` shows all of the value.
_SHOWN: frozenset[type] = frozenset(
    {
        datetime.date,
        datetime.time,
        datetime.datetime,
        datetime.timedelta,
        datetime.timezone,
        zoneinfo.ZoneInfo,
        decimal.Decimal,
        fractions.Fraction,
        uuid.UUID,
        range,
        ipaddress.IPv4Address,
        ipaddress.IPv6Address,
        ipaddress.IPv4Network,
        ipaddress.IPv6Network,
    }
)
# State of the running process, never part of what a function computes.
_RUNTIME: tuple[type, ...] = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.BoundedSemaphore,
    threading.Barrier,
)
_GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)
_LRU_CACHE = type(functools.lru_cache(len))
_DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


# A level takes up to ten frames; CPython's limit is 1000.
_LEVELS_PER_STACK = 50
_MOST_LEVELS = 2000

# Exactly these may be plain data all through, for which the core has an encoding.
_PLAIN = frozenset({tuple, list, set, frozenset, dict})


class Digester:
    """Digests values; one object per top-level value, used by one thread."""

    def __init__(self) -> None:
        """Starts with nothing being digested."""
        self._open: dict[int, int] = {}  # id of each object around the current one -> its depth
        self._cycles = 0

    def __call__(self, value: object) -> bytes:
        """Returns the digest of `value`.

        Raises:
            NoIdentityError: if it, or something in it, has none.
        """
        if type(value) in SCALARS:
            return scalar_digest(value)
        if type(value) in _PLAIN:
            plain = _core.plain_digest(value)
            if plain is not None:
                return mix("plain", plain)
        depth = self._open.get(id(value))
        if depth is not None:
            return mix("cycle", text(str(len(self._open) - depth)))
        self._open[id(value)] = len(self._open)
        try:
            if len(self._open) % _LEVELS_PER_STACK == 0:
                return self._on_another_stack(value)
            return self._compound(value)
        except RecursionError:
            raise NoIdentityError("data nested too deeply") from None
        except NoIdentityError:
            raise
        except Exception as error:  # of the user's own code, or data that another thread changes
            raise NoIdentityError(f"{type(error).__name__} ({error})") from error
        finally:
            del self._open[id(value)]

    def items(self, tag: str, values: Iterable[object]) -> bytes:
        """Returns the digest of values in order."""
        return mix(tag, *map(self, values))

    def mapping(self, tag: str, value: Mapping[Any, Any]) -> bytes:
        """Returns the digest of keys and values; their order does not count."""
        return unordered(tag, (mix("item", self(k), self(v)) for k, v in value.items()))

    def user_function(self, function: types.FunctionType) -> bytes:
        """Returns the digest of a function: code, defaults and closure, not its name."""
        return _function_digest(self, function)

    def runtime(self, value: object) -> bytes:
        """Returns the digest of a lock or the like: its state does not count."""
        return text(type(value).__qualname__)

    def known_class(self, cls: type) -> bytes | None:
        """Returns the digest of a user's class that was digested before and has not changed."""
        kept = _classes.get(id(cls))
        return kept.digest if kept is not None and kept.holds() else None

    def user_class(self, cls: type) -> bytes:
        """Returns the digest of a user's class."""
        # On its own, so that it does not depend on what it is part of.
        kept = _KnownClass(cls, _InsideClass()(cls))
        if len(_classes) >= _MOST_CLASSES:
            _classes.clear()
        _classes[id(cls)] = kept
        snapshot = Snapshot(_digest_again)
        snapshot.add(cls)
        kept.snapshot = snapshot
        return kept.digest

    def _on_another_stack(self, value: object) -> bytes:
        """Goes on in a thread of its own, so that the depth of the stack sets no limit."""
        if len(self._open) > _MOST_LEVELS:
            raise NoIdentityError("data nested too deeply")
        outcome: concurrent.futures.Future[bytes] = concurrent.futures.Future()

        def run() -> None:
            try:
                outcome.set_result(self._compound(value))
            except BaseException as error:
                outcome.set_exception(error)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
        thread.start()
        thread.join()
        return outcome.result()

    def _compound(self, value: object) -> bytes:
        for kinds, digest in _HANDLERS:
            if isinstance(value, kinds):
                found = digest(self, value)
                if found is not None:
                    return found
        return objects.instance(self, value)


class _InsideClass(Digester):
    """Digests what a class is made of: itself, met again in there, is a cycle."""

    def known_class(self, cls: type) -> bytes | None:
        return None

    def user_class(self, cls: type) -> bytes:
        return classes.class_digest(self, cls)


class _KnownClass:
    """The digest of a class, as long as the class is what it was."""

    def __init__(self, cls: type, digest: bytes) -> None:
        self.cls = cls  # kept alive, so that no other has its id
        self.digest = digest
        self.snapshot: Snapshot | None = None  # while it is made

    def holds(self) -> bool:
        looked_at = _looked_at.get()
        if self.snapshot is None or self in looked_at:  # the class is met inside itself
            return True
        token = _looked_at.set((*looked_at, self))
        try:
            return self.snapshot.holds()
        finally:
            _looked_at.reset(token)


# A variable of the context, since values that are nested deeply go on in other threads.
_looked_at: contextvars.ContextVar[tuple[_KnownClass, ...]] = contextvars.ContextVar(
    "classes looked at", default=()
)


_MOST_CLASSES = 1024
_classes: dict[int, _KnownClass] = {}


def _digest_again(value: object) -> bytes:
    return Digester()(value)


def _container(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401 (checked by type)
    kind = type(value)
    name = kind.__name__
    if kind in (tuple, list):
        return digest.items(name, value)
    if kind in (set, frozenset):
        return unordered(name, map(digest, value))
    if kind in (dict, types.MappingProxyType, collections.Counter):
        return digest.mapping(name, value)
    if kind is collections.defaultdict:
        return mix(name, digest(value.default_factory), digest.mapping("dict", value))
    if kind is collections.OrderedDict:
        return digest.items(name, value.items())
    if kind is collections.deque:
        return mix(name, digest(value.maxlen), digest.items("items", value))
    if kind is types.SimpleNamespace:
        return digest.mapping(name, vars(value))
    return mix(name, bytes(value)) if kind is bytearray else None


def _shown(digest: Digester, value: object) -> bytes | None:
    if isinstance(value, re.Pattern):
        return mix("pattern", digest(value.pattern), digest(value.flags))
    if isinstance(value, pathlib.PurePath):
        kind = type(value)
        named = digest(kind) if is_user_code(kind.__module__) else text(kind.__qualname__)
        return mix("path", named, text(str(value)))
    if type(value) not in _SHOWN:
        return None
    shown = repr(value)
    if " at 0x" in shown:  # A tzinfo of the user's own.
        raise NoIdentityError(f"the value {shown}")
    if isinstance(value, uuid.UUID) and value.is_safe is not uuid.SafeUUID.unknown:
        shown += value.is_safe.name
    return mix("shown", text(shown))


def _function(digest: Digester, value: types.FunctionType) -> bytes:
    return reference(value) or _dispatched(digest, value) or digest.user_function(value)


def _function_digest(digest: Digester, value: types.FunctionType) -> bytes:
    return mix(
        "function",
        code_digest(value.__code__),
        digest(value.__defaults__),
        digest(value.__kwdefaults__),
        *_cells(digest, value),
    )


def _cells(digest: Digester, value: types.FunctionType) -> Iterator[bytes]:
    filled = filled_cells(value.__code__)
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        if name in filled and type(content(cell)) in SINKS:
            yield mix("filled", text(type(content(cell)).__name__))
        else:
            yield _cell(digest, cell)


def _cell(digest: Digester, cell: types.CellType) -> bytes:
    try:
        content = cell.cell_contents
    except ValueError:
        return mix("empty cell")
    try:
        return digest(content)
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in a closure") from None


def _dispatched(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    """What `functools.singledispatch` made: the functions it chooses from."""
    registry = getattr(value, "registry", None)
    if not isinstance(registry, types.MappingProxyType) or value.__module__ == "functools":
        return None
    return digest.mapping("singledispatch", registry) if hasattr(value, "dispatch") else None


def _wrapper(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    """The wrappers of functools and of classes around a function."""
    if isinstance(value, functools.partial | functools.partialmethod):
        if type(value) not in (functools.partial, functools.partialmethod):
            return None
        parts = digest.items("arguments", value.args), digest.mapping("keywords", value.keywords)
        return mix(type(value).__name__, digest(value.func), *parts)
    if isinstance(value, types.MethodType):
        return _library_method(value) or mix(
            "method", digest(value.__func__), digest(value.__self__)
        )
    if type(value) in _GETTERS:
        return digest.items("getter", value.__reduce__()[:2])
    if isinstance(value, staticmethod | classmethod):
        return mix(type(value).__name__, digest(value.__func__))
    if type(value) is property:
        return digest.items("property", (value.fget, value.fset, value.fdel))
    if isinstance(value, functools.cached_property):
        return mix("cached_property", digest(value.func))
    if type(value) is _LRU_CACHE:
        made = reference(value)  # A library may have one.
        return made or mix("lru_cache", digest(value.__wrapped__), digest(value.cache_parameters()))
    return None


def _library_method(value: Any) -> bytes | None:  # noqa: ANN401
    """A function of a library that is a method of an object it keeps, such as random.random."""
    module = type(value.__self__).__module__
    version = version_of(module)
    name: str = value.__name__
    found = getattr(sys.modules.get(module), name, None)
    if version is None or type(found) is not type(value) or found != value:
        return None
    return mix("reference", text(version), text(module), text(name))


def _builtin(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    name = text(value.__name__)
    if isinstance(value, _DESCRIPTORS):
        return mix("descriptor", digest(value.__objclass__), name)
    owner = value.__self__
    if owner is not None and not isinstance(owner, types.ModuleType):
        return _library_method(value) or mix("builtin method", digest(owner), name)
    module = owner.__name__ if owner is not None else value.__module__
    if module is None:
        raise NoIdentityError(f"the builtin function {value.__name__}")
    return mix("builtin", digest(sys.modules.get(module) or module), text(value.__qualname__))


def _module(digest: Digester, value: types.ModuleType) -> bytes:
    """A library's module by name and version, one of the user's by name and file."""
    name = value.__name__
    place = getattr(value, "__file__", None)
    content = None
    if is_user_code(name) and place is not None:
        content = module_digest(name, place)
    return mix("module", text(name), text(version_of(name) or ""), content or b"")


def _class(digest: Digester, value: type) -> bytes:
    return digest.known_class(value) or reference(value) or digest.user_class(value)


def _annotation(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    """Generic aliases and unions, such as `list[int]` or `int | None`."""
    origin = typing.get_origin(value)
    if origin in (types.UnionType, typing.Union):  # int | None equals Optional[int]
        return mix("union", digest.items("of", typing.get_args(value)))
    if origin is not None:
        of = digest.items("of", typing.get_args(value))
        old = text(value._name or "") if type(value).__module__ == "typing" else b""
        return mix("alias", digest(origin), of, old)
    if isinstance(value, typing.TypeVar):
        return mix("typevar", text(value.__name__))
    if isinstance(value, typing.ForwardRef):
        return mix("forward", text(value.__forward_arg__))
    if type(value).__module__ == "typing":
        shown = repr(value)  # typing.Any and the like
        return mix("typing", text(shown)) if " at 0x" not in shown else None
    return None


def _runtime(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    if isinstance(value, logging.Logger):
        return mix("named", text(type(value).__qualname__), text(value.name))
    if isinstance(value, contextvars.ContextVar):
        return mix("named", digest.runtime(value), text(value.name))
    return mix("runtime", digest.runtime(value)) if type(value) in _RUNTIME else None


def _enum(digest: Digester, value: enum.Enum) -> bytes:
    name = text(str(value._name_))
    return mix("enum", digest(type(value)), name, digest(value._value_))


def _any(digest: Digester, value: Any) -> bytes | None:  # noqa: ANN401
    return _annotation(digest, value) or array_digest(digest, value) or reference(value)


_Handler = Callable[[Digester, Any], "bytes | None"]
# The first that returns a digest decides.
_HANDLERS: tuple[tuple[type | tuple[type, ...], _Handler], ...] = (
    ((tuple, list, set, frozenset, dict, collections.deque, bytearray), _container),
    ((types.MappingProxyType, types.SimpleNamespace), _container),
    (types.FunctionType, _function),
    (type, _class),
    (types.ModuleType, _module),
    ((types.BuiltinFunctionType, types.MethodWrapperType, *_DESCRIPTORS), _builtin),
    (types.CodeType, lambda _, value: code_digest(value)),
    (object, objects.own_key),
    (enum.Enum, _enum),
    (object, _wrapper),
    (object, _shown),
    (object, _runtime),
    (object, _any),
)
