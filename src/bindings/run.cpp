// SPDX-License-Identifier: MIT
#include "bindings/run.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/caches.hpp"
#include "bindings/callbacks.hpp"
#include "bindings/errors.hpp"
#include "bindings/inputs.hpp"
#include "bindings/outcomes.hpp"
#include "bindings/records.hpp"
#include "bindings/session.hpp"
#include "bindings/to_python.hpp"
#include "engine/batches.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes::python {
namespace {

/// Values of all slots of a graph, and which roots are given: on the stack for small graphs.
class Slots {
 public:
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;
  explicit Slots(const Graph& graph) : count_(graph.slots().size()) {
    if (count_ > kFew) {
      many_.resize(count_);
      many_given_ = std::make_unique<bool[]>(count_);
      values_ = many_.data();
      given_ = many_given_.get();
      return;
    }
    values_ = reinterpret_cast<Value*>(few_);
    for (std::size_t i = 0; i < count_; ++i) new (values_ + i) Value();
    for (int i = 0; i < graph.root_count(); ++i) few_given_[i] = false;
    given_ = few_given_;
  }
  ~Slots() {
    for (std::size_t i = 0; i < count_; ++i) drop(values_[i]);
  }

  Value& operator[](int slot) { return values_[slot]; }
  Value* values() { return values_; }
  const bool* given() const { return given_; }
  void give(int slot, PyObject* object) { give(slot, object_value(object)); }
  void give(int slot, Value value) {
    drop(values_[slot]);
    values_[slot] = std::move(value);
    given_[slot] = true;
  }

 private:
  static constexpr std::size_t kFew = 40;
  const std::size_t count_;
  alignas(Value) std::byte few_[kFew * sizeof(Value)];  // holds values whose drop() is all it takes
  bool few_given_[kFew];
  std::vector<Value> many_;
  std::unique_ptr<bool[]> many_given_;
  Value* values_;
  bool* given_;
};

/// Lets other threads run while C++ nodes do.
std::optional<Failure> run_plain_row(const Graph& graph, const Plan& plan, Slots& slots,
                                     std::int64_t row) {
  if (!plan.native) return run_row(graph, plan.selection, slots.values(), slots.given(), row);
  const detail::Suspended others_may_run;
  return run_row(graph, plan.selection, slots.values(), slots.given(), row);
}

nb::object record_of(const Plan& plan, Slots& slots) {
  nb::object record = new_record(plan);
  for (const Plan::Output& output : plan.outputs) {
    const Value& value = slots[output.slot];
    if (value.kind() == Kind::kObject) [[likely]] {
      set_output(record, output, static_cast<PyObject*>(value.as_object()));
    } else {
      set_output(record, output, to_python(value).ptr());
    }
  }
  return record;
}

nb::object run_plain(PythonGraph& graph, const std::shared_ptr<const Plan>& plan,
                     const nb::dict& inputs) {
  Slots slots(*graph.graph());
  for (const Plan::Root& root : plan->roots) {
    PyObject* const value = PyDict_GetItemWithError(inputs.ptr(), root.name.ptr());
    if (value != nullptr && root.type.kind() == Kind::kObject) {
      slots.give(root.slot, value);
    } else if (value != nullptr) {
      slots.give(root.slot, fitted(root, value));
    } else if (!root.optional) {
      if (PyErr_Occurred() != nullptr) throw nb::python_error();
      require_inputs(graph, *plan, inputs);  // has the words
    }
  }
  const auto failure = run_plain_row(*graph.graph(), *plan, slots, -1);
  graph.last_runs().set(plan, 1);
  if (failure) raise_failure(*failure);
  return record_of(*plan, slots);
}

/// One mapped input of the fast way: its items as a tuple, and how rows count through them.
struct Source {
  int slot;
  PyObject* const* items;
  MapPlan::Counter counter;
};

/// Puts results together row by row.
class Collector {
 public:
  Collector(const Plan& plan, Shape shape) : plan_(plan), shape_(shape) {
    if (shape == Shape::kRecords) {
      result_ = owned(PyList_New(0));
      return;
    }
    result_ = new_record(plan);
    for (const Plan::Output& output : plan.outputs) {
      lists_.push_back(owned(PyList_New(0)));
      set_output(result_, output, lists_.back().ptr());
    }
  }
  void add(Slots& slots) {
    if (shape_ == Shape::kRecords) {
      check(PyList_Append(result_.ptr(), record_of(plan_, slots).ptr()));
      return;
    }
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      check(PyList_Append(lists_[i].ptr(), to_python(slots[plan_.outputs[i].slot]).ptr()));
    }
  }
  nb::object result() { return std::move(result_); }

