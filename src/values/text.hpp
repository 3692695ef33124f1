// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace hypernodes {

/// As Python writes a list of names: `['a', 'b']`. What messages show.
inline std::string quoted_list(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) {
    if (text.size() > 1) text += ", ";
    text += "'" + name + "'";
  }
  return text + "]";
}

}  // namespace hypernodes
