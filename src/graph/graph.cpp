// SPDX-License-Identifier: MIT
#include "graph/graph.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "graph/nested.hpp"
#include "hypernodes/error.hpp"
#include "values/text.hpp"

namespace hypernodes {
namespace {

/// Names of nodes on a cycle among those that never became ready.
std::string describe_cycle(const std::vector<Node>& nodes, const std::vector<int>& waiting,
                           const std::map<std::string, int>& producers) {
  int current = static_cast<int>(
      std::find_if(waiting.begin(), waiting.end(), [](int n) { return n > 0; }) - waiting.begin());
  std::vector<int> path;
  std::set<int> seen;
  while (seen.insert(current).second) {
    path.push_back(current);
    for (const NodeInput& input : nodes[static_cast<std::size_t>(current)].inputs()) {
      const auto producer = producers.find(input.name);
      if (producer == producers.end() || waiting[static_cast<std::size_t>(producer->second)] == 0) {
        continue;
      }
      current = producer->second;
      break;
    }
  }
  // `current` is met again: the path from there on is the cycle, against the flow of data.
  std::vector<int> cycle(std::find(path.begin(), path.end(), current), path.end());
  std::reverse(cycle.begin(), cycle.end());
  std::string text;
  for (const int index : cycle) text += nodes[static_cast<std::size_t>(index)].name() + " -> ";
  return text + nodes[static_cast<std::size_t>(cycle.front())].name();
}

/// A pipeline without a name goes first; in messages it has its id.
std::string_view sort_name(const Node& node) {
  const auto& nested = node.definition().nested;
  return nested != nullptr && node.name() == nested->graph->id() ? std::string_view()
                                                                 : std::string_view(node.name());
}

}  // namespace

std::shared_ptr<const Graph> Graph::build(std::vector<Node> nodes, std::string name,
                                          std::string id) {
  static std::atomic<std::uint64_t> count{0};
  if (id.empty()) {
    id = "pipeline_" + std::to_string(count.fetch_add(1, std::memory_order_relaxed));
  }
  bool any_pruned = false;
  std::vector<Node> kept;
  kept.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::set<std::string, std::less<>> needed;
    if (nodes[i].definition().nested != nullptr) {
      for (std::size_t j = 0; j < nodes.size(); ++j) {
        if (j == i) continue;
        for (const NodeInput& input : nodes[j].inputs()) needed.insert(input.name);
      }
    }
    kept.push_back(pruned(nodes[i], needed));
    any_pruned |= !(kept.back() == nodes[i]);
  }
  const std::shared_ptr<Graph> graph =
      wire(std::move(kept), std::move(name), std::move(id), /*overridden=*/{});
  if (any_pruned) graph->unpruned_ = std::move(nodes);
  return graph;
}

std::shared_ptr<Graph> Graph::wire(std::vector<Node> nodes, std::string name, std::string id,
                                   std::vector<std::string> overridden) {
  std::shared_ptr<Graph> graph(new Graph);
  graph->name_ = std::move(name);
  graph->id_ = std::move(id);
  graph->overridden_ = std::move(overridden);
  graph->order(nodes);
  graph->check_types();
  return graph;
}

std::shared_ptr<const Graph> Graph::wired(std::vector<Step> steps,
                                          const std::vector<std::string>& slots, int roots,
                                          std::string name, std::string id) {
  std::shared_ptr<Graph> graph(new Graph);
  graph->name_ = std::move(name);
  graph->id_ = std::move(id);
  const std::span<const std::string> names(slots);
  graph->add_roots(names.first(static_cast<std::size_t>(roots)));
  for (Step& step : steps) {
    const auto first = static_cast<std::size_t>(step.first_output);
    const std::size_t outputs = step.node.outputs().size();
    graph->add_step(std::move(step), names.subspan(first, outputs));
  }
  graph->select_all();
  return graph;
}

std::shared_ptr<const Graph> Graph::whole() const {
  if (unpruned_.empty()) return shared_from_this();
  std::call_once(whole_built_, [this] { whole_ = wire(unpruned_, name_, id_, {}); });
  return whole_;
}

std::shared_ptr<const Graph> Graph::covering(std::span<const std::string> outputs) const {
  const bool all_here = std::all_of(outputs.begin(), outputs.end(), [this](const auto& name) {
    return slot(name) >= roots_ || is_overridden(name);
  });
  return all_here ? shared_from_this() : whole();
}

