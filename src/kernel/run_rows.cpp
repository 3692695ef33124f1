// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <array>
#include <numeric>
#include <utility>

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
    const auto start = tells() ? Clock::now() : Clock::time_point{};
    tell_item_start(row);
    for (StepState& state : steps_) {
      Lane& first = output_lane(state, 0);
      if (first.state(row) == Lane::State::kEmpty && state.keys_of) {
        if (!state.looked_up[at(row)]) look_up(state, {row});
        if (first.state(row) == Lane::State::kEmpty) take_computed(state, row);
      }
      if (first.state(row) != Lane::State::kEmpty) {
        tell_cached(state, row);
        continue;
      }
      std::optional<Failure> failure;
      if (state.node().definition().nested != nullptr) {
        failure = run_many(state, {row}, false);
      } else {
        failure = run_one(state, row);
      }
      if (failure) return failure;
      if (writes_ != nullptr) writes_->commit_if_due();
    }
    if (tells()) tell_item_end(row, seconds_since(start));
  }
  return std::nullopt;
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
  tell(EventKind::kNodeStart, &state, row, {arguments, inputs});
  std::array<Value, 4> few_results;
  std::vector<Value> many_results(outputs > few_results.size() ? outputs : 0);
  Value* results = many_results.empty() ? few_results.data() : many_results.data();
  const auto start = Clock::now();
  try {
    state.node().definition().body->run_row(arguments, results);
  } catch (...) {
    return fail(state, row, std::current_exception());
  }
  const std::int64_t elapsed = nanoseconds_since(start);
  ++state.ran;
  state.nanoseconds += elapsed;
  keep(state, row, results, elapsed);  // before a callback may throw
  if (tells()) {
    std::vector<const Value*> made(outputs);
    for (std::size_t i = 0; i < outputs; ++i) {
      made[i] = output_lane(state, i).value(row, scratch[0]);
    }
    tell(EventKind::kNodeEnd, &state, row, made, static_cast<double>(elapsed) * 1e-9);
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
    output_lane(state, i).set_digest(row, encoded_[i].digest);
  }
  if (encodable) store(state, row, encoded_, nanoseconds);
}

}  // namespace hypernodes
