// SPDX-License-Identifier: MIT
// A second node library: its functions have the names of the first one's, and another meaning.

#include <hypernodes/hypernodes.hpp>

#include "call_log.hpp"

namespace {

std::int64_t twice(std::int64_t doubled) {
  hypernodes::testing::log_call("twice again");
  return doubled * 2 + 1;
}

}  // namespace

HYPERNODES_LIBRARY(nodes_b, library) {
  library.add(hypernodes::node<twice>("result", {"doubled"}));
}
