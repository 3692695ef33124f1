# SPDX-License-Identifier: MIT
"""Section 3a: `engine.dataframe` gives each case's values, by the same node calls, lazily."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract import calls
from contract.case import Case
from contract.cases import CASES
from contract.engines import DAFT
from contract.same import assert_same
from hypernodes import Pipeline

pytestmark = DAFT.marks()


class Collecting:
    """Takes the calls of a pipeline and answers them by collecting a DataFrame."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def run(self, inputs: Any = None, output_name: Any = None, **options: Any) -> dict[str, Any]:
        columns = self._collect(inputs or {}, None, "zip", output_name, **options)
        return {name: column[0] for name, column in columns.items()}

    def map(
        self,
        inputs: Any = None,
        map_over: Any = None,
        map_mode: str = "zip",
        output_name: Any = None,
        **options: Any,
    ) -> dict[str, list[Any]]:
        return self._collect(inputs or {}, map_over, map_mode, output_name, **options)

    def _collect(self, *arguments: Any, **options: Any) -> dict[str, list[Any]]:
        frame = DAFT.make().dataframe(self.pipeline, *arguments, **options)
        assert calls.take() == [], "it is lazy"
        columns: dict[str, list[Any]] = frame.to_pydict()
        return columns


def params() -> list[Any]:
    return [
        pytest.param(case, id=case.name)
        for case in CASES
        if case.raises is None and case.dataframe and case.unfit is None
    ]


@pytest.mark.parametrize("case", params())
def test_dataframe(case: Case):
    result = case.call(Collecting(case.build()))
    made = calls.take()
    assert_same(result, case.expected_columns() if case.is_map else case.result)
    if case.calls is not None:
        assert sorted(made, key=repr) == sorted(case.calls, key=repr)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if c.unfit])
def test_a_typed_column_refuses_what_breaks_its_hint(case: Case):
    with pytest.raises(TypeError) as caught:
        case.call(Collecting(case.build()))
    calls.take()
    assert str(caught.value).splitlines()[0] == case.unfit
    assert re.fullmatch("node '.+', row [0-9]+", caught.value.where)
    assert "hint" in caught.value.fix
