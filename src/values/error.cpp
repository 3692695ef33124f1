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

ExecutionError::ExecutionError(const std::string& node, std::int64_t row, const std::string& what)
    : Error("Node '" + node + "' failed: " + what,
            "node '" + node + "'" + (row < 0 ? "" : ", row " + std::to_string(row))),
      node_(node),
      row_(row) {}

}  // namespace hypernodes
