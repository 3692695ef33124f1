// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// A Bloom filter: says of most keys that are not among some that they are not, for one miss of the
/// processor's cache where a store takes a search of its tree. Keys only: they are uniform.
class KeyFilter {
 public:
  explicit KeyFilter(std::span<const Digest> keys)
      : words_(std::bit_ceil(keys.size() * kBitsPerKey / 64 + 1)) {
    for (const Digest& key : keys) word(key) |= bits(key);
  }

  /// False: it is not among the keys. True of one in a hundred others, too.
  bool may_have(const Digest& key) const {
    const std::uint64_t wanted = bits(key);
    return (words_[DigestHash()(key) & (words_.size() - 1)] & wanted) == wanted;
  }

 private:
  static constexpr std::size_t kBitsPerKey = 16;

  std::uint64_t& word(const Digest& key) { return words_[DigestHash()(key) & (words_.size() - 1)]; }
  /// Three of the 64 bits of a key's word.
  static std::uint64_t bits(const Digest& key) {
    const std::size_t hash = DigestHash()(key) >> 46;
    return std::uint64_t{1} << (hash & 63) | std::uint64_t{1} << (hash >> 6 & 63) |
           std::uint64_t{1} << (hash >> 12);
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace hypernodes
