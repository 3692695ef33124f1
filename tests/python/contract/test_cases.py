# SPDX-License-Identifier: MIT
"""Every case on every engine: value, types, calls, shapes, events, errors, cache."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from contract.calls import distinct
from contract.case import Case
from contract.cases import CASES
from contract.engines import ENGINES, SEQUENTIAL, EngineSpec
from contract.events import check_order, check_unordered, hits, lines
from contract.same import assert_same
from hypernodes import DiskCache


def each(cases: list[Case]) -> Any:
    """Parametrises by case and engine."""
    params = []
    for case in cases:
        for spec in ENGINES:
            if case.value_only and spec.columns:
                continue  # it differs from its base in the shape of results only
            name = f"{case.name}-{spec.name}"
            params.append(pytest.param(case, spec, id=name, marks=spec.marks()))
    return pytest.mark.parametrize(("case", "spec"), params)


SUCCEED = [case for case in CASES if case.raises is None]
FAIL = [case for case in CASES if case.raises is not None]
WHOLE = [case for case in SUCCEED if not case.value_only]
MAPS = [case for case in WHOLE if case.is_map]
CACHED = [case for case in SUCCEED if case.cached]


def test_names_are_unique():
    names = Counter(case.name for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []


@each(SUCCEED)
def test_result(case: Case, spec: EngineSpec):
    outcome = case.perform(spec)
    columns = case.is_map and spec.columns
    assert_same(outcome.value(), case.expected_columns() if columns else case.result)
    check_calls(outcome.calls, case.calls, spec)


@each(MAPS)
def test_shapes(case: Case, spec: EngineSpec):
    assert_same(case.perform(spec, outputs="records").value(), case.result)
    assert_same(case.perform(spec, outputs="columns").value(), case.expected_columns())


@each(WHOLE)
def test_events(case: Case, spec: EngineSpec):
    sequential = case.perform(SEQUENTIAL, watched=True).recorder.lines
    if spec.ordered:
        check_order(sequential)
        if case.events is not None:
            assert sequential == lines(case.events)
    else:
        check_unordered(case.perform(spec, watched=True).recorder.lines, sequential)


@each(CACHED)
def test_cache(case: Case, spec: EngineSpec, tmp_path):
    cache = DiskCache(tmp_path)
    expected = case.expected_columns() if case.is_map and spec.columns else case.result
    cold = case.perform(spec, cache)
    assert_same(cold.value(), expected)
    if case.calls is not None:
        once = distinct([call for call in case.calls if call[0] not in case.always])
        always = [call for call in case.calls if call[0] in case.always]
        assert sorted(cold.calls, key=repr) == sorted([*once, *always], key=repr)
    warm = case.perform(spec, cache, watched=True)
    assert_same(warm.value(), expected)
    assert {call[0] for call in warm.calls} <= case.always
    if case.calls:
        assert hits(warm.recorder.lines).total() > 0 or case.always
    sequential = case.perform(SEQUENTIAL, cache, watched=True)
    assert_same(sequential.value(), case.result)
    assert {call[0] for call in sequential.calls} <= case.always
    check_order(sequential.recorder.lines)
    if not spec.ordered:
        check_unordered(warm.recorder.lines, sequential.recorder.lines)


@each(FAIL)
@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
def test_error(case: Case, spec: EngineSpec, watched: bool):
    expected = case.raises
    assert expected is not None
    outcome = case.perform(spec, watched=watched)
    error = outcome.error
    assert type(error) is expected.error, repr(error)
    for kind in expected.also:
        assert isinstance(error, kind)
    assert str(error).splitlines()[0] == expected.text
    notes = getattr(error, "__notes__", [])
    assert notes == ([] if expected.note is None else [expected.note])
    events = outcome.recorder.lines
    if not case.calls:  # refused before any node runs
        assert outcome.calls == []
    elif spec.ordered:
        assert outcome.calls == list(case.calls)
    if watched and case.calls:
        assert events[-1].startswith("  error ")
    if watched and case.events is not None and (spec.ordered or not case.calls):
        assert events == lines(case.events)


def check_calls(got: list[Any], expected: Any, spec: EngineSpec) -> None:
    """Fails unless the nodes ran as the case says; their order counts where rows are in order."""
    if expected is None:
        return
    if spec.ordered:
        assert got == list(expected)
    else:
        assert sorted(got, key=repr) == sorted(expected, key=repr)
