// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "engine/batches.hpp"

/// Results as Python wants them. REQUIRES: the lock.
namespace hypernodes::python {

enum class Shape : std::uint8_t {
  kRecords,  ///< A list with a dict for each row.
  kColumns,  ///< A dict with a list for each output.
  /// A dict with a pair for each output: the type that C++ declares, None if there is none, and a
  /// list of pieces: Arrow columns, lists of Python objects. `_tables.py` makes tables of it.
  kArrow,
};

/// Throws: PlanError for a word that names none.
Shape shape_of(std::string_view outputs);

/// `outputs` has the pieces of each output of `plan`, cut at the same rows. Frees each when done.
nb::object shaped(const Plan& plan, std::vector<Pieces> outputs, std::int64_t rows, Shape shape);

/// The record of one row.
nb::object record_of(const Plan& plan, const std::vector<Value>& outputs);

/// A new record of `plan`, to be filled: has the names in order. Cost: copies a dict.
nb::object new_record(const Plan& plan);
inline void set_output(const nb::object& record, const Plan::Output& output, PyObject* value) {
  check(PyDict_SetItem(record.ptr(), output.name.ptr(), value));
}

}  // namespace hypernodes::python
