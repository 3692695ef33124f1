// SPDX-License-Identifier: MIT
#include "hypernodes/cache.hpp"

#include "cache/in_flight.hpp"

namespace hypernodes {

Cache::Cache() : in_flight_(std::make_shared<detail::InFlight>()) {}

}  // namespace hypernodes
