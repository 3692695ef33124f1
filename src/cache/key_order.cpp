// SPDX-License-Identifier: MIT
#include "cache/key_order.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace hypernodes {
namespace {

struct Entry {
  std::uint64_t prefix;
  std::uint32_t index;
};

std::uint64_t prefix_of(const Digest& key) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t prefix;
  std::memcpy(&prefix, key.bytes.data(), sizeof prefix);
  return __builtin_bswap64(prefix);
}

}  // namespace

std::vector<std::uint32_t> key_order(std::span<const Digest> keys) {
  if (keys.size() == 1) return {0};
  const auto less = [keys](const Entry& a, const Entry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int order = std::memcmp(&keys[a.index], &keys[b.index], sizeof(Digest));
    return order != 0 ? order < 0 : a.index < b.index;
  };

  // Keys are uniform, so one pass over their leading bits puts about two into each bucket, where
  // sorting is nearly free.
  const unsigned bits = std::clamp(static_cast<unsigned>(std::bit_width(keys.size())), 2U, 18U) - 1;
  const unsigned shift = 64 - bits;
  std::vector<std::uint32_t> ends(std::size_t{1} << bits);
  for (const Digest& key : keys) ++ends[prefix_of(key) >> shift];
  std::uint32_t total = 0;
  for (std::uint32_t& end : ends) {
    const std::uint32_t count = end;
    end = total;
    total += count;
  }
  std::vector<Entry> entries(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    const std::uint64_t prefix = prefix_of(keys[i]);
    entries[ends[prefix >> shift]++] = {.prefix = prefix, .index = i};
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
