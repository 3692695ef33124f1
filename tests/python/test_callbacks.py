# SPDX-License-Identifier: MIT
import inspect

import pytest

from hypernodes.callbacks import CallbackContext, PipelineCallback

HOOKS = {
    "on_pipeline_start": 2,
    "on_pipeline_end": 3,
    "on_node_start": 2,
    "on_node_end": 3,
    "on_node_cached": 2,
    "on_error": 2,
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
