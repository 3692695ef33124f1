// SPDX-License-Identifier: MIT
#include "bindings/object_pickle.hpp"

#include "bindings/to_python.hpp"

namespace hypernodes::python {

bool pickle_value(const Value& value, std::string& out, std::string* why) try {
  const nb::object made = package_attribute("_object_pickle", "dumps")(to_python(value));
  if (!PyBytes_Check(made.ptr())) {
    *why = text_of(made);
    return false;
  }
  out.append(PyBytes_AS_STRING(made.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(made.ptr())));
  return true;
} catch (const nb::python_error& error) {
  if (!error.matches(PyExc_Exception)) throw;
  *why = "its result cannot be pickled";
  return false;
}

bool unpickle_value(std::string_view pickle, Value* out) try {
  const nb::object view = owned(PyMemoryView_FromMemory(
      const_cast<char*>(pickle.data()), static_cast<Py_ssize_t>(pickle.size()), PyBUF_READ));
  nb::object object = package_attribute("_object_pickle", "loads")(view);
  *out = Value::object(object.release().ptr());
  return true;
} catch (const nb::python_error& error) {
  if (!error.matches(PyExc_Exception)) throw;
  return false;
}

}  // namespace hypernodes::python
