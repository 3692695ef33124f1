// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// Keys to numbers, in one flat array probed in a line: a cold map asks three times a row, and
/// std::unordered_map would cost more than the store. Threads: one.
class KeyTable {
 public:
  bool empty() const { return size_ == 0; }

  /// The number of `key`, or -1.
  std::int64_t find(const Digest& key) const {
    return size_ == 0 ? -1 : entries_[slot(key)].number;
  }

  /// Gives `key` a number >= 0 unless it has one. Returns the one it has now, and whether it is
  /// new.
  std::pair<std::int64_t, bool> insert(const Digest& key, std::int64_t number) {
    if ((size_ + 1) * 2 > entries_.size()) grow();
    Entry& entry = entries_[slot(key)];
    if (entry.number >= 0) return {entry.number, false};
    entry = {key, number};
    ++size_;
    return {number, true};
  }

  void set(const Digest& key, std::int64_t number) {
    if (!insert(key, number).second) entries_[slot(key)].number = number;
  }

  /// Forgets `key`, if it is there.
  void erase(const Digest& key) {
    if (size_ == 0) return;
    const std::size_t mask = entries_.size() - 1;
    std::size_t hole = slot(key);
    if (entries_[hole].number < 0) return;
    // Those behind it move up, unless the place that their own key asks for lies behind the hole.
    for (std::size_t at = (hole + 1) & mask; entries_[at].number >= 0; at = (at + 1) & mask) {
      const std::size_t wanted = DigestHash()(entries_[at].key) & mask;
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole].number = -1;
    --size_;
  }

  /// Makes room for this many keys. Cost: O(keys).
  void reserve(std::size_t keys) {
    if (keys * 2 > entries_.size()) rehash(std::bit_ceil(keys * 2));
  }

  void clear() {
    entries_.clear();
    size_ = 0;
  }

 private:
  struct Entry {
    Digest key;
    std::int64_t number = -1;
  };

  std::size_t slot(const Digest& key) const {
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = DigestHash()(key) & mask;
    while (entries_[at].number >= 0 && entries_[at].key != key) at = (at + 1) & mask;
    return at;
  }

  void grow() { rehash(entries_.empty() ? 16 : entries_.size() * 2); }

  void rehash(std::size_t capacity) {
    std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(capacity));
    for (const Entry& entry : old) {
      if (entry.number >= 0) entries_[slot(entry.key)] = entry;
    }
  }

  std::vector<Entry> entries_;  ///< A power of two, at most half full.
  std::size_t size_ = 0;
};

}  // namespace hypernodes
