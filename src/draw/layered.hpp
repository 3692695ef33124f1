// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hypernodes::draw {

/// A box to be placed. `along` is its size in the direction of flow, `across` the other one.
struct LayeredBox {
  enum class Pin : std::uint8_t { kFree, kFirst, kLast };

  double across;
  double along;
  Pin pin = Pin::kFree;  ///< kFirst, kLast: on the border where the flow begins or ends.
};

/// An edge that leaves box `from` and arrives at box `to`; places are offsets across the box.
struct LayeredEdge {
  int from;
  int to;
  double from_at;
  std::optional<double> to_at = std::nullopt;  ///< Empty: side by side with the box's other edges.
};

/// A straight stretch of an edge in the direction of flow; an edge is some, joined by curves.
struct Stretch {
  double across;
  double begin;
  double end;
};

/// Where everything is, from (0, 0).
struct Layered {
  struct Corner {
    double across;
    double along;
  };

  std::vector<Corner> boxes;
  std::vector<std::vector<Stretch>> edges;
  double across = 0;
  double along = 0;
};

/// Draws an acyclic graph in layers: each box in a layer after those it has edges from, few
/// crossings, short and straight edges, no box on another or on an edge.
///
/// Method:  longest-path layers; barycentre sweeps for the order in a layer; isotonic regression
///          towards the neighbours for the places. Edges from one place share their way.
/// REQUIRES: every edge goes from a lower to a higher index; no edge goes to a box pinned first or
///          from one pinned last.
/// Cost:    O((n + e + d) log) for d crossings of an edge and a layer.
/// Source:  Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical system
///          structures, 1981 (layers, barycentres).
Layered lay_out_layers(std::span<const LayeredBox> boxes, std::span<const LayeredEdge> edges);

}  // namespace hypernodes::draw
