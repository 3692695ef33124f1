# SPDX-License-Identifier: MIT
"""The Dask engine: ranges of rows as tasks of a Dask graph."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypernodes import _core, remote
from hypernodes.engines import MapRequest, NativeEngine
from hypernodes.exceptions import DependencyMissingError, PlanError

if TYPE_CHECKING:
    from hypernodes.cache import Cache
    from hypernodes.callbacks import PipelineCallback
    from hypernodes.pipeline import Pipeline

__all__ = ["DaskEngine"]

_IN_PROCESS = ("threads", "synchronous")
_SCHEDULERS = (*_IN_PROCESS, "processes", "distributed")
# Threads for each core: nodes that wait leave it to others.
_THREADS_PER_CORE = {"cpu": 1, "mixed": 2, "io": 8}
# So that a worker whose rows are slow does not keep the others waiting at the end.
_PARTS_PER_WORKER = 4

Range = tuple[int, int]


class DaskEngine(NativeEngine):
    """Runs pipelines on Dask: each task of a Dask graph is a range of rows.

    Answers, errors and cache entries are those of the sequential engine, events have the same
    counts. Rows run on several threads or processes at once, so nodes must be able to. With a
    cache, threads compute equal rows once; processes may each compute one that they need at the
    same time.

    >>> from hypernodes import Pipeline, node
    >>> @node(output_name="doubled")
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> DaskEngine().map(Pipeline([double]), {"x": [1, 2]}, map_over="x")
    [{'doubled': 2}, {'doubled': 4}]
    """

    def __init__(
        self,
        scheduler: str = "threads",
        num_workers: int | None = None,
        workload_type: str = "mixed",
        npartitions: int | None = None,
        cache: Cache | None = None,
        callbacks: Sequence[PipelineCallback] | None = None,
    ) -> None:
        """Keeps the options.

        Args:
            scheduler: "threads" and "synchronous" run rows in this process, "processes" in new
                ones, "distributed" on the cluster of the current `dask.distributed` client.
            num_workers: How many threads or processes; by default what suits `workload_type`. A
                cluster has its own number.
            workload_type: What nodes do most: "cpu" takes one thread for each core, "io" several,
                "mixed" some in between.
            npartitions: How many tasks a map is cut into; by default a few for each worker.
            cache: Where results of pipelines are kept that have no cache of their own.
            callbacks: Who is told of what happens in pipelines that have no callbacks.

        Raises:
            PlanError: For options that are not known (a ValueError).
            DependencyMissingError: If Dask is not installed (an ImportError).
        """
        super().__init__(cache, callbacks)
        _check_choice("scheduler", scheduler, _SCHEDULERS)
        _check_choice("workload_type", workload_type, tuple(_THREADS_PER_CORE))
        _check_count("num_workers", num_workers)
        _check_count("npartitions", npartitions)
        self.scheduler = scheduler
        self.num_workers = num_workers
        self.workload_type = workload_type
        self.npartitions = npartitions
        _load(scheduler)

    def _run_graph(
        self,
        pipeline: Pipeline,
        graph: _core.Graph,
        given: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Cache | None,
        callbacks: Sequence[PipelineCallback] | None,
    ) -> dict[str, Any]:
        spread = self._spread(pipeline)
        return _core.spread_run(graph, given, output_name, cache, callbacks, spread)

    def _map_graph(self, pipeline: Pipeline, asked: MapRequest, on_error: str) -> Any:  # noqa: ANN401
        return _core.spread_map(*asked, self._spread(pipeline), on_error)

    def _executor(self, pipeline: Pipeline) -> _core.BatchExecutor:
        return _core.spread_executor(self._spread(pipeline))

    def _spread(self, pipeline: Pipeline) -> Callable[[_core.RowJob], None]:
        """What has all rows of a job of this pipeline run."""
        return functools.partial(self._run_job, pipeline)

    def _run_job(self, pipeline: Pipeline, job: _core.RowJob) -> None:
        if self.scheduler in _IN_PROCESS:
            self._run_here(job)
        else:
            self._run_elsewhere(pipeline, job)

    def _run_here(self, job: _core.RowJob) -> None:
        dask = _load(self.scheduler)
        workers = self._workers()
        # Dask has an order of its own: a task takes the first range that is left.
        left = deque(self._ranges(job, workers))
        run = dask.delayed(_run_next, pure=False, traverse=False)
        tasks = [run(job, left) for _ in range(len(left))]
        dask.compute(*tasks, traverse=False, scheduler=self.scheduler, num_workers=workers)

    def _run_elsewhere(self, pipeline: Pipeline, job: _core.RowJob) -> None:
        dask = _load(self.scheduler)
        client = _client() if self.scheduler == "distributed" else None
        # A cluster may still be on its way.
        workers = self._workers() if client is None else sum(client.nthreads().values()) or 1
        run = dask.delayed(remote.run_rows, pure=False, traverse=False)
        names = _names(job.rows)
        with remote.RemoteJob(pipeline, job) as rows:
            shared = dask.delayed(rows.shared, pure=False, traverse=False)
            tasks = {
                names(first): run(shared, *rows.part(first, count), dask_key_name=names(first))
                for first, count in self._ranges(job, workers)
            }
            if client is None:
                _compute_in_processes(dask, tasks, rows, workers)
            else:
                _compute_on_cluster(client, tasks, rows)

    def _workers(self) -> int:
        if self.num_workers is not None:
            return self.num_workers
        cores = len(os.sched_getaffinity(0))
        return cores * (_THREADS_PER_CORE[self.workload_type] if self.scheduler == "threads" else 1)

    def _ranges(self, job: _core.RowJob, workers: int) -> list[Range]:
        """The first row and the number of rows of each task."""
        # A node that wants whole batches is called once for each part.
        parts = self.npartitions or (1 if job.whole_batch else workers * _PARTS_PER_WORKER)
        parts = min(parts, job.rows)
        cuts = [job.rows * i // parts for i in range(parts + 1)]
        return [(cuts[i], cuts[i + 1] - cuts[i]) for i in range(parts)]


def _run_next(job: _core.RowJob, left: deque[Range]) -> None:
    job.run_rows(*left.popleft())


def _names(rows: int) -> Callable[[int], str]:
    """Names of tasks by their first row. Dask begins with the greatest of those that are alike."""
    job, width = secrets.token_hex(8), len(str(rows))
    return lambda first: f"hypernodes-{job}-{rows - first:0{width}}"


class _Settled(Exception):
    """Nothing that is still to come can change how the job ends."""


def _compute_in_processes(
    dask: ModuleType, tasks: dict[str, Any], rows: remote.RemoteJob, workers: int
) -> None:
    def take(key: str, result: Any, *_: Any) -> None:  # noqa: ANN401 (Dask's callback)
        if key in tasks:
            rows.add(result)
            if rows.settled:
                raise _Settled

    # By argument, beside those that are active: those belong to all threads.
    active = importlib.import_module("dask.callbacks").Callback.active
    with contextlib.suppress(_Settled):
        dask.compute(
            *tasks.values(),
            traverse=False,
            scheduler="processes",
            num_workers=workers,
            chunksize=1,
            callbacks=[*active, (None, None, None, take, None)],
        )


def _compute_on_cluster(client: Any, tasks: dict[str, Any], rows: remote.RemoteJob) -> None:  # noqa: ANN401
    distributed = importlib.import_module("distributed")
    futures = client.compute(list(tasks.values()))
    try:
        for _, result in distributed.as_completed(futures, with_results=True):
            rows.add(result)
            if rows.settled:
                break
    finally:
        client.cancel(futures)


def _client() -> Any:  # noqa: ANN401 (distributed is no dependency of ours)
    """The current client of dask.distributed."""
    distributed = importlib.import_module("distributed")
    try:
        return distributed.get_client()
    except ValueError as error:
        raise PlanError(
            "There is no dask.distributed client",
            where="DaskEngine(scheduler='distributed')",
            fix="make one first: client = distributed.Client(...)",
        ) from error


def _load(scheduler: str) -> ModuleType:
    """Returns the module `dask`, if what the scheduler needs is there."""
    try:
        dask = importlib.import_module("dask")
        if scheduler == "distributed":
            importlib.import_module("distributed")
    except ImportError as error:
        install = "distributed" if scheduler == "distributed" else "'hypernodes[dask]'"
        raise DependencyMissingError(
            f"The Dask engine with scheduler='{scheduler}' needs the package {error.name}"
            f" ({error})",
            fix=f"pip install {install}",
        ) from error
    return dask


def _check_choice(option: str, chosen: str, known: tuple[str, ...]) -> None:
    if chosen not in known:
        raise PlanError(
            f"Unknown {option} {chosen!r}",
            where="DaskEngine",
            fix=f"use one of: {', '.join(map(repr, known))}",
        )


def _check_count(option: str, count: int | None) -> None:
    if count is not None and count < 1:
        raise PlanError(
            f"{option} must be at least 1, got {count}",
            where="DaskEngine",
            fix="leave it out for the default",
        )
