// SPDX-License-Identifier: MIT
//
// A user's node library, my_nodes.

#include <hypernodes/hypernodes.hpp>

#include <cstdint>

namespace hn = hypernodes;

namespace {
std::int64_t twice(std::int64_t x) { return x * 2; }
}  // namespace

HYPERNODES_LIBRARY(my_nodes, library) { library.add(hn::node<twice>("doubled", {"x"})); }
