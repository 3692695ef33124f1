// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/in_flight.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/detail/recycled.hpp"
#include "hypernodes/digest.hpp"
#include "kernel/arena.hpp"

namespace hypernodes {

/// Records on their way to a cache: gathered, and committed when they are many, large or old, so
/// that a killed process loses little. Look-ups see them at once, those of other threads, too, by
/// the cache's table of what is in flight. Threads: one.
class WriteBehind {
 public:
  explicit WriteBehind(Cache& cache) : cache_(cache), in_flight_(cache.in_flight()) {}
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  Cache& cache() { return cache_; }
  detail::InFlight& in_flight() { return in_flight_; }
  /// `append` writes the record to the end of the string it is given.
  template <typename Append>
  void add(const Digest& key, Append&& append) {
    scratch_.clear();
    append(scratch_);
    added(key);
  }
  /// Copies the record of `key` if it waits here, or in another thread. False if it does not.
  bool find(const Digest& key, std::string& record) { return in_flight_.find(key, record); }
  /// Changes when other threads have committed what was found nowhere before.
  std::uint64_t commits_of_others() { return in_flight_.forgotten() - commits_; }
  /// Commits what is old enough; call between rows.
  void commit_if_due();
  void commit() { commit_with({}); }
  /// Commits the records of others, of the same cache, together with its own: one commit of many
  /// costs less than several of few.
  void commit_with(std::span<const std::unique_ptr<WriteBehind>> others);
  /// Why the cache could not do its work at a commit; empty if it could at all of them.
  const std::string& warning() const { return warning_; }

 private:
  void added(const Digest& key);
  void clear();

  // Keys are scattered over a node's pages, so that a commit to a large store writes most of them
  // again: the more records share one, the better. The records of a batch, at most: what waits here
  // is bounded to about 300 MB.
  static constexpr std::size_t kRecords = std::size_t{1} << 20U;
  static constexpr std::size_t kBytes = 96U << 20U;
  // What a killed process loses: half a second of work, or while commits take long, eight times as
  // much as the last one took.
  static constexpr std::chrono::milliseconds kAge{500};
  static constexpr int kShare = 8;

  Cache& cache_;
  detail::InFlight& in_flight_;
  std::string scratch_;
  Arena bytes_;  ///< Not one string: other threads read records while it grows.
  std::size_t size_ = 0;
  detail::RecycledVector<Digest> keys_;
  detail::RecycledVector<std::string_view> records_;
  std::uint64_t commits_ = 0;
  std::chrono::steady_clock::time_point oldest_;
  std::chrono::steady_clock::duration age_ = kAge;  ///< How old the oldest record may get.
  std::string warning_;
};

}  // namespace hypernodes
