# SPDX-License-Identifier: MIT
"""Maps of more rows than the sequential engine looks up in one pass."""

from pathlib import Path

from hypernodes import DiskCache, Pipeline, SequentialEngine, node


def test_each_distinct_row_of_all_blocks_runs_once(tmp_path: Path) -> None:
    calls: list[int] = []

    @node(output_name="doubled")
    def double(x: int) -> int:
        calls.append(x)
        return x * 2

    @node(output_name="result", cache=False)
    def next_number(doubled: int) -> int:
        return doubled + 1

    pipeline = Pipeline(
        nodes=[double, next_number], engine=SequentialEngine(), cache=DiskCache(tmp_path)
    )
    xs = [i % 20_000 for i in range(50_000)]
    expected = [{"doubled": x * 2, "result": x * 2 + 1} for x in xs]
    assert pipeline.map(inputs={"x": xs}, map_over="x") == expected
    assert calls == list(range(20_000))
    assert pipeline.map(inputs={"x": xs}, map_over="x") == expected
    assert len(calls) == 20_000
    more = pipeline.map(inputs={"x": range(60_000)}, map_over="x", output_name="result")
    assert more[-1] == {"result": 119_999}
    assert calls[20_000:] == list(range(20_000, 60_000))


def test_blocks_of_large_rows(tmp_path: Path) -> None:
    @node(output_name="text")
    def repeat(x: int) -> bytes:
        return x.to_bytes(4, "little") * 10_000

    @node(output_name="size")
    def measure(text: bytes) -> int:
        return len(text)

    pipeline = Pipeline(
        nodes=[repeat, measure], engine=SequentialEngine(), cache=DiskCache(tmp_path)
    )
    xs = [i % 100 for i in range(40_000)]
    for _ in range(2):
        sizes = pipeline.map(inputs={"x": xs}, map_over="x", output_name="size", outputs="columns")
        assert sizes == {"size": [40_000] * 40_000}
