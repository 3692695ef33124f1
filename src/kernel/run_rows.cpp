// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <typeinfo>
#include <utility>

#include "kernel/retry.hpp"
#include "values/codec.hpp"

// How a batch runs row by row.
namespace hypernodes {

std::optional<Failure> Execution::run_rows() {
  if (writes_ != nullptr) {
    Rows all(at(batch_.rows));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    for (StepState& state : steps_) look_up(state, all);
  }
  for (std::int64_t row = 0; row < batch_.rows; ++row) {
    const auto start = tells_items() ? Clock::now() : Clock::time_point{};
    tell_item_start(row);
    ran_.assign(steps_.size(), false);
    for (std::size_t index = 0; index < steps_.size(); ++index) {
      if (ran_[index]) continue;  // it was started together with an earlier one
      StepState& state = steps_[index];
      if (any_failed_ && lacks_input(state, row)) {
        give_up(state, row);
        continue;
      }
      if (turn(state, row) != Turn::kRun) {
        tell_cached(state, row);
        continue;
      }
      const Node::Definition& definition = state.node().definition();
      std::optional<Failure> failure;
      if (definition.nested != nullptr) {
        failure = run_many(state, {row}, false);
      } else if (definition.body->waits()) {
        failure = run_waiting(index, row);
      } else {
        failure = run_one(state, row);
      }
      if (failure && !collect(state, row, *failure)) return failure;
      ran_[index] = true;
      if (writes_ == nullptr) continue;
      give_back();
      held_->release_if_due(context_);
      writes_->commit_if_due();
    }
    if (tells_items()) tell_item_end(row, seconds_since(start));
  }
  return std::nullopt;
}

Execution::Turn Execution::turn(StepState& state, std::int64_t row, bool waits) {
  const Lane& first = output_lane(state, 0);
  if (state.keys_of && !state.looked_up.empty() && state.looked_up[at(row)] &&
      may_be_stale(state)) {
    look_up_again(state, row);
  }
  if (first.state(row) != Lane::State::kEmpty) return Turn::kTaken;
  if (!state.keys_of) return Turn::kRun;
  if (const std::size_t next = at(row) + kAhead; next < state.keys.size()) {
    state.computed.fetch(state.keys[next]);
    writes_->in_flight().fetch(state.keys[next]);
  }
  std::uint64_t commits = 0;
  if (state.looked_up.empty() || !state.looked_up[at(row)]) {
    commits = writes_->commits_of_others();
    look_up(state, {row});
  } else {
    commits = look_again(state, row);
  }
  if (first.state(row) == Lane::State::kEmpty) take_computed(state, row);
  if (first.state(row) != Lane::State::kEmpty) return Turn::kTaken;
  return claim(state, row, commits, waits);
}

std::optional<Failure> Execution::run_one(StepState& state, std::int64_t row) {
  const std::size_t inputs = state.step->inputs.size();
  const std::size_t outputs = state.outputs();
  std::array<const Value*, 8> few_arguments;
  std::array<Value, 8> few_scratch;
  std::vector<const Value*> many_arguments;
  std::vector<Value> many_scratch;
  const Value** arguments = few_arguments.data();
  Value* scratch = few_scratch.data();
  if (inputs > few_arguments.size()) {
    many_arguments.resize(inputs);
    many_scratch.resize(inputs);
    arguments = many_arguments.data();
    scratch = many_scratch.data();
  }
  std::optional<Failure> failure;
  for (std::size_t i = 0; i < inputs; ++i) {
    arguments[i] = argument(state, i, row, scratch[i], &failure);
    if (failure) return failure;
  }
  tell(EventKind::kNodeStart, state, row, {arguments, inputs});
  std::array<Value, 4> few_results;
  std::vector<Value> many_results(outputs > few_results.size() ? outputs : 0);
  Value* results = many_results.empty() ? few_results.data() : many_results.data();
  const bool change = changes(state, {arguments, inputs});
  bool changed = false;  // by an attempt that failed
  for (std::int64_t attempt = 1;; ++attempt) {
    ChangeClock::Call call(change);
    const auto start = Clock::now();
    std::exception_ptr error;
    try {
      state.node().definition().body->run_row(arguments, results);
    } catch (...) {
      error = std::current_exception();
    }
    const std::int64_t elapsed = nanoseconds_since(start);
    const bool alone = call.end();
    if (!error) {
      judge(state, {&row, 1}, call.began(), alone);
      if (changed) trust_ = Trust::kDrop;
      finish_one(state, row, results, elapsed);
      return std::nullopt;
    }
    const auto delay = next_attempt(state.node().definition().retry.get(), error, attempt);
    if (!delay) return fail(state, row, error, attempt);
    changed = changed || (change && left_changed(state, row, call.began()));
    if (!wait_to_retry(state, row, attempt, *delay, error)) {
      return fail(state, row, error, attempt);
    }
  }
}

void Execution::finish_one(StepState& state, std::int64_t row, Value* outputs,
                           std::int64_t nanoseconds) {
  ++state.ran;
  state.nanoseconds += nanoseconds;
  keep(state, row, outputs, nanoseconds);  // before a callback may throw
  if (!tells(state)) return;
  std::vector<Value> scratch(state.outputs());
  std::vector<const Value*> made(state.outputs());
  for (std::size_t i = 0; i < made.size(); ++i) {
    made[i] = output_lane(state, i).value(row, scratch[i]);
  }
  tell(EventKind::kNodeEnd, state, row, made, static_cast<double>(nanoseconds) * 1e-9);
}

bool Execution::is_ready(const StepState& state, std::int64_t row) {
  return std::all_of(state.step->inputs.begin(), state.step->inputs.end(), [&](int slot) {
    if (slot < batch_.graph.root_count()) return true;
    const Lane::State there = lane(slot).state(row);
    return there != Lane::State::kEmpty && there != Lane::State::kFailed;
  });
}

std::optional<Failure> Execution::add_call(StepState& state, std::int64_t row,
                                           std::vector<WaitingCall>& group) {
  WaitingCall& call = group.emplace_back();
  call.state = &state;
  call.row = row;
  call.scratch.resize(state.step->inputs.size());
  call.arguments.resize(state.step->inputs.size());
  call.outputs.resize(state.outputs());
  std::optional<Failure> failure;
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    call.arguments[i] = argument(state, i, row, call.scratch[i], &failure);
    if (!failure) continue;
    if (!collect(state, row, *failure)) return failure;
    group.pop_back();
    break;
  }
  return std::nullopt;
}

