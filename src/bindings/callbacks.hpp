// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bindings/python.hpp"
#include "hypernodes/event.hpp"
#include "kernel/context.hpp"

namespace hypernodes::python {

/// Where a run is: its CallbackContext and the pipelines entered. One for a whole run, nested ones
/// included. REQUIRES: the lock, for every function.
class RunState {
 public:
  RunState() = default;
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  /// Made when first asked for.
  nb::handle context();
  /// Leaves what is not `scope` or around it, and enters what is missing. Null: leaves all.
  void go_to(const Scope* scope);
  void describe(const Scope& scope);
  /// A map begins, or comes to an item: keeps `_in_map` and the like in the context.
  void begin_map(const Scope* scope, std::int64_t items);
  void begin_item(std::int64_t index);
  /// Leaves the maps that are neither `scope`'s nor around it. Null: all.
  void leave_maps(const Scope* scope);
  /// After the run, which may have failed: leaves everything.
  void finish();

 private:
  struct Map {
    const Scope* scope;
    nb::object before;  ///< What the context held.
  };

  void set(const char* key, const nb::object& value);

  nb::object context_;
  std::vector<const Scope*> entered_;
  std::vector<Map> maps_;
};

/// Makes `state` the one that nested pipelines with callbacks of their own use in this thread.
class CurrentRun {
 public:
  explicit CurrentRun(std::shared_ptr<RunState> state);
  ~CurrentRun();
  /// This thread's, or null.
  static std::shared_ptr<RunState> state();
  CurrentRun(const CurrentRun&) = delete;
  CurrentRun& operator=(const CurrentRun&) = delete;

 private:
  std::shared_ptr<RunState> before_;
};

/// The core's way to a list of PipelineCallback objects, or none for None. A null `state` means the
/// current run's.
Callbacks callbacks_of(nb::handle callbacks, std::shared_ptr<RunState> state);

}  // namespace hypernodes::python
