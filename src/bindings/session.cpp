// SPDX-License-Identifier: MIT
#include "bindings/session.hpp"

#include <utility>

#include "bindings/caches.hpp"

namespace hypernodes::python {
namespace {

thread_local Around* current = nullptr;

std::shared_ptr<RunState> state_of(const Around* around) {
  std::shared_ptr<RunState> state = around == nullptr ? nullptr : CurrentRun::state();
  return state != nullptr ? state : RunState::make();
}

std::shared_ptr<RunContext> context_of(const Around* around, nb::handle cache, nb::handle callbacks,
                                       const std::shared_ptr<RunState>& state) {
  std::shared_ptr<Cache> own_cache = cache_of(cache);
  Callbacks own_callbacks = callbacks_of(callbacks, state);
  if (around == nullptr) {
    return std::make_shared<RunContext>(std::move(own_cache), std::move(own_callbacks));
  }
  const Frame& frame = around->frame();
  // The run around this one outlives it, and what it uses.
  if (own_cache == nullptr) own_cache = {std::shared_ptr<void>(), frame.cache};
  if (own_callbacks.empty() && frame.callbacks != nullptr) own_callbacks = *frame.callbacks;
  return std::make_shared<RunContext>(std::move(own_cache), std::move(own_callbacks),
                                      frame.scope.parent);
}

}  // namespace

Around::Around(const Graph& graph, const Frame& frame, RunContext& context)
    : graph_(graph), frame_(frame), context_(context), before_(std::exchange(current, this)) {}
Around::~Around() { current = before_; }

Around* Around::of(const Graph& graph) {
  return current != nullptr && current->graph_.id() == graph.id() ? current : nullptr;
}

Session::Session(PythonGraph& graph, nb::handle cache, nb::handle callbacks)
    : graph_(graph),
      around_(Around::of(*graph.graph())),
      state_(state_of(around_)),
      context_(context_of(around_, cache, callbacks, state_)) {
  // What is run inside has this run around it.
  if (around_ != nullptr) current = nullptr;
}

Session::~Session() {
  const Statistics statistics = context_->statistics();
  if (around_ == nullptr) {
    state_->finish();
  } else {
    current = around_;
    around_->context().add(statistics);
  }
  graph_.last_runs().set(statistics);
}

}  // namespace hypernodes::python
