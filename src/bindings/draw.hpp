// SPDX-License-Identifier: MIT
#pragma once

#include "bindings/python.hpp"

namespace hypernodes::python {

/// Drawings of pipelines, and their themes.
void bind_draw(nb::module_& module);

}  // namespace hypernodes::python
