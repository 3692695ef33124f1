# SPDX-License-Identifier: MIT
"""Events name the worker that a node ran on, on every engine."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DiskCache, Pipeline, PipelineCallback, SequentialEngine, node
from hypernodes.callbacks import CallbackContext, Event, Worker
from hypernodes.engines import DaftEngine, DaskEngine
from hypernodes.telemetry import TelemetryCallback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypernodes.engines import Engine

ROWS = range(20)


@node(output_name="here")
def find_here(x: int) -> tuple[str, int, int]:
    threading.Event().wait(0.002)  # others may come
    return socket.gethostname(), os.getpid(), threading.get_ident()


@node(output_name="pid")
def pid_of(here: tuple[str, int, int]) -> int:
    return here[1]


class Places(PipelineCallback):
    """Keeps the worker of each event, and what the nodes say of themselves."""

    def __init__(self) -> None:
        self.started: list[Worker] = []
        self.ended: list[Worker] = []
        self.cached: list[Worker] = []
        self.said: list[Worker] = []
        self.around: set[Worker] = set()
        self.ctx = CallbackContext()

    def on_map_start(self, total: int, ctx: CallbackContext) -> None:
        self.ctx = ctx
        self.around.add(ctx.worker)

    def on_map_end(self, duration: float, ctx: CallbackContext) -> None:
        self.around.add(ctx.worker)

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: CallbackContext) -> None:
        if node_id == "find_here":
            self.started.append(ctx.worker)

    def on_node_end(
        self, node_id: str, outputs: dict[str, Any], duration: float, ctx: CallbackContext
    ) -> None:
        if node_id == "find_here":
            self.ended.append(ctx.worker)
            self.said.append(Worker(*outputs["here"]))

    def on_node_cached(self, node_id: str, signature: str, ctx: CallbackContext) -> None:
        self.cached.append(ctx.worker)


def daft(**config: Any) -> Engine:
    pytest.importorskip("daft")
    return DaftEngine(default_daft_config=config)


def dask(scheduler: str) -> Engine:
    pytest.importorskip("dask")
    return DaskEngine(scheduler=scheduler, num_workers=2)


THREADS = [
    pytest.param(lambda: daft(max_workers=2), id="daft", marks=pytest.mark.daft),
    pytest.param(lambda: dask("threads"), id="dask"),
]
PROCESSES = [
    pytest.param(
        lambda: daft(use_process=True, max_concurrency=2), id="daft", marks=pytest.mark.daft
    ),
    pytest.param(lambda: dask("processes"), id="dask"),
]


def watch(engine: Engine) -> Places:
    """What is told of a map."""
    places = Places()
    pipeline = Pipeline([find_here, pid_of], engine=engine, callbacks=[places])
    pipeline.map({"x": ROWS}, map_over="x")
    assert len(places.started) == len(ROWS)
    assert sorted(places.started) == sorted(places.ended) == sorted(places.said)
    assert places.around == {Worker.here()}
    return places


def test_the_sequential_engine_is_one_worker():
    assert set(watch(SequentialEngine()).said) == {Worker.here()}


@pytest.mark.parametrize("make", THREADS)
def test_threads_are_workers_of_this_process(make: Callable[[], Engine]):
    host, pid, thread = Worker.here()
    said = watch(make()).said
    assert {worker[:2] for worker in said} == {(host, pid)}
    assert thread not in {worker.thread for worker in said}


@pytest.mark.parametrize("make", PROCESSES)
def test_processes_are_workers_of_their_own(make: Callable[[], Engine]):
    said = watch(make()).said
    assert {worker.host for worker in said} == {socket.gethostname()}
    assert os.getpid() not in {worker.pid for worker in said}


def test_a_hit_names_who_found_it(tmp_path: Path):
    places = Places()
    pipeline = Pipeline([find_here], cache=DiskCache(tmp_path), callbacks=[places])
    for _ in range(2):
        pipeline.run({"x": 1})
    assert places.cached == [Worker.here()]


def test_an_error_and_a_retry_name_their_worker():
    heard: list[tuple[str, Worker]] = []

    class Hears(PipelineCallback):
        def on_node_retry(self, node_id, attempt, error, delay, ctx):
            heard.append(("retry", ctx.worker))

        def on_error(self, node_id, error, ctx):
            heard.append(("error", ctx.worker))

    @node(output_name="y", retry=2)
    def fail(x: int) -> int:
        raise ValueError(x)

    engine = dask("processes")
    with pytest.raises(ValueError, match="1"):
        Pipeline([fail], engine=engine, callbacks=[Hears()]).run({"x": 1})
    assert [kind for kind, _ in heard] == ["retry", "error"]
    assert os.getpid() not in {worker.pid for _, worker in heard}


def test_a_fork_is_another_worker():
    pid = os.getpid()

    class Here(PipelineCallback):
        def on_node_end(self, node_id, outputs, duration, ctx):
            self.worker = ctx.worker

    callback = Here()
    pipeline = Pipeline([find_here], callbacks=[callback])
    pipeline.run({"x": 1})
    assert callback.worker.pid == pid
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        pipeline.run({"x": 1})
        os.write(writer, str(callback.worker.pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 100)) == child


def test_batches_of_events_have_workers():
    class Batches(PipelineCallback):
        def on_batch(self, events: list[Event]) -> None:
            self.events = events

    batches = Batches()
    pipeline = Pipeline([find_here], engine=dask("processes"), callbacks=[batches])
    pipeline.map({"x": ROWS}, map_over="x")
    ends = [event for event in batches.events if event.hook == "on_node_end"]
    assert [event.worker for event in ends] == [
        Worker(*event.arguments[1]["here"]) for event in ends
    ]


def test_outside_of_events_a_context_names_its_reader():
    assert CallbackContext().worker == Worker.here()
    assert watch(dask("threads")).ctx.worker == Worker.here()


def test_a_worker_is_short_text():
    host, pid, thread = Worker.here()
    assert str(Worker.here()) == f"{host}/{pid}/{thread}"


def test_spans_have_workers():
    telemetry = TelemetryCallback()
    pipeline = Pipeline([find_here], engine=dask("processes"), callbacks=[telemetry])
    pipeline.map({"x": ROWS}, map_over="x")
    nodes = {span["worker"] for span in telemetry.span_data if span["type"] == "node"}
    assert str(os.getpid()) not in {worker.split("/")[1] for worker in nodes}
    (mapped,) = (span["worker"] for span in telemetry.span_data if span["type"] == "map")
    assert mapped == str(Worker.here())
