// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
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

/// The one of `names` that `name` is most likely a slip of: at most two of its letters differ, and
/// fewer than half. Null if there is none. Borrows from `names`.
const std::string* close_match(std::string_view name, const std::vector<std::string>& names);

/// `; did you mean 'paths'?` for the end of a fix, or nothing.
std::string suggestion(std::string_view name, const std::vector<std::string>& names);

}  // namespace hypernodes
