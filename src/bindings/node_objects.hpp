// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "bindings/python.hpp"

namespace hypernodes::python {

/// What a node of Python calls, as the garbage collector sees it.
struct NodeObjects {
  nb::object call;        ///< The function.
  nb::object keywords;    ///< Names of the last parameters, if they go by name; or None.
  nb::object batch;       ///< Calls it for whole batches; or None.
  nb::object code_parts;  ///< Says what its code is made of; or None.
  bool held = false;      ///< Whether a HeldObjects has a reference that does not count.
};

/// A node's hold of its objects, shared by all of the core that needs them.
///
/// The collector cannot follow the core's pointers. So it is told that this one reference is the
/// NodeObjects' own, and these live with the Python objects that keep them: the native node, which
/// its graphs keep. A function that refers to its pipeline is freed with it, then. What the core
/// holds beyond a call must keep the graph's Python object, or find its functions gone.
///
/// Threads: REQUIRES the lock, but for the destructor.
class HeldObjects {
 public:
  HeldObjects(std::string node, NodeObjects objects);
  ~HeldObjects();
  HeldObjects(const HeldObjects&) = delete;
  HeldObjects& operator=(const HeldObjects&) = delete;

  /// Throws: ReferenceError if the collector has freed them.
  const NodeObjects& get() const {
    if (!objects_->call.is_valid()) refuse();
    return *objects_;
  }
  /// Has `keeper` keep them. Until then they live as long as this does.
  void give_to(const nb::object& keeper) const;

 private:
  [[noreturn]] void refuse() const;

  const std::string node_;
  Value owner_;  ///< Not an nb::object: the last to let go may be a thread without the lock.
  NodeObjects* objects_;
};

/// Has a Python object of this module keep another alive, in a way that the collector sees.
void keep(const nb::object& keeper, nb::handle kept);
/// What an object keeps so; None for nothing.
nb::object kept_by(nb::handle keeper);

void bind_node_objects(nb::module_& module);

}  // namespace hypernodes::python
