// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "hypernodes/digest.hpp"

namespace hypernodes {

struct MemoryEntry;

/// Neighbours in an EntryList.
struct EntryLinks {
  MemoryEntry* before = nullptr;
  MemoryEntry* after = nullptr;
};

/// A record in memory: this header and, right behind it, its bytes, in one allocation. Key, time
/// and bytes never change; the links belong to the table that the entry is in.
struct MemoryEntry {
  const Digest key;
  const std::int64_t stored_ns;
  const std::size_t size;
  std::atomic<std::uint32_t> owners{1};
  MemoryEntry* next_in_bucket = nullptr;
  EntryLinks by_use{};
  EntryLinks by_age{};

  std::string_view record() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};

/// Shared ownership of an entry: who visits its record holds one, and the entry may meanwhile leave
/// the table. Threads: as a std::shared_ptr.
class EntryRef {
 public:
  EntryRef() = default;
  /// A new entry. Throws: std::bad_alloc.
  static EntryRef make(const Digest& key, std::string_view record, std::int64_t stored_ns);
  /// One more owner of `entry`. REQUIRES: somebody owns it until this returns.
  static EntryRef share(MemoryEntry& entry) {
    entry.owners.fetch_add(1, std::memory_order_relaxed);
    return EntryRef(&entry);
  }
  /// Takes over what release() gave away.
  static EntryRef adopt(MemoryEntry* entry) { return EntryRef(entry); }

  EntryRef(EntryRef&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  EntryRef& operator=(EntryRef&& other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~EntryRef() {
    // acq_rel: the last owner frees after all that the others did.
    if (entry_ != nullptr && entry_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) free();
  }

  explicit operator bool() const { return entry_ != nullptr; }
  MemoryEntry* get() const { return entry_; }
  MemoryEntry& operator*() const { return *entry_; }
  MemoryEntry* operator->() const { return entry_; }
  MemoryEntry* release() { return std::exchange(entry_, nullptr); }

 private:
  explicit EntryRef(MemoryEntry* entry) : entry_(entry) {}
  void free();

  MemoryEntry* entry_ = nullptr;
};

/// Entries in a row, linked through their member `kLinks`. Every operation takes constant time.
template <EntryLinks MemoryEntry::* kLinks>
class EntryList {
 public:
  MemoryEntry* front() const { return front_; }
  static MemoryEntry* after(const MemoryEntry& entry) { return (entry.*kLinks).after; }

  void push_back(MemoryEntry& entry) {
    entry.*kLinks = {back_, nullptr};
    (back_ == nullptr ? front_ : (back_->*kLinks).after) = &entry;
    back_ = &entry;
  }
  void remove(MemoryEntry& entry) {
    const auto [before, after] = entry.*kLinks;
    (before == nullptr ? front_ : (before->*kLinks).after) = after;
    (after == nullptr ? back_ : (after->*kLinks).before) = before;
  }
  void move_to_back(MemoryEntry& entry) {
    if (back_ == &entry) return;
    remove(entry);
    push_back(entry);
  }

 private:
  MemoryEntry* front_ = nullptr;
  MemoryEntry* back_ = nullptr;
};

}  // namespace hypernodes
