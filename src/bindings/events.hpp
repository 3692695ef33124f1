// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "bindings/python.hpp"
#include "engine/row_job.hpp"
#include "hypernodes/event.hpp"

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
  Worker worker_;         ///< The latest one.
  Value recorded_worker_;  ///< It as it is recorded: once, as long as it is the same.
};

/// Tells recorded events to the callbacks of a job and of the pipelines inside it, as if the rows
/// had run here. REQUIRES: the lock, for every function.
class Replay {
 public:
  explicit Replay(std::shared_ptr<RowJob> job) : job_(std::move(job)) {}
  /// Throws: what a callback throws.
  void tell(nb::handle event);

 private:
  /// A pipeline entered: its scope stays the same for the whole job.
  struct Place {
    Scope scope;
    const Graph* graph;
    const Callbacks* callbacks;
  };
  const Place& place(nb::handle path);

  std::shared_ptr<RowJob> job_;
  std::map<std::vector<std::int64_t>, Place> places_;
};

}  // namespace hypernodes::python
