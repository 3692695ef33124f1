// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <vector>

namespace hypernodes {

/// What one node did in a run or map.
struct NodeStatistics {
  std::int64_t rows_run = 0;
  std::int64_t rows_cached = 0;
  double seconds = 0;  ///< Inside the node's function, over all threads.
};

/// A row of a map that failed, where the map was told not to stop at it.
struct RowFailure {
  std::int64_t row = -1;
  std::string node;                      ///< The innermost node.
  std::vector<std::string> around = {};  ///< The nodes that hold its pipeline, the outermost first.
  std::exception_ptr error;
  std::int64_t attempts = 1;  ///< How many calls were made.
};

/// What a run or map did.
struct Statistics {
  std::map<std::string, NodeStatistics> nodes;  ///< By node name; inner pipelines' nodes too.
  std::int64_t damaged_records = 0;             ///< Cache records that were there but not believed.
  std::vector<std::string> warnings;
  /// A cache could not do its work (full disk, no permission, damage), so results may not all have
  /// been found or stored; `warnings` says why. The results themselves are right.
  bool degraded = false;
  std::vector<RowFailure> failures;  ///< By row.
};

}  // namespace hypernodes
