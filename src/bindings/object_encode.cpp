// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <vector>

#include "bindings/numpy.hpp"
#include "bindings/object_codec.hpp"
#include "values/codec.hpp"

namespace hypernodes::python {
namespace {

using codec::Tag;

template <typename Word>
void put_tagged(std::string& out, Tag tag, Word word) {
  codec::put_tag(out, tag);
  codec::put_word(out, word);
}

void put_text(std::string& out, Tag tag, std::string_view text) {
  codec::put_tag(out, tag);
  codec::put_varint(out, text.size());
  out.append(text);
}

/// The int64 of an exact int. False if it has more bits.
bool small_int(PyObject* object, std::int64_t* number) {
  int overflow = 0;
  *number = PyLong_AsLongLongAndOverflow(object, &overflow);
  return overflow == 0;
}

thread_local std::string refused;  // NOLINT(bugprone-*): of this thread's last encoding

class Encoder {
 public:
  /// `digests` lets the digest of an object stand for it.
  Encoder(bool canonical, bool digests, std::string& out, bool* unordered)
      : canonical_(canonical), digests_(digests), out_(out), unordered_(unordered) {}

  bool put(PyObject* object);
  /// The digest that Python makes of an object. False if it makes none, and `refused` says why.
  bool put_digest(PyObject* object);
  /// Whether put() failed at a container that is too deep or contains itself.
  bool endless() const { return endless_; }

 private:
  bool put_int(PyObject* object);
  bool put_big_int(PyObject* object);
  bool put_str(PyObject* object);
  bool put_list(PyObject* object);
  bool put_packed(PyObject* list, Tag tag);
  bool put_tuple(PyObject* object);
  bool put_dict(PyObject* object);
  bool put_set(PyObject* object, Tag tag);
  /// Runs `content` inside `container`. False if it is too deep or contains itself.
  template <typename Content>
  bool inside(PyObject* container, Content content) {
    endless_ = open_.size() == codec::kMaxDepth ||
               std::find(open_.begin(), open_.end(), container) != open_.end();
    if (endless_) return false;
    open_.push_back(container);
    const bool done = content();
    open_.pop_back();
    return done;
  }

