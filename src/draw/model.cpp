// SPDX-License-Identifier: MIT
#include "draw/model.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "draw/text.hpp"
#include "draw/types.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::draw {
namespace {

constexpr std::size_t kMostCharacters = 48;  // of a name in the drawing
constexpr std::size_t kMostOfAValue = 24;
constexpr std::size_t kMostInTooltip = 400;

/// The default value of a root input, if one is known.
const Value* default_of(const Graph& graph, const Selection& selection, int slot) {
  for (const int index : selection.steps) {
    const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] != slot) continue;
      const auto& fallback = step.node.inputs()[i].fallback;
      if (fallback) return &*fallback;
      const NestedPipeline* const nested = step.node.definition().nested.get();
      if (nested == nullptr || nested->mapped[i]) continue;
      const Value* const inner =
          default_of(*nested->graph, nested->selection, nested->input_slots[i]);
      if (inner != nullptr) return inner;
    }
  }
  return nullptr;
}

/// `map over a, b`, or `map over a x b`; empty if it is not mapped.
std::string map_text(const Node& node) {
  const NestedPipeline& nested = *node.definition().nested;
  const char* const between = nested.mode == MapMode::kZip ? ", " : " \xC3\x97 ";
  std::string names;
  for (std::size_t i = 0; i < node.inputs().size(); ++i) {
    if (!nested.mapped[i]) continue;
    if (!names.empty()) names += between;
    names += clean(node.inputs()[i].name);
  }
  return names.empty() ? names : "map over " + names;
}

std::string count_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " node" : " nodes");
}

/// Whether it is never stored for its own sake, not for that of a node inside.
bool uncached(const Node& node) {
  const Node::Definition& definition = node.definition();
  if (definition.cached) return false;
  if (definition.nested == nullptr) return true;
  const NestedPipeline& nested = *definition.nested;
  return std::all_of(nested.selection.steps.begin(), nested.selection.steps.end(), [&](int index) {
    return nested.graph->steps()[static_cast<std::size_t>(index)].node.definition().cached;
  });
}

std::vector<std::string> badges_of(const Node& node, const DrawOptions& options) {
  const Node::Definition& definition = node.definition();
  const NestedPipeline* const nested = definition.nested.get();
  std::vector<std::string> badges;
  if (nested == nullptr && !definition.foreign) badges.emplace_back("C++");
  if (definition.whole_batch) badges.emplace_back("batch");
  if (uncached(node)) badges.emplace_back("no cache");
  if (nested != nullptr && nested->cache != nullptr) badges.emplace_back("own cache");
  if (options.badges == nullptr) return badges;
  for (const std::string& badge : options.badges(node)) {
    badges.push_back(clip(clean(badge), kMostOfAValue));
  }
  return badges;
}

BoxKind kind_of(const Node& node) {
  if (node.definition().nested != nullptr) return BoxKind::kPipeline;
  return node.definition().foreign ? BoxKind::kFunction : BoxKind::kNative;
}

/// Who makes a slot's value.
struct Source {
  int box = -1;
  int port = 0;
};

using Bound = std::vector<std::pair<int, const Value*>>;  // by slot

class Builder {
 public:
  explicit Builder(const DrawOptions& options) : options_(options), types_(options) {}

  /// Adds what a selection of a graph runs; `sources` has the slots that come from outside.
  void add(Scope& scope, const Graph& graph, const Selection& selection, const Bound& bound,
           std::vector<Source>& sources, const std::string& map, int level) {
    for (const int index : selection.steps) {
      const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
      for (const int slot : step.inputs) {
        Source& source = sources[static_cast<std::size_t>(slot)];
        if (source.box >= 0) continue;
        source.box = append(scope, root_box(graph, selection, slot, bound));
      }
      add_step(scope, step, sources, map, level);
    }
  }

 private:
  static int append(Scope& scope, Box box) {
    scope.boxes.push_back(std::move(box));
    return static_cast<int>(scope.boxes.size()) - 1;
  }

