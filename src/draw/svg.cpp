// SPDX-License-Identifier: MIT
#include "draw/svg.hpp"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "draw/layout.hpp"
#include "draw/text.hpp"

namespace hypernodes::draw {
namespace {

constexpr double kMargin = 24;

std::string attribute(std::string_view name, std::string_view value) {
  return ' ' + std::string(name) + "=\"" + markup(value) + '"';
}
std::string attribute(std::string_view name, double value) {
  return ' ' + std::string(name) + "=\"" + number(value) + '"';
}

class Writer {
 public:
  explicit Writer(const DrawOptions& options)
      : options_(options),
        theme_(options.theme),
        metrics_(options.theme),
        unit_(metrics_.unit),
        vertical_(is_vertical(options.orientation)) {}

  std::string element(const Drawing& drawing, bool standalone, const std::string& attributes) {
    const ScopeLayout layout = lay_out(drawing.scope, options_);
    const bool headed = standalone && (!drawing.title.empty() || !drawing.badges.empty());
    const double header = headed ? 34 * unit_ : 0;
    double width = layout.width;
    double height = header + layout.height;
    const auto rows = options_.show_legend ? legend(drawing.scope)
                                           : std::vector<std::pair<BoxKind, std::string>>();
    if (headed) {
      width = std::max(width, 1.15 * text_width(drawing.title, metrics_.title + 3) +
                                  metrics_.badges_width(drawing.badges) + 10 * unit_);
    }
    width = std::max(width, legend_width(rows));
    if (!rows.empty()) height += 50 * unit_;

    const double whole_width = width + 2 * kMargin;
    const double whole_height = height + 2 * kMargin;
    out_ = "<svg";
    if (standalone) out_ += R"( xmlns="http://www.w3.org/2000/svg")";
    out_ += attributes;
    add({attribute("viewBox", "0 0 " + number(whole_width) + ' ' + number(whole_height)),
         attribute("width", whole_width), attribute("height", whole_height),
         attribute("font-family", theme_.font + ", sans-serif"),
         attribute("font-size", metrics_.title), attribute("fill", theme_.text), ">\n"});
    if (standalone) {
      add({"<title>", markup(drawing.title.empty() ? "pipeline" : drawing.title), "</title>\n"});
    }
    add({R"(<rect class="background" width="100%" height="100%")",
         attribute("fill", theme_.background), "/>\n"});
    open_group(kMargin, kMargin);
    if (headed) heading(drawing);
    open_group((width - layout.width) / 2, header);
    scope(drawing.scope, layout);
    out_ += "</g>\n";
    legend_row(rows, (width - legend_width(rows)) / 2, height - 24 * unit_);
    out_ += "</g>\n</svg>\n";
    return std::move(out_);
  }

 private:
  void add(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) out_ += part;
  }

  void open_group(double x, double y) {
    add({R"(<g transform="translate()", number(x), " ", number(y), ")\">\n"});
  }

  // Scopes and edges -----------------------------------------------------------------------------

  void scope(const Scope& scope, const ScopeLayout& layout) {
    for (std::size_t i = 0; i < scope.boxes.size(); ++i) {
      if (scope.boxes[i].inside != nullptr) open_pipeline(scope.boxes[i], layout.boxes[i]);
    }
    for (std::size_t i = 0; i < scope.boxes.size(); ++i) {
      const Box& each = scope.boxes[i];
      if (each.inside != nullptr) continue;
      if (each.kind == BoxKind::kEntry || each.kind == BoxKind::kExit) {
        port_label(each, layout.boxes[i].area, layout);
      } else {
        box(each, layout.boxes[i]);
      }
    }
    add({R"(<g fill="none")", attribute("stroke", theme_.edge),
         attribute("stroke-width", theme_.line_width * 1.2 * unit_), ">\n"});
    for (std::size_t i = 0; i < scope.edges.size(); ++i)
      edge(scope, scope.edges[i], layout.edges[i]);
    out_ += "</g>\n";
    for (std::size_t i = 0; i < scope.boxes.size(); ++i) {
      if (scope.boxes[i].inside != nullptr) ports(scope.boxes[i], layout.boxes[i]);
    }
  }

