// SPDX-License-Identifier: MIT
// A node library for the tests. Each call adds a line to the file that HYPERNODES_TEST_CALLS names.

#include <hypernodes/hypernodes.hpp>

#include "call_log.hpp"

namespace {

std::int64_t twice(std::int64_t x) {
  hypernodes::testing::log_call("twice");
  return x * 2;
}

std::int64_t fail_at_six(std::int64_t doubled) {
  if (doubled == 6) throw std::runtime_error("six is bad");
  return doubled;
}

std::tuple<std::string, std::optional<std::int64_t>> describe(std::string_view text) {
  if (text.empty()) return {"nothing", std::nullopt};
  return {std::string(text) + "!", static_cast<std::int64_t>(text.size())};
}

std::map<std::string, std::int64_t> count(const std::vector<std::string>& words) {
  std::map<std::string, std::int64_t> counts;
  for (const std::string& word : words) ++counts[word];
  return counts;
}

}  // namespace

HYPERNODES_LIBRARY(nodes_a, library) {
  library.add(hypernodes::node<twice>("doubled", {"x"}));
  library.add(hypernodes::node<fail_at_six>("checked", {"doubled"}));
  library.add(hypernodes::node<describe>({"shout", "length"}, {"text"}));
  library.add(hypernodes::node<count>("counts", {"words"}));
}
