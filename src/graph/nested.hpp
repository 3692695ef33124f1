// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <set>
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

/// `node` as it is if all or none of its outputs are in `needed`; else, if it can leave outputs
/// out, a node that makes the needed ones only.
Node pruned(const Node& node, const std::set<std::string, std::less<>>& needed);

/// Whether a node's results may be kept: it was not told to run always, nor is anything inside.
bool is_cacheable(const Node& node);

}  // namespace hypernodes
