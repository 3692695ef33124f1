// SPDX-License-Identifier: MIT
//
// The two C++ nodes of `bench daft`, for Python: hypernodes.load("libbench_nodes.so").twice.

#include <cstdint>
#include <hypernodes/hypernodes.hpp>

namespace hn = hypernodes;

namespace bench {

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add_ten(std::int64_t doubled) { return doubled + 10; }

}  // namespace bench

HYPERNODES_LIBRARY(bench_nodes, library) {
  library.add(hn::node<bench::twice>("doubled", {"x"}));
  library.add(hn::node<bench::add_ten>("result", {"doubled"}));
}