 private:
  const Plan& plan_;
  const Shape shape_;
  nb::object result_;
  std::vector<nb::object> lists_;
};

nb::object map_plain(PythonGraph& graph, const std::shared_ptr<const Plan>& plan, MapInputs& inputs,
                     Shape shape) {
  Slots slots(*graph.graph());
  for (const auto& [root, value] : inputs.constants) slots.give(root->slot, value.ptr());
  std::vector<Source> sources;
  for (std::size_t i = 0; i < inputs.mapped.size(); ++i) {
    MappedInput& input = inputs.mapped[i];
    if (input.root == nullptr) continue;
    if (!input.items.is_valid()) input.items = owned(PyList_AsTuple(to_list(input.column).ptr()));
    sources.push_back(
        {input.root->slot, &PyTuple_GET_ITEM(input.items.ptr(), 0), inputs.plan.inputs[i]});
  }
  Collector results(*plan, shape);
  std::int64_t row = 0;
  std::optional<Failure> failure;
  for (; row < inputs.plan.rows; ++row) {
    for (const Source& source : sources) {
      slots.give(source.slot, source.items[inputs.plan.identity ? row : source.counter.item(row)]);
    }
    failure = run_row(*graph.graph(), plan->selection, slots.values(), slots.given(), row);
    if (failure) break;
    results.add(slots);
    for (const int step : plan->selection.steps) {
      const Graph::Step& done = graph.graph()->steps()[static_cast<std::size_t>(step)];
      const auto outputs = static_cast<int>(done.node.outputs().size());
      for (int i = 0; i < outputs; ++i) drop(slots[done.first_output + i]);
    }
  }
  graph.last_runs().set(plan, row);
  if (failure) raise_failure(*failure);
  return results.result();
}

}  // namespace

void raise_failure(const Failure& failure, std::int64_t batch_rows) {
  try {
    std::rethrow_exception(failure.error);
  } catch (nb::python_error& error) {
    if (failure.node.empty()) throw;  // has a note, or is a callback's
    std::string note = "hypernodes: node '" + failure.node + "'";
    if (failure.row >= 0) note += ", row " + std::to_string(failure.row);
    if (failure.row >= 0 && batch_rows >= 0) {
      note += " of a batch of " + std::to_string(batch_rows);
    }
    add_note(error.value(), note);
    throw;
  }
}

nb::object run_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle output_name,
                          nb::handle cache, nb::handle callbacks) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  const bool alone = cache.is_none() && callbacks.is_none() && !Around::of(*graph.graph());
  if (plan->plain && alone) return run_plain(graph, plan, inputs);

  const GraphInputs given = run_inputs(graph, *plan, inputs);
  std::vector<Value> outputs;
  {
    Session session(graph, cache, callbacks);
    const CurrentRun current(session.state());
    const auto failure =
        run_batch_of_one(*graph.graph(), plan->selection, given, *session.context(), &outputs);
    if (failure) raise_failure(*failure);
    session.warn();
  }
  return record_of(*plan, outputs);
}

nb::object map_sequential(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                          std::string_view map_mode, nb::handle output_name, nb::handle cache,
                          nb::handle callbacks, std::string_view outputs,
                          std::string_view on_error) {
  const Shape shape = shape_of(outputs);
  const OnError outcome = on_error_of(on_error);
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  MapInputs given = map_inputs(graph, *plan, inputs, map_over, map_mode);
  const bool alone = cache.is_none() && callbacks.is_none() && !Around::of(*graph.graph());
  const bool row_by_row =
      plan->plain && !plan->native && alone && shape != Shape::kArrow && outcome == OnError::kRaise;
  if (row_by_row) return map_plain(graph, plan, given, shape);

  const std::int64_t rows = given.plan.rows;
  const GraphInputs fitted = to_graph_inputs(std::move(given));
  std::vector<Pieces> pieces;
  Statistics statistics;
  {
    Session session(graph, cache, callbacks);
    const CurrentRun current(session.state());
    if (outcome != OnError::kRaise) session.context()->collect_failures();
    const Order order = sequential_order(*graph.graph(), plan->selection, *session.context());
    const auto failure = map_batches(*graph.graph(), plan->selection, fitted, *session.context(),
                                     order, &pieces, detail::object_runtime()->check_signals);
    if (failure) raise_failure(*failure);
    session.warn();
    if (outcome != OnError::kRaise) statistics = session.context()->statistics();
  }
  if (outcome != OnError::kRaise) {
    return outcomes(*plan, fitted, std::move(pieces), shape, outcome, statistics);
  }
  return shaped(*plan, std::move(pieces), rows, shape);
}

}  // namespace hypernodes::python
