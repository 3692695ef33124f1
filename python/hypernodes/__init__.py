# SPDX-License-Identifier: MIT
"""Pipelines of plain C++ and Python functions, cached per row, in process or on Daft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batch_node import BatchNode, DualNode
from .cache import DiskCache, MemoryCache
from .callbacks import CallbackContext, PipelineCallback
from .engines import SeqEngine, SequentialEngine
from .exceptions import (
    CycleError,
    DependencyError,
    ExecutionError,
    HyperNodesError,
    NodeTimeoutError,
)
from .explanation import Explanation, NodeExplanation, RowExplanation
from .library import CppNode, Library, load
from .node import HyperNode, Node, node
from .outcomes import Collected, Failure, Failures
from .pipeline import Pipeline
from .pipeline_node import PipelineNode
from .retry import Retry
from .stateful import stateful

if TYPE_CHECKING:
    from .integrations.daft import DaftEngine
    from .viz import DESIGN_STYLES, GraphvizTheme

    __version__: str

__all__ = [
    "DESIGN_STYLES",
    "BatchNode",
    "CallbackContext",
    "Collected",
    "CppNode",
    "CycleError",
    "DaftEngine",
    "DependencyError",
    "DiskCache",
    "DualNode",
    "ExecutionError",
    "Explanation",
    "Failure",
    "Failures",
    "GraphvizTheme",
    "HyperNode",
    "HyperNodesError",
    "Library",
    "MemoryCache",
    "Node",
    "NodeExplanation",
    "NodeTimeoutError",
    "Pipeline",
    "PipelineCallback",
    "PipelineNode",
    "Retry",
    "RowExplanation",
    "SeqEngine",
    "SequentialEngine",
    "load",
    "node",
    "stateful",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Loads what needs an optional package, or is seldom needed, when it is asked for."""
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("hypernodes")
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            return "0.1.0"
    if name == "DaftEngine":
        from .integrations.daft import DaftEngine

        return DaftEngine
    if name in ("DESIGN_STYLES", "GraphvizTheme"):
        from . import viz

        return getattr(viz, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
