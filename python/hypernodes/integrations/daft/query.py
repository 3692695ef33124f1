# SPDX-License-Identifier: MIT
"""The Daft query of a run or map: one column of tickets, and one function over it.

C++ programs that embed Python call `collect`, too.
"""

from __future__ import annotations

import functools
import itertools
import os
from typing import Any

from hypernodes import _core
from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import extension

_TICKET = "row"
# Fewer rows are not worth a part of their own.
_PART_ROWS = 256
# Numbers are small: one is used again as soon as its query has ended.
_KEPT_SOURCES = 16


def collect(number: int, rows: int, foreign: bool, divisible: bool, label: str) -> None:
    """Has Daft walk over the rows of job `number`, and returns when it is done.

    Args:
        number: The job's.
        rows: How many rows it has.
        foreign: Whether they need Python: Daft then calls a batch UDF, else a native function.
        divisible: Whether distant rows may run at the same time.
        label: What the column is called in Daft's plan.
    """
    daft = extension.load()
    if daft.get_or_infer_runner_type() != "native":
        raise PlanError(
            "run and map keep their values in this process, but Daft runs elsewhere",
            where="DaftEngine",
            fix="use Daft's native runner, or engine.dataframe()",
        )
    # Other sizes are left to the garbage collector together with their tickets.
    source = _source_of_one(number) if rows == 1 else _source(number, rows, divisible)
    source.select(_expression(foreign, label)).collect()


@functools.lru_cache(maxsize=_KEPT_SOURCES)
def _source_of_one(number: int) -> Any:  # noqa: ANN401 (Daft is imported when it is needed)
    return _source(number, 1, False)


def _source(number: int, rows: int, divisible: bool) -> Any:  # noqa: ANN401
    daft = extension.load()
    parts = min(len(os.sched_getaffinity(0)), rows // _PART_ROWS) if divisible else 1
    if parts <= 1:
        return daft.from_arrow(_core.daft_tickets(number, 0, rows, _TICKET))
    pa = extension.arrow()
    # Daft gives each part to a thread.
    cuts = [rows * i // parts for i in range(parts + 1)]
    return daft.from_arrow(
        [
            pa.table(_core.daft_tickets(number, begin, end - begin, _TICKET))
            for begin, end in itertools.pairwise(cuts)
        ]
    )


@functools.lru_cache(maxsize=256)
def _expression(foreign: bool, label: str) -> Any:  # noqa: ANN401
    return _call(foreign).alias(label)


@functools.cache
def _call(foreign: bool) -> Any:  # noqa: ANN401
    daft = extension.load()
    ticket = daft.col(_TICKET)
    if foreign:
        return daft.func.batch(return_dtype=daft.DataType.int64())(_redeem)(ticket)
    with extension.defining:
        function = _core.daft_define_redeem()
        extension.load_functions(daft)
        call = daft.get_function(function, ticket)
        daft.detach_function(function)  # the expression keeps it
    return call


def _redeem(tickets: Any) -> Any:  # noqa: ANN401
    _core.daft_redeem(tickets)
    return tickets
