// SPDX-License-Identifier: MIT
#include "kernel/execution.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <utility>

#include "cache/pickle_key.hpp"
#include "cache/record.hpp"
#include "values/codec.hpp"
#include "values/object_runtime.hpp"

// How a batch makes keys, finds what the cache has, and stores what it computed.
namespace hypernodes {

namespace {

/// Stands for a default inside a nested pipeline; no value has this digest.
const Digest kDefault = [] {
  Digest digest;
  digest.bytes[0] = 0x7E;
  return digest;
}();

/// So many look-ups of one row each are worth a pass over all keys of the node, unless it has that
/// many times more.
constexpr std::size_t kWorthFilter = 1024;
constexpr std::size_t kMostFiltered = 4;

/// How many rows are looked for again.
constexpr std::int64_t kAgain = std::int64_t{1} << 14;

/// Holds each small record back until some more have come: the store visits rows in any order, and
/// meanwhile the memory of its row is fetched. Without it, each row of a million waits for it.
class Delay {
 public:
  static bool fits(std::string_view record) { return record.size() <= kMostBytes; }

  struct Record {
    std::size_t index;
    std::size_t size;
    std::array<char, 112> bytes;
    std::string_view text() const { return {bytes.data(), size}; }
  };

  /// Null, or the record that is due: it lives until the next call. REQUIRES: fits(record).
  const Record* push(std::size_t index, std::string_view record) {
    const Record* const due = count_ == kRecords ? pop() : nullptr;
    Record& place = records_[(first_ + count_++) % records_.size()];
    place.index = index;
    place.size = record.size();
    std::memcpy(place.bytes.data(), record.data(), record.size());
    return due;
  }

  /// The oldest, or null.
  const Record* pop() {
    if (count_ == 0) return nullptr;
    --count_;
    return &records_[first_++ % records_.size()];
  }

 private:
  static constexpr std::size_t kMostBytes = std::tuple_size_v<decltype(Record::bytes)>;
  static constexpr std::size_t kRecords = 8;

  std::array<Record, 2 * kRecords> records_;  // the one that is due stays where it is
  std::size_t first_ = 0, count_ = 0;
};

}  // namespace

Lane& Execution::input_lane(StepState& state, std::size_t input) {
  Lane& supplied = lane(state.step->inputs[input]);
  const NodeInput& declared = state.node().inputs()[input];
  if (supplied.is_set() || !declared.fallback) return supplied;
  if (state.fallbacks.size() <= input) state.fallbacks.resize(input + 1);
  Lane& fallback = state.fallbacks[input].lane;
  if (!fallback.is_set()) fallback.set_constant(*declared.fallback);
  return fallback;
}

bool Execution::inputs_are_computed(StepState& state) {
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    if (input_lane(state, i).is_rows()) return true;
  }
  return false;
}

bool Execution::make_key(StepState& state, std::int64_t row) {
  const std::vector<NodeInput>& inputs = state.node().inputs();
  std::array<const Digest*, 16> few;
  std::vector<const Digest*> many;
  const Digest** digests = few.data();
  if (inputs.size() > few.size()) {
    many.resize(inputs.size());
    digests = many.data();
  }
  const std::uint64_t now = ChangeClock::now();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Lane& input = input_lane(state, i);
    if (!input.is_set()) {  // an inner pipeline's own default: its key covers it
      digests[i] = &kDefault;
      continue;
    }
    digests[i] = &input.digest(row, now);
    if (!Lane::known(*digests[i])) {
      if (!input.is_rows() || input.state(row) != Lane::State::kEmpty) {  // else not there yet
        context_.warn_uncached(state.node(), undigested("input", inputs[i].name, input.refusal()));
      }
      state.keys[at(row)] = Lane::kUnknown;
      return false;
    }
  }
  const bool fixed = std::none_of(state.bound.begin(), state.bound.end(),
                                  [&](const Fixed& bound) { return bound.lane.stale(0, now); });
  if (!fixed) fix_bound(state);
  state.keys[at(row)] = state.keys_of->key({digests, inputs.size()});
  return true;
}

