// SPDX-License-Identifier: MIT
#include "hypernodes/explanation.hpp"

#include <algorithm>
#include <array>
#include <ostream>

namespace hypernodes {

std::string_view name_of(NodeStatus status) {
  static constexpr std::array<std::string_view, 4> kNames{"hit", "miss", "waits", "uncached"};
  return kNames[static_cast<std::size_t>(status)];
}

std::string_view name_of(Reason reason) {
  static constexpr std::array<std::string_view, 15> kNames{
      "stored",        "never_computed", "new_inputs", "code_changed", "library_changed",
      "input_changed", "evicted",        "expired",    "damaged",      "waits",
      "same_inputs",   "not_cached",     "no_cache",   "no_identity",  "no_digest"};
  return kNames[static_cast<std::size_t>(reason)];
}

const RowExplanation* NodeExplanation::row(std::int64_t row) const {
  auto index = static_cast<std::size_t>(row);
  if (!asked.empty()) {
    const auto found = std::lower_bound(asked.begin(), asked.end(), row);
    if (found == asked.end() || *found != row) return nullptr;
    index = static_cast<std::size_t>(found - asked.begin());
  }
  return row < 0 || index >= rows.size() ? nullptr : &answers[rows[index]];
}

const NodeExplanation* Explanation::find(std::string_view node) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const NodeExplanation& each) { return each.node == node; });
  return found == nodes.end() ? nullptr : &*found;
}

std::ostream& operator<<(std::ostream& stream, const Explanation& explanation) {
  std::size_t widest = 0, widest_status = 0, widest_count = 0;
  for (const NodeExplanation& node : explanation.nodes) {
    widest = std::max(widest, node.node.size());
    for (std::size_t i = 0; i < node.answers.size(); ++i) {
      widest_status = std::max(widest_status, name_of(node.answers[i].status).size());
      widest_count = std::max(widest_count, std::to_string(node.counts[i]).size());
    }
  }
  const auto padded = [](std::string_view text, std::size_t width) {
    return std::string(text) + std::string(width - std::min(width, text.size()), ' ');
  };
  bool first = true;
  for (const NodeExplanation& node : explanation.nodes) {
    for (std::size_t i = 0; i < node.answers.size(); ++i) {
      const RowExplanation& answer = node.answers[i];
      std::string line = padded(i == 0 ? node.node : "", widest) + "  ";
      if (explanation.rows >= 0) {
        const std::string count = std::to_string(node.counts[i]);
        line += std::string(widest_count - count.size(), ' ') + count + "  ";
      }
      line += padded(name_of(answer.status), widest_status) + "  " + answer.detail;
      line.resize(line.find_last_not_of(' ') + 1);
      if (!first) stream << '\n';
      first = false;
      stream << line;
    }
  }
  return stream;
}

}  // namespace hypernodes
