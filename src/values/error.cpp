// SPDX-License-Identifier: MIT
#include "hypernodes/error.hpp"

#include <utility>

namespace hypernodes {

Error::Error(std::string message, std::string where, std::string fix)
    : message_(std::move(message)), where_(std::move(where)), fix_(std::move(fix)) {
  text_ = message_;
  if (!where_.empty()) text_ += "\n  where: " + where_;
  if (!fix_.empty()) text_ += "\n  fix:   " + fix_;
}

namespace {

std::string place(const std::string& node, std::int64_t row) {
  return "node '" + node + "'" + (row < 0 ? "" : ", row " + std::to_string(row));
}

}  // namespace

ExecutionError::ExecutionError(const std::string& node, std::int64_t row, const std::string& what)
    : ExecutionError(node, row, what, {}) {}

ExecutionError::ExecutionError(const std::string& node, std::int64_t row, const std::string& what,
                               std::string fix)
    : Error("Node '" + node + "' failed: " + what, place(node, row), std::move(fix)),
      node_(node),
      row_(row),
      reason_(what) {}

ExecutionError ExecutionError::at_row(std::int64_t row) const {
  return {node_, row, reason_, fix()};
}

NodeTimeoutError::NodeTimeoutError(const std::string& node, std::int64_t row,
                                   const std::string& what)
    : ExecutionError(node, row, what, "give it more time, or find out what it waits for") {}

}  // namespace hypernodes
