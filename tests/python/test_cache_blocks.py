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


def test_rows_of_a_later_node_are_found_though_they_were_not_looked_up_ahead(
    tmp_path: Path,
) -> None:
    def steps(offset: int) -> Pipeline:
        @node(output_name="moved")
        def move(x: int) -> int:
            return x + offset

        @node(output_name="square")
        def square(moved: int) -> int:
            return moved * moved

        return Pipeline([move, square], engine=SequentialEngine(), cache=DiskCache(tmp_path))

    xs = [i % 4_000 for i in range(5_000)]
    for offset, computed in ((0, 4_000), (1_000, 1_000), (500, 0)):
        pipeline = steps(offset)
        squares = pipeline.map({"x": xs}, map_over="x", output_name="square")
        assert squares == [{"square": (x + offset) ** 2} for x in xs]
        assert pipeline.last_run.nodes["move"].rows_run == 4_000
        assert pipeline.last_run.nodes["square"].rows_run == computed


def test_equal_rows_that_may_change_run_once_though_they_are_committed_between(
    tmp_path: Path,
) -> None:
    @node(output_name="number")
    def move(x: int) -> int:
        return x + 1

    @node(output_name="texts")
    def repeat(number: int) -> list[bytes]:
        return [number.to_bytes(4, "little") * 10_000]

    pipeline = Pipeline([move, repeat], engine=SequentialEngine(), cache=DiskCache(tmp_path))
    xs = [*range(1_200)] * 2  # 1 200 results are more than a commit takes
    made = pipeline.map({"x": xs}, map_over="x", output_name="texts", outputs="columns")
    assert all(
        texts[0][:4] == (x + 1).to_bytes(4, "little")
        for x, texts in zip(xs, made["texts"], strict=True)
    )
    assert made["texts"][0] is not made["texts"][1_200]
    assert pipeline.last_run.nodes["repeat"].rows_run == 1_200