std::vector<Digest> Execution::key_values(StepState& state, std::int64_t row) {
  std::vector<Digest> values;
  for (Fixed& bound : state.bound) values.push_back(bound.lane.last_digest(0));
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    const Lane& input = input_lane(state, i);
    values.push_back(input.is_set() ? input.last_digest(row) : kDefault);
  }
  return values;
}

std::vector<std::string> Execution::key_names(const StepState& state) {
  std::vector<std::string> names;
  for (const Fixed& bound : state.bound) names.push_back("bound " + bound.name);
  for (const NodeInput& input : state.node().inputs()) names.push_back(input.name);
  return names;
}

void Execution::look_up(StepState& state, const Rows& rows) {
  if (!state.keys_of || rows.empty()) return;
  if (state.keys.empty()) {
    state.keys.assign(at(batch_.rows), Lane::kUnknown);
    state.looked_up.assign(at(batch_.rows), false);
    state.commits = writes_->commits_of_others();
  }
  detail::RecycledVector<std::int64_t> wanted;
  wanted.reserve(rows.size());
  std::size_t without_key = 0;
  for (const std::int64_t row : rows) {
    state.looked_up[at(row)] = make_key(state, row);
    if (!state.looked_up[at(row)]) ++without_key;
  }
  std::vector<EncodedOutput> outputs;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) writes_->in_flight().fetch(state.keys[at(rows[i + kAhead])]);
    const std::int64_t row = rows[i];
    if (!state.looked_up[at(row)]) continue;
    const Digest& key = state.keys[at(row)];
    if (writes_->find(key, record_)) {
      if (take_record(state, row, key, record_, outputs)) continue;
    } else if (const auto held = held_->find(key)) {
      if (take_record(state, row, key, *held, outputs)) continue;
    }
    if (may_be_there(state, key)) wanted.push_back(row);
  }
  if (without_key >= kWorthFilter && order_ == Order::kRows && inputs_are_computed(state)) {
    const detail::Suspended others_may_run;
    const auto keys = frame_.cache->keys_of(state.keys_of->node(), kMostFiltered * without_key);
    if (keys) state.there.emplace(*keys);
  }
  if (wanted.empty()) return;

  if (wanted.size() == state.keys.size()) {
    look_in_store(state, {}, state.keys);
    return;
  }
  detail::RecycledVector<Digest> some;
  some.reserve(wanted.size());
  for (const std::int64_t row : wanted) some.push_back(state.keys[at(row)]);
  look_in_store(state, wanted, some);
}

std::uint64_t Execution::look_again(StepState& state, std::int64_t row) {
  const bool was_again = row >= state.again_begin && row < state.again_end;
  const std::uint64_t before = was_again ? state.commits_again : state.commits;
  const std::uint64_t now = writes_->commits_of_others();
  if (now == before) return now;
  // Many at a time: each look gives up the object runtime's lock, and may wait long to get it back.
  state.commits_again = now;
  state.again_begin = row;
  state.again_end = std::min(row + kAgain, batch_.rows);
  Rows rows;
  std::vector<Digest> keys;
  for (; row < state.again_end; ++row) {
    if (!state.looked_up[at(row)] || output_lane(state, 0).state(row) != Lane::State::kEmpty) {
      continue;
    }
    rows.push_back(row);
    keys.push_back(state.keys[at(row)]);
  }
  look_in_store(state, rows, keys);
  return now;
}

void Execution::look_in_store(StepState& state, std::span<const std::int64_t> rows,
                              std::span<const Digest> keys) {
  std::vector<EncodedOutput> outputs;
  const detail::Suspended others_may_run;
  const auto row_of = [&](std::size_t index) {
    return rows.empty() ? static_cast<std::int64_t>(index) : rows[index];
  };
  const auto take = [&](std::size_t index, std::string_view record) {
    if (!take_record(state, row_of(index), keys[index], record, outputs)) context_.count_damaged();
  };
  Delay delay;
  frame_.cache->get_many(keys, [&](std::size_t index, std::string_view record) {
    if (!Delay::fits(record)) return take(index, record);
    for (std::size_t i = 0; i < state.outputs(); ++i) output_lane(state, i).fetch(row_of(index));
    if (const Delay::Record* const due = delay.push(index, record)) take(due->index, due->text());
  });
  while (const Delay::Record* const due = delay.pop()) take(due->index, due->text());
  context_.check(*frame_.cache);
}

