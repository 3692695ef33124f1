// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "hypernodes/error.hpp"
#include "values/codec.hpp"
#include "values/object_runtime.hpp"

// How a batch runs node by node.
namespace hypernodes {

std::optional<Failure> Execution::run_nodes() {
  for (std::int64_t row = 0; tells_items() && row < batch_.rows; ++row) tell_item_start(row);
  const auto start = Clock::now();
  std::optional<Failure> failure;
  for (StepState& state : steps_) {
    const bool plain = !state.keys_of;
    const bool lacking = any_failed_;  // some rows may lack an input
    Rows rows;
    if (!plain || lacking || state.node().definition().nested != nullptr) {
      rows.resize(at(limit_));
      std::iota(rows.begin(), rows.end(), std::int64_t{0});
    }
    if (lacking) drop_lacking(state, rows);
    Rows again;  // rows with the key of an earlier one
    if (!plain) look_up(state, rows);
    const bool in_turn = !plain && runs_in_turn(state);
    if (!plain && !in_turn) {
      Rows misses;
      state.computed.reserve(rows.size());
      for (const std::int64_t row : rows) {
        if (output_lane(state, 0).state(row) != Lane::State::kEmpty) continue;
        const Digest& key = state.keys[at(row)];
        if (Lane::known(key) && !state.computed.insert(key, row).second) {
          again.push_back(row);
        } else {
          misses.push_back(row);
        }
      }
      rows = std::move(misses);
    }
    Rows later;  // other threads have them in work
    if (!plain && !in_turn) claim_rows(state, rows, later);
    std::optional<Failure> failed;
    const bool all_rows = plain && !lacking;
    const bool any = all_rows ? limit_ > 0 : !rows.empty();
    if (in_turn) {
      failed = run_in_turn(state, &rows);
    } else if (any) {
      failed = run_all(state, rows, all_rows);
      give_back();
    }
    if (failed) failure = std::move(failed);
    failed = run_later(state, later, rows);
    if (failed) failure = std::move(failed);
    Rows alone;  // their twin's result could not be kept
    for (const std::int64_t row : again) {
      if (row < limit_ && !take_computed(state, row)) alone.push_back(row);
    }
    if (!alone.empty()) {
      failed = run_all(state, alone, false);
      if (failed) failure = std::move(failed);
      rows.insert(rows.end(), alone.begin(), alone.end());
    }
    state.computed.clear();
    if (!plain && tells(state)) {
      std::vector<bool> ran(at(batch_.rows), false);
      for (const std::int64_t row : rows) ran[at(row)] = true;
      for (std::int64_t row = 0; row < limit_; ++row) {
        if (!ran[at(row)] && !output_lane(state, 0).failed(row)) tell_cached(state, row);
      }
    }
    if (writes_ == nullptr) continue;
    held_->release_if_due(context_);
    writes_->commit_if_due();
  }
  if (!failure && tells_items()) {
    const double seconds = seconds_since(start);
    for (std::int64_t row = 0; row < batch_.rows; ++row) tell_item_end(row, seconds);
  }
  return failure;
}

void Execution::find_varying() {
  varies_.assign(batch_.lanes.size(), false);
  for (std::size_t slot = 0; slot < varies_.size(); ++slot) {
    varies_[slot] = batch_.lanes[slot].is_column();
  }
  for (const StepState& state : steps_) {
    bool varies = false;
    for (std::size_t i = 0; i < state.step->inputs.size(); ++i) varies |= !is_constant(state, i);
    for (std::size_t i = 0; i < state.outputs(); ++i) {
      varies_[at(state.step->first_output) + i] = varies;
    }
  }
}

bool Execution::is_constant(const StepState& state, std::size_t input) const {
  return !varies_[at(state.step->inputs[input])];
}

bool Execution::takes_whole_batch(const StepState& state) const {
  if (!state.node().definition().whole_batch) return false;
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    if (!is_constant(state, i)) return true;
  }
  return false;
}

std::vector<Column> Execution::arguments(StepState& state, const Rows* rows, std::int64_t count,
                                         std::optional<Failure>* failure) {
  const bool whole_batch = takes_whole_batch(state);
  const Rows one{rows == nullptr || rows->empty() ? 0 : rows->front()};
  std::vector<Column> columns;
  columns.reserve(state.step->inputs.size());
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    const NodeInput& input = state.node().inputs()[i];
    Lane& source = lane(state.step->inputs[i]);
    const bool constant = whole_batch && is_constant(state, i);
    const Rows* const wanted = constant ? &one : rows;
    const std::int64_t size = constant ? 1 : count;
    if (!source.is_set()) {
      columns.push_back(Column::repeat(*input.fallback, input.type, size));
      continue;
    }
    while (true) {
      std::int64_t bad_row = -1;
      std::optional<Column> column = source.gather(wanted, size, input.type, &bad_row);
      if (column) {
        columns.push_back(*std::move(column));
        break;
      }
      Value scratch;
      argument(state, i, bad_row, scratch, failure);
      if (*failure) return columns;
    }
  }
  return columns;
}

BatchResult Execution::call(const StepState& state, const std::vector<Column>& columns,
                            std::int64_t count, std::int64_t* waited) {
  BatchResult result = call_once(state, columns, count);
  const Node::Definition& definition = state.node().definition();
  if (!result.error || definition.retry == nullptr) return result;
  if (definition.body->waits() && !takes_whole_batch(state)) return result;  // it did so itself
  return call_again(state, columns, count, std::move(result), waited);
}

BatchResult Execution::call_once(const StepState& state, const std::vector<Column>& columns,
                                 std::int64_t count) {
  const Node::Definition& definition = state.node().definition();
  std::optional<detail::Suspended> native;
  if (!definition.foreign) native.emplace();
  if (!takes_whole_batch(state)) {
    return definition.body->run_batch(columns, count, definition.outputs);
  }
  std::vector<BatchArgument> arguments;
  arguments.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    arguments.push_back({columns[i], is_constant(state, i)});
  }
  try {
    return definition.body->run_whole_batch(arguments, count, definition.outputs);
  } catch (...) {
    BatchResult failed;
    for (const NodeOutput& output : definition.outputs) {
      failed.outputs.push_back(Column::of(output.type, {}));
    }
    failed.error = std::current_exception();
    return failed;
  }
}

