// SPDX-License-Identifier: MIT
#include "bindings/errors.hpp"

#include "hypernodes/error.hpp"

namespace hypernodes::python {
namespace {

nb::object twin(const char* name, const Error& error) {
  return package_attribute("exceptions", name)(str_of(error.message()), str_of(error.where()),
                                               str_of(error.fix()));
}

nb::object twin_of(const Error& error) {
  if (const auto* const failed = dynamic_cast<const ExecutionError*>(&error)) {
    const nb::object row = failed->row() < 0 ? nb::none() : nb::object(nb::int_(failed->row()));
    const bool late = dynamic_cast<const NodeTimeoutError*>(failed) != nullptr;
    return package_attribute("exceptions", late ? "NodeTimeoutError" : "ExecutionError")(
        str_of(error.message()), str_of(error.where()), str_of(error.fix()), str_of(failed->node()),
        row);
  }
  if (dynamic_cast<const CycleError*>(&error) != nullptr) return twin("CycleError", error);
  if (dynamic_cast<const DependencyError*>(&error) != nullptr) {
    return twin("DependencyError", error);
  }
  if (dynamic_cast<const TypeError*>(&error) != nullptr) return twin("TypeError", error);
  if (dynamic_cast<const PlanError*>(&error) != nullptr) return twin("PlanError", error);
  if (dynamic_cast<const CacheError*>(&error) != nullptr) return twin("CacheError", error);
  if (dynamic_cast<const DependencyMissingError*>(&error) != nullptr) {
    return twin("DependencyMissingError", error);
  }
  return twin("HyperNodesError", error);
}

void translate(const std::exception_ptr& error, void* /*unused*/) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    const nb::object exception = twin_of(known);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  }
}

}  // namespace

nb::object exception_object(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (nb::python_error& raised) {
    return nb::borrow(raised.value());
  } catch (const Error& known) {
    return twin_of(known);
  } catch (const std::exception& unknown) {
    return nb::borrow(PyExc_RuntimeError)(str_of(unknown.what()));
  } catch (...) {
    return nb::borrow(PyExc_RuntimeError)("an exception that is no std::exception");
  }
}

std::exception_ptr exception_pointer(const nb::object& exception) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  return std::make_exception_ptr(nb::python_error());
}

void add_note(nb::handle exception, std::string_view text) {
  try {
    const nb::object note = str_of(text);
    const nb::object notes = nb::getattr(exception, "__notes__", nb::list());
    const int there = PySequence_Contains(notes.ptr(), note.ptr());
    check(there);
    if (there == 0) exception.attr("add_note")(note);
  } catch (nb::python_error&) {  // an exception class with a mind of its own: then without
  }
}

void translate_errors() { nb::register_exception_translator(translate); }

}  // namespace hypernodes::python
