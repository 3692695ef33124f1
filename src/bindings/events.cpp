// SPDX-License-Identifier: MIT
#include "bindings/events.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/detail/assert.hpp"

namespace hypernodes::python {
namespace {

// A recorded event: (kind, path, node, row, total, seconds, key, worker, values, names, error).
//   path    the pipelines around it, from the frame's inwards: (place of the node, nodes needed)...
//   node    its place in the execution order of its pipeline, or None
//   key     the signature's hex digits, or None
//   worker  (host, pid, thread)
//   values  [(place, value), ...] of those that are given, or None
//   names   of the values of a pipeline, else None
//   error   the exception, or None

const Graph& graph_of(const Scope& scope) { return *static_cast<const Graph*>(scope.owner); }

/// The place of the pipeline `inner` among the nodes of the one around it.
std::int64_t place_in(const Graph& outer, const void* inner) {
  const auto& steps = outer.steps();
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Graph::Step& step) {
    const auto& nested = step.node.definition().nested;
    return nested != nullptr && nested->graph.get() == inner;
  });
  HYPERNODES_ASSERT(found != steps.end());
  return found - steps.begin();
}

nb::list path_of(const Scope* scope) {
  nb::list path;
  for (; scope->parent != nullptr; scope = scope->parent) {
    path.insert(0, nb::make_tuple(place_in(graph_of(*scope->parent), scope->owner), scope->nodes));
  }
  return path;
}

nb::object node_place(const Event& event) {
  if (event.node == nullptr) return nb::none();
  const auto& steps = graph_of(*event.scope).steps();
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Graph::Step& step) {
    return step.node == *event.node;  // the steps of a DataFrame have a copy
  });
  HYPERNODES_ASSERT(found != steps.end());
  return nb::int_(found - steps.begin());
}

nb::object values_of(const Event& event) {
  if (event.values.empty()) return nb::none();
  nb::list values;
  for (std::size_t i = 0; i < event.values.size(); ++i) {
    if (event.values[i] != nullptr) values.append(nb::make_tuple(i, to_python(*event.values[i])));
  }
  return values;
}

nb::object names_of(const Event& event) {
  if (event.names.empty()) return nb::none();
  nb::list names;
  for (const std::string& name : event.names) names.append(str_of(name));
  return names;
}

}  // namespace

Recorder::Recorder() : events_(object_value(nb::list().ptr())) {}

void Recorder::on_event(const Event& event) {
  const Locked lock;
  const nb::object key = event.key == nullptr ? nb::none() : nb::object(str_of(event.key->hex()));
  const nb::object error = event.error == nullptr ? nb::none() : exception_object(event.error);
  const nb::tuple recorded = nb::make_tuple(
      static_cast<int>(event.kind), path_of(event.scope), node_place(event), event.row, event.total,
      event.seconds, key, here(*event.worker), values_of(event), names_of(event), error);
  // Nothing between these may let another thread take the list.
  check(PyList_Append(to_python(events_).ptr(), recorded.ptr()));
}

nb::object Recorder::here(const Worker& worker) {
  if (recorded_worker_.kind() != Kind::kObject || worker_ != worker) {
    worker_ = worker;
    recorded_worker_ =
        object_value(nb::make_tuple(str_of(worker.host), worker.pid, worker.thread).ptr());
  }
  return to_python(recorded_worker_);
}

nb::object Recorder::take() {
  return to_python(std::exchange(events_, object_value(nb::list().ptr())));
}

const Replay::Place& Replay::place(nb::handle path) {
  std::vector<std::int64_t> steps;
  const auto known = [&]() -> const Place* {
    const auto found = places_.find(steps);
    return found == places_.end() ? nullptr : &found->second;
  };
  const Place* at = known();
  if (at == nullptr) {
    at = &places_.emplace(steps, Place{{}, graph_.get(), frame_->callbacks}).first->second;
  }
  for (const nb::handle entry : path) {
    const auto step = nb::cast<std::int64_t>(entry[0]);
    // The frame's own scope is the one that its other events have.
    const Scope* const parent = steps.empty() ? &frame_->scope : &at->scope;
    steps.push_back(step);
    if (const Place* const entered = known()) {
      at = entered;
      continue;
    }
    const NestedPipeline& nested =
        *at->graph->steps().at(static_cast<std::size_t>(step)).node.definition().nested;
    Scope scope;
    scope.id = nested.graph->id();
    scope.name = nested.graph->name().empty() ? scope.id : nested.graph->name();
    scope.parent = parent;
    scope.nodes = nb::cast<std::int64_t>(entry[1]);
    scope.owner = nested.graph.get();
    at = &places_
              .emplace(steps, Place{scope, nested.graph.get(),
                                    nested.callbacks.empty() ? at->callbacks : &nested.callbacks})
              .first->second;
  }
  return *at;
}

void Replay::tell(nb::handle recorded) {
  const auto part = [&](int index) { return nb::object(recorded[index]); };
  const nb::object path = part(1), node = part(2), key_text = part(6), worker = part(7),
                   names = part(9), error = part(10);
  const Place& here = place(path);
  if (here.callbacks == nullptr || here.callbacks->empty()) return;
  Event event;
  event.kind = static_cast<EventKind>(nb::cast<int>(part(0)));
  event.scope = nb::len(path) == 0 ? &frame_->scope : &here.scope;
  if (!node.is_none()) event.node = &here.graph->steps().at(nb::cast<std::size_t>(node)).node;
  event.row = nb::cast<std::int64_t>(part(3));
  event.total = nb::cast<std::int64_t>(part(4));
  event.seconds = nb::cast<double>(part(5));
  Digest key;
  if (!key_text.is_none() && Digest::parse(text_of(key_text), &key)) event.key = &key;
  std::vector<Value> values;
  std::vector<const Value*> pointers;
  const nb::object entries = part(8);
  if (!entries.is_none()) {
    values.reserve(nb::len(entries));  // so that the pointers stay good
    for (const nb::handle entry : entries) {
      values.push_back(object_value(nb::object(entry[1]).ptr()));
      pointers.resize(nb::cast<std::size_t>(entry[0]) + 1, nullptr);
      pointers.back() = &values.back();
    }
  }
  event.values = pointers;
  std::vector<std::string> texts;
  if (!names.is_none()) {
    for (const nb::handle name : names) texts.emplace_back(text_of(name));
  }
  event.names = texts;
  const Worker there{std::string(text_of(nb::object(worker[0]))), nb::cast<std::int64_t>(worker[1]),
                     nb::cast<std::uint64_t>(worker[2])};
  event.worker = &there;
  if (!error.is_none()) event.error = exception_pointer(error);
  context_->emit(*here.callbacks, event);
}

}  // namespace hypernodes::python
