// SPDX-License-Identifier: MIT
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

#include "hypernodes/value.hpp"

/// What every file here needs of Python: its lock, references, text.
namespace hypernodes::python {

namespace nb = nanobind;

/// Whether objects can be touched at all: from Python's start until it begins to end.
bool alive() noexcept;
/// Whether this thread may touch objects: while Python ends only the one that has the lock may,
/// and afterwards none. What others still hold is leaked: the process is about to go.
bool usable() noexcept;

/// Holds the interpreter lock. Cost: 2 ns if this thread has it already. REQUIRES: alive().
class Locked {
 public:
  Locked() : taken_(PyGILState_Check() == 0) {
    if (taken_) state_ = PyGILState_Ensure();
  }
  ~Locked() {
    if (taken_) PyGILState_Release(state_);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  bool taken_;
  PyGILState_STATE state_{};
};

/// A new reference as an owner. Throws: the pending Python exception if it is null.
inline nb::object owned(PyObject* reference) {
  if (reference == nullptr) throw nb::python_error();
  return nb::steal(reference);
}

/// Throws the pending Python exception if `status` says that there is one.
inline void check(int status) {
  if (status < 0) throw nb::python_error();
}

/// `object` as a value, with a reference of its own.
inline Value object_value(PyObject* object) noexcept {
  Py_INCREF(object);
  return Value::object(object);
}

/// Gives up what `value` holds; quick for objects. REQUIRES: the lock.
inline void drop(Value& value) noexcept {
  if (value.kind() == Kind::kObject) {
    auto* const object = static_cast<PyObject*>(value.as_object());
    new (&value) Value();  // the reference is ours now: no destructor may release it again
    Py_DECREF(object);
  } else {
    value = Value();
  }
}

/// UTF-8 of a str. Throws: UnicodeEncodeError for lone surrogates.
inline std::string_view text_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) throw nb::python_error();
  return {data, static_cast<std::size_t>(size)};
}

inline nb::object str_of(std::string_view text) {
  return owned(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}

inline nb::object interned(std::string_view text) {
  PyObject* name = str_of(text).release().ptr();
  PyUnicode_InternInPlace(&name);
  return nb::steal(name);
}

/// `int`, `numpy.ndarray`, `None`: as messages name an object's type.
std::string type_text(nb::handle object);

/// Attribute `name` of a module of the package, such as ("exceptions", "PlanError").
nb::object package_attribute(const char* module, const char* name);

}  // namespace hypernodes::python
