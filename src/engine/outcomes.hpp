// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "engine/batches.hpp"
#include "hypernodes/engine.hpp"

namespace hypernodes {

/// The rows of a map of `rows` that are in none of its failures.
std::vector<std::int64_t> good_rows(const std::vector<RowFailure>& failures, std::int64_t rows);

/// Leaves these rows of each output, of the type that its node makes.
void keep_rows(const Graph& graph, const Selection& selection,
               const std::vector<std::int64_t>& rows, std::vector<Pieces>* outputs);

/// What C++ callers get of a map that ended without stopping at a failure.
Columns join_outcomes(const Graph& graph, const Selection& selection, std::vector<Pieces> outputs,
                      std::int64_t rows, OnError on_error, Statistics statistics);

}  // namespace hypernodes