  void add_step(Scope& scope, const Graph::Step& step, std::vector<Source>& sources,
                const std::string& map, int level) {
    const NestedPipeline* const nested = step.node.definition().nested.get();
    if (nested != nullptr && options_.flatten) {
      add_flat(scope, step, *nested, sources, map, level);
      return;
    }
    Box box = step_box(step.node, map, level);
    if (nested != nullptr && (!options_.depth || level < *options_.depth)) {
      open(box, step.node, *nested, level);
    }
    const std::vector<Port> ports = ports_of(step.node);
    if (!options_.separate_outputs && box.inside == nullptr) box.outputs = ports;
    const int index = append(scope, std::move(box));
    connect(scope, step, sources, index);
    for (std::size_t i = 0; i < ports.size(); ++i) {
      const auto slot = static_cast<std::size_t>(step.first_output) + i;
      sources[slot] = {index, static_cast<int>(i)};
      if (!options_.separate_outputs) continue;
      const int output = append(scope, output_box(ports[i]));
      const bool drawn = scope.boxes[static_cast<std::size_t>(index)].inside != nullptr;
      scope.edges.push_back({index, drawn ? static_cast<int>(i) : 0, output, 0});
      sources[slot] = {output, 0};
    }
  }

  static void connect(Scope& scope, const Graph::Step& step, const std::vector<Source>& sources,
                      int index) {
    const bool open = scope.boxes[static_cast<std::size_t>(index)].inside != nullptr;
    std::set<std::pair<int, int>> seen;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const Source& source = sources[static_cast<std::size_t>(step.inputs[i])];
      if (!open && !seen.emplace(source.box, source.port).second) continue;
      scope.edges.push_back({source.box, source.port, index, static_cast<int>(i)});
    }
  }

  /// The nodes of a nested pipeline in place of it.
  void add_flat(Scope& scope, const Graph::Step& step, const NestedPipeline& nested,
                std::vector<Source>& sources, const std::string& map, int level) {
    std::vector<Source> inner(nested.graph->slots().size());
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      inner[static_cast<std::size_t>(nested.input_slots[i])] =
          sources[static_cast<std::size_t>(step.inputs[i])];
    }
    const std::string own = map_text(step.node);
    const std::string both = map.empty() || own.empty() ? map + own : map + ", " + own;
    add(scope, *nested.graph, nested.selection, bound_of(nested), inner, both, level + 1);
    for (std::size_t i = 0; i < nested.selection.outputs.size(); ++i) {
      sources[static_cast<std::size_t>(step.first_output) + i] =
          inner[static_cast<std::size_t>(nested.selection.outputs[i])];
    }
  }

  /// Gives a pipeline's box its inside.
  void open(Box& box, const Node& node, const NestedPipeline& nested, int level) {
    box.inside = std::make_unique<Scope>();
    std::vector<Source> inner(nested.graph->slots().size());
    for (std::size_t i = 0; i < node.inputs().size(); ++i) {
      const auto slot = static_cast<std::size_t>(nested.input_slots[i]);
      const std::string name = clean(nested.graph->slots()[slot]);
      box.entries.push_back(
          append(*box.inside, port_box(BoxKind::kEntry, name, clean(node.inputs()[i].name))));
      inner[slot] = {box.entries.back(), 0};
    }
    add(*box.inside, *nested.graph, nested.selection, bound_of(nested), inner, {}, level + 1);
    for (std::size_t i = 0; i < nested.selection.outputs.size(); ++i) {
      const std::string name = clean(nested.selection.output_names[i]);
      box.exits.push_back(
          append(*box.inside, port_box(BoxKind::kExit, name, clean(node.outputs()[i].name))));
      const Source& source = inner[static_cast<std::size_t>(nested.selection.outputs[i])];
      box.inside->edges.push_back({source.box, source.port, box.exits.back(), 0});
    }
  }

  static Bound bound_of(const NestedPipeline& nested) {
    Bound bound;
    for (const NestedPipeline::Bound& each : nested.bound)
      bound.emplace_back(each.slot, &each.value);
    return bound;
  }

  // Boxes ----------------------------------------------------------------------------------------

  /// A port of an open pipeline. Its title is the name behind the border, if that is another one.
  static Box port_box(BoxKind kind, const std::string& inner, const std::string& outer) {
    const std::string& behind = kind == BoxKind::kEntry ? inner : outer;
    Box box{kind, inner == outer ? std::string() : clip(behind, kMostCharacters)};
    box.tooltip = inner == outer            ? inner
                  : kind == BoxKind::kEntry ? outer + " is " + inner + " inside"
                                            : inner + " is " + outer + " outside";
    return box;
  }

  Box root_box(const Graph& graph, const Selection& selection, int slot, const Bound& bound) {
    const std::string name = clean(graph.slots()[static_cast<std::size_t>(slot)]);
    Box box{BoxKind::kInput, clip(name, kMostCharacters)};
    const auto given = std::find_if(bound.begin(), bound.end(),
                                    [&](const auto& each) { return each.first == slot; });
    const std::string type = types_.root(graph, selection, slot).text;
    const Value* value = nullptr;
    const char* what = "input";
    if (given != bound.end()) {
      value = given->second;
      box.kind = BoxKind::kBound;
      what = "bound input";
    } else if (graph.optional(slot)) {
      value = default_of(graph, selection, slot);
      box.kind = BoxKind::kDefault;
      what = "optional input";
    }
    const std::string text = value == nullptr ? "" : value_text(*value);
    if (options_.show_types && !type.empty()) box.detail = ": " + clip(type, kMostCharacters);
    if (!text.empty())
      box.detail += (box.detail.empty() ? "= " : " = ") + clip(text, kMostOfAValue);
    box.tooltip = line(name, type, text) + "\n" + what;
    return box;
  }

  Box output_box(const Port& port) const {
    Box box{BoxKind::kOutput, port.name};
    if (!port.type.empty()) box.detail = ": " + port.type;
    box.tooltip = port.name + box.detail + "\noutput";
    return box;
  }

  Box step_box(const Node& node, const std::string& map, int level) {
    const NestedPipeline* const nested = node.definition().nested.get();
    const std::string name = clean(node.name());
    // A pipeline without a name goes by an id that says nothing.
    const bool anonymous = nested != nullptr && node.name() == nested->graph->id();
    Box box{kind_of(node), anonymous ? "pipeline" : clip(name, kMostCharacters)};
    box.badges = badges_of(node, options_);
    box.level = level;
    box.note = map;
    std::string what = box.kind == BoxKind::kNative ? "C++ function" : "function";
    if (nested != nullptr) {
      const std::string own = map_text(node);
      box.mapped = nested->is_map();
      what = "pipeline of " + count_text(nested->selection.steps.size());
      box.note = count_text(nested->selection.steps.size());
      if (!own.empty()) {
        what += ", " + own;
        box.note = own + " \xC2\xB7 " + box.note;
      }
    }
    box.note = clip(box.note, kMostCharacters);
    box.tooltip = (anonymous ? "" : name + "\n") + what;
    for (std::size_t i = 0; i < node.inputs().size(); ++i) {
      const NodeInput& input = node.inputs()[i];
      const std::string value = input.fallback ? value_text(*input.fallback) : "";
      box.tooltip += "\nneeds " + line(clean(input.name), types_.input(node, i).text, value);
    }
    for (std::size_t i = 0; i < node.outputs().size(); ++i) {
      box.tooltip +=
          "\nmakes " + line(clean(node.outputs()[i].name), types_.output(node, i).text, "");
    }
    if (uncached(node)) box.tooltip += "\nnever cached";
    return box;
  }

  /// The outputs of a node as they are drawn.
  std::vector<Port> ports_of(const Node& node) {
    std::vector<Port> ports;
    for (std::size_t i = 0; i < node.outputs().size(); ++i) {
      ports.push_back({clip(clean(node.outputs()[i].name), kMostCharacters),
                       options_.show_types ? clip(types_.output(node, i).text, kMostCharacters)
                                           : std::string()});
    }
    return ports;
  }

  std::string value_text(const Value& value) const {
    return clean(options_.value_text != nullptr ? options_.value_text(value) : value.to_string());
  }

  static std::string line(const std::string& name, const std::string& type,
                          const std::string& value) {
    std::string text = clip(name, kMostInTooltip);
    if (!type.empty()) text += ": " + clip(type, kMostInTooltip);
    if (!value.empty()) text += " = " + clip(value, kMostInTooltip);
    return text;
  }

  const DrawOptions& options_;
  Types types_;
};

