// SPDX-License-Identifier: MIT
#include "hypernodes/map_plan.hpp"

#include <algorithm>

#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

std::string describe(const std::vector<std::string>& names,
                     const std::vector<std::int64_t>& lengths) {
  std::string text = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += ", ";
    text += "'" + names[i] + "': " + std::to_string(lengths[i]);
  }
  return text + "}";
}

}  // namespace

MapPlan plan_map(const std::vector<std::string>& names, const std::vector<std::int64_t>& lengths,
                 MapMode mode) {
  MapPlan plan;
  if (mode == MapMode::kZip) {
    for (const std::int64_t length : lengths) {
      if (length == lengths.front()) continue;
      throw PlanError("In zip mode, all lists must have the same length. Got lengths: " +
                          describe(names, lengths),
                      {}, "pass lists of one length, or use map_mode='product'");
    }
    plan.rows = lengths.empty() ? 0 : lengths.front();
    for (const std::int64_t length : lengths) plan.inputs.push_back({length, 1});
    return plan;
  }
  plan.rows = std::find(lengths.begin(), lengths.end(), 0) == lengths.end() ? 1 : 0;
  for (const std::int64_t length : lengths) {
    if (length > 0 && plan.rows > (std::int64_t{1} << 62) / length) {
      throw PlanError("The product has too many rows. Got lengths: " + describe(names, lengths));
    }
    plan.rows *= length;
  }
  std::int64_t stride = plan.rows;
  for (const std::int64_t length : lengths) {
    stride = length == 0 ? 1 : stride / std::max<std::int64_t>(length, 1);
    plan.inputs.push_back({length, std::max<std::int64_t>(stride, 1)});
  }
  plan.identity = lengths.size() == 1;
  return plan;
}

}  // namespace hypernodes
