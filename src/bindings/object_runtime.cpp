// SPDX-License-Identifier: MIT
#include "bindings/object_runtime.hpp"

#include <exception>

#include "bindings/errors.hpp"
#include "bindings/object_cast.hpp"
#include "bindings/object_codec.hpp"
#include "bindings/object_pickle.hpp"
#include "bindings/python.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes::python {
namespace {

void retain(void* object) noexcept {
  if (!usable()) return;
  const Locked lock;
  Py_INCREF(static_cast<PyObject*>(object));
}

void release(void* object) noexcept {
  if (!usable()) return;
  const Locked lock;
  Py_DECREF(static_cast<PyObject*>(object));
}

void release_many(const Value* values, std::size_t count) noexcept {
  if (!usable()) return;
  const Locked lock;
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i].kind() == Kind::kObject) Py_DECREF(static_cast<PyObject*>(values[i].as_object()));
  }
}

/// Only types that nobody can subclass into something else count as fixed; their objects may be
/// looked at without the lock, as long as somebody holds them.
bool may_change(void* object) noexcept {
  auto* const item = static_cast<PyObject*>(object);
  const PyTypeObject* const type = Py_TYPE(item);
  if (type == &PyLong_Type || type == &PyUnicode_Type || type == &PyFloat_Type ||
      type == &PyBool_Type || item == Py_None || type == &PyBytes_Type || type == &PyComplex_Type) {
    return false;
  }
  if (type == &PyTuple_Type) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(item); ++i) {
      if (may_change(PyTuple_GET_ITEM(item, i))) return true;
    }
    return false;
  }
  if (type != &PyFrozenSet_Type) return true;
  const Locked lock;
  PyObject* const items = PySequence_Tuple(item);
  if (items == nullptr) {  // no memory
    PyErr_Clear();
    return true;
  }
  const bool changes = may_change(items);
  Py_DECREF(items);
  return changes;
}

bool equal(void* a, void* b) {
  const Locked lock;
  const int same =
      PyObject_RichCompareBool(static_cast<PyObject*>(a), static_cast<PyObject*>(b), Py_EQ);
  if (same < 0) PyErr_Clear();  // arrays, for one, have no truth value
  return same > 0;
}

std::string repr(void* object) {
  const Locked lock;
  return std::string(text_of(owned(PyObject_Repr(static_cast<PyObject*>(object)))));
}

void* suspend() noexcept {
  return alive() && PyGILState_Check() != 0 ? PyEval_SaveThread() : nullptr;
}

void restore(void* token) noexcept { PyEval_RestoreThread(static_cast<PyThreadState*>(token)); }

/// KeyboardInterrupt, SystemExit and the like. A coroutine that was cancelled has failed.
bool ends_program(const std::exception_ptr& error) {
  const Locked lock;
  try {
    std::rethrow_exception(error);
  } catch (const nb::python_error& raised) {
    if (raised.matches(PyExc_Exception)) return false;
    return !raised.matches(nb::module_::import_("asyncio").attr("CancelledError"));
  } catch (...) {
    return false;
  }
}

void add_note(const std::exception_ptr& error, const std::string& text) {
  const Locked lock;
  try {
    std::rethrow_exception(error);
  } catch (const nb::python_error& raised) {
    python::add_note(raised.value(), text);
  } catch (...) {  // NOLINT(bugprone-empty-catch): it cannot carry any
  }
}

void check_signals() {
  if (!usable()) return;
  const Locked lock;
  check(PyErr_CheckSignals());
}

bool encode(void* object, bool canonical, std::string& out, bool* unordered) {
  const Locked lock;
  return encode_object(static_cast<PyObject*>(object), canonical, out, unordered);
}

bool decode(std::string_view encoded, Value* out) {
  const Locked lock;
  return decode_object(encoded, out);
}

bool pickle(const Value& value, std::string& out, std::string* why) {
  const Locked lock;
  return pickle_value(value, out, why);
}

bool unpickle(std::string_view pickle, Value* out) {
  const Locked lock;
  return unpickle_value(pickle, out);
}

Value cast(void* object, const Type& type) {
  const Locked lock;
  return cast_object(static_cast<PyObject*>(object), type);
}

Column cast_many(const Value* values, std::int64_t rows, const Type& type) {
  const Locked lock;
  return cast_values(values, rows, type);
}

constexpr detail::ObjectRuntime kRuntime{
    .retain = retain,
    .release = release,
    .release_many = release_many,
    .encode = encode,
    .refusal = encode_refusal,
    .decode = decode,
    .pickle = pickle,
    .unpickle = unpickle,
    .cast = cast,
    .cast_many = cast_many,
    .may_change = may_change,
    .equal = equal,
    .repr = repr,
    .suspend = suspend,
    .restore = restore,
    .ends_program = ends_program,
    .add_note = add_note,
    .check_signals = check_signals,
};

}  // namespace

void install_object_runtime() { detail::install(&kRuntime); }

}  // namespace hypernodes::python
