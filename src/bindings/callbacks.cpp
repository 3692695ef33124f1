// SPDX-License-Identifier: MIT
#include "bindings/callbacks.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "bindings/errors.hpp"
#include "bindings/graph.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes::python {
namespace {

thread_local std::shared_ptr<RunState> current;

constexpr std::array<const char*, 14> kHooks{"on_pipeline_start",
                                             "on_pipeline_end",
                                             "on_node_start",
                                             "on_node_end",
                                             "on_node_cached",
                                             "on_error",
                                             "on_nested_pipeline_start",
                                             "on_nested_pipeline_end",
                                             "on_map_start",
                                             "on_map_item_start",
                                             "on_map_item_end",
                                             "on_map_item_cached",
                                             "on_map_end",
                                             "on_node_retry"};
static_assert(static_cast<std::size_t>(EventKind::kNodeRetry) + 1 == kHooks.size());

nb::object number(double seconds) { return owned(PyFloat_FromDouble(seconds)); }
nb::object number(std::int64_t count) { return owned(PyLong_FromLongLong(count)); }

template <typename Name>
nb::object dict_of(std::span<const Value* const> values, Name&& name) {
  nb::object dict = owned(PyDict_New());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == nullptr) continue;
    check(PyDict_SetItem(dict.ptr(), str_of(name(i)).ptr(), to_python(*values[i]).ptr()));
  }
  return dict;
}

/// Whether `outer` is `scope` or around it.
bool is_around(const Scope* outer, const Scope* scope) {
  for (; scope != nullptr; scope = scope->parent) {
    if (scope == outer) return true;
  }
  return false;
}

/// The ids of the pipelines around, the outermost first, and its own.
nb::tuple ids_of(const Scope* scope) {
  nb::list path;
  for (; scope != nullptr; scope = scope->parent) path.insert(0, str_of(scope->id));
  return nb::tuple(path);
}

/// A hook's arguments before the context.
std::vector<nb::object> arguments_of(const Event& event) {
  switch (event.kind) {
    case EventKind::kPipelineStart:
      return {str_of(event.scope->id),
              dict_of(event.values, [&](std::size_t i) { return event.names[i]; })};
    case EventKind::kPipelineEnd:
      return {str_of(event.scope->id),
              dict_of(event.values, [&](std::size_t i) { return event.names[i]; }),
              number(event.seconds)};
    case EventKind::kNodeStart:
      return {str_of(event.node->name()),
              dict_of(event.values, [&](std::size_t i) { return event.node->inputs()[i].name; })};
    case EventKind::kNodeEnd:
      return {str_of(event.node->name()),
              dict_of(event.values, [&](std::size_t i) { return event.node->outputs()[i].name; }),
              number(event.seconds)};
    case EventKind::kNodeCached:
      return {str_of(event.node->name()), str_of(event.key == nullptr ? "" : event.key->hex())};
    case EventKind::kNodeRetry:
      return {str_of(event.node->name()), number(event.total), exception_object(event.error),
              number(event.seconds)};
    case EventKind::kError:
      return {str_of(event.node->name()), exception_object(event.error)};
    case EventKind::kNestedStart:
      return {str_of(event.scope->id), str_of(event.node->definition().nested->graph->id())};
    case EventKind::kNestedEnd:
      return {str_of(event.scope->id), str_of(event.node->definition().nested->graph->id()),
              number(event.seconds)};
    case EventKind::kMapStart:
      return {number(event.total)};
    case EventKind::kMapItemStart:
      return {number(event.row)};
    case EventKind::kMapItemEnd:
      return {number(event.row), number(event.seconds)};
    case EventKind::kMapItemCached:
      return {number(event.row), str_of(event.key == nullptr ? "" : event.key->hex())};
    case EventKind::kMapEnd:
      return {number(event.seconds)};
  }
  return {};
}

/// A list of Python callbacks as one callback of the core, so that the context moves once.
class CallbackList final : public Callback, public std::enable_shared_from_this<CallbackList> {
 public:
  CallbackList(nb::handle callbacks, std::shared_ptr<RunState> state) : state_(std::move(state)) {
    const nb::object base = package_attribute("callbacks", "PipelineCallback");
    for (const nb::handle callback : callbacks) {
      Listener& listener = listeners_.emplace_back();
      listener.callback = object_value(callback.ptr());
      listener.in_batches = nb::hasattr(callback, "on_batch");
      any_in_batches_ |= listener.in_batches;
      for (std::size_t kind = 0; kind < kHooks.size(); ++kind) {
        listener.hears[kind] = !listener.in_batches && overrides(callback, base, kHooks[kind]);
      }
    }
  }

  void on_event(const Event& event) override {
    const Locked lock;
    const std::shared_ptr<RunState> keep = state_ != nullptr ? state_ : current;
    if (keep == nullptr) return;  // a thread of nobody's run
    if (event.kind == EventKind::kMapItemCached && !keep->counts(event.scope)) return;
    before(*keep, event);
    tell(*keep, event);
    after(*keep, event);
  }

