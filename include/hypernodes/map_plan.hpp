// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hypernodes {

enum class MapMode : std::uint8_t {
  kZip,      ///< Row i takes item i of every mapped input.
  kProduct,  ///< The cross product in the order of the mapped inputs; the last varies fastest.
};

/// Which item of each mapped input every row of a map takes.
struct MapPlan {
  std::int64_t rows = 0;
  /// For each mapped input, how rows count through its items: item = (row / stride) % length.
  struct Counter {
    std::int64_t length = 0;
    std::int64_t stride = 1;
    std::int64_t item(std::int64_t row) const { return (row / stride) % length; }
  };
  std::vector<Counter> inputs;
  /// Whether row i takes item i of every input.
  bool identity = true;
};

/// Plans a map over inputs with these names and lengths.
/// Throws: PlanError if zip lengths differ or the product has more than 2^62 rows.
/// Cost:   O(names).
MapPlan plan_map(const std::vector<std::string>& names, const std::vector<std::int64_t>& lengths,
                 MapMode mode);

}  // namespace hypernodes
