// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// The first 16 bytes of a key, which tell it from all others: 8 are its node's, 8 its own.
struct KeyPrefix {
  std::uint64_t node{}, row{};  ///< As they lie in memory, not as numbers.

  static KeyPrefix of(const Digest& key) {
    KeyPrefix prefix;
    std::memcpy(&prefix, key.bytes.data(), sizeof prefix);
    return prefix;
  }
};

/// One entry of the journal of uses: which records were put, or used, at one position. Keys of one
/// node that follow each other take 8 bytes each (docs/formats/record.md).
class UseEntry {
 public:
  /// A value of more bytes would leave LMDB's leaf pages for pages of its own.
  static constexpr std::size_t kMostBytes = 1900;

  bool empty() const { return bytes_.empty(); }
  bool full() const { return bytes_.size() + 20 > kMostBytes; }
  void add(const KeyPrefix& key);
  void clear() { bytes_.clear(); }
  std::string_view bytes() const { return bytes_; }

  /// The keys of an entry; of a damaged one, those before the damage.
  static std::vector<KeyPrefix> read(std::string_view bytes);

 private:
  std::string bytes_;
  std::size_t count_at_ = 0;  ///< Where the count of the last node's keys is.
};

/// Keys that were dropped, as sorted 8-byte tags after a reason.
std::string make_tombstones(std::uint64_t reason, std::span<const KeyPrefix> keys);
/// How many there are.
std::uint64_t tombstones(std::string_view bytes);
/// Whether `key` is among them, and then the `reason`.
bool find_tombstone(std::string_view bytes, const KeyPrefix& key, std::uint64_t* reason);

}  // namespace hypernodes