/// The boxes of a drawing of that depth, counted until there are too many.
void count_boxes(const Graph& graph, const Selection& selection, int depth, std::size_t limit,
                 bool* deeper, std::size_t* count) {
  for (const int index : selection.steps) {
    if (++*count > limit) return;
    const auto& nested = graph.steps()[static_cast<std::size_t>(index)].node.definition().nested;
    if (nested == nullptr) continue;
    if (depth > 1) {
      count_boxes(*nested->graph, nested->selection, depth - 1, limit, deeper, count);
    } else {
      *deeper = true;
    }
  }
}

void number(Scope& scope, int& next) {
  for (Box& box : scope.boxes) box.id = next++;
  for (Box& box : scope.boxes) {
    if (box.inside != nullptr) number(*box.inside, next);
  }
}

int id_at(const Box& box, const std::vector<int>& ports, int port) {
  if (box.inside == nullptr) return box.id;
  return box.inside->boxes[static_cast<std::size_t>(ports[static_cast<std::size_t>(port)])].id;
}

void collect_kinds(const Scope& scope, std::set<BoxKind>& kinds) {
  for (const Box& box : scope.boxes) {
    kinds.insert(box.kind);
    if (box.inside != nullptr) collect_kinds(*box.inside, kinds);
  }
}

}  // namespace

