// SPDX-License-Identifier: MIT
#include "kernel/write_behind.hpp"

#include <algorithm>
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
  keys_.push_back(key);
  records_.push_back(bytes_.keep(scratch_));
  size_ += scratch_.size();
  in_flight_.publish(key, this, records_.back());
  if (keys_.size() >= kRecords || size_ >= kBytes) commit();
}

void WriteBehind::commit_if_due() {
  if (!keys_.empty() && std::chrono::steady_clock::now() - oldest_ > age_) commit();
}

void WriteBehind::commit_with(std::span<const std::unique_ptr<WriteBehind>> others) {
  std::vector<const void*> owners{this};
  std::size_t keys = keys_.size();
  for (const auto& other : others) {
    owners.push_back(other.get());
    keys += other->keys_.size();
  }
  if (keys == 0) return;
  keys_.reserve(keys);
  records_.reserve(keys);
  /// Also if the cache throws: nobody may be pointed to bytes that go.
  struct Forget {
    WriteBehind& writes;
    std::span<const std::unique_ptr<WriteBehind>> others;
    std::span<const void* const> owners;
    ~Forget() {
      writes.in_flight_.forget(writes.keys_, owners);
      ++writes.commits_;
      writes.clear();
      for (const auto& other : others) other->clear();
    }
  };
  const Forget forget{*this, others, owners};
  for (const auto& other : others) {
    keys_.insert(keys_.end(), other->keys_.begin(), other->keys_.end());
    records_.insert(records_.end(), other->records_.begin(), other->records_.end());
  }
  const auto start = std::chrono::steady_clock::now();
  {
    const detail::Suspended others_may_run;
    cache_.put_many(keys_, records_);
  }
  const auto taken = std::chrono::steady_clock::now() - start;
  age_ = std::max<std::chrono::steady_clock::duration>(kAge, kShare * taken);
  // At once: the next that succeeds makes a cache forget it.
  if (std::string warning = cache_.warning(); !warning.empty()) warning_ = std::move(warning);
}

void WriteBehind::clear() {
  keys_.clear();
  records_.clear();
  bytes_ = Arena();
  size_ = 0;
}

}  // namespace hypernodes
