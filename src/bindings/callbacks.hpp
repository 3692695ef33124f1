// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python.hpp"
#include "hypernodes/event.hpp"
#include "kernel/context.hpp"

namespace hypernodes::python {

/// Where a run is: its CallbackContext and the pipelines entered. One for a whole run, nested ones
/// included. REQUIRES: the lock, for every function but the destructor.
class RunState {
 public:
  /// The last to let go may be a thread that has not the lock.
  static std::shared_ptr<RunState> make();
  RunState()
      : thread_(PyThread_get_thread_ident()),
        around_(object_value(owned(PyContext_CopyCurrent()).ptr())) {}
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  /// Made when first asked for.
  nb::handle context();
  /// Leaves what is not `scope` or around it, and enters what is missing. Null: leaves all.
  void go_to(const Scope* scope);
  void describe(const Scope& scope);
  /// Keeps `_in_map` and the like of the event's item in the context.
  void go_to_item(const Event& event);
  /// Has the context name this worker; returns it as Python has it.
  nb::handle go_to_worker(const Worker& worker);
  /// The items of this scope have no numbers: they are rows of a DataFrame, `total` of them if that
  /// is not negative. Of it, and of these pipelines inside it, there is one run for all rows.
  void leave_uncounted(const Scope& scope, std::int64_t total,
                       std::span<const Scope* const> inside);
  bool counts(const Scope* scope) const { return scope != uncounted_; }
  /// After the run, which may have failed: leaves everything and tells whoever waits for the end.
  void finish() noexcept;

 private:
  using Item = std::pair<const Scope*, std::int64_t>;  ///< Of the innermost map.

  void set(const char* key, const nb::object& value);
  void set_item(const Item& item);

  const unsigned long thread_;  ///< The one that runs the pipeline.
  // Values, because the last to let go may be a thread without the lock.
  const Value around_;  ///< That thread's context variables.
  Value context_;
  std::vector<const Scope*> entered_;
  std::vector<std::int64_t> items_;  ///< Of each scope entered; -1 where it is not mapped.
  Item item_{nullptr, -1};
  const Scope* uncounted_ = nullptr;
  std::map<const Scope*, std::int64_t> totals_;
  std::map<Item, double> starts_;  ///< Seconds since 1970.
  std::map<Worker, Value> workers_;
  const std::pair<const Worker, Value>* worker_ = nullptr;  ///< The latest of them.
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
