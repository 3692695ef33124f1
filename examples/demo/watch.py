"""What the demo sees of a run through callbacks: rows counted by node, and a progress bar."""

import sys
from collections import Counter

from hypernodes import PipelineCallback


class Tally(PipelineCallback):
    """Counts the rows that ran and the rows from the cache, by (pipeline, node)."""

    def __init__(self) -> None:
        self.run: Counter[tuple[str, str]] = Counter()
        self.cached: Counter[tuple[str, str]] = Counter()

    def on_node_end(self, node_id, outputs, duration, ctx) -> None:
        self.run[pipeline_name(ctx), node_id] += 1

    def on_node_cached(self, node_id, signature, ctx) -> None:
        self.cached[pipeline_name(ctx), node_id] += 1


class ProgressBar(PipelineCallback):
    """One line on the terminal: how many rows of one pipeline are done. Elsewhere, silence."""

    WIDTH = 40

    def __init__(self, pipeline: str, rows: int) -> None:
        self.pipeline, self.rows = pipeline, rows
        self.done = self.shown = 0
        self.enabled = sys.stderr.isatty()

    def on_node_end(self, node_id, outputs, duration, ctx) -> None:
        self.advance(ctx)

    def on_node_cached(self, node_id, signature, ctx) -> None:
        self.advance(ctx)

    def advance(self, ctx) -> None:
        if not self.enabled or pipeline_name(ctx) != self.pipeline:
            return
        self.done += 1
        filled = self.WIDTH * self.done // self.rows
        if filled == self.shown:
            return
        self.shown = filled
        bar = "#" * filled + "." * (self.WIDTH - filled)
        end = "\n" if filled == self.WIDTH else ""
        print(f"\r[{bar}] {self.done} of {self.rows} rows", end=end, file=sys.stderr, flush=True)


def pipeline_name(ctx) -> str:
    """The name of the pipeline that an event comes from."""
    return ctx.get_pipeline_metadata(ctx.current_pipeline_id).get("pipeline_name", "")
