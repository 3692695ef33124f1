# SPDX-License-Identifier: MIT
"""Events of rows that other processes run are told while they run, and each once."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hypernodes import DiskCache, Pipeline, PipelineCallback, SequentialEngine, node
from hypernodes._part_events import Inbox, Outbox
from hypernodes.exceptions import RemoteError
from hypernodes.integrations.daft import DaftEngine
from hypernodes.integrations.dask import DaskEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypernodes.engines import Engine

SECONDS = 60


def daft_processes() -> Engine:
    pytest.importorskip("daft")
    return DaftEngine(default_daft_config={"use_process": True, "max_concurrency": 1})


def dask_processes() -> Engine:
    pytest.importorskip("dask")
    return DaskEngine(scheduler="processes", num_workers=1, npartitions=1)


ENGINES = [daft_processes, dask_processes]


@node(output_name="seen")
def wait_to_be_told(x: int, signal: Path) -> bool:
    """Whether somebody hears that this began, before it ends."""
    deadline = time.monotonic() + SECONDS
    while not signal.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return signal.exists()


@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2


class Signals(PipelineCallback):
    """Makes the file that a node waits for when it begins."""

    def __init__(self, signal: Path, name: str = "wait_to_be_told") -> None:
        self.signal = signal
        self.name = name
        self.items: list[int] = []

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: Any) -> None:
        if node_id == self.name:
            self.signal.touch()

    def on_map_item_end(self, index: int, duration: float, ctx: Any) -> None:
        self.items.append(index)


@pytest.mark.parametrize("make", ENGINES)
def test_a_callback_hears_of_a_node_while_it_runs(
    make: Callable[[], Engine], tmp_path: Path
) -> None:
    signals = Signals(tmp_path / "signal")
    pipeline = Pipeline([wait_to_be_told], engine=make(), callbacks=[signals])
    assert pipeline.run({"x": 1, "signal": signals.signal}) == {"seen": True}


@pytest.mark.parametrize("make", ENGINES)
def test_a_callback_of_an_inner_pipeline_hears_at_once(
    make: Callable[[], Engine], tmp_path: Path
) -> None:
    signals = Signals(tmp_path / "signal")
    inner = Pipeline([wait_to_be_told], callbacks=[signals], name="inner").as_node()
    pipeline = Pipeline([inner, double], engine=make())
    answer = pipeline.map({"x": [1, 2], "signal": signals.signal}, map_over="x")
    assert answer == [{"seen": True, "doubled": 2}, {"seen": True, "doubled": 4}]


@pytest.mark.parametrize("make", ENGINES)
def test_events_are_those_of_the_sequential_engine(
    make: Callable[[], Engine], tmp_path: Path
) -> None:
    heard = []
    for engine in (SequentialEngine(), make()):
        signals = Signals(tmp_path / "signal")
        pipeline = Pipeline([double], engine=engine, callbacks=[signals])
        pipeline.map({"x": range(50)}, map_over="x")
        heard.append(sorted(signals.items))
    assert heard[0] == heard[1] == list(range(50))


class Stops(Signals):
    """Stops the run when a node begins."""

    def on_node_start(self, node_id: str, inputs: dict[str, Any], ctx: Any) -> None:
        super().on_node_start(node_id, inputs, ctx)
        raise LookupError("enough")


@pytest.mark.parametrize("make", ENGINES)
def test_what_a_callback_raises_stops_the_run(make: Callable[[], Engine], tmp_path: Path) -> None:
    stops = Stops(tmp_path / "signal")
    pipeline = Pipeline([wait_to_be_told], engine=make(), callbacks=[stops])
    with pytest.raises(LookupError, match="enough"):
        pipeline.map({"x": [1, 2], "signal": stops.signal}, map_over="x")


@pytest.mark.parametrize("make", ENGINES)
def test_nothing_is_left_open_if_a_pipeline_cannot_travel(
    make: Callable[[], Engine], tmp_path: Path
) -> None:
    signals = Signals(tmp_path / "signal")
    pipeline = Pipeline([wait_to_be_told], engine=make(), callbacks=[signals])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(TypeError, match="Input 'signal'"):
            pipeline.map({"x": [1, 2], "signal": threading.Lock()}, map_over="x")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


# A part that is tried again ------------------------------------------------------------------

START, END, CACHED, ITEM_END, ITEM_CACHED = 2, 3, 4, 10, 11


class Recorder:
    """In place of the native one, which only a run fills."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def happens(self, kind: int, row: int, value: Any = None, error: Any = None) -> None:
        values = None if value is None else [(0, value)]
        node = 0 if kind < ITEM_END else None
        self.events.append((kind, [(0, 1)], node, row, 0, 0.0, None, values, None, error))

    def take(self) -> list[tuple[Any, ...]]:
        taken, self.events = self.events, []
        return taken


