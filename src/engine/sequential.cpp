// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "engine/batches.hpp"
#include "engine/outcomes.hpp"
#include "engine/prepare.hpp"
#include "hypernodes/engine.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {

Outputs SequentialEngine::run(const Pipeline& pipeline, const Inputs& inputs,
                              const RunOptions& options) const {
  const PreparedRun prepared(pipeline, inputs, options);
  const Graph& graph = *prepared.graph();
  RunContext context(pipeline.cache(), pipeline.callbacks());
  std::vector<Value> values;
  const auto failure =
      run_batch_of_one(graph, prepared.selection(), prepared.inputs(), context, &values);
  if (failure) raise(*failure);
  Outputs outputs(
      std::make_shared<const std::vector<std::string>>(prepared.selection().output_names),
      std::move(values));
  outputs.statistics = context.statistics();
  return outputs;
}

Columns SequentialEngine::map(const Pipeline& pipeline, const Inputs& inputs,
                              const MapOptions& options) const {
  const PreparedRun prepared(pipeline, inputs, options);
  const Graph& graph = *prepared.graph();
  RunContext context(pipeline.cache(), pipeline.callbacks());
  std::vector<Pieces> pieces;
  if (options.on_error != OnError::kRaise) context.collect_failures();
  const auto failure = map_batches(graph, prepared.selection(), prepared.inputs(), context,
                                   sequential_order(graph, prepared.selection(), context), &pieces);
  if (failure) raise(*failure);
  return join_outcomes(graph, prepared.selection(), std::move(pieces), prepared.inputs().plan.rows,
                       options.on_error, context.statistics());
}

}  // namespace hypernodes
