// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace hypernodes::daft {

/// A Python on this machine that a program can load.
struct Interpreter {
  std::string executable;  ///< As given: its place tells Python its virtual environment.
  std::string library;     ///< Its shared library.
};

/// The interpreter named by HYPERNODES_PYTHON, else the one this library was built with.
/// Throws: DependencyMissingError if it cannot be run, is too old or new, or has no shared library.
/// Cost:   starts it once, some 20 ms.
Interpreter find_interpreter();

}  // namespace hypernodes::daft
