// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hypernodes/map_plan.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {

class Graph;

/// The part of a graph that some outputs need.
struct Selection {
  std::vector<int> steps;    ///< Indices into Graph::steps(), in execution order.
  std::vector<int> roots;    ///< Slots of the root inputs needed.
  std::vector<int> outputs;  ///< Slots asked for, in the order of the answer.
  std::vector<std::string> output_names;
};

/// Nodes wired by name, validated once and frozen: every name is a slot number.
///
/// Slots: the root inputs in sorted order, then the outputs in execution order; the outputs of one
///        node are next to each other.
/// Threads: immutable.
class Graph : public std::enable_shared_from_this<Graph> {
 public:
  struct Step {
    Node node;
    std::vector<int> inputs;  ///< Slots, in the order of the node's parameters.
    int first_output;         ///< Slot of its first output; the others follow.
  };

  /// Pipelines among the nodes are pruned: of one whose outputs are partly needed by other nodes,
  /// only those are computed. `whole` has all.
  /// Throws: DependencyError for two producers of a name, CycleError, TypeError for an output that
  /// does not fit the input it feeds.
  static std::shared_ptr<const Graph> build(std::vector<Node> nodes, std::string name = {},
                                            std::string id = {});

  /// Steps that are wired already, in execution order. `slots` names those that the steps refer to,
  /// numbered as above; the first `roots` of them are the root inputs, in any order.
  /// REQUIRES: names are unique; types fit.
  static std::shared_ptr<const Graph> wired(std::vector<Step> steps,
                                            const std::vector<std::string>& slots, int roots,
                                            std::string name, std::string id);

  /// The graph with all outputs of all nodes; this one, if nothing is pruned.
  std::shared_ptr<const Graph> whole() const;
  /// This graph, or the whole one if it takes that to have these outputs.
  std::shared_ptr<const Graph> covering(std::span<const std::string> outputs) const;
  /// A graph that is given these outputs instead of computing them: they are root inputs, and still
  /// outputs. Nodes that nothing else needs are left out. Cost: builds a graph.
  /// Throws: PlanError for a name that no node makes.
  std::shared_ptr<const Graph> overridden(std::span<const std::string> names) const;

  /// In execution order: a node runs as soon as its inputs are there, ready ones by name.
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<std::string>& slots() const { return slots_; }
  int root_count() const { return roots_; }
  /// -1 if there is no such name.
  int slot(std::string_view name) const;
  const Type& slot_type(int slot) const { return types_[static_cast<std::size_t>(slot)]; }
  /// Whether every node that reads this root input has a default for it.
  bool optional(int root) const { return optional_[static_cast<std::size_t>(root)]; }
  /// Whether every node that reads this root input can take `value` as it is.
  bool root_accepts(int root, const Value& value) const {
    const Kind kind = root_kinds_[static_cast<std::size_t>(root)];
    return kind == Kind::kObject || kind == value.kind();
  }
  const std::string& name() const { return name_; }
  /// `pipeline_<...>`, unique in the process; shared by the graphs of one pipeline.
  const std::string& id() const { return id_; }

  /// Everything.
  const Selection& all() const { return all_; }
  /// What these outputs need. Throws: PlanError for an unknown name.
  Selection select(std::span<const std::string> outputs) const;

  /// Whether any node is a pipeline; wants whole batches, at any depth.
  bool has_nested() const { return has_nested_; }
  bool has_whole_batch() const { return has_whole_batch_; }
  /// Whether calls of some node wait rather than compute, at any depth.
  bool waits() const { return waits_; }
  /// The outputs that are given rather than computed: see `overridden`.
  const std::vector<std::string>& overridden_outputs() const { return overridden_; }
  bool is_overridden(std::string_view output) const;

 private:
  Graph() = default;
  static std::shared_ptr<Graph> wire(std::vector<Node> nodes, std::string name, std::string id,
                                     std::vector<std::string> overridden);
  void order(const std::vector<Node>& nodes);
  void add_roots(std::span<const std::string> names);
  void add_node(const Node& node);
  void add_step(Step step, std::span<const std::string> outputs);
  void select_all();
  void check_types() const;

  std::string name_, id_;
  std::vector<Step> steps_;
  std::vector<std::string> slots_;
  std::vector<Type> types_;
  std::vector<bool> optional_;
  std::vector<Kind> root_kinds_;  ///< The one kind a root's readers take; kNull if they differ.
  std::vector<int> producer_;     ///< Step of each slot; -1 for a root.
  std::unordered_map<std::string, int> by_name_;
  int roots_ = 0;
  bool has_nested_ = false;
  bool has_whole_batch_ = false;
  bool waits_ = false;
  Selection all_;
  std::vector<std::string> overridden_;  ///< Outputs that are root inputs here.
  std::vector<Node> unpruned_;           ///< Empty if nothing is pruned.
  mutable std::once_flag whole_built_;
  mutable std::shared_ptr<const Graph> whole_;
};

class BatchExecutor;
class Cache;
class Callback;

/// A pipeline used as a node: which inner name each outer name stands for, and how it is mapped.
class NestedPipeline {
 public:
  struct Bound {
    int slot;  ///< A root of the inner graph.
    Value value;
  };

  std::shared_ptr<const Graph> graph;
  Selection selection;           ///< What the node's outputs need, in the node's order.
  std::vector<int> input_slots;  ///< For each input of the node, the inner root it feeds.
  std::vector<bool> mapped;      ///< For each input of the node, whether it is mapped over.
  MapMode mode = MapMode::kZip;
  std::vector<Bound> bound;
  bool cacheable = true;                             ///< Nothing inside must always run.
  std::shared_ptr<Cache> cache;                      ///< Its own, or null: the outer one's.
  std::vector<std::shared_ptr<Callback>> callbacks;  ///< Its own, or none: the outer one's.
  std::shared_ptr<const BatchExecutor> executor;  ///< Its own engine's, or null: the outer one's.

  bool is_map() const {
    for (const bool input : mapped) {
      if (input) return true;
    }
    return false;
  }
};

}  // namespace hypernodes
