// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "engine/batches.hpp"

/// What a Python caller gives, checked and turned into a graph's inputs before any node runs.
namespace hypernodes::python {

/// Throws: PlanError in the contract's words if an input that `plan` needs is not in `inputs`.
void require_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs);

/// The inputs of a run.
GraphInputs run_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs);

/// One input that a map goes over.
struct MappedInput {
  const Plan::Root* root;  ///< Null: no node that runs reads it; it counts rows only.
  nb::object items;        ///< A tuple of its items, or null:
  Column column;           ///< its items, if they came as Arrow data.
  std::int64_t size() const {
    return items.is_valid() ? PyTuple_GET_SIZE(items.ptr()) : column.size();
  }
};

/// The items of what a map may go over, as a tuple; null if `value` is no such thing.
nb::object sequence_items(nb::handle value);
/// The same. Throws: PlanError if `value` is no such thing.
nb::object map_items(const std::string& name, nb::handle value);

/// The inputs of a map.
struct MapInputs {
  std::vector<std::pair<const Plan::Root*, nb::object>> constants;
  std::vector<MappedInput> mapped;  ///< In the order of plan.inputs.
  MapPlan plan;
};

/// Throws: PlanError for unknown or missing names, what is no list, lists of unequal length.
MapInputs map_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs,
                     nb::handle map_over, std::string_view map_mode);

/// An input as what the nodes that read it take. Throws: TypeError naming it if it does not fit.
Value fitted(const Plan::Root& root, PyObject* value);

/// The same as columns and values of the types that the nodes take.
/// Throws: TypeError naming input and row if one does not fit.
GraphInputs to_graph_inputs(MapInputs inputs);

}  // namespace hypernodes::python
