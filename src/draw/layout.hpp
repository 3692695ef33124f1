// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "draw/model.hpp"

namespace hypernodes::draw {

struct Point {
  double x, y;
};

struct Rect {
  double x, y, width, height;
};

struct ScopeLayout;

/// Where a box is and what is in it, in pixels. `area` is relative to the scope, the rest to
/// `area`.
struct BoxLayout {
  Rect area;
  double header = 0;             ///< Height of title and note; 0 for a box of one line.
  double header_width = 0;       ///< Of an open pipeline's title, note and badges.
  double badges = 0;             ///< Width of the badges, at the right of the title.
  std::vector<Rect> ports = {};  ///< One for each output that is drawn.
  // Of an open pipeline:
  Point inside_at{};
  double title_x = 0;
  std::vector<Point> entries = {};  ///< Where edges cross its border.
  std::vector<Point> exits = {};
  std::unique_ptr<ScopeLayout> inside = nullptr;
};

/// An edge: a line from the first point to the second, then, again and again, a Bezier curve of
/// three points and a line to one.
using Route = std::vector<Point>;

struct ScopeLayout {
  double width = 0;
  double height = 0;
  std::vector<BoxLayout> boxes;
  std::vector<Route> edges;
};

/// Sizes that text is set in, all in proportion to the theme's font size.
struct Metrics {
  explicit Metrics(const DrawTheme& theme);

  double title;  ///< Font size of names;
  double small;  ///< of outputs and notes;
  double tiny;   ///< of badges.
  double unit;   ///< What is one pixel at the default font size.

  double badge_width(const std::string& badge) const;
  double badges_width(const std::vector<std::string>& badges) const;
};

bool is_vertical(Orientation orientation);

/// Lays out a drawing, open pipelines from the inside outwards. Cost: that of lay_out_layers for
/// each scope.
ScopeLayout lay_out(const Scope& scope, const DrawOptions& options);

}  // namespace hypernodes::draw