  void edge(const Scope& scope, const Edge& edge, const Route& route) {
    const Box& target = scope.boxes[static_cast<std::size_t>(edge.to)];
    const bool ends = target.inside == nullptr && target.kind != BoxKind::kExit;
    add({"<g class=\"edge\"", attribute("data-from", departs_from(scope, edge)),
         attribute("data-to", arrives_at(scope, edge)), "><path d=\""});
    for (std::size_t i = 0; i < route.size(); ++i) {
      const char* const command = i == 0 ? "M" : i % 4 == 1 ? "L" : i % 4 == 2 ? "C" : " ";
      add({command, number(route[i].x), " ", number(route[i].y)});
    }
    out_ += "\"/>";
    if (ends) arrow(route.back());
    out_ += "</g>\n";
  }

  void arrow(const Point& tip) {
    const double length = 6.5 * unit_;
    const double half = 3.4 * unit_;
    Point back = tip;
    Point side{half, 0};
    switch (options_.orientation) {
      case Orientation::kTopToBottom:
        back.y -= length;
        break;
      case Orientation::kBottomToTop:
        back.y += length;
        break;
      case Orientation::kLeftToRight:
        back.x -= length;
        side = {0, half};
        break;
      case Orientation::kRightToLeft:
        back.x += length;
        side = {0, half};
        break;
    }
    add({R"(<path class="head" stroke="none")", attribute("fill", theme_.edge), " d=\"M",
         number(tip.x), " ", number(tip.y), "L", number(back.x + side.x), " ",
         number(back.y + side.y), "L", number(back.x - side.x), " ", number(back.y - side.y),
         "Z\"/>"});
  }

  // Boxes ----------------------------------------------------------------------------------------

  void box(const Box& box, const BoxLayout& placed) {
    add({"<g", attribute("class", box.kind == BoxKind::kPipeline ? "box pipeline" : "box"),
         attribute("data-box", box.id)});
    if (box.kind == BoxKind::kPipeline) out_ += attribute("data-level", box.level + 1);
    add({" transform=\"translate(", number(placed.area.x), " ", number(placed.area.y), ")\">"});
    add({"<title>", markup(box.tooltip), "</title>"});
    switch (box.kind) {
      case BoxKind::kFunction:
      case BoxKind::kNative:
      case BoxKind::kPipeline:
        card(box, placed);
        break;
      default:
        pill(box, placed.area);
    }
    out_ += "</g>\n";
  }

  void rectangle(const Rect& area, double radius, std::string_view fill, std::string_view border,
                 std::string_view more = {}) {
    add({"<rect", attribute("x", area.x), attribute("y", area.y), attribute("width", area.width),
         attribute("height", area.height),
         attribute("rx", std::clamp(radius, 0.0, area.height / 2)), attribute("fill", fill),
         attribute("stroke", border), attribute("stroke-width", theme_.line_width * unit_), more,
         "/>"});
  }

