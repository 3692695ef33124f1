// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "hypernodes/engine.hpp"

namespace hypernodes {

/// Runs pipelines on Daft: every node is evaluated inside a Daft query, one row for each item.
/// Programs that use it link hypernodes::daft.
///
/// Daft is a Python package, so the first run starts a Python inside this program: the interpreter
/// named by the environment variable HYPERNODES_PYTHON, else the one hypernodes was built with. Its
/// virtual environment must hold the packages daft and hypernodes. A process that has a Python
/// already uses that one. Python is never shut down: Daft's threads live as long as the process.
///
/// Errors:  those of the sequential engine; DependencyMissingError if Python, Daft or the package
///          is not there, saying what to install.
/// Threads: may be used from several at once.
class DaftEngine final : public Engine {
 public:
  std::string name() const override { return "DaftEngine"; }
  Outputs run(const Pipeline& pipeline, const Inputs& inputs,
              const RunOptions& options) const override;
  Columns map(const Pipeline& pipeline, const Inputs& inputs,
              const MapOptions& options) const override;
};

}  // namespace hypernodes
