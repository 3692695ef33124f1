// SPDX-License-Identifier: MIT
#include "cache/memory_table.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace hypernodes {

EntryRef EntryRef::make(const Digest& key, std::string_view record, std::int64_t stored_ns) {
  void* const memory = ::operator new(sizeof(MemoryEntry) + record.size());
  auto* const entry = new (memory) MemoryEntry{key, stored_ns, record.size()};
  std::copy(record.begin(), record.end(), reinterpret_cast<char*>(entry + 1));
  return EntryRef(entry);
}

void EntryRef::free() {
  entry_->~MemoryEntry();
  ::operator delete(entry_);
}

MemoryEntry* MemoryTable::find(const Digest& key) const {
  if (buckets_.empty()) return nullptr;
  MemoryEntry* entry = buckets_[bucket(key)];
  while (entry != nullptr && entry->key != key) entry = entry->next_in_bucket;
  return entry;
}

void MemoryTable::insert(EntryRef entry) {
  if (size_ >= buckets_.size()) grow();
  MemoryEntry& added = *entry.release();
  added.next_in_bucket = std::exchange(buckets_[bucket(added.key)], &added);
  by_use_.push_back(added);
  by_age_.push_back(added);
  ++size_;
  bytes_ += bytes_of(added.size);
}

EntryRef MemoryTable::remove(MemoryEntry& entry) {
  MemoryEntry** place = &buckets_[bucket(entry.key)];
  while (*place != &entry) place = &(*place)->next_in_bucket;
  *place = entry.next_in_bucket;
  by_use_.remove(entry);
  by_age_.remove(entry);
  --size_;
  bytes_ -= bytes_of(entry.size);
  return EntryRef::adopt(&entry);
}

void MemoryTable::clear() {
  while (oldest() != nullptr) {
    MemoryEntry& entry = *oldest();
    by_age_.remove(entry);
    EntryRef::adopt(&entry);
  }
  buckets_ = {};
  by_use_ = {};
  size_ = bytes_ = 0;
}

void MemoryTable::grow() {
  constexpr std::size_t kLeast = 64;
  std::vector<MemoryEntry*> larger(std::max(kLeast, 2 * buckets_.size()));
  buckets_.swap(larger);
  for (MemoryEntry* entry = oldest(); entry != nullptr; entry = next_oldest(*entry)) {
    entry->next_in_bucket = std::exchange(buckets_[bucket(entry->key)], entry);
  }
}

}  // namespace hypernodes
