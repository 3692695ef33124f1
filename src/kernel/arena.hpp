// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <string_view>

#include "hypernodes/detail/recycled.hpp"

namespace hypernodes {

/// Bytes that stay where they are as long as the arena lives. Threads: one.
class Arena {
 public:
  std::string_view keep(std::string_view bytes) {
    if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < bytes.size()) {
      chunks_.emplace_back().reserve(std::max(kChunk, bytes.size()));
    }
    Chunk& chunk = chunks_.back();
    const std::size_t begin = chunk.size();
    chunk.resize(begin + bytes.size());
    if (!bytes.empty()) std::memcpy(chunk.data() + begin, bytes.data(), bytes.size());
    return {chunk.data() + begin, bytes.size()};
  }

 private:
  using Chunk = detail::RecycledVector<char>;
  static constexpr std::size_t kChunk = std::size_t{256} << 10;
  std::deque<Chunk> chunks_;
};

}  // namespace hypernodes
