// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "hypernodes/detail/recycled.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// Keys to numbers. Threads: one.
///
/// A cold map asks three times a row, and what that costs is misses of the processor's cache. So
/// the array that is probed has eight bytes a place: an answer of "no" touches one line of it, and
/// a "yes" the key as well.
class KeyTable {
 public:
  bool empty() const { return entries_.empty(); }

  /// The number of `key`, or -1.
  std::int64_t find(const Digest& key) const {
    if (entries_.empty()) return -1;
    const Place& place = places_[probe(key)];
    return place.free() ? -1 : entries_[place.entry].number;
  }

  /// Has the memory that is asked for `key` on its way before it is.
  void fetch(const Digest& key) const {
    if (!places_.empty()) __builtin_prefetch(&places_[mark(key) & (places_.size() - 1)]);
  }

  /// Gives `key` a number >= 0 unless it has one. Returns the one it has now, and whether it is
  /// new.
  std::pair<std::int64_t, bool> insert(const Digest& key, std::int64_t number) {
    if ((entries_.size() + 1) * 2 > places_.size()) grow();
    Place& place = places_[probe(key)];
    if (!place.free()) return {entries_[place.entry].number, false};
    place = {mark(key), static_cast<std::uint32_t>(entries_.size())};
    entries_.push_back({key, number});
    return {number, true};
  }

  void set(const Digest& key, std::int64_t number) {
    if (!insert(key, number).second) entries_[places_[probe(key)].entry].number = number;
  }

  /// Forgets `key`, if it is there.
  void erase(const Digest& key) {
    if (entries_.empty()) return;
    std::size_t hole = probe(key);
    if (places_[hole].free()) return;
    // The last entry moves into the gap.
    const std::uint32_t gap = places_[hole].entry;
    places_[probe(entries_.back().key)].entry = gap;
    entries_[gap] = entries_.back();
    entries_.pop_back();
    // Those behind it move up, unless the place that their own key asks for lies behind the hole.
    const std::size_t mask = places_.size() - 1;
    for (std::size_t at = (hole + 1) & mask; !places_[at].free(); at = (at + 1) & mask) {
      const std::size_t wanted = places_[at].mark & mask;
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      places_[hole] = places_[at];
      hole = at;
    }
    places_[hole] = {};
  }

  /// Makes room for this many keys. Cost: O(keys).
  void reserve(std::size_t keys) {
    entries_.reserve(keys);
    if (keys * 2 > places_.size()) rehash(std::bit_ceil(keys * 2));
  }

  void clear() {
    entries_.clear();
    places_.clear();
  }

 private:
  struct Entry {
    Digest key;
    std::int64_t number;
  };
  struct Place {
    std::uint32_t mark = 0;  ///< What the key is hashed to.
    std::uint32_t entry = kFree;

    bool free() const { return entry == kFree; }
  };
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;

  static std::uint32_t mark(const Digest& key) {
    return static_cast<std::uint32_t>(DigestHash()(key));
  }

  /// The place of `key`, or the free one where it belongs.
  std::size_t probe(const Digest& key) const {
    const std::size_t mask = places_.size() - 1;
    const std::uint32_t wanted = mark(key);
    for (std::size_t at = wanted & mask;; at = (at + 1) & mask) {
      const Place& place = places_[at];
      if (place.free() || (place.mark == wanted && entries_[place.entry].key == key)) return at;
    }
  }

  void grow() { rehash(places_.empty() ? 16 : places_.size() * 2); }

  void rehash(std::size_t capacity) {
    const auto old = std::exchange(places_, detail::RecycledVector<Place>(capacity));
    const std::size_t mask = capacity - 1;
    for (const Place& place : old) {
      if (place.free()) continue;
      std::size_t at = place.mark & mask;
      while (!places_[at].free()) at = (at + 1) & mask;
      places_[at] = place;
    }
  }

  detail::RecycledVector<Entry> entries_;
  detail::RecycledVector<Place> places_;  ///< A power of two, at most half full.
};

}  // namespace hypernodes
