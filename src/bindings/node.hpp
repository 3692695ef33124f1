// SPDX-License-Identifier: MIT
#pragma once

#include "bindings/python.hpp"

namespace hypernodes::python {

/// Nodes of all three kinds: Python functions, C++ functions of a loaded library, pipelines.
void bind_node(nb::module_& module);

}  // namespace hypernodes::python
