// SPDX-License-Identifier: MIT
#include "daft/inlined.hpp"

#include <numeric>
#include <set>
#include <utility>

namespace hypernodes::daft {
namespace {

constexpr std::string_view kInner = "__hn_inner_";

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// What a map by outputs has for a node; null if it has nothing.
template <typename Found>
const Found* find(const std::map<std::string, Found, std::less<>>& by_output, const Node& node) {
  if (node.outputs().empty()) return nullptr;
  const auto found = by_output.find(node.outputs().front().name);
  return found == by_output.end() ? nullptr : &found->second;
}

int number_of(const OwnNodes& own, const Node& node) {
  const int* const number = find(own.nodes, node);
  return number == nullptr ? -1 : *number;
}

/// Collects the nodes of pipelines into one graph.
class Inliner {
 public:
  Inlined collect(const Graph& graph, const Selection& selection, const OwnNodes& own) {
    Pipeline outermost{graph, &own, /*number=*/-1, /*path=*/{}, /*slots=*/{}, /*names=*/{}};
    roots_.assign(graph.slots().begin(), graph.slots().begin() + graph.root_count());
    const int slots = static_cast<int>(graph.slots().size());
    for (int slot = 0; slot < slots; ++slot) {
      if (slot < graph.root_count()) {
        outermost.slots.emplace(slot, slot);
      } else {
        outermost.names.emplace(slot, graph.slots()[at(slot)]);
      }
    }
    add(outermost, selection.steps);
    return finish(outermost, selection);
  }

 private:
  /// A pipeline whose nodes are taken. `slots` are where its own ones are: a root input's number,
  /// or the complement of an output's, as roots are still being added.
  struct Pipeline {
    const Graph& graph;
    const OwnNodes* own;
    int number;        ///< Among those opened.
    std::string path;  ///< Of its nodes, with the last dot.
    std::map<int, int> slots;
    std::map<int, std::string> names;  ///< Of slots that are known outside.
  };

  void add(Pipeline& pipeline, const std::vector<int>& steps) {
    for (const int index : steps) {
      const Graph::Step& step = pipeline.graph.steps()[at(index)];
      if (const auto* const inside = find(pipeline.own->pipelines, step.node)) {
        open(pipeline, index, **inside);
      } else {
        own_.push_back(number_of(*pipeline.own, step.node));
        places_.push_back({pipeline.number, index});
        place(pipeline, step);
      }
    }
  }

  void place(Pipeline& pipeline, const Graph::Step& step) {
    Graph::Step placed{step.node, {}, static_cast<int>(outputs_.size())};
    for (const int slot : step.inputs) placed.inputs.push_back(pipeline.slots.at(slot));
    const int outputs = static_cast<int>(step.node.outputs().size());
    for (int slot = step.first_output; slot < step.first_output + outputs; ++slot) {
      pipeline.slots.emplace(slot, ~static_cast<int>(outputs_.size()));
      outputs_.push_back(name_of(pipeline, slot));
    }
    steps_.push_back(std::move(placed));
  }

  void open(Pipeline& pipeline, int index, const OwnNodes& own) {
    const Graph::Step& step = pipeline.graph.steps()[at(index)];
    const NestedPipeline& nested = *step.node.definition().nested;
    const int number = static_cast<int>(opened_.size());
    opened_.push_back({pipeline.number, index});
    Pipeline inner{*nested.graph, &own, number, pipeline.path + step.node.name() + ".", {}, {}};
    for (std::size_t i = 0; i < nested.input_slots.size(); ++i) {
      inner.slots.emplace(nested.input_slots[i], pipeline.slots.at(step.inputs[i]));
    }
    for (const NestedPipeline::Bound& bound : nested.bound) {
      const int root = static_cast<int>(roots_.size());
      inner.slots.emplace(bound.slot, root);
      roots_.push_back(name_of(inner, bound.slot));
      bound_.emplace_back(root, bound.value);
    }
    const std::vector<int>& outputs = nested.selection.outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      inner.names.emplace(outputs[i], name_of(pipeline, step.first_output + static_cast<int>(i)));
    }
    add(inner, nested.selection.steps);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      pipeline.slots.emplace(step.first_output + static_cast<int>(i), inner.slots.at(outputs[i]));
    }
  }

  /// The name that a slot is known by outside, or one that nothing else has.
  std::string name_of(const Pipeline& pipeline, int slot) {
    const auto known = pipeline.names.find(slot);
    if (known != pipeline.names.end()) return known->second;
    const std::string path = std::string(kInner) + pipeline.path + pipeline.graph.slots()[at(slot)];
    std::string name = path;
    for (int count = 2; !inner_names_.insert(name).second; ++count) {
      name = path + "#" + std::to_string(count);
    }
    return name;
  }

  Inlined finish(const Pipeline& outermost, const Selection& selection) {
    const int roots = static_cast<int>(roots_.size());
    const auto settled = [roots](int slot) { return slot < 0 ? roots + ~slot : slot; };
    for (Graph::Step& step : steps_) {
      step.first_output += roots;
      for (int& slot : step.inputs) slot = settled(slot);
    }
    Inlined result;
    result.selection.steps.resize(steps_.size());
    std::iota(result.selection.steps.begin(), result.selection.steps.end(), 0);
    result.selection.roots = selection.roots;
    for (const auto& bound : bound_) result.selection.roots.push_back(bound.first);
    for (const int slot : selection.outputs) {
      result.selection.outputs.push_back(settled(outermost.slots.at(slot)));
    }
    result.selection.output_names = selection.output_names;
    std::vector<std::string> slots = std::move(roots_);
    slots.insert(slots.end(), outputs_.begin(), outputs_.end());
    const Graph& graph = outermost.graph;
    result.graph = Graph::wired(std::move(steps_), slots, roots, graph.name(), graph.id());
    result.bound = std::move(bound_);
    result.own = std::move(own_);
    result.places = std::move(places_);
    result.opened = std::move(opened_);
    return result;
  }

  std::vector<std::string> roots_, outputs_;
  std::set<std::string> inner_names_;
  std::vector<Graph::Step> steps_;
  std::vector<std::pair<int, Value>> bound_;
  std::vector<int> own_;
  std::vector<Place> places_, opened_;
};

}  // namespace

Inlined inlined(const std::shared_ptr<const Graph>& graph, const Selection& selection,
                const OwnNodes& own) {
  if (!own.pipelines.empty()) return Inliner().collect(*graph, selection, own);
  Inlined result{graph, selection, {}, {}, {}, {}};
  for (const Graph::Step& step : graph->steps()) {
    result.places.push_back({-1, static_cast<int>(result.places.size())});
    result.own.push_back(number_of(own, step.node));
  }
  return result;
}

std::string_view inner_label(std::string_view slot) {
  return slot.starts_with(kInner) ? slot.substr(kInner.size()) : slot;
}

}  // namespace hypernodes::daft
