// SPDX-License-Identifier: MIT
#include "hypernodes/node.hpp"

#include <algorithm>
#include <utility>

#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

/// What stands for the code of a node that has a version.
Digest versioned_code(const Node::Definition& definition) {
  // The name keeps two nodes of one version apart, and the types keep away records that would not
  // decode: consumers' keys are made of their digests before anybody reads them.
  const std::string& name = definition.known_as.empty() ? definition.name : definition.known_as;
  std::string text = "version\n" + name + "\n" + *definition.version;
  for (const NodeOutput& output : definition.outputs) text += "\n" + output.type.name();
  return Digest::of_bytes(text);
}

}  // namespace

BatchResult NodeBody::run_batch(std::span<const Column> arguments, std::int64_t rows,
                                std::span<const NodeOutput> outputs) const {
  std::vector<ColumnBuilder> builders;
  builders.reserve(outputs.size());
  for (const NodeOutput& output : outputs) builders.emplace_back(output.type).reserve(rows);
  std::vector<Value> values(arguments.size());
  std::vector<const Value*> pointers(arguments.size());
  for (std::size_t i = 0; i < values.size(); ++i) pointers[i] = &values[i];
  std::vector<Value> results(outputs.size());
  BatchResult result;
  for (; result.done < rows; ++result.done) {
    try {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = arguments[i][result.done];
      run_row(pointers.data(), results.data());
      for (std::size_t i = 0; i < results.size(); ++i) {
        builders[i].append(results[i].cast(outputs[i].type));
      }
    } catch (...) {
      result.error = std::current_exception();
      break;
    }
  }
  for (ColumnBuilder& builder : builders) {
    Column column = builder.finish();
    // A row that failed half-way through its outputs leaves some columns one longer.
    result.outputs.push_back(column.size() > result.done ? column.slice(0, result.done) : column);
  }
  return result;
}

void NodeBody::run_together(std::span<RowCall> calls, bool go_on) const {
  for (RowCall& call : calls) {
    try {
      call.body->run_row(call.arguments, call.outputs);
      call.done = true;
    } catch (...) {
      call.error = std::current_exception();
      if (!go_on) return;
    }
  }
}

BatchResult NodeBody::run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                                      std::span<const NodeOutput> outputs) const {
  std::vector<Column> columns;
  columns.reserve(arguments.size());
  for (const auto& [column, constant] : arguments) {
    columns.push_back(constant ? Column::repeat(column[0], column.type(), rows) : column);
  }
  return run_batch(columns, rows, outputs);
}

bool Node::optional(const NodeInput& input) const {
  const std::vector<std::string>& names = definition_->optional_inputs;
  return input.fallback || std::find(names.begin(), names.end(), input.name) != names.end();
}

Node Node::named(std::string name) const {
  Definition definition = *definition_;
  definition.name = std::move(name);
  return Node(std::move(definition));
}

Node Node::version(std::string_view version) const {
  Definition definition = *definition_;
  definition.version = version;
  definition.code = versioned_code(definition);
  definition.has_identity = true;
  CodeParts parts{{"version", "", std::string(version)}};
  for (const NodeOutput& output : definition.outputs) {
    parts.push_back({"type of output", output.name, output.type.name()});
  }
  definition.code_parts = [parts = std::move(parts)] { return parts; };
  return Node(std::move(definition));
}

Node Node::aka(std::string_view former_name) const {
  Definition definition = *definition_;
  definition.known_as = former_name;
  if (definition.version) definition.code = versioned_code(definition);
  return Node(std::move(definition));
}

Node Node::uncached() const {
  Definition definition = *definition_;
  definition.cached = false;
  return Node(std::move(definition));
}

Node Node::with_default(std::string_view input, Value value) const {
  Definition definition = *definition_;
  for (NodeInput& each : definition.inputs) {
    if (each.name != input) continue;
    each.fallback = value.cast(each.type);
    return Node(std::move(definition));
  }
  throw DependencyError("Node '" + name() + "' has no input '" + std::string(input) + "'");
}

Node Node::renamed(
    std::initializer_list<std::pair<std::string_view, std::string_view>> names) const {
  Definition definition = *definition_;
  for (const auto& [from, to] : names) {
    bool found = false;
    for (NodeInput& input : definition.inputs) {
      if (input.name != from) continue;
      input.name = to;
      found = true;
      break;
    }
    if (!found) {
      throw DependencyError("Node '" + name() + "' has no input '" + std::string(from) + "'");
    }
  }
  return Node(std::move(definition));
}

namespace detail {

Column prepare_argument(const Column& column, const Type& type) {
  const Column fitted = column.type() == type ? column : column.cast(type);
  if (type.nullable() || !fitted.has_nulls()) return fitted;
  std::int64_t row = 0;
  while (!fitted.is_null(row)) ++row;
  throw TypeError("expected " + type.name() + " but got null in row " + std::to_string(row), {},
                  "take it as std::optional, or drop the nulls");
}

void throw_mismatch(const Type& expected, const Value& got) {
  throw TypeError("expected " + expected.name() + " but got " + got.type().name());
}

void throw_out_of_range(std::int64_t number, const char* cpp_type) {
  throw TypeError(std::to_string(number) + " does not fit " + cpp_type, {},
                  "use std::int64_t for this input");
}

void check_names(std::string_view node, std::size_t outputs, std::size_t expected_outputs,
                 std::size_t inputs, std::size_t expected_inputs) {
  const auto check = [&](const char* what, std::size_t got, std::size_t expected,
                         const char* of_what) {
    if (got == expected) return;
    throw DependencyError("Node '" + std::string(node) + "' got " + std::to_string(got) + ' ' +
                              what + " names for " + std::to_string(expected) + ' ' + of_what,
                          {}, std::string("name each of the function's ") + of_what + " once");
  };
  check("output", outputs, expected_outputs, "results");
  check("input", inputs, expected_inputs, "parameters");
}

}  // namespace detail
}  // namespace hypernodes
