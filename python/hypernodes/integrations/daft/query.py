# SPDX-License-Identifier: MIT
"""The Daft query of a run or map: one column of tickets, and one function over it.

C++ programs that embed Python call `collect`, too.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
from typing import Any

from hypernodes import _core
from hypernodes.exceptions import PlanError
from hypernodes.integrations.daft import execution, extension
from hypernodes.integrations.daft.options import Options

_TICKET = "row"
# Fewer rows are not worth a part of their own.
_PART_ROWS = 256
# Daft's batches, and those of rows that are looked up: one look-up of many takes half the time of
# several of fewer.
_BATCH_ROWS = 1 << 17
_LOOK_UP_ROWS = 1 << 19
# Numbers are small: one is used again as soon as its query has ended.
_KEPT_SOURCES = 16


def collect(
    number: int,
    rows: int,
    foreign: bool,
    looks_up: bool,
    label: str,
    options: Options | None = None,
) -> None:
    """Has Daft walk over the rows of job `number`, and returns when it is done.

    Args:
        number: The job's.
        rows: How many rows it has.
        foreign: Whether they need Python: Daft then calls a batch UDF, else a native function.
        looks_up: Whether they are looked up in a cache.
        label: What the column is called in Daft's plan.
        options: How Daft runs them; None leaves that to it.
    """
    daft = extension.load()
    if daft.get_or_infer_runner_type() != "native":
        raise PlanError(
            "run and map keep their values in this process, but Daft runs elsewhere",
            where="DaftEngine",
            fix="use Daft's native runner, or choose another before the pipeline is put into one",
        )
    if options is None:
        _collect(number, rows, foreign, looks_up, label)
        return
    with execution.applied(options.config):
        if options.plain:
            _collect(number, rows, foreign, looks_up, label)
        else:
            _collect_with(options, number, rows, foreign, label)


def _collect(number: int, rows: int, foreign: bool, looks_up: bool, label: str) -> None:
    # Other sizes are left to the garbage collector together with their tickets.
    source = _source_of_one(number) if rows == 1 else _source(number, rows)
    size = None
    if looks_up and foreign and rows > _BATCH_ROWS:
        part = rows // _part_count(rows)
        size = min(part, _LOOK_UP_ROWS) if part > _BATCH_ROWS else None
    source.select(_expression(foreign, size, label)).collect()


@functools.lru_cache(maxsize=_KEPT_SOURCES)
def _source_of_one(number: int) -> Any:  # noqa: ANN401 (Daft is imported when it is needed)
    return _source(number, 1)


def _source(number: int, rows: int) -> Any:  # noqa: ANN401
    return _parts(number, rows, _part_count(rows))


def _part_count(rows: int) -> int:
    return max(1, min(_cores(), rows // _PART_ROWS))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _parts(number: int, rows: int, parts: int) -> Any:  # noqa: ANN401
    daft = extension.load()
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
def _expression(foreign: bool, size: int | None, label: str) -> Any:  # noqa: ANN401
    return _call(foreign, size).alias(label)


@functools.lru_cache(maxsize=256)
def _call(foreign: bool, size: int | None) -> Any:  # noqa: ANN401
    daft = extension.load()
    ticket = daft.col(_TICKET)
    if foreign:
        return daft.func.batch(return_dtype=daft.DataType.int64(), batch_size=size)(_redeem)(ticket)
    with extension.defining:
        function = _core.daft_define_redeem()
        extension.load_functions(daft)
        call = daft.get_function(function, ticket)
        daft.detach_function(function)  # the expression keeps it
    return call


def _redeem(tickets: Any) -> Any:  # noqa: ANN401
    _core.daft_redeem(tickets, True)
    return tickets


# With options --------------------------------------------------------------------------------

# How many calls of a query may begin, by its job's number.
_turns: dict[int, threading.Semaphore] = {}


def _collect_with(options: Options, number: int, rows: int, foreign: bool, label: str) -> None:
    daft = extension.load()
    most = options.most_at_once
    udf = daft.func.batch(
        return_dtype=daft.DataType.int64(),
        batch_size=options.batch_size,
        cpus=options.cpus,
        gpus=options.gpus,
    )(_redeem_in_turn)
    if options.max_workers is not None:
        source = _parts(number, rows, min(options.max_workers, rows))
    else:
        source = _source(number, rows)
    if most is not None:
        _turns[number] = threading.Semaphore(most)
    try:
        source.select(udf(daft.col(_TICKET), number, foreign).alias(label)).collect()
    finally:
        _turns.pop(number, None)


def _redeem_in_turn(tickets: Any, number: int, foreign: bool) -> Any:  # noqa: ANN401
    with _turns.get(number) or contextlib.nullcontext():
        _core.daft_redeem(tickets, foreign)
    return tickets
