// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/event.hpp"
#include "hypernodes/statistics.hpp"

namespace hypernodes {

class WriteBehind;

using Callbacks = std::vector<std::shared_ptr<Callback>>;

/// What all batches of one run or map share: counters, warnings, the way to the callbacks.
/// Threads: safe; callbacks are called one at a time.
class RunContext {
 public:
  /// `around`: the pipeline of another run that this one is inside of; it must live as long.
  RunContext(std::shared_ptr<Cache> cache, Callbacks callbacks, const Scope* around = nullptr);
  ~RunContext();  ///< Commits what flush() was not called for.
  RunContext(const RunContext&) = delete;
  RunContext& operator=(const RunContext&) = delete;

  Cache* cache() const { return cache_.get(); }
  const Callbacks& callbacks() const { return callbacks_; }
  const Scope* around() const { return around_; }

  /// Delivers `event` to `callbacks` in their order.
  void emit(const Callbacks& callbacks, const Event& event);

  /// Adds to a node's counters.
  void count(const Node& node, std::int64_t ran, std::int64_t cached, std::int64_t nanoseconds);
  /// A record that was there but was not what its key promises.
  void count_damaged() { damaged_.fetch_add(1, std::memory_order_relaxed); }
  /// Adds what was counted elsewhere.
  void add(const Statistics& statistics);
  /// Asks `cache` whether it could do its work; if not, remembers why.
  void check(const Cache& cache);
  /// Lets a batch go on with what the one before it left to be committed: commits of many records
  /// are cheap. REQUIRES: flush() is called after the last.
  void gather_writes() { gathers_.store(true, std::memory_order_relaxed); }
  /// What a thread is to store its records by, until it gives that back.
  std::unique_ptr<WriteBehind> take_writes(Cache& cache);
  void give_writes(std::unique_ptr<WriteBehind> writes);
  /// Commits what waits, and makes durable what the run's own cache was given.
  void flush();
  /// Remembers a cache's reason why it could not do its work.
  void degrade(const std::string& warning);
  /// Remembers a warning: each text once, of each node and of each cache the first.
  void warn(const std::string& text);
  /// Remembers that `node` runs uncached, or that its results are not stored.
  void warn_uncached(const std::string& node, const std::string& why);
  void warn_uncached(const Node& node, const std::string& why) { warn_uncached(node.name(), why); }
  void warn_unstored(const Node& node, const std::string& why);

  /// From now on failures of rows are collected. Before the first batch.
  void collect_failures() { collects_ = true; }
  bool collects() const { return collects_; }
  void add(RowFailure failure);

  /// Nobody wants the rows any more: calls that failed are not made again.
  void stop() { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  Statistics statistics() const;

 private:
  /// Commits what threads gathered for one cache.
  void commit(std::span<const std::unique_ptr<WriteBehind>> writes);

  std::shared_ptr<Cache> cache_;
  Callbacks callbacks_;
  const Scope* around_;
  mutable std::mutex mutex_;
  std::atomic<bool> gathers_{false};
  std::vector<std::unique_ptr<WriteBehind>> writes_;  ///< That no thread has now.
  std::recursive_mutex delivery_;  ///< Recursive: a callback may run a pipeline of its own.
  std::map<std::string, NodeStatistics> nodes_;
  std::vector<std::string> warnings_;
  std::vector<RowFailure> failures_;
  bool collects_ = false;
  std::atomic<bool> stopped_{false};
  std::atomic<std::int64_t> damaged_{0};
  std::atomic<bool> degraded_{false};
};

}  // namespace hypernodes
