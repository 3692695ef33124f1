// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypernodes/node.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {

/// Which way the data flows in a drawing.
enum class Orientation : std::uint8_t { kTopToBottom, kBottomToTop, kLeftToRight, kRightToLeft };

/// How a drawing looks. Colours are what CSS and Graphviz both understand, such as `#1d4ed8`; sizes
/// are in pixels.
struct DrawTheme {
  std::string background = "#ffffff";
  std::string text = "#0f172a";
  std::string muted = "#64748b";  ///< Types, values and notes.
  std::string input_fill = "#f8fafc";
  std::string input_border = "#94a3b8";
  std::string bound_fill = "#fefce8";  ///< Inputs that already have a value.
  std::string bound_border = "#eab308";
  std::string function_fill = "#eff6ff";  ///< Functions of Python or another runtime.
  std::string function_border = "#60a5fa";
  std::string native_fill = "#ecfdf5";  ///< C++ functions.
  std::string native_border = "#34d399";
  std::string pipeline_fill = "#f5f3ff";  ///< Nested pipelines, closed.
  std::string pipeline_border = "#a78bfa";
  std::string output_fill = "#fff7ed";  ///< Outputs that are drawn as boxes of their own.
  std::string output_border = "#fb923c";
  std::string group_fill = "#faf9ff";  ///< Nested pipelines, open.
  std::string group_border = "#c4b5fd";
  std::string edge = "#94a3b8";
  std::string highlight = "#2563eb";  ///< What the mouse is on.
  std::string font = "Helvetica, Arial";
  double font_size = 13;
  double corner_radius = 9;
  double line_width = 1.25;
  bool shadow = true;
};

/// The themes that come with hypernodes, by name, the default one first.
const std::vector<std::pair<std::string, DrawTheme>>& draw_themes();
/// Throws: PlanError for an unknown name.
const DrawTheme& draw_theme(std::string_view name);

/// What to draw, and how.
struct DrawOptions {
  /// Levels of pipelines to draw: 1 shows nested pipelines closed, 2 opens them, and so on; none
  /// opens all.
  std::optional<int> depth = 1;
  bool flatten = false;           ///< The nodes of nested pipelines without boxes around them.
  bool separate_outputs = false;  ///< Outputs as boxes of their own.
  bool show_types = false;        ///< Types in the drawing; they are in its tooltips anyway.
  bool show_legend = false;
  Orientation orientation = Orientation::kTopToBottom;
  DrawTheme theme = {};
  /// The type of an input or output for which the core has none (its type is object), as text;
  /// empty if unknown. By default, it is unknown.
  std::function<std::string(const Node& node, std::string_view name)> type_text = nullptr;
  /// What else to say of a node, in a word or two each, such as the engine of a nested pipeline.
  std::function<std::vector<std::string>(const Node& node)> badges = nullptr;
  /// A bound or default value as text; by default Value::to_string.
  std::function<std::string(const Value& value)> value_text = nullptr;
};

// A pipeline as text. Names and values may hold any bytes: they are escaped for the format, and
// what is not UTF-8 is replaced.
//
// Throws:  PlanError for a depth below 1.
// Cost:    linear for DOT and Mermaid; SVG and HTML are laid out, in about 0.1 s for 500 nodes with
//          2000 edges.
// Threads: safe; the functions in `options` are called in the caller's thread.

/// For Graphviz: `dot -Tsvg`.
std::string to_dot(const Pipeline& pipeline, const DrawOptions& options = {});
/// For Mermaid, as in Markdown files; themes and legends do not apply.
std::string to_mermaid(const Pipeline& pipeline, const DrawOptions& options = {});
/// An SVG file by a layout of our own.
std::string to_svg(const Pipeline& pipeline, const DrawOptions& options = {});
/// One HTML page that needs nothing else: the same drawing, to pan and zoom, with nested pipelines
/// that open and close, and what a node takes and makes when the mouse is on it.
std::string to_html(const Pipeline& pipeline, const DrawOptions& options = {});

}  // namespace hypernodes
