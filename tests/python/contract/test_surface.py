# SPDX-License-Identifier: MIT
"""Section 1: import paths, names, signatures."""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys

import pytest

import hypernodes
from hypernodes import DiskCache, Pipeline, SeqEngine, SequentialEngine

PATHS = {
    "hypernodes": "node HyperNode DualNode Node Pipeline SeqEngine SequentialEngine DaftEngine"
    " DiskCache PipelineCallback CallbackContext HyperNodesError CycleError DependencyError"
    " ExecutionError GraphvizTheme DESIGN_STYLES",
    "hypernodes.viz": "GraphvizTheme DESIGN_STYLES",
    "hypernodes.exceptions": "HyperNodesError CycleError DependencyError ExecutionError",
    "hypernodes.engines": "SeqEngine SequentialEngine DaftEngine DaskEngine",
    "hypernodes.integrations.dask": "DaskEngine",
    "hypernodes.integrations.daft": "DaftEngine DaftEngineV2",
    "hypernodes.cache": "Cache DiskCache",
    "hypernodes.callbacks": "CallbackContext PipelineCallback",
    "hypernodes.telemetry": "ProgressCallback TelemetryCallback",
    "hypernodes.pipeline_node": "PipelineNode",
    "hypernodes.map_planner": "MapPlanner",
    "hypernodes.protocols": "Engine",
}
FOUND = [(module, name) for module, names in PATHS.items() for name in names.split()]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *FOUND,
        ("hypernodes", "stateful"),
    ],
)
def test_import_path(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_all_names_what_can_be_imported():
    assert set(PATHS["hypernodes"].split()) <= set(hypernodes.__all__)
    assert all(hasattr(hypernodes, name) for name in hypernodes.__all__)
    assert isinstance(hypernodes.__version__, str)


def test_two_names_of_one_class():
    assert SequentialEngine is SeqEngine
    assert type(Pipeline([]).engine) is SeqEngine


def parameters(function):
    """The parameters as text, without hints."""
    signature = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return ", ".join(str(p) for p in bare if p.name != "self")


SIGNATURES = {
    "Pipeline": "nodes, engine=None, cache=None, callbacks=None, name=None",
    "Pipeline.run": "inputs=None, output_name=None, engine=None, **kwargs",
    "Pipeline.map": "inputs=None, map_over=None, map_mode='zip', output_name=None, engine=None,"
    " **kwargs",
    "Pipeline.as_node": "input_mapping=None, output_mapping=None, map_over=None, map_mode='zip',"
    " name=None, cache=True",
    "Pipeline.bind": "**inputs",
    "Pipeline.unbind": "*names",
    "node": "output_name=None, cache=True",
    "Node": "func, output_name, cache=True",
    "SeqEngine": "cache=None, callbacks=None",
    "DaftEngine": "use_batch_udf=True, default_daft_config=None, cache=None, callbacks=None",
    "integrations.daft.DaftEngineV2": "use_batch_udf=True, default_daft_config=None, cache=None,"
    " callbacks=None",
    "engines.DaskEngine": "scheduler='threads', num_workers=None, workload_type='mixed',"
    " npartitions=None, cache=None, callbacks=None",
    "map_planner.MapPlanner.plan_execution": "inputs, map_over_list, map_mode='zip'",
    "telemetry.ProgressCallback": "enable=True",
    "telemetry.TelemetryCallback": "trace_map_items=True, logfire_instance=None",
    "DualNode": "output_name, singular, batch, cache=True",
    "cache.DiskCache.get": "signature",
    "cache.DiskCache.put": "signature, output",
    "cache.DiskCache.has": "signature",
    "cache.DiskCache.clear": "",
}


def find(path):
    for module in ("integrations.daft", "map_planner", "telemetry", "cache", "engines"):
        importlib.import_module(f"hypernodes.{module}")
    found = hypernodes
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("path", "expected"), SIGNATURES.items())
def test_signature(path, expected):
    assert parameters(find(path)).startswith(expected)


PUBLIC = [name for name in hypernodes.__all__ if callable(getattr(hypernodes, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_callable_has_a_signature(name):
    inspect.signature(getattr(hypernodes, name))


def test_engine_methods(engine):
    assert parameters(engine.run).startswith("pipeline, inputs, output_name=None")
    expected = "pipeline, inputs, map_over, map_mode='zip', output_name=None"
    assert parameters(engine.map).startswith(expected)


def test_class_name(spec):
    assert type(spec.make()).__name__ == spec.name


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("CycleError", ValueError),
        ("DependencyError", ValueError),
        ("PlanError", ValueError),
        ("OutputError", ValueError),
        ("TypeError", TypeError),
        ("CacheError", RuntimeError),
        ("ExecutionError", RuntimeError),
        ("DependencyMissingError", ImportError),
    ],
)
def test_errors_are_ours_and_builtin_and_pickle(name, builtin):
    kind = getattr(importlib.import_module("hypernodes.exceptions"), name)
    error = kind("what is wrong", where="here", fix="do that")
    assert isinstance(error, hypernodes.HyperNodesError)
    assert isinstance(error, builtin)
    assert str(error).splitlines()[0] == "what is wrong"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.fix) == (kind, str(error), "do that")


def test_settings_by_position():
    nodes, engine, callbacks = [], SeqEngine(), []
    pipeline = Pipeline(nodes, engine, None, callbacks, "p")
    assert (pipeline.nodes, pipeline.engine, pipeline.callbacks) == (nodes, engine, callbacks)
    assert (pipeline.cache, pipeline.name) == (None, "p")


@pytest.mark.parametrize(
    ("setter", "attribute", "value"),
    [
        ("with_engine", "engine", SeqEngine()),
        ("with_cache", "cache", None),
        ("with_callbacks", "callbacks", []),
        ("with_name", "name", "new"),
    ],
)
def test_fluent_setters_change_and_return_the_pipeline(setter, attribute, value):
    pipeline = Pipeline([])
    assert getattr(pipeline, setter)(value) is pipeline
    assert getattr(pipeline, attribute) is value


PROGRAM = """
import hypernodes, multiprocessing
from hypernodes import Pipeline, node

@node(output_name="y")
def f(x):
    return x + 1

def work(x):
    return Pipeline([f]).run({"x": x})

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [1]))
"""


def test_importable_from_any_directory_and_in_child_processes(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[{'y': 2}]\n"


def test_disk_cache_takes_str_and_path(tmp_path):
    assert DiskCache(tmp_path / "a" / "b").path == DiskCache(str(tmp_path / "a" / "b")).path


WITHOUT_ARROW = """
import sys
sys.modules["pyarrow"] = None
from hypernodes import DualNode
try:
    DualNode("y", lambda x: x, lambda x: x)
except ImportError as error:
    print("pip install" in str(error))
"""


def test_dual_node_without_pyarrow_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ARROW], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