  void shadow(const Rect& area, double radius) {
    if (!theme_.shadow) return;
    add({"<rect", attribute("x", area.x), attribute("y", area.y + 2 * unit_),
         attribute("width", area.width), attribute("height", area.height),
         attribute("rx", std::clamp(radius, 0.0, area.height / 2)),
         R"( fill="#000000" opacity="0.07"/>)"});
  }

  void text(double x, double y, double size, std::string_view content, std::string_view more) {
    add({"<text", attribute("x", x), attribute("y", y), attribute("font-size", size), more, ">",
         markup(content), "</text>"});
  }

  void pill(const Box& box, const Rect& area) {
    const Paint colours = paint(theme_, box.kind);
    const double radius = theme_.corner_radius > 0 ? area.height / 2 : 0;
    rectangle({0, 0, area.width, area.height}, radius, colours.fill, colours.border,
              box.kind == BoxKind::kDefault ? R"( stroke-dasharray="4 3")" : "");
    add({R"(<text text-anchor="middle")", attribute("x", area.width / 2),
         attribute("y", area.height / 2 + 4.5 * unit_), "><tspan>", markup(box.title), "</tspan>"});
    if (!box.detail.empty()) {
      const bool joined = box.detail.front() == ':';
      add({joined ? "" : " ", "<tspan", attribute("fill", theme_.muted), ">", markup(box.detail),
           "</tspan>"});
    }
    out_ += "</text>";
  }

  void card(const Box& box, const BoxLayout& layout) {
    const Paint colours = paint(theme_, box.kind);
    const Rect area{0, 0, layout.area.width, layout.area.height};
    const double radius = theme_.corner_radius * unit_;
    const double offset = 3.5 * unit_;
    if (box.mapped) {  // a pile: one for each item
      for (const double place : {2 * offset, offset}) {
        rectangle({place, -place, area.width - place, area.height}, radius, colours.fill,
                  colours.border);
      }
    }
    shadow(area, radius);
    rectangle(area, radius, colours.fill, colours.border);
    const bool below = options_.orientation == Orientation::kBottomToTop;
    const double top = below ? area.height - layout.header : 0;
    const double middle = (area.width - layout.badges) / 2;
    text(middle, top + 21 * unit_, metrics_.title, box.title,
         R"( text-anchor="middle" font-weight="600")");
    if (!box.note.empty()) {
      text(area.width / 2, top + 37 * unit_, metrics_.small, box.note,
           attribute("fill", theme_.muted) + R"( text-anchor="middle")");
    }
    badges(box.badges, area.width - 8 * unit_ - layout.badges, top + 9 * unit_, colours.border);
    for (std::size_t i = 0; i < layout.ports.size(); ++i)
      chip(box.outputs[i], layout.ports[i], colours);
  }

  void chip(const Port& port, const Rect& area, const Paint& colours) {
    const double radius = theme_.corner_radius > 0 ? area.height / 2 : 0;
    rectangle(area, radius, theme_.background, colours.border, R"( stroke-opacity="0.55")");
    add({R"(<text text-anchor="middle")", attribute("x", area.x + area.width / 2),
         attribute("y", area.y + area.height / 2 + 4 * unit_),
         attribute("font-size", metrics_.small), "><tspan>", markup(port.name), "</tspan>"});
    if (!port.type.empty()) {
      add({"<tspan", attribute("fill", theme_.muted), ">: ", markup(port.type), "</tspan>"});
    }
    out_ += "</text>";
  }

  void badges(const std::vector<std::string>& badges, double x, double y,
              const std::string& colour) {
    x += 3 * unit_;
    for (const std::string& badge : badges) {
      const double width = metrics_.badge_width(badge);
      add({"<rect", attribute("x", x), attribute("y", y), attribute("width", width),
           attribute("height", 15 * unit_),
           attribute("rx", theme_.corner_radius > 0 ? 4 * unit_ : 0), attribute("fill", colour),
           R"( opacity="0.28"/>)"});
      text(x + width / 2, y + 11 * unit_, metrics_.tiny, badge,
           R"( text-anchor="middle" font-weight="600")");
      x += width + 5 * unit_;
    }
  }

  // Open pipelines -------------------------------------------------------------------------------

  void open_pipeline(const Box& box, const BoxLayout& placed) {
    const Paint colours{theme_.group_fill, theme_.group_border};
    add({R"(<g class="group")", attribute("data-level", box.level), " transform=\"translate(",
         number(placed.area.x), " ", number(placed.area.y), ")\">\n"});
    add({R"(<g class="pipeline">)", "<title>", markup(box.tooltip), "</title>"});
    rectangle({0, 0, placed.area.width, placed.area.height}, 1.3 * theme_.corner_radius * unit_,
              colours.fill, colours.border, box.mapped ? R"( stroke-dasharray="7 4")" : "");
    out_ += "</g>\n";
    open_group(placed.inside_at.x, placed.inside_at.y);
    this->scope(*box.inside, *placed.inside);
    out_ += "</g>\n";
    // With a halo, for edges that it cannot avoid.
    add({R"(<g class="pipeline">)", "<title>", markup(box.tooltip), "</title>",
         R"(<text paint-order="stroke" stroke-width="6")", attribute("stroke", colours.fill),
         attribute("x", placed.title_x), attribute("y", 20 * unit_),
         R"(><tspan font-weight="600">)", markup(box.title), "</tspan> <tspan",
         attribute("dx", 4 * unit_), attribute("fill", theme_.muted),
         attribute("font-size", metrics_.small), ">", markup(box.note), "</tspan></text>"});
    add({"<rect", attribute("x", placed.title_x + placed.header_width - placed.badges),
         attribute("y", 6 * unit_), attribute("width", placed.badges),
         attribute("height", box.badges.empty() ? 0 : 19 * unit_), attribute("fill", colours.fill),
         "/>"});
    badges(box.badges, placed.title_x + placed.header_width - placed.badges, 8 * unit_,
           colours.border);
    out_ += "</g>\n</g>\n";
  }

  /// Dots where edges cross the border.
  void ports(const Box& box, const BoxLayout& placed) {
    const auto dots = [&](const std::vector<int>& indices, const std::vector<Point>& places) {
      for (std::size_t i = 0; i < indices.size(); ++i) {
        const Box& port = box.inside->boxes[static_cast<std::size_t>(indices[i])];
        add({"<circle", attribute("cx", placed.area.x + places[i].x),
             attribute("cy", placed.area.y + places[i].y), attribute("r", 3 * unit_),
             attribute("fill", theme_.background), attribute("stroke", theme_.group_border),
             attribute("stroke-width", theme_.line_width * unit_), "><title>", markup(port.tooltip),
             "</title></circle>\n"});
      }
    };
    dots(box.entries, placed.entries);
    dots(box.exits, placed.exits);
  }

  /// Beside the edge, near the border.
  void port_label(const Box& box, const Rect& area, const ScopeLayout& layout) {
    if (box.title.empty()) return;
    const bool first = box.kind == BoxKind::kEntry;
    const auto more = attribute("fill", theme_.muted);
    const double line = 8 * unit_;
    if (vertical_) {
      const bool above = first == (options_.orientation == Orientation::kTopToBottom);
      text(area.x + line, area.y + (above ? 10 : -2) * unit_, metrics_.tiny, box.title, more);
    } else {
      const bool left = first == (options_.orientation == Orientation::kLeftToRight);
      text(left ? -line : layout.width + line, area.y + 9 * unit_, metrics_.tiny, box.title,
           more + attribute("text-anchor", left ? "start" : "end"));
    }
  }

  // Heading and legend ---------------------------------------------------------------------------

  void heading(const Drawing& drawing) {
    const double size = metrics_.title + 3;
    text(0, 15 * unit_, size, drawing.title, R"( font-weight="700")");
    const double end =
        drawing.title.empty() ? 0 : 1.15 * text_width(drawing.title, size) + 8 * unit_;
    badges(drawing.badges, end, 3 * unit_, theme_.muted);
  }

  double legend_width(const std::vector<std::pair<BoxKind, std::string>>& rows) const {
    double width = 0;
    for (const auto& row : rows) width += text_width(row.second, metrics_.small) + 44 * unit_;
    return width;
  }

  void legend_row(const std::vector<std::pair<BoxKind, std::string>>& rows, double x, double y) {
    for (const auto& [kind, name] : rows) {
      const Paint colours = paint(theme_, kind);
      const bool card =
          kind == BoxKind::kFunction || kind == BoxKind::kNative || kind == BoxKind::kPipeline;
      const double radius = card ? theme_.corner_radius / 2 : theme_.corner_radius;
      rectangle({x, y, 22 * unit_, 13 * unit_}, radius * unit_, colours.fill, colours.border,
                kind == BoxKind::kDefault ? R"( stroke-dasharray="4 3")" : "");
      text(x + 28 * unit_, y + 10.5 * unit_, metrics_.small, name, attribute("fill", theme_.muted));
      x += text_width(name, metrics_.small) + 44 * unit_;
    }
  }

  const DrawOptions& options_;
  const DrawTheme& theme_;
  Metrics metrics_;
  double unit_;
  bool vertical_;
  std::string out_;
};

}  // namespace

std::string svg_element(const Drawing& drawing, const DrawOptions& options, bool standalone,
                        const std::string& attributes) {
  return Writer(options).element(drawing, standalone, attributes);
}

std::string draw_svg(const Subject& subject, const DrawOptions& options) {
  return svg_element(make_drawing(subject, options), options, true);
}

}  // namespace hypernodes::draw
