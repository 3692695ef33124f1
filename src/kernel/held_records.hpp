// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/key_table.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/value.hpp"
#include "kernel/context.hpp"
#include "kernel/write_behind.hpp"

namespace hypernodes {

/// What a warning says of a node whose results came from an input that changed meanwhile.
std::string changed_in_place(const std::string& input);

/// Records whose keys assume that a constant, too large to be digested for each row, is still what
/// it was. They go to the cache once a new digest of it has said so, and nowhere if it has not.
/// Look-ups see them at once. Threads: one.
class HeldRecords {
 public:
  explicit HeldRecords(WriteBehind& writes) : writes_(writes) {}

  /// The records from now on depend on this input of a node having `digest`.
  void assume(const Value& value, const Digest& digest, const std::string& node,
              const std::string& input);
  void add(const Digest& key, std::string record);
  std::optional<std::string_view> find(const Digest& key) const;
  /// Whether a constant was found changed.
  bool has_changed(const Value& value) const;
  /// Releases what is old enough, measured by what that takes; call between rows.
  void release_if_due(RunContext& context);
  /// Digests the constants, and hands the records on or drops all of them with a warning.
  void release(RunContext& context);

 private:
  struct Assumption {
    Value value;
    Digest digest;
    std::string node, input;
  };
  struct Record {
    Digest key;
    std::string bytes;
  };
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kRecords = 100'000;
  static constexpr std::size_t kBytes = 32U << 20U;
  static constexpr std::chrono::milliseconds kAge{500};
  static constexpr int kShare = 20;  ///< Checks take at most a part of this many of the time.

  WriteBehind& writes_;
  std::vector<Assumption> assumptions_;
  std::deque<Record> records_;
  KeyTable index_;
  std::size_t bytes_ = 0;
  Clock::time_point oldest_;
  Clock::duration check_{};  ///< What the last one took.
  std::vector<Value> changed_;
};

}  // namespace hypernodes
