# SPDX-License-Identifier: MIT
"""The digest of classes."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
from collections.abc import Iterator
from typing import Any, Protocol

from .digest import NoIdentityError, mix, text
from .origin import module_of


class Digest(Protocol):
    """What `values.Digester` offers to this module."""

    def __call__(self, value: object, /) -> bytes:
        """Returns the digest of any value."""
        ...

    def known_class(self, cls: type, /) -> bytes | None:
        """Returns the digest of a user's class that was digested before and has not changed."""
        ...

    def mapping(self, tag: str, value: dict[str, Any], /) -> bytes:
        """Returns the digest of names and values."""
        ...


# Names in a class that say nothing about what it does, or whose content is listed elsewhere.
_NOTES = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__firstlineno__",
        "__static_attributes__",
        "__type_params__",
        "__parameters__",
        "__orig_bases__",
        "__abstractmethods__",
        "__signature__",
        "__slotnames__",
        "__class_vars__",
        "__private_attributes__",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "_abc_impl",
        "__hypernode_stateful__",
        "__hypernode_options__",
    }
)
_GENERATED_PREFIXES = ("__pydantic_", "__attrs_")
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_METHODS = (types.FunctionType, staticmethod, classmethod, property)


def _metaclass(cls: type) -> type:
    """The class's class, less what `stateful` puts on top: that changes with our versions."""
    own = __name__.partition(".")[0]
    kinds: tuple[type, ...] = inspect.getmro(type(cls))
    return next(kind for kind in kinds if kind.__module__.partition(".")[0] != own)


def class_digest(digest: Digest, cls: type) -> bytes:
    """Returns the digest of a user's class: its name, bases, fields and everything in its body."""
    body = {name: value for name, value in vars(cls).items() if counts(cls, name, value)}
    try:
        return mix(
            "class",
            text(module_of(cls)),
            text(cls.__qualname__),
            *map(digest, cls.__bases__),
            digest(_metaclass(cls)),
            *(mix("field", *map(digest, field)) for field in _class_fields(cls)),
            digest.mapping("body", body),
        )
    except NoIdentityError as error:
        raise NoIdentityError(f"{error} in class {cls.__qualname__}") from None


def counts(cls: type, name: str, value: object) -> bool:
    """Says whether something in a class's body is part of what it does."""
    if name in _NOTES or name.startswith(_GENERATED_PREFIXES):
        return False
    if isinstance(value, _SLOTS) or type(value).__name__ == "_tuplegetter":
        return False
    if issubclass(cls, enum.Enum):
        made = name.startswith("_") and name.endswith("_") and not isinstance(value, _METHODS)
        return not made and name not in cls.__members__
    return True


def _class_fields(cls: type) -> Iterator[tuple[object, ...]]:
    """What a class declares as data, where a decorator or a base turned it into something else."""
    if dataclasses.is_dataclass(cls):
        params = getattr(cls, "__dataclass_params__", None)
        yield ("dataclass", *(getattr(params, name, None) for name in ("eq", "order", "frozen")))
        for field in dataclasses.fields(cls):
            default, factory = _given(field.default), _given(field.default_factory)
            yield (field.name, default, factory, field.init, field.compare, field.kw_only)
    elif is_attrs(cls):
        for field in cls.__attrs_attrs__:  # type: ignore[attr-defined]
            converter, validator = field.converter, field.validator
            default = _given(field.default)
            if type(default).__name__ == "Factory":
                default = ("factory", default.factory, default.takes_self)
            yield (field.name, default, field.init, field.kw_only, converter, validator)
    elif issubclass(cls, enum.Enum):
        for name, member in cls.__members__.items():
            yield (name, member._value_)
    elif is_pydantic(cls):
        for name, field in cls.__pydantic_fields__.items():  # type: ignore[attr-defined]
            factory = _given(field.default_factory)
            yield (name, field.annotation, _given(field.default), factory, field.metadata)
    elif hasattr(cls, "_field_defaults"):
        yield (cls._fields, cls._field_defaults)  # type: ignore[attr-defined]


def _given(default: Any) -> Any:  # noqa: ANN401 (any default)
    """A default, or a word for its absence."""
    absent = type(default).__name__ in ("_MISSING_TYPE", "_Nothing", "PydanticUndefinedType")
    return ("absent",) if absent else default


def field_names(cls: type) -> list[str]:
    """Returns the names of the fields that a dataclass or attrs class, or a base, declares."""
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return [field.name for field in getattr(cls, "__attrs_attrs__", ())]


def is_attrs(cls: type) -> bool:
    """Says whether attrs made a class."""
    return "__attrs_attrs__" in vars(cls)


def is_pydantic(cls: type) -> bool:
    """Says whether a class is a Pydantic model."""
    return isinstance(getattr(cls, "__pydantic_fields__", None), dict)
