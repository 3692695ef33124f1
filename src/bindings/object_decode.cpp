// SPDX-License-Identifier: MIT
#include <vector>

#include "bindings/numpy.hpp"
#include "bindings/object_codec.hpp"
#include "values/codec.hpp"

namespace hypernodes::python {
namespace {

using codec::Tag;

/// Reads one value. A null object means: no encoding; a Python exception may be pending then.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : reader_(bytes) {}

  nb::object whole() {
    nb::object object = read(0);
    return reader_.ok() && reader_.at_end() ? object : nb::object();
  }

 private:
  nb::object read(int depth);
  nb::object read_big_int();
  nb::object read_list(int depth);
  nb::object read_tuple(int depth);
  nb::object read_dict(int depth);
  nb::object read_set(int depth, bool frozen);
  nb::object read_array();
  template <typename Word, typename Make>
  nb::object read_packed(int depth, Make make);

  codec::Reader reader_;
};

nb::object Decoder::read(int depth) {
  const Tag tag = reader_.tag();
  if (!reader_.ok()) return {};
  switch (tag) {
    case Tag::kNull:
      return nb::none();
    case Tag::kFalse:
    case Tag::kTrue:
      return nb::bool_(tag == Tag::kTrue);
    case Tag::kInt64:
      return nb::steal(PyLong_FromLongLong(reader_.word<std::int64_t>()));
    case Tag::kBigInt:
      return read_big_int();
    case Tag::kFloat64:
      return nb::steal(PyFloat_FromDouble(reader_.word<double>()));
    case Tag::kString: {
      const std::string_view text = reader_.take(reader_.varint());
      return nb::steal(
          PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
    }
    case Tag::kBytes: {
      const std::string_view bytes = reader_.take(reader_.varint());
      return nb::steal(
          PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
    }
    case Tag::kList:
      return read_list(depth);
    case Tag::kInt64List:
      return read_packed<std::int64_t>(depth, PyLong_FromLongLong);
    case Tag::kFloat64List:
      return read_packed<double>(depth, PyFloat_FromDouble);
    case Tag::kTuple:
      return read_tuple(depth);
    case Tag::kMap:
      return read_dict(depth);
    case Tag::kSet:
    case Tag::kFrozenSet:
      return read_set(depth, tag == Tag::kFrozenSet);
    case Tag::kArray:
      return read_array();
    case Tag::kDigest:
      break;
  }
  return {};
}

nb::object Decoder::read_big_int() {
  const auto sign = reader_.word<std::uint8_t>();
  const std::string_view magnitude = reader_.take(reader_.varint());
  if (!reader_.ok() || sign > 1 || magnitude.empty() || magnitude.back() == 0) return {};
  const nb::bytes bytes(magnitude.data(), magnitude.size());
  const nb::object number =
      nb::borrow(reinterpret_cast<PyObject*>(&PyLong_Type)).attr("from_bytes")(bytes, "little");
  return sign == 0 ? number : nb::steal(PyNumber_Negative(number.ptr()));
}

template <typename Word, typename Make>
nb::object Decoder::read_packed(int depth, Make make) {
  const std::uint64_t count = reader_.count(sizeof(Word));
  if (count == 0 || !reader_.ok() || depth >= codec::kMaxDepth) return {};
  nb::object list = owned(PyList_New(static_cast<Py_ssize_t>(count)));
  for (std::uint64_t i = 0; i < count; ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i),
                    owned(make(reader_.word<Word>())).release().ptr());
  }
  return list;
}

nb::object Decoder::read_list(int depth) {
  const std::uint64_t count = reader_.count(1);
  if (!reader_.ok() || depth >= codec::kMaxDepth) return {};
  nb::object list = owned(PyList_New(static_cast<Py_ssize_t>(count)));
  for (std::uint64_t i = 0; i < count; ++i) {
    nb::object item = read(depth + 1);
    if (!item.is_valid()) return {};
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item.release().ptr());
  }
  return list;
}

nb::object Decoder::read_tuple(int depth) {
  const std::uint64_t count = reader_.count(1);
  if (!reader_.ok() || depth >= codec::kMaxDepth) return {};
  nb::object tuple = owned(PyTuple_New(static_cast<Py_ssize_t>(count)));
  for (std::uint64_t i = 0; i < count; ++i) {
    nb::object item = read(depth + 1);
    if (!item.is_valid()) return {};
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), item.release().ptr());
  }
  return tuple;
}

nb::object Decoder::read_dict(int depth) {
  const std::uint64_t count = reader_.count(2);
  if (!reader_.ok() || depth >= codec::kMaxDepth) return {};
  nb::object dict = owned(PyDict_New());
  for (std::uint64_t i = 0; i < count; ++i) {
    const nb::object key = read(depth + 1);
    if (!key.is_valid()) return {};
    const nb::object value = read(depth + 1);
    if (!value.is_valid() || PyDict_SetItem(dict.ptr(), key.ptr(), value.ptr()) != 0) return {};
  }
  // Two equal keys are nothing that a dict could have been.
  return PyDict_GET_SIZE(dict.ptr()) == static_cast<Py_ssize_t>(count) ? dict : nb::object();
}

nb::object Decoder::read_set(int depth, bool frozen) {
  const std::uint64_t count = reader_.count(1);
  if (!reader_.ok() || depth >= codec::kMaxDepth) return {};
  nb::object set = owned(frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
  for (std::uint64_t i = 0; i < count; ++i) {
    const nb::object item = read(depth + 1);
    if (!item.is_valid() || PySet_Add(set.ptr(), item.ptr()) != 0) return {};
  }
  return PySet_GET_SIZE(set.ptr()) == static_cast<Py_ssize_t>(count) ? set : nb::object();
}

nb::object Decoder::read_array() {
  const std::string_view dtype = reader_.take(reader_.varint());
  std::vector<std::uint64_t> shape(reader_.count(1));
  for (std::uint64_t& length : shape) length = reader_.varint();
  const std::string_view bytes = reader_.take(reader_.varint());
  return reader_.ok() ? make_array(dtype, shape, bytes) : nb::object();
}

}  // namespace

bool decode_object(std::string_view encoded, Value* out) try {
  nb::object object = Decoder(encoded).whole();
  if (!object.is_valid()) {
    PyErr_Clear();
    return false;
  }
  *out = Value::object(object.release().ptr());
  return true;
} catch (nb::python_error&) {
  return false;
}

}  // namespace hypernodes::python
