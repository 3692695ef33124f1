// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "bindings/caches.hpp"
#include "bindings/callbacks.hpp"
#include "bindings/graph.hpp"
#include "kernel/context.hpp"

namespace hypernodes::python {

/// Counters, cache and callbacks of a run or map that a Python caller asked for; its statistics are
/// the graph's last run when it goes. What threads that outlive it may need is shared with them.
/// REQUIRES: the lock.
class Session {
 public:
  Session(PythonGraph& graph, nb::handle cache, nb::handle callbacks)
      : graph_(graph),
        state_(new RunState, drop_locked),
        context_(std::make_shared<RunContext>(cache_of(cache), callbacks_of(callbacks, state_))) {}
  ~Session() {
    state_->finish();
    graph_.last_runs().set(context_->statistics());
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::shared_ptr<RunContext>& context() { return context_; }
  const std::shared_ptr<RunState>& state() { return state_; }
  /// Tells the run's warnings as Python warnings.
  void warn() { graph_.warn(context_->statistics().warnings); }

 private:
  /// The last to let go may be a thread that has not the lock.
  static void drop_locked(RunState* state) {
    if (!alive()) return;
    const Locked lock;
    delete state;
  }

  PythonGraph& graph_;
  std::shared_ptr<RunState> state_;
  std::shared_ptr<RunContext> context_;
};

}  // namespace hypernodes::python
