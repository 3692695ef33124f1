// SPDX-License-Identifier: MIT
#include "bindings/numpy.hpp"

#include <cstring>
#include <utility>

#include "values/codec.hpp"

namespace hypernodes::python {
namespace {

bool named(PyObject* object, const char* name) {
  return std::strcmp(Py_TYPE(object)->tp_name, name) == 0;
}

/// Whether `dtype` is a text like `<i8` or `<M8[ns]`: numbers, text, bytes or times, not empty.
bool plain_dtype(std::string_view dtype) {
  if (dtype.size() < 3 || dtype.size() > 32) return false;
  if (std::string_view("<>|").find(dtype[0]) == std::string_view::npos) return false;
  if (std::string_view("biufcSUMm").find(dtype[1]) == std::string_view::npos) return false;
  std::size_t at = 2;
  bool nonzero = false;
  for (; at < dtype.size() && dtype[at] >= '0' && dtype[at] <= '9'; ++at) {
    nonzero = nonzero || dtype[at] != '0';
  }
  if (!nonzero) return false;
  if (at == dtype.size()) return true;
  return (dtype[1] == 'M' || dtype[1] == 'm') && dtype[at] == '[' && dtype.back() == ']';
}

/// Appends the bytes of `array` in C order.
bool append_bytes(PyObject* array, std::string& out) {
  Py_buffer view;
  if (PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS) == 0) {
    codec::put_varint(out, static_cast<std::uint64_t>(view.len));
    out.append(static_cast<const char*>(view.buf), static_cast<std::size_t>(view.len));
    PyBuffer_Release(&view);
    return true;
  }
  PyErr_Clear();  // other strides, or a dtype that buffers do not know
  const nb::object bytes = nb::steal(PyObject_CallMethod(array, "tobytes", nullptr));
  if (!bytes.is_valid()) {
    PyErr_Clear();
    return false;
  }
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()));
  codec::put_varint(out, size);
  out.append(PyBytes_AS_STRING(bytes.ptr()), size);
  return true;
}

}  // namespace

bool is_numpy_array(PyObject* object) { return named(object, "numpy.ndarray"); }

bool is_numpy_bool(PyObject* object) {
  return named(object, "numpy.bool") || named(object, "numpy.bool_");
}

bool is_numpy_number(PyObject* object) {
  const std::string_view name = Py_TYPE(object)->tp_name;
  return name.starts_with("numpy.int") || name.starts_with("numpy.uint") ||
         name.starts_with("numpy.float");
}

nb::object numpy_items(PyObject* array) {
  const nb::object view = nb::borrow(array);
  const auto dimensions = nb::cast<std::int64_t>(view.attr("ndim"));
  if (dimensions == 0) return {};
  const nb::object kind = view.attr("dtype").attr("kind");
  const bool scalars = std::string_view("biufcSU").find(text_of(kind)) != std::string_view::npos;
  if (dimensions == 1 && scalars) return view.attr("tolist")();
  return owned(PySequence_List(array));
}

std::optional<Column> numpy_column(PyObject* array, const Type& type) {
  if (type.nullable() || (type.kind() != Kind::kInt64 && type.kind() != Kind::kFloat64)) return {};
  Py_buffer view;
  if (PyObject_GetBuffer(array, &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
    PyErr_Clear();
    return {};
  }
  const std::string_view format = view.format == nullptr ? "" : view.format;
  const bool same = type.kind() == Kind::kInt64 ? format == "l" || format == "q" : format == "d";
  std::optional<Column> column;
  if (view.ndim == 1 && view.itemsize == 8 && same) {
    const auto bytes = static_cast<std::size_t>(view.len);
    Buffer buffer = Buffer::allocate(bytes);
    if (bytes > 0) std::memcpy(buffer.mutable_as<char>(), view.buf, bytes);
    column = Column::assemble(type, view.shape[0], {}, {}, std::move(buffer));
  }
  PyBuffer_Release(&view);
  return column;
}

bool encode_array(PyObject* array, std::string& out) {
  const nb::object view = nb::borrow(array);
  const nb::object dtype = view.attr("dtype");
  const nb::object text = dtype.attr("str");
  if (!plain_dtype(text_of(text)) || !nb::object(dtype.attr("fields")).is_none()) return false;
  const std::size_t begin = out.size();
  codec::put_tag(out, codec::Tag::kArray);
  codec::put_varint(out, text_of(text).size());
  out.append(text_of(text));
  const nb::object shape = view.attr("shape");
  const Py_ssize_t dimensions = PyTuple_GET_SIZE(shape.ptr());
  codec::put_varint(out, static_cast<std::uint64_t>(dimensions));
  for (Py_ssize_t i = 0; i < dimensions; ++i) {
    codec::put_varint(out, PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(shape.ptr(), i)));
  }
  if (append_bytes(array, out)) return true;
  out.resize(begin);
  return false;
}

nb::object make_array(std::string_view dtype, const std::vector<std::uint64_t>& shape,
                      std::string_view bytes) try {
  if (!plain_dtype(dtype) || shape.size() > 32) return {};
  std::uint64_t items = 1;
  bool empty = false;
  for (const std::uint64_t length : shape) {
    if (length > (std::uint64_t{1} << 62)) return {};
    empty = empty || length == 0;
    if (!empty && items > bytes.size() / length) return {};
    items = empty ? 0 : items * length;
  }
  const nb::module_ numpy = nb::module_::import_("numpy");
  const nb::object type = numpy.attr("dtype")(str_of(dtype));
  const auto item_bytes = nb::cast<std::uint64_t>(type.attr("itemsize"));
  if (item_bytes == 0 || items != bytes.size() / item_bytes || bytes.size() % item_bytes != 0) {
    return {};
  }
  const nb::object lengths = owned(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    PyTuple_SET_ITEM(lengths.ptr(), static_cast<Py_ssize_t>(i),
                     owned(PyLong_FromUnsignedLongLong(shape[i])).release().ptr());
  }
  const nb::bytes data(bytes.data(), bytes.size());
  return numpy.attr("ndarray")(lengths, type, data).attr("copy")();
} catch (nb::python_error&) {
  return {};
}

}  // namespace hypernodes::python