bool Graph::is_overridden(std::string_view output) const {
  return std::find(overridden_.begin(), overridden_.end(), output) != overridden_.end();
}

std::shared_ptr<const Graph> Graph::overridden(std::span<const std::string> names) const {
  const std::shared_ptr<const Graph> base = covering(names);
  base->select(names);  // refuses unknown ones
  std::vector<Node> nodes;
  for (const Step& step : base->steps_) {
    const auto& outputs = step.node.outputs();
    const bool needed = std::any_of(outputs.begin(), outputs.end(), [&](const NodeOutput& output) {
      return std::find(names.begin(), names.end(), output.name) == names.end();
    });
    if (needed) nodes.push_back(step.node);
  }
  std::shared_ptr<Graph> graph = wire(std::move(nodes), name_, id_, {names.begin(), names.end()});
  for (const std::string& name : names) {
    // What nobody made before cannot be of another type now.
    const auto own = static_cast<std::size_t>(graph->slot(name));
    graph->types_[own] = base->slot_type(base->slot(name));
  }
  graph->all_ = graph->select(base->all_.output_names);
  return graph;
}

void Graph::order(const std::vector<Node>& nodes) {
  std::map<std::string, int> producers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const NodeOutput& output : nodes[i].outputs()) {
      if (is_overridden(output.name)) continue;
      const auto [entry, added] = producers.emplace(output.name, static_cast<int>(i));
      if (added) continue;
      const std::string& first = nodes[static_cast<std::size_t>(entry->second)].name();
      throw DependencyError("Multiple nodes produce output '" + output.name + "': " + first +
                                " and " + nodes[i].name(),
                            name_.empty() ? "" : "pipeline '" + name_ + "'",
                            "give one of them another output name");
    }
  }

  std::set<std::string> roots(overridden_.begin(), overridden_.end());
  std::vector<int> waiting(nodes.size(), 0);
  std::vector<std::set<int>> consumers(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const NodeInput& input : nodes[i].inputs()) {
      const auto producer = producers.find(input.name);
      if (producer == producers.end()) {
        roots.insert(input.name);
      } else if (consumers[static_cast<std::size_t>(producer->second)]
                     .insert(static_cast<int>(i))
                     .second) {
        ++waiting[i];
      }
    }
  }

  add_roots(std::vector<std::string>(roots.begin(), roots.end()));

  // Kahn's algorithm; among ready nodes the least name goes first, then the least output's.
  using Entry = std::tuple<std::string_view, std::string_view, int>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  const auto add_ready = [&](int index) {
    const Node& node = nodes[static_cast<std::size_t>(index)];
    const bool makes_any = !node.outputs().empty();
    ready.emplace(sort_name(node), makes_any ? node.outputs().front().name : std::string_view(),
                  index);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (waiting[i] == 0) add_ready(static_cast<int>(i));
  }
  while (!ready.empty()) {
    const auto index = static_cast<std::size_t>(std::get<int>(ready.top()));
    ready.pop();
    add_node(nodes[index]);
    for (const int consumer : consumers[index]) {
      if (--waiting[static_cast<std::size_t>(consumer)] == 0) add_ready(consumer);
    }
  }
  if (steps_.size() != nodes.size()) {
    throw CycleError("Cycle detected in pipeline: " + describe_cycle(nodes, waiting, producers),
                     name_.empty() ? "" : "pipeline '" + name_ + "'",
                     "rename an output so that no node needs what depends on it");
  }

  select_all();
}

void Graph::select_all() {
  std::vector<std::string> names;
  for (const Step& step : steps_) {
    const auto first = slots_.begin() + step.first_output;
    names.insert(names.end(), first, first + static_cast<int>(step.node.outputs().size()));
  }
  all_ = select(names);
}

void Graph::add_roots(std::span<const std::string> names) {
  slots_.assign(names.begin(), names.end());
  for (const std::string& name : names) by_name_.emplace(name, static_cast<int>(by_name_.size()));
  roots_ = static_cast<int>(slots_.size());
  types_.assign(slots_.size(), Kind::kObject);
  optional_.assign(slots_.size(), true);
  root_kinds_.assign(slots_.size(), Kind::kObject);
  producer_.assign(slots_.size(), -1);
}

