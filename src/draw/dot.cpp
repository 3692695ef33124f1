// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "draw/model.hpp"
#include "draw/text.hpp"

namespace hypernodes::draw {
namespace {

/// A double-quoted string; Graphviz reads escapes and HTML entities in it.
std::string dot_string(std::string_view text) {
  std::string out = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') out += '\\';
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '&') {
      out += "&amp;";
    } else {
      out += byte;
    }
  }
  return out + '"';
}

/// Text in a label made of markup, where nothing at all is a syntax error.
std::string label_text(std::string_view text) { return text.empty() ? "&#160;" : markup(text); }

class Writer {
 public:
  explicit Writer(const DrawOptions& options) : options_(options), theme_(options.theme) {}

  std::string graph(const Drawing& drawing) {
    const std::string font = theme_.font.substr(0, theme_.font.find(','));
    const std::string size = number(theme_.font_size);
    add({"digraph ", dot_string(drawing.title.empty() ? "pipeline" : drawing.title), " {\n"});
    add({"graph [rankdir=", direction(), ", bgcolor=", dot_string(theme_.background),
         ", fontname=", dot_string(font), ", fontcolor=", dot_string(theme_.text),
         ", fontsize=", size, ", pad=0.3, nodesep=0.3, ranksep=0.45"});
    if (!drawing.title.empty() || !drawing.badges.empty()) {
      add({", labelloc=t, labeljust=l, label=<<B>", label_text(drawing.title), "</B>",
           note("", drawing.badges), ">"});
    }
    add({"];\nnode [fontname=", dot_string(font), ", fontcolor=", dot_string(theme_.text),
         ", fontsize=", size, ", shape=box, penwidth=", number(theme_.line_width),
         ", margin=0, height=0.3];\n"});
    add({"edge [fontname=", dot_string(font), ", color=", dot_string(theme_.edge),
         ", penwidth=", number(theme_.line_width), ", arrowsize=0.6];\n"});
    scope(drawing.scope);
    if (options_.show_legend) add_legend(drawing.scope);
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  void add(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) out_ += part;
  }

  const char* direction() const {
    constexpr const char* kNames[] = {"TB", "BT", "LR", "RL"};
    return kNames[static_cast<int>(options_.orientation)];
  }

  /// The side of a box where its outputs leave.
  const char* out_side() const {
    constexpr const char* kSides[] = {"s", "n", "e", "w"};
    return kSides[static_cast<int>(options_.orientation)];
  }

  std::string style(const char* more = "") const {
    return std::string(theme_.corner_radius > 0 ? "\"rounded,filled" : "\"filled") + more + '"';
  }

  void scope(const Scope& scope) {
    for (const Box& each : scope.boxes) {
      if (each.inside != nullptr) {
        cluster(each);
      } else {
        box(each);
      }
    }
    for (const Edge& edge : scope.edges) {
      const Box& from = scope.boxes[static_cast<std::size_t>(edge.from)];
      const Box& to = scope.boxes[static_cast<std::size_t>(edge.to)];
      add({"n", std::to_string(departs_from(scope, edge))});
      if (!from.outputs.empty()) {
        add({":o", std::to_string(edge.from_port), ":", out_side()});
      }
      const bool to_port = to.inside != nullptr || to.kind == BoxKind::kExit;
      add({" -> n", std::to_string(arrives_at(scope, edge)),
           to_port ? " [arrowhead=none];\n" : ";\n"});
    }
  }

  void cluster(const Box& box) {
    add({"subgraph ", dot_string("cluster_" + std::to_string(box.id)), " {\nstyle=",
         style(box.mapped ? ",dashed" : ""), "; fillcolor=", dot_string(theme_.group_fill),
         "; color=", dot_string(theme_.group_border), "; penwidth=", number(theme_.line_width),
         "; margin=14; labeljust=l; tooltip=", dot_string(box.tooltip), ";\nlabel=<<B>",
         label_text(box.title), "</B>", note(box.note, box.badges), ">;\n"});
    scope(*box.inside);
    out_ += "}\n";
  }

