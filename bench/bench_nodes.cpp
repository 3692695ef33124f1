// SPDX-License-Identifier: MIT
//
// The C++ nodes of `bench daft`, for Python: hypernodes.load("libbench_nodes.so").twice.

#include <cstdint>
#include <hypernodes/hypernodes.hpp>

namespace hn = hypernodes;

namespace bench {

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add_ten(std::int64_t doubled) { return doubled + 10; }

/// Some 40 ns of arithmetic: what the two above do is over before memory has kept up.
std::int64_t mix(std::int64_t x) {
  auto bits = static_cast<std::uint64_t>(x);
  for (int round = 0; round < 50; ++round) {
    bits = (bits ^ (bits >> 33)) * 0xFF51AFD7ED558CCD;
  }
  return static_cast<std::int64_t>(bits);
}

}  // namespace bench

HYPERNODES_LIBRARY(bench_nodes, library) {
  library.add(hn::node<bench::twice>("doubled", {"x"}));
  library.add(hn::node<bench::add_ten>("result", {"doubled"}));
  library.add(hn::node<bench::mix>("mixed", {"x"}));
}
