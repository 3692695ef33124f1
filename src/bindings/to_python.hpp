// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "bindings/python.hpp"
#include "hypernodes/column.hpp"
#include "hypernodes/value.hpp"

/// Values as Python objects: an object value is the very object; a list is a list, a map or struct
/// a dict. REQUIRES: the lock. Throws: nb::python_error, for a string that is no UTF-8 say.
namespace hypernodes::python {

nb::object to_python(const Value& value);
nb::object to_python(const Column& column, std::int64_t row);
/// Cost: about what Python needs to make the objects.
nb::object to_list(const Column& column);

}  // namespace hypernodes::python