  void box(const Box& box) {
    add({"n", std::to_string(box.id), " ["});
    const Paint colours = paint(theme_, box.kind);
    switch (box.kind) {
      case BoxKind::kEntry:
      case BoxKind::kExit:
        add({"shape=circle, style=filled, width=0.08, height=0.08, label=\"\", fillcolor=",
             dot_string(theme_.background), ", color=", dot_string(theme_.group_border)});
        if (!box.title.empty()) {
          add({", xlabel=<<FONT POINT-SIZE=\"", number(theme_.font_size * 0.75), "\">",
               muted(box.title), "</FONT>>"});
        }
        break;
      case BoxKind::kFunction:
      case BoxKind::kNative:
      case BoxKind::kPipeline:
        add({"style=", style(), ", fillcolor=", dot_string(colours.fill), ", color=",
             dot_string(colours.border), box.mapped ? ", peripheries=2" : "", ", label=<"});
        card(box, colours);
        out_ += '>';
        break;
      default:
        add({"style=", style(box.kind == BoxKind::kDefault ? ",dashed" : ""),
             ", margin=\"0.14,0.04\", fillcolor=", dot_string(colours.fill),
             ", color=", dot_string(colours.border), ", label=<", label_text(box.title)});
        if (!box.detail.empty()) {
          add({box.detail.front() == ':' ? "" : " ", muted(box.detail)});
        }
        out_ += '>';
    }
    add({", tooltip=", dot_string(box.tooltip), "];\n"});
  }

  std::string muted(std::string_view text) const {
    return "<FONT COLOR=\"" + markup(theme_.muted) + "\">" + label_text(text) + "</FONT>";
  }

  /// What stands small under or after a title.
  std::string note(const std::string& text, const std::vector<std::string>& badges) const {
    std::string all = text;
    for (const std::string& badge : badges) all += (all.empty() ? "" : " \xC2\xB7 ") + badge;
    if (all.empty()) return all;
    return "  <FONT POINT-SIZE=\"" + number(theme_.font_size * 0.8) + "\">" + muted(all) +
           "</FONT>";
  }

  void card(const Box& box, const Paint& colours) {
    const bool rows = options_.orientation == Orientation::kLeftToRight ||
                      options_.orientation == Orientation::kRightToLeft;
    const std::string span =
        std::to_string(rows ? 1 : std::max<std::size_t>(box.outputs.size(), 1));
    const std::string small = number(theme_.font_size * 0.85);
    add({R"(<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" CELLPADDING="2"><TR><TD COLSPAN=")",
         span, "\"><B>", label_text(box.title), "</B></TD></TR>"});
    if (const std::string text = note(box.note, box.badges); !text.empty()) {
      add({"<TR><TD COLSPAN=\"", span, "\">", text, "</TD></TR>"});
    }
    for (std::size_t i = 0; i < box.outputs.size(); ++i) {
      const Port& port = box.outputs[i];
      if (rows || i == 0) out_ += "<TR>";
      add({"<TD PORT=\"o", std::to_string(i), "\" BORDER=\"1\" STYLE=\"ROUNDED\" COLOR=\"",
           markup(colours.border), "\" BGCOLOR=\"", markup(theme_.background),
           "\"><FONT POINT-SIZE=\"", small, "\">", label_text(port.name)});
      if (!port.type.empty()) out_ += muted(": " + port.type);
      out_ += "</FONT></TD>";
      if (rows || i + 1 == box.outputs.size()) out_ += "</TR>";
    }
    out_ += "</TABLE>";
  }

  void add_legend(const Scope& scope) {
    const auto rows = legend(scope);
    if (rows.empty()) return;  // an empty table is a syntax error
    out_ += "legend [shape=none, label=<<TABLE BORDER=\"0\" CELLSPACING=\"4\">";
    for (const auto& [kind, name] : rows) {
      const Paint colours = paint(theme_, kind);
      add({"<TR><TD WIDTH=\"22\" BORDER=\"1\" STYLE=\"ROUNDED",
           kind == BoxKind::kDefault ? ",DASHED" : "", "\" BGCOLOR=\"", markup(colours.fill),
           "\" COLOR=\"", markup(colours.border), "\"></TD><TD ALIGN=\"LEFT\">", muted(name),
           "</TD></TR>"});
    }
    out_ += "</TABLE>>];\n";
  }

  const DrawOptions& options_;
  const DrawTheme& theme_;
  std::string out_;
};

}  // namespace

std::string draw_dot(const Subject& subject, const DrawOptions& options) {
  return Writer(options).graph(make_drawing(subject, options));
}

}  // namespace hypernodes::draw
