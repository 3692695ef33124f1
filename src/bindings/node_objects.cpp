// SPDX-License-Identifier: MIT
#include "bindings/node_objects.hpp"

#include <utility>

namespace hypernodes::python {
namespace {

constexpr const char* kKept = "_kept";

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  const NodeObjects& objects = *nb::inst_ptr<NodeObjects>(self);
  Py_VISIT(objects.call.ptr());
  Py_VISIT(objects.keywords.ptr());
  Py_VISIT(objects.batch.ptr());
  Py_VISIT(objects.code_parts.ptr());
  if (objects.held) Py_VISIT(self);
  return 0;
}

int clear(PyObject* self) {
  NodeObjects& objects = *nb::inst_ptr<NodeObjects>(self);
  // Each may run code that comes back here.
  const nb::object call = std::move(objects.call);
  const nb::object keywords = std::move(objects.keywords);
  const nb::object batch = std::move(objects.batch);
  const nb::object code_parts = std::move(objects.code_parts);
  return 0;
}

PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {0, nullptr}};

}  // namespace

HeldObjects::HeldObjects(std::string node, NodeObjects objects) : node_(std::move(node)) {
  const nb::object owner = nb::cast(std::move(objects));
  owner_ = object_value(owner.ptr());
  objects_ = nb::inst_ptr<NodeObjects>(owner);
}

HeldObjects::~HeldObjects() {
  if (!usable()) return;
  const Locked lock;
  objects_->held = false;
  drop(owner_);
}

void HeldObjects::give_to(const nb::object& keeper) const {
  keep(keeper, static_cast<PyObject*>(owner_.as_object()));
  // Not before: the collector may run whenever an object is made.
  objects_->held = true;
}

void HeldObjects::refuse() const {
  PyErr_Format(PyExc_ReferenceError, "the function of node '%s' has been garbage-collected",
               node_.c_str());
  throw nb::python_error();
}

void keep(const nb::object& keeper, nb::handle kept) { keeper.attr(kKept) = kept; }

nb::object kept_by(nb::handle keeper) { return nb::getattr(keeper, kKept, nb::none()); }

void bind_node_objects(nb::module_& module) {
  nb::class_<NodeObjects>(module, "NodeObjects", nb::type_slots(slots));
}

}  // namespace hypernodes::python
