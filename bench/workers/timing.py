"""How the workers measure. The garbage collector stays on, as in a user's program."""

import sys
import time
from collections.abc import Callable
from typing import Any


def seconds(action: Callable[[], Any]) -> float:
    """Wall time of one call; its result is dropped inside the measured time."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Timed:
    """A case that times `action`, after checking its answer (as `view` shows it) once.

    Each request returns the seconds per call of `samples` loops, each long enough (about
    `sample_seconds`) for the clock and short enough to slip between the neighbours' noise.
    """

    def __init__(
        self,
        action: Callable[[], Any],
        expected: Any,
        view: Callable[[Any], Any] = lambda answer: answer,
    ) -> None:
        self.action = action
        self.expected = expected
        self.view = view
        self.loops = 0

    def __call__(self, sample_seconds: float = 0.02, samples: int = 5) -> list[float]:
        if not self.loops:
            answer = self.view(self.action())
            if answer != self.expected:
                raise AssertionError(f"expected {self.expected!r:.200}, got {answer!r:.200}")
            once = min(seconds(self.action) for _ in range(3))
            self.loops = max(1, int(sample_seconds / once))
        return [self.sample() for _ in range(samples)]

    def sample(self) -> float:
        action = self.action
        loops = range(self.loops)
        start = time.perf_counter()
        for _ in loops:
            action()
        return (time.perf_counter() - start) / self.loops


def count_calls(function: Callable[..., Any], action: Callable[[], Any]) -> int:
    """How often `action` calls the Python `function` in this thread: zero proves a cache hit."""
    code = function.__code__
    calls = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is code

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls
