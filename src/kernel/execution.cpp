// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "hypernodes/detail/assert.hpp"
#include "hypernodes/error.hpp"
#include "values/codec.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

std::size_t at(std::int64_t row) { return static_cast<std::size_t>(row); }

/// A result as it goes into a record. False if it has no encoding.
template <typename Encode>
bool encode_output(Encode&& encode, std::string& payload, std::string& canonical,
                   EncodedOutput* out) {
  payload.clear();
  bool unordered = false;
  if (!encode(/*canonical=*/false, payload, &unordered)) return false;
  out->payload = payload;
  if (!unordered) {
    out->digest = Digest::of_value(payload);
    return true;
  }
  canonical.clear();
  if (!encode(/*canonical=*/true, canonical, &unordered)) return false;
  out->digest = Digest::of_value(canonical);
  return true;
}

}  // namespace

WriteBehind& Session::writes(Cache& cache) {
  for (WriteBehind& writes : writes_) {
    if (&writes.cache() == &cache) return writes;
  }
  return writes_.emplace_back(cache);
}

void Session::commit() {
  for (WriteBehind& writes : writes_) writes.commit();
}

Execution::Execution(Batch& batch, const Frame& frame, RunContext& context, Session& session,
                     Order order)
    : batch_(batch),
      frame_(frame),
      context_(context),
      session_(session),
      order_(order),
      limit_(batch.rows) {
  if (frame.cache != nullptr) writes_ = &session.writes(*frame.cache);
  steps_.reserve(batch.selection.steps.size());
  for (const int index : batch.selection.steps) {
    StepState& state = steps_.emplace_back();
    state.step = &batch.graph.steps()[static_cast<std::size_t>(index)];
    const Node::Definition& definition = state.node().definition();
    if (writes_ == nullptr || !definition.cached) continue;
    if (definition.has_identity) {
      state.keys_of.emplace(state.node());
      if (definition.nested == nullptr || add_bound(*definition.nested, *state.keys_of)) continue;
      state.keys_of.reset();
      context.warn("node '" + state.node().name() +
                   "' runs uncached: a bound input has a type that cannot be digested");
    } else {
      context.warn("node '" + state.node().name() +
                   "' runs uncached: its code has no identity that survives the process; give it "
                   "one with version");
    }
  }
}

bool Execution::add_bound(const NestedPipeline& nested, KeyMaker& key) {
  for (const NestedPipeline::Bound& bound : nested.bound) {
    const Digest digest = digest_of(bound.value, scratch_);
    if (!Lane::known(digest)) return false;
    key.add_fixed(digest);
  }
  for (const int index : nested.selection.steps) {
    const Graph::Step& step = nested.graph->steps()[static_cast<std::size_t>(index)];
    const auto& inner = step.node.definition().nested;
    if (inner != nullptr && !add_bound(*inner, key)) return false;
  }
  return true;
}

std::optional<Failure> Execution::run() {
  start_lanes();
  std::optional<Failure> failure = order_ == Order::kRows ? run_rows() : run_nodes();
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
    context_.count(state.node(), state.ran, state.cached, state.nanoseconds);
    state.ran = state.cached = state.nanoseconds = 0;
  }
}

// ---------------------------------------------------------------------------------------- look-ups

bool Execution::make_key(StepState& state, std::int64_t row) {
  const std::vector<NodeInput>& inputs = state.node().inputs();
  std::array<const Digest*, 16> few;
  std::vector<const Digest*> many;
  const Digest** digests = few.data();
  if (inputs.size() > few.size()) {
    many.resize(inputs.size());
    digests = many.data();
  }
  std::array<Digest, 4> fallbacks;
  std::vector<Digest> more_fallbacks;
  std::size_t fallback_count = 0;
  more_fallbacks.reserve(inputs.size());  // pointers into it must stay
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Lane& input = lane(state.step->inputs[i]);
    if (input.is_set()) {
      digests[i] = &input.digest(row);
    } else if (inputs[i].fallback) {
      Digest& digest = fallback_count < fallbacks.size() ? fallbacks[fallback_count++]
                                                         : more_fallbacks.emplace_back();
      digest = digest_of(*inputs[i].fallback, scratch_);
      digests[i] = &digest;
    } else {
      // An inner pipeline's own default: its key covers it.
      Digest& digest = fallback_count < fallbacks.size() ? fallbacks[fallback_count++]
                                                         : more_fallbacks.emplace_back();
      digest.bytes[0] = 0x7E;  // no value has this digest
      digests[i] = &digest;
      continue;
    }
    if (!Lane::known(*digests[i])) {
      state.keys[at(row)] = Lane::kUnknown;
      return false;
    }
  }
  state.keys[at(row)] = state.keys_of->key({digests, inputs.size()});
  return true;
}

void Execution::look_up(StepState& state, const Rows& rows) {
  if (!state.keys_of || rows.empty()) return;
  if (state.keys.empty()) {
    state.keys.assign(at(batch_.rows), Lane::kUnknown);
    state.looked_up.assign(at(batch_.rows), false);
  }
  detail::RecycledVector<std::int64_t> wanted;
  detail::RecycledVector<Digest> keys;
  wanted.reserve(rows.size());
  keys.reserve(rows.size());
  std::vector<EncodedOutput> outputs;
  for (const std::int64_t row : rows) {
    if (!make_key(state, row)) continue;
    state.looked_up[at(row)] = true;
    const Digest& key = state.keys[at(row)];
    if (const auto waiting = writes_->find(key)) {
      if (parse_outputs(key, *waiting, state.outputs(), outputs)) {
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          take_hit(state, i, row, outputs[i]);
        }
        ++state.cached;
        continue;
      }
    }
    wanted.push_back(row);
    keys.push_back(key);
  }
  if (keys.empty()) return;

  const detail::Suspended others_may_run;
  frame_.cache->get_many(keys, [&](std::size_t index, std::string_view record) {
    if (!parse_outputs(keys[index], record, state.outputs(), outputs)) {
      context_.count_damaged();
      return;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) take_hit(state, i, wanted[index], outputs[i]);
    ++state.cached;
  });
}

void Execution::take_hit(StepState& state, std::size_t output, std::int64_t row,
                         const EncodedOutput& found) {
  // The store's bytes live during the visit only.
  const bool held = Lane::holds(found.digest, found.payload);
  output_lane(state, output)
      .set_hit(row, held ? std::string_view() : batch_.payloads.keep(found.payload), found.digest);
}

bool Execution::take_computed(StepState& state, std::int64_t row) {
  if (!state.keys_of || !Lane::known(state.keys[at(row)])) return false;
  const std::int64_t source = state.computed.find(state.keys[at(row)]);
  if (source < 0 || output_lane(state, 0).state(source) == Lane::State::kEmpty) return false;
  for (std::size_t i = 0; i < state.outputs(); ++i) output_lane(state, i).copy_row(source, row);
  ++state.cached;
  return true;
}

// ------------------------------------------------------------------------------------- row by row

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
    if (tells()) tell_item_end(row, static_cast<double>(nanoseconds_since(start)) * 1e-9);
  }
  return std::nullopt;
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
  if (failure) limit_ = std::min(limit_, row);
  return failure;
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
    const bool good = encode_output(
        [&](bool canonical, std::string& out, bool* unordered) {
          return codec::encode(outputs[i], canonical, out, unordered);
        },
        payloads.empty() ? scratch_ : payloads[i], canonical_, &encoded_[i]);
    output_lane(state, i).set_value(row, std::move(outputs[i]));
    output_lane(state, i).set_digest(row, good ? encoded_[i].digest : Lane::kUnknown);
    encodable &= good;
  }
  if (encodable) {
    store(state, row, encoded_, nanoseconds);
  } else if (state.keys_of) {
    context_.warn("node '" + state.node().name() +
                  "' is not cached: its result has a type that the cache cannot store");
  }
}

void Execution::store(StepState& state, std::int64_t row, std::span<EncodedOutput> outputs,
                      std::int64_t nanoseconds) {
  if (!state.keys_of) return;
  if (!Lane::known(state.keys[at(row)])) {
    context_.warn("node '" + state.node().name() +
                  "' runs uncached: an input has a type that cannot be digested");
    return;
  }
  const Digest& key = state.keys[at(row)];
  writes_->add(key, [&](std::string& out) {
    append_outputs(key, static_cast<std::uint64_t>(nanoseconds), outputs, out);
  });
  if (order_ == Order::kRows) state.computed.insert(key, row);
}

// ------------------------------------------------------------------------------------ node by node

std::optional<Failure> Execution::run_nodes() {
  for (std::int64_t row = 0; row < batch_.rows; ++row) {
    if (!tells() || !frame_.item_events) break;
    tell_item_start(row);
  }
  const auto start = Clock::now();
  std::optional<Failure> failure;
  for (StepState& state : steps_) {
    const bool plain = !state.keys_of;
    Rows rows;
    if (!plain || state.node().definition().nested != nullptr) {
      rows.resize(at(limit_));
      std::iota(rows.begin(), rows.end(), std::int64_t{0});
    }
    Rows again;  // rows with the key of an earlier one
    if (!plain) {
      look_up(state, rows);
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
    std::optional<Failure> failed;
    const bool any = plain ? limit_ > 0 : !rows.empty();
    if (any) failed = run_many(state, rows, plain);
    if (failed) failure = std::move(failed);
    Rows alone;  // their twin's result could not be kept
    for (const std::int64_t row : again) {
      if (row < limit_ && !take_computed(state, row)) alone.push_back(row);
    }
    if (!alone.empty()) {
      failed = run_many(state, alone, false);
      if (failed) failure = std::move(failed);
      rows.insert(rows.end(), alone.begin(), alone.end());
    }
    state.computed.clear();
    if (tells() && !plain) {
      std::vector<bool> ran(at(batch_.rows), false);
      for (const std::int64_t row : rows) ran[at(row)] = true;
      for (std::int64_t row = 0; row < limit_; ++row) {
        if (!ran[at(row)]) tell_cached(state, row);
      }
    }
    if (writes_ != nullptr) writes_->commit_if_due();
  }
  if (!failure && tells() && frame_.item_events) {
    const double seconds = static_cast<double>(nanoseconds_since(start)) * 1e-9;
    for (std::int64_t row = 0; row < batch_.rows; ++row) tell_item_end(row, seconds);
  }
  return failure;
}

std::vector<Column> Execution::arguments(StepState& state, const Rows* rows, std::int64_t count,
                                         std::optional<Failure>* failure) {
  std::vector<Column> columns;
  columns.reserve(state.step->inputs.size());
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    const NodeInput& input = state.node().inputs()[i];
    Lane& source = lane(state.step->inputs[i]);
    if (!source.is_set()) {
      columns.push_back(Column::repeat(*input.fallback, input.type, count));
      continue;
    }
    while (true) {
      std::int64_t bad_row = -1;
      std::optional<Column> column = source.gather(rows, count, input.type, &bad_row);
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

std::optional<Failure> Execution::run_many(StepState& state, const Rows& rows, bool all_rows) {
  const Node::Definition& definition = state.node().definition();
  const std::int64_t limit = limit_;
  const auto count = all_rows ? limit : static_cast<std::int64_t>(rows.size());
  std::optional<Failure> failure;
  BatchResult result;
  const auto row_at = [&](std::int64_t i) { return all_rows && rows.empty() ? i : rows[at(i)]; };
  std::int64_t elapsed = 0;
  std::vector<Column> columns;
  if (definition.nested != nullptr) {
    const auto start = Clock::now();
    result = run_nested(state, rows, &failure);
    elapsed = nanoseconds_since(start);
    if (result.outputs.empty()) {  // it failed before any row was done
      for (const NodeOutput& output : definition.outputs) {
        result.outputs.push_back(Column::of(output.type, {}));
      }
    }
  } else {
    try {
      columns = arguments(state, all_rows ? nullptr : &rows, count, &failure);
      if (!failure) {
        const auto start = Clock::now();
        std::optional<detail::Suspended> native;
        if (!definition.foreign) native.emplace();
        result = definition.body->run_batch(columns, count, definition.outputs);
        native.reset();
        elapsed = nanoseconds_since(start);
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
  state.ran += result.done;
  state.nanoseconds += elapsed;
  if (writes_ == nullptr && all_rows) {
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
    return fail(state, row, result.error);
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
      const bool good = encode_output(
          [&](bool canonical, std::string& out, bool* unordered) {
            return codec::encode(result.outputs[j], i, canonical, out, unordered);
          },
          payloads.empty() ? scratch_ : payloads[j], canonical_, &encoded_[j]);
      output_lane(state, j).set_digest(row, good ? encoded_[j].digest : Lane::kUnknown);
      encodable &= good;
    }
    if (encodable) {
      store(state, row, encoded_, per_row);
    } else if (state.keys_of) {
      context_.warn("node '" + state.node().name() +
                    "' is not cached: its result has a type that the cache cannot store");
    }
  }
}

Column Execution::read(int slot, const Type& type, std::int64_t rows,
                       std::optional<Failure>* failure) {
  while (true) {
    std::int64_t bad_row = -1;
    std::optional<Column> column = lane(slot).gather(nullptr, rows, type, &bad_row);
    if (column) return *std::move(column);
    *failure = compute_again(slot, bad_row);
    finish_counts();
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

// ----------------------------------------------------------------------------------------- failure

Failure Execution::fail(const StepState& state, std::int64_t row, std::exception_ptr error) {
  const Node& node = state.node();
  Failure failure = make_failure(node, event_row(row), error);
  tell_error(state, row, failure.error);
  return failure;
}

}  // namespace hypernodes
