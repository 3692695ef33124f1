# SPDX-License-Identifier: MIT
"""The wheel and the source distribution, built the way a user's pip does."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import importlib.metadata, sys
from pathlib import Path
import hypernodes
from hypernodes import Pipeline, node

@node(output_name="doubled")
def double(x: int) -> int:
    return x * 2

assert Path(hypernodes.__file__).is_relative_to(sys.prefix), hypernodes.__file__
assert importlib.metadata.requires("hypernodes") is None or all(
    "extra ==" in requirement for requirement in importlib.metadata.requires("hypernodes")
)
print(Pipeline(nodes=[double]).run(inputs={"x": 21}))
"""


def run(*command, **options):
    """Run a command; its output is the failure's message."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, by .venv's own pinned build tools; build/wheel makes the second time quick."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("hypernodes-*.whl")
    return path


def test_wheel_holds_one_copy_of_each_library(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    libraries = sorted(Path(name).name.split(".so")[0] for name in names if ".so" in name)
    assert [name.split(".")[0] for name in libraries] == [
        "_core",
        "libhypernodes",
        "libhypernodes_daft",
    ]
    assert {"hypernodes/py.typed", "hypernodes/_core.pyi"} <= set(names)
    assert all(name.startswith(("hypernodes/", "hypernodes-")) for name in names)


def test_wheel_runs_in_a_fresh_environment_without_other_packages(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", wheel)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert run(python, "-I", program, cwd=tmp_path) == "{'doubled': 42}\n"


def test_source_distribution_builds_without_a_network(tmp_path):
    hook = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    run(sys.executable, "-c", hook, tmp_path, cwd=ROOT)
    (path,) = tmp_path.glob("hypernodes-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CMakeLists.txt",
        "LICENSE",
        "pyproject.toml",
        "include/hypernodes/hypernodes.hpp",
        "python/hypernodes/__init__.py",
        ".deps/nanoarrow/CMakeLists.txt",
    } <= names
    assert not [name for name in names if name.endswith((".so", ".so.0")) or ".venv" in name]
