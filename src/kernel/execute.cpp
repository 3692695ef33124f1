// SPDX-License-Identifier: MIT
#include "kernel/execute.hpp"

#include <array>
#include <utility>

#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"
#include "kernel/retry.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {

Frame make_frame(const Graph& graph, const Selection& selection, const RunContext& context,
                 bool map) {
  Frame frame;
  frame.scope.id = graph.id();
  frame.scope.name = graph.name().empty() ? graph.id() : graph.name();
  frame.scope.nodes = static_cast<std::int64_t>(selection.steps.size());
  frame.scope.owner = &graph;
  frame.scope.parent = context.around();
  frame.cache = context.cache();
  frame.callbacks = &context.callbacks();
  frame.map = map;
  frame.collects = context.collects();
  return frame;
}

Batch::Batch(const Graph& of_graph, const Selection& of_selection, std::int64_t row_count)
    : graph(of_graph), selection(of_selection), rows(row_count), lanes(of_graph.slots().size()) {}

std::optional<Failure> execute_batch(Batch& batch, const Frame& frame, RunContext& context,
                                     Order order) {
  Session session(context);
  std::optional<Failure> failure;
  try {
    failure = Execution(batch, frame, context, session, order).run();
  } catch (...) {
    session.end();  // what was finished before a callback threw
    throw;
  }
  session.end();
  return failure;
}

Column read_output(Batch& batch, int slot, const Frame& frame, RunContext& context,
                   std::optional<Failure>* failure) {
  Session session(context);
  Execution execution(batch, frame, context, session, Order::kNodes);
  const Type& type = batch.graph.slot_type(slot);
  const bool may_lack = frame.collects && !type.nullable();
  Column column = execution.read(slot, may_lack ? type.optional() : type, batch.rows, failure);
  session.end();
  return column;
}

void raise(const Failure& failure) { std::rethrow_exception(failure.error); }

namespace {

/// Makes a call that failed again while the node's retry says so.
std::optional<Failure> run_again(const Node& node, const Value* const* arguments, Value* outputs,
                                 std::int64_t row, std::exception_ptr error) {
  const Node::Definition& definition = node.definition();
  for (std::int64_t made = 1;; ++made) {
    const auto delay = next_attempt(definition.retry.get(), error, made);
    if (!delay) return make_failure(node, row, std::move(error), made);
    wait_for_attempt(*delay);
    try {
      definition.body->run_row(arguments, outputs);
      return std::nullopt;
    } catch (...) {
      error = std::current_exception();
    }
  }
}

}  // namespace

std::optional<Failure> run_row(const Graph& graph, const Selection& selection, Value* slots,
                               const bool* given, std::int64_t row) {
  const int roots = graph.root_count();
  std::array<const Value*, 8> few;
  std::vector<const Value*> many;
  for (const int index : selection.steps) {
    const Graph::Step& step = graph.steps()[static_cast<std::size_t>(index)];
    const Node::Definition& definition = step.node.definition();
    const Value** arguments = few.data();
    if (step.inputs.size() > few.size()) {
      many.resize(step.inputs.size());
      arguments = many.data();
    }
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const int slot = step.inputs[i];
      arguments[i] = slot >= roots || given[slot] ? slots + slot : &*definition.inputs[i].fallback;
    }
    try {
      definition.body->run_row(arguments, slots + step.first_output);
    } catch (...) {
      std::optional<Failure> failure =
          run_again(step.node, arguments, slots + step.first_output, row, std::current_exception());
      if (failure) return failure;
    }
  }
  return std::nullopt;
}

namespace {

/// `error`, with what is being handled now nested inside.
template <typename E>
std::exception_ptr with_nested(E error) {
  try {
    std::throw_with_nested(std::move(error));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

Failure make_failure(const Node& node, std::int64_t row, std::exception_ptr error,
                     std::int64_t attempts) {
  Failure failure{error, node.name(), row};
  failure.attempts = attempts;
  std::string which;
  if (attempts > 1) {
    which = "attempt " + std::to_string(attempts) + " of " +
            std::to_string(node.definition().retry->attempts);
  }
  if (node.definition().foreign) {
    if (attempts > 1) {
      detail::object_runtime()->add_note(error, "hypernodes: node '" + node.name() + "', " + which);
    }
    return failure;
  }
  if (attempts > 1) which = " (" + which + ")";
  try {
    std::rethrow_exception(error);
  } catch (const NodeTimeoutError& inner) {
    if (inner.node().empty()) {  // else it is of a run inside the node, too
      failure.error =
          std::make_exception_ptr(NodeTimeoutError(node.name(), row, inner.reason() + which));
    }
  } catch (const ExecutionError&) {  // of a run inside the node
  } catch (const Error& inner) {
    failure.error = with_nested(ExecutionError(node.name(), row, inner.message() + which));
  } catch (const std::exception& inner) {
    failure.error = with_nested(ExecutionError(node.name(), row, inner.what() + which));
  } catch (...) {
    failure.error = with_nested(
        ExecutionError(node.name(), row, "an exception that is no std::exception" + which));
  }
  return failure;
}

void move_to_row(Failure& failure, std::int64_t row) {
  failure.row = row;
  try {
    std::rethrow_exception(failure.error);
  } catch (const NodeTimeoutError& error) {
    if (error.node() != failure.node || error.row() == row) return;
    failure.error = std::make_exception_ptr(error.at_row(row));
  } catch (const ExecutionError& error) {
    // One of a run inside the node's function has that run's row.
    if (error.node() != failure.node || error.row() == row) return;
    const ExecutionError moved = error.at_row(row);
    try {
      std::rethrow_if_nested(error);
      failure.error = std::make_exception_ptr(moved);
    } catch (...) {
      failure.error = with_nested(moved);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): another runtime's exception has no row
  }
}

}  // namespace hypernodes
