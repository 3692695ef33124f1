// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"

namespace hypernodes {

/// A pipeline to be used as a node. Mappings are {inner name, outer name} pairs.
struct NestedRequest {
  std::shared_ptr<const Graph> graph;
  std::string name;
  std::vector<std::pair<std::string, std::string>> inputs = {};
  std::vector<std::pair<std::string, std::string>> outputs = {};  ///< Empty: all, unchanged.
  std::vector<std::string> map_over = {};                         ///< Outer names.
  MapMode mode = MapMode::kZip;
  std::vector<std::pair<std::string, Value>> bound = {};  ///< Inner names.
  bool cached = true;
  std::shared_ptr<Cache> cache = nullptr;
  std::vector<std::shared_ptr<Callback>> callbacks = {};
  std::shared_ptr<const BatchExecutor> executor = nullptr;
};

/// Throws: DependencyError for a name that the inner pipeline does not have.
Node make_nested_node(const NestedRequest& request);

}  // namespace hypernodes
