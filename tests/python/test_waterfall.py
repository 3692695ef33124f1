# SPDX-License-Identifier: MIT
import html

import pytest

import hypernodes
from hypernodes import DiskCache, Pipeline, Retry, node
from hypernodes.callbacks import Worker
from hypernodes.telemetry import TelemetryCallback

pytest.importorskip("plotly")


@node(output_name="doubled")
def double(x):
    if x == "bad":
        raise ValueError("no number")
    return x * 2


@node(output_name="result")
def add_ten(doubled):
    return doubled + 10


def test_the_chart(tmp_path):
    callback = TelemetryCallback()
    inner = Pipeline([double, add_ten], name="inner")
    each = inner.as_node(input_mapping={"xs": "x"}, map_over="xs", name="each")
    outer = Pipeline([each], name="outer", cache=DiskCache(tmp_path), callbacks=[callback])
    outer.run({"xs": [1, 2]})
    callback.span_data.clear()
    with pytest.raises(ValueError, match="no number"):
        outer.run({"xs": [1, "bad"]})
    figure = callback.get_waterfall_chart()
    names = [name.replace("\xa0", " ").rstrip() for name in figure.layout.yaxis.ticktext]
    assert names == [
        "outer ✗",
        "  each ✗",
        "    map inner ✗",
        "      inner[0]",
        "        double ↺",
        "        add_ten ↺",
        "      inner[1] ✗",
        "        double ✗",
    ]
    bars = {bar.name: bar for bar in figure.data}
    assert {name: list(bar.y) for name, bar in bars.items()} == {
        "pipeline": [3],
        "cached": [4, 5],
        "failed": [0, 1, 2, 6, 7],
    }
    assert len({bar.marker.color for bar in bars.values()}) == 3
    title, text = bars["failed"].customdata[4]
    assert title == "double"
    assert "ValueError: no number" in text
    assert f"on {Worker.here()}" in text
    assert f"in {inner.id}" in text
    assert all(length > 0 for bar in bars.values() for length in bar.x)
    assert {bar.width for bar in bars.values()} == {0.8}  # else plotly takes one for each colour
    assert "plotly" in figure.to_html(include_plotlyjs=False)


def test_the_chart_of_names_that_look_like_html():
    callback = TelemetryCallback()
    Pipeline([hypernodes.Node(lambda x: x, "y")], callbacks=[callback]).run({"x": 1})
    figure = callback.get_waterfall_chart()
    assert html.escape("<lambda>") in figure.layout.yaxis.ticktext[1]


def test_the_chart_of_many_spans():
    callback = TelemetryCallback()
    Pipeline([double], callbacks=[callback]).map({"x": list(range(1000))}, map_over="x")
    figure = callback.get_waterfall_chart()
    assert sum(len(bar.y) for bar in figure.data) == 2001
    assert len(figure.layout.yaxis.ticktext) == 667
    assert figure.layout.height < 20_000


def test_the_chart_of_nothing():
    assert len(TelemetryCallback().get_waterfall_chart().data) == 0


def test_failed_attempts_are_shown():
    @node("y", retry=Retry(attempts=2, delay=0))
    def fail():
        raise ConnectionError("<gone>")

    callback = TelemetryCallback()
    with pytest.raises(ConnectionError):
        Pipeline([fail], callbacks=[callback]).run()
    figure = callback.get_waterfall_chart()
    texts = [text for bar in figure.data for _, text in bar.customdata]
    assert any("attempt 1: ConnectionError: &lt;gone&gt;<br>" in text for text in texts)
