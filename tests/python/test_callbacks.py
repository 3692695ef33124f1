# SPDX-License-Identifier: MIT
import inspect

import pytest

import hypernodes
from hypernodes.callbacks import CallbackContext, PipelineCallback

HOOKS = {
    "on_pipeline_start": 2,
    "on_pipeline_end": 3,
    "on_node_start": 2,
    "on_node_end": 3,
    "on_node_cached": 2,
    "on_error": 2,
    "on_node_retry": 4,
    "on_nested_pipeline_start": 2,
    "on_nested_pipeline_end": 3,
    "on_map_start": 1,
    "on_map_item_start": 1,
    "on_map_item_end": 2,
    "on_map_item_cached": 2,
    "on_map_end": 1,
}


def test_empty_context():
    ctx = CallbackContext()
    assert ctx.depth == 0
    assert ctx.current_pipeline_id is None
    assert ctx.parent_pipeline_id is None
    assert ctx.hierarchy_path == []
    assert ctx.get_pipeline_metadata("unknown") == {}
    assert ctx.pop_pipeline() is None


def test_context_keeps_what_callbacks_store():
    ctx = CallbackContext()
    ctx.set("span", None)
    assert ctx.get("span", "absent") is None
    assert ctx.get("other") is None
    assert ctx.get("other", 3) == 3


def test_pipelines_nest():
    ctx = CallbackContext()
    ctx.push_pipeline("root")
    assert (ctx.depth, ctx.current_pipeline_id, ctx.parent_pipeline_id) == (1, "root", None)
    ctx.push_pipeline("inner")
    assert (ctx.depth, ctx.current_pipeline_id, ctx.parent_pipeline_id) == (2, "inner", "root")
    assert ctx.hierarchy_path == ["root", "inner"]
    assert ctx.pop_pipeline() == "inner"
    assert ctx.pop_pipeline() == "root"
    assert ctx.depth == 0


def test_hierarchy_path_is_a_copy():
    ctx = CallbackContext()
    ctx.push_pipeline("root")
    ctx.hierarchy_path.append("other")
    assert ctx.hierarchy_path == ["root"]


def test_metadata_is_kept_per_pipeline():
    ctx = CallbackContext()
    ctx.set_pipeline_metadata("a", {"total_nodes": 2})
    ctx.set_pipeline_metadata("b", {"total_nodes": 3})
    assert ctx.get_pipeline_metadata("a") == {"total_nodes": 2}
    ctx.set_pipeline_metadata("a", {"total_nodes": 4})
    assert ctx.get_pipeline_metadata("a") == {"total_nodes": 4}
    assert ctx.get_pipeline_metadata("b") == {"total_nodes": 3}


@pytest.mark.parametrize(("hook", "arguments"), HOOKS.items())
def test_hooks_do_nothing_and_take_the_context_last(hook, arguments):
    method = getattr(PipelineCallback(), hook)
    assert len(inspect.signature(method).parameters) == arguments + 1
    assert list(inspect.signature(method).parameters)[-1] == "ctx"
    assert method(*range(arguments), CallbackContext()) is None


def test_the_base_has_no_other_hook():
    # Engines send batches to whoever has on_batch, so the base must not.
    hooks = {name for name in dir(PipelineCallback) if name.startswith("on_")}
    assert hooks == set(HOOKS)


def test_supported_engines_may_be_replaced_in_any_way():
    class ByAttribute(PipelineCallback):
        supported_engines = ("SeqEngine",)

    class ByProperty(PipelineCallback):
        @property
        def supported_engines(self):
            return ["DaftEngine"]

    class ByInstance(PipelineCallback):
        def __init__(self):
            self.supported_engines = ["DaskEngine"]

    assert PipelineCallback().supported_engines is None
    assert ByAttribute().supported_engines == ("SeqEngine",)
    assert ByProperty().supported_engines == ["DaftEngine"]
    assert ByInstance().supported_engines == ["DaskEngine"]


class Items(PipelineCallback):
    """Notes the context's item in each event of the leaves."""

    def __init__(self):
        self.seen = []

    def on_node_end(self, node_id, outputs, duration, ctx):
        if node_id == "double":
            keys = ("_in_map", "_map_total_items", "_map_item_index")
            told = [ctx.get(key) for key in keys]
            assert ctx.get("_map_item_start_time") > 0
            self.seen.append((outputs["doubled"], *told, ctx.get("_map_item_path")))


@hypernodes.node(output_name="doubled")
def double(x):
    return x * 2


@pytest.mark.parametrize(
    "engine", ["SeqEngine", pytest.param("DaftEngine", marks=pytest.mark.daft)]
)
def test_the_context_knows_the_item_of_each_event(engine):
    if engine == "DaftEngine":
        pytest.importorskip("daft")
    run_on = getattr(hypernodes, engine)()
    items = Items()
    hypernodes.Pipeline([double], callbacks=[items], engine=run_on).map({"x": [0, 1, 2, 3]}, "x")
    assert sorted(items.seen) == [(2 * i, True, 4, i, [i]) for i in range(4)]

    items = Items()
    plain = hypernodes.Pipeline([double]).as_node()
    hypernodes.Pipeline([plain], callbacks=[items], engine=run_on).map({"x": [0, 1, 2, 3]}, "x")
    assert sorted(items.seen) == [(2 * i, True, 4, i, [i, None]) for i in range(4)]

    items = Items()
    each = hypernodes.Pipeline([double]).as_node(input_mapping={"xs": "x"}, map_over="xs")
    outer = hypernodes.Pipeline([each], callbacks=[items], engine=run_on)
    outer.map({"xs": [[0, 1], [2, 3, 4]]}, "xs")
    assert sorted(items.seen) == [
        (0, True, 2, 0, [0, 0]),
        (2, True, 2, 1, [0, 1]),
        (4, True, 3, 0, [1, 0]),
        (6, True, 3, 1, [1, 1]),
        (8, True, 3, 2, [1, 2]),
    ]


def test_the_context_is_left_when_the_run_is_over():
    class Keep(PipelineCallback):
        def on_map_start(self, total, ctx):
            self.ctx, self.ended = ctx, []
            ctx._call_at_end(lambda: self.ended.append(ctx.depth))

    keep = Keep()
    pipeline = hypernodes.Pipeline([double], callbacks=[keep])
    pipeline.map({"x": [1]}, "x")
    assert keep.ended == [0]
    with pytest.raises(TypeError):
        pipeline.map({"x": [1, None]}, "x")
    assert keep.ended == [0]
    assert keep.ctx.get("_in_map") is False
    assert keep.ctx.get("_map_item_index") is None
