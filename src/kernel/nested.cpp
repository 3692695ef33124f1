// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "hypernodes/detail/assert.hpp"
#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"
#include "values/text.hpp"

// How a batch runs a node that is a pipeline.
namespace hypernodes {
namespace {

/// The items of the value of mapped input `name`. Throws: TypeError if it is no list.
Column items_of(const std::string& name, const Value& value) try {
  if (value.kind() == Kind::kList) return value.as_column();
  return value.cast(Type::list(Kind::kObject)).as_column();
} catch (const TypeError& error) {
  throw TypeError(
      "Parameter '" + name + "' is in map_over but value is not a list: " + error.message(), {},
      "pass a list, or leave '" + name + "' out of map_over");
}

/// A row of a mapped node, as errors about its lists say where.
std::string describe_map(const Node& node, const std::string& pipeline, std::int64_t row) {
  std::vector<std::string> over;
  const std::vector<bool>& mapped = node.definition().nested->mapped;
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    if (mapped[i]) over.push_back(node.inputs()[i].name);
  }
  return "node '" + node.name() + "'" +
         (pipeline.empty() ? "" : " of pipeline '" + pipeline + "'") +
         ", map_over=" + quoted_list(over) + (row < 0 ? "" : ", row " + std::to_string(row));
}

/// What is being handled as the failure of a row of a mapped node, whose lists are at fault.
Failure map_failure(const Node& node, const std::string& pipeline, std::int64_t row) {
  const auto placed = [&](const auto& error) {
    using Same = std::decay_t<decltype(error)>;
    const Same told(error.message(), describe_map(node, pipeline, row), error.fix());
    return make_failure(node, row, std::make_exception_ptr(told));
  };
  try {
    throw;
  } catch (const PlanError& error) {
    return placed(error);
  } catch (const TypeError& error) {
    return placed(error);
  } catch (...) {
    return make_failure(node, row, std::current_exception());
  }
}

Column take_items(const Column& items, const MapPlan& plan, std::size_t input) {
  if (plan.identity) return items;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(plan.rows));
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    rows[static_cast<std::size_t>(row)] = plan.inputs[input].item(row);
  }
  return items.take(rows);
}

/// The parts under one another; of type object where their types differ.
Column join(std::vector<Column> parts) {
  if (parts.empty()) return Column::objects({});
  for (const Column& part : parts) {
    if (part.type() == parts.front().type()) continue;
    for (Column& each : parts) each = each.cast(Kind::kObject);
    break;
  }
  return parts.size() == 1 ? parts.front() : Column::concat(parts);
}

/// One list for each outer row: the next `counts[i]` rows of `items`.
Column lists_of(const Column& items, std::span<const std::int64_t> counts) {
  const auto rows = static_cast<std::int64_t>(counts.size());
  if (items.type().kind() != Kind::kObject) {
    Buffer offsets = Buffer::allocate((counts.size() + 1) * sizeof(std::int64_t));
    auto* out = offsets.mutable_as<std::int64_t>();
    out[0] = 0;
    std::partial_sum(counts.begin(), counts.end(), out + 1);
    return Column::assemble(Type::list(items.type()), rows, {}, std::move(offsets), {}, {items});
  }
  std::vector<Value> lists;
  lists.reserve(counts.size());
  std::int64_t begin = 0;
  for (const std::int64_t count : counts) {
    lists.push_back(Value::list(items.slice(begin, count)));
    begin += count;
  }
  return Column::objects(std::move(lists));
}

}  // namespace

Frame Execution::nested_frame(const StepState& state, std::int64_t row) const {
  const NestedPipeline& nested = *state.node().definition().nested;
  Frame frame = make_frame(*nested.graph, nested.selection, context_, nested.is_map());
  frame.scope.parent = &scope_of(state);
  frame.scope.row = event_row(state, row);
  frame.cache = nested.cache ? nested.cache.get() : frame_.cache;
  frame.callbacks = nested.callbacks.empty() ? callbacks_of(state) : &nested.callbacks;
  frame.collects = false;  // what fails inside fails the outer row
  return frame;
}

