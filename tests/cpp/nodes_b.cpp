// SPDX-License-Identifier: MIT
// A second node library: its functions have the names of the first one's, and another meaning.

#include <hypernodes/hypernodes.hpp>

#include "call_log.hpp"

namespace {

std::int64_t twice(std::int64_t doubled) {
  hypernodes::testing::log_call("twice again");
  return doubled * 2 + 1;
}

/// Knows a word, and logs that it was made.
class Guess {
 public:
  Guess() { hypernodes::testing::log_call("made"); }
  bool operator()(std::string_view word) const { return word == "hypernodes"; }
};

}  // namespace

HYPERNODES_LIBRARY(nodes_b, library) {
  library.add(hypernodes::node<twice>("result", {"doubled"}));
  library.add(hypernodes::stateful_node("guessed", {"word"}, [] { return Guess(); }));
}
