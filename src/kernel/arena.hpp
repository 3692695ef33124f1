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
    if (chunks_.empty() || left_ < bytes.size()) {
      left_ = std::max(kChunk, bytes.size());
      chunks_.emplace_back().reserve(left_);
    }
    left_ -= bytes.size();
    char* const kept = chunks_.back().extend(bytes.size());
    if (!bytes.empty()) std::memcpy(kept, bytes.data(), bytes.size());
    return {kept, bytes.size()};
  }

 private:
  static constexpr std::size_t kChunk = std::size_t{256} << 10;
  std::deque<detail::Growing<char>> chunks_;
  std::size_t left_ = 0;  ///< In the last chunk.
};

}  // namespace hypernodes
