// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "hypernodes/column.hpp"

/// Results as Python wants them. REQUIRES: the lock.
namespace hypernodes::python {

enum class Shape : std::uint8_t {
  kRecords,  ///< A list with a dict for each row.
  kColumns,  ///< A dict with a list for each output.
};

/// Throws: PlanError for a word that names none.
Shape shape_of(std::string_view outputs);

/// `columns` has one column for each output of `plan`.
nb::object shaped(const Plan& plan, const std::vector<Column>& columns, std::int64_t rows,
                  Shape shape);

/// A new record of `plan`, to be filled: has the names in order. Cost: copies a dict.
nb::object new_record(const Plan& plan);
inline void set_output(const nb::object& record, const Plan::Output& output, PyObject* value) {
  check(PyDict_SetItem(record.ptr(), output.name.ptr(), value));
}

}  // namespace hypernodes::python
