"""What the demo sees of a run through callbacks: rows counted by node."""

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


def pipeline_name(ctx) -> str:
    """The name of the pipeline that an event comes from."""
    return ctx.get_pipeline_metadata(ctx.current_pipeline_id).get("pipeline_name", "")
