# SPDX-License-Identifier: MIT
"""A node library that its user builds again and again, as CMake builds it, with one cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hypernodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = str(Path(hypernodes.__path__[0]).parent)

PROJECT = {
    "CMakeLists.txt": """
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(hypernodes CONFIG REQUIRED)
hypernodes_add_nodes(user_nodes SOURCES nodes.cpp)
add_executable(program program.cpp)
target_link_libraries(program PRIVATE hypernodes::core)
""",
    "helper.hpp": """
inline constexpr int kFactor = 2;
""",
    "nodes.cpp": """
#include <hypernodes/hypernodes.hpp>
#include "helper.hpp"
namespace hn = hypernodes;
namespace {
std::int64_t scale(std::int64_t x) { return x * kFactor; }
std::int64_t add_one(std::int64_t x) { return x + 1; }
std::int64_t shift(std::int64_t x) { return x << kFactor; }
}  // namespace
HYPERNODES_LIBRARY(user_nodes, library) {
  library.add(hn::node<scale>("scaled", {"x"}));
  library.add(hn::node<add_one>("more", {"x"}));
  library.add(hn::node<shift>("shifted", {"x"}).version("2"));
}
""",
    # Prints the explanation, then name and rows run of each node, and the value of `scaled`.
    "program.cpp": """
#include <hypernodes/hypernodes.hpp>
#include <iostream>
namespace hn = hypernodes;
int main(int, char** arguments) {
  const hn::Library& library = hn::load_library(arguments[1]);
  const auto pipeline = hn::Pipeline(library.nodes()).with_cache(hn::DiskCache(arguments[2]));
  std::cout << pipeline.explain({{"x", 5}}) << '\\n';
  const auto row = pipeline.run({{"x", 5}});
  for (const auto& [name, did] : row.statistics.nodes) {
    std::cout << name << ' ' << did.rows_run << '\\n';
  }
  std::cout << row["scaled"].as<std::int64_t>() << '\\n';
}
""",
}

PROGRAM = """
import json, sys
from hypernodes import DiskCache, Pipeline, load
pipeline = Pipeline(list(load(sys.argv[1])), cache=DiskCache(sys.argv[2]))
why = pipeline.explain({"x": 5})
values = pipeline.run({"x": 5})
print(json.dumps({
    "why": {node.name: [node.status, node.reason, node.detail, *node.changed] for node in why},
    "ran": sorted(name for name, did in pipeline.last_run.nodes.items() if did.rows_run),
    "values": values,
}))
"""


def run(*command, **options):
    """Run a command; its output is the failure's message."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Project:
    """The user's project in one folder, and what is computed with it."""

    def __init__(self, folder, prefix, cache):
        self.folder, self.cache = folder, str(cache)
        folder.mkdir()
        for name, text in PROJECT.items():
            (folder / name).write_text(text.lstrip())
        configure = ["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja"]
        run(*configure, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DCMAKE_PREFIX_PATH={prefix}")
        self.build()

    def build(self):
        run("cmake", "--build", self.folder / "build")

    def edit(self, name, before, after):
        text = (self.folder / name).read_text()
        assert before in text
        (self.folder / name).write_text(text.replace(before, after))
        self.build()

    @property
    def library(self):
        return str(self.folder / "build" / "libuser_nodes.so")

    def python(self):
        """What a new Python process explains, computes and gets."""
        environment = {**os.environ, "PYTHONPATH": PACKAGE}
        command = [sys.executable, "-c", PROGRAM, self.library, self.cache]
        return json.loads(run(*command, env=environment))

    def program(self):
        """The lines that the C++ program prints."""
        return run(self.folder / "build" / "program", self.library, self.cache).splitlines()


HIT = ["hit", "stored", ""]
NEW = ["miss", "never_computed", "never computed"]
REBUILT = [
    "miss",
    "code_changed",
    "code changed: node library libuser_nodes.so (another build)",
    "libuser_nodes.so",
]


def test_what_a_rebuild_keeps_and_what_it_drops(tmp_path):
    prefix, cache = tmp_path / "prefix", tmp_path / "cache"
    run("cmake", "--install", ROOT / "build" / "release", "--prefix", prefix)
    project = Project(tmp_path / "one", prefix, cache)
    assert project.python() == {
        "why": {"add_one": NEW, "scale": NEW, "shift": NEW},
        "ran": ["add_one", "scale", "shift"],
        "values": {"more": 6, "scaled": 10, "shifted": 20},
    }
    all_hit = project.python()
    assert (all_hit["why"], all_hit["ran"]) == (
        dict.fromkeys(["add_one", "scale", "shift"], HIT),
        [],
    )
    assert project.program() == [
        *("add_one  hit", "scale    hit", "shift    hit"),
        *("add_one 0", "scale 0", "shift 0", "10"),
    ]

    # The same code, built elsewhere; with other lines, comments and names of files' folders.
    other = Project(tmp_path / "another", prefix, cache)
    other.edit("nodes.cpp", "namespace {\n", "\n\n// What follows is private.\nnamespace {\n\n")
    assert Path(other.library).read_bytes() == Path(project.library).read_bytes()
    assert other.python() == all_hit

    # An edit of a header that one of two nodes reads: both are of another library now. The third
    # has a version, which was not changed: its result stands, as its author promised.
    project.edit("helper.hpp", "= 2;", "= 3;")
    changed = project.program()
    assert changed == [
        "add_one  miss  code changed: node library libuser_nodes.so (another build)",
        "scale    miss  code changed: node library libuser_nodes.so (another build)",
        "shift    hit",
        *("add_one 1", "scale 1", "shift 0", "15"),
    ]
    assert project.python()["ran"] == []
    assert other.python() == all_hit, "the results of the older build are still there"

    # A new version.
    other.edit("nodes.cpp", 'version("2")', 'version("3")')
    assert other.python() == {
        "why": {
            "add_one": REBUILT,
            "scale": REBUILT,
            "shift": ["miss", "code_changed", "code changed: version 2 -> 3", "version"],
        },
        "ran": ["add_one", "scale", "shift"],
        "values": all_hit["values"],
    }
