// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernel/execution.hpp"

// How a batch tells its events.
namespace hypernodes {

void tell_map(const Frame& frame, RunContext& context, std::int64_t rows, double seconds) {
  if (frame.callbacks == nullptr || frame.callbacks->empty()) return;
  Event event;
  event.kind = seconds < 0 ? EventKind::kMapStart : EventKind::kMapEnd;
  event.scope = &frame.scope;
  event.total = rows;
  event.seconds = seconds;
  context.emit(*frame.callbacks, event);
}

void Execution::tell(EventKind kind, const StepState* state, std::int64_t row,
                     std::span<const Value* const> values, double seconds, const Digest* key) {
  if (!tells()) return;
  Event event;
  event.kind = kind;
  event.scope = &frame_.scope;
  event.node = state == nullptr ? nullptr : &state->node();
  event.row = event_row(row);
  event.seconds = seconds;
  event.key = key;
  event.values = values;
  context_.emit(*frame_.callbacks, event);
}

void Execution::tell_batch(const StepState& state, const Rows& rows,
                           const std::vector<Column>& arguments, const BatchResult& result,
                           std::int64_t nanoseconds) {
  if (!tells()) return;
  const std::int64_t told = result.done + (result.error ? 1 : 0);
  const double seconds =
      told == 0 ? 0 : static_cast<double>(nanoseconds) * 1e-9 / static_cast<double>(told);
  std::vector<Value> values(std::max(arguments.size(), result.outputs.size()));
  std::vector<const Value*> pointers(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) pointers[i] = &values[i];
  const bool whole_batch = takes_whole_batch(state);
  std::vector<RetriedCall> by_row = result.retried;
  std::stable_sort(by_row.begin(), by_row.end(),
                   [](const RetriedCall& a, const RetriedCall& b) { return a.row < b.row; });
  auto retried = by_row.begin();
  for (std::int64_t i = 0; i < told; ++i) {
    if (whole_batch) retried = by_row.begin();  // each is of all rows
    const std::int64_t row = rows.empty() ? i : rows[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < arguments.size(); ++j) {
      const bool constant = whole_batch && is_constant(state, j);
      values[j] = arguments[j][constant ? 0 : i];
    }
    tell(EventKind::kNodeStart, &state, row, {pointers.data(), arguments.size()});
    for (; retried != by_row.end() && retried->row <= i; ++retried) {
      tell_retry(state, {row, retried->attempt, retried->delay, retried->error});
    }
    if (i == result.done) break;
    for (std::size_t j = 0; j < result.outputs.size(); ++j) values[j] = result.outputs[j][i];
    tell(EventKind::kNodeEnd, &state, row, {pointers.data(), result.outputs.size()}, seconds);
  }
}

void Execution::tell_retry(const StepState& state, const RetriedCall& call) {
  if (!tells()) return;
  Event event;
  event.kind = EventKind::kNodeRetry;
  event.scope = &frame_.scope;
  event.node = &state.node();
  event.row = event_row(call.row);
  event.total = call.attempt;
  event.seconds = call.delay;
  event.error = call.error;
  context_.emit(*frame_.callbacks, event);
}

void Execution::tell_error(const StepState& state, std::int64_t row, std::exception_ptr error) {
  if (!tells()) return;
  Event event;
  event.kind = EventKind::kError;
  event.scope = &frame_.scope;
  event.node = &state.node();
  event.row = event_row(row);
  event.error = std::move(error);
  context_.emit(*frame_.callbacks, event);
}

void Execution::tell_item_start(std::int64_t row) {
  if (!tells() || !frame_.item_events) return;
  if (frame_.map) tell(EventKind::kMapItemStart, nullptr, row);
  const Graph& graph = batch_.graph;
  const auto roots = static_cast<std::size_t>(graph.root_count());
  std::vector<Value> scratch(roots);
  std::vector<const Value*> values(roots, nullptr);
  for (std::size_t slot = 0; slot < roots; ++slot) {
    Lane& input = batch_.lanes[slot];
    if (input.is_set()) values[slot] = input.value(row, scratch[slot]);
  }
  Event event;
  event.kind = EventKind::kPipelineStart;
  event.scope = &frame_.scope;
  event.row = event_row(row);
  event.values = values;
  event.names = std::span(graph.slots()).first(roots);
  context_.emit(*frame_.callbacks, event);
}

void Execution::tell_item_end(std::int64_t row, double seconds) {
  if (!tells() || !frame_.item_events) return;
  std::vector<Value> scratch;
  std::vector<const Value*> values;
  std::vector<std::string> names;
  scratch.reserve(batch_.graph.slots().size());
  for (const StepState& state : steps_) {
    for (std::size_t i = 0; i < state.outputs(); ++i) {
      names.push_back(state.node().outputs()[i].name);
      values.push_back(output_lane(state, i).value(row, scratch.emplace_back()));
    }
  }
  Event event;
  event.kind = EventKind::kPipelineEnd;
  event.scope = &frame_.scope;
  event.row = event_row(row);
  event.seconds = seconds;
  event.values = values;
  event.names = names;
  context_.emit(*frame_.callbacks, event);
  if (frame_.map) tell(EventKind::kMapItemEnd, nullptr, row, {}, seconds);
}

void Execution::tell_cached(StepState& state, std::int64_t row) {
  if (!tells()) return;
  const Digest* key = state.keys.empty() ? nullptr : &state.keys[static_cast<std::size_t>(row)];
  tell(EventKind::kNodeCached, &state, row, {}, 0, key);
  if (frame_.map) tell(EventKind::kMapItemCached, nullptr, row, {}, 0, key);
}

}  // namespace hypernodes
