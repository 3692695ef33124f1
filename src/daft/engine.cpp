// SPDX-License-Identifier: MIT
#include <memory>
#include <utility>

#include "daft/embedded.hpp"
#include "daft/query.hpp"
#include "engine/outcomes.hpp"
#include "engine/prepare.hpp"
#include "hypernodes/daft.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {

Outputs DaftEngine::run(const Pipeline& pipeline, const Inputs& inputs,
                        const RunOptions& options) const {
  const PreparedRun prepared(pipeline, inputs, options);
  const auto context = std::make_shared<RunContext>(pipeline.cache(), pipeline.callbacks());
  std::vector<Value> values;
  const auto failure = run_one(prepared.graph(), prepared.selection(), prepared.inputs(), context,
                               daft::on_daft(daft::launch_embedded), &values);
  if (failure) raise(*failure);
  Outputs outputs(
      std::make_shared<const std::vector<std::string>>(prepared.selection().output_names),
      std::move(values));
  outputs.statistics = context->statistics();
  return outputs;
}

Columns DaftEngine::map(const Pipeline& pipeline, const Inputs& inputs,
                        const MapOptions& options) const {
  const PreparedRun prepared(pipeline, inputs, options);
  const auto context = std::make_shared<RunContext>(pipeline.cache(), pipeline.callbacks());
  std::vector<Pieces> pieces;
  if (options.on_error != OnError::kRaise) context->collect_failures();
  const auto failure = map_rows(prepared.graph(), prepared.selection(), prepared.inputs(), context,
                                daft::on_daft(daft::launch_embedded), &pieces);
  if (failure) raise(*failure);
  return join_outcomes(*prepared.graph(), prepared.selection(), std::move(pieces),
                       prepared.inputs().plan.rows, options.on_error, context->statistics());
}

}  // namespace hypernodes
