// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"
#include "hypernodes/draw.hpp"

namespace hypernodes::draw {

struct Scope;

/// A named place where edges leave or enter a box.
struct Port {
  std::string name;
  std::string type;  ///< Empty if unknown.
};

enum class BoxKind : std::uint8_t {
  kInput,     ///< A root input.
  kDefault,   ///< A root input that nobody needs to give.
  kBound,     ///< A root input that has a value.
  kFunction,  ///< A function of Python or another runtime.
  kNative,    ///< A C++ function.
  kPipeline,  ///< A nested pipeline, open if it has an `inside`.
  kOutput,    ///< An output, drawn as a box.
  kEntry,     ///< Inside a nested pipeline: where an input comes in,
  kExit,      ///< and where an output goes out.
};

/// All texts are UTF-8 on one line, except the tooltip.
struct Box {
  BoxKind kind;
  std::string title;
  std::string detail = {};  ///< After the title: a type or a value.
  std::string note = {};    ///< Under the title: what a pipeline holds, and its map.
  std::vector<std::string> badges = {};
  std::vector<Port> outputs = {};  ///< To be drawn on the box; empty if they are boxes.
  std::string tooltip = {};        ///< Lines.
  int id = 0;                      ///< Unique in the drawing.
  int level = 1;                   ///< Of a pipeline: the depth at which it is still closed.
  bool mapped = false;
  std::unique_ptr<Scope> inside = nullptr;
  std::vector<int> entries = {};  ///< Boxes inside: for each input,
  std::vector<int> exits = {};    ///< and for each output.
};

/// `from_port` is one of the outputs of `from` (0 if they are not drawn), `to_port` one of the
/// inputs of `to`.
struct Edge {
  int from, from_port;
  int to, to_port;
};

/// Boxes in an order that every edge follows: from a lower to a higher index.
struct Scope {
  std::vector<Box> boxes;
  std::vector<Edge> edges;
};

/// The ids of the boxes that an edge is really at: ports, if pipelines are open.
int departs_from(const Scope& scope, const Edge& edge);
int arrives_at(const Scope& scope, const Edge& edge);

/// A pipeline as it is drawn: the one model behind every format.
struct Drawing {
  std::string title;  ///< Empty for a pipeline without a name.
  std::vector<std::string> badges;
  Scope scope;
};

/// What is drawn: the graph of a pipeline, and what it does not know. REQUIRES: outlives the call.
struct Subject {
  const Graph& graph;
  std::vector<std::pair<std::string, Value>> bound = {};
  bool has_cache = false;
};

Subject subject_of(const Pipeline& pipeline);

/// Throws: PlanError for a depth below 1.
Drawing make_drawing(const Subject& subject, const DrawOptions& options);

/// How many levels of pipelines there are; or those whose drawing has at most `limit` boxes.
int levels(const Graph& graph, std::size_t limit);

// The formats, each in a file of its name.
std::string draw_dot(const Subject& subject, const DrawOptions& options);
std::string draw_mermaid(const Subject& subject, const DrawOptions& options);
std::string draw_svg(const Subject& subject, const DrawOptions& options);
std::string draw_html(const Subject& subject, const DrawOptions& options);

/// What a legend says of the kinds of boxes that a drawing has.
std::vector<std::pair<BoxKind, std::string>> legend(const Scope& scope);

struct Paint {
  const std::string& fill;
  const std::string& border;
};
Paint paint(const DrawTheme& theme, BoxKind kind);

}  // namespace hypernodes::draw