def outbox(constants: dict[str, Any] | None = None) -> Outbox:
    made = Outbox(0, constants or {}, listened=True)
    made.recorder = Recorder()  # type: ignore[assignment]
    return made


def inbox(constants: dict[str, Any] | None = None) -> tuple[Inbox, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    made = Inbox(constants or {}, lambda event: told.append((event[0], event[3])))
    made.expect(0)
    return made, told


def test_a_second_try_tells_only_what_was_not_heard() -> None:
    here, told = inbox()
    died, done = outbox(), outbox()
    for row in (0, 1):
        died.recorder.happens(START, row)  # type: ignore[union-attr]
        if row == 0:
            died.recorder.happens(END, row)  # type: ignore[union-attr]
            died.recorder.happens(ITEM_END, row)  # type: ignore[union-attr]
    died.send(here.hear)
    for row in (0, 1):
        done.recorder.happens(CACHED, row)  # type: ignore[union-attr]
        done.recorder.happens(ITEM_CACHED, row)  # type: ignore[union-attr]
        done.recorder.happens(ITEM_END, row)  # type: ignore[union-attr]
    done.recorder.happens(START, 2)  # type: ignore[union-attr]
    done.recorder.happens(END, 2)  # type: ignore[union-attr]
    here.finish(0, done.close())
    before = [(START, 0), (END, 0), (ITEM_END, 0), (START, 1)]
    assert told == [*before, (CACHED, 1), (ITEM_CACHED, 1), (ITEM_END, 1), (START, 2), (END, 2)]


def test_a_message_that_arrives_and_is_sent_again_is_told_once() -> None:
    here, told = inbox()
    part = outbox()

    def lose_answer(message: bytes) -> None:
        here.hear(message)
        raise TimeoutError

    part.recorder.happens(START, 0)  # type: ignore[union-attr]
    with pytest.raises(TimeoutError):
        part.send(lose_answer)
    part.recorder.happens(END, 0)  # type: ignore[union-attr]
    here.finish(0, part.close())
    assert told == [(START, 0), (END, 0)]


def test_parts_may_come_unexpected() -> None:
    told: list[int] = []
    here = Inbox({}, lambda event: told.append(event[3]), any_part=True)
    parts = [Outbox(first, {}, listened=True) for first in (1, 2)]
    for part in parts:
        part.recorder = Recorder()  # type: ignore[assignment]
        for _ in range(2):
            part.recorder.happens(START, 7)  # type: ignore[attr-defined]
            part.send(here.hear)
    here.check()
    assert told == [7] * 4


def test_what_telling_raises_can_be_asked_for() -> None:
    def refuse(event: tuple[Any, ...]) -> None:
        raise LookupError("enough")

    here = Inbox({}, refuse, any_part=True)
    part = outbox()
    part.recorder.happens(START, 0)  # type: ignore[union-attr]
    part.send(here.hear)
    with pytest.raises(LookupError, match="enough"):
        here.check()


def test_what_comes_after_the_result_is_not_told() -> None:
    here, told = inbox()
    part, late = outbox(), outbox()
    here.finish(0, part.close())
    late.recorder.happens(START, 0)  # type: ignore[union-attr]
    late.send(here.hear)
    assert told == []


def test_messages_that_are_lost_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypernodes._part_events._SECONDS", 0.01)
    here, _ = inbox()
    part = outbox()
    part.recorder.happens(START, 0)  # type: ignore[union-attr]
    part.send(lambda message: None)
    with pytest.raises(RemoteError, match=r"Events of the rows from 0 on have not arrived"):
        here.finish(0, part.close())


def test_an_exception_is_the_same_in_events_and_result() -> None:
    constant = object()
    got: list[tuple[Any, ...]] = []
    here = Inbox({"x": constant}, got.append)
    here.expect(0)
    part, error = outbox({"x": constant}), KeyError("no")
    part.recorder.happens(5, 0, constant, error)  # type: ignore[union-attr]
    part.send(here.hear)
    place = part.place(error)
    errors = here.finish(0, part.close())
    assert got[0][-1] is errors[place]
    assert got[0][-3] == [(0, constant)]
    assert repr(errors[place]) == "KeyError('no')"


def test_cached_rows_are_told_once(tmp_path: Path) -> None:
    pytest.importorskip("daft")
    signals = Signals(tmp_path / "signal")
    cache = DiskCache(tmp_path / "cache")
    pipeline = Pipeline([double], engine=daft_processes(), cache=cache, callbacks=[signals])
    for rows in (range(10), range(20)):
        pipeline.map({"x": rows}, map_over="x")
    assert pipeline.last_run.nodes["double"].rows_cached == 10
    assert sorted(signals.items) == sorted([*range(10), *range(20)])
