// SPDX-License-Identifier: MIT
#include "daft/query.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/daft.hpp"
#include "bindings/spread.hpp"
#include "bindings/to_python.hpp"
#include "daft/native_function.hpp"

namespace hypernodes::python {
namespace {

/// What a node that runs when the program ends may still take.
constexpr std::chrono::seconds kPatience{5};

/// Runs the queries of jobs with an engine's options: python/hypernodes/integrations/daft/query.py
/// does.
daft::Launch launch(nb::handle options) {
  return [held = object_value(options.ptr())](const daft::OpenJob& job) {
    const Locked lock;
    static const char* const kModule = "hypernodes.integrations.daft.query";
    nb::module_::import_(kModule).attr("collect")(job.number(), job->rows(), job->foreign(),
                                                  job->looks_up(), str_of(job->label()),
                                                  to_python(held));
  };
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
  module.def(
      "daft_run",
      [](PythonGraph& graph, const nb::dict& inputs, nb::handle output_name, nb::handle cache,
         nb::handle callbacks, nb::handle options) {
        return run_spread(graph, inputs, output_name, cache, callbacks,
                          daft::on_daft(launch(options)));
      },
      nb::arg("graph"), nb::arg("inputs"), nb::arg("output_name").none(), nb::arg("cache").none(),
      nb::arg("callbacks").none(), nb::arg("options").none());
  module.def(
      "daft_map",
      [](PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
         const std::string& map_mode, nb::handle output_name, nb::handle cache,
         nb::handle callbacks, const std::string& outputs, nb::handle options,
         const std::string& on_error) {
        return map_spread(graph, inputs, map_over, map_mode, output_name, cache, callbacks, outputs,
                          on_error, daft::on_daft(launch(options)));
      },
      nb::arg("graph"), nb::arg("inputs"), nb::arg("map_over"), nb::arg("map_mode"),
      nb::arg("output_name").none(), nb::arg("cache").none(), nb::arg("callbacks").none(),
      nb::arg("outputs"), nb::arg("options").none(), nb::arg("on_error") = "raise");
  module.def(
      "daft_executor",
      [](nb::handle options) { return spread_executor(daft::on_daft(launch(options))); },
      nb::arg("options").none());
  module.def("daft_inside_query", daft::InsideQuery::now,
             "Whether this thread is one that Daft evaluates rows in, or waits for.");
  nb::class_<ArrowTable>(module, "ArrowTable")
      .def("__arrow_c_stream__", &ArrowTable::stream, nb::arg("requested_schema") = nb::none());
  module.def(
      "daft_tickets",
      [](std::int64_t number, std::int64_t first, std::int64_t rows, std::string name) {
        return ArrowTable({{std::move(name), daft::make_tickets(number, first, rows)}});
      },
      nb::arg("number"), nb::arg("first"), nb::arg("rows"), nb::arg("name"));
  module.def(
      "daft_redeem",
      [](nb::handle tickets, bool foreign) {
        const Column column = column_of(tickets);
        std::optional<nb::gil_scoped_release> others_may_run;
        if (!foreign) others_may_run.emplace();
        daft::redeem(column);
      },
      nb::arg("tickets"), nb::arg("foreign"));
  module.def("daft_define_redeem", daft::define_redeem);
  module.def(
      "daft_stop",
      [] {
        const nb::gil_scoped_release others_may_run;
        daft::stop_jobs(kPatience);
      },
      "Before Python ends: no row begins any more.");
  module.def("daft_extension_path", daft::extension_path);
  bind_daft_events(module);
  bind_daft_frame(module);
}

}  // namespace hypernodes::python
