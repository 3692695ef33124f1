# SPDX-License-Identifier: MIT
"""What pickles, and what of it survives."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import contract
import hypernodes
from contract.calls import take
from contract.cases.common import chain, double, pair
from contract.cases.nested import inner
from contract.cases.nodes import fetch, split
from hypernodes import DiskCache, Node, Pipeline, SeqEngine


def copied(thing):
    return pickle.loads(pickle.dumps(thing))


@pytest.mark.parametrize("node", [double, split, fetch, Node(len, "size", cache=False)], ids=repr)
def test_node(node):
    copy = copied(node)
    assert copy == node
    assert hash(copy) == hash(node)
    assert (copy.code_hash, copy.cache, copy.root_args) == (
        node.code_hash,
        node.cache,
        node.root_args,
    )


def test_node_of_a_lambda_hits_what_the_original_stored(cache):
    offset = 5
    node = Node(lambda x: x + offset, "out")
    Pipeline([node], cache=cache).run({"x": 1})
    pipeline = Pipeline([copied(node)], cache=cache)
    assert pipeline.run({"x": 1}) == {"out": 6}
    assert pipeline.last_run.nodes["<lambda>"].rows_cached == 1


def test_engine(spec, cache):
    engine = copied(spec.make(cache=cache))
    assert type(engine) is type(spec.make())
    assert chain(engine=engine).run({"x": 1}) == {"doubled": 2, "result": 12}
    assert engine.cache.path == cache.path
    take()
    chain(engine=engine).run({"x": 1})
    assert take() == []


def test_pipeline(spec, cache):
    pipeline = Pipeline([inner(y=1).as_node(), pair], spec.make(), cache, name="outer").bind(a=1)
    pipeline.run({"x": 1, "b": 2})
    copy = copied(pipeline)
    assert (copy.name, copy.bound_inputs) == ("outer", {"a": 1})
    assert type(copy.engine).__name__ == spec.name
    take()
    assert copy.run({"x": 1, "b": 2}) == {"doubled": 2, "sum": 3, "pair": (1, 2)}
    assert take() == []
    assert copy != pipeline
    assert copy.id != pipeline.id


def test_pipeline_node():
    made = inner(y=1).as_node(map_over="x", output_mapping={"sum": "s"}, name="n")
    copy = copied(made)
    assert (copy.name, copy.output_name, copy.root_args) == ("n", "s", ("x",))
    assert copy.code_hash == made.code_hash
    assert Pipeline([copy]).run({"x": [1]}) == {"s": [3]}


def test_disk_cache_reopens_lazily(tmp_path):
    cache = DiskCache(tmp_path / "here")
    cache.put("k", 1)
    data = pickle.dumps(cache)
    assert len(data) < 1000
    assert copied(cache).get("k") == 1
    del cache
    shutil.rmtree(tmp_path / "here")
    copy = pickle.loads(data)
    assert not (tmp_path / "here").exists()
    assert copy.path == tmp_path / "here"


def test_settings_travel(cache):
    pipeline = chain(engine=SeqEngine(cache=cache))
    pipeline.run({"x": 1})
    take()
    copied(pipeline).run({"x": 1})
    assert take() == []


ELSEWHERE = """
import pickle, sys
sys.path[:0] = sys.argv[2:]
pipeline = pickle.load(open(sys.argv[1], "rb"))
print(pipeline.run({"x": 1}))
print(pipeline.last_run.nodes["double"].rows_cached)
"""


def test_in_another_process(tmp_path):
    pipeline = chain(cache=DiskCache(tmp_path / "cache"))
    pipeline.run({"x": 1})
    (tmp_path / "pipeline").write_bytes(pickle.dumps(pipeline))
    places = [Path(module.__file__).parents[1] for module in (contract, hypernodes)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ELSEWHERE, tmp_path / "pipeline", *places],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{'doubled': 2, 'result': 12}\n1\n"
