// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <algorithm>
#include <utility>

#include "graph/nested.hpp"
#include "hypernodes/detail/assert.hpp"
#include "hypernodes/error.hpp"
#include "values/codec.hpp"

namespace hypernodes {

Session::Store& Session::store(Cache& cache) {
  for (Store& store : stores_) {
    if (&store.writes->cache() == &cache) return store;
  }
  return stores_.emplace_back(context_.take_writes(cache));
}

void Session::end() {
  for (Store& store : stores_) {
    store.held.release(context_);
    context_.give_writes(std::move(store.writes));
  }
  stores_.clear();
}

Execution::Execution(Batch& batch, const Frame& frame, RunContext& context, Session& session,
                     Order order)
    : batch_(batch),
      frame_(frame),
      context_(context),
      session_(session),
      order_(order),
      started_(ChangeClock::now()),
      limit_(batch.rows) {
  if (frame.cache != nullptr) {
    Session::Store& store = session.store(*frame.cache);
    writes_ = store.writes.get();
    held_ = &store.held;
    claims_.emplace(writes_->in_flight());
  }
  steps_.reserve(batch.selection.steps.size());
  for (const int index : batch.selection.steps) {
    StepState& state = steps_.emplace_back();
    state.step = &batch.graph.steps()[static_cast<std::size_t>(index)];
    state.in_turn = order == Order::kRows;
    const Node::Definition& definition = state.node().definition();
    if (writes_ == nullptr || !is_cacheable(state.node())) continue;
    if (definition.has_identity) {
      if (definition.nested == nullptr || add_bound(*definition.nested, state)) fix_bound(state);
    } else {
      context.warn_uncached(state.node(), unidentified(definition));
    }
  }
}

bool Execution::add_bound(const NestedPipeline& nested, StepState& state) {
  for (const NestedPipeline::Bound& bound : nested.bound) {
    Fixed& fixed = state.bound.emplace_back();
    fixed.name = nested.graph->slots()[at(bound.slot)];
    fixed.lane.set_constant(bound.value);
    if (!Lane::known(fixed.lane.digest(0, started_))) {
      context_.warn_uncached(state.node(),
                             undigested("bound input", fixed.name, fixed.lane.refusal()));
      return false;
    }
  }
  for (const int index : nested.selection.steps) {
    const Graph::Step& step = nested.graph->steps()[static_cast<std::size_t>(index)];
    const auto& inner = step.node.definition().nested;
    if (inner != nullptr && !add_bound(*inner, state)) return false;
  }
  return true;
}

void Execution::fix_bound(StepState& state) {
  state.keys_of.emplace(state.node());
  for (Fixed& fixed : state.bound) {
    state.keys_of->add_fixed(fixed.lane.digest(0, ChangeClock::now()));
  }
}

std::optional<Failure> Execution::run() {
  start_lanes();
  if (batch_.graph.has_whole_batch()) find_varying();
  std::optional<Failure> failure = order_ == Order::kRows ? run_rows() : run_nodes();
  give_back();
  finish_counts();
  return failure;
}

void Execution::start_lanes() {
  for (const StepState& state : steps_) {
    for (std::size_t i = 0; i < state.outputs(); ++i) {
      output_lane(state, i).start(state.node().outputs()[i].type, batch_.rows);
    }
  }
}

void Execution::finish_counts() {
  for (StepState& state : steps_) {
    if (state.ran == 0 && state.cached == 0) continue;
    batch_.ran |= state.ran > 0;
    if (state.ran > 0 && state.keys_of) take_note(state);
    context_.count(state.node(), state.ran, state.cached, state.nanoseconds);
    state.ran = state.cached = state.nanoseconds = 0;
  }
}

const Value* Execution::argument(const StepState& state, std::size_t input, std::int64_t row,
                                 Value& scratch, std::optional<Failure>* failure) {
  const int slot = state.step->inputs[input];
  Lane& source = lane(slot);
  if (!source.is_set()) {
    const auto& fallback = state.node().inputs()[input].fallback;
    return fallback ? &*fallback : nullptr;
  }
  if (const Value* value = source.value(row, scratch)) return value;
  *failure = compute_again(slot, row);
  return *failure ? nullptr : source.value(row, scratch);
}

std::optional<Failure> Execution::compute_again(int slot, std::int64_t row) {
  StepState* state = producer(slot);
  HYPERNODES_ASSERT(state != nullptr);
  context_.count_damaged();
  for (std::size_t i = 0; i < state->outputs(); ++i) output_lane(*state, i).reset(row);
  if (state->keys_of) {
    state->keys.resize(at(batch_.rows), Lane::kUnknown);
    state->looked_up.resize(at(batch_.rows), false);
    make_key(*state, row);
  }
  std::optional<Failure> failure = state->node().definition().nested != nullptr
                                       ? run_many(*state, {row}, false)
                                       : run_one(*state, row);
  if (!failure) return failure;
  collect(*state, row, *failure);
  limit_ = std::min(limit_, row);
  return failure;
}

Column Execution::read(int slot, const Type& type, std::int64_t rows,
                       std::optional<Failure>* failure) {
  while (true) {
    std::int64_t bad_row = -1;
    std::optional<Column> column = lane(slot).gather(nullptr, rows, type, &bad_row);
    if (column) return *std::move(column);
    *failure = compute_again(slot, bad_row);
    finish_counts();
    if (*failure && (*failure)->collected) failure->reset();
    if (*failure) return Column::nulls(type, 0);
  }
}

Execution::StepState* Execution::producer(int slot) {
  for (StepState& state : steps_) {
    const int first = state.step->first_output;
    if (slot >= first && slot < first + static_cast<int>(state.outputs())) return &state;
  }
  return nullptr;
}

Failure Execution::fail(const StepState& state, std::int64_t row, std::exception_ptr error,
                        std::int64_t attempts) {
  const Node& node = state.node();
  Failure failure = make_failure(node, event_row(row), error, attempts);
  tell_error(state, row, failure.error);
  return failure;
}

}  // namespace hypernodes
