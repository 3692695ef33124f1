// SPDX-License-Identifier: MIT
#include "bindings/object_cast.hpp"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bindings/inputs.hpp"
#include "bindings/numpy.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::python {
namespace {

[[noreturn]] void refuse(const Type& to, PyObject* got) {
  PyErr_Clear();
  throw TypeError("expected " + to.name() + " but got " + type_text(got));
}

[[noreturn]] void refuse(const Type& to, const std::string& got) {
  PyErr_Clear();
  throw TypeError("expected " + to.name() + " but got " + got);
}

bool to_bool(PyObject* object, const Type& to) {
  if (PyBool_Check(object)) return object == Py_True;
  if (is_numpy_bool(object)) return PyObject_IsTrue(object) == 1;
  refuse(to, object);
}

std::int64_t to_int64(PyObject* object, const Type& to) {
  if (!PyLong_CheckExact(object)) {
    if (PyBool_Check(object) || is_numpy_bool(object) || PyIndex_Check(object) == 0) {
      refuse(to, object);
    }
    const nb::object number = nb::steal(PyNumber_Index(object));
    if (!number.is_valid()) refuse(to, object);
    if (number.ptr() != object && PyLong_CheckExact(number.ptr()))
      return to_int64(number.ptr(), to);
  }
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0) refuse(to, "an int of more than 64 bits");
  if (number == -1 && PyErr_Occurred() != nullptr) refuse(to, object);
  return number;
}

double to_float64(PyObject* object, const Type& to) {
  if (PyFloat_Check(object)) return PyFloat_AS_DOUBLE(object);
  const bool number = PyLong_Check(object) != 0 || is_numpy_number(object);
  if (!number || PyBool_Check(object)) refuse(to, object);
  const double result = PyFloat_AsDouble(object);
  if (result == -1.0 && PyErr_Occurred() != nullptr) refuse(to, "an int too large for it");
  return result;
}

std::string_view to_text(PyObject* object, const Type& to) {
  if (!PyUnicode_Check(object)) refuse(to, object);
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(object, &size);
  if (data == nullptr) refuse(to, "a str with lone surrogates, which UTF-8 cannot hold");
  return {data, static_cast<std::size_t>(size)};
}

/// Bytes of a bytes-like object while it lives.
class BytesView {
 public:
  BytesView(PyObject* object, const Type& to) {
    const bool known = PyBytes_Check(object) != 0 || PyByteArray_Check(object) != 0 ||
                       PyMemoryView_Check(object) != 0;
    if (!known || PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE) != 0) refuse(to, object);
  }
  ~BytesView() { PyBuffer_Release(&view_); }
  BytesView(const BytesView&) = delete;
  BytesView& operator=(const BytesView&) = delete;
  std::string_view text() const {
    return {static_cast<const char*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

/// The items of a sequence, which stay the same whatever Python code runs meanwhile.
nb::object items_of(PyObject* object, const Type& to) {
  nb::object items = sequence_items(object);
  if (items.is_valid()) return items;
  refuse(to, object);
}

/// The field `name` of a dict or an object. Null if there is none.
nb::object field_of(PyObject* object, const std::string& name) {
  if (PyDict_Check(object)) return nb::borrow(PyDict_GetItemString(object, name.c_str()));
  PyObject* const field = PyObject_GetAttrString(object, name.c_str());
  if (field == nullptr) PyErr_Clear();
  return nb::steal(field);
}

/// Calls `visit(index, field)` for each field of a struct.
template <typename Visit>
void each_field(PyObject* object, const Type& type, Visit&& visit) {
  const std::vector<Field>& fields = type.fields();
  const bool plain = PyLong_Check(object) || PyFloat_Check(object) || PyUnicode_Check(object) ||
                     PyBytes_Check(object) || PyList_Check(object) || PyTuple_CheckExact(object);
  if (plain || object == Py_None) refuse(type, object);
  std::size_t found = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const nb::object field = field_of(object, fields[i].name);
    if (field.is_valid()) ++found;
    if (!field.is_valid() && !fields[i].type.nullable()) {
      refuse(type, type_text(object) + " without '" + fields[i].name + "'");
    }
    visit(i, field.is_valid() ? field.ptr() : Py_None);
  }
  if (PyDict_Check(object) && static_cast<std::size_t>(PyDict_GET_SIZE(object)) != found) {
    refuse(type, "a dict with other keys as well");
  }
}

void append(ColumnBuilder& builder, PyObject* object);

void append_entries(ColumnBuilder& entries, PyObject* object, const Type& type) {
  if (!PyDict_Check(object)) refuse(type, object);
  const nb::object items = owned(PyDict_Items(object));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.ptr()); ++i) {
    PyObject* const item = PyList_GET_ITEM(items.ptr(), i);
    append(entries.child(0), PyTuple_GET_ITEM(item, 0));
    append(entries.child(1), PyTuple_GET_ITEM(item, 1));
    entries.append_struct();
  }
}

void append_items(ColumnBuilder& elements, const nb::object& items, const Type& type) {
  const Py_ssize_t count = PyTuple_GET_SIZE(items.ptr());
  Py_ssize_t i = 0;
  try {
    for (; i < count; ++i) append(elements, PyTuple_GET_ITEM(items.ptr(), i));
  } catch (const TypeError& error) {
    refuse(type, "a list whose item " + std::to_string(i) + " does not fit: " + error.message());
  }
}

