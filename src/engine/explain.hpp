// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "engine/batches.hpp"
#include "hypernodes/explanation.hpp"

namespace hypernodes {

/// What run_batch_of_one and map_batches would find in `cache`, which may be null.
Explanation explain_run(const Graph& graph, const Selection& selection, const GraphInputs& inputs,
                        std::shared_ptr<Cache> cache);
/// `between` is called after each batch.
Explanation explain_map(const Graph& graph, const Selection& selection, const GraphInputs& inputs,
                        std::shared_ptr<Cache> cache, const std::function<void()>& between = {});

}  // namespace hypernodes
