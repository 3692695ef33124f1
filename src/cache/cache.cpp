// SPDX-License-Identifier: MIT
#include "hypernodes/cache.hpp"

#include <atomic>

#include "cache/in_flight.hpp"

namespace hypernodes {

Cache::Cache() : in_flight_(std::make_shared<detail::InFlight>()) {}

std::uint64_t Cache::next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace hypernodes