std::optional<Failure> Execution::run_waiting(std::size_t first, std::int64_t row) {
  const NodeBody& body = *steps_[first].node().definition().body;
  std::vector<WaitingCall> group;
  for (std::size_t index = first; index < steps_.size(); ++index) {
    if (ran_[index]) continue;
    StepState& state = steps_[index];
    const Node::Definition& definition = state.node().definition();
    if (definition.nested != nullptr || !definition.body->waits()) continue;
    const NodeBody& other = *definition.body;
    if (typeid(other) != typeid(body) || !is_ready(state, row)) continue;
    // What is there already is told when its turn comes; for others nobody waits here.
    if (index != first && turn(state, row, /*waits=*/false) != Turn::kRun) continue;
    if (std::optional<Failure> failure = add_call(state, row, group)) return failure;
    ran_[index] = true;
  }
  return run_group(body, group);
}

std::optional<Failure> Execution::run_group(const NodeBody& body, std::vector<WaitingCall>& group) {
  if (group.empty()) return std::nullopt;
  std::vector<RowCall> calls;
  calls.reserve(group.size());
  for (WaitingCall& call : group) {
    tell(EventKind::kNodeStart, *call.state, call.row, call.arguments);
    calls.push_back(
        {call.state->node().definition().body.get(), call.arguments.data(), call.outputs.data()});
  }
  const bool change = std::any_of(group.begin(), group.end(), [this](const WaitingCall& call) {
    return changes(*call.state, call.arguments);
  });
  ChangeClock::Call together(change);
  const auto start = Clock::now();
  body.run_together(calls, /*go_on=*/frame_.collects);
  const std::int64_t elapsed = nanoseconds_since(start);
  bool alone = together.end() && (!change || calls.size() == 1);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!calls[i].retried.empty()) alone = !change;
    for (RetriedCall& retried : calls[i].retried) {
      retried.row = group[i].row;
      tell_retry(*group[i].state, retried);
    }
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!calls[i].done) continue;
    judge(*group[i].state, {&group[i].row, 1}, together.began(), alone, /*doubts_rows=*/!alone);
    finish_one(*group[i].state, group[i].row, group[i].outputs.data(), elapsed);
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!calls[i].error) continue;
    const auto attempts = static_cast<std::int64_t>(calls[i].retried.size()) + 1;
    Failure failure = fail(*group[i].state, group[i].row, calls[i].error, attempts);
    if (!collect(*group[i].state, group[i].row, failure)) return failure;
  }
  return std::nullopt;
}

void Execution::keep(StepState& state, std::int64_t row, Value* outputs, std::int64_t nanoseconds) {
  if (writes_ == nullptr) {
    for (std::size_t i = 0; i < state.outputs(); ++i) {
      output_lane(state, i).set_value(row, std::move(outputs[i]));
    }
    return;
  }
  bool encodable = true;
  std::vector<std::string> payloads(state.outputs() > 1 ? state.outputs() : 0);
  encoded_.resize(state.outputs());
  for (std::size_t i = 0; i < state.outputs(); ++i) {
    std::string& payload = payloads.empty() ? scratch_ : payloads[i];
    encodable &= encode_output(
                     [&](bool canonical, std::string& out, bool* unordered) {
                       return codec::encode(outputs[i], canonical, out, unordered);
                     },
                     payload, canonical_, &encoded_[i]) ||
                 pickle(state, row, outputs[i], payload, &encoded_[i]);
    output_lane(state, i).set_value(row, std::move(outputs[i]));
    output_lane(state, i).set_digest(row, encoded_[i].digest, ChangeClock::now());
  }
  if (encodable) store(state, row, encoded_, nanoseconds);
}

}  // namespace hypernodes
