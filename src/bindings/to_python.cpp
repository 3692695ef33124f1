// SPDX-License-Identifier: MIT
#include "bindings/to_python.hpp"

#include <string_view>

#include "hypernodes/type.hpp"

namespace hypernodes::python {
namespace {

nb::object bytes_of(std::string_view bytes) {
  return owned(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

nb::object dict_of_entries(const Column& entries) {
  const Column keys = entries.field(0);
  const Column values = entries.field(1);
  nb::object dict = owned(PyDict_New());
  for (std::int64_t row = 0; row < entries.size(); ++row) {
    check(PyDict_SetItem(dict.ptr(), to_python(keys, row).ptr(), to_python(values, row).ptr()));
  }
  return dict;
}

nb::object dict_of_fields(const Value& value) {
  const Type type = value.type();
  nb::object dict = owned(PyDict_New());
  for (std::size_t i = 0; i < type.fields().size(); ++i) {
    check(PyDict_SetItem(dict.ptr(), str_of(type.fields()[i].name).ptr(),
                         to_python(value.as_fields()[i]).ptr()));
  }
  return dict;
}

/// A list of `rows` items, item i made by `make(i)` as a new reference.
template <typename Make>
nb::object list_of(std::int64_t rows, Make&& make) {
  nb::object list = owned(PyList_New(rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    PyObject* const item = make(row);
    if (item == nullptr) throw nb::python_error();
    PyList_SET_ITEM(list.ptr(), row, item);
  }
  return list;
}

}  // namespace

nb::object to_python(const Value& value) {
  switch (value.kind()) {
    case Kind::kObject:
      return nb::borrow(static_cast<PyObject*>(value.as_object()));
    case Kind::kNull:
      return nb::none();
    case Kind::kBool:
      return nb::bool_(value.as_bool());
    case Kind::kInt64:
      return owned(PyLong_FromLongLong(value.as_int64()));
    case Kind::kFloat64:
      return owned(PyFloat_FromDouble(value.as_float64()));
    case Kind::kString:
      return str_of(value.as_text());
    case Kind::kBytes:
      return bytes_of(value.as_text());
    case Kind::kList:
      return to_list(value.as_column());
    case Kind::kMap:
      return dict_of_entries(value.as_column());
    case Kind::kStruct:
      return dict_of_fields(value);
  }
  return nb::none();
}

nb::object to_python(const Column& column, std::int64_t row) {
  switch (column.type().kind()) {
    case Kind::kObject:
      return to_python(column.objects()[row]);
    case Kind::kString:
      return column.is_null(row) ? nb::none() : str_of(column.text_at(row));
    case Kind::kBytes:
      return column.is_null(row) ? nb::none() : bytes_of(column.text_at(row));
    default:
      return to_python(column[row]);
  }
}

nb::object to_list(const Column& column) {
  const std::int64_t rows = column.size();
  if (!column.has_nulls()) {
    switch (column.type().kind()) {
      case Kind::kInt64: {
        const std::int64_t* const data = column.int64s();
        return list_of(rows, [&](std::int64_t row) { return PyLong_FromLongLong(data[row]); });
      }
      case Kind::kFloat64: {
        const double* const data = column.float64s();
        return list_of(rows, [&](std::int64_t row) { return PyFloat_FromDouble(data[row]); });
      }
      case Kind::kBool:
        return list_of(rows,
                       [&](std::int64_t row) { return PyBool_FromLong(column.bool_at(row)); });
      default:
        break;
    }
  }
  return list_of(rows, [&](std::int64_t row) { return to_python(column, row).release().ptr(); });
}

}  // namespace hypernodes::python
