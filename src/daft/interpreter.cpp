// SPDX-License-Identifier: MIT
#include "daft/interpreter.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <vector>

#include "hypernodes/error.hpp"

extern char** environ;

#ifndef HYPERNODES_DEFAULT_PYTHON
#define HYPERNODES_DEFAULT_PYTHON "python3"
#endif

namespace hypernodes::daft {
namespace {

// Prints the interpreter's absolute path, its version and its library, one a line.
constexpr const char* kQuestion = R"(
import os, sys, sysconfig
get = sysconfig.get_config_var
name = get("INSTSONAME") or get("LDLIBRARY") or ""
folders = [get("LIBDIR"), os.path.join(get("LIBDIR") or "", get("MULTIARCH") or ""), get("LIBPL"),
           os.path.join(sys.base_prefix, "lib")]
paths = [os.path.join(folder, name) for folder in folders if folder]
found = [path for path in paths if ".so" in name and os.path.exists(path)]
print(sys.executable, "%d.%d" % sys.version_info[:2], found[0] if found else "", sep="\n")
)";

/// What `program` prints when it is run with these arguments; nullopt if it cannot be run or fails.
std::optional<std::string> output_of(const std::string& program,
                                     std::vector<std::string> arguments) {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  std::string text;
  std::array<char, 1024> block{};
  ssize_t got = 0;
  while (error == 0 && (got = read(pipe_ends[0], block.data(), block.size())) > 0) {
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  close(pipe_ends[0]);
  int status = 0;
  if (error != 0 || waitpid(child, &status, 0) != child || status != 0) return std::nullopt;
  return text;
}

std::string take_line(std::string& text) {
  const std::size_t end = text.find('\n');
  std::string line = text.substr(0, end);
  text.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

}  // namespace

Interpreter find_interpreter() {
  const char* const named = std::getenv("HYPERNODES_PYTHON");
  const std::string program =
      named != nullptr && *named != '\0' ? named : HYPERNODES_DEFAULT_PYTHON;
  const std::string fix =
      "install Python 3.11, 3.12 or 3.13 with its shared library and the packages daft and "
      "hypernodes, and set HYPERNODES_PYTHON to its interpreter";
  std::optional<std::string> answer = output_of(program, {"-c", kQuestion});
  if (!answer) {
    throw DependencyMissingError(
        "the Daft engine needs Python, and '" + program + "' cannot be run",
        named == nullptr ? "" : "HYPERNODES_PYTHON", fix);
  }
  Interpreter found;
  found.executable = take_line(*answer);
  const std::string version = take_line(*answer);
  found.library = take_line(*answer);
  if (version != "3.11" && version != "3.12" && version != "3.13") {
    throw DependencyMissingError("the Daft engine does not know Python " + version,
                                 found.executable, fix);
  }
  if (found.library.empty()) {
    throw DependencyMissingError("this Python has no shared library that a program can load",
                                 found.executable,
                                 "install it (Debian: libpython" + version +
                                     "; a Python of your own: build it with --enable-shared)");
  }
  return found;
}

}  // namespace hypernodes::daft
