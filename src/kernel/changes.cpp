// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"

// How a batch keeps keys right though nodes of another runtime may change their inputs in place.
namespace hypernodes {

bool Execution::may_be_stale(StepState& state) {
  if (ChangeClock::now() == started_) return false;
  // Lanes that are up to date do not say that the key is: it may be older.
  const auto may_have_changed = [&](Lane& lane) {
    if (lane.slow() && held_->has_changed(lane.constant())) lane.distrust();
    return lane.may_change();
  };
  bool any = false;  // all are asked: each may have to be distrusted
  for (Fixed& bound : state.bound) any |= may_have_changed(bound.lane);
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    any |= may_have_changed(input_lane(state, i));
  }
  return any;
}

void Execution::look_up_again(StepState& state, std::int64_t row) {
  const Digest before = state.keys[at(row)];
  if (make_key(state, row) && state.keys[at(row)] == before) return;
  forget(state, row);
  look_up(state, {row});
}

void Execution::forget(StepState& state, std::int64_t row) {
  if (state.looked_up.empty() || !state.looked_up[at(row)]) return;
  state.looked_up[at(row)] = false;
  if (output_lane(state, 0).state(row) != Lane::State::kEmpty) --state.cached;
  const int first = state.step->first_output;
  const int end = first + static_cast<int>(state.outputs());
  for (int slot = first; slot < end; ++slot) lane(slot).reset(row);
  for (std::size_t index = 0; index < steps_.size(); ++index) {
    StepState& reader = steps_[index];
    const bool reads = std::any_of(reader.step->inputs.begin(), reader.step->inputs.end(),
                                   [&](int slot) { return slot >= first && slot < end; });
    if (reads && (ran_.empty() || !ran_[index])) forget(reader, row);
  }
}

bool Execution::changes(const StepState& state, std::span<const Value* const> arguments) const {
  return writes_ != nullptr && state.node().definition().foreign &&
         std::any_of(arguments.begin(), arguments.end(), [](const Value* argument) {
           return argument != nullptr && detail::may_change(*argument);
         });
}

bool Execution::runs_in_turn(const StepState& state) const {
  const Node::Definition& definition = state.node().definition();
  return definition.foreign && definition.nested == nullptr && !definition.body->waits() &&
         !takes_whole_batch(state);
}

bool Execution::inputs_may_change(StepState& state) {
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    if (input_lane(state, i).may_change()) return true;
  }
  return false;
}

std::optional<Failure> Execution::run_in_turn(StepState& state, Rows* ran) {
  state.in_turn = true;
  ran->clear();
  std::optional<Failure> failure;
  Rows later;
  const auto run = [&](std::int64_t row, bool waits) {
    if (output_lane(state, 0).failed(row)) return;
    const Turn now = turn(state, row, waits);
    if (now == Turn::kLater) later.push_back(row);
    if (now != Turn::kRun) return;
    std::optional<Failure> failed = run_one(state, row);
    give_back();
    if (failed && collect(state, row, *failed)) return;
    if (failed) {
      limit_ = std::min(limit_, row);
      failure = std::move(failed);
      return;
    }
    ran->push_back(row);
    held_->release_if_due(context_);
    writes_->commit_if_due();
  };
  // Calls that may change what other rows read keep their order.
  const bool waits = inputs_may_change(state);
  for (std::int64_t row = 0; row < limit_; ++row) run(row, waits);
  for (std::size_t i = 0; i < later.size() && later[i] < limit_; ++i) run(later[i], true);
  return failure;
}

void Execution::judge(StepState& state, std::span<const std::int64_t> rows, std::uint64_t before,
                      bool alone, bool doubts_rows) {
  trust_ = Trust::kSure;
  doubts_rows_ = doubts_rows;
  if (writes_ == nullptr || !state.keys_of) return;
  for (Fixed& bound : state.bound) judge(state, bound.lane, bound.name, before, alone);
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    Lane& input = input_lane(state, i);
    if (input.is_constant()) judge(state, input, state.node().inputs()[i].name, before, alone);
    if (!input.is_shared()) continue;
    // Calls for other rows may have changed it since the digests in the keys of these.
    const auto stale = [&](std::int64_t row) { return input.stale(row, before); };
    doubts_rows_ = doubts_rows_ || !alone || std::any_of(rows.begin(), rows.end(), stale);
  }
}

void Execution::judge(StepState& state, Lane& constant, const std::string& name,
                      std::uint64_t before, bool alone) {
  if (!constant.may_change()) return;
  const Digest& digest = constant.last_digest(0);
  if (!Lane::known(digest)) return;
  if (constant.slow()) {
    if (alone && !constant.assumed(before)) return;
    held_->assume(constant.constant(), digest, state.node().name(), name);
    if (trust_ == Trust::kSure) trust_ = Trust::kHold;
    return;
  }
  if (alone && !constant.stale(0, before)) return;
  if (digest_of(constant.constant(), scratch_) == digest) return;
  trust_ = Trust::kDrop;
  context_.warn_uncached(state.node(), changed_in_place(name));
}

bool Execution::has_changed(StepState& state, std::int64_t row) {
  Value scratch;
  std::string encoded;
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    Lane& input = input_lane(state, i);
    if (!input.is_set() || input.is_constant() || !input.may_change()) continue;
    const Value* const value = input.value(row, scratch);
    if (value == nullptr || digest_of(*value, encoded) == input.last_digest(row)) continue;
    context_.warn_uncached(state.node(), changed_in_place(state.node().inputs()[i].name));
    return true;
  }
  return false;
}

}  // namespace hypernodes
