// SPDX-License-Identifier: MIT
#include "kernel/context.hpp"

#include <algorithm>
#include <utility>

#include "cache/in_flight.hpp"
#include "kernel/write_behind.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {

RunContext::RunContext(std::shared_ptr<Cache> cache, Callbacks callbacks, const Scope* around)
    : cache_(std::move(cache)), callbacks_(std::move(callbacks)), around_(around) {}

RunContext::~RunContext() = default;

void RunContext::emit(const Callbacks& callbacks, const Event& event) {
  std::unique_lock lock(delivery_, std::try_to_lock);
  if (!lock) {
    // Who delivers now may need the object runtime's lock, which this thread may have.
    const detail::Suspended others_may_run;
    lock.lock();
  }
  const detail::Engaged others_wait_for_delivery;
  for (const auto& callback : callbacks) callback->on_event(event);
}

void RunContext::count(const Node& node, std::int64_t ran, std::int64_t cached,
                       std::int64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  NodeStatistics& entry = nodes_[node.name()];
  entry.rows_run += ran;
  entry.rows_cached += cached;
  entry.seconds += static_cast<double>(nanoseconds) * 1e-9;
}

void RunContext::add(const Statistics& statistics) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, counted] : statistics.nodes) {
      NodeStatistics& entry = nodes_[name];
      entry.rows_run += counted.rows_run;
      entry.rows_cached += counted.rows_cached;
      entry.seconds += counted.seconds;
    }
  }
  damaged_.fetch_add(statistics.damaged_records, std::memory_order_relaxed);
  if (statistics.degraded) degraded_.store(true, std::memory_order_relaxed);
  for (const std::string& text : statistics.warnings) warn(text);
}

void RunContext::check(const Cache& cache) {
  const std::string warning = cache.warning();
  if (!warning.empty()) degrade(warning);
}

std::unique_ptr<WriteBehind> RunContext::take_writes(Cache& cache) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& waiting : writes_) {
      if (&waiting->cache() != &cache) continue;
      std::swap(waiting, writes_.back());
      std::unique_ptr<WriteBehind> taken = std::move(writes_.back());
      writes_.pop_back();
      return taken;
    }
  }
  return std::make_unique<WriteBehind>(cache);
}

void RunContext::give_writes(std::unique_ptr<WriteBehind> writes) {
  if (!gathers_.load(std::memory_order_relaxed)) {
    commit({&writes, 1});
    return;
  }
  writes->commit_if_due();
  const std::lock_guard lock(mutex_);
  writes_.push_back(std::move(writes));
}

void RunContext::commit(std::span<const std::unique_ptr<WriteBehind>> writes) {
  WriteBehind& first = *writes.front();
  first.commit_with(writes.subspan(1));
  for (const auto& each : writes) {
    if (!each->warning().empty()) degrade(each->warning());
  }
  check(first.cache());
}

void RunContext::flush() {
  std::vector<std::unique_ptr<WriteBehind>> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(writes_);
  }
  // One commit for each cache.
  for (auto begin = left.begin(); begin != left.end();) {
    const Cache* const cache = &(*begin)->cache();
    const auto end = std::partition(
        begin, left.end(), [cache](const auto& writes) { return &writes->cache() == cache; });
    commit({begin, end});
    begin = end;
  }
  if (cache_ == nullptr) return;
  cache_->flush();
  check(*cache_);
}

void RunContext::degrade(const std::string& warning) {
  degraded_.store(true, std::memory_order_relaxed);
  warn(warning);
}

namespace {

/// Of a warning about a node or a cache, the part that names it; else the whole text.
std::string_view subject_of(std::string_view text) {
  static constexpr std::string_view kNode = "node '";
  if (text.starts_with("cache ")) return text.substr(0, text.find(": "));
  if (!text.starts_with(kNode)) return text;
  return text.substr(0, text.find('\'', kNode.size()) + 1);
}

}  // namespace

void RunContext::warn(const std::string& text) {
  const std::lock_guard lock(mutex_);
  const bool told = std::any_of(warnings_.begin(), warnings_.end(), [&](const std::string& other) {
    return subject_of(other) == subject_of(text);
  });
  if (!told) warnings_.push_back(text);
}

void RunContext::warn_uncached(const std::string& node, const std::string& why) {
  warn("node '" + node + "' runs uncached: " + why);
}

void RunContext::warn_unstored(const Node& node, const std::string& why) {
  warn("node '" + node.name() + "' is not cached: " + why);
}

void RunContext::add(RowFailure failure) {
  const std::lock_guard lock(mutex_);
  failures_.push_back(std::move(failure));
}

Statistics RunContext::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics statistics{nodes_, damaged_.load(std::memory_order_relaxed), warnings_,
                        degraded_.load(std::memory_order_relaxed), failures_};
  std::stable_sort(statistics.failures.begin(), statistics.failures.end(),
                   [](const RowFailure& a, const RowFailure& b) { return a.row < b.row; });
  return statistics;
}

}  // namespace hypernodes
