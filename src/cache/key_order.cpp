// SPDX-License-Identifier: MIT
#include "cache/key_order.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "hypernodes/detail/recycled.hpp"

namespace hypernodes {
namespace {

struct Entry {
  std::uint64_t rank;
  std::uint32_t index;
};

/// Eight bytes of a key as a number that orders as they do.
std::uint64_t word(const Digest& key, std::size_t offset) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t bytes;
  std::memcpy(&bytes, key.bytes.data() + offset, sizeof bytes);
  return __builtin_bswap64(bytes);
}

/// Numbers that order as keys do, but for those that are equal, spread evenly over 64 bits: keys of
/// one node share their first eight bytes (docs/formats/keys.md).
class Ranks {
 public:
  explicit Ranks(std::span<const Digest> keys) {
    constexpr std::size_t kMaxNodes = 64;
    for (const Digest& key : keys) {
      const std::uint64_t node = word(key, 0);
      if (!nodes_.empty() && node == nodes_.back()) continue;
      if (std::find(nodes_.begin(), nodes_.end(), node) != nodes_.end()) continue;
      nodes_.push_back(node);
      if (nodes_.size() <= kMaxNodes) continue;
      nodes_.clear();  // these are no keys of nodes, but as good as random
      return;
    }
    std::sort(nodes_.begin(), nodes_.end());
    bits_ = static_cast<int>(std::bit_width(nodes_.size() - 1));
  }

  std::uint64_t operator()(const Digest& key) const {
    if (nodes_.empty()) return word(key, 0);
    if (nodes_.size() == 1) return word(key, 8);
    const auto node = std::lower_bound(nodes_.begin(), nodes_.end(), word(key, 0));
    return (static_cast<std::uint64_t>(node - nodes_.begin()) << (64 - bits_)) |
           (word(key, 8) >> bits_);
  }

 private:
  std::vector<std::uint64_t> nodes_;
  int bits_ = 0;
};

}  // namespace

std::vector<std::uint32_t> key_order(std::span<const Digest> keys) {
  if (keys.empty()) return {};
  if (keys.size() == 1) return {0};
  const auto less = [keys](const Entry& a, const Entry& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    const int order = std::memcmp(&keys[a.index], &keys[b.index], sizeof(Digest));
    return order != 0 ? order < 0 : a.index < b.index;
  };

  // Ranks are uniform, so one pass over their leading bits puts about two into each bucket, where
  // sorting is nearly free.
  const unsigned bits = std::clamp(static_cast<unsigned>(std::bit_width(keys.size())), 2U, 18U) - 1;
  const unsigned shift = 64 - bits;
  const Ranks rank{keys};
  std::vector<std::uint32_t> ends(std::size_t{1} << bits);
  for (const Digest& key : keys) ++ends[rank(key) >> shift];
  std::uint32_t total = 0;
  for (std::uint32_t& end : ends) {
    const std::uint32_t count = end;
    end = total;
    total += count;
  }
  detail::RecycledVector<Entry> entries(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    const Entry entry{.rank = rank(keys[i]), .index = i};
    entries[ends[entry.rank >> shift]++] = entry;
  }
  std::vector<std::uint32_t> order;
  order.reserve(keys.size());
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    if (end - begin > 1) std::sort(entries.begin() + begin, entries.begin() + end, less);
    for (; begin < end; ++begin) order.push_back(entries[begin].index);
  }
  return order;
}

}  // namespace hypernodes
