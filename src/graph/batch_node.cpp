// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {
namespace {

/// One function for single rows, another for whole batches.
class BatchBody final : public NodeBody {
 public:
  BatchBody(std::string name, std::shared_ptr<const NodeBody> single, BatchFunction batch)
      : name_(std::move(name)), single_(std::move(single)), batch_(std::move(batch)) {}

  void run_row(const Value* const* arguments, Value* outputs) const override {
    single_->run_row(arguments, outputs);
  }
  BatchResult run_batch(std::span<const Column> arguments, std::int64_t rows,
                        std::span<const NodeOutput> outputs) const override {
    return single_->run_batch(arguments, rows, outputs);
  }
  BatchResult run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                              std::span<const NodeOutput> outputs) const override {
    BatchResult result;
    result.outputs = batch_(arguments, rows);
    if (result.outputs.size() != outputs.size()) {
      throw Error("Node '" + name_ + "' returned " + std::to_string(result.outputs.size()) +
                  " columns, expected " + std::to_string(outputs.size()));
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      Column& column = result.outputs[i];
      if (column.size() != rows) {
        throw Error("Node '" + name_ + "' returned " + std::to_string(column.size()) +
                        " values, expected " + std::to_string(rows),
                    {}, "return one value for each row");
      }
      if (!(column.type() == outputs[i].type)) column = column.cast(outputs[i].type);
    }
    result.done = rows;
    return result;
  }

 private:
  std::string name_;
  std::shared_ptr<const NodeBody> single_;
  BatchFunction batch_;
};

}  // namespace

namespace detail {

Node with_batch(const Node& node, BatchFunction batch, const Digest& code, bool has_identity) {
  if (node.definition().body == nullptr) {
    throw DependencyError("Pipeline '" + node.name() + "' cannot be given a function for batches",
                          {}, "give it to the nodes inside");
  }
  Node::Definition definition = node.definition();
  definition.body = std::make_shared<BatchBody>(definition.name, definition.body, std::move(batch));
  definition.whole_batch = true;
  definition.code = Digest::of_bytes("batch\n" + definition.code.hex() + code.hex());
  definition.has_identity &= has_identity;
  definition.version.reset();  // it said nothing of `batch`
  return Node(std::move(definition));
}

}  // namespace detail
}  // namespace hypernodes
