# SPDX-License-Identifier: MIT
"""A pipeline as a node of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _changes, _core, engines
from .exceptions import PlanError
from .node import Definition, HyperNode

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["PipelineNode"]


class PipelineNode(HyperNode):
    """Runs, or maps, its pipeline; made by `Pipeline.as_node`.

    It refers to the pipeline: what is bound or set there later counts from the next run on.
    Equality is identity.

    Attributes:
        pipeline: The inner pipeline.
        input_mapping: {outer name: inner name}.
        output_mapping: {inner name: outer name}; if it has any, only those outputs exist.
        map_over: The outer names that are mapped over, or None.
        map_mode: "zip" or "product".
    """

    def __init__(
        self,
        pipeline: Pipeline,
        input_mapping: Mapping[str, str] | None = None,
        output_mapping: Mapping[str, str] | None = None,
        map_over: str | Sequence[str] | None = None,
        map_mode: str = "zip",
        name: str | None = None,
        cache: bool = True,
    ) -> None:
        """Checks the names.

        Raises:
            DependencyError: For a name that the pipeline does not have (a ValueError, too).
            PlanError: For an unknown map_mode.
        """
        if map_mode not in ("zip", "product"):
            raise PlanError(f"Unknown map_mode {map_mode!r}", fix="use 'zip' or 'product'")
        self.pipeline = pipeline
        self.input_mapping = dict(input_mapping or {})
        self.output_mapping = dict(output_mapping or {})
        self.map_over = [map_over] if isinstance(map_over, str) else list(map_over or []) or None
        self.map_mode = map_mode
        self._own_name = name
        self._cache = bool(cache)
        self._built: tuple[tuple[Any, ...], tuple[Any, ...], _core.Node] | None = None
        self._definition()

    @property
    def name(self) -> str | None:
        """The name given, else the pipeline's."""
        return self._own_name if self._own_name is not None else self.pipeline.name

    @property
    def root_args(self) -> tuple[str, ...]:
        """Outer names of the inputs that are not bound inside, or are mapped over."""
        return tuple(self._definition().native.input_names)

    @property
    def output_name(self) -> str | tuple[str, ...]:
        """The outer name of the output, or the names, sorted by inner name."""
        names = self._definition().native.output_names
        return names[0] if len(names) == 1 else tuple(names)

    @property
    def code_hash(self) -> str:
        """64 hex digits for all that is inside and how it is used."""
        return self._definition().native.code

    @property
    def bound_inputs(self) -> dict[str, Any]:
        """What is bound inside, by outer names."""
        outer = {inner: name for name, inner in self.input_mapping.items()}
        return {outer.get(name, name): value for name, value in self.pipeline.bound_inputs.items()}

    def __call__(self, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 (the inputs' own types)
        """Runs the pipeline on inputs by their outer names: a dict of the outputs."""
        from .pipeline import Pipeline

        result: dict[str, Any] = Pipeline([self]).run(inputs)
        return result

    def _definition(self) -> Definition:
        wired = self.pipeline._rewired()
        graph = wired.graph
        cache, callbacks = self.pipeline._own_settings()
        # Compared by identity: what equals may still behave otherwise.
        state = (graph, self.pipeline._revision, self.pipeline._engine, cache, callbacks)
        key = (*map(id, state), self._cache, self.name)
        built = self._built
        if built is None or built[0] != key:
            built = self._built = (key, state, self._nested(graph, self._executor()))
        return Definition(built[2], wired.readers)

    def _nested(self, graph: _core.Graph, executor: _core.BatchExecutor | None) -> _core.Node:
        """A native node that runs `graph`, one of the pipeline's."""
        mapped = self.map_over or []
        inner_mapped = {self.input_mapping.get(name, name) for name in mapped}
        return _core.nested_node(
            graph,
            self.name or "",
            [(inner, outer) for outer, inner in self.input_mapping.items()],
            list(self.output_mapping.items()),
            mapped,
            self.map_mode,
            {k: v for k, v in self.pipeline._bound.items() if k not in inner_mapped},
            self._cache,
            *self.pipeline._own_settings(),
            executor,
        )

    def _executor(self) -> _core.BatchExecutor | None:
        """How the pipeline's own engine runs it; None to run it as the outer one is."""
        engine: Any = self.pipeline._engine
        if engine is None:
            return None
        if isinstance(engine, engines.NativeEngine) and engines.is_ours(engine):
            return engine._executor(self.pipeline)
        return _core.engine_executor(engine, self.pipeline)

    def __cache_key__(self) -> tuple[Any, ...]:
        """What counts in keys where a function reads this node, or has it as an input."""
        return self.pipeline.__cache_key__(), self.code_hash

    def __repr__(self) -> str:
        """`PipelineNode(inner, bound=[k], needs=[x])`."""
        parts = [self.pipeline.name or "unnamed"]
        if self.pipeline._bound:
            parts.append(f"bound=[{', '.join(self.bound_inputs)}]")
        if self.unfulfilled_args:
            parts.append(f"needs=[{', '.join(self.unfulfilled_args)}]")
        return f"PipelineNode({', '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        """All but the native nodes, which are built again where it lands."""
        return {**self.__dict__, "_built": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was."""
        vars(self).update(state)
        _changes.note()
