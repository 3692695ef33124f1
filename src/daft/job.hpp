// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/batches.hpp"
#include "graph/graph.hpp"
#include "hypernodes/column.hpp"
#include "kernel/context.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::daft {

/// Marks this thread as one that Daft has evaluate rows.
class InsideQuery {
 public:
  InsideQuery();
  ~InsideQuery();
  InsideQuery(const InsideQuery&) = delete;
  InsideQuery& operator=(const InsideQuery&) = delete;
  static bool now();
  /// Waits until no thread is inside any more. False if that takes longer than `limit`.
  static bool wait_for_all(std::chrono::milliseconds limit);
};

/// Called in a Daft thread before it runs a batch; what it returns goes when the batch is done.
using Enter = std::function<std::shared_ptr<void>()>;

/// A run or map while a Daft query walks over its rows.
///
/// The values stay here: the query has one column of tickets (job and row) and one function, which
/// has the kernel run the nodes on the rows of each batch of tickets that Daft hands it. So Python
/// objects travel by reference, a warm chain is walked by its digests, and a query costs one
/// projection however many nodes there are. Daft decides on batches, threads and order.
///
/// Errors:  the query always succeeds; what stopped the job is in failure().
/// Threads: run_rows may be called from several at once; the rest by one, before and after.
class Job {
 public:
  /// `inputs.plan.rows` rows, which are one item of a map each, or else one run each.
  Job(std::shared_ptr<const Graph> graph, Selection selection, GraphInputs inputs,
      std::shared_ptr<RunContext> context, Frame frame, Enter enter = {});

  std::int64_t rows() const { return rows_; }
  const Frame& frame() const { return frame_; }
  /// Whether a node or a value can only be opened with Python: its lock is needed then.
  bool foreign() const { return foreign_; }
  /// Whether distant rows may run at once without computing anything twice.
  bool divisible() const { return frame_.map && frame_.cache == nullptr; }
  /// What the query is called in Daft's plan: the names of the nodes.
  std::string label() const;

  /// Runs the nodes on these rows, unless an earlier row has failed. Never throws.
  void run_rows(std::int64_t first, std::int64_t count) noexcept;
  /// No row begins any more; those that run now are finished, or a few more.
  void stop() { limit_ = 0; }
  /// Returns when no thread runs rows of this job.
  void wait();

  /// Whether every row went through the query.
  bool complete() const { return rows_seen_.load() == rows_; }
  /// Of the lowest row that failed.
  const std::optional<Failure>& failure() const { return failure_; }
  /// All rows of each output. REQUIRES: complete, no failure; once.
  std::vector<Pieces> outputs();

 private:
  struct Piece {
    std::int64_t first;
    std::vector<Column> outputs;
  };

  void run_blocks(std::int64_t first, std::int64_t count);
  void run_block(std::int64_t first, std::int64_t count);
  void fail(Failure failure, std::int64_t row);

  const std::shared_ptr<const Graph> graph_;
  const Selection selection_;
  GraphInputs inputs_;
  const std::shared_ptr<RunContext> context_;
  const Enter enter_;
  const std::int64_t rows_;
  const Frame frame_;
  bool foreign_ = false;

  std::mutex mutex_;
  std::condition_variable idle_;
  int running_ = 0;  ///< Threads in run_rows.
  std::vector<Piece> pieces_;
  std::optional<Failure> failure_;
  std::int64_t failed_row_ = 0;
  std::atomic<std::int64_t> limit_;  ///< Rows from here on need not run.
  std::atomic<std::int64_t> rows_seen_{0};
};

/// A job where Daft's threads find it, by its number, while its query runs.
///
/// A number is used again only after its query went through every row: of one that was broken off,
/// batches may still come.
class OpenJob {
 public:
  /// Throws: Error if four million queries were broken off.
  explicit OpenJob(std::shared_ptr<Job> job);
  ~OpenJob();
  OpenJob(const OpenJob&) = delete;
  OpenJob& operator=(const OpenJob&) = delete;

  std::int64_t number() const { return number_; }
  const Job* operator->() const { return job_.get(); }

 private:
  std::shared_ptr<Job> job_;
  std::int64_t number_;
};

/// Stops all jobs and waits for their threads, but no longer than `limit`: to be called before
/// Python ends, which ends threads in the midst of a node.
void stop_jobs(std::chrono::milliseconds limit);

/// The tickets of rows [first, first + rows) of job `number`.
Column make_tickets(std::int64_t number, std::int64_t first, std::int64_t rows);

/// Runs the rows that `tickets` name. Throws: Error if there is no such job in this process.
void redeem(const Column& tickets);

/// Defines a function in Daft that redeems a column of tickets and returns it. Returns its name.
std::string define_redeem();

/// Runs the Daft query of a job and returns when it has ended: Python's part.
using Launch = std::function<void(const OpenJob& job)>;

/// Maps a graph over `inputs` on Daft; as map_batches.
std::optional<Failure> map_rows(const std::shared_ptr<const Graph>& graph,
                                const Selection& selection, GraphInputs inputs,
                                std::shared_ptr<RunContext> context, const Launch& launch,
                                std::vector<Pieces>* outputs, Enter enter = {});

/// Runs a graph on one item on Daft; as run_batch_of_one.
std::optional<Failure> run_one(const std::shared_ptr<const Graph>& graph,
                               const Selection& selection, GraphInputs inputs,
                               std::shared_ptr<RunContext> context, const Launch& launch,
                               std::vector<Value>* outputs, Enter enter = {});

/// Executes the batches of nested pipelines that have a Daft engine of their own.
class DaftExecutor final : public BatchExecutor {
 public:
  /// `enter` is asked, where a batch begins, for what its job calls in Daft's threads.
  explicit DaftExecutor(Launch launch, std::function<Enter()> enter = {})
      : launch_(std::move(launch)), enter_(std::move(enter)) {}
  std::optional<Failure> execute(Batch& batch, const Frame& frame,
                                 RunContext& context) const override;

 private:
  Launch launch_;
  std::function<Enter()> enter_;
};

}  // namespace hypernodes::daft