Subject subject_of(const Pipeline& pipeline) {
  return {*pipeline.graph(), pipeline.bound().items(), pipeline.cache() != nullptr};
}

Drawing make_drawing(const Subject& subject, const DrawOptions& options) {
  if (options.depth && *options.depth < 1) {
    throw PlanError("A drawing's depth is at least 1, got " + std::to_string(*options.depth),
                    subject.graph.name().empty() ? "" : "pipeline '" + subject.graph.name() + "'",
                    "use 1 for closed nested pipelines, 2 to open them, none to open all");
  }
  Drawing drawing;
  drawing.title = clean(subject.graph.name());
  if (subject.has_cache) drawing.badges.emplace_back("cache");
  Bound bound;
  for (const auto& [name, value] : subject.bound) {
    const int slot = subject.graph.slot(name);
    if (slot >= 0) bound.emplace_back(slot, &value);
  }
  std::vector<Source> sources(subject.graph.slots().size());
  Builder(options).add(drawing.scope, subject.graph, subject.graph.all(), bound, sources, {}, 1);
  int next = 0;
  number(drawing.scope, next);
  return drawing;
}

int departs_from(const Scope& scope, const Edge& edge) {
  const Box& box = scope.boxes[static_cast<std::size_t>(edge.from)];
  return id_at(box, box.exits, edge.from_port);
}

int arrives_at(const Scope& scope, const Edge& edge) {
  const Box& box = scope.boxes[static_cast<std::size_t>(edge.to)];
  return id_at(box, box.entries, edge.to_port);
}

int levels(const Graph& graph, std::size_t limit) {
  for (int depth = 1;; ++depth) {
    bool deeper = false;
    std::size_t count = 0;
    count_boxes(graph, graph.all(), depth, limit, &deeper, &count);
    if (count > limit) return std::max(1, depth - 1);
    if (!deeper) return depth;
  }
}

std::vector<std::pair<BoxKind, std::string>> legend(const Scope& scope) {
  static const std::vector<std::pair<BoxKind, std::string>> names = {
      {BoxKind::kInput, "input"},         {BoxKind::kDefault, "optional input"},
      {BoxKind::kBound, "bound input"},   {BoxKind::kFunction, "function"},
      {BoxKind::kNative, "C++ function"}, {BoxKind::kPipeline, "nested pipeline"},
      {BoxKind::kOutput, "output"},
  };
  std::set<BoxKind> kinds;
  collect_kinds(scope, kinds);
  std::vector<std::pair<BoxKind, std::string>> rows;
  for (const auto& row : names) {
    if (kinds.contains(row.first)) rows.push_back(row);
  }
  return rows;
}

Paint paint(const DrawTheme& theme, BoxKind kind) {
  switch (kind) {
    case BoxKind::kBound:
      return {theme.bound_fill, theme.bound_border};
    case BoxKind::kFunction:
      return {theme.function_fill, theme.function_border};
    case BoxKind::kNative:
      return {theme.native_fill, theme.native_border};
    case BoxKind::kPipeline:
      return {theme.pipeline_fill, theme.pipeline_border};
    case BoxKind::kOutput:
      return {theme.output_fill, theme.output_border};
    default:
      return {theme.input_fill, theme.input_border};
  }
}

}  // namespace hypernodes::draw
