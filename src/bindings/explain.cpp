// SPDX-License-Identifier: MIT
#include "bindings/explain.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "bindings/caches.hpp"
#include "bindings/inputs.hpp"
#include "engine/explain.hpp"
#include "hypernodes/error.hpp"
#include "kernel/node_note.hpp"

namespace hypernodes::python {
namespace {

void check_signals() {
  const Locked lock;
  check(PyErr_CheckSignals());
}

std::string text_of_all(const Explanation& explanation) {
  std::ostringstream text;
  text << explanation;
  return text.str();
}

/// The place of a row's answer; nullopt for a row that was not asked.
std::optional<std::int64_t> answer_of(const NodeExplanation& node, std::int64_t row) {
  const RowExplanation* const answer = node.row(row);
  if (answer == nullptr) return std::nullopt;
  return answer - node.answers.data();
}

void forget(nb::handle cache, const std::string& node) {
  const std::shared_ptr<Cache> native = cache_of(cache);
  const nb::gil_scoped_release others_may_run;
  forget_node(*native, node);
}

}  // namespace

Explanation explain_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                               std::string_view map_mode, nb::handle output_name,
                               nb::handle cache) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  if (map_over.is_none()) {
    return explain_run(*graph.graph(), plan->selection, run_inputs(graph, *plan, inputs),
                       cache_of(cache));
  }
  const GraphInputs given = to_graph_inputs(map_inputs(graph, *plan, inputs, map_over, map_mode));
  return explain_map(*graph.graph(), plan->selection, given, cache_of(cache), check_signals);
}

void bind_explain(nb::module_& module) {
  nb::class_<RowExplanation>(module, "RowExplanation")
      .def_prop_ro("status",
                   [](const RowExplanation& self) { return std::string(name_of(self.status)); })
      .def_prop_ro("reason",
                   [](const RowExplanation& self) { return std::string(name_of(self.reason)); })
      .def_ro("changed", &RowExplanation::changed)
      .def_ro("detail", &RowExplanation::detail);
  nb::class_<NodeExplanation>(module, "NodeExplanation")
      .def_ro("node", &NodeExplanation::node)
      .def_ro("answers", &NodeExplanation::answers)
      .def_ro("counts", &NodeExplanation::counts)
      .def("answer_of", answer_of, nb::arg("row"))
      .def(
          "answer_at",
          [](const NodeExplanation& self, std::size_t place) { return self.rows.at(place); },
          nb::arg("place"), "That of the row at a place among those that were asked.")
      .def("__len__", [](const NodeExplanation& self) { return self.rows.size(); });
  nb::class_<Explanation>(module, "Explanation")
      .def_ro("nodes", &Explanation::nodes)
      .def_ro("rows", &Explanation::rows)
      .def("__str__", text_of_all);
  module.def("forget_node", forget, nb::arg("cache"), nb::arg("node"));
}

}  // namespace hypernodes::python
