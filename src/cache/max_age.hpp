// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

#include "hypernodes/error.hpp"

namespace hypernodes {

/// Throws: CacheError for an age that no result can have.
inline void check_max_age(std::chrono::seconds max_age) {
  if (max_age.count() >= 0) return;
  throw CacheError("The age of a result cannot be " + std::to_string(max_age.count()) + " seconds",
                   "max_age", "give a number of seconds above 0, or 0 for no bound");
}

}  // namespace hypernodes
