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

std::size_t at(int index) { return static_cast<std::size_t>(index); }

Callbacks listeners(nb::handle callbacks) {
  if (nb::isinstance<Recorder>(callbacks)) return {nb::cast<std::shared_ptr<Recorder>>(callbacks)};
  // They are told in the run that the calling thread has entered.
  return callbacks_of(callbacks, nullptr);
}

}  // namespace

FrameEvents::FrameEvents(const FrameSource& source, nb::handle cache, nb::handle callbacks,
                         const nb::dict& inputs)
    : graph_(source.asked),
      selection_(source.needed),
      parts_(source.parts),
      context_(std::make_shared<RunContext>(cache_of(cache), listeners(callbacks))),
      frame_(std::make_shared<Frame>(daft::step_frame(*graph_, selection_, *context_))),
      rows_(source.rows),
      replay_(graph_, frame_, context_) {
  open_pipelines();
  for (const auto [name, value] : inputs) {
    names_.emplace_back(text_of(nb::borrow(name)));
    inputs_.push_back(object_value(value.ptr()));
  }
}

void FrameEvents::open_pipelines() {
  if (parts_.opened.empty()) return;
  for (const daft::Place& place : parts_.opened) {
    const OpenedPipeline* const around = opened_at(place.pipeline);
    const Node& node = graph_of(place.pipeline).steps()[at(place.step)].node;
    const NestedPipeline& nested = *node.definition().nested;
    OpenedPipeline& pipeline = opened_.emplace_back();
    pipeline.scope = make_frame(*nested.graph, nested.selection, *context_, /*map=*/false).scope;
    pipeline.scope.parent = around == nullptr ? &frame_->scope : &around->scope;
    pipeline.callbacks = !nested.callbacks.empty() ? &nested.callbacks
                         : around == nullptr       ? frame_->callbacks
                                                   : around->callbacks;
    pipeline.node = &node;
    pipeline.around = around;
  }
  for (const daft::Place& place : parts_.places) by_step_.push_back(opened_at(place.pipeline));
  frame_->opened = by_step_;
}

const OpenedPipeline* FrameEvents::opened_at(int index) const {
  return index < 0 ? nullptr : &opened_[at(index)];
}

const Graph& FrameEvents::graph_of(int opened) const {
  if (opened < 0) return *graph_;
  return *opened_[at(opened)].node->definition().nested->graph;
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
    std::vector<const Scope*> inside;
    for (const OpenedPipeline& pipeline : opened_) inside.push_back(&pipeline.scope);
    state->leave_uncounted(frame_->scope, rows_, inside);
    const CurrentRun current(state);
    tell_start();
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
    const CurrentRun current(state);
    if (!failed_) tell_end(seconds.count());
  } catch (...) {
    state->finish();
    throw;
  }
  state->finish();
}

void FrameEvents::tell_start() {
  std::vector<const Value*> inputs;
  for (const Value& value : inputs_) inputs.push_back(&value);
  Event event;
  event.kind = EventKind::kPipelineStart;
  event.scope = &frame_->scope;
  event.values = inputs;
  event.names = names_;
  context_->emit(*frame_->callbacks, event);
  for (const OpenedPipeline& pipeline : opened_) {
    tell_around(pipeline, EventKind::kNestedStart, 0);
    const NestedPipeline& nested = *pipeline.node->definition().nested;
    std::vector<const Value*> bound;
    std::vector<std::string> names;
    for (const NestedPipeline::Bound& each : nested.bound) {
      bound.push_back(&each.value);
      names.push_back(nested.graph->slots()[at(each.slot)]);
    }
    event.scope = &pipeline.scope;
    event.values = bound;
    event.names = names;
    context_->emit(*pipeline.callbacks, event);
  }
}

void FrameEvents::tell_end(double seconds) {
  Event event;
  event.kind = EventKind::kPipelineEnd;
  event.seconds = seconds;
  for (auto pipeline = opened_.rbegin(); pipeline != opened_.rend(); ++pipeline) {
    event.scope = &pipeline->scope;
    context_->emit(*pipeline->callbacks, event);
    tell_around(*pipeline, EventKind::kNestedEnd, seconds);
  }
  event.scope = &frame_->scope;
  context_->emit(*frame_->callbacks, event);
}

void FrameEvents::tell_around(const OpenedPipeline& pipeline, EventKind kind, double seconds) {
  Event event;
  event.kind = kind;
  event.scope = pipeline.scope.parent;
  event.node = pipeline.node;
  event.seconds = seconds;
  const OpenedPipeline* const around = pipeline.around;
  context_->emit(around == nullptr ? *frame_->callbacks : *around->callbacks, event);
}

void FrameEvents::tell(nb::handle event) {
  const std::shared_ptr<void> entered = enter();
  replay_.tell(event);
}

const daft::Place& FrameEvents::maker(const std::string& column) const {
  const int slot = parts_.graph->slot(column);
  const auto& steps = parts_.graph->steps();
  const auto after = std::upper_bound(
      steps.begin(), steps.end(), slot,
      [](int wanted, const Graph::Step& step) { return wanted < step.first_output; });
  HYPERNODES_ASSERT(after != steps.begin());
  return parts_.places[static_cast<std::size_t>(after - steps.begin()) - 1];
}

void FrameEvents::tell_alone(const std::string& column, nb::handle event) {
  const auto told = [&](const nb::list& path, nb::handle node, nb::handle row) {
    nb::list parts(nb::borrow(event));
    parts[1] = path;
    parts[2] = node;
    parts[3] = row;
    tell(nb::tuple(parts));
  };
  const daft::Place& found = maker(column);
  nb::list path;
  for (int index = found.pipeline; index >= 0; index = parts_.opened[at(index)].pipeline) {
    path.insert(0, nb::make_tuple(parts_.opened[at(index)].step, opened_[at(index)].scope.nodes));
  }
  const nb::list inner(event[1]);
  const nb::object node = event[2], row = event[3];
  const nb::int_ no_row(-1);
  if (nb::len(inner) > 0) {
    path.append(nb::make_tuple(found.step, inner[0][1]));  // there it was the only node
    for (std::size_t i = 1; i < nb::len(inner); ++i) path.append(inner[i]);
    return told(path, node, row);
  }
  if (node.is_none()) return;
  const std::size_t depth = nb::len(path);
  told(path, nb::int_(found.step), depth == 0 ? row : no_row);
  if (static_cast<EventKind>(nb::cast<int>(event[0])) != EventKind::kError) return;
  for (std::size_t around = depth; around-- > 0;) {
    nb::list outer;
    for (std::size_t i = 0; i < around; ++i) outer.append(path[i]);
    told(outer, path[around][0], around == 0 ? row : no_row);
  }
}

void bind_daft_events(nb::module_& module) {
  nb::class_<FrameEvents>(module, "DaftEvents", nb::is_weak_referenceable())
      .def(nb::init<const FrameSource&, nb::handle, nb::handle, const nb::dict&>(),
           nb::arg("source"), nb::arg("cache").none(), nb::arg("callbacks").none(),
           nb::arg("inputs"))
      .def_prop_ro("listened", &FrameEvents::listened)
      .def("begin", &FrameEvents::begin)
      .def("end", &FrameEvents::end, nb::arg("finished"))
      .def("tell", &FrameEvents::tell, nb::arg("event"))
      .def("tell_alone", &FrameEvents::tell_alone, nb::arg("column"), nb::arg("event"));
}

}  // namespace hypernodes::python
