// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/retry.hpp"
#include "hypernodes/type.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

/// What a node needs under one name.
struct NodeInput {
  std::string name;
  Type type = Kind::kObject;
  std::optional<Value> fallback = std::nullopt;  ///< Used when nothing supplies the name.
};

/// What a node makes under one name.
struct NodeOutput {
  std::string name;
  Type type = Kind::kObject;
};

/// What a batch call got done. Rows before `done` are in `outputs`, also when the next one failed.
struct BatchResult {
  std::vector<Column> outputs;
  std::int64_t done = 0;
  std::exception_ptr error = nullptr;  ///< Of row `done`.
  std::vector<RetriedCall> retried = {};
};

/// One argument of a whole batch.
struct BatchArgument {
  Column column;
  /// It has one row, which stands for all: the input is neither mapped over nor computed from one
  /// that is.
  bool constant = false;
};

/// Runs all rows of a batch: returns a column of `rows` rows for each output.
using BatchFunction =
    std::function<std::vector<Column>(std::span<const BatchArgument> arguments, std::int64_t rows)>;

class NodeBody;

/// One of several rows' calls that overlap.
struct RowCall {
  const NodeBody* body = nullptr;
  const Value* const* arguments = nullptr;
  Value* outputs = nullptr;
  bool done = false;
  std::exception_ptr error = nullptr;  ///< If it failed. A call that was given up has neither.
  std::vector<RetriedCall> retried = {};
};

/// The function of a node. Implement it for nodes that hypernodes::node cannot make.
/// Threads: every engine but the sequential one calls it from several threads at once.
class NodeBody {
 public:
  virtual ~NodeBody() = default;

  /// One row: `arguments` in the order of the node's inputs, `outputs` in that of its outputs.
  virtual void run_row(const Value* const* arguments, Value* outputs) const = 0;

  /// Many rows: each argument has `rows` rows of its input's type, each output gets as many.
  /// The default calls run_row for each.
  virtual BatchResult run_batch(std::span<const Column> arguments, std::int64_t rows,
                                std::span<const NodeOutput> outputs) const;

  /// Whether its calls wait rather than compute, so that several should be under way at once. One
  /// whose calls do makes failed ones again by itself, but for those of run_row.
  virtual bool waits() const { return false; }
  /// Runs calls at the same time; the first failure gives up the others unless they shall go on.
  /// Every call's body is of this class, and waits.
  virtual void run_together(std::span<RowCall> calls, bool go_on) const;

  /// For a node that wants whole batches: all rows of a map that are to be run, in one call. Either
  /// all are done or none. The default repeats what is constant, and calls run_batch.
  virtual BatchResult run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                                      std::span<const NodeOutput> outputs) const;
};

class NestedPipeline;

/// A part of what a node's code is made of. Parts of one kind and name whose texts differ are what
/// Pipeline::explain says has changed.
struct CodePart {
  std::string kind;  ///< As in messages: `function`, `helper`, `global`, `library`, ...
  std::string name;
  std::string text;  ///< A digest; of a library and the like its version.
};
using CodeParts = std::vector<CodePart>;

/// A typed function with named inputs and outputs: the unit of a pipeline. Made by
/// hypernodes::node, Library or Pipeline::as_node. A cheap handle to an immutable definition.
class Node {
 public:
  struct Definition {
    std::string name;
    std::vector<NodeInput> inputs;
    std::vector<NodeOutput> outputs;
    std::shared_ptr<const NodeBody> body;
    Digest code;               ///< Identity of the function; part of every key.
    bool has_identity = true;  ///< False: the code has no reliable identity, so never cached.
    bool cached = true;        ///< False: always runs, is never stored.
    bool foreign = false;      ///< Its exceptions belong to another runtime: never wrapped.
    /// Why it has no identity, in words for the warning.
    std::string no_identity = {};
    /// Inputs that need no value although they have no fallback: an inner pipeline has one.
    std::vector<std::string> optional_inputs = {};
    bool whole_batch = false;  ///< Wants a map's rows in one call: run_whole_batch.
    std::shared_ptr<const NestedPipeline> nested = nullptr;  ///< Set instead of a body.
    std::optional<std::string> version =
        std::nullopt;           ///< What `code` stands for, if not the code.
    std::string known_as = {};  ///< The name that counts beside `version`; empty: the node's own.
    /// What `code` was made of; asked for when results of new code are stored. None if empty.
    std::function<CodeParts()> code_parts = nullptr;
    std::shared_ptr<const Retry> retry = nullptr;  ///< Null: a failure is final.
  };

  explicit Node(Definition definition)
      : definition_(std::make_shared<const Definition>(std::move(definition))) {}

  const std::string& name() const { return definition_->name; }
  const std::vector<NodeInput>& inputs() const { return definition_->inputs; }
  const std::vector<NodeOutput>& outputs() const { return definition_->outputs; }
  /// Whether the node runs without a value for this input.
  bool optional(const NodeInput& input) const;
  const Definition& definition() const { return *definition_; }

  /// A copy that is known under another name in errors, events and drawings.
  Node named(std::string name) const;
  /// A copy whose identity is `version` instead of the content of the library that holds it: cached
  /// results survive rebuilds until you change it.
  Node version(std::string_view version) const;
  /// A copy whose `version` counts under a former name of the node, before or after this call: a
  /// renamed node keeps its cached results. Without a version names do not count, so it changes
  /// nothing.
  Node aka(std::string_view former_name) const;
  /// A copy that always runs and is never stored.
  Node uncached() const;
  /// A copy whose failed calls are made again: `.retry({.attempts = 3, .delay = 100ms})`. Rows are
  /// retried alone, a call for a whole batch as one. Not part of cache keys.
  /// Throws: PlanError for values that make no sense, and for a pipeline.
  Node retry(const Retry& retry) const;
  /// A copy each of whose calls fails with a NodeTimeoutError after that long. C++ cannot stop a
  /// function: it goes on in the thread that it is called in, its result is thrown away, and what
  /// it refers to must live until then. Not part of cache keys.
  /// Throws: PlanError unless it is positive, and for a pipeline.   Cost: a thread for each call.
  Node timeout(std::chrono::duration<double> limit) const;
  /// A copy that uses `value` when nothing supplies `input`. Throws: DependencyError for an unknown
  /// input, TypeError if the value does not fit.
  Node with_default(std::string_view input, Value value) const;
  /// A copy that has another function for maps: `batch`, a BatchFunction, is called once for all
  /// rows that no cache has. Both must agree: results of either are cached, row by row. One that
  /// captures anything needs a `version` after it to be cached.
  template <typename F>
  Node with_batch(F batch) const;
  /// A copy whose inputs are called differently: {current name, new name} pairs.
  Node renamed(std::initializer_list<std::pair<std::string_view, std::string_view>> names) const;

  friend bool operator==(const Node&, const Node&) = default;

 private:
  std::shared_ptr<const Definition> definition_;
};

/// Names of outputs: one, or several for a function that returns a std::tuple.
struct OutputNames : std::vector<std::string> {
  OutputNames(const char* name) : vector{name} {}             // NOLINT(google-explicit-constructor)
  OutputNames(std::string name) : vector{std::move(name)} {}  // NOLINT(google-explicit-constructor)
  OutputNames(std::initializer_list<std::string> names) : vector(names) {}
};

/// Names of inputs, in the order of the function's parameters.
using InputNames = std::initializer_list<std::string_view>;

}  // namespace hypernodes

#include "hypernodes/detail/function_node.hpp"  // IWYU pragma: export
#include "hypernodes/detail/stateful_node.hpp"  // IWYU pragma: export
