// SPDX-License-Identifier: MIT
#include "cache/memory_store.hpp"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "cache/record.hpp"

namespace hypernodes {
namespace {

/// Keys for which the lock is held at a time: others wait for some 50 us at most.
constexpr std::size_t kAtOnce = 256;

}  // namespace

/// All stores of the process, so that a fork can wait for their locks: a child must not inherit one
/// in the hands of a thread that it does not have. Never destroyed: caches in static storage
/// outlive any order of exit.
struct MemoryStore::Registry {
  std::mutex mutex;
  std::set<MemoryStore*> stores;

  void lock() {
    mutex.lock();
    for (MemoryStore* const store : stores) store->mutex_.lock();
  }
  void unlock() {
    for (MemoryStore* const store : stores) store->mutex_.unlock();
    mutex.unlock();
  }
};

MemoryStore::Registry& MemoryStore::registry() {
  static Registry* const instance = [] {
    static auto* made = new Registry;
    ::pthread_atfork([] { made->lock(); }, [] { made->unlock(); }, [] { made->unlock(); });
    return made;
  }();
  return *instance;
}

std::chrono::nanoseconds MemoryStore::since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

MemoryStore::MemoryStore(std::uint64_t max_bytes, std::chrono::seconds max_age, Clock clock)
    : max_bytes_(max_bytes),
      max_age_ns_(std::chrono::nanoseconds(max_age).count()),
      clock_(std::move(clock)) {
  const std::scoped_lock lock(registry().mutex);
  registry().stores.insert(this);
}

MemoryStore::~MemoryStore() {
  const std::scoped_lock lock(registry().mutex);
  registry().stores.erase(this);
}

void MemoryStore::get_many(std::span<const Digest> keys, const Cache::Visitor& visit) {
  std::vector<EntryRef> found;
  found.reserve(std::min(kAtOnce, keys.size()));
  for (std::size_t first = 0; first < keys.size(); first += kAtOnce) {
    const std::int64_t time = now();
    const std::span some = keys.subspan(first, std::min(kAtOnce, keys.size() - first));
    {
      const std::scoped_lock lock(mutex_);
      for (const Digest& key : some) table_.prefetch_bucket(key);
      for (const Digest& key : some) table_.prefetch_entry(key);
      for (const Digest& key : some) found.push_back(look_up(key, time));
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (found[i]) visit(first + i, found[i]->record());
    }
    found.clear();
  }
}

EntryRef MemoryStore::look_up(const Digest& key, std::int64_t now) {
  MemoryEntry* entry = table_.find(key);
  if (entry != nullptr && expired(*entry, now)) {
    drop(*entry, Absence::kExpired);
    entry = nullptr;
  }
  if (entry == nullptr) {
    ++counts_.misses;
    return {};
  }
  ++counts_.hits;
  if (max_bytes_ != 0) table_.touch(*entry);  // else nobody asks for the order
  return EntryRef::share(*entry);
}

void MemoryStore::put_many(std::span<const Digest> keys,
                           std::span<const std::string_view> records) {
  try {
    std::vector<EntryRef> entries;
    entries.reserve(std::min(kAtOnce, keys.size()));
    for (std::size_t first = 0; first < keys.size(); first += kAtOnce) {
      const std::int64_t time = now();
      const std::size_t count = std::min(kAtOnce, keys.size() - first);
      for (std::size_t i = first; i < first + count; ++i) {
        entries.push_back(EntryRef::make(keys[i], records[i], time));
      }
      const std::scoped_lock lock(mutex_);
      drop_expired(time);
      for (EntryRef& entry : entries) put(std::move(entry));
      entries.clear();
      warning_.clear();
    }
  } catch (const std::bad_alloc&) {
    const std::scoped_lock lock(mutex_);
    warning_ = "MemoryCache: results could not be stored: no memory; give it a smaller max_bytes";
  }
}

void MemoryStore::put(EntryRef entry) {
  ++counts_.stores;
  if (MemoryEntry* const before = table_.find(entry->key)) table_.remove(*before);
  const std::uint64_t bytes = MemoryTable::bytes_of(entry->size);
  if (max_bytes_ != 0 && bytes > max_bytes_) {  // not for this should all others go
    dropped_.add(entry->key, Absence::kEvicted);
    ++counts_.evicted;
    return;
  }
  while (max_bytes_ != 0 && table_.bytes() + bytes > max_bytes_) {
    drop(*table_.least_recently_used(), Absence::kEvicted);
  }
  table_.insert(std::move(entry));
}

void MemoryStore::drop(MemoryEntry& entry, Absence why) {
  dropped_.add(entry.key, why);
  ++(why == Absence::kExpired ? counts_.expired : counts_.evicted);
  table_.remove(entry);
}

void MemoryStore::drop_expired(std::int64_t now) {
  while (table_.oldest() != nullptr && expired(*table_.oldest(), now)) {
    drop(*table_.oldest(), Absence::kExpired);
  }
}

void MemoryStore::clear() {
  const std::scoped_lock lock(mutex_);
  table_.clear();
  dropped_.clear();
  notes_.clear();
}

void MemoryStore::clear_nodes(std::span<const NodePrefix> nodes) {
  const std::set<NodePrefix> wanted(nodes.begin(), nodes.end());
  const std::scoped_lock lock(mutex_);
  MemoryEntry* entry = table_.oldest();
  while (entry != nullptr) {
    MemoryEntry* const next = MemoryTable::next_oldest(*entry);
    NodePrefix node;
    std::copy_n(entry->key.bytes.begin(), node.size(), node.begin());
    if (wanted.contains(node)) table_.remove(*entry);
    entry = next;
  }
  dropped_.forget(nodes);
}

void MemoryStore::gc() {
  const std::scoped_lock lock(mutex_);
  drop_expired(now());
}

CacheVerification MemoryStore::verify(std::string_view secret) {
  std::vector<EntryRef> entries;
  {
    const std::scoped_lock lock(mutex_);
    entries.reserve(table_.size());
    for (MemoryEntry* entry = table_.oldest(); entry != nullptr;
         entry = MemoryTable::next_oldest(*entry)) {
      entries.push_back(EntryRef::share(*entry));
    }
  }
  CacheVerification result;
  result.records = entries.size();
  for (const EntryRef& entry : entries) {
    if (parse_record(entry->key, entry->record(), secret)) continue;
    if (claims_pickle(entry->record()) && is_intact(entry->key, entry->record())) {
      ++result.foreign;
      continue;
    }
    ++result.damaged;
    const std::scoped_lock lock(mutex_);
    if (table_.find(entry->key) == entry.get()) table_.remove(*entry);
  }
  return result;
}

CacheStatistics MemoryStore::statistics() {
  const std::scoped_lock lock(mutex_);
  CacheStatistics statistics = counts_;
  statistics.records = table_.size();
  statistics.bytes = table_.bytes();
  statistics.max_bytes = max_bytes_;
  return statistics;
}

Absence MemoryStore::absence(const Digest& key) {
  const std::scoped_lock lock(mutex_);
  const MemoryEntry* const entry = table_.find(key);
  if (entry != nullptr && expired(*entry, now())) return Absence::kExpired;
  return dropped_.find(key);
}

std::string MemoryStore::note(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const auto found = notes_.find(name);
  return found == notes_.end() ? std::string() : found->second;
}

void MemoryStore::put_note(std::string_view name, std::string_view text) {
  const std::scoped_lock lock(mutex_);
  notes_.insert_or_assign(std::string(name), std::string(text));
}

std::string MemoryStore::warning() {
  const std::scoped_lock lock(mutex_);
  return warning_;
}

}  // namespace hypernodes
