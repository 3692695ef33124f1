# SPDX-License-Identifier: MIT
"""Section 9: the scripts of `DaftEngine.generate_code` give each case's values."""

from __future__ import annotations

from typing import Any

import pytest

from contract import calls
from contract.case import Case
from contract.cases import CASES
from contract.engines import DAFT
from contract.same import assert_same
from hypernodes import Pipeline
from hypernodes.exceptions import PlanError

pytestmark = DAFT.marks()

# An object of a class that says nothing of how it is made.
WITHOUT_SOURCE = (
    "node: bound method",
    "node: callable object",
    "values: ranges and slices",
    "values: attrs",
    "values: Pydantic models",
    "values: objects",
    "values: objects in containers",
    "values: ndarrays of text, bool and dates",
    "hints: Pydantic model",
)
# A script has classes of its own, which look the same.
OWN_CLASSES = ("enums", "dataclasses", "named tuples", "classes and functions")


class Scripted:
    """Takes the calls of a pipeline and answers them by executing a script."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def run(self, inputs: Any = None, output_name: Any = None) -> dict[str, Any]:
        columns = self._execute(inputs or {}, "run", output_name=output_name)
        return {name: column[0] for name, column in columns.items()}

    def map(
        self,
        inputs: Any = None,
        map_over: Any = None,
        map_mode: str = "zip",
        output_name: Any = None,
    ) -> dict[str, list[Any]]:
        return self._execute(inputs or {}, "map", map_over, map_mode, output_name)

    def _execute(self, *arguments: Any, **options: Any) -> dict[str, list[Any]]:
        code = DAFT.make().generate_code(self.pipeline, *arguments, **options)
        assert "hypernodes" not in code.partition("import daft")[2]
        scope: dict[str, Any] = {"__name__": "generated"}
        exec(code, scope)
        columns: dict[str, list[Any]] = scope["df"].to_pydict()
        assert calls.take() == [], "it does not call this module"
        return columns


def without_source(case: Case) -> bool:
    return case.name.replace(" between nodes", "") in WITHOUT_SOURCE


def is_scripted(case: Case) -> bool:
    return case.raises is None and case.unfit is None and "overrides" not in case.name


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name) for c in CASES if is_scripted(c) and not without_source(c)],
)
def test_generated_script(case: Case):
    result = case.call(Scripted(case.build()))
    expected = case.expected_columns() if case.is_map else case.result
    if case.name.endswith(OWN_CLASSES):
        result, expected = (repr(each).replace("generated.", "") for each in (result, expected))
        expected = expected.replace(f"{Scripted.__module__.partition('.')[0]}.cases.values.", "")
    assert_same(result, expected)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if without_source(c)])
def test_what_has_no_source_is_named(case: Case):
    with pytest.raises(PlanError, match=r"(Node|Input) '\w+' cannot be written as source: an? "):
        case.call(Scripted(case.build()))
