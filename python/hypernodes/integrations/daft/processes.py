# SPDX-License-Identifier: MIT
"""The Daft query of a run or map whose rows run in other processes, Daft's own or Ray's.

Each row of the query is a part: rows of the run or map, pickled. A function of Daft's processes
runs them, and what it returns is told here as it comes.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core, remote
from hypernodes import _feeds as feeds
from hypernodes.integrations.daft import execution, extension, ray_feed, runner
from hypernodes.integrations.daft.options import Options

if TYPE_CHECKING:
    from hypernodes.pipeline import Pipeline

# So that a process whose rows are slow does not keep the others waiting at the end.
_PARTS_PER_PROCESS = 4


def spread(pipeline: Pipeline, options: Options) -> Callable[[_core.RowJob], None]:
    """What has all rows of a job of this pipeline run in other processes."""
    return functools.partial(_run_job, pipeline, options)


def _run_job(pipeline: Pipeline, options: Options, job: _core.RowJob) -> None:
    if _core.daft_inside_query():
        # One of Daft's few threads waits: another query might never get one.
        job.run_rows(0, job.rows)
        return
    daft = extension.load()
    name = str(daft.get_or_infer_runner_type())
    feed = ray_feed.RayFeed if name == "ray" else feeds.Local
    with remote.RemoteJob(pipeline, job, feed) as rows:
        _run_rows(daft, name, rows, job, pipeline, options)


def _run_rows(
    daft: ModuleType,
    name: str,
    rows: remote.RemoteJob,
    job: _core.RowJob,
    pipeline: Pipeline,
    options: Options,
) -> None:
    processes = options.most_at_once or runner.cores(name)
    parts = [rows.part(first, count) for first, count in _ranges(job, options, processes)]
    names = ("items", "first", "count")
    columns = map(list, zip(*parts, strict=True))
    source = daft.from_pydict(dict(zip(names, columns, strict=True)))
    most: int | None = min(processes, len(parts))
    if name == "ray":
        # A task runs on one machine: as many tasks as parts.
        source = source.into_partitions(len(parts))
        if not options.use_process and options.most_at_once is None:
            most = None
    column = _column(daft, rows.shared, options, most, pipeline.name)
    query = source.select(column.alias("done"))
    configured = execution.applied(options.config)
    with configured, contextlib.closing(query.iter_rows()) as results:
        for result in results:
            rows.add(result["done"])
            if rows.settled:
                break


def _ranges(job: _core.RowJob, options: Options, processes: int) -> list[tuple[int, int]]:
    """The first row and the number of rows of each part."""
    parts = processes * _PARTS_PER_PROCESS
    if options.batch_size is not None:
        parts = max(parts, -(-job.rows // options.batch_size))
    parts = min(parts, job.rows)
    cuts = [job.rows * i // parts for i in range(parts + 1)]
    return [(cuts[i], cuts[i + 1] - cuts[i]) for i in range(parts)]


def _column(
    daft: ModuleType, shared: remote.Shared, options: Options, most: int | None, name: str | None
) -> Any:  # noqa: ANN401 (an expression of Daft's)
    # With `most`, Daft starts as many processes for this query; without, Ray's workers run it.
    # A class of this function travels by value and imports us there, where our module may not be
    # on the path yet.
    class Rows:
        def __init__(self, path: list[str], token: str, data: bytes) -> None:
            import sys

            sys.path.extend(place for place in path if place not in sys.path)
            from hypernodes import remote
            from hypernodes.integrations.daft import attempts

            self.run_rows = functools.partial(attempts.run_rows, remote.Shared(token, data))

        def run(self, items: Any, first: Any, count: Any) -> list[bytes]:  # noqa: ANN401
            columns = (column.to_pylist() for column in (items, first, count))
            return [self.run_rows(*part) for part in zip(*columns, strict=True)]

        column = daft.method.batch(return_dtype=daft.DataType.binary(), batch_size=1)(run)

    made = daft.cls(
        Rows,
        use_process=most is not None,
        max_concurrency=most,
        cpus=options.cpus,
        gpus=options.gpus,
        name_override=name or "pipeline",
    )
    worker = made(list(sys.path), shared.token, shared.data)
    return worker.column(daft.col("items"), daft.col("first"), daft.col("count"))
