// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "bindings/node_objects.hpp"
#include "bindings/python.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes::python {

/// A Python function as the body of a node.
///
/// Threads: any; takes the lock if the caller has not got it.
/// Errors:  what the function raises, as nb::python_error.
class PythonBody final : public NodeBody {
 public:
  struct Function {
    std::shared_ptr<const HeldObjects> objects;
    std::string name;  ///< In messages.
    std::size_t inputs = 0;
    std::size_t outputs = 1;
    bool unpack = false;        ///< The function returns a sequence with a value for each output.
    bool asynchronous = false;  ///< It returns awaitables: hypernodes._async waits for them.
    std::shared_ptr<const Retry> retry = nullptr;  ///< Of awaitables that fail while others wait.
  };

  explicit PythonBody(const Function& function);

  void run_row(const Value* const* arguments, Value* outputs) const override;
  BatchResult run_batch(std::span<const Column> arguments, std::int64_t rows,
                        std::span<const NodeOutput> outputs) const override;
  bool waits() const override { return asynchronous_; }
  void run_together(std::span<RowCall> calls, bool go_on) const override;
  BatchResult run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                              std::span<const NodeOutput> outputs) const override;

 private:
  void call_row(const Value* const* arguments, Value* outputs) const;
  /// A new reference to what the function returns for these arguments.
  nb::object call(PyObject** arguments) const;
  /// The results of the rows before one that failed, while many wait at once.
  BatchResult wait_for_rows(std::span<const Value* const> columns, std::int64_t rows) const;
  void unpack(const nb::object& result, Value* outputs) const;
  /// Puts what the function returned into the outputs.
  void take(nb::object result, Value* outputs) const;

  std::shared_ptr<const HeldObjects> objects_;
  std::string name_;
  std::size_t inputs_, outputs_;
  bool unpack_;
  bool asynchronous_;
  std::shared_ptr<const Retry> retry_;
};

}  // namespace hypernodes::python
