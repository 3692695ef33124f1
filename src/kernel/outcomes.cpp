// SPDX-License-Identifier: MIT
#include <algorithm>
#include <numeric>
#include <utility>

#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"

// How a batch goes on without the rows that fail, where failures are collected.
namespace hypernodes {
namespace {

/// After a failure the rows that are left are run in blocks that grow while none fails, so that the
/// cost of many failures stays in proportion.
constexpr std::size_t kFirstBlock = 16;
constexpr std::size_t kGrowth = 4;
/// How many rows of a node wait at once.
constexpr std::size_t kWaiting = 64;

bool ends_program(const std::exception_ptr& error) {
  const detail::ObjectRuntime* const runtime = detail::object_runtime();
  return runtime != nullptr && runtime->ends_program(error);
}

}  // namespace

bool Execution::collect(StepState& state, std::int64_t row, Failure& failure) {
  if (!frame_.collects) return false;
  if (!failure.collected) {
    if (ends_program(failure.error)) return false;
    context_.add(
        RowFailure{failure.row, failure.node, failure.around, failure.error, failure.attempts});
    failure.collected = true;
  }
  give_up(state, row);
  limit_ = batch_.rows;
  return true;
}

void Execution::give_up(StepState& state, std::int64_t row) {
  for (std::size_t i = 0; i < state.outputs(); ++i) output_lane(state, i).set_failed(row);
  any_failed_ = true;
}

bool Execution::lacks_input(const StepState& state, std::int64_t row) const {
  return std::any_of(state.step->inputs.begin(), state.step->inputs.end(),
                     [&](int slot) { return batch_.lanes[at(slot)].failed(row); });
}

void Execution::drop_lacking(StepState& state, Rows& rows) {
  std::erase_if(rows, [&](std::int64_t row) {
    const bool lacking = lacks_input(state, row);
    if (lacking) give_up(state, row);
    return lacking;
  });
}

std::optional<Failure> Execution::run_all(StepState& state, const Rows& rows, bool all_rows) {
  const Node::Definition& definition = state.node().definition();
  const auto every = [&] {
    if (!all_rows || !rows.empty()) return rows;
    Rows all(at(limit_));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    return all;
  };
  if (frame_.collects && definition.nested == nullptr && definition.body->waits() &&
      !takes_whole_batch(state)) {
    return run_rows_waiting(state, every());
  }
  const Rows asked = frame_.collects ? every() : Rows();
  std::optional<Failure> failure = run_many(state, rows, all_rows);
  if (!failure || !frame_.collects) return failure;
  return run_left(state, asked, *std::move(failure));
}

std::optional<Failure> Execution::run_left(StepState& state, Rows rows, Failure first) {
  const auto& nested = state.node().definition().nested;
  const bool one_call = nested == nullptr ? takes_whole_batch(state)
                                          : nested->graph->has_whole_batch() && !nested->is_map();
  const auto missing = [&](std::int64_t row) {
    return output_lane(state, 0).state(row) == Lane::State::kEmpty;
  };
  std::optional<Failure> failure = std::move(first);
  std::size_t block = kFirstBlock;
  auto next = rows.begin();
  while (failure) {
    if (!failure->collected) {
      // Rows run in their order: the first that is missing is the one that failed.
      next = std::find_if(next, rows.end(), missing);
      if (next == rows.end() || !collect(state, *next, *failure)) return failure;
      for (; one_call && next != rows.end(); ++next) {  // the others of the call failed with it
        if (!missing(*next)) continue;
        Failure same = *failure;
        same.collected = false;
        move_to_row(same, event_row(*next));
        tell_error(state, *next, same.error);
        collect(state, *next, same);
      }
    }
    failure.reset();
    limit_ = batch_.rows;
    block = one_call ? rows.size() : kFirstBlock;
    while (!failure && next != rows.end()) {
      Rows some;
      auto end = next;
      for (; end != rows.end() && some.size() < block; ++end) {
        if (missing(*end)) some.push_back(*end);
      }
      drop_lacking(state, some);
      if (!some.empty()) failure = run_many(state, some, false);
      if (failure) break;
      next = end;
      block *= kGrowth;
    }
  }
  return std::nullopt;
}

std::optional<Failure> Execution::run_rows_waiting(StepState& state, const Rows& rows) {
  const NodeBody& body = *state.node().definition().body;
  for (std::size_t begin = 0; begin < rows.size(); begin += kWaiting) {
    const std::size_t end = std::min(begin + kWaiting, rows.size());
    std::vector<WaitingCall> group;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::optional<Failure> failure = add_call(state, rows[i], group)) return failure;
    }
    if (std::optional<Failure> failure = run_group(body, group)) return failure;
  }
  return std::nullopt;
}

}  // namespace hypernodes
