// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/python.hpp"
#include "hypernodes/column.hpp"

/// numpy arrays, without importing numpy: none can exist before somebody did. REQUIRES: the lock.
namespace hypernodes::python {

/// Exactly numpy.ndarray, no subclass.
bool is_numpy_array(PyObject* object);
bool is_numpy_bool(PyObject* object);
/// A numpy integer or floating scalar.
bool is_numpy_number(PyObject* object);

/// The items of an array of at least one dimension as a list: Python scalars if it has one
/// dimension of numbers, text or bytes, else what iterating gives. Null for no dimension.
nb::object numpy_items(PyObject* array);

/// A contiguous one-dimensional int64 or float64 array as a column of that very `type`, by one
/// copy. nullopt for others.
std::optional<Column> numpy_column(PyObject* array, const Type& type);

/// Appends the encoding (codec.hpp, kArray) of an array of numbers, text, bytes or times, whatever
/// its strides. False for other dtypes.
bool encode_array(PyObject* array, std::string& out);

/// A new array with these dimensions. Null, with no exception pending, if the parts do not agree.
nb::object make_array(std::string_view dtype, const std::vector<std::uint64_t>& shape,
                      std::string_view bytes);

}  // namespace hypernodes::python
