// SPDX-License-Identifier: MIT
#include "daft/interpreter.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "hypernodes/error.hpp"
#include "temporary_directory.hpp"

namespace hypernodes::daft {
namespace {

/// A program that answers as an interpreter would; HYPERNODES_PYTHON names it.
class InterpreterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* const named = std::getenv("HYPERNODES_PYTHON")) before_ = named;
  }
  void TearDown() override {
    if (before_.empty()) {
      unsetenv("HYPERNODES_PYTHON");
    } else {
      setenv("HYPERNODES_PYTHON", before_.c_str(), 1);
    }
  }

  std::string program(const std::string& script) {
    const std::filesystem::path path = directory_.path() / "python with space";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    setenv("HYPERNODES_PYTHON", path.c_str(), 1);
    return path;
  }

  testing::TemporaryDirectory directory_;

 private:
  std::string before_;
};

std::string message() {
  try {
    find_interpreter();
  } catch (const DependencyMissingError& error) {
    EXPECT_FALSE(error.fix().empty());
    return error.message();
  }
  return {};
}

TEST_F(InterpreterTest, TellsPathAndLibrary) {
  program("printf '%s\\n' /venv/bin/python 3.12 /usr/lib/libpython3.12.so.1.0");
  const Interpreter found = find_interpreter();
  EXPECT_EQ(found.executable, "/venv/bin/python");
  EXPECT_EQ(found.library, "/usr/lib/libpython3.12.so.1.0");
}

TEST_F(InterpreterTest, MissingProgramIsNamed) {
  setenv("HYPERNODES_PYTHON", "/nowhere/python", 1);
  EXPECT_EQ(message(), "the Daft engine needs Python, and '/nowhere/python' cannot be run");
}

TEST_F(InterpreterTest, FailingProgramIsNoPython) {
  const std::string path = program("exit 3");
  EXPECT_EQ(message(), "the Daft engine needs Python, and '" + path + "' cannot be run");
}

TEST_F(InterpreterTest, UnknownVersionIsRefused) {
  program("printf '%s\\n' /usr/bin/python 3.9 /usr/lib/libpython3.9.so.1.0");
  EXPECT_EQ(message(), "the Daft engine does not know Python 3.9");
}

TEST_F(InterpreterTest, StaticPythonIsRefused) {
  program("printf '%s\\n' /usr/bin/python 3.13 ''");
  EXPECT_EQ(message(), "this Python has no shared library that a program can load");
}

}  // namespace
}  // namespace hypernodes::daft
