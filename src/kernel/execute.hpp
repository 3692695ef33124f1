// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "hypernodes/column.hpp"
#include "hypernodes/event.hpp"
#include "kernel/arena.hpp"
#include "kernel/context.hpp"
#include "kernel/lane.hpp"

namespace hypernodes {

/// In which order a batch's work is done.
enum class Order : std::uint8_t {
  kRows,   ///< A row is finished before the next begins; look-ups run ahead.
  kNodes,  ///< A node is finished for all rows before the next begins.
};

/// What stopped a batch. The rows before `row` are done, and stored if a cache is there.
struct Failure {
  std::exception_ptr error;
  std::string node;                      ///< The innermost node.
  std::int64_t row = -1;                 ///< In the outermost map; -1 in a run.
  std::vector<std::string> around = {};  ///< The nodes that hold its pipeline, the outermost first.
  bool collected = false;                ///< The context has it: only its row is given up.
  std::int64_t attempts = 1;             ///< How many calls were made.
};

/// A pipeline whose nodes are run as nodes of the pipeline around it, and told of as its own. Its
/// rows have no numbers in events.
struct OpenedPipeline {
  Scope scope;                             ///< Inside the frame's, or another one's.
  const Callbacks* callbacks = nullptr;    ///< Null or empty: no events.
  const Node* node = nullptr;              ///< That it is in the pipeline around it.
  const OpenedPipeline* around = nullptr;  ///< Null: the frame.
};

/// Which pipeline a batch belongs to, and how its events are told.
struct Frame {
  Scope scope;
  Cache* cache = nullptr;                ///< Null: nothing is cached.
  const Callbacks* callbacks = nullptr;  ///< Null or empty: no events.
  bool map = false;                      ///< Rows are items of a map, else the one row of a run.
  bool item_events = true;               ///< Tell pipeline and item events of each row, too.
  bool collects = false;  ///< A failing row is given up and noted in the context; others go on.
  /// For each step of the graph, what its node is told of in; null: this frame. Empty: all are.
  std::span<const OpenedPipeline* const> opened = {};
};

/// The outermost frame of a run or map of `graph`.
Frame make_frame(const Graph& graph, const Selection& selection, const RunContext& context,
                 bool map);

/// Rows of a pipeline: inputs go in, execute_batch runs the nodes, outputs come out.
struct Batch {
  Batch(const Graph& of_graph, const Selection& of_selection, std::int64_t row_count);

  /// Gives an input the same value for every row. Any slot that the selection does not compute can
  /// be one; a root input without a value takes its nodes' defaults.
  void set_input(int slot, Value value) {
    lanes[static_cast<std::size_t>(slot)].set_constant(std::move(value));
  }
  /// Gives an input one value for each row.
  void set_input(int slot, Column column) {
    lanes[static_cast<std::size_t>(slot)].set_column(std::move(column));
  }

  const Graph& graph;
  const Selection& selection;
  std::int64_t rows;
  std::int64_t first_row = 0;    ///< Number of row 0 in the map.
  std::vector<Lane> lanes;       ///< By slot.
  Arena payloads;                ///< What hits in the lanes point to.
  std::int64_t value_bytes = 0;  ///< Of encoded results in the lanes, so far as is known.
  bool ran = false;              ///< Whether any node ran: not all was found.
};

/// Runs what `batch.selection` needs: digests rows, looks them up, runs the misses, stores them,
/// tells the events. The only place that runs a node, so every engine gives the same answers, keys,
/// records, errors and events. Values of hits are decoded when somebody reads them.
///
/// Errors:  a failing node is returned; what was finished is stored first. An exception of a
///          callback is thrown.
/// Threads: distinct batches of one context may be executed at once.
std::optional<Failure> execute_batch(Batch& batch, const Frame& frame, RunContext& context,
                                     Order order);

/// How an engine executes the batch of a nested pipeline that asks for that engine.
/// Threads: const functions may be called at once.
class BatchExecutor {
 public:
  virtual ~BatchExecutor() = default;
  /// As execute_batch, but that the selection's output lanes are set to columns, that nothing is
  /// left of the rows before a failure but their records in the cache, and that several rows of a
  /// run fail as those of a map do: with the number of the row.
  virtual std::optional<Failure> execute(Batch& batch, const Frame& frame,
                                         RunContext& context) const = 0;
  /// Whether it runs a map by itself: it gets that of one outer row at a time, and tells its start
  /// and end.
  virtual bool runs_maps() const { return false; }
};

/// All rows of an output, or input, after execute_batch. Cost: decodes the hits.
/// A hit whose record turns out not to fit is computed again: may return a failure. Where failures
/// are collected, what is missing is null and the column's type optional.
Column read_output(Batch& batch, int slot, const Frame& frame, RunContext& context,
                   std::optional<Failure>* failure);

/// The failure of `node` with `error`, which an ExecutionError wraps unless the node is foreign. Of
/// several attempts it says which.
Failure make_failure(const Node& node, std::int64_t row, std::exception_ptr error,
                     std::int64_t attempts = 1);

/// Makes the failure of an inner pipeline's row that of row `row` of the outermost map; its
/// ExecutionError, too.
void move_to_row(Failure& failure, std::int64_t row);

/// Throws `failure` as its own exception.
[[noreturn]] void raise(const Failure& failure);

/// Runs one row without cache and events; the fast way through a pipeline.
/// REQUIRES: graph has no nested pipeline; `slots` holds a value for each slot, roots filled; a
/// root
///           whose `given` is false has a default in every node that reads it.
/// Returns a failure of row `row`.
std::optional<Failure> run_row(const Graph& graph, const Selection& selection, Value* slots,
                               const bool* given, std::int64_t row);

}  // namespace hypernodes
