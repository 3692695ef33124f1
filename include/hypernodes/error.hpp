// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

namespace hypernodes {

/// Base of every exception that hypernodes throws. `what()` shows the three parts on lines of their
/// own; code and tests read the fields instead of parsing it.
class Error : public std::exception {
 public:
  explicit Error(std::string message, std::string where = {}, std::string fix = {});

  const char* what() const noexcept override { return text_.c_str(); }
  /// What is wrong: the first line of what().
  const std::string& message() const { return message_; }
  /// The node, pipeline, input or file concerned; may be empty.
  const std::string& where() const { return where_; }
  /// What to do about it; may be empty.
  const std::string& fix() const { return fix_; }

 private:
  std::string message_, where_, fix_, text_;
};

/// A pipeline whose nodes need each other in a circle. Thrown when it is built.
class CycleError : public Error {
  using Error::Error;
};

/// Two producers of a name, or an unknown name in a mapping. Thrown when a pipeline is built.
class DependencyError : public Error {
  using Error::Error;
};

/// An output whose type does not fit the input it feeds, or a value that does not fit a C++ type.
class TypeError : public Error {
  using Error::Error;
};

/// Inputs that a run or map cannot use: missing, unknown, of unequal length.
class PlanError : public Error {
  using Error::Error;
};

/// A cache that cannot be opened as asked. Damage found later is a miss, never an exception.
class CacheError : public Error {
  using Error::Error;
};

/// A part that a run needs is not installed: Python, Daft, a node library.
class DependencyMissingError : public Error {
  using Error::Error;
};

/// A C++ node threw. `node()` and `row()` say which; the original exception is nested
/// (`std::rethrow_if_nested`).
class ExecutionError : public Error {
 public:
  ExecutionError(const std::string& node, std::int64_t row, const std::string& what);

  const std::string& node() const { return node_; }
  /// Row of the map, from 0; -1 for a run.
  std::int64_t row() const { return row_; }
  /// What the node's own exception said.
  const std::string& reason() const { return reason_; }
  /// The same failure as one of another row: a pipeline as a node has the rows of the outer map.
  ExecutionError at_row(std::int64_t row) const;

 protected:
  ExecutionError(const std::string& node, std::int64_t row, const std::string& what,
                 std::string fix);

 private:
  std::string node_;
  std::int64_t row_;
  std::string reason_;
};

/// A call of a node took longer than its time limit.
class NodeTimeoutError : public ExecutionError {
 public:
  NodeTimeoutError(const std::string& node, std::int64_t row, const std::string& what);
  NodeTimeoutError at_row(std::int64_t row) const { return {node(), row, reason()}; }
};

}  // namespace hypernodes
