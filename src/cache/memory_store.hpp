// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "cache/dropped_keys.hpp"
#include "cache/memory_table.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// The records of a MemoryCache, which is a handle on it.
///
/// One lock guards all, held for a few hundred keys at a time, and never while a visitor runs. A
/// forked child has a copy: forks wait for the lock.
/// Threads: every function may be called from several threads at once.
class MemoryStore {
 public:
  /// Time since some moment; never goes back.
  using Clock = std::function<std::chrono::nanoseconds()>;

  MemoryStore(std::uint64_t max_bytes, std::chrono::seconds max_age, Clock clock = since_boot);
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  void get_many(std::span<const Digest> keys, const Cache::Visitor& visit);
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records);
  void clear();
  void clear_nodes(std::span<const NodePrefix> nodes);
  void gc();
  /// `secret` is the one of the cache's pickles; empty if it has none.
  CacheVerification verify(std::string_view secret);
  CacheStatistics statistics();
  Absence absence(const Digest& key);
  std::string note(std::string_view name);
  void put_note(std::string_view name, std::string_view text);
  std::string warning();

 private:
  struct Registry;
  static Registry& registry();
  /// Goes on while the machine sleeps.
  static std::chrono::nanoseconds since_boot();

  /// Now, if it matters.
  std::int64_t now() const { return max_age_ns_ == 0 ? 0 : clock_().count(); }
  bool expired(const MemoryEntry& entry, std::int64_t now) const {
    return max_age_ns_ != 0 && now - entry.stored_ns > max_age_ns_;
  }
  EntryRef look_up(const Digest& key, std::int64_t now);
  void put(EntryRef entry);
  void drop(MemoryEntry& entry, Absence why);
  void drop_expired(std::int64_t now);

  const std::uint64_t max_bytes_;
  const std::int64_t max_age_ns_;
  const Clock clock_;

  std::mutex mutex_;  ///< Guards all below.
  MemoryTable table_;
  DroppedKeys dropped_;
  CacheStatistics counts_;  ///< Without `records`, `bytes` and `max_bytes`.
  std::map<std::string, std::string, std::less<>> notes_;
  std::string warning_;
};

}  // namespace hypernodes
