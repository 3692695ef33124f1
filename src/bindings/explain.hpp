// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "hypernodes/explanation.hpp"

namespace hypernodes::python {

/// What run_sequential, or with `map_over` map_sequential, would find in the cache.
Explanation explain_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                               std::string_view map_mode, nb::handle output_name, nb::handle cache);

void bind_explain(nb::module_& module);

}  // namespace hypernodes::python
