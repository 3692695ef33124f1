// SPDX-License-Identifier: MIT
#include "bindings/spread.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <utility>
#include <vector>

#include "bindings/callbacks.hpp"
#include "bindings/inputs.hpp"
#include "bindings/outcomes.hpp"
#include "bindings/records.hpp"
#include "bindings/run.hpp"
#include "bindings/session.hpp"
#include "bindings/to_python.hpp"
#include "daft/query.hpp"

namespace hypernodes::python {
namespace {

/// What the thread that began a run tells the engine's threads: whose run it is, and that Daft's
/// threads may be waiting for it.
struct Entered {
  explicit Entered(std::shared_ptr<RunState> state, bool inside_query) : run(std::move(state)) {
    if (inside_query) query.emplace();
  }
  CurrentRun run;
  std::optional<daft::InsideQuery> query;
};

Enter enter_run(std::shared_ptr<RunState> state) {
  return [state = std::move(state),
          inside_query = daft::InsideQuery::now()]() -> std::shared_ptr<void> {
    return std::make_shared<Entered>(state, inside_query);
  };
}

/// A Python function as a spread.
Spread python_spread(const nb::object& function) {
  return [held = object_value(function.ptr())](const std::shared_ptr<RowJob>& job) {
    const Locked lock;
    to_python(held)(job);
  };
}

}  // namespace

void run_rows(RowJob& job, std::int64_t first, std::int64_t count) {
  std::optional<nb::gil_scoped_release> others_may_run;
  if (!job.foreign()) others_may_run.emplace();
  job.run_rows(first, count);
}

nb::object run_spread(PythonGraph& graph, const nb::dict& inputs, nb::handle output_name,
                      nb::handle cache, nb::handle callbacks, const Spread& spread) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  GraphInputs given = run_inputs(graph, *plan, inputs);
  std::vector<Value> outputs;
  {
    Session session(graph, cache, callbacks);
    const CurrentRun current(session.state());
    const auto failure = run_one(graph.graph(), plan->selection, std::move(given),
                                 session.context(), spread, &outputs, enter_run(session.state()));
    if (failure) raise_failure(*failure);
    session.warn();
  }
  return record_of(*plan, outputs);
}

nb::object map_spread(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                      const std::string& map_mode, nb::handle output_name, nb::handle cache,
                      nb::handle callbacks, const std::string& outputs, const std::string& on_error,
                      const Spread& spread) {
  const Shape shape = shape_of(outputs);
  const OnError outcome = on_error_of(on_error);
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  GraphInputs given = to_graph_inputs(map_inputs(graph, *plan, inputs, map_over, map_mode));
  const std::int64_t rows = given.plan.rows;
  GraphInputs kept;  // the rows that fail tell theirs
  if (outcome != OnError::kRaise) kept = given;
  std::vector<Pieces> pieces;
  Statistics statistics;
  {
    Session session(graph, cache, callbacks);
    const CurrentRun current(session.state());
    if (outcome != OnError::kRaise) session.context()->collect_failures();
    const auto failure = map_rows(graph.graph(), plan->selection, std::move(given),
                                  session.context(), spread, &pieces, enter_run(session.state()));
    if (failure) raise_failure(*failure);
    session.warn();
    if (outcome != OnError::kRaise) statistics = session.context()->statistics();
  }
  if (outcome != OnError::kRaise) {
    return outcomes(*plan, kept, std::move(pieces), shape, outcome, statistics);
  }
  return shaped(*plan, std::move(pieces), rows, shape);
}

std::shared_ptr<BatchExecutor> spread_executor(Spread spread) {
  return std::make_shared<RowExecutor>(std::move(spread),
                                       [] { return enter_run(CurrentRun::state()); });
}

void bind_spread(nb::module_& module) {
  nb::class_<RowJob>(module, "RowJob")
      .def_prop_ro("rows", &RowJob::rows)
      .def_prop_ro("whole_batch", &RowJob::whole_batch)
      .def("run_rows", run_rows, nb::arg("first"), nb::arg("count"));
  module.def(
      "spread_run",
      [](PythonGraph& graph, const nb::dict& inputs, nb::handle output_name, nb::handle cache,
         nb::handle callbacks, const nb::object& spread) {
        return run_spread(graph, inputs, output_name, cache, callbacks, python_spread(spread));
      },
      nb::arg("graph"), nb::arg("inputs"), nb::arg("output_name").none(), nb::arg("cache").none(),
      nb::arg("callbacks").none(), nb::arg("spread"));
  module.def(
      "spread_map",
      [](PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
         const std::string& map_mode, nb::handle output_name, nb::handle cache,
         nb::handle callbacks, const std::string& outputs, const nb::object& spread,
         const std::string& on_error) {
        return map_spread(graph, inputs, map_over, map_mode, output_name, cache, callbacks, outputs,
                          on_error, python_spread(spread));
      },
      nb::arg("graph"), nb::arg("inputs"), nb::arg("map_over"), nb::arg("map_mode"),
      nb::arg("output_name").none(), nb::arg("cache").none(), nb::arg("callbacks").none(),
      nb::arg("outputs"), nb::arg("spread"), nb::arg("on_error") = "raise");
  module.def(
      "spread_executor",
      [](const nb::object& spread) { return spread_executor(python_spread(spread)); },
      nb::arg("spread"));
}

}  // namespace hypernodes::python
