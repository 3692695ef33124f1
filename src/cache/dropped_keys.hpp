// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// The keys that a cache dropped last, and why: up to 65,536 of them, 16 bytes each. Two keys of a
/// node count as one with a probability of 2^-63. Threads: one at a time.
class DroppedKeys {
 public:
  static constexpr std::size_t kMost = 65'536;

  /// REQUIRES: `why` is not kNeverStored.
  void add(const Digest& key, Absence why);
  /// Why `key` was dropped last; kNeverStored if that is not known. Cost: reads all, about 50 us.
  Absence find(const Digest& key) const;
  void forget(std::span<const NodePrefix> nodes);
  void clear() { *this = DroppedKeys(); }

 private:
  /// The first 16 bytes of a key; the last bit says why.
  struct Tag {
    std::uint64_t node;
    std::uint64_t rest;
  };
  static Tag tag_of(const Digest& key, Absence why);

  std::vector<Tag> tags_;  ///< A ring once it is full.
  std::size_t next_ = 0;   ///< Where the next goes, and the oldest of a full ring is.
};

}  // namespace hypernodes
