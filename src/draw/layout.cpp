// SPDX-License-Identifier: MIT
#include "draw/layout.hpp"

#include <algorithm>
#include <utility>

#include "draw/layered.hpp"
#include "draw/text.hpp"

namespace hypernodes::draw {
namespace {

class Layouter {
 public:
  explicit Layouter(const DrawOptions& options)
      : orientation_(options.orientation),
        vertical_(is_vertical(options.orientation)),
        metrics_(options.theme),
        unit_(metrics_.unit) {}

  /// `width` is the least that the result has.
  ScopeLayout scope(const Scope& scope, double width) const {
    ScopeLayout layout;
    std::vector<LayeredBox> boxes;
    for (const Box& box : scope.boxes) {
      BoxLayout measured = measure(box);
      const Rect& area = measured.area;
      boxes.push_back({vertical_ ? area.width : area.height, vertical_ ? area.height : area.width,
                       box.kind == BoxKind::kEntry  ? LayeredBox::Pin::kFirst
                       : box.kind == BoxKind::kExit ? LayeredBox::Pin::kLast
                                                    : LayeredBox::Pin::kFree});
      layout.boxes.push_back(std::move(measured));
    }
    std::vector<LayeredEdge> edges;
    for (const Edge& edge : scope.edges) {
      const auto from = static_cast<std::size_t>(edge.from);
      const auto to = static_cast<std::size_t>(edge.to);
      edges.push_back({edge.from, edge.to,
                       departure(scope.boxes[from], layout.boxes[from], edge.from_port),
                       arrival(scope.boxes[to], layout.boxes[to], edge.to_port)});
    }
    Layered layered = lay_out_layers(boxes, edges);
    const double stretch = vertical_ ? 0 : std::max(0.0, width - layered.along);
    layered.along += stretch;
    layout.width = vertical_ ? layered.across : layered.along;
    layout.height = vertical_ ? layered.along : layered.across;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      Rect& area = layout.boxes[i].area;
      const Layered::Corner& corner = layered.boxes[i];
      const Point a = point(layered, corner.across, corner.along);
      const Point b =
          point(layered, corner.across + boxes[i].across, corner.along + boxes[i].along);
      area.x = std::min(a.x, b.x);
      area.y = std::min(a.y, b.y);
    }
    for (std::size_t i = 0; i < edges.size(); ++i) {
      std::vector<Stretch>& stretches = layered.edges[i];
      const Edge& edge = scope.edges[i];
      // Ports of an open pipeline are on its border.
      if (scope.boxes[static_cast<std::size_t>(edge.from)].kind == BoxKind::kEntry) {
        stretches.front().begin = -border(true);
      }
      if (scope.boxes[static_cast<std::size_t>(edge.to)].kind == BoxKind::kExit) {
        stretches.back().end = layered.along + border(false);
      }
      layout.edges.push_back(route(layered, stretches));
    }
    return layout;
  }

 private:
  // From across and along to x and y -------------------------------------------------------------

  Point point(const Layered& layered, double across, double along) const {
    switch (orientation_) {
      case Orientation::kBottomToTop:
        return {across, layered.along - along};
      case Orientation::kLeftToRight:
        return {along, across};
      case Orientation::kRightToLeft:
        return {layered.along - along, across};
      default:
        return {across, along};
    }
  }

  Route route(const Layered& layered, const std::vector<Stretch>& stretches) const {
    Route route;
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      if (i > 0) {
        const double middle = (stretches[i - 1].end + stretches[i].begin) / 2;
        route.push_back(point(layered, stretches[i - 1].across, middle));
        route.push_back(point(layered, stretches[i].across, middle));
      }
      route.push_back(point(layered, stretches[i].across, stretches[i].begin));
      route.push_back(point(layered, stretches[i].across, stretches[i].end));
    }
    return route;
  }

  // Where edges meet boxes -----------------------------------------------------------------------

  double departure(const Box& box, const BoxLayout& layout, int port) const {
    if (box.inside != nullptr) {
      return port_inside(layout, box.exits[static_cast<std::size_t>(port)]);
    }
    if (box.kind == BoxKind::kEntry) return port_offset();
    if (layout.ports.empty()) return (vertical_ ? layout.area.width : layout.area.height) / 2;
    const Rect& chip = layout.ports[static_cast<std::size_t>(port)];
    return vertical_ ? chip.x + chip.width / 2 : chip.y + chip.height / 2;
  }

  std::optional<double> arrival(const Box& box, const BoxLayout& layout, int port) const {
    if (box.inside != nullptr) {
      return port_inside(layout, box.entries[static_cast<std::size_t>(port)]);
    }
    if (box.kind == BoxKind::kExit) return port_offset();
    return std::nullopt;
  }

  double port_inside(const BoxLayout& layout, int index) const {
    const Rect& area = layout.inside->boxes[static_cast<std::size_t>(index)].area;
    return port_offset() + (vertical_ ? layout.inside_at.x + area.x : layout.inside_at.y + area.y);
  }

  /// Where the line is on a port, beside its label.
  double port_offset() const { return (vertical_ ? 4 : 14) * unit_; }

  /// How far the first or last layer of an open pipeline is from its border.
  double border(bool first) const {
    const bool on_top = first ? orientation_ == Orientation::kTopToBottom
                              : orientation_ == Orientation::kBottomToTop;
    return (on_top ? kGroupHeader : kGroupPadding) * unit_;
  }

  // Sizes ----------------------------------------------------------------------------------------

