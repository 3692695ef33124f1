# SPDX-License-Identifier: MIT
"""Runs the programs of examples/ for tests, in this process or as a script in another.

python programs.py PROGRAM CACHE FOLDER ENGINE...
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import hypernodes.engines
import hypernodes.integrations.daft
from hypernodes import DiskCache, PipelineCallback

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PROGRAMS = ("retrieval", "documents", "etl")


def engines() -> dict[str, type]:
    """All that can be imported."""
    found = {
        "SeqEngine": hypernodes.engines,
        "DaftEngine": hypernodes.engines,
        "DaftEngineV2": hypernodes.integrations.daft,
        "DaskEngine": hypernodes.engines,
    }
    return {name: getattr(module, name) for name, module in found.items() if hasattr(module, name)}


class Calls(PipelineCallback):
    """Which nodes run; several threads may tell."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_node_start(self, node_id, inputs, ctx) -> None:
        self.names.append(node_id)


def run(program: str, engine: str, cache: Path | None, folder: Path) -> tuple[Any, dict[str, int]]:
    """The answers as plain data, and how often each node ran."""
    if str(EXAMPLES / program) not in sys.path:
        sys.path.insert(0, str(EXAMPLES / program))
    module = importlib.import_module(program)
    calls = Calls()
    pipeline = module.build().with_engine(engines()[engine]()).with_callbacks([calls])
    if cache is not None:
        pipeline.with_cache(DiskCache(cache))
    if program == "etl":
        found = etl(module, pipeline, folder)
    elif program == "documents":
        inputs = module.inputs(module.write_manual(folder))
        found = pipeline.run(inputs, output_name=["answers", "sources", "confidences"])
    else:
        found = pipeline.run(module.inputs(), output_name=["answers", "report"])
    plain = json.loads(json.dumps(found, default=lambda model: model.model_dump()))
    return plain, dict(sorted(Counter(calls.names).items()))


def etl(module: Any, pipeline: Any, folder: Path) -> list[Any]:
    """Totals, what was rejected, and the lines of the file that says so, of each part."""
    inputs = module.inputs(module.generate(folder), folder)
    rows = pipeline.map(
        inputs,
        map_over=["region", "month"],
        map_mode="product",
        output_name=["turnover", "rejected", "written"],
    )
    if isinstance(rows, dict):
        rows = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    return [[row, (folder / row["written"]).read_text()] for row in rows]


if __name__ == "__main__":
    name, cache, folder, *chosen = sys.argv[1:]
    print(json.dumps([run(name, engine, Path(cache), Path(folder)) for engine in chosen]))
