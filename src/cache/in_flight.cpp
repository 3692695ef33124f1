// SPDX-License-Identifier: MIT
#include "cache/in_flight.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "cache/forks.hpp"
#include "cache/key_table.hpp"
#include "hypernodes/detail/recycled.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes::detail {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a waiting thread does not look for signals.
constexpr std::chrono::milliseconds kSlice{50};
/// A shard that had more keys gives its memory back when it gets empty.
constexpr std::size_t kKeptKeys = 1024;

bool contains(std::span<const void* const> owners, const void* owner) {
  return std::find(owners.begin(), owners.end(), owner) != owners.end();
}

thread_local int engagements = 0;
thread_local int pools = 0;

}  // namespace

Engaged::Engaged() { ++engagements; }
Engaged::~Engaged() { --engagements; }
bool Engaged::now() { return engagements > 0; }

Pooled::Pooled() { ++pools; }
Pooled::~Pooled() { --pools; }

/// Some of the keys: threads that work on different ones seldom meet.
struct alignas(64) InFlight::Shard {
  struct Entry {
    const void* owner = nullptr;  ///< Claims while it runs, then who published it.
    std::string_view record;
    bool running = false;
    bool pooled = false;
  };

  /// The entry of `key`, or null. REQUIRES: the mutex.
  Entry* find(const Digest& key) {
    const std::int64_t place = places.find(key);
    return place < 0 ? nullptr : &entries[static_cast<std::size_t>(place)];
  }
  /// The entry of `key`, and whether it is new. REQUIRES: the mutex.
  std::pair<Entry*, bool> insert(const Digest& key) {
    const bool grows = unused.empty();
    const auto place = grows ? static_cast<std::int64_t>(entries.size()) : unused.back();
    const auto [found, fresh] = places.insert(key, place);
    if (fresh && grows) entries.emplace_back();
    if (fresh && !grows) unused.pop_back();
    if (fresh) size.store(size.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return {&entries[static_cast<std::size_t>(found)], fresh};
  }
  /// REQUIRES: the mutex, and that it is there.
  void erase(const Digest& key) {
    const std::int64_t place = places.find(key);
    if (!entries[static_cast<std::size_t>(place)].running) --finished;
    unused.push_back(place);
    places.erase(key);
    size.store(size.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    if (places.empty() && entries.size() > kKeptKeys) clear();
  }
  /// REQUIRES: the mutex.
  void clear() {
    places = {};
    entries = {};
    unused = {};
    finished = 0;
    publishers = {};
    size.store(0, std::memory_order_relaxed);
  }
  /// Notes that an entry is finished. REQUIRES: the mutex.
  void add_finished(const void* owner) {
    if (finished++ == 0) publishers.clear();
    if (std::find(publishers.begin(), publishers.end(), owner) != publishers.end()) return;
    publishers.push_back(owner);
  }
  /// Erases all at once if all of it is what `owners` published. REQUIRES: the mutex.
  bool clear_if_all_of(std::span<const void* const> owners) {
    if (finished != size.load(std::memory_order_relaxed)) return false;
    const bool all = finished == 0 ||
                     std::all_of(publishers.begin(), publishers.end(), [&](const void* publisher) {
                       return contains(owners, publisher);
                     });
    if (all) clear();
    return all;
  }
  void tell_waiting() {
    if (waiting > 0) changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  int waiting = 0;
  KeyTable places;  ///< In `entries`.
  RecycledVector<Entry> entries;
  RecycledVector<std::int64_t> unused;
  std::size_t finished = 0;             ///< How many do not run.
  std::vector<const void*> publishers;  ///< Of those, and perhaps of some that are gone.
  std::atomic<std::size_t> size{0};     ///< Spares the mutex where there is nothing to find.
};

/// What belongs to one process, and is left behind by a forked child: its locks may be held by
/// threads that the child lacks.
struct InFlight::State {
  static constexpr std::size_t kShards = 16;
  static std::size_t place(const Digest& key) {  // the low bits are what KeyTable goes by
    return DigestHash()(key) >> (8 * sizeof(std::size_t) - std::bit_width(kShards - 1));
  }
  Shard& shard(const Digest& key) { return shards[place(key)]; }

  const int process = forks();
  std::atomic<std::uint64_t> forgotten{0};
  std::array<Shard, kShards> shards;
};

InFlight::~InFlight() {
  State* const mine = state_.load(std::memory_order_acquire);
  if (mine != nullptr && mine->process == forks()) delete mine;
}

InFlight::State& InFlight::state() {
  State* current = state_.load(std::memory_order_acquire);
  if (current != nullptr && current->process == forks()) {
    return *current;
  }
  auto* const fresh = new State;
  // acq_rel: pairs with the loads of others, here and above.
  if (state_.compare_exchange_strong(current, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *current;
}

void InFlight::fetch(const Digest& key) {
  Shard& shard = state().shard(key);
  if (shard.size.load(std::memory_order_relaxed) == 0) return;
  const std::unique_lock lock(shard.mutex, std::try_to_lock);
  if (lock) shard.places.fetch(key);
}

bool InFlight::find(const Digest& key, std::string& record) {
  Shard& shard = state().shard(key);
  // Who has just published may be missed, as if this had been asked a moment earlier.
  if (shard.size.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(shard.mutex);
  const Shard::Entry* const entry = shard.find(key);
  if (entry == nullptr || entry->running) return false;
  record.assign(entry->record);
  return true;
}

InFlight::Answer InFlight::Claims::claim(const Digest& key, std::string& record) {
  keys_.push_back(key);
  {
    Shard& shard = table_.state().shard(key);
    const std::lock_guard lock(shard.mutex);
    const auto [entry, fresh] = shard.insert(key);
    if (!fresh) {
      keys_.pop_back();
      if (entry->running) return pools > 0 && !entry->pooled ? Answer::kRefused : Answer::kRunning;
      record.assign(entry->record);
      return Answer::kFinished;
    }
    *entry = {this, {}, /*running=*/true, /*pooled=*/pools > 0};
  }
  if (!engaged_) engaged_.emplace();
  return Answer::kClaimed;
}

void InFlight::Claims::drop() {
  table_.release(keys_.back(), this);
  keys_.pop_back();
  if (keys_.empty()) release();
}

void InFlight::Claims::release() {
  for (; settled_ < keys_.size(); ++settled_) table_.release(keys_[settled_], this);
  keys_.clear();
  settled_ = 0;
  engaged_.reset();
}

void InFlight::release(const Digest& key, const void* claimant) {
  Shard& shard = state().shard(key);
  const std::lock_guard lock(shard.mutex);
  const Shard::Entry* const entry = shard.find(key);
  if (entry == nullptr || !entry->running || entry->owner != claimant) return;
  shard.erase(key);
  shard.tell_waiting();
}

void InFlight::publish(const Digest& key, const void* owner, std::string_view record) {
  Shard& shard = state().shard(key);
  const std::lock_guard lock(shard.mutex);
  const auto [entry, fresh] = shard.insert(key);
  const bool was_finished = !fresh && !entry->running;
  if (was_finished && entry->owner != owner) return;
  if (!was_finished) shard.add_finished(owner);
  *entry = {owner, record, /*running=*/false, /*pooled=*/false};
  shard.tell_waiting();
}

void InFlight::forget(std::span<const Digest> keys, std::span<const void* const> owners) {
  State& mine = state();
  // Before any of them goes: who misses one here then sees that it has to ask the store again.
  mine.forgotten.fetch_add(1, std::memory_order_acq_rel);
  std::array<bool, State::kShards> cleared{};
  if (keys.size() > State::kShards) {
    for (std::size_t i = 0; i < State::kShards; ++i) {
      const std::lock_guard lock(mine.shards[i].mutex);
      cleared[i] = mine.shards[i].clear_if_all_of(owners);
    }
  }
  for (const Digest& key : keys) {
    const std::size_t place = State::place(key);
    if (cleared[place]) continue;
    Shard& shard = mine.shards[place];
    const std::lock_guard lock(shard.mutex);
    const Shard::Entry* const entry = shard.find(key);
    if (entry != nullptr && !entry->running && contains(owners, entry->owner)) shard.erase(key);
  }
}

std::uint64_t InFlight::forgotten() { return state().forgotten.load(std::memory_order_acquire); }

bool InFlight::wait(const Digest& key) {
  Shard& shard = state().shard(key);
  const auto end = Clock::now() + patience_;
  while (true) {
    {
      const Suspended others_may_run;  // first: its lock is never asked for while holding ours
      std::unique_lock lock(shard.mutex);
      ++shard.waiting;
      const bool over = shard.changed.wait_for(lock, std::min(kSlice, patience_), [&] {
        const Shard::Entry* const entry = shard.find(key);
        return entry == nullptr || !entry->running;
      });
      --shard.waiting;
      if (over) return true;
    }
    if (const ObjectRuntime* const runtime = object_runtime()) runtime->check_signals();
    if (Clock::now() >= end) return false;
  }
}

}  // namespace hypernodes::detail
