// SPDX-License-Identifier: MIT
#pragma once

namespace hypernodes::python {

/// Makes Python objects values: the core's ObjectRuntime is Python from now on.
void install_object_runtime();

}  // namespace hypernodes::python
