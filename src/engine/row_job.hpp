// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
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

namespace hypernodes {

/// Called in a thread before it runs a block of rows; what it returns goes when that is done.
using Enter = std::function<std::shared_ptr<void>()>;

/// The rows of a run or map, for an engine to have them run in any ranges, order and threads.
///
/// The values stay here: an engine that hands out nothing but row numbers gets Python objects by
/// reference, and a warm chain is walked by its digests.
///
/// Errors:  running rows never throws; what stopped the job is in failure().
/// Threads: run_rows, add, fail and stop may be called from several at once; the rest by one,
/// before
///          and after.
class RowJob {
 public:
  /// `inputs.plan.rows` rows, which are one item of a map each, or else one run each. If they are
  /// part of a larger map, its row `first_row` is row 0 here.
  RowJob(std::shared_ptr<const Graph> graph, Selection selection, GraphInputs inputs,
         std::shared_ptr<RunContext> context, Frame frame, Enter enter = {},
         std::int64_t first_row = 0);

  std::int64_t rows() const { return rows_; }
  const std::shared_ptr<const Graph>& graph() const { return graph_; }
  const Selection& selection() const { return selection_; }
  const GraphInputs& inputs() const { return inputs_; }
  const Frame& frame() const { return frame_; }
  RunContext& context() const { return *context_; }
  /// Whether a node or a value can only be opened with Python: its lock is needed then.
  bool foreign() const { return foreign_; }
  /// Whether rows are looked up in a cache: many at once are quicker.
  bool looks_up() const { return frame_.cache != nullptr; }
  /// Whether anybody hears of what happens in it, or in a pipeline inside it.
  bool listened() const { return listened_; }
  /// Whether some node wants all rows in one call: each part is one.
  bool whole_batch() const { return graph_->has_whole_batch(); }
  /// The names of the nodes, for people.
  std::string label() const;

  /// Runs the nodes on these rows, unless an earlier row has failed. Never throws.
  void run_rows(std::int64_t first, std::int64_t count) noexcept;
  /// Takes the selection's outputs of rows that were run elsewhere.
  void add(std::int64_t first, std::int64_t count, std::vector<Column> outputs);
  /// Row `row` failed; the lowest row's failure counts. No row after it begins any more.
  void fail(Failure failure, std::int64_t row);
  /// No row begins any more; those that run now are finished, or a few more.
  void stop();
  /// Returns when no thread runs rows of this job.
  void wait();

  /// Whether every row has been run, or given up after a failure.
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
  struct Block {
    bool ran;                ///< Whether any node ran.
    std::int64_t most_rows;  ///< That the next may have.
  };
  Block run_block(std::int64_t first, std::int64_t count);
  void keep(Piece piece);

  const std::shared_ptr<const Graph> graph_;
  const Selection selection_;
  GraphInputs inputs_;
  const std::shared_ptr<RunContext> context_;
  const Enter enter_;
  const std::int64_t rows_;
  const std::int64_t first_row_;
  const Frame frame_;
  const bool engaged_;  ///< Whoever waits for the job is, so its threads must be, too.
  const bool listened_;
  const Order order_;
  bool foreign_ = false;
  std::vector<int> shared_;  ///< The mapped slots whose rows may have objects in common.

  std::mutex mutex_;
  std::condition_variable idle_;
  int running_ = 0;  ///< Threads in run_rows.
  std::vector<Piece> pieces_;
  std::optional<Failure> failure_;
  std::int64_t failed_row_ = 0;
  std::atomic<std::int64_t> limit_;  ///< Rows from here on need not run.
  std::atomic<std::int64_t> rows_seen_{0};
};

/// Has all rows of a job run, and returns when they are: an engine's part. Not called without rows.
/// What it throws breaks the run off.
using Spread = std::function<void(const std::shared_ptr<RowJob>& job)>;

/// Maps a graph over `inputs`; as map_batches.
std::optional<Failure> map_rows(const std::shared_ptr<const Graph>& graph,
                                const Selection& selection, GraphInputs inputs,
                                std::shared_ptr<RunContext> context, const Spread& spread,
                                std::vector<Pieces>* outputs, Enter enter = {});

/// Runs a graph on one item; as run_batch_of_one.
std::optional<Failure> run_one(const std::shared_ptr<const Graph>& graph,
                               const Selection& selection, GraphInputs inputs,
                               std::shared_ptr<RunContext> context, const Spread& spread,
                               std::vector<Value>* outputs, Enter enter = {});

/// Executes the batches of nested pipelines that have such an engine of their own.
class RowExecutor final : public BatchExecutor {
 public:
  /// `enter` is asked, where a batch begins, for what its job calls in the engine's threads.
  explicit RowExecutor(Spread spread, std::function<Enter()> enter = {})
      : spread_(std::move(spread)), enter_(std::move(enter)) {}
  std::optional<Failure> execute(Batch& batch, const Frame& frame,
                                 RunContext& context) const override;

 private:
  Spread spread_;
  std::function<Enter()> enter_;
};

}  // namespace hypernodes
