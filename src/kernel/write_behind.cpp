// SPDX-License-Identifier: MIT
#include "kernel/write_behind.hpp"

#include <utility>

#include "values/object_runtime.hpp"

namespace hypernodes {

WriteBehind::~WriteBehind() {
  try {
    commit();
  } catch (...) {  // NOLINT(bugprone-empty-catch): a cache reports by warning(); losing entries
                   // costs time only, and a destructor must not throw
  }
}

void WriteBehind::added(const Digest& key) {
  if (keys_.empty()) oldest_ = std::chrono::steady_clock::now();
  ends_.push_back(bytes_.size());
  index_.set(key, static_cast<std::int64_t>(keys_.size()));
  keys_.push_back(key);
  if (keys_.size() >= kRecords || bytes_.size() >= kBytes) commit();
}

std::optional<std::string_view> WriteBehind::find(const Digest& key) const {
  const std::int64_t found = index_.find(key);
  if (found < 0) return std::nullopt;
  const auto index = static_cast<std::size_t>(found);
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(bytes_).substr(begin, ends_[index] - begin);
}

void WriteBehind::commit_if_due() {
  if (!keys_.empty() && std::chrono::steady_clock::now() - oldest_ > kAge) commit();
}

void WriteBehind::commit() {
  if (keys_.empty()) return;
  std::vector<std::string_view> records;
  records.reserve(keys_.size());
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    records.push_back(std::string_view(bytes_).substr(begin, end - begin));
    begin = end;
  }
  {
    const detail::Suspended others_may_run;
    cache_.put_many(keys_, records);
  }
  // At once: the next that succeeds makes a cache forget it.
  if (std::string warning = cache_.warning(); !warning.empty()) warning_ = std::move(warning);
  keys_.clear();
  ends_.clear();
  bytes_.clear();
  index_.clear();
}

}  // namespace hypernodes
