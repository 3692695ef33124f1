# SPDX-License-Identifier: MIT
"""The engines of the suite. A new engine needs a line here, and every case runs on it."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class EngineSpec:
    """An engine, and in which ways it may differ from the others.

    Attributes:
        name: The class's name.
        module: Where it is imported from.
        package: The optional package it needs, if any.
        columns: Whether its `map` gives a dict of lists unless asked otherwise.
        ordered: Whether it finishes an item before it starts the next.
    """

    name: str
    module: str = "hypernodes"
    package: str | None = None
    columns: bool = False
    ordered: bool = False

    def make(self, **options: Any) -> Any:
        return getattr(importlib.import_module(self.module), self.name)(**options)

    def param(self, *marks: pytest.MarkDecorator) -> Any:
        """This engine as a parameter of pytest, skipped with a reason where it is not there."""
        return pytest.param(self, id=self.name, marks=[*self.marks(), *marks])

    def marks(self) -> list[pytest.MarkDecorator]:
        marks = [pytest.mark.daft] if self.package == "daft" else []
        absent = self._absent()
        return [*marks, pytest.mark.skip(reason=absent)] if absent else marks

    def _absent(self) -> str | None:
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        try:
            if hasattr(importlib.import_module(self.module), self.name):
                return None
        except ImportError as error:
            return str(error)
        return f"{self.module} has no {self.name}"


SEQUENTIAL = EngineSpec("SeqEngine", ordered=True)
DAFT = EngineSpec("DaftEngine", package="daft")
DAFT_V2 = EngineSpec("DaftEngineV2", "hypernodes.integrations.daft", "daft", columns=True)
DASK = EngineSpec("DaskEngine", "hypernodes.engines", "dask")

ENGINES = [SEQUENTIAL, DAFT, DAFT_V2, DASK]
