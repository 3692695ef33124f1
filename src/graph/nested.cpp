// SPDX-License-Identifier: MIT
#include "graph/nested.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "hypernodes/error.hpp"
#include "values/codec.hpp"
#include "values/text.hpp"

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

/// `kind` says what the `known` names are, which `name` in argument `what` is none of.
[[noreturn]] void throw_unknown(const std::string& name, const char* what,
                                const std::string& pipeline, const char* kind,
                                std::vector<std::string> known) {
  std::sort(known.begin(), known.end());
  throw DependencyError(
      "'" + name + "' in " + what + " is no name of the pipeline",
      pipeline.empty() ? "" : "pipeline '" + pipeline + "'",
      std::string("its ") + kind + " are " + quoted_list(known) + suggestion(name, known));
}

using Mapping = std::vector<std::pair<std::string, std::string>>;

const std::string& outer_name(const Mapping& mapping, const std::string& inner) {
  for (const auto& [from, to] : mapping) {
    if (from == inner) return to;
  }
  return inner;
}

/// What follows from the outputs that a nested pipeline is asked for.
void settle(NestedPipeline& nested, Node::Definition& definition) {
  nested.cacheable = true;
  definition.foreign = false;
  for (const int index : nested.selection.steps) {
    const Node& inner = nested.graph->steps()[static_cast<std::size_t>(index)].node;
    // Skipping the whole would skip a node that must always run.
    nested.cacheable &= is_cacheable(inner);
    definition.foreign |= inner.definition().foreign;
  }
  definition.has_identity = true;
  definition.no_identity.clear();
  definition.code = nested_identity(nested, &definition);
}

bool contains(const std::vector<int>& slots, int slot) {
  return std::find(slots.begin(), slots.end(), slot) != slots.end();
}

/// The same node for some of its outputs, and the inputs that they need.
Node restricted(const Node& node, const std::vector<std::string>& outputs) {
  Node::Definition definition = node.definition();
  auto nested = std::make_shared<NestedPipeline>(*definition.nested);
  const Graph& graph = *nested->graph;
  std::vector<std::string> inner_names;
  definition.outputs.clear();
  for (std::size_t i = 0; i < node.outputs().size(); ++i) {
    const NodeOutput& output = node.outputs()[i];
    if (std::find(outputs.begin(), outputs.end(), output.name) == outputs.end()) continue;
    inner_names.push_back(node.definition().nested->selection.output_names[i]);
    definition.outputs.push_back(output);
  }
  nested->selection = graph.select(inner_names);
  const std::vector<int>& roots = nested->selection.roots;
  definition.inputs.clear();
  nested->input_slots.clear();
  nested->mapped.clear();
  for (std::size_t i = 0; i < node.inputs().size(); ++i) {
    const int slot = node.definition().nested->input_slots[i];
    const bool mapped = node.definition().nested->mapped[i];
    if (!mapped && !contains(roots, slot)) continue;
    definition.inputs.push_back(node.inputs()[i]);
    nested->input_slots.push_back(slot);
    nested->mapped.push_back(mapped);
  }
  std::erase_if(nested->bound, [&](const auto& bound) { return !contains(roots, bound.slot); });
  settle(*nested, definition);
  if (definition.version) {
    // What stands for the code of all outputs, and which of them these are.
    std::string text = node.definition().code.hex();
    for (const std::string& name : inner_names) text += "\n" + name;
    definition.code = Digest::of_bytes(text);
    definition.has_identity = true;
    definition.code_parts = node.definition().code_parts;
  }
  definition.nested = std::move(nested);
  return Node(std::move(definition));
}

}  // namespace

bool is_cacheable(const Node& node) {
  const Node::Definition& definition = node.definition();
  return definition.cached && (definition.nested == nullptr || definition.nested->cacheable);
}

Node pruned(const Node& node, const std::set<std::string, std::less<>>& needed) {
  const Node::Definition& definition = node.definition();
  if (definition.nested == nullptr) return node;
  std::vector<std::string> used;
  for (const NodeOutput& output : node.outputs()) {
    if (needed.contains(output.name)) used.push_back(output.name);
  }
  if (used.empty() || used.size() == node.outputs().size()) return node;
  return restricted(node, used);
}

Node make_nested_node(const NestedRequest& request) {
  std::vector<std::string> asked;
  for (const auto& output : request.outputs) asked.push_back(output.first);
  auto nested = std::make_shared<NestedPipeline>();
  nested->graph = request.graph->covering(asked);
  const Graph& graph = *nested->graph;
  const auto first_output = graph.slots().begin() + graph.root_count();
  const std::vector<std::string> inner_inputs(graph.slots().begin(), first_output);
  const std::vector<std::string> inner_outputs(first_output, graph.slots().end());
  nested->cache = request.cache;
  nested->callbacks = request.callbacks;
  nested->executor = request.executor;
  nested->mode = request.mode;

  // Outputs: the mapped ones, or all; as a selection in sorted inner order.
  std::vector<std::string> wanted;
  for (const auto& [inner, outer] : request.outputs) {
    if (graph.slot(inner) < graph.root_count()) {
      throw_unknown(inner, "output_mapping", graph.name(), "outputs", inner_outputs);
    }
    wanted.push_back(inner);
  }
  if (request.outputs.empty()) wanted = inner_outputs;
  std::sort(wanted.begin(), wanted.end());
  nested->selection = graph.select(wanted);

  // Inputs: what the outputs need, and what is mapped over, needed or not: its items are the rows.
  Node::Definition definition;
  const std::vector<int>& needed = nested->selection.roots;
  for (int slot = 0; slot < graph.root_count(); ++slot) {
    const std::string& inner = inner_inputs[static_cast<std::size_t>(slot)];
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
      throw_unknown(inner, "input_mapping", graph.name(), "inputs", inner_inputs);
    }
  }
  for (const std::string& name : request.map_over) {
    const bool known = std::any_of(definition.inputs.begin(), definition.inputs.end(),
                                   [&](const NodeInput& input) { return input.name == name; });
    if (known) continue;
    std::vector<std::string> outer;
    for (const std::string& inner : inner_inputs) {
      outer.push_back(outer_name(request.inputs, inner));
    }
    throw_unknown(name, "map_over", graph.name(), "inputs", std::move(outer));
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Type& type = graph.slot_type(nested->selection.outputs[i]);
    const bool object = type.kind() == Kind::kObject;
    definition.outputs.push_back({outer_name(request.outputs, wanted[i]),
                                  nested->is_map() && !object ? Type::list(type) : type});
  }
  definition.cached = request.cached;
  definition.name = request.name.empty() ? graph.id() : request.name;
  settle(*nested, definition);
  definition.nested = std::move(nested);
  return Node(std::move(definition));
}

}  // namespace hypernodes
