# SPDX-License-Identifier: MIT
"""Pickling for other processes: pipelines without what stays here, classes of scripts, exceptions.

With cloudpickle, functions and classes that no module holds travel by value.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import io
import pickle
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import _pickling, engines
from .exceptions import HyperNodesError, RemoteError
from .exceptions import TypeError as TravelTypeError
from .node import HyperNode
from .pipeline import Pipeline
from .pipeline_node import PipelineNode

# What a script is called, and what multiprocessing calls it in a process that runs it again.
_MAIN, _MAIN_AGAIN = "__main__", "__mp_main__"
_INSTALL = "pip install 'hypernodes[pickle]'"


def dumps(thing: object, root: Pipeline | None = None) -> bytes:
    """Pickles `thing`; pipelines in it leave engines and callbacks of ours behind.

    Args:
        thing: What travels.
        root: A pipeline in it that leaves its engine and callbacks behind whatever they are.

    Raises:
        Exception: Whatever the object that cannot travel makes of it.
    """
    buffer = io.BytesIO()
    _pickler()(buffer, root).dump(thing)
    return buffer.getvalue()


def loads(data: bytes) -> Any:  # noqa: ANN401 (any object)
    """Opens what dumps made."""
    return pickle.loads(data)


@functools.cache
def _pickler() -> Any:  # noqa: ANN401 (a class that is made here)
    cloudpickle = _pickling.cloudpickle()
    base: Any = pickle.Pickler if cloudpickle is None else cloudpickle.Pickler
    otherwise = getattr(base, "reducer_override", lambda self, thing: NotImplemented)

    class Pickler(base):  # type: ignore[misc]
        def __init__(self, file: io.BytesIO, root: Pipeline | None) -> None:
            super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
            self._root = root

        def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401
            reduced = NotImplemented
            if isinstance(thing, Pipeline):
                reduced = _reduce_pipeline(thing, thing is self._root)
            elif isinstance(thing, type | types.FunctionType):
                reduced = _reduce_by_name(thing)
            return otherwise(self, thing) if reduced is NotImplemented else reduced

    return Pickler


def _reduce_pipeline(pipeline: Pipeline, is_root: bool) -> Any:  # noqa: ANN401
    engine: Any = pipeline._engine
    native = isinstance(engine, engines.NativeEngine) and engines.is_ours(engine)
    if not (engine is None or native or is_root):
        return NotImplemented  # another engine runs it there, too
    state = pipeline.__getstate__()
    cache, _ = pipeline._own_settings()
    state.update(_engine=None, _callbacks=None, _cache=None if is_root else cache)
    return copyreg.__newobj__, (type(pipeline),), state  # type: ignore[attr-defined]


def _reduce_by_name(thing: Any) -> Any:  # noqa: ANN401
    """What a script defines, by its name there: it is the same thing in a process with that script.

    Elsewhere by value. A function goes by name only on its way back.
    """
    held: Any = _pickling.find(_MAIN, thing.__qualname__)
    if thing.__module__ not in (_MAIN, _MAIN_AGAIN) or held is not thing:
        return NotImplemented
    if thing.__module__ == _MAIN and not isinstance(thing, type):
        return NotImplemented
    return _from_main, (thing.__qualname__, _pickling.by_value(thing))


def _from_main(name: str, by_value: bytes | None) -> Any:  # noqa: ANN401
    found = _pickling.find(_MAIN, name)
    if isinstance(found, type | types.FunctionType):
        return found
    if by_value is None:
        raise AttributeError(f"the main program has no {name!r}")
    return _pickling.from_value(by_value)


# What cannot travel ------------------------------------------------------------------------------


def dumps_job(job: object, pipeline: Pipeline, inputs: dict[str, Any]) -> bytes:
    """Pickles a job of this pipeline with these inputs.

    Raises:
        TypeError: Naming the node, input or cache that cannot travel.
    """
    if _pickling.cloudpickle() is None:
        _refuse_local_functions(pipeline)
    try:
        return dumps(job, pipeline)
    except Exception as error:
        for what, part in _parts(pipeline, inputs):
            reason = reason_to_stay(part)
            if reason is not None:
                raise refusal(what, reason) from error
        raise refusal("The pipeline", error) from error


def reason_to_stay(thing: object) -> Exception | None:
    """The exception that tells why `thing` cannot be pickled, or None if it can."""
    try:
        dumps(thing)
    except Exception as error:
        return error
    return None


def refusal(what: str, reason: Exception) -> TravelTypeError:
    """The error for `what`, which cannot be pickled."""
    return TravelTypeError(
        f"{what} cannot travel to another process: {type(reason).__name__}: {reason}",
        fix="make it in a node, or run in this process: scheduler='threads', or SeqEngine",
    )


def _parts(pipeline: Pipeline, inputs: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for node in nodes(pipeline):
        if isinstance(node, PipelineNode):
            inner = node.pipeline
            for name, value in inner.bound_inputs.items():
                yield f"Bound input '{name}' of pipeline '{inner.name or inner.id}'", value
            yield f"The cache of pipeline '{inner.name or inner.id}'", inner._own_settings()[0]
        else:
            yield f"Node '{node.name}'", node
    for name, value in inputs.items():
        yield f"Input '{name}'", value


def nodes(pipeline: Pipeline) -> Iterator[HyperNode]:
    """All nodes, those of inner pipelines, too."""
    for node in pipeline._nodes:
        if isinstance(node, PipelineNode):
            yield from nodes(node.pipeline)
        yield node


def _refuse_local_functions(pipeline: Pipeline) -> None:
    for node in nodes(pipeline):
        if "<" in str(getattr(node, "__qualname__", "")):  # <lambda>, or f.<locals>.g
            raise TravelTypeError(
                f"Node '{node.name}' cannot travel to another process: its function is local, and"
                " cloudpickle is not installed",
                fix=f"{_INSTALL}, or define it at the top of a module",
            )


# Exceptions --------------------------------------------------------------------------------------


class RemoteTraceback(Exception):
    """Where an exception was raised in another process: its traceback, as text."""

    def __str__(self) -> str:
        """The traceback between lines of its own."""
        return f'\n"""\n{self.args[0]}"""'


@dataclass(frozen=True)
class Raised:
    """An exception on its way."""

    kind: str
    text: str
    trace: str
    copy: bytes | None

    @classmethod
    def pack(cls, error: BaseException) -> Raised:
        """Takes what can be taken along."""
        try:
            copy: bytes | None = dumps(error)
            if type(loads(copy or b"")) is not type(error):
                copy = None
        except Exception:
            copy = None
        try:
            text = str(error)
        except Exception as failed:
            text = f"<its text is not known: str() raised {type(failed).__name__}>"
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        return cls(kind, text, "".join(traceback.format_exception(error)), copy)

    def unpack(self) -> BaseException:
        """The exception itself, or a RemoteError for one that cannot be carried."""
        error = self._opened()
        error.__cause__ = RemoteTraceback(self.trace)
        return error

    def _opened(self) -> BaseException:
        if self.copy is not None:
            with contextlib.suppress(Exception):
                error: BaseException = loads(self.copy)
                return error
        return RemoteError(
            f"{self.kind}: {self.text}",
            fix="the exception itself cannot be pickled: give its class a matching __reduce__",
        )


def unopened(where: str, reason: Exception) -> HyperNodesError:
    """The error for something that arrived `where` it cannot be opened."""
    return RemoteError(
        f"{where} cannot open what was sent to it: {type(reason).__name__}: {reason}",
        fix="install the same modules and libraries there",
    )
