// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "graph/graph.hpp"
#include "hypernodes/draw.hpp"

namespace hypernodes::draw {

/// A type, and whether it is a hint of Python, where a list is written `list[T]`.
struct TypeText {
  std::string text;  ///< Empty if unknown.
  bool hint = false;

  /// The type of a list of these.
  TypeText listed() const;
};

/// The types of inputs and outputs as far as anybody knows them: the node itself, DrawOptions, or
/// for a nested pipeline the nodes inside.
/// REQUIRES: the options and graphs outlive it.
class Types {
 public:
  explicit Types(const DrawOptions& options) : options_(options) {}

  TypeText input(const Node& node, std::size_t index);
  TypeText output(const Node& node, std::size_t index);
  /// What the first reader of a root that says something says.
  TypeText root(const Graph& graph, const Selection& selection, int slot);

 private:
  TypeText of(const Node& node, const std::string& name, const Type& type) const;

  const DrawOptions& options_;
  // Pipelines that are used again and again are asked once.
  std::map<std::pair<const Selection*, int>, TypeText> roots_;
};

}  // namespace hypernodes::draw