 private:
  struct Listener {
    Value callback;
    std::array<bool, kHooks.size()> hears{};
    bool in_batches = false;  ///< Told of all events by on_batch.
  };

  /// False if `callback` inherits the hook that does nothing.
  static bool overrides(nb::handle callback, nb::handle base, const char* hook) {
    const nb::object own = nb::getattr(callback, hook, nb::none());
    const nb::object function = nb::getattr(own, "__func__", own);
    return !own.is_none() && !function.is(base.attr(hook));
  }

  static void before(RunState& state, const Event& event) {
    switch (event.kind) {
      case EventKind::kPipelineStart:
        state.go_to(event.scope->parent);
        state.describe(*event.scope);
        state.go_to(event.scope);
        break;
      case EventKind::kMapStart:
        state.go_to(event.scope->parent);
        state.describe(*event.scope);
        break;
      case EventKind::kMapItemStart:
      case EventKind::kMapItemEnd:
      case EventKind::kMapEnd:
        state.go_to(event.scope->parent);
        break;
      default:
        state.go_to(event.scope);
    }
    state.go_to_item(event);
    state.go_to_worker(*event.worker);
  }

  void tell(RunState& state, const Event& event) {
    const auto kind = static_cast<std::size_t>(event.kind);
    const bool heard = std::any_of(listeners_.begin(), listeners_.end(),
                                   [&](const Listener& listener) { return listener.hears[kind]; });
    if (!heard && !any_in_batches_) return;
    const std::vector<nb::object> arguments = arguments_of(event);
    if (any_in_batches_) gather(state, event, arguments);
    std::array<PyObject*, 6> call{};
    std::size_t count = 1;
    for (const nb::object& argument : arguments) call[count++] = argument.ptr();
    call[count++] = state.context().ptr();
    const nb::object hook = interned(kHooks[kind]);
    for (const Listener& listener : listeners_) {
      if (!listener.hears[kind]) continue;
      call[0] = static_cast<PyObject*>(listener.callback.as_object());
      owned(PyObject_VectorcallMethod(hook.ptr(), call.data(), count, nullptr));
    }
  }

  /// Keeps an event for on_batch, which gets them when they are many, and at the end of the run.
  void gather(RunState& state, const Event& event, const std::vector<nb::object>& arguments) {
    constexpr Py_ssize_t kBatch = 1024;
    const nb::object pending = to_python(pending_);
    if (PyList_GET_SIZE(pending.ptr()) == 0) {
      // Also if the run stops before its end.
      state.context().attr("_call_at_end")(nb::cpp_function([self = weak_from_this()] {
        if (const auto list = self.lock()) list->hand_over();
      }));
    }
    nb::list given;
    for (const nb::object& argument : arguments) given.append(argument);
    const bool counted = event.row >= 0 && state.counts(event.scope);
    const nb::object item = counted ? number(event.row) : nb::none();
    check(PyList_Append(
        pending.ptr(), package_attribute("callbacks", "Event")(
                           interned(kHooks[static_cast<std::size_t>(event.kind)]), nb::tuple(given),
                           ids_of(event.scope), item, state.go_to_worker(*event.worker))
                           .ptr()));
    const bool outermost = event.scope->parent == nullptr;
    const bool last = event.kind == EventKind::kMapEnd ||
                      (event.kind == EventKind::kPipelineEnd && event.row < 0);
    if (PyList_GET_SIZE(pending.ptr()) >= kBatch || (outermost && last)) hand_over();
  }

  void hand_over() {
    const nb::object events = to_python(pending_);
    if (PyList_GET_SIZE(events.ptr()) == 0) return;
    pending_ = object_value(owned(PyList_New(0)).ptr());
    for (const Listener& listener : listeners_) {
      if (listener.in_batches) to_python(listener.callback).attr("on_batch")(events);
    }
  }

  static void after(RunState& state, const Event& event) {
    if (event.kind == EventKind::kPipelineEnd) state.go_to(event.scope->parent);
  }

  std::shared_ptr<RunState> state_;
  std::vector<Listener> listeners_;
  bool any_in_batches_ = false;
  Value pending_ = object_value(owned(PyList_New(0)).ptr());  ///< A list of events.
};

}  // namespace

std::shared_ptr<RunState> RunState::make() {
  return {new RunState, [](RunState* last) {
            if (!alive()) return;
            const Locked lock;
            delete last;
          }};
}

nb::handle RunState::context() {
  if (context_.kind() != Kind::kObject) {
    const nb::object context = package_attribute("callbacks", "CallbackContext")();
    context.attr("_thread") = thread_;
    context.attr("_around") = nb::handle(static_cast<PyObject*>(around_.as_object()));
    context_ = object_value(context.ptr());
  }
  return static_cast<PyObject*>(context_.as_object());
}

