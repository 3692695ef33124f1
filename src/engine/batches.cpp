// SPDX-License-Identifier: MIT
#include "engine/batches.hpp"

#include <algorithm>
#include <chrono>

#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"
#include "values/text.hpp"

namespace hypernodes {
namespace {

/// Rows of a batch without anything to look up: a signal breaks in between two.
constexpr std::int64_t kMaxBlock = std::int64_t{1} << 20;

/// How many rows are looked up in one pass. Fewer cost the store's locality: one sweep over all its
/// records takes half the time of eight over an eighth of them. More cost memory: rows that turn
/// out to be large come in smaller blocks.
class LookUpBlocks {
 public:
  explicit LookUpBlocks(const Selection& selection)
      : nodes_(std::max(static_cast<std::int64_t>(selection.steps.size()), std::int64_t{1})) {}
  std::int64_t rows() const { return rows_; }
  void note(const Batch& done) {
    const std::int64_t value_bytes = std::max<std::int64_t>(done.value_bytes / done.rows, 1);
    const std::int64_t most = std::min(kBytes / (nodes_ * kNodeBytes), kValueBytes / value_bytes);
    rows_ = std::clamp(most, kMinRows, std::max(kMinRows, std::min(kGrowth * rows_, kMaxBlock)));
  }

 private:
  static constexpr std::int64_t kFirstRows = std::int64_t{1} << 14;
  static constexpr std::int64_t kMinRows = std::int64_t{1} << 10;
  static constexpr std::int64_t kGrowth = 64;
  static constexpr std::int64_t kBytes = std::int64_t{512} << 20;
  static constexpr std::int64_t kNodeBytes = 100;  // key, digest and state of a row
  // Values are copied out of the store: into memory that is used again for the next block.
  static constexpr std::int64_t kValueBytes = std::int64_t{32} << 20;

  const std::int64_t nodes_;
  std::int64_t rows_ = kFirstRows;
};

/// Whether a node wants all rows of a map of this pipeline in one call. One in a pipeline that is
/// itself mapped over lists gets the items of those.
bool wants_whole_batch(const Graph& graph, const Selection& selection) {
  return std::any_of(selection.steps.begin(), selection.steps.end(), [&](int index) {
    const Node::Definition& definition =
        graph.steps()[static_cast<std::size_t>(index)].node.definition();
    const auto& nested = definition.nested;
    return definition.whole_batch || (nested != nullptr && !nested->is_map() &&
                                      wants_whole_batch(*nested->graph, nested->selection));
  });
}

}  // namespace

void set_inputs(Batch& batch, const GraphInputs& inputs) {
  for (const auto& [slot, value] : inputs.constants) batch.set_input(slot, value);
  for (std::size_t i = 0; i < inputs.mapped.size(); ++i) {
    const auto& [slot, items] = inputs.mapped[i];
    if (slot < 0 || slot >= batch.graph.root_count()) continue;  // counts rows only
    if (inputs.plan.identity) {
      batch.set_input(
          slot, batch.rows == items.size() ? items : items.slice(batch.first_row, batch.rows));
      continue;
    }
    std::vector<std::int64_t> rows(static_cast<std::size_t>(batch.rows));
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      rows[static_cast<std::size_t>(row)] = inputs.plan.inputs[i].item(batch.first_row + row);
    }
    batch.set_input(slot, items.take(rows));
  }
}

Columns join(const Graph& graph, const Selection& selection, const std::vector<Pieces>& outputs,
             Statistics statistics) {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Pieces& pieces = outputs[i];
    columns.push_back(pieces.empty()       ? Column::of(graph.slot_type(selection.outputs[i]), {})
                      : pieces.size() == 1 ? pieces.front()
                                           : Column::concat(pieces));
  }
  Columns joined(selection.output_names, std::move(columns));
  joined.statistics = std::move(statistics);
  return joined;
}

bool has_listeners(const Graph& graph, const Selection& selection, const Callbacks& callbacks) {
  if (!callbacks.empty()) return true;
  return std::any_of(selection.steps.begin(), selection.steps.end(), [&](int index) {
    const auto& nested = graph.steps()[static_cast<std::size_t>(index)].node.definition().nested;
    return nested != nullptr && has_listeners(*nested->graph, nested->selection, nested->callbacks);
  });
}

Order sequential_order(const Graph& graph, const Selection& selection, const RunContext& context) {
  if (wants_whole_batch(graph, selection)) return Order::kNodes;
  const bool foreign = std::any_of(selection.steps.begin(), selection.steps.end(), [&](int index) {
    return graph.steps()[static_cast<std::size_t>(index)].node.definition().foreign;
  });
  const bool visible = foreign || has_listeners(graph, selection, context.callbacks());
  return visible ? Order::kRows : Order::kNodes;
}

