// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/batches.hpp"
#include "hypernodes/engine.hpp"

namespace hypernodes {

/// What a C++ caller asked of a pipeline, checked and turned into slots, before any work starts.
/// Throws: PlanError for missing inputs, unknown outputs or names in `over`, unequal lengths;
///         TypeError for a value that does not fit the nodes that take it.
class PreparedRun {
 public:
  PreparedRun(const Pipeline& pipeline, const Inputs& inputs,
              const std::vector<std::string>& outputs);
  PreparedRun(const Pipeline& pipeline, const Inputs& inputs, const MapOptions& options);

  const Selection& selection() const { return selected_ ? *selected_ : *all_; }
  const GraphInputs& inputs() const { return inputs_; }

 private:
  void select(const Graph& graph, const std::vector<std::string>& outputs);

  const Selection* all_ = nullptr;
  std::optional<Selection> selected_;
  GraphInputs inputs_;
};

}  // namespace hypernodes
