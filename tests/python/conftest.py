"""What all Python tests share."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from every_engine import EVERYWHERE, HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypernodes.protocols import Engine

ROOT = Path(__file__).resolve().parents[2]

# What a shell starts in the background ignores interrupts, and so would the programs of tests that
# interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(params=HERE)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that runs nodes in this process."""
    return HERE[request.param]()


@pytest.fixture(params=EVERYWHERE)
def any_engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine, those with processes of their own too."""
    return EVERYWHERE[request.param]()


@pytest.fixture(scope="session")
def node_library() -> Callable[[str], Path]:
    """Gives the path of a node library that the build made for the tests."""

    def find(name: str) -> Path:
        path = ROOT / "build" / "release" / "tests" / "cpp" / f"lib{name}.so"
        assert path.exists(), f"{path} is not there; build it with ./run build"
        return path

    return find


@pytest.fixture(autouse=True, scope="session")
def _data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the key of pickled results out of the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.delenv("HYPERNODES_PICKLE_KEY", raising=False)
        yield


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Gives the node calls so far, in this process or another, by what nodes logged themselves."""
    log = tmp_path / "calls.log"
    monkeypatch.setenv("HYPERNODES_TEST_CALLS", str(log))
    return lambda: log.read_text().splitlines() if log.exists() else []
