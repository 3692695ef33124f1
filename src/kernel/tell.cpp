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

Event Execution::event_of(const StepState& state, EventKind kind, std::int64_t row) const {
  Event event;
  event.kind = kind;
  event.scope = &scope_of(state);
  event.node = &state.node();
  event.row = event_row(state, row);
  return event;
}

void Execution::tell(EventKind kind, const StepState& state, std::int64_t row,
                     std::span<const Value* const> values, double seconds, const Digest* key) {
  if (!tells(state)) return;
  Event event = event_of(state, kind, row);
  event.seconds = seconds;
  event.key = key;
  event.values = values;
  context_.emit(*callbacks_of(state), event);
}

void Execution::tell_item(EventKind kind, std::int64_t row, double seconds, const Digest* key) {
  Event event;
  event.kind = kind;
  event.scope = &frame_.scope;
  event.row = event_row(row);
  event.seconds = seconds;
  event.key = key;
  context_.emit(*frame_.callbacks, event);
}

void Execution::tell_batch(const StepState& state, const Rows& rows,
                           const std::vector<Column>& arguments, const BatchResult& result,
                           std::int64_t nanoseconds) {
  if (!tells(state)) return;
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
    tell(EventKind::kNodeStart, state, row, {pointers.data(), arguments.size()});
    for (; retried != by_row.end() && retried->row <= i; ++retried) {
      tell_retry(state, {row, retried->attempt, retried->delay, retried->error});
    }
    if (i == result.done) break;
    for (std::size_t j = 0; j < result.outputs.size(); ++j) values[j] = result.outputs[j][i];
    tell(EventKind::kNodeEnd, state, row, {pointers.data(), result.outputs.size()}, seconds);
  }
}

void Execution::tell_retry(const StepState& state, const RetriedCall& call) {
  if (!tells(state)) return;
  Event event = event_of(state, EventKind::kNodeRetry, call.row);
  event.total = call.attempt;
  event.seconds = call.delay;
  event.error = call.error;
  context_.emit(*callbacks_of(state), event);
}

void Execution::tell_error(const StepState& state, std::int64_t row, std::exception_ptr error) {
  Event event = event_of(state, EventKind::kError, row);
  event.error = std::move(error);
  if (tells(state)) context_.emit(*callbacks_of(state), event);
  // As a nested pipeline would, each that was opened fails as a node of the one around it.
  for (const OpenedPipeline* inner = opened(state); inner != nullptr; inner = inner->around) {
    const OpenedPipeline* const outer = inner->around;
    event.scope = inner->scope.parent;
    event.node = inner->node;
    event.row = outer == nullptr ? event_row(row) : -1;
    const Callbacks* const callbacks = outer == nullptr ? frame_.callbacks : outer->callbacks;
    if (has_any(callbacks)) context_.emit(*callbacks, event);
  }
}

void Execution::tell_item_start(std::int64_t row) {
  if (!tells_items()) return;
  if (frame_.map) tell_item(EventKind::kMapItemStart, row);
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
  if (!tells_items()) return;
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
  if (frame_.map) tell_item(EventKind::kMapItemEnd, row, seconds);
}

void Execution::tell_cached(StepState& state, std::int64_t row) {
  if (!tells(state)) return;
  const Digest* key = state.keys.empty() ? nullptr : &state.keys[static_cast<std::size_t>(row)];
  tell(EventKind::kNodeCached, state, row, {}, 0, key);
  if (frame_.map && opened(state) == nullptr) tell_item(EventKind::kMapItemCached, row, 0, key);
}

}  // namespace hypernodes
