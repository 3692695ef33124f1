// SPDX-License-Identifier: MIT
#include "kernel/held_records.hpp"

#include <algorithm>
#include <utility>

#include "kernel/lane.hpp"

namespace hypernodes {

std::string changed_in_place(const std::string& input) {
  return "its input '" + input +
         "' is changed in place, so some results cannot be told apart by it; change a copy";
}

void HeldRecords::assume(const Value& value, const Digest& digest, const std::string& node,
                         const std::string& input) {
  for (const Assumption& made : assumptions_) {
    if (made.value.as_object() == value.as_object() && made.digest == digest && made.node == node &&
        made.input == input) {
      return;
    }
  }
  assumptions_.push_back({value, digest, node, input});
}

void HeldRecords::add(const Digest& key, std::string record) {
  if (records_.empty()) oldest_ = Clock::now();
  bytes_ += record.size();
  index_.set(key, static_cast<std::int64_t>(records_.size()));
  records_.push_back({key, std::move(record)});
}

std::optional<std::string_view> HeldRecords::find(const Digest& key) const {
  const std::int64_t found = index_.find(key);
  if (found < 0) return std::nullopt;
  return records_[static_cast<std::size_t>(found)].bytes;
}

bool HeldRecords::has_changed(const Value& value) const {
  return std::any_of(changed_.begin(), changed_.end(), [&](const Value& changed) {
    return changed.as_object() == value.as_object();
  });
}

void HeldRecords::release_if_due(RunContext& context) {
  if (records_.empty()) return;
  const bool many = records_.size() >= kRecords || bytes_ >= kBytes;
  const auto age = std::max<Clock::duration>(kAge, kShare * check_);
  if (many || Clock::now() - oldest_ > age) release(context);
}

void HeldRecords::release(RunContext& context) {
  if (records_.empty()) return;
  const auto start = Clock::now();
  std::string scratch;
  std::vector<std::pair<void*, Digest>> digests;  // one for each constant
  bool kept = true;
  for (const Assumption& made : assumptions_) {
    void* const object = made.value.as_object();
    auto found = std::find_if(digests.begin(), digests.end(),
                              [&](const auto& entry) { return entry.first == object; });
    if (found == digests.end()) {
      found = digests.insert(digests.end(), {object, digest_of(made.value, scratch)});
    }
    if (found->second == made.digest) continue;
    kept = false;
    if (!has_changed(made.value)) changed_.push_back(made.value);
    context.warn_uncached(made.node, changed_in_place(made.input));
  }
  check_ = Clock::now() - start;
  for (const Record& record : records_) {
    if (!kept) break;
    writes_.add(record.key, [&](std::string& out) { out += record.bytes; });
  }
  assumptions_.clear();
  records_.clear();
  index_.clear();
  bytes_ = 0;
}

}  // namespace hypernodes
