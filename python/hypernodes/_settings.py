# SPDX-License-Identifier: MIT
"""What a pipeline is run with: engine, cache, callbacks, bound inputs."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from . import _changes
from .engines import SeqEngine
from .exceptions import TypeError as EngineTypeError

if TYPE_CHECKING:
    from .cache import Cache
    from .callbacks import PipelineCallback
    from .protocols import Engine

__all__ = ["DEFAULT_ENGINE", "Settings", "check_engine", "short_repr"]

DEFAULT_ENGINE = SeqEngine()


class Settings:
    """The settings of a pipeline; each change is a new revision."""

    def __init__(
        self,
        engine: Engine | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
        name: str | None,
    ) -> None:
        """Raises TypeError for an engine that is none."""
        check_engine(engine)
        self._name = name
        self._engine = engine
        self._cache = cache
        self._callbacks = callbacks
        self._bound: dict[str, Any] = {}
        self._revision = 0

    @property
    def name(self) -> str | None:
        """What it is called."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        self._changed()

    @property
    def engine(self) -> Engine:
        """How it is run."""
        if self._engine is None:
            return DEFAULT_ENGINE
        return self._engine

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        check_engine(engine)
        self._engine = engine
        self._changed()

    @property
    def cache(self) -> Cache | None:
        """Where results are kept; None for the engine's."""
        return self._cache

    @cache.setter
    def cache(self, cache: Cache | None) -> None:
        self._cache = cache
        self._changed()

    @property
    def callbacks(self) -> Sequence[PipelineCallback] | None:
        """Who is told of what happens; None for the engine's."""
        return self._callbacks

    @callbacks.setter
    def callbacks(self, callbacks: Sequence[PipelineCallback] | None) -> None:
        self._callbacks = callbacks
        self._changed()

    def with_engine(self, engine: Engine | None) -> Self:
        """Sets the engine and returns this pipeline.

        Raises:
            TypeError: If it has not the methods `run` and `map`.
        """
        self.engine = engine
        return self

    def with_cache(self, cache: Cache | None) -> Self:
        """Sets the cache and returns this pipeline."""
        self.cache = cache
        return self

    def with_callbacks(self, callbacks: Sequence[PipelineCallback] | None) -> Self:
        """Sets the callbacks and returns this pipeline."""
        self.callbacks = callbacks
        return self

    def with_name(self, name: str | None) -> Self:
        """Sets the name and returns this pipeline."""
        self.name = name
        return self

    def bind(self, **inputs: Any) -> Self:  # noqa: ANN401 (the inputs' own types)
        """Gives inputs a value for every run, under those of a call, and returns this pipeline."""
        self._bound = {**self._bound, **inputs}
        self._changed()
        return self

    def unbind(self, *names: str) -> Self:
        """Forgets bound values, all without names, and returns this pipeline."""
        kept = {k: v for k, v in self._bound.items() if k not in names} if names else {}
        self._bound = kept
        self._changed()
        return self

    @property
    def bound_inputs(self) -> dict[str, Any]:
        """A copy of what is bound."""
        return dict(self._bound)

    def _own_settings(self) -> tuple[Cache | None, Sequence[PipelineCallback] | None]:
        """The cache and callbacks set here or on an engine set here, for use inside another."""
        engine = self._engine
        cache = self._cache if self._cache is not None else getattr(engine, "cache", None)
        return cache, self._callbacks or getattr(engine, "callbacks", None) or None

    def _changed(self) -> None:
        self._revision += 1
        _changes.note()


def check_engine(engine: object) -> None:
    """Raises TypeError for what can be no engine; None is no engine of its own."""
    if engine is None:
        return
    methods = (getattr(engine, name, None) for name in ("run", "map"))
    if isinstance(engine, type) or not all(map(callable, methods)):
        raise EngineTypeError(
            f"An engine is an object with the methods run and map, got {short_repr(engine)}",
            fix="pass one, such as SeqEngine(), DaftEngine() or DaskEngine()",
        )


_REPR_LENGTH = 40
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = _REPR_LENGTH


def short_repr(value: object) -> str:
    """A value's repr, cut where it gets long."""
    text = _reprs.repr(value)
    return text if len(text) <= _REPR_LENGTH else f"{text[: _REPR_LENGTH - 3]}..."
