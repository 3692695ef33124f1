// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"
#include "hypernodes/engine.hpp"
#include "hypernodes/map_plan.hpp"
#include "kernel/execute.hpp"

namespace hypernodes {

/// Values for a graph's inputs: some the same for every row, some one for each row of a plan.
struct GraphInputs {
  std::vector<std::pair<int, Value>> constants;  ///< Slot and value.
  std::vector<std::pair<int, Column>> mapped;    ///< Slot and items, in the order of plan.inputs.
  MapPlan plan;                                  ///< For a run: empty.
};

/// An output in pieces, one for each batch: whoever wants one column joins them.
using Pieces = std::vector<Column>;
/// What C++ callers get: each output's pieces as one column.
Columns join(const Graph& graph, const Selection& selection, const std::vector<Pieces>& outputs,
             Statistics statistics);

/// The most rows of any batch: a signal breaks in between two.
constexpr std::int64_t kMostRows = std::int64_t{1} << 20;
/// How many rows of a map may be looked up in one pass, going by those of `batch`. Fewer cost the
/// store's locality: one sweep over all its records takes half the time of eight over an eighth of
/// them. More cost memory: large values come in smaller blocks.
std::int64_t most_rows(const Batch& batch);

/// Gives a batch its rows of `inputs`, from `batch.first_row` on.
void set_inputs(Batch& batch, const GraphInputs& inputs);

/// Whether anybody hears of what happens in a pipeline with these callbacks, or in one inside it.
bool has_listeners(const Graph& graph, const Selection& selection, const Callbacks& callbacks);

/// In which order the sequential engine works. Python nodes and callbacks can tell: row by row.
/// C++ nodes cannot, and go faster node by node; so go nodes that want whole batches.
Order sequential_order(const Graph& graph, const Selection& selection, const RunContext& context);

/// Maps a graph over `inputs` in batches of bounded size. `outputs` gets the pieces of each output
/// of the selection. `between` is called after each batch.
std::optional<Failure> map_batches(const Graph& graph, const Selection& selection,
                                   const GraphInputs& inputs, RunContext& context, Order order,
                                   std::vector<Pieces>* outputs,
                                   const std::function<void()>& between = {});

/// Runs a graph on one item. `outputs` gets a value for each output of the selection.
std::optional<Failure> run_batch_of_one(const Graph& graph, const Selection& selection,
                                        const GraphInputs& inputs, RunContext& context,
                                        std::vector<Value>* outputs);

/// Names of the inputs that `selection` needs and `given(slot)` lacks, sorted.
std::vector<std::string> missing_inputs(const Graph& graph, const Selection& selection,
                                        const std::function<bool(int)>& given);
/// Throws: PlanError in the words of the contract if anything is missing. `names()`, asked for then
/// only, are those of all values that are there, of use or not.
void require_inputs(const Graph& graph, const Selection& selection,
                    const std::function<bool(int)>& given,
                    const std::function<std::vector<std::string>()>& names);

}  // namespace hypernodes