std::optional<Failure> map_batches(const Graph& graph, const Selection& selection,
                                   const GraphInputs& inputs, RunContext& context, Order order,
                                   std::vector<Pieces>* outputs,
                                   const std::function<void()>& between) {
  const Frame frame = make_frame(graph, selection, context, /*map=*/true);
  const std::int64_t rows = inputs.plan.rows;
  const bool lookups = frame.cache != nullptr || order == Order::kRows;
  const bool whole = wants_whole_batch(graph, selection);
  LookUpBlocks blocks(selection);
  context.gather_writes();
  const auto start = Clock::now();
  tell_map(frame, context, rows, -1);
  outputs->assign(selection.outputs.size(), {});
  std::optional<Failure> failure;
  for (std::int64_t begin = 0; begin < rows && !failure;) {
    const std::int64_t block = whole ? rows : lookups ? blocks.rows() : kMaxBlock;
    Batch batch(graph, selection, std::min(block, rows - begin));
    batch.first_row = begin;
    begin += batch.rows;
    set_inputs(batch, inputs);
    failure = execute_batch(batch, frame, context, order);
    if (failure) break;
    for (std::size_t i = 0; i < outputs->size() && !failure; ++i) {
      (*outputs)[i].push_back(read_output(batch, selection.outputs[i], frame, context, &failure));
    }
    blocks.note(batch);
    if (between) between();
  }
  if (!failure) {
    tell_map(frame, context, rows, seconds_since(start));
  }
  context.flush();
  return failure;
}

std::optional<Failure> run_batch_of_one(const Graph& graph, const Selection& selection,
                                        const GraphInputs& inputs, RunContext& context,
                                        std::vector<Value>* outputs) {
  const Frame frame = make_frame(graph, selection, context, /*map=*/false);
  Batch batch(graph, selection, 1);
  for (const auto& [slot, value] : inputs.constants) batch.set_input(slot, value);
  std::optional<Failure> failure = execute_batch(batch, frame, context, Order::kRows);
  for (std::size_t i = 0; i < selection.outputs.size() && !failure; ++i) {
    const Column column = read_output(batch, selection.outputs[i], frame, context, &failure);
    if (!failure) outputs->push_back(column[0]);
  }
  return failure;
}

std::vector<std::string> missing_inputs(const Graph& graph, const Selection& selection,
                                        const std::function<bool(int)>& given) {
  std::vector<std::string> missing;
  for (const int slot : selection.roots) {
    if (!graph.optional(slot) && !given(slot)) {
      missing.push_back(graph.slots()[static_cast<std::size_t>(slot)]);
    }
  }
  return missing;
}

namespace {

/// Why `missing` may have been expected to be there: a pipeline inside makes it and keeps it.
std::string made_inside(const Graph& graph, const std::string& missing) {
  for (const Graph::Step& step : graph.steps()) {
    const auto& nested = step.node.definition().nested;
    if (nested == nullptr) continue;
    const std::string pipeline = "; the nested pipeline '" + step.node.name() + "' makes '";
    const std::vector<std::string>& inner = nested->selection.output_names;
    const auto renamed = std::find(inner.begin(), inner.end(), missing);
    if (renamed != inner.end()) {
      const auto place = static_cast<std::size_t>(renamed - inner.begin());
      return pipeline + missing + "', but maps it out as '" + step.node.outputs()[place].name + "'";
    }
    if (nested->graph->slot(missing) >= nested->graph->root_count()) {
      return pipeline + missing + "' inside but does not map it out: add it to output_mapping";
    }
    std::string deeper = made_inside(*nested->graph, missing);
    if (!deeper.empty()) return deeper;
  }
  return {};
}

/// Which name nothing reads may be a slip of `missing`.
std::string misspelt(const Graph& graph, const std::string& missing,
                     std::vector<std::string> names) {
  std::erase_if(names, [&](const std::string& name) { return graph.slot(name) >= 0; });
  const std::string* const slip = close_match(missing, names);
  return slip == nullptr ? "" : "; no node takes '" + *slip + "': did you mean '" + missing + "'?";
}

}  // namespace

void require_inputs(const Graph& graph, const Selection& selection,
                    const std::function<bool(int)>& given,
                    const std::function<std::vector<std::string>()>& names) {
  const std::vector<std::string> missing = missing_inputs(graph, selection, given);
  if (missing.empty()) return;
  const std::vector<std::string> required =
      missing_inputs(graph, selection, [](int) { return false; });
  std::string fix = "pass them, bind them, or give the parameters defaults";
  for (const std::string& name : missing) {
    fix += made_inside(graph, name) + misspelt(graph, name, names());
  }
  throw PlanError("Missing required input(s): " + quoted_list(missing) +
                      ". Required inputs: " + quoted_list(required),
                  graph.name().empty() ? "" : "pipeline '" + graph.name() + "'", fix);
}

}  // namespace hypernodes
