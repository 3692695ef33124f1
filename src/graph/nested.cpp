// SPDX-License-Identifier: MIT
#include "graph/nested.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "hypernodes/error.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

std::string described(const Node& node) { return "node '" + node.name() + "'"; }

/// Identity of a nested pipeline's code: its nodes, their wiring and defaults. `result` is told if
/// one of them has none.
Digest nested_identity(const NestedPipeline& nested, Node::Definition* result) {
  std::string text = "nested pipeline\n";
  const Graph& graph = *nested.graph;
  bool unordered = false;
  // Slots are numbered as they are met: those of nodes that are not needed count for nothing.
  std::map<int, std::uint64_t> numbers;
  const auto put_slot = [&](int slot) {
    codec::put_varint(text, numbers.emplace(slot, numbers.size()).first->second);
  };
  const auto lack = [&](const std::string& what, const std::string& why) {
    if (!result->has_identity) return;
    result->has_identity = false;
    result->no_identity = what + " cannot be digested" + (why.empty() ? "" : ": " + why);
  };
  codec::put_varint(text, nested.selection.steps.size());
  for (const int index : nested.selection.steps) {
    const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
    const Node::Definition& definition = step.node.definition();
    if (!definition.has_identity) lack("its " + described(step.node), definition.no_identity);
    text.append(reinterpret_cast<const char*>(definition.code.bytes.data()), 32);
    codec::put_varint(text, step.inputs.size());
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      put_slot(step.inputs[i]);
      const auto& fallback = definition.inputs[i].fallback;
      text += fallback ? 'd' : '-';
      if (fallback && !codec::encode(*fallback, true, text, &unordered)) {
        lack("the default of '" + definition.inputs[i].name + "' in its " + described(step.node),
             codec::refusal());
      }
    }
    codec::put_varint(text, definition.outputs.size());
    for (std::size_t i = 0; i < definition.outputs.size(); ++i) {
      put_slot(step.first_output + static_cast<int>(i));
    }
  }
  codec::put_varint(text, nested.selection.outputs.size());
  for (const int slot : nested.selection.outputs) put_slot(slot);
  codec::put_varint(text, nested.input_slots.size());
  for (const int slot : nested.input_slots) put_slot(slot);
  for (const bool mapped : nested.mapped) text += mapped ? 'm' : '-';
  text += nested.mode == MapMode::kZip ? 'z' : 'p';
  // The values themselves are digested when a key is made: they may have changed since.
  for (const NestedPipeline::Bound& bound : nested.bound) {
    put_slot(bound.slot);
  }
  return Digest::of_bytes(text);
}

[[noreturn]] void throw_unknown(const std::string& name, const char* what,
                                const std::string& pipeline) {
  throw DependencyError("'" + name + "' in " + what + " is no name of the pipeline",
                        pipeline.empty() ? "" : "pipeline '" + pipeline + "'",
                        "map names that the inner pipeline has");
}

using Mapping = std::vector<std::pair<std::string, std::string>>;

const std::string& outer_name(const Mapping& mapping, const std::string& inner) {
  for (const auto& [from, to] : mapping) {
    if (from == inner) return to;
  }
  return inner;
}

}  // namespace

Node make_nested_node(const NestedRequest& request) {
  const Graph& graph = *request.graph;
  auto nested = std::make_shared<NestedPipeline>();
  nested->graph = request.graph;
  nested->cache = request.cache;
  nested->callbacks = request.callbacks;
  nested->executor = request.executor;
  nested->mode = request.mode;

  // Outputs: the mapped ones, or all; as a selection in sorted inner order.
  std::vector<std::string> wanted;
  for (const auto& [inner, outer] : request.outputs) {
    const int slot = graph.slot(inner);
    if (slot < graph.root_count()) throw_unknown(inner, "output_mapping", graph.name());
    wanted.push_back(inner);
  }
  if (request.outputs.empty()) {
    wanted.assign(graph.slots().begin() + graph.root_count(), graph.slots().end());
  }
  std::sort(wanted.begin(), wanted.end());
  nested->selection = graph.select(wanted);

  // Inputs: what the outputs need, and what is mapped over, needed or not: its items are the rows.
  Node::Definition definition;
  const std::vector<int>& needed = nested->selection.roots;
  for (int slot = 0; slot < graph.root_count(); ++slot) {
    const std::string& inner = graph.slots()[static_cast<std::size_t>(slot)];
    NodeInput input{outer_name(request.inputs, inner), Kind::kObject, std::nullopt};
    const bool mapped = std::find(request.map_over.begin(), request.map_over.end(), input.name) !=
                        request.map_over.end();
    if (!mapped) {
      if (std::find(needed.begin(), needed.end(), slot) == needed.end()) continue;
      const auto bound = std::find_if(request.bound.begin(), request.bound.end(),
                                      [&](const auto& item) { return item.first == inner; });
      if (bound != request.bound.end()) {
        nested->bound.push_back({slot, bound->second});
        continue;
      }
      if (graph.optional(slot)) definition.optional_inputs.push_back(input.name);
    }
    nested->input_slots.push_back(slot);
    nested->mapped.push_back(mapped);
    definition.inputs.push_back(std::move(input));
  }
  for (const auto& [inner, outer] : request.inputs) {
    const int slot = graph.slot(inner);
    if (slot < 0 || slot >= graph.root_count()) {
      throw_unknown(inner, "input_mapping", graph.name());
    }
  }
  for (const std::string& name : request.map_over) {
    const bool known = std::any_of(definition.inputs.begin(), definition.inputs.end(),
                                   [&](const NodeInput& input) { return input.name == name; });
    if (!known) throw_unknown(name, "map_over", graph.name());
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Type& type = graph.slot_type(nested->selection.outputs[i]);
    const bool object = type.kind() == Kind::kObject;
    definition.outputs.push_back({outer_name(request.outputs, wanted[i]),
                                  nested->is_map() && !object ? Type::list(type) : type});
  }
  for (const int index : nested->selection.steps) {
    const Node::Definition& inner =
        graph.steps()[static_cast<std::size_t>(index)].node.definition();
    // Skipping the whole would skip a node that must always run.
    definition.cached &= inner.cached;
    definition.foreign |= inner.foreign;
  }
  definition.cached &= request.cached;
  definition.name = request.name.empty() ? graph.id() : request.name;
  definition.code = nested_identity(*nested, &definition);
  definition.nested = std::move(nested);
  return Node(std::move(definition));
}

}  // namespace hypernodes
