// SPDX-License-Identifier: MIT
#include "bindings/daft_events.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <utility>

#include "bindings/caches.hpp"
#include "bindings/daft.hpp"
#include "bindings/errors.hpp"
#include "bindings/to_python.hpp"
#include "engine/batches.hpp"
#include "hypernodes/detail/assert.hpp"

// The events of DataFrames: python/hypernodes/integrations/daft/queries.py says when they begin.
namespace hypernodes::python {

namespace {

Callbacks listeners(nb::handle callbacks) {
  if (nb::isinstance<Recorder>(callbacks)) return {nb::cast<std::shared_ptr<Recorder>>(callbacks)};
  // They are told in the run that the calling thread has entered.
  return callbacks_of(callbacks, nullptr);
}

}  // namespace

FrameEvents::FrameEvents(PythonGraph& graph, nb::handle output_name, nb::handle cache,
                         nb::handle callbacks, const nb::dict& inputs, std::int64_t rows)
    : graph_(graph.graph()),
      selection_(graph.plan(output_name)->selection),
      context_(std::make_shared<RunContext>(cache_of(cache), listeners(callbacks))),
      frame_(std::make_shared<const Frame>(daft::step_frame(*graph_, selection_, *context_))),
      rows_(rows),
      replay_(graph_, frame_, context_) {
  for (const auto [name, value] : inputs) {
    names_.emplace_back(text_of(nb::borrow(name)));
    inputs_.push_back(object_value(value.ptr()));
  }
}

bool FrameEvents::listened() const {
  return has_listeners(*graph_, selection_, context_->callbacks());
}

std::shared_ptr<void> FrameEvents::enter() {
  std::shared_ptr<RunState> state;
  bool refused = false;
  {
    const std::lock_guard lock(mutex_);
    state = state_;
    refused = refused_;
  }
  if (refused) {
    const Locked lock;
    // An exception of Python's for each step: one can be raised once.
    std::rethrow_exception(exception_pointer(to_python(refusal_)));
  }
  return std::make_shared<CurrentRun>(std::move(state));
}

void FrameEvents::begin() {
  std::shared_ptr<RunState> state;
  {
    const std::lock_guard lock(mutex_);
    if (queries_++ > 0) return;
    state = state_ = RunState::make();
    refused_ = failed_ = false;
    start_ = std::chrono::steady_clock::now();
  }
  try {
    state->leave_uncounted(frame_->scope, rows_);
    tell_pipeline(EventKind::kPipelineStart, 0, state);
  } catch (...) {
    refusal_ = object_value(exception_object(std::current_exception()).ptr());
    const std::lock_guard lock(mutex_);
    refused_ = true;
  }
}

void FrameEvents::end(bool finished) {
  std::shared_ptr<RunState> state;
  {
    const std::lock_guard lock(mutex_);
    failed_ |= !finished;
    if (--queries_ > 0) return;
    state = std::exchange(state_, nullptr);
  }
  try {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    if (!failed_) tell_pipeline(EventKind::kPipelineEnd, seconds.count(), state);
  } catch (...) {
    state->finish();
    throw;
  }
  state->finish();
}

void FrameEvents::tell_pipeline(EventKind kind, double seconds,
                                const std::shared_ptr<RunState>& state) {
  const CurrentRun current(state);
  std::vector<const Value*> inputs;
  for (const Value& value : inputs_) inputs.push_back(&value);
  Event event;
  event.kind = kind;
  event.scope = &frame_->scope;
  event.seconds = seconds;
  if (kind == EventKind::kPipelineStart) {
    event.values = inputs;
    event.names = names_;
  }
  context_->emit(*frame_->callbacks, event);
}

void FrameEvents::tell(nb::handle event) {
  const std::shared_ptr<void> entered = enter();
  replay_.tell(event);
}

std::int64_t FrameEvents::place(const std::string& output) const {
  const auto& steps = graph_->steps();
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Graph::Step& step) {
    const auto& outputs = step.node.outputs();
    return std::any_of(outputs.begin(), outputs.end(),
                       [&](const NodeOutput& each) { return each.name == output; });
  });
  HYPERNODES_ASSERT(found != steps.end());
  return found - steps.begin();
}

void bind_daft_events(nb::module_& module) {
  nb::class_<FrameEvents>(module, "DaftEvents", nb::is_weak_referenceable())
      .def(nb::init<PythonGraph&, nb::handle, nb::handle, nb::handle, const nb::dict&,
                    std::int64_t>(),
           nb::arg("graph"), nb::arg("output_name").none(), nb::arg("cache").none(),
           nb::arg("callbacks").none(), nb::arg("inputs"), nb::arg("rows"))
      .def_prop_ro("listened", &FrameEvents::listened)
      .def("begin", &FrameEvents::begin)
      .def("end", &FrameEvents::end, nb::arg("finished"))
      .def("tell", &FrameEvents::tell, nb::arg("event"))
      .def("place", &FrameEvents::place, nb::arg("output"));
}

}  // namespace hypernodes::python