bool Execution::take_record(StepState& state, std::int64_t row, const Digest& key,
                            std::string_view record, std::vector<EncodedOutput>& outputs) {
  const bool plain = parse_outputs(key, record, state.outputs(), outputs);
  if (!plain) {
    if (!claims_pickle(record)) return false;
    detail::PickleKey* const pickle_key = frame_.cache->pickle_key();
    if (pickle_key == nullptr || detail::object_runtime() == nullptr) return false;
    record = batch_.payloads.keep(record);
    const std::string_view secret = pickle_key->for_reading();
    if (!parse_outputs(key, record, state.outputs(), outputs, secret)) return false;
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const EncodedOutput& found = outputs[i];
    std::string_view payload;
    if (!Lane::holds(found.digest, found.payload)) {
      // The store's bytes live during the visit only.
      payload = plain ? batch_.payloads.keep(found.payload) : found.payload;
      batch_.value_bytes += static_cast<std::int64_t>(payload.size());
    }
    output_lane(state, i).set_hit(row, payload, found.digest,
                                  found.pickled ? Lane::State::kPickled : Lane::State::kHit);
  }
  ++state.cached;
  return true;
}

bool Execution::keyed(const StepState& state, std::int64_t row) {
  return state.keys_of && Lane::known(state.keys[at(row)]);
}

bool Execution::pickle(StepState& state, std::int64_t row, const Value& value, std::string& payload,
                       EncodedOutput* out) {
  if (!keyed(state, row)) return false;  // only a result that is stored is worth a pickle
  detail::PickleKey* const key = frame_.cache->pickle_key();
  const detail::ObjectRuntime* const runtime = detail::object_runtime();
  if (key == nullptr || runtime == nullptr) {
    context_.warn_unstored(state.node(), "its result has a type that the cache cannot store");
    return false;
  }
  std::string why;
  if (secret_.empty()) secret_ = key->for_writing(&why);
  if (secret_.empty()) {
    context_.warn("results that must be pickled are not cached: " + why);
    return false;
  }
  payload.assign(1, kPickleMark);
  if (!runtime->pickle(value, payload, &why)) {
    context_.warn_unstored(state.node(), why);
    return false;
  }
  out->payload = payload;
  out->pickled = true;
  if (!Lane::known(out->digest)) out->digest = digest_of_pickle(state.keys[at(row)], payload);
  return true;
}

bool Execution::take_computed(StepState& state, std::int64_t row) {
  if (!state.keys_of || !Lane::known(state.keys[at(row)])) return false;
  const std::int64_t source = state.computed.find(state.keys[at(row)]);
  if (source < 0 || output_lane(state, 0).state(source) == Lane::State::kEmpty) return false;
  if (output_lane(state, 0).failed(source)) return false;
  for (std::size_t i = 0; i < state.outputs(); ++i) {
    if (!output_lane(state, i).may_change()) continue;
    // Each row has a value of its own: a node after this one may have changed that of `source`.
    look_up(state, {row});
    return output_lane(state, 0).state(row) != Lane::State::kEmpty;
  }
  for (std::size_t i = 0; i < state.outputs(); ++i) output_lane(state, i).copy_row(source, row);
  ++state.cached;
  return true;
}

void Execution::store(StepState& state, std::int64_t row, std::span<EncodedOutput> outputs,
                      std::int64_t nanoseconds) {
  if (!keyed(state, row) || trust_ == Trust::kDrop) return;
  if (doubts_rows_ && has_changed(state, row)) return;
  for (const EncodedOutput& output : outputs) {
    batch_.value_bytes += static_cast<std::int64_t>(output.payload.size());
  }
  const Digest& key = state.keys[at(row)];
  const auto append = [&](std::string& out) {
    append_outputs(key, static_cast<std::uint64_t>(nanoseconds), outputs, out, secret_);
  };
  if (trust_ == Trust::kHold) {
    std::string record;
    append(record);
    held_->add(key, std::move(record));
  } else {
    writes_->add(key, append);
    claims_->published(key);
  }
  if (state.in_turn) state.computed.insert(key, row);
}

}  // namespace hypernodes
