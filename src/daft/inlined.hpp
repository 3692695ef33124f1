// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.hpp"

namespace hypernodes::daft {

/// The nodes of a pipeline that are to be functions of their own, each by any of its outputs.
struct OwnNodes {
  std::map<std::string, int, std::less<>> nodes;  ///< The caller's numbers for them, from 0 on.
  /// Pipelines that are not mapped, and have such nodes inside.
  std::map<std::string, std::shared_ptr<const OwnNodes>, std::less<>> pipelines;
};

/// Where a node was: its step in a pipeline that was opened, or, with -1, in the outermost one.
struct Place {
  int pipeline = -1;  ///< Index into Inlined::opened.
  int step = 0;
};

/// The part of a graph that a selection needs, with the nodes of some pipelines in their place.
///
/// Root inputs and outputs keep their names, and root inputs their slots. What else is inside those
/// pipelines has a name that begins with `__hn_inner_` and ends with its path: see inner_label.
struct Inlined {
  std::shared_ptr<const Graph> graph;
  Selection selection;
  std::vector<std::pair<int, Value>> bound;  ///< What the pipelines bind, by root input.
  std::vector<int> own;                      ///< For each step of the graph its number, or -1.
  std::vector<Place> places;                 ///< Of each step of the graph.
  std::vector<Place> opened;                 ///< The pipelines in whose place their nodes are.
};

/// Puts the nodes of `own.pipelines` in their place, at any depth. The node calls stay the same.
/// Cost: the graph itself is the answer if there are none, else a new one.
Inlined inlined(const std::shared_ptr<const Graph>& graph, const Selection& selection,
                const OwnNodes& own);

/// A slot's name for people: `sizes.words` is what `words` is in the node `sizes`.
std::string_view inner_label(std::string_view slot);

}  // namespace hypernodes::daft