BatchResult Execution::run_nested(StepState& state, const Rows& rows,
                                  std::optional<Failure>* failure) {
  const NestedPipeline& nested = *state.node().definition().nested;
  const auto run = [&](const Rows& some) {
    return nested.is_map() ? run_nested_map(state, some, failure)
                           : run_nested_plain(state, some, failure);
  };
  BatchResult result;
  const std::int64_t limit = limit_;
  // A whole batch is one outer row's items: whether an input varies does not depend on its rows.
  const bool one_by_one = nested.is_map() && (nested.graph->has_whole_batch() ||
                                              (nested.executor && nested.executor->runs_maps()));
  // So that a row that fails takes no other with it.
  const bool apart = frame_.collects && !nested.graph->has_whole_batch();
  if (!tells(state) && nested.callbacks.empty() && !one_by_one && !apart) {
    result = run(rows);
  } else {
    // One outer row, and its events, at a time.
    std::vector<std::vector<Column>> parts(state.outputs());
    for (const std::int64_t row : rows) {
      std::vector<Value> scratch(state.step->inputs.size());
      std::vector<const Value*> values(scratch.size(), nullptr);
      for (std::size_t i = 0; i < scratch.size(); ++i) {
        values[i] = argument(state, i, row, scratch[i], failure);
        if (*failure) break;
      }
      if (*failure) break;
      const auto start = Clock::now();
      tell(EventKind::kNodeStart, state, row, values);
      tell(EventKind::kNestedStart, state, row);
      BatchResult one = run({row});
      if (*failure) break;
      const double seconds = seconds_since(start);
      tell(EventKind::kNestedEnd, state, row, {}, seconds);
      std::vector<Value> made;
      std::vector<const Value*> outputs;
      made.reserve(state.outputs());
      for (std::size_t i = 0; i < state.outputs(); ++i) {
        made.push_back(one.outputs[i][0]);
        outputs.push_back(&made.back());
        parts[i].push_back(std::move(one.outputs[i]));
      }
      tell(EventKind::kNodeEnd, state, row, outputs, seconds);
      ++result.done;
    }
    for (std::vector<Column>& part : parts) result.outputs.push_back(join(std::move(part)));
  }
  if (*failure && limit_ == limit) {  // else an argument's own node failed, and said so
    const std::int64_t row = rows[static_cast<std::size_t>(result.done)];
    if (frame_.map) move_to_row(**failure, event_row(row));
    (*failure)->around.insert((*failure)->around.begin(), state.node().name());
    tell_error(state, row, (*failure)->error);
    if (nested.executor && result.outputs.empty()) result.done = 0;  // nothing is left of them
  }
  return result;
}

BatchResult Execution::run_nested_plain(StepState& state, const Rows& rows,
                                        std::optional<Failure>* failure) {
  const NestedPipeline& nested = *state.node().definition().nested;
  const auto count = static_cast<std::int64_t>(rows.size());
  Batch inner(*nested.graph, nested.selection, count);
  inner.first_row = rows.empty() ? 0 : batch_.first_row + rows.front();
  for (const NestedPipeline::Bound& bound : nested.bound) inner.set_input(bound.slot, bound.value);
  for (std::size_t i = 0; i < nested.input_slots.size(); ++i) {
    Lane& source = lane(state.step->inputs[i]);
    if (!source.is_set() && !state.node().inputs()[i].fallback) continue;
    const bool constant = nested.graph->has_whole_batch() ? is_constant(state, i)
                                                          : source.is_constant() || count == 1;
    if (constant || !source.is_set()) {
      Value scratch;
      const Value* value = argument(state, i, count > 0 ? rows.front() : 0, scratch, failure);
      if (*failure) return {};
      inner.set_input(nested.input_slots[i], *value);
      continue;
    }
    std::int64_t bad_row = -1;
    std::optional<Column> column = source.gather(&rows, count, source.type(), &bad_row);
    while (!column) {
      Value scratch;
      argument(state, i, bad_row, scratch, failure);
      if (*failure) return {};
      column = source.gather(&rows, count, source.type(), &bad_row);
    }
    inner.set_input(nested.input_slots[i], *std::move(column));
  }
  return run_inner(state, rows.empty() ? 0 : rows.front(), inner, failure, nullptr);
}

