// SPDX-License-Identifier: MIT
#include "bindings/records.hpp"

#include "bindings/to_python.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::python {

Shape shape_of(std::string_view outputs) {
  if (outputs == "records") return Shape::kRecords;
  if (outputs == "columns") return Shape::kColumns;
  throw PlanError("Unknown outputs '" + std::string(outputs) + "'", {},
                  "use 'records' or 'columns'");
}

nb::object new_record(const Plan& plan) { return owned(PyDict_Copy(plan.record.ptr())); }

nb::object shaped(const Plan& plan, const std::vector<Column>& columns, std::int64_t rows,
                  Shape shape) {
  std::vector<nb::object> lists;
  lists.reserve(columns.size());
  for (const Column& column : columns) lists.push_back(to_list(column));
  if (shape == Shape::kColumns) {
    nb::object result = new_record(plan);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      set_output(result, plan.outputs[i], lists[i].ptr());
    }
    return result;
  }
  nb::object records = owned(PyList_New(0));
  for (std::int64_t row = 0; row < rows; ++row) {
    const nb::object record = new_record(plan);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      set_output(record, plan.outputs[i], PyList_GET_ITEM(lists[i].ptr(), row));
    }
    check(PyList_Append(records.ptr(), record.ptr()));
  }
  return records;
}

}  // namespace hypernodes::python
