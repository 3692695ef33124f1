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
    : Error("Node '" + node + "' failed: " + what, place(node, row)), node_(node), row_(row) {}

ExecutionError ExecutionError::at_row(std::int64_t row) const {
  ExecutionError moved(*this);
  static_cast<Error&>(moved) = Error(message(), place(node_, row), fix());
  moved.row_ = row;
  return moved;
}

}  // namespace hypernodes
