// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/callbacks.hpp"
#include "bindings/daft_source.hpp"
#include "bindings/events.hpp"
#include "daft/column_plan.hpp"

namespace hypernodes::python {

/// What the callbacks of a DataFrame's pipeline hear: each query of the frame is a run, with the
/// pipeline's start, the events of nodes, and its end, unless it fails. A pipeline inside whose
/// nodes are among the steps starts and ends with it. Queries that overlap are one run. Outside of
/// queries nothing is told.
/// Threads: the enter() of steps may be called in any; all else REQUIRES the lock.
class FrameEvents {
 public:
  /// `callbacks`: a list of PipelineCallback objects, or a Recorder, which takes what happens
  /// whether or not in a query. `inputs`: those that all rows share.
  FrameEvents(const FrameSource& source, nb::handle cache, nb::handle callbacks,
              const nb::dict& inputs);

  /// Whether there is anybody.
  bool listened() const;
  const std::shared_ptr<RunContext>& context() const { return context_; }
  std::shared_ptr<const Frame> frame() const { return frame_; }
  /// Makes the run the one of the calling thread. Throws: what a callback threw when it began.
  std::shared_ptr<void> enter();

  /// A query begins. What a callback throws comes out of the steps.
  void begin();
  /// It is over. Throws: what a callback throws.
  void end(bool finished);

  /// Tells what a Recorder took where the rows of a step ran.
  void tell(nb::handle event);
  /// The same, where it ran the node that makes a column alone in a pipeline, which nobody hears
  /// of.
  void tell_alone(const std::string& column, nb::handle event);

 private:
  void open_pipelines();
  /// Starts or ends the pipeline, and those inside that were opened, in a run of a query.
  void tell_start();
  void tell_end(double seconds);
  /// Tells those around an opened pipeline.
  void tell_around(const OpenedPipeline& pipeline, EventKind kind, double seconds);
  const OpenedPipeline* opened_at(int index) const;
  const Graph& graph_of(int opened) const;
  const daft::Place& maker(const std::string& column) const;

  const std::shared_ptr<const Graph> graph_;
  const Selection selection_;
  const daft::Inlined parts_;
  const std::shared_ptr<RunContext> context_;
  const std::shared_ptr<Frame> frame_;
  const std::int64_t rows_;
  std::deque<OpenedPipeline> opened_;           ///< As in `parts_`.
  std::vector<const OpenedPipeline*> by_step_;  ///< Of its graph.
  std::vector<std::string> names_;
  std::vector<Value> inputs_;
  Replay replay_;
  std::mutex mutex_;  ///< Guards what follows; held without waiting for anything.
  std::shared_ptr<RunState> state_;
  bool refused_ = false;
  int queries_ = 0;
  bool failed_ = false;
  std::chrono::steady_clock::time_point start_;
  Value refusal_;  ///< What a callback raised at the start. The lock guards it.
};

}  // namespace hypernodes::python
