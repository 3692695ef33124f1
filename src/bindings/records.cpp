// SPDX-License-Identifier: MIT
#include "bindings/records.hpp"

#include <utility>

#include "bindings/arrow.hpp"
#include "bindings/choices.hpp"
#include "bindings/to_python.hpp"

namespace hypernodes::python {

nb::object new_record(const Plan& plan) { return owned(PyDict_Copy(plan.record.ptr())); }

nb::object record_of(const Plan& plan, const std::vector<Value>& outputs) {
  nb::object record = new_record(plan);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    set_output(record, plan.outputs[i], to_python(outputs[i]).ptr());
  }
  return record;
}

Shape shape_of(std::string_view outputs) {
  return choice_of<Shape>(
      "outputs", outputs,
      {{"records", Shape::kRecords}, {"columns", Shape::kColumns}, {"arrow", Shape::kArrow}},
      "use 'records', 'columns', 'arrow', 'daft', 'pandas' or 'polars'");
}

namespace {

nb::object columns_of(const Plan& plan, std::vector<Pieces> outputs, std::int64_t rows) {
  nb::object result = new_record(plan);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const nb::object list = owned(PyList_New(rows));
    Py_ssize_t next = 0;
    for (Column& piece : outputs[i]) {
      const Items items(std::exchange(piece, Column()));
      for (std::int64_t row = 0; row < items.size(); ++row) {
        PyList_SET_ITEM(list.ptr(), next++, items[row].release().ptr());
      }
    }
    set_output(result, plan.outputs[i], list.ptr());
  }
  return result;
}

nb::object records_of(const Plan& plan, std::vector<Pieces> outputs, std::int64_t rows) {
  nb::object records = owned(PyList_New(rows));
  Py_ssize_t next = 0;
  const std::size_t pieces = outputs.empty() ? 0 : outputs.front().size();
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    std::vector<Items> columns;
    for (Pieces& output : outputs) columns.emplace_back(std::exchange(output[piece], Column()));
    for (std::int64_t row = 0; row < columns.front().size(); ++row) {
      nb::object record = new_record(plan);
      for (std::size_t i = 0; i < columns.size(); ++i) {
        set_output(record, plan.outputs[i], columns[i][row].ptr());
      }
      PyList_SET_ITEM(records.ptr(), next++, record.release().ptr());
    }
  }
  // A pipeline without outputs still has a record for each row.
  while (next < rows) PyList_SET_ITEM(records.ptr(), next++, new_record(plan).release().ptr());
  return records;
}

nb::object arrow_of(const Plan& plan, std::vector<Pieces> outputs) {
  nb::object result = new_record(plan);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Type& type = plan.graph->slot_type(plan.outputs[i].slot);
    const bool declared = type.kind() != Kind::kObject;
    nb::list pieces;
    for (Column& piece : outputs[i]) {
      const Column column = std::exchange(piece, Column());
      const bool objects = column.type().kind() == Kind::kObject;
      pieces.append(objects ? to_list(column) : nb::cast(ArrowColumn{column}));
    }
    const nb::object said = declared ? nb::cast(ArrowType{type}) : nb::none();
    set_output(result, plan.outputs[i], nb::make_tuple(said, pieces).ptr());
  }
  return result;
}

}  // namespace

nb::object shaped(const Plan& plan, std::vector<Pieces> outputs, std::int64_t rows, Shape shape) {
  if (shape == Shape::kArrow) return arrow_of(plan, std::move(outputs));
  return shape == Shape::kColumns ? columns_of(plan, std::move(outputs), rows)
                                  : records_of(plan, std::move(outputs), rows);
}

}  // namespace hypernodes::python
