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

/// The rows of a column as Python objects, one at a time; what the loop need not ask again, asked
/// once.
class Items {
 public:
  explicit Items(Column column)
      : column_(std::move(column)),
        objects_(column_.type().kind() == Kind::kObject ? column_.objects() : nullptr),
        int64s_(column_.type().kind() == Kind::kInt64 && !column_.has_nulls() ? column_.int64s()
                                                                              : nullptr) {}
  std::int64_t size() const { return column_.size(); }
  nb::object operator[](std::int64_t row) const {
    if (objects_ != nullptr) {
      const Value& value = objects_[row];
      return value.kind() == Kind::kObject ? nb::borrow(static_cast<PyObject*>(value.as_object()))
                                           : to_python(value);
    }
    if (int64s_ != nullptr) return owned(PyLong_FromLongLong(int64s_[row]));
    return to_python(column_, row);
  }

 private:
  Column column_;
  const Value* objects_;
  const std::int64_t* int64s_;
};

}  // namespace hypernodes::python