std::optional<Failure> Execution::run_many(StepState& state, const Rows& rows, bool all_rows) {
  const Node::Definition& definition = state.node().definition();
  const std::int64_t limit = limit_;
  const auto count = all_rows ? limit : static_cast<std::int64_t>(rows.size());
  std::optional<Failure> failure;
  BatchResult result;
  const auto row_at = [&](std::int64_t i) { return all_rows && rows.empty() ? i : rows[at(i)]; };
  std::int64_t elapsed = 0;
  std::vector<Column> columns;
  const ChangeClock::Span span;
  bool alone = count == 1 || !definition.foreign;
  if (definition.nested != nullptr) {
    const auto start = Clock::now();
    result = run_nested(state, rows, &failure);
    elapsed = nanoseconds_since(start);
    alone = alone && span.alone();
    if (result.outputs.empty()) {  // it failed before any row was done
      for (const NodeOutput& output : definition.outputs) {
        result.outputs.push_back(Column::of(output.type, {}));
      }
    }
  } else {
    try {
      columns = arguments(state, all_rows ? nullptr : &rows, count, &failure);
      if (!failure) {
        const bool change = writes_ != nullptr && definition.foreign &&
                            std::any_of(columns.begin(), columns.end(), [](const Column& column) {
                              return detail::may_change(column);
                            });
        ChangeClock::Call made(change);
        const auto start = Clock::now();
        std::int64_t waited = 0;
        result = call(state, columns, count, &waited);
        elapsed = nanoseconds_since(start) - waited;
        alone = made.end() && (!change || (alone && result.retried.empty()));
      }
    } catch (const TypeError&) {
      // Some row's argument does not fit the node: one by one, the rows before it are still done.
      for (std::int64_t i = 0; i < count; ++i) {
        failure = run_one(state, row_at(i));
        if (!failure) continue;
        limit_ = row_at(i);
        return failure;
      }
      return std::nullopt;
    }
    if (failure) return run_before_limit(state, rows, *std::move(failure));
  }
  judge(state, rows, span.began(), alone,
        /*doubts_rows=*/!alone && (definition.nested != nullptr || !result.retried.empty()));
  state.ran += result.done;
  state.nanoseconds += elapsed;
  // A column that lacks rows cannot stand for them.
  const bool complete = !frame_.collects || result.done == count;
  if (writes_ == nullptr && all_rows && complete) {
    for (std::size_t i = 0; i < state.outputs(); ++i) {
      output_lane(state, i).set_column(result.outputs[i]);
    }
  } else if (all_rows && rows.empty()) {
    Rows every(at(count));
    std::iota(every.begin(), every.end(), std::int64_t{0});
    keep(state, every, result, elapsed);
  } else {
    keep(state, rows, result, elapsed);
  }
  if (definition.nested == nullptr) tell_batch(state, rows, columns, result, elapsed);
  if (failure && limit_ < limit) return run_before_limit(state, rows, *std::move(failure));
  if (failure) {
    limit_ = std::min(limit_, row_at(result.done));
    return failure;
  }
  if (result.error) {
    const std::int64_t row = row_at(result.done);
    limit_ = row;
    const auto failed_before = std::count_if(
        result.retried.begin(), result.retried.end(),
        [&](const RetriedCall& call) { return call.row < 0 || call.row == result.done; });
    return fail(state, row, result.error, failed_before + 1);
  }
  return std::nullopt;
}

std::optional<Failure> Execution::run_before_limit(StepState& state, const Rows& rows,
                                                   Failure failure) {
  Rows before;
  const std::int64_t count = rows.empty() ? limit_ : static_cast<std::int64_t>(rows.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows.empty() ? i : rows[at(i)];
    if (row < limit_ && output_lane(state, 0).state(row) == Lane::State::kEmpty) {
      before.push_back(row);
    }
  }
  std::optional<Failure> earlier;
  if (!before.empty()) earlier = run_many(state, before, false);
  return earlier ? std::move(earlier) : std::move(failure);
}

void Execution::keep(StepState& state, const Rows& rows, const BatchResult& result,
                     std::int64_t nanoseconds) {
  const std::int64_t per_row = result.done == 0 ? 0 : nanoseconds / result.done;
  for (std::size_t i = 0; i < state.outputs(); ++i) {
    output_lane(state, i).set_computed(result.outputs[i], rows);
  }
  if (writes_ == nullptr) return;
  std::vector<std::string> payloads(state.outputs() > 1 ? state.outputs() : 0);
  encoded_.resize(state.outputs());
  for (std::int64_t i = 0; i < result.done; ++i) {
    const std::int64_t row = rows[at(i)];
    bool encodable = true;
    for (std::size_t j = 0; j < state.outputs(); ++j) {
      std::string& payload = payloads.empty() ? scratch_ : payloads[j];
      encodable &= encode_output(
                       [&](bool canonical, std::string& out, bool* unordered) {
                         return codec::encode(result.outputs[j], i, canonical, out, unordered);
                       },
                       payload, canonical_, &encoded_[j]) ||
                   pickle(state, row, result.outputs[j][i], payload, &encoded_[j]);
      output_lane(state, j).set_digest(row, encoded_[j].digest, ChangeClock::now());
    }
    if (encodable) store(state, row, encoded_, per_row);
  }
}

}  // namespace hypernodes
