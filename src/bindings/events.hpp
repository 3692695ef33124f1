// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "bindings/python.hpp"
#include "graph/graph.hpp"
#include "hypernodes/event.hpp"
#include "kernel/context.hpp"
#include "kernel/execute.hpp"

/// Events that travel: recorded as plain tuples where rows run, told to the callbacks elsewhere.
namespace hypernodes::python {

/// Keeps each event as a tuple that pickles, if its values and exception do. Pipelines and nodes
/// are told by their places in the graph, which the reader has, too. Threads: as any callback;
/// another may take meanwhile.
class Recorder final : public Callback {
 public:
  Recorder();
  void on_event(const Event& event) override;
  /// A list of the tuples since the last call. REQUIRES: the lock.
  nb::object take();

 private:
  nb::object here(const Worker& worker);

  Value events_;
  Worker worker_;          ///< The latest one.
  Value recorded_worker_;  ///< It as it is recorded: once, as long as it is the same.
};

/// Tells recorded events to the callbacks of a frame and of the pipelines inside it, as if the rows
/// had run here. REQUIRES: the lock, for every function.
class Replay {
 public:
  Replay(std::shared_ptr<const Graph> graph, std::shared_ptr<const Frame> frame,
         std::shared_ptr<RunContext> context)
      : graph_(std::move(graph)), frame_(std::move(frame)), context_(std::move(context)) {}
  /// Throws: what a callback throws.
  void tell(nb::handle event);

 private:
  /// A pipeline entered: its scope stays the same for good.
  struct Place {
    Scope scope;
    const Graph* graph;
    const Callbacks* callbacks;
  };
  const Place& place(nb::handle path);

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const Frame> frame_;
  std::shared_ptr<RunContext> context_;
  std::map<std::vector<std::int64_t>, Place> places_;
};

}  // namespace hypernodes::python