void RunState::go_to(const Scope* scope) {
  while (!entered_.empty() && !is_around(entered_.back(), scope)) {
    entered_.pop_back();
    context().attr("pop_pipeline")();
  }
  std::vector<const Scope*> missing;
  for (const Scope* each = scope; each != nullptr; each = each->parent) {
    if (!entered_.empty() && entered_.back() == each) break;
    missing.push_back(each);
  }
  for (auto each = missing.rbegin(); each != missing.rend(); ++each) {
    context().attr("push_pipeline")(str_of((*each)->id));
    entered_.push_back(*each);
  }
}

void RunState::describe(const Scope& scope) {
  nb::dict metadata;
  nb::list node_ids;
  for (const Graph::Step& step : static_cast<const Graph*>(scope.owner)->steps()) {
    node_ids.append(str_of(step.node.name()));
  }
  metadata["total_nodes"] = scope.nodes;
  metadata["pipeline_name"] = str_of(scope.name);
  metadata["node_ids"] = node_ids;
  context().attr("set_pipeline_metadata")(str_of(scope.id), metadata);
}

void RunState::set(const char* key, const nb::object& value) { context().attr("set")(key, value); }

void RunState::go_to_item(const Event& event) {
  const bool at_map = entered_.empty() || entered_.back() != event.scope;  // not inside an item
  Item innermost{at_map ? event.scope : nullptr, at_map ? event.row : -1};
  std::vector<std::int64_t> items;
  const Scope* scope = at_map ? event.scope->parent : event.scope;
  std::int64_t item = at_map ? event.scope->row : event.row;
  for (; scope != nullptr; item = scope->row, scope = scope->parent) {
    if (!counts(scope)) item = -1;
    items.push_back(item);
    if (innermost.first == nullptr && item >= 0) innermost = {scope, item};
  }
  std::reverse(items.begin(), items.end());
  if (event.kind == EventKind::kMapStart) totals_[event.scope] = event.total;
  if (event.kind == EventKind::kMapItemStart) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    starts_[innermost] = std::chrono::duration<double>(now).count();
  }
  if (items != items_) {
    nb::list path;
    for (const std::int64_t each : items) path.append(each < 0 ? nb::none() : number(each));
    set("_map_item_path", path);
    items_ = std::move(items);
  }
  set_item(innermost);
  if (event.kind == EventKind::kMapItemEnd) starts_.erase(innermost);
}

void RunState::set_item(const Item& item) {
  if (item == item_) return;
  if (item.first != item_.first) {
    const auto total = totals_.find(item.first);
    set("_in_map", nb::bool_(item.first != nullptr));
    set("_map_total_items", total == totals_.end() ? nb::none() : number(total->second));
  }
  const auto start = starts_.find(item);
  set("_map_item_index", item.second < 0 ? nb::none() : number(item.second));
  set("_map_item_start_time", start == starts_.end() ? nb::none() : number(start->second));
  item_ = item;
}

nb::handle RunState::go_to_worker(const Worker& worker) {
  if (worker_ == nullptr || worker_->first != worker) {
    const auto [entry, is_new] = workers_.try_emplace(worker);
    if (is_new) {
      const nb::object made = package_attribute("callbacks", "Worker")(
          str_of(worker.host), nb::int_(worker.pid), nb::int_(worker.thread));
      entry->second = object_value(made.ptr());
    }
    worker_ = &*entry;
    context().attr("_worker") = nb::handle(static_cast<PyObject*>(entry->second.as_object()));
  }
  return static_cast<PyObject*>(worker_->second.as_object());
}

void RunState::leave_uncounted(const Scope& scope, std::int64_t total,
                               std::span<const Scope* const> inside) {
  uncounted_ = &scope;
  nb::list paths;
  paths.append(ids_of(&scope));
  for (const Scope* const each : inside) paths.append(ids_of(each));
  set("_in_dataframe", nb::bool_(true));
  set("_dataframe_pipelines", paths);
  set("_dataframe_rows", total < 0 ? nb::none() : number(total));
}

void RunState::finish() noexcept {
  if (context_.kind() != Kind::kObject) return;
  try {
    go_to(nullptr);
    set_item({nullptr, -1});
    worker_ = nullptr;
    context().attr("_worker") = nb::none();
    context().attr("_end")();
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("the end of a run");
  }
}

CurrentRun::CurrentRun(std::shared_ptr<RunState> state)
    : before_(std::exchange(current, std::move(state))) {}
CurrentRun::~CurrentRun() { current = std::move(before_); }
std::shared_ptr<RunState> CurrentRun::state() { return current; }

Callbacks callbacks_of(nb::handle callbacks, std::shared_ptr<RunState> state) {
  if (callbacks.is_none() || nb::len(callbacks) == 0) return {};
  return {std::make_shared<CallbackList>(callbacks, std::move(state))};
}

}  // namespace hypernodes::python
