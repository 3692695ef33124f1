// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"
#include "kernel/key_table.hpp"

namespace hypernodes {

/// Records on their way to a cache: gathered, and committed when they are many, large or old, so
/// that a killed process loses little. Look-ups see them at once. Threads: one.
class WriteBehind {
 public:
  explicit WriteBehind(Cache& cache) : cache_(cache) {}
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  Cache& cache() { return cache_; }
  /// `append` writes the record to the end of the string it is given.
  template <typename Append>
  void add(const Digest& key, Append&& append) {
    append(bytes_);
    added(key);
  }
  /// The record of `key` if it waits here. Valid until the next add or commit.
  std::optional<std::string_view> find(const Digest& key) const;
  /// Commits what is old enough; call between rows.
  void commit_if_due();
  void commit();
  /// Why the cache could not do its work at a commit; empty if it could at all of them.
  const std::string& warning() const { return warning_; }

 private:
  void added(const Digest& key);

  static constexpr std::size_t kRecords = 100'000;
  static constexpr std::size_t kBytes = 32U << 20U;
  static constexpr std::chrono::milliseconds kAge{500};

  Cache& cache_;
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<Digest> keys_;
  KeyTable index_;
  std::chrono::steady_clock::time_point oldest_;
  std::string warning_;
};

}  // namespace hypernodes
