// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "engine/row_job.hpp"

/// Runs whose rows an engine spreads over threads or processes. REQUIRES: the lock.
namespace hypernodes::python {

/// Runs a graph on one item: a dict of the outputs.
nb::object run_spread(PythonGraph& graph, const nb::dict& inputs, nb::handle output_name,
                      nb::handle cache, nb::handle callbacks, const Spread& spread);

/// Maps it over the inputs in `map_over`; `outputs` says what comes out.
nb::object map_spread(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                      const std::string& map_mode, nb::handle output_name, nb::handle cache,
                      nb::handle callbacks, const std::string& outputs, const std::string& on_error,
                      const Spread& spread);

/// For nested pipelines with such an engine of their own.
std::shared_ptr<BatchExecutor> spread_executor(Spread spread);

/// job.run_rows, during which other threads may have the lock if the rows do not need it.
void run_rows(RowJob& job, std::int64_t first, std::int64_t count);

void bind_spread(nb::module_& module);
/// Rows that other processes run.
void bind_remote(nb::module_& module);

}  // namespace hypernodes::python