  BoxLayout measure(const Box& box) const {
    if (box.inside != nullptr) return measure_open(box);
    switch (box.kind) {
      case BoxKind::kEntry:
      case BoxKind::kExit:
        return measure_port(box);
      case BoxKind::kFunction:
      case BoxKind::kNative:
      case BoxKind::kPipeline:
        return measure_card(box);
      default: {
        const double text = text_width(box.title + ' ' + box.detail, metrics_.title);
        return {{0, 0, text + 24 * unit_, 28 * unit_}};
      }
    }
  }

  BoxLayout measure_port(const Box& box) const {
    const double label = text_width(box.title, metrics_.tiny);
    if (vertical_) return {{0, 0, 8 * unit_ + label, 0}};
    return {{0, 0, label, 18 * unit_}};
  }

  BoxLayout measure_card(const Box& box) const {
    BoxLayout layout{{0, 0, 0, 0}};
    layout.badges = metrics_.badges_width(box.badges);
    layout.header = (box.note.empty() ? 32 : 46) * unit_;
    double width =
        std::max({56 * unit_, 1.08 * text_width(box.title, metrics_.title) + layout.badges,
                  text_width(box.note, metrics_.small)});
    // A function's name says enough if its only output is called the same.
    const bool told =
        box.outputs.size() == 1 && box.outputs[0].name == box.title && box.outputs[0].type.empty();
    const double height = 20 * unit_;
    const double gap = 6 * unit_;
    double row = -gap;
    double widest = 0;
    std::vector<double> widths;
    for (std::size_t i = 0; i < box.outputs.size() && !told; ++i) {
      const Port& port = box.outputs[i];
      const std::string text = port.type.empty() ? port.name : port.name + ": " + port.type;
      widths.push_back(text_width(text, metrics_.small) + 14 * unit_);
      row += widths.back() + gap;
      widest = std::max(widest, widths.back());
    }
    const auto count = static_cast<double>(widths.size());
    width = std::max(width, vertical_ ? row : widest) + 24 * unit_;
    double top = orientation_ == Orientation::kBottomToTop ? 8 * unit_ : layout.header;
    double left = (width - row) / 2;
    for (const double chip : widths) {
      if (!vertical_) {
        left = orientation_ == Orientation::kRightToLeft ? gap : width - gap - chip;
      }
      layout.ports.push_back({left, top, chip, height});
      if (vertical_) {
        left += chip + gap;
      } else {
        top += height + gap - 2 * unit_;
      }
    }
    layout.area.width = width;
    layout.area.height = layout.header;
    if (count > 0) {
      layout.area.height +=
          vertical_ ? height + 8 * unit_ : count * (height + gap - 2 * unit_) + 4 * unit_;
    }
    return layout;
  }

  BoxLayout measure_open(const Box& box) const {
    BoxLayout layout{{0, 0, 0, 0}};
    layout.header = kGroupHeader * unit_;
    layout.badges = metrics_.badges_width(box.badges);
    const double text = 1.08 * text_width(box.title, metrics_.title) + 12 * unit_ +
                        text_width(box.note, metrics_.small) + layout.badges;
    const double padding = kGroupPadding * unit_;
    layout.inside = std::make_unique<ScopeLayout>(scope(*box.inside, text));
    Rect& area = layout.area;
    area.width = std::max(layout.inside->width, text) + 2 * padding;
    area.height = layout.inside->height + layout.header + padding;
    layout.inside_at = {(area.width - layout.inside->width) / 2, layout.header};
    for (const int entry : box.entries) layout.entries.push_back(on_border(layout, entry, true));
    for (const int exit : box.exits) layout.exits.push_back(on_border(layout, exit, false));
    const bool entered = orientation_ == Orientation::kTopToBottom;
    const bool left = orientation_ == Orientation::kBottomToTop;
    layout.header_width = text;
    layout.title_x = title_place(entered ? layout.entries
                                 : left  ? layout.exits
                                         : Route(),
                                 text, area.width);
    return layout;
  }

  Point on_border(const BoxLayout& layout, int index, bool entry) const {
    const bool forward =
        orientation_ == Orientation::kTopToBottom || orientation_ == Orientation::kLeftToRight;
    const double border =
        entry == forward ? 0 : (vertical_ ? layout.area.height : layout.area.width);
    const double place = port_inside(layout, index);
    return vertical_ ? Point{place, border} : Point{border, place};
  }

  /// Where a title does not lie on the edges that cross the border above it; else at the left.
  double title_place(std::vector<Point> crossed, double width, double room) const {
    std::sort(crossed.begin(), crossed.end(),
              [](const Point& a, const Point& b) { return a.x < b.x; });
    const double left = 12 * unit_;
    double begin = left;
    for (const Point& edge : crossed) {
      if (begin + width <= edge.x) return begin;
      begin = std::max(begin, edge.x + left);
    }
    return begin + width <= room ? begin : left;
  }

  static constexpr double kGroupHeader = 32;
  static constexpr double kGroupPadding = 18;

  Orientation orientation_;
  bool vertical_;
  Metrics metrics_;
  double unit_;
};

}  // namespace

bool is_vertical(Orientation orientation) {
  return orientation == Orientation::kTopToBottom || orientation == Orientation::kBottomToTop;
}

Metrics::Metrics(const DrawTheme& theme)
    : title(std::clamp(theme.font_size, 1.0, 200.0)),
      small(title * 0.85),
      tiny(title * 0.75),
      unit(title / 13) {}

double Metrics::badge_width(const std::string& badge) const {
  return text_width(badge, tiny) + 10 * unit;
}

double Metrics::badges_width(const std::vector<std::string>& badges) const {
  double width = 0;
  for (const std::string& badge : badges) width += badge_width(badge) + 5 * unit;
  return badges.empty() ? 0 : width + 3 * unit;
}

ScopeLayout lay_out(const Scope& scope, const DrawOptions& options) {
  return Layouter(options).scope(scope, 0);
}

}  // namespace hypernodes::draw
