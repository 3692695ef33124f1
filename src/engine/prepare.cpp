// SPDX-License-Identifier: MIT
#include "engine/prepare.hpp"

#include <algorithm>
#include <map>

#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"
#include "values/text.hpp"

namespace hypernodes {
namespace {

using Given = std::vector<std::pair<std::string, const Value*>>;

std::vector<std::string> names_of(const Given& given) {
  std::vector<std::string> names;
  for (const auto& item : given) names.push_back(item.first);
  return names;
}

/// Bound inputs under given ones under overrides, in the order of first mention.
Given merge(const Inputs& bound, const Inputs& given, const Inputs& overrides) {
  Given merged;
  for (const Inputs* inputs : {&bound, &given, &overrides}) {
    for (const auto& [name, value] : inputs->items()) {
      const auto entry = std::find_if(merged.begin(), merged.end(),
                                      [&](const auto& item) { return item.first == name; });
      if (entry == merged.end()) {
        merged.emplace_back(name, &value);
      } else {
        entry->second = &value;
      }
    }
  }
  return merged;
}

/// Throws unless every node that reads `slot`, and an output that it stands for, can take values of
/// `type`.
void check_type(const Graph& graph, const Selection& selection, int slot, const Type& type) {
  if (!graph.slot_type(slot).accepts(type)) {
    throw TypeError("Override '" + graph.slots()[static_cast<std::size_t>(slot)] + "' is " +
                        type.name() + ", but the output is " + graph.slot_type(slot).name(),
                    graph.name().empty() ? "" : "pipeline '" + graph.name() + "'",
                    "give a value of that type");
  }
  for (const int index : selection.steps) {
    const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const NodeInput& input = step.node.inputs()[i];
      if (step.inputs[i] != slot || input.type.accepts(type)) continue;
      throw TypeError("Input '" + graph.slots()[static_cast<std::size_t>(slot)] + "' is " +
                          type.name() + ", but node '" + step.node.name() + "' takes " +
                          input.type.name(),
                      graph.name().empty() ? "" : "pipeline '" + graph.name() + "'",
                      "pass a value of that type");
    }
  }
}

}  // namespace

void PreparedRun::select(const Pipeline& pipeline, const std::vector<std::string>& outputs,
                         const Inputs& overrides) {
  graph_ = pipeline.graph()->covering(outputs);
  if (!overrides.items().empty()) {
    std::vector<std::string> names;
    for (const auto& item : overrides.items()) names.push_back(item.first);
    graph_ = graph_->overridden(names);
  }
  all_ = &graph_->all();
  if (!outputs.empty()) selected_ = graph_->select(outputs);
}

PreparedRun::PreparedRun(const Pipeline& pipeline, const Inputs& inputs,
                         const RunOptions& options) {
  select(pipeline, options.outputs, options.overrides);
  const Graph& graph = *graph_;
  std::vector<bool> given(static_cast<std::size_t>(graph.root_count()), false);
  const Given merged = merge(pipeline.bound(), inputs, options.overrides);
  for (const auto& [name, value] : merged) {
    const int slot = graph.slot(name);
    if (slot < 0 || slot >= graph.root_count()) continue;
    check_type(graph, selection(), slot, value->type());
    given[static_cast<std::size_t>(slot)] = true;
    inputs_.constants.emplace_back(slot, *value);
  }
  require_inputs(
      graph, selection(), [&](int slot) { return given[static_cast<std::size_t>(slot)]; },
      [&] { return names_of(merged); });
}

PreparedRun::PreparedRun(const Pipeline& pipeline, const Inputs& inputs,
                         const MapOptions& options) {
  select(pipeline, options.outputs, options.overrides);
  const Graph& graph = *graph_;
  const Given merged = merge(pipeline.bound(), inputs, options.overrides);
  if (options.over.empty()) throw PlanError("map_over must name at least one input");
  for (const std::string& name : options.over) {
    const bool known = std::any_of(merged.begin(), merged.end(),
                                   [&](const auto& item) { return item.first == name; });
    if (known) continue;
    throw PlanError("Parameter '" + name + "' in map_over not found in inputs",
                    graph.name().empty() ? "" : "pipeline '" + graph.name() + "'",
                    "name inputs that the map is given" + suggestion(name, names_of(merged)));
  }
  std::vector<bool> given(static_cast<std::size_t>(graph.root_count()), false);
  std::vector<std::string> names;
  std::vector<std::int64_t> lengths;
  for (const auto& [name, value] : merged) {
    const int slot = graph.slot(name);
    const bool mapped =
        std::find(options.over.begin(), options.over.end(), name) != options.over.end();
    if (mapped) {
      if (value->kind() != Kind::kList) {
        throw PlanError("'" + name + "' is in map_over but value is not a list");
      }
      names.push_back(name);
      lengths.push_back(value->as_column().size());
      // A mapped name that no node reads still counts rows.
      inputs_.mapped.emplace_back(slot, value->as_column());
    }
    if (slot < 0 || slot >= graph.root_count()) continue;
    check_type(graph, selection(), slot, mapped ? value->as_column().type() : value->type());
    given[static_cast<std::size_t>(slot)] = true;
    if (!mapped) inputs_.constants.emplace_back(slot, *value);
  }
  require_inputs(
      graph, selection(), [&](int slot) { return given[static_cast<std::size_t>(slot)]; },
      [&] { return names_of(merged); });
  inputs_.plan = plan_map(names, lengths, options.mode);
}

}  // namespace hypernodes
