// SPDX-License-Identifier: MIT
#include "bindings/draw.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings/choices.hpp"
#include "bindings/graph.hpp"
#include "bindings/to_python.hpp"
#include "draw/model.hpp"
#include "hypernodes/draw.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::python {
namespace {

/// Calls `visit` with the name and the place of each field of a theme.
template <typename Theme, typename Visit>
void each_field(Theme& theme, Visit&& visit) {
  visit("background", theme.background);
  visit("text", theme.text);
  visit("muted", theme.muted);
  visit("input_fill", theme.input_fill);
  visit("input_border", theme.input_border);
  visit("bound_fill", theme.bound_fill);
  visit("bound_border", theme.bound_border);
  visit("function_fill", theme.function_fill);
  visit("function_border", theme.function_border);
  visit("native_fill", theme.native_fill);
  visit("native_border", theme.native_border);
  visit("pipeline_fill", theme.pipeline_fill);
  visit("pipeline_border", theme.pipeline_border);
  visit("output_fill", theme.output_fill);
  visit("output_border", theme.output_border);
  visit("group_fill", theme.group_fill);
  visit("group_border", theme.group_border);
  visit("edge", theme.edge);
  visit("highlight", theme.highlight);
  visit("font", theme.font);
  visit("font_size", theme.font_size);
  visit("corner_radius", theme.corner_radius);
  visit("line_width", theme.line_width);
  visit("shadow", theme.shadow);
}

/// {name: {field: value}}, the default theme first.
nb::dict themes() {
  nb::dict all;
  for (const auto& [name, theme] : draw_themes()) {
    nb::dict fields;
    each_field(theme, [&](const char* field, const auto& value) { fields[field] = value; });
    all[str_of(name)] = fields;
  }
  return all;
}

DrawTheme theme_of(const nb::dict& fields) {
  DrawTheme theme;
  each_field(theme, [&](const char* field, auto& value) {
    const nb::object given = fields[field];
    if (!nb::try_cast(given, value)) {
      throw TypeError("A theme's " + std::string(field) + " cannot be " + type_text(given),
                      "GraphvizTheme." + std::string(field),
                      "give a value like " + std::string(nb::repr(nb::cast(value)).c_str()));
    }
  });
  return theme;
}

Orientation orientation_of(const std::string& name) {
  return choice_of<Orientation>("orient", name,
                                {{"TB", Orientation::kTopToBottom},
                                 {"BT", Orientation::kBottomToTop},
                                 {"LR", Orientation::kLeftToRight},
                                 {"RL", Orientation::kRightToLeft}},
                                "use 'TB', 'BT', 'LR' or 'RL'");
}

/// What Python knows of nodes: types by the names of inputs and outputs.
using TypeTable = std::vector<std::pair<Node, nb::dict>>;
using BadgeTable = std::vector<std::pair<Node, std::vector<std::string>>>;

std::function<std::vector<std::string>(const Node&)> badges_in(const BadgeTable& table) {
  std::unordered_map<const Node::Definition*, std::vector<std::string>> badges;
  for (const auto& [node, texts] : table) badges.emplace(&node.definition(), texts);
  return [badges = std::move(badges)](const Node& node) {
    const auto found = badges.find(&node.definition());
    return found == badges.end() ? std::vector<std::string>() : found->second;
  };
}

std::function<std::string(const Node&, std::string_view)> type_texts(const TypeTable& table) {
  std::unordered_map<const Node::Definition*, nb::dict> texts;
  for (const auto& [node, types] : table) texts.emplace(&node.definition(), types);
  return [texts = std::move(texts)](const Node& node, std::string_view name) -> std::string {
    const auto found = texts.find(&node.definition());
    if (found == texts.end()) return {};
    const nb::object key = str_of(name);
    if (!found->second.contains(key)) return {};
    return std::string(text_of(nb::object(found->second[key])));
  };
}

std::string draw(const PythonGraph& graph, const std::string& format, std::optional<int> depth,
                 bool flatten, bool separate_outputs, bool show_types, bool show_legend,
                 const std::string& orient, const nb::dict& theme, const nb::dict& bound,
                 bool has_cache, const TypeTable& types, const BadgeTable& badges,
                 const nb::callable& value_text) {
  DrawOptions options;
  options.depth = depth;
  options.flatten = flatten;
  options.separate_outputs = separate_outputs;
  options.show_types = show_types;
  options.show_legend = show_legend;
  options.orientation = orientation_of(orient);
  options.theme = theme_of(theme);
  options.type_text = type_texts(types);
  options.badges = badges_in(badges);
  options.value_text = [&](const Value& value) {
    const nb::object text = value_text(to_python(value));
    return std::string(text_of(text));
  };
  draw::Subject subject{*graph.graph(), {}, has_cache};
  for (const auto [name, value] : bound) {
    subject.bound.emplace_back(text_of(name), object_value(value.ptr()));
  }
  if (format == "dot") return draw::draw_dot(subject, options);
  if (format == "mermaid") return draw::draw_mermaid(subject, options);
  if (format == "svg") return draw::draw_svg(subject, options);
  return draw::draw_html(subject, options);
}

}  // namespace

void bind_draw(nb::module_& module) {
  module.def("draw_themes", themes);
  module.def("draw", draw, nb::arg("graph"), nb::arg("format"), nb::arg("depth").none(),
             nb::arg("flatten"), nb::arg("separate_outputs"), nb::arg("show_types"),
             nb::arg("show_legend"), nb::arg("orient"), nb::arg("theme"), nb::arg("bound"),
             nb::arg("has_cache"), nb::arg("types"), nb::arg("badges"), nb::arg("value_text"));
}

}  // namespace hypernodes::python
