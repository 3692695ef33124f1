// SPDX-License-Identifier: MIT
//
// What a user's program needs: the installed headers and one library.

#include <hypernodes/hypernodes.hpp>

#include <cstdint>

namespace hn = hypernodes;

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add_ten(std::int64_t doubled) { return doubled + 10; }

int main() {
  const auto pipeline =
      hn::Pipeline{hn::node<twice>("doubled", {"x"}), hn::node<add_ten>("result", {"doubled"})};
  hn::print(pipeline.run({{"x", 5}}));
}
