// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "bindings/callbacks.hpp"
#include "bindings/graph.hpp"
#include "kernel/context.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::python {

/// While an engine that is a Python object runs a nested pipeline: what that pipeline has from the
/// run around it. The session that the engine opens for it, in the same thread, takes it.
class Around {
 public:
  Around(const Graph& graph, const Frame& frame, RunContext& context);
  ~Around();
  Around(const Around&) = delete;
  Around& operator=(const Around&) = delete;

  /// Of this thread, if it is about this graph's pipeline; null if there is none.
  static Around* of(const Graph& graph);

  const Frame& frame() const { return frame_; }
  RunContext& context() const { return context_; }

 private:
  friend class Session;
  const Graph& graph_;
  const Frame& frame_;
  RunContext& context_;
  Around* before_;
};

/// Counters, cache and callbacks of a run or map that a Python caller asked for; its statistics are
/// the graph's last run when it goes. What threads that outlive it may need is shared with them.
/// REQUIRES: the lock.
class Session {
 public:
  /// What `cache` and `callbacks` do not set comes from the run around this one, if there is one.
  Session(PythonGraph& graph, nb::handle cache, nb::handle callbacks);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::shared_ptr<RunContext>& context() { return context_; }
  const std::shared_ptr<RunState>& state() { return state_; }
  /// Tells the run's warnings as Python warnings; those of a run inside another are the other's.
  void warn() {
    if (around_ == nullptr) graph_.warn(context_->statistics().warnings);
  }

 private:
  PythonGraph& graph_;
  Around* const around_;
  std::shared_ptr<RunState> state_;
  std::shared_ptr<RunContext> context_;
};

}  // namespace hypernodes::python
