// SPDX-License-Identifier: MIT
#include "hypernodes/description.hpp"

#include <algorithm>
#include <ostream>
#include <sstream>
#include <utility>

#include "graph/graph.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {
namespace {

Description::Input describe_input(const Graph& graph, int slot, const Inputs& bound) {
  Description::Input input;
  input.name = graph.slots()[static_cast<std::size_t>(slot)];
  input.required = !graph.optional(slot);
  for (const Graph::Step& step : graph.steps()) {
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] != slot) continue;
      const NodeInput& read = step.node.inputs()[i];
      if (input.nodes.empty()) input.type = read.type;
      if (!input.fallback) input.fallback = read.fallback;
      input.nodes.push_back(step.node.name());
    }
  }
  for (const auto& [name, value] : bound.items()) {
    if (name != input.name) continue;
    input.bound = true;
    input.required = false;
    input.fallback = value;
  }
  return input;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

using Table = std::vector<std::pair<std::string, std::string>>;

void print(std::ostream& stream, const char* title, const Table& rows) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  stream << '\n' << title;
  for (const auto& [left, right] : rows) {
    stream << "\n  " << left << std::string(width - left.size() + 2, ' ') << right;
  }
}

std::string source(const Description::Input& input) {
  if (input.required) return "required";
  if (!input.fallback) return "optional";  // an inner pipeline has a default for it
  std::ostringstream text;
  text << (input.bound ? "bound to " : "default ") << *input.fallback;
  return text.str();
}

}  // namespace

Description Pipeline::describe() const {
  const std::shared_ptr<const Graph> graph = this->graph()->whole();
  Description description;
  description.name = name();
  for (int slot = 0; slot < graph->root_count(); ++slot) {
    description.inputs.push_back(describe_input(*graph, slot, bound()));
  }
  for (const Graph::Step& step : graph->steps()) {
    Description::Node& node = description.nodes.emplace_back();
    node.name = step.node.name();
    node.cached = step.node.definition().cached;
    for (const NodeInput& input : step.node.inputs()) node.inputs.push_back(input.name);
    for (const NodeOutput& output : step.node.outputs()) {
      node.outputs.push_back(output.name);
      description.outputs.push_back({output.name, output.type, node.name});
    }
  }
  return description;
}

std::ostream& operator<<(std::ostream& stream, const Description& description) {
  Table inputs;
  Table outputs;
  Table nodes;
  for (const Description::Input& input : description.inputs) {
    inputs.emplace_back(input.name + ": " + input.type.name(), source(input));
  }
  for (const Description::Output& output : description.outputs) {
    outputs.emplace_back(output.name + ": " + output.type.name(), output.node);
  }
  for (const Description::Node& node : description.nodes) {
    nodes.emplace_back(node.name, joined(node.inputs) + " -> " + joined(node.outputs) +
                                      (node.cached ? "" : "  (never cached)"));
  }
  stream << "pipeline" << (description.name.empty() ? "" : " " + description.name);
  print(stream, "inputs", inputs);
  print(stream, "outputs", outputs);
  print(stream, "nodes", nodes);
  return stream;
}

}  // namespace hypernodes