void Graph::add_node(const Node& node) {
  Step step{node, {}, static_cast<int>(slots_.size())};
  std::vector<std::string> outputs;
  for (const NodeInput& input : node.inputs()) step.inputs.push_back(by_name_.at(input.name));
  for (const NodeOutput& output : node.outputs()) outputs.push_back(output.name);
  add_step(std::move(step), outputs);
}

void Graph::add_step(Step step, std::span<const std::string> outputs) {
  const Node& node = step.node;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const NodeInput& input = node.inputs()[i];
    const int slot = step.inputs[i];
    if (slot >= roots_) continue;
    if (!node.optional(input)) optional_[static_cast<std::size_t>(slot)] = false;
    Kind& kind = root_kinds_[static_cast<std::size_t>(slot)];
    const bool scalar = input.type.kind() < Kind::kList && !input.type.nullable();
    if (input.type.kind() != Kind::kObject) {
      const bool same = kind == Kind::kObject || kind == input.type.kind();
      kind = scalar && same ? input.type.kind() : Kind::kNull;
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    // A name that is overridden is a root's already.
    by_name_.emplace(outputs[i], static_cast<int>(slots_.size()));
    slots_.push_back(outputs[i]);
    types_.push_back(node.outputs()[i].type);
    producer_.push_back(static_cast<int>(steps_.size()));
  }
  const auto& nested = node.definition().nested;
  has_nested_ |= nested != nullptr;
  has_whole_batch_ |= node.definition().whole_batch;
  if (nested != nullptr) {
    has_whole_batch_ |= nested->graph->has_whole_batch();
    waits_ |= nested->graph->waits();
  } else {
    waits_ |= node.definition().body != nullptr && node.definition().body->waits();
  }
  steps_.push_back(std::move(step));
}

void Graph::check_types() const {
  for (const Step& step : steps_) {
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const int slot = step.inputs[i];
      const NodeInput& input = step.node.inputs()[i];
      if (slot < roots_ || input.type.accepts(slot_type(slot))) continue;
      const Step& source =
          steps_[static_cast<std::size_t>(producer_[static_cast<std::size_t>(slot)])];
      throw TypeError("Output '" + input.name + "' of node '" + source.node.name() + "' is " +
                          slot_type(slot).name() + ", but node '" + step.node.name() +
                          "' takes it as " + input.type.name(),
                      name_.empty() ? "" : "pipeline '" + name_ + "'",
                      "make both types the same, or convert in a node between them");
    }
  }
}

int Graph::slot(std::string_view name) const {
  const auto entry = by_name_.find(std::string(name));
  return entry == by_name_.end() ? -1 : entry->second;
}

Selection Graph::select(std::span<const std::string> outputs) const {
  Selection selection;
  std::set<int> roots;
  std::vector<std::string> unknown;
  std::vector<bool> needed(steps_.size(), false);
  std::vector<int> stack;
  for (const std::string& name : outputs) {
    const int slot = this->slot(name);
    if (slot < roots_ && !is_overridden(name)) {
      unknown.push_back(name);
      continue;
    }
    selection.outputs.push_back(slot);
    selection.output_names.push_back(name);
    if (slot < roots_) {
      roots.insert(slot);
    } else {
      stack.push_back(producer_[static_cast<std::size_t>(slot)]);
    }
  }
  if (!unknown.empty()) {
    std::vector<std::string> available(slots_.begin() + roots_, slots_.end());
    available.insert(available.end(), overridden_.begin(), overridden_.end());
    std::sort(available.begin(), available.end());
    available.erase(std::unique(available.begin(), available.end()), available.end());
    throw PlanError("Output name(s) " + quoted_list(unknown) +
                        " not found in pipeline. Available outputs: " + quoted_list(available),
                    name_.empty() ? "" : "pipeline '" + name_ + "'",
                    "ask for names that a node produces" + suggestion(unknown.front(), available));
  }
  while (!stack.empty()) {
    const int index = stack.back();
    stack.pop_back();
    if (needed[static_cast<std::size_t>(index)]) continue;
    needed[static_cast<std::size_t>(index)] = true;
    for (const int slot : steps_[static_cast<std::size_t>(index)].inputs) {
      if (slot < roots_) {
        roots.insert(slot);
      } else {
        stack.push_back(producer_[static_cast<std::size_t>(slot)]);
      }
    }
  }
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) selection.steps.push_back(static_cast<int>(i));
  }
  selection.roots.assign(roots.begin(), roots.end());
  return selection;
}

}  // namespace hypernodes