BatchResult Execution::run_nested_map(StepState& state, const Rows& rows,
                                      std::optional<Failure>* failure) {
  const NestedPipeline& nested = *state.node().definition().nested;
  const std::size_t inputs = nested.input_slots.size();
  std::vector<std::vector<Column>> columns(inputs);
  std::vector<std::int64_t> counts;
  std::optional<Failure> bad_list;  // of the row after those being run
  BatchResult result;
  for (const std::int64_t row : rows) {
    std::vector<std::string> names;
    std::vector<std::int64_t> lengths;
    std::vector<Column> items(inputs);
    std::vector<Value> scratch(inputs);
    std::vector<const Value*> values(inputs, nullptr);
    MapPlan plan;
    try {
      for (std::size_t i = 0; i < inputs; ++i) {
        values[i] = argument(state, i, row, scratch[i], failure);
        if (*failure) return result;
        if (!nested.mapped[i]) continue;
        names.push_back(state.node().inputs()[i].name);
        items[i] = items_of(names.back(), *values[i]);
        lengths.push_back(items[i].size());
      }
      plan = plan_map(names, lengths, nested.mode);
    } catch (...) {
      // A bad list is the outer row's failure, not that of the rows before it.
      if (counts.empty()) {
        *failure = map_failure(state.node(), batch_.graph.name(), event_row(row));
        return result;
      }
      bad_list = map_failure(state.node(), batch_.graph.name(), event_row(row));
      break;
    }
    std::size_t mapped = 0;
    for (std::size_t i = 0; i < inputs; ++i) {
      if (nested.mapped[i]) {
        columns[i].push_back(take_items(items[i], plan, mapped++));
      } else if (values[i] != nullptr) {
        columns[i].push_back(
            Column::objects(std::vector<Value>(static_cast<std::size_t>(plan.rows), *values[i])));
      }
    }
    counts.push_back(plan.rows);
  }
  const std::int64_t total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  Batch inner(*nested.graph, nested.selection, total);
  for (const NestedPipeline::Bound& bound : nested.bound) inner.set_input(bound.slot, bound.value);
  for (std::size_t i = 0; i < inputs; ++i) {
    const Lane& source = lane(state.step->inputs[i]);
    if (columns[i].empty()) continue;
    if (!nested.mapped[i] && (source.is_constant() || rows.size() == 1)) {
      Value scratch;
      inner.set_input(nested.input_slots[i], *argument(state, i, rows.front(), scratch, failure));
    } else {
      inner.set_input(nested.input_slots[i], join(std::move(columns[i])));
    }
  }
  result = run_inner(state, rows.empty() ? 0 : rows.front(), inner, failure, &counts);
  if (bad_list && !*failure) *failure = std::move(bad_list);
  return result;
}

std::vector<Column> Execution::read_inner(const NestedPipeline& nested, std::int64_t rows,
                                          std::span<const std::int64_t> counts,
                                          std::optional<Failure>* failure) {
  std::vector<Column> outputs;
  for (const int slot : nested.selection.outputs) {
    Column column = read(slot, nested.graph->slot_type(slot), rows, failure);
    if (*failure) return {};
    outputs.push_back(nested.is_map() ? lists_of(column, counts) : std::move(column));
  }
  return outputs;
}

BatchResult Execution::run_inner(StepState& state, std::int64_t row, Batch& inner,
                                 std::optional<Failure>* failure,
                                 const std::vector<std::int64_t>* counts) {
  const NestedPipeline& nested = *state.node().definition().nested;
  const Frame frame = nested_frame(state, row);
  for (std::size_t i = 0; i < nested.input_slots.size(); ++i) {
    if (lane(state.step->inputs[i]).is_shared()) inner.lanes[at(nested.input_slots[i])].share();
  }
  if (inner_ != nullptr) {
    Execution(inner, frame, context_, session_, order_).explain(*inner_);
    return {};
  }
  const auto start = Clock::now();
  const bool tells_map = counts != nullptr && !(nested.executor && nested.executor->runs_maps());
  if (tells_map) tell_map(frame, context_, inner.rows, -1);
  const bool whole_batch = nested.is_map() && nested.graph->has_whole_batch();
  Execution execution(inner, frame, context_, session_, whole_batch ? Order::kNodes : order_);
  std::int64_t inner_done = inner.rows;
  if (nested.executor) {
    *failure = nested.executor->execute(inner, frame, context_);
    if (*failure) inner_done = std::max<std::int64_t>((*failure)->row, 0);
  } else {
    *failure = execution.run();
    if (*failure) inner_done = execution.limit_;
  }
  BatchResult result;
  while (true) {
    result.done = counts == nullptr ? inner_done : 0;
    if (counts != nullptr) {
      std::int64_t seen = 0;
      for (const std::int64_t count : *counts) {
        if (*failure && seen + count > inner_done) break;
        seen += count;
        ++result.done;
      }
      inner_done = seen;
    }
    if (*failure && order_ == Order::kRows) result.done = 0;
    // run_many gives the node empty outputs.
    if (*failure && (nested.executor || result.done == 0)) return result;
    std::optional<Failure> unreadable;
    const auto lists = counts == nullptr ? std::span<const std::int64_t>()
                                         : std::span(*counts).first(at(result.done));
    result.outputs = execution.read_inner(nested, inner_done, lists, &unreadable);
    if (!unreadable) break;
    *failure = std::move(unreadable);
    inner_done = execution.limit_;
  }
  if (tells_map && !*failure) {
    tell_map(frame, context_, inner.rows, seconds_since(start));
  }
  return result;
}

}  // namespace hypernodes
