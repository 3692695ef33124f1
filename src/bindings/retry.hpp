// SPDX-License-Identifier: MIT
#pragma once

#include "bindings/python.hpp"

namespace hypernodes::python {

/// Binds `Retry`, as hypernodes/retry.py and _async.py use it, and what helper threads need.
void bind_retry(nb::module_& module);

}  // namespace hypernodes::python
