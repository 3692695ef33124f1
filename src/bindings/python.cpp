// SPDX-License-Identifier: MIT
#include "bindings/python.hpp"

namespace hypernodes::python {

bool alive() noexcept {
  if (Py_IsInitialized() == 0) return false;
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() == 0;
#else
  return _Py_IsFinalizing() == 0;
#endif
}

bool usable() noexcept { return alive() || (Py_IsInitialized() != 0 && PyGILState_Check() != 0); }

std::string type_text(nb::handle object) {
  return object.is_none() ? "None" : Py_TYPE(object.ptr())->tp_name;
}

nb::object package_attribute(const char* module, const char* name) {
  const std::string full = std::string("hypernodes.") + module;
  return nb::module_::import_(full.c_str()).attr(name);
}

}  // namespace hypernodes::python
