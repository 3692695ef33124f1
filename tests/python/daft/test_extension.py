"""What happens when Daft is missing or another version."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import hypernodes
from hypernodes.exceptions import DependencyMissingError

WITHOUT_DAFT = """
import sys
sys.modules["daft"] = None  # as if it were not installed
import hypernodes
from hypernodes import DaftEngine, Pipeline, node
@node(output_name="y")
def f(x):
    return x
pipeline = Pipeline([f], engine=DaftEngine())
for call in (
    lambda: pipeline.run({"x": 1}),
    lambda: pipeline.map({"x": [1]}, "x"),
    lambda: DaftEngine().dataframe(pipeline, {"x": 1}),
):
    try:
        call()
    except ImportError as error:
        print(error)
"""


def test_missing_daft_is_an_import_error_that_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DAFT], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("pip install 'hypernodes[daft]'") == 3


def test_importing_hypernodes_does_not_import_daft() -> None:
    code = "import sys, hypernodes.integrations.daft; print('daft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("version", "known"),
    [("0.7.19", False), ("0.7.20", True), ("0.7.40", True), ("0.8.0", False), ("1.0.0", False)],
)
def test_versions(version: str, known: bool) -> None:
    from hypernodes.integrations.daft import extension

    if known:
        extension.check_version(version)
        return
    with pytest.raises(
        DependencyMissingError, match=rf"does not know Daft {version}.* with 0\.7\.20 and later"
    ):
        extension.check_version(version)


@pytest.mark.daft
def test_loading_tells_the_user_nothing(recwarn: pytest.WarningsRecorder) -> None:
    pytest.importorskip("daft")
    from hypernodes.integrations.daft import extension

    extension.load.cache_clear()
    assert isinstance(extension.load(), type(SimpleNamespace)) or extension.load() is not None
    pipeline = hypernodes.Pipeline([], engine=hypernodes.DaftEngine())
    pipeline.run({})
    assert not [w for w in recwarn if "experimental" in str(w.message)]
