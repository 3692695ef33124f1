// SPDX-License-Identifier: MIT
#include "daft/job.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/caches.hpp"
#include "bindings/callbacks.hpp"
#include "bindings/daft.hpp"
#include "bindings/inputs.hpp"
#include "bindings/records.hpp"
#include "bindings/run.hpp"
#include "bindings/session.hpp"
#include "bindings/to_python.hpp"
#include "daft/native_function.hpp"

namespace hypernodes::python {
namespace {

/// What a node that runs when the program ends may still take.
constexpr std::chrono::seconds kPatience{5};

/// Makes `state` the current run of a Daft thread, for the time of a batch.
daft::Enter enter_run(std::shared_ptr<RunState> state) {
  return [state = std::move(state)]() -> std::shared_ptr<void> {
    return std::make_shared<CurrentRun>(state);
  };
}

/// Runs the query of a job: python/hypernodes/integrations/daft/query.py does.
void launch(const daft::OpenJob& job) {
  static const char* const kModule = "hypernodes.integrations.daft.query";
  nb::module_::import_(kModule).attr("collect")(job.number(), job->rows(), job->foreign(),
                                                job->divisible(), str_of(job->label()));
}

nb::object run(PythonGraph& graph, const nb::dict& inputs, nb::handle output_name, nb::handle cache,
               nb::handle callbacks) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  GraphInputs given = run_inputs(graph, *plan, inputs);
  std::vector<Value> outputs;
  {
    Session session(graph, cache, callbacks);
    const auto failure =
        daft::run_one(graph.graph(), plan->selection, std::move(given), session.context(), launch,
                      &outputs, enter_run(session.state()));
    if (failure) raise_failure(*failure);
    session.warn();
  }
  nb::object record = new_record(*plan);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    set_output(record, plan->outputs[i], to_python(outputs[i]).ptr());
  }
  return record;
}

nb::object map(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
               const std::string& map_mode, nb::handle output_name, nb::handle cache,
               nb::handle callbacks, const std::string& outputs) {
  const Shape shape = shape_of(outputs);
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  GraphInputs given = to_graph_inputs(map_inputs(graph, *plan, inputs, map_over, map_mode));
  const std::int64_t rows = given.plan.rows;
  std::vector<Pieces> pieces;
  {
    Session session(graph, cache, callbacks);
    const auto failure =
        daft::map_rows(graph.graph(), plan->selection, std::move(given), session.context(), launch,
                       &pieces, enter_run(session.state()));
    if (failure) raise_failure(*failure);
    session.warn();
  }
  return shaped(*plan, std::move(pieces), rows, shape);
}

Column column_of(nb::handle series) {
  Column column;
  if (!import_arrow(series, &column)) {
    throw nb::type_error("expected a column of a type that hypernodes knows");
  }
  return column;
}

}  // namespace

void bind_daft(nb::module_& module) {
  module.def("daft_run", run, nb::arg("graph"), nb::arg("inputs"), nb::arg("output_name").none(),
             nb::arg("cache").none(), nb::arg("callbacks").none());
  module.def("daft_map", map, nb::arg("graph"), nb::arg("inputs"), nb::arg("map_over"),
             nb::arg("map_mode"), nb::arg("output_name").none(), nb::arg("cache").none(),
             nb::arg("callbacks").none(), nb::arg("outputs"));

  module.def("daft_executor", []() -> std::shared_ptr<BatchExecutor> {
    return std::make_shared<daft::DaftExecutor>(launch,
                                                [] { return enter_run(CurrentRun::state()); });
  });
  nb::class_<ArrowTable>(module, "ArrowTable")
      .def("__arrow_c_stream__", &ArrowTable::stream, nb::arg("requested_schema") = nb::none());
  module.def(
      "daft_tickets",
      [](std::int64_t number, std::int64_t first, std::int64_t rows, std::string name) {
        return ArrowTable({{std::move(name), daft::make_tickets(number, first, rows)}});
      },
      nb::arg("number"), nb::arg("first"), nb::arg("rows"), nb::arg("name"));
  module.def(
      "daft_redeem", [](nb::handle tickets) { daft::redeem(column_of(tickets)); },
      nb::arg("tickets"));
  module.def("daft_define_redeem", daft::define_redeem);
  module.def(
      "daft_stop",
      [] {
        const nb::gil_scoped_release others_may_run;
        daft::stop_jobs(kPatience);
      },
      "Before Python ends: no row begins any more.");
  module.def("daft_extension_path", daft::extension_path);
  bind_daft_frame(module);
}

}  // namespace hypernodes::python