  const bool canonical_;
  const bool digests_;
  bool endless_ = false;
  std::string& out_;
  bool* const unordered_;
  std::vector<PyObject*> open_;  ///< The containers around what is being written.
};

bool Encoder::put(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  if (type == &PyLong_Type) return put_int(object);
  if (type == &PyFloat_Type) {
    put_tagged(out_, Tag::kFloat64, PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (type == &PyUnicode_Type) return put_str(object);
  if (object == Py_None) {
    codec::put_tag(out_, Tag::kNull);
    return true;
  }
  if (type == &PyBool_Type) {
    codec::put_tag(out_, object == Py_True ? Tag::kTrue : Tag::kFalse);
    return true;
  }
  if (type == &PyBytes_Type) {
    put_text(out_, Tag::kBytes,
             {PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))});
    return true;
  }
  if (type == &PyList_Type) return put_list(object);
  if (type == &PyTuple_Type) return put_tuple(object);
  if (type == &PyDict_Type) return put_dict(object);
  if (type == &PySet_Type) return put_set(object, Tag::kSet);
  if (type == &PyFrozenSet_Type) return put_set(object, Tag::kFrozenSet);
  return (is_numpy_array(object) && encode_array(object, out_)) || put_digest(object);
}

bool Encoder::put_digest(PyObject* object) {
  if (!digests_) return false;
  PyObject* const made =
      PyObject_CallOneArg(package_attribute("fingerprint", "value_digest").ptr(), object);
  if (made == nullptr) {
    const nb::python_error error;
    if (error.matches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();  // for who can stop the run
    refused = text_of(nb::str(error.value()));
    return false;
  }
  const nb::object digest = nb::steal(made);
  codec::put_tag(out_, Tag::kDigest);
  out_.append(PyBytes_AS_STRING(digest.ptr()),
              static_cast<std::size_t>(PyBytes_GET_SIZE(digest.ptr())));
  return true;
}

bool Encoder::put_int(PyObject* object) {
  std::int64_t number = 0;
  if (!small_int(object, &number)) return put_big_int(object);
  put_tagged(out_, Tag::kInt64, number);
  return true;
}

bool Encoder::put_big_int(PyObject* object) {
  const nb::object size = owned(PyNumber_Absolute(object));
  const auto bits = nb::cast<std::uint64_t>(size.attr("bit_length")());
  const nb::object magnitude = size.attr("to_bytes")((bits + 7) / 8, "little");
  const nb::object zero = nb::int_(0);
  codec::put_tag(out_, Tag::kBigInt);
  out_.push_back(static_cast<char>(PyObject_RichCompareBool(object, zero.ptr(), Py_LT)));
  const auto bytes = static_cast<std::size_t>(PyBytes_GET_SIZE(magnitude.ptr()));
  codec::put_varint(out_, bytes);
  out_.append(PyBytes_AS_STRING(magnitude.ptr()), bytes);
  return true;
}

bool Encoder::put_str(PyObject* object) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(object, &size);
  if (data == nullptr) {
    PyErr_Clear();
    return put_digest(object);
  }
  put_text(out_, Tag::kString, {data, static_cast<std::size_t>(size)});
  return true;
}

/// A list of nothing but small ints, or nothing but floats. False, with nothing written, if not.
bool Encoder::put_packed(PyObject* list, Tag tag) {
  const std::size_t begin = out_.size();
  const Py_ssize_t count = PyList_GET_SIZE(list);
  codec::put_tag(out_, tag);
  codec::put_varint(out_, static_cast<std::uint64_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const item = PyList_GET_ITEM(list, i);
    std::int64_t number = 0;
    if (tag == Tag::kFloat64List && PyFloat_CheckExact(item)) {
      codec::put_word(out_, PyFloat_AS_DOUBLE(item));
    } else if (tag == Tag::kInt64List && PyLong_CheckExact(item) && small_int(item, &number)) {
      codec::put_word(out_, number);
    } else {
      out_.resize(begin);
      return false;
    }
  }
  return true;
}

bool Encoder::put_list(PyObject* object) {
  return inside(object, [&] {
    const Py_ssize_t count = PyList_GET_SIZE(object);
    if (count > 0) {
      PyObject* const first = PyList_GET_ITEM(object, 0);
      if (PyLong_CheckExact(first) && put_packed(object, Tag::kInt64List)) return true;
      if (PyFloat_CheckExact(first) && put_packed(object, Tag::kFloat64List)) return true;
    }
    codec::put_tag(out_, Tag::kList);
    codec::put_varint(out_, static_cast<std::uint64_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (PyList_GET_SIZE(object) != count) return false;  // another thread changes it
      const nb::object item = nb::borrow(PyList_GET_ITEM(object, i));
      if (!put(item.ptr())) return false;
    }
    return true;
  });
}

bool Encoder::put_tuple(PyObject* object) {
  return inside(object, [&] {
    const Py_ssize_t count = PyTuple_GET_SIZE(object);
    codec::put_tag(out_, Tag::kTuple);
    codec::put_varint(out_, static_cast<std::uint64_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!put(PyTuple_GET_ITEM(object, i))) return false;
    }
    return true;
  });
}

bool Encoder::put_dict(PyObject* object) {
  return inside(object, [&] {
    codec::put_tag(out_, Tag::kMap);
    codec::put_varint(out_, static_cast<std::uint64_t>(PyDict_GET_SIZE(object)));
    if (PyDict_GET_SIZE(object) > 1 && unordered_ != nullptr) *unordered_ = true;
    const std::size_t begin = out_.size();
    std::vector<std::size_t> ends;
    const Py_ssize_t count = PyDict_GET_SIZE(object);
    Py_ssize_t position = 0;
    PyObject *next_key = nullptr, *next_value = nullptr;
    while (PyDict_Next(object, &position, &next_key, &next_value) != 0) {
      const nb::object key = nb::borrow(next_key);
      const nb::object value = nb::borrow(next_value);
      if (!put(key.ptr()) || !put(value.ptr())) return false;
      if (PyDict_GET_SIZE(object) != count) return false;  // another thread changes it
      if (canonical_) ends.push_back(out_.size());
    }
    if (canonical_) codec::sort_entries(out_, begin, ends);
    return true;
  });
}

bool Encoder::put_set(PyObject* object, Tag tag) {
  return inside(object, [&] {
    codec::put_tag(out_, tag);
    codec::put_varint(out_, static_cast<std::uint64_t>(PySet_GET_SIZE(object)));
    const std::size_t begin = out_.size();
    std::vector<std::size_t> ends;
    const nb::object items = owned(PySequence_List(object));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.ptr()); ++i) {
      if (!put(PyList_GET_ITEM(items.ptr(), i))) return false;
      ends.push_back(out_.size());
    }
    codec::sort_entries(out_, begin, ends);
    return true;
  });
}

}  // namespace

bool encode_object(PyObject* object, bool canonical, std::string& out, bool* unordered) {
  const std::size_t size = out.size();
  refused.clear();
  try {
    Encoder encoder(canonical, /*digests=*/canonical, out, unordered);
    if (encoder.put(object)) return true;
    out.resize(size);
    return encoder.endless() && encoder.put_digest(object);
  } catch (nb::python_error& error) {  // no memory, say: then it has no encoding
    refused = error.what();
  }
  out.resize(size);
  return false;
}

bool encode_plain(PyObject* object, std::string& out) {
  const std::size_t size = out.size();
  try {
    if (Encoder(/*canonical=*/true, /*digests=*/false, out, nullptr).put(object)) return true;
  } catch (nb::python_error&) {  // as above
  }
  out.resize(size);
  return false;
}

std::string encode_refusal() { return refused; }

}  // namespace hypernodes::python
