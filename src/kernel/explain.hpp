// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/key_table.hpp"
#include "hypernodes/explanation.hpp"
#include "kernel/execute.hpp"

namespace hypernodes {

/// The rows that are to be computed, so that equal ones are computed once.
using SeenKeys = std::map<const Cache*, KeyTable>;

/// What is known of the nodes of one pipeline while batches of its rows are asked about.
struct Explained {
  struct Step {
    NodeExplanation node;
    std::unique_ptr<Explained> inner;  ///< Of a pipeline: its nodes.
  };

  Explained(const Graph& graph, const Selection& selection, const std::string& around,
            SeenKeys& shared);
  /// Appends a row's answer.
  static void add(NodeExplanation& node, const RowExplanation& answer);
  /// REQUIRES: the row of this batch has one.
  const RowExplanation& answer(std::size_t step, std::int64_t row) const;
  void move_to(std::vector<NodeExplanation>& out, bool outermost);

  std::vector<Step> steps;  ///< As in the selection.
  SeenKeys& seen;
  std::size_t first = 0;  ///< Answers that each node had before this batch.
  std::vector<std::int64_t>
      numbers;  ///< Inside a pipeline that is not mapped: of the batch's rows.
};

/// Explains a run or map, batch by batch, in the order of rows. Runs no node.
class Explainer {
 public:
  Explainer(const Graph& graph, const Selection& selection, RunContext& context, bool map);

  /// REQUIRES: `batch` is of the same graph and selection, with its inputs.
  void add(Batch& batch);
  Explanation finish();

 private:
  RunContext& context_;
  const Frame frame_;
  SeenKeys seen_;
  Explained explained_;
  std::int64_t rows_ = 0;
};

}  // namespace hypernodes
