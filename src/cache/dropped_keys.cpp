// SPDX-License-Identifier: MIT
#include "cache/dropped_keys.hpp"

#include <algorithm>
#include <cstring>

namespace hypernodes {
namespace {

constexpr std::uint64_t kExpiredBit = std::uint64_t{1} << 63U;

}  // namespace

DroppedKeys::Tag DroppedKeys::tag_of(const Digest& key, Absence why) {
  Tag tag{};
  std::memcpy(&tag, key.bytes.data(), sizeof tag);
  tag.rest = (tag.rest & ~kExpiredBit) | (why == Absence::kExpired ? kExpiredBit : 0);
  return tag;
}

void DroppedKeys::add(const Digest& key, Absence why) {
  const Tag tag = tag_of(key, why);
  if (tags_.size() < kMost) {
    tags_.push_back(tag);
    return;
  }
  tags_[next_] = tag;
  next_ = (next_ + 1) % kMost;
}

Absence DroppedKeys::find(const Digest& key) const {
  const Tag evicted = tag_of(key, Absence::kEvicted);
  std::size_t at = next_;
  for (std::size_t i = 0; i < tags_.size(); ++i) {
    at = (at == 0 ? tags_.size() : at) - 1;  // the newest first
    const Tag& tag = tags_[at];
    if (tag.node != evicted.node || (tag.rest & ~kExpiredBit) != evicted.rest) continue;
    return tag.rest == evicted.rest ? Absence::kEvicted : Absence::kExpired;
  }
  return Absence::kNeverStored;
}

void DroppedKeys::forget(std::span<const NodePrefix> nodes) {
  std::rotate(tags_.begin(), tags_.begin() + static_cast<std::ptrdiff_t>(next_), tags_.end());
  next_ = 0;
  std::erase_if(tags_, [&](const Tag& tag) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const NodePrefix& node) {
      return std::memcmp(&tag.node, node.data(), node.size()) == 0;
    });
  });
}

}  // namespace hypernodes