void append(ColumnBuilder& builder, PyObject* object) {
  const Type& type = builder.type();
  if (type.kind() == Kind::kObject) return builder.append_object(object_value(object));
  if (object == Py_None) {
    if (!type.nullable()) refuse(type, object);
    return builder.append_null();
  }
  switch (type.kind()) {
    case Kind::kBool:
      return builder.append_bool(to_bool(object, type));
    case Kind::kInt64:
      return builder.append_int64(to_int64(object, type));
    case Kind::kFloat64:
      return builder.append_float64(to_float64(object, type));
    case Kind::kString:
      return builder.append_text(to_text(object, type));
    case Kind::kBytes:
      return builder.append_text(BytesView(object, type).text());
    case Kind::kList: {
      const nb::object items = items_of(object, type);
      append_items(builder.child(0), items, type);
      return builder.append_list(PyTuple_GET_SIZE(items.ptr()));
    }
    case Kind::kMap: {
      const std::int64_t before = builder.child(0).size();
      append_entries(builder.child(0), object, type);
      return builder.append_list(builder.child(0).size() - before);
    }
    case Kind::kStruct:
      each_field(object, type,
                 [&](std::size_t i, PyObject* field) { append(builder.child(i), field); });
      return builder.append_struct();
    default:
      refuse(type, object);
  }
}

/// Numbers straight into a column's memory. `get(row)` throws TypeError.
template <typename Word, typename Get>
Column words(std::int64_t rows, const Type& type, Get&& get) {
  Buffer buffer = Buffer::allocate(static_cast<std::size_t>(rows) * sizeof(Word));
  Word* const data = buffer.mutable_as<Word>();
  for (std::int64_t row = 0; row < rows; ++row) data[row] = get(row);
  return Column::assemble(type, rows, {}, {}, std::move(buffer));
}

/// A column of `type`: `object(row)` is a borrowed object, or null where append_other has to do.
template <typename Object, typename Other>
Column cast_rows(std::int64_t rows, const Type& type, Object&& object, Other&& append_other) {
  std::int64_t at = 0;
  try {
    if (type.kind() == Kind::kInt64 && !type.nullable()) {
      bool all = true;
      for (std::int64_t row = 0; row < rows && all; ++row) all = object(row) != nullptr;
      if (all) {
        return words<std::int64_t>(
            rows, type, [&](std::int64_t row) { return to_int64(object(at = row), type); });
      }
    }
    if (type.kind() == Kind::kFloat64 && !type.nullable()) {
      bool all = true;
      for (std::int64_t row = 0; row < rows && all; ++row) all = object(row) != nullptr;
      if (all) {
        return words<double>(rows, type,
                             [&](std::int64_t row) { return to_float64(object(at = row), type); });
      }
    }
    ColumnBuilder builder(type);
    builder.reserve(rows);
    for (; at < rows; ++at) {
      if (PyObject* const item = object(at)) {
        append(builder, item);
      } else {
        append_other(builder, at);
      }
    }
    return builder.finish();
  } catch (const TypeError& error) {
    throw TypeError(error.message(), "row " + std::to_string(at), error.fix());
  }
}

}  // namespace

Value cast_object(PyObject* object, const Type& type) {
  if (type.kind() == Kind::kObject) return object_value(object);
  if (object == Py_None) {
    if (!type.nullable()) refuse(type, object);
    return {};
  }
  switch (type.kind()) {
    case Kind::kBool:
      return to_bool(object, type);
    case Kind::kInt64:
      return to_int64(object, type);
    case Kind::kFloat64:
      return to_float64(object, type);
    case Kind::kString:
      return to_text(object, type);
    case Kind::kBytes:
      return Value::bytes(std::string(BytesView(object, type).text()));
    case Kind::kList: {
      if (is_numpy_array(object)) {
        if (auto column = numpy_column(object, type.element())) return Value::list(*column);
      }
      const nb::object items = items_of(object, type);
      ColumnBuilder elements(type.element());
      elements.reserve(PyTuple_GET_SIZE(items.ptr()));
      append_items(elements, items, type);
      return Value::list(elements.finish());
    }
    case Kind::kMap: {
      ColumnBuilder entries(Type::structure(type.fields()));
      append_entries(entries, object, type);
      return Value::map(entries.finish());
    }
    case Kind::kStruct: {
      std::vector<Value> fields(type.fields().size());
      each_field(object, type, [&](std::size_t i, PyObject* field) {
        fields[i] = cast_object(field, type.fields()[i].type);
      });
      return Value::structure(type.required(), std::move(fields));
    }
    default:
      refuse(type, object);
  }
}

Column cast_items(PyObject* const* items, std::int64_t rows, const Type& type) {
  return cast_rows(
      rows, type, [&](std::int64_t row) { return items[row]; },
      [](ColumnBuilder&, std::int64_t) {});
}

Column cast_values(const Value* values, std::int64_t rows, const Type& type) {
  return cast_rows(
      rows, type,
      [&](std::int64_t row) {
        return values[row].kind() == Kind::kObject ? static_cast<PyObject*>(values[row].as_object())
                                                   : nullptr;
      },
      [&](ColumnBuilder& builder, std::int64_t row) { builder.append(values[row].cast(type)); });
}

}  // namespace hypernodes::python
