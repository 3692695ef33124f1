// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "bindings/python.hpp"
#include "hypernodes/column.hpp"
#include "hypernodes/type.hpp"
#include "hypernodes/value.hpp"

/// Python objects as values of the core's types. REQUIRES: the lock.
///
/// bool is no int; an int widens to float64; list, tuple and 1-d numpy arrays are lists; a dict is
/// a map or, by its keys, a struct, as is an object with attributes of the fields' names.
namespace hypernodes::python {

/// Throws: hypernodes::TypeError naming the expected type and what came.
Value cast_object(PyObject* object, const Type& type);

/// A column of what `items` are as `type`. Throws: hypernodes::TypeError naming the row.
Column cast_items(PyObject* const* items, std::int64_t rows, const Type& type);
/// The same for values of any kind.
Column cast_values(const Value* values, std::int64_t rows, const Type& type);

}  // namespace hypernodes::python
