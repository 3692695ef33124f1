# SPDX-License-Identifier: MIT
"""Section 9: options and generated code of the Daft engine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from contract.cases.common import add_ten, chain, double
from contract.engines import DAFT, DAFT_V2
from hypernodes import Node, Pipeline

pytestmark = pytest.mark.parametrize("spec", [DAFT.param(), DAFT_V2.param()])

OPTIONS = [{"max_workers": 2}, {"batch_size": 2}, {"max_concurrency": 1}, {"gpus": 0}, {"cpus": 1}]


@pytest.mark.parametrize("config", OPTIONS, ids=str)
@pytest.mark.parametrize("use_batch_udf", [True, False])
def test_options_do_not_change_answers(spec, use_batch_udf, config):
    engine = spec.make(use_batch_udf=use_batch_udf, default_daft_config=config)
    columns = chain(engine=engine).map({"x": [1, 2, 3]}, "x", outputs="columns")
    assert columns == {"doubled": [2, 4, 6], "result": [12, 14, 16]}


def pid(x):
    return os.getpid()


def test_use_process_runs_nodes_in_another_process(spec):
    engine = spec.make(default_daft_config={"use_process": True})
    assert Pipeline([Node(pid, "pid")], engine).run({"x": 1})["pid"] != os.getpid()


@pytest.mark.parametrize("mode", ["run", "map"])
def test_generated_code_runs(spec, tmp_path, mode):
    pipeline = Pipeline([double, add_ten])
    inputs = {"x": 5} if mode == "run" else {"x": [5, 6]}
    code = spec.make().generate_code(pipeline, inputs, mode=mode)
    assert "import daft" in code
    assert "daft.from_pydict" in code
    scope = {"__name__": "generated"}
    exec(code, scope)
    expected = [20] if mode == "run" else [20, 22]
    assert scope["df"].to_pydict()["result"] == expected
    script = tmp_path / "script.py"
    script.write_text(code + "\nprint(df.to_pydict()['result'])\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(expected)
