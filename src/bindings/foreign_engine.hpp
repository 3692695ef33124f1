// SPDX-License-Identifier: MIT
#pragma once

#include "bindings/python.hpp"

namespace hypernodes::python {

/// `engine_executor(engine, pipeline)`: runs a nested pipeline by `run` or `map` of an engine that
/// is a Python object.
void bind_foreign_engine(nb::module_& module);

}  // namespace hypernodes::python
