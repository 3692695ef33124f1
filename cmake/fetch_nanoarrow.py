"""Put nanoarrow's C source, as pinned in cmake/nanoarrow.txt, into .deps/nanoarrow.

The C source is inside the Python package's source distribution, so pip fetches it. pip wants the
metadata of what it downloads and would install Meson and Cython to ask for it; a stand-in for that
build backend answers instead. Only the standard library and pip are needed.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PIN = ROOT / "cmake" / "nanoarrow.txt"
TARGET = ROOT / ".deps" / "nanoarrow"

BACKEND = """
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = Path(metadata_directory) / "nanoarrow-{version}.dist-info"
    info.mkdir()
    metadata = "Metadata-Version: 2.1", "Name: nanoarrow", "Version: {version}", ""
    (info / "METADATA").write_text("\\n".join(metadata))
    return info.name
"""


def download(folder: Path) -> Path:
    """Let pip download the pinned source distribution into `folder` and check its hash."""
    version = PIN.read_text().split("nanoarrow==")[1].split()[0]
    (folder / "mesonpy.py").write_text(BACKEND.format(version=version))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-binary", "nanoarrow", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(PIN)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(folder)})
    return next(folder.glob("nanoarrow-*.tar.gz"))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the CMake project inside `archive` below `folder` and return its path."""
    with tarfile.open(archive) as tar:
        members = [
            member
            for member in tar.getmembers()
            if PurePosixPath(member.name).parts[1:3] == ("subprojects", "arrow-nanoarrow")
        ]
        if hasattr(tarfile, "data_filter"):  # absent before Python 3.11.4
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(folder, members)
    return next(folder.glob("*/subprojects/arrow-nanoarrow"))


def main() -> None:
    """Replace .deps/nanoarrow unless it already holds the pinned version."""
    stamp = TARGET / "pinned.txt"
    if stamp.is_file() and stamp.read_bytes() == PIN.read_bytes():
        return
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET.parent) as scratch:
        source = unpack(download(Path(scratch)), Path(scratch))
        shutil.copyfile(PIN, source / stamp.name)
        shutil.rmtree(TARGET, ignore_errors=True)
        source.rename(TARGET)


if __name__ == "__main__":
    main()
