// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/memory_entry.hpp"

namespace hypernodes {

/// Entries by key, in the order of their last use, and in the order in which they were stored. It
/// owns them. Chained: an entry stays where it is when the table grows. Threads: one at a time.
class MemoryTable {
 public:
  /// What an entry with a record of `size` bytes takes, with what finds it: header, record, a place
  /// in the index, and what an allocator adds.
  static std::uint64_t bytes_of(std::size_t size) {
    constexpr std::uint64_t kIndex = 16;
    constexpr std::uint64_t kAllocator = 16;
    return (sizeof(MemoryEntry) + size + kAllocator - 1) / kAllocator * kAllocator + kAllocator +
           kIndex;
  }

  MemoryTable() = default;
  ~MemoryTable() { clear(); }
  MemoryTable(const MemoryTable&) = delete;
  MemoryTable& operator=(const MemoryTable&) = delete;

  std::uint64_t size() const { return size_; }
  /// The sum of bytes_of() over all entries.
  std::uint64_t bytes() const { return bytes_; }

  /// Start to fetch what find() will read, one after the other: of many keys at a time, most of
  /// what a look-up waits for.
  void prefetch_bucket(const Digest& key) const {
    if (size_ != 0) __builtin_prefetch(&buckets_[bucket(key)]);
  }
  void prefetch_entry(const Digest& key) const {
    if (size_ != 0) __builtin_prefetch(buckets_[bucket(key)]);
  }
  MemoryEntry* find(const Digest& key) const;
  /// REQUIRES: none with its key is there.
  void insert(EntryRef entry);
  /// REQUIRES: it is there.
  EntryRef remove(MemoryEntry& entry);
  void touch(MemoryEntry& entry) { by_use_.move_to_back(entry); }
  void clear();

  /// Null if there is none.
  MemoryEntry* least_recently_used() const { return by_use_.front(); }
  MemoryEntry* oldest() const { return by_age_.front(); }
  /// The one that was stored after `entry`.
  static MemoryEntry* next_oldest(const MemoryEntry& entry) {
    return decltype(by_age_)::after(entry);
  }

 private:
  std::size_t bucket(const Digest& key) const { return DigestHash()(key) & (buckets_.size() - 1); }
  void grow();

  std::vector<MemoryEntry*> buckets_;  ///< A power of two, at least as many as entries.
  EntryList<&MemoryEntry::by_use> by_use_;
  EntryList<&MemoryEntry::by_age> by_age_;
  std::uint64_t size_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace hypernodes
