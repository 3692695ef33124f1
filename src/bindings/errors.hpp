// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <string_view>

#include "bindings/python.hpp"

namespace hypernodes::python {

/// The Python exception for a C++ one: its twin in hypernodes.exceptions with the same fields, the
/// very object for one that Python raised.
nb::object exception_object(const std::exception_ptr& error);

/// The other way: what, thrown again, is a Python exception.
std::exception_ptr exception_pointer(const nb::object& exception);

/// PEP 678. The same exception object may be raised twice: it gets each note once.
void add_note(nb::handle exception, std::string_view text);

/// From now on the core's exceptions come out of this module's functions as their twins.
void translate_errors();

}  // namespace hypernodes::python
