// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::python {

/// Runs a graph on one item on the sequential engine: a dict of the outputs.
nb::object run_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle output_name,
                          nb::handle cache, nb::handle callbacks);

/// Maps it over the inputs in `map_over`: a list of dicts ("records") or a dict of lists
/// ("columns"), or the pieces that tables are made of ("arrow"). If failures do not raise, what
/// outcomes() returns.
nb::object map_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                          std::string_view map_mode, nb::handle output_name, nb::handle cache,
                          nb::handle callbacks, std::string_view outputs,
                          std::string_view on_error);

/// Throws `failure` as its own exception; a Python one gets a note that names node and row, and of
/// how many rows if it counts those of a batch only.
[[noreturn]] void raise_failure(const Failure& failure, std::int64_t batch_rows = -1);

}  // namespace hypernodes::python
