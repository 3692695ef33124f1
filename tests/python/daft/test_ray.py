# SPDX-License-Identifier: MIT
"""The Daft engine where Daft runs on Ray: rows travel to Ray's processes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("daft")
pytestmark = [
    pytest.mark.daft,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]

SCRIPT = """
import os
import daft
import ray
from hypernodes import DaftEngine, Pipeline, PipelineCallback, node

@node(output_name="place")
def place(x):
    return x, os.getpid()

@node(output_name="checked")
def check(x):
    if x == 7:
        raise KeyError("seven")
    return x

class Ends(PipelineCallback):
    count = 0

    def on_map_item_end(self, index, duration, ctx):
        self.count += 1

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
daft.set_runner_ray()
engine, ends = DaftEngine(), Ends()
result, process = Pipeline([place]).run({"x": (1,)}, engine=engine)["place"]
assert result == (1,) and process != os.getpid()
rows = Pipeline([place], engine, callbacks=[ends]).map({"x": range(50)}, "x")
assert [row["place"][0] for row in rows] == list(range(50))
assert ends.count == 50
inner = Pipeline([place], engine, name="inner").as_node(map_over="x")
assert [row for row, _ in Pipeline([inner]).run({"x": [1, 2]})["place"]] == [1, 2]
try:
    Pipeline([check], engine).map({"x": range(20)}, "x")
except KeyError as error:
    assert error.__notes__ == ["hypernodes: node 'check', row 7"], error.__notes__
    print("done")
"""


def test_run_and_map_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("done\n"), done.stderr
