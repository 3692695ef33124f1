// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings/last_run.hpp"
#include "bindings/python.hpp"
#include "graph/graph.hpp"

namespace hypernodes::python {

/// What a run or map for some outputs needs to know, worked out once.
struct Plan {
  struct Root {
    nb::object name;
    int slot;
    bool optional;  ///< Every node that reads it has a default.
    Type type;      ///< What all nodes that read it take; object if they differ.
  };
  struct Output {
    nb::object name;
    int slot;
  };

  std::shared_ptr<const Graph> graph;
  Selection selection;
  std::vector<Root> roots;
  std::vector<Output> outputs;
  nb::object record;   ///< A dict with the outputs' names, which every record is a copy of.
  bool plain = true;   ///< Nothing but single functions: run_row will do.
  bool native = true;  ///< Nothing but C++ nodes.
};

/// A pipeline's nodes wired up, as Python holds it. Threads: REQUIRES the lock.
class PythonGraph {
 public:
  PythonGraph(std::vector<Node> nodes, const std::string& name, std::string id,
              std::shared_ptr<LastRuns> last_runs);
  ~PythonGraph();
  PythonGraph(const PythonGraph&) = delete;
  PythonGraph& operator=(const PythonGraph&) = delete;

  const std::shared_ptr<const Graph>& graph() const { return graph_; }
  /// The pipeline's id, which stays the same when its graph is built anew.
  const std::string& id() const { return id_; }
  /// The plan for None, a name or a sequence of names. Throws: PlanError for unknown ones.
  const std::shared_ptr<const Plan>& plan(nb::handle output_name);
  LastRuns& last_runs() { return *last_runs_; }
  /// Tells each new text as a Python warning. Throws: nb::python_error if that is an error.
  void warn(const std::vector<std::string>& texts);

  /// What is known of a graph that somebody runs; null if it was not made in Python.
  static const PythonGraph* of(const void* graph);

 private:
  std::shared_ptr<const Plan> make_plan(Selection selection) const;
  Type root_type(const Selection& selection, int slot) const;

  std::shared_ptr<const Graph> graph_;
  std::string id_;
  std::shared_ptr<const Plan> all_;
  std::unordered_map<std::string, std::shared_ptr<const Plan>> plans_;
  std::shared_ptr<LastRuns> last_runs_;  ///< The pipeline's, whose graphs come and go.
  std::set<std::string> warned_;
};

void bind_graph(nb::module_& module);

}  // namespace hypernodes::python
