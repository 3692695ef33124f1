// SPDX-License-Identifier: MIT
#include "values/text.hpp"

#include <algorithm>
#include <numeric>

namespace hypernodes {
namespace {

/// How many letters are to be inserted, deleted or replaced to make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

const std::string* close_match(std::string_view name, const std::vector<std::string>& names) {
  const std::string* closest = nullptr;
  std::size_t least = 3;
  for (const std::string& each : names) {
    const std::size_t longer = std::max(name.size(), each.size());
    if (longer - std::min(name.size(), each.size()) >= least) continue;
    const std::size_t distance = edit_distance(name, each);
    if (distance >= least || 2 * distance >= longer) continue;
    closest = &each;
    least = distance;
  }
  return closest;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& names) {
  const std::string* const meant = close_match(name, names);
  return meant == nullptr ? "" : "; did you mean '" + *meant + "'?";
}

}  // namespace hypernodes
