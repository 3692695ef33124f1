// SPDX-License-Identifier: MIT
#include "engine/explain.hpp"

#include <algorithm>
#include <utility>

#include "kernel/explain.hpp"

namespace hypernodes {

namespace {

/// Rows that are asked about at a time: what they need is freed before the next.
constexpr std::int64_t kBlock = 131'072;

}  // namespace

Explanation explain_run(const Graph& graph, const Selection& selection, const GraphInputs& inputs,
                        std::shared_ptr<Cache> cache) {
  RunContext context(std::move(cache), {});
  Explainer explainer(graph, selection, context, /*map=*/false);
  Batch batch(graph, selection, 1);
  for (const auto& [slot, value] : inputs.constants) batch.set_input(slot, value);
  explainer.add(batch);
  return explainer.finish();
}

Explanation explain_map(const Graph& graph, const Selection& selection, const GraphInputs& inputs,
                        std::shared_ptr<Cache> cache, const std::function<void()>& between) {
  RunContext context(std::move(cache), {});
  Explainer explainer(graph, selection, context, /*map=*/true);
  for (std::int64_t begin = 0; begin < inputs.plan.rows; begin += kBlock) {
    Batch batch(graph, selection, std::min(kBlock, inputs.plan.rows - begin));
    batch.first_row = begin;
    set_inputs(batch, inputs);
    explainer.add(batch);
    if (between) between();
  }
  return explainer.finish();
}

}  // namespace hypernodes
