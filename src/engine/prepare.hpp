// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
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
  PreparedRun(const Pipeline& pipeline, const Inputs& inputs, const RunOptions& options);
  PreparedRun(const Pipeline& pipeline, const Inputs& inputs, const MapOptions& options);

  /// The pipeline's, or one that fits the options better.
  const std::shared_ptr<const Graph>& graph() const { return graph_; }
  const Selection& selection() const { return selected_ ? *selected_ : *all_; }
  const GraphInputs& inputs() const { return inputs_; }

 private:
  void select(const Pipeline& pipeline, const std::vector<std::string>& outputs,
              const Inputs& overrides);

  std::shared_ptr<const Graph> graph_;
  const Selection* all_ = nullptr;
  std::optional<Selection> selected_;
  GraphInputs inputs_;
};

}  // namespace hypernodes
