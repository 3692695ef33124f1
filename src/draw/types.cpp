// SPDX-License-Identifier: MIT
#include "draw/types.hpp"

#include "draw/text.hpp"

namespace hypernodes::draw {

TypeText TypeText::listed() const {
  if (text.empty()) return *this;
  return {hint ? "list[" + text + "]" : "list<" + text + ">", hint};
}

TypeText Types::input(const Node& node, std::size_t index) {
  const NodeInput& input = node.inputs()[index];
  if (TypeText own = of(node, input.name, input.type); !own.text.empty()) return own;
  const NestedPipeline* const nested = node.definition().nested.get();
  if (nested == nullptr) return {};
  const TypeText inner = root(*nested->graph, nested->selection, nested->input_slots[index]);
  return nested->mapped[index] ? inner.listed() : inner;
}

TypeText Types::output(const Node& node, std::size_t index) {
  const NodeOutput& output = node.outputs()[index];
  if (TypeText own = of(node, output.name, output.type); !own.text.empty()) return own;
  const NestedPipeline* const nested = node.definition().nested.get();
  if (nested == nullptr) return {};
  const int slot = nested->selection.outputs[index];
  for (const int step_index : nested->selection.steps) {
    const Graph::Step& step = nested->graph->steps()[static_cast<std::size_t>(step_index)];
    const int place = slot - step.first_output;
    if (place < 0 || place >= static_cast<int>(step.node.outputs().size())) continue;
    const TypeText inner = this->output(step.node, static_cast<std::size_t>(place));
    return nested->is_map() ? inner.listed() : inner;
  }
  return {};
}

TypeText Types::root(const Graph& graph, const Selection& selection, int slot) {
  const auto known = roots_.find({&selection, slot});
  if (known != roots_.end()) return known->second;
  TypeText type;
  for (const int index : selection.steps) {
    const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < step.inputs.size() && type.text.empty(); ++i) {
      if (step.inputs[i] == slot) type = input(step.node, i);
    }
  }
  roots_.emplace(std::pair(&selection, slot), type);
  return type;
}

TypeText Types::of(const Node& node, const std::string& name, const Type& type) const {
  if (options_.type_text != nullptr) {
    if (std::string hint = clean(options_.type_text(node, name)); !hint.empty()) {
      return {std::move(hint), true};
    }
  }
  return {type.kind() == Kind::kObject ? std::string() : clean(type.name()), false};
}

}  // namespace hypernodes::draw
