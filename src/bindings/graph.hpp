// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
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
class PythonGraph : public std::enable_shared_from_this<PythonGraph> {
 public:
  PythonGraph(std::shared_ptr<const Graph> graph, std::shared_ptr<LastRuns> last_runs);
  PythonGraph(const PythonGraph&) = delete;
  PythonGraph& operator=(const PythonGraph&) = delete;

  const std::shared_ptr<const Graph>& graph() const { return graph_; }
  /// This graph, or the whole one if these outputs (None: all) are pruned here.
  std::shared_ptr<PythonGraph> covering(nb::handle output_name);
  /// The graph that is given these outputs.
  std::shared_ptr<PythonGraph> overridden(std::vector<std::string> names);
  /// The plan for None, a name or a sequence of names. Throws: PlanError for unknown ones.
  const std::shared_ptr<const Plan>& plan(nb::handle output_name);
  LastRuns& last_runs() { return *last_runs_; }
  /// Tells each text that is new to the pipeline as a Python warning, at the line that called into
  /// the package. Throws: nb::python_error if that is an error.
  void warn(const std::vector<std::string>& texts);

 private:
  std::shared_ptr<const Plan> make_plan(Selection selection) const;
  Type root_type(const Selection& selection, int slot) const;

  std::shared_ptr<PythonGraph> variant(const std::string& key, std::shared_ptr<const Graph> graph);

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const Plan> all_;
  std::unordered_map<std::string, std::shared_ptr<const Plan>> plans_;
  std::shared_ptr<LastRuns> last_runs_;  ///< The pipeline's, whose graphs come and go.
  std::unordered_map<std::string, std::shared_ptr<PythonGraph>> variants_;
};

void bind_graph(nb::module_& module);

}  // namespace hypernodes::python
