// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernel/execute.hpp"
#include "kernel/key_table.hpp"
#include "kernel/node_record.hpp"
#include "kernel/write_behind.hpp"

namespace hypernodes {

using Clock = std::chrono::steady_clock;

inline std::int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The records that one thread of a run is about to store, for each cache it meets.
class Session {
 public:
  WriteBehind& writes(Cache& cache);
  void commit();

 private:
  std::deque<WriteBehind> writes_;
};

/// execute_batch at work on one batch.
class Execution {
 public:
  Execution(Batch& batch, const Frame& frame, RunContext& context, Session& session, Order order);

  std::optional<Failure> run();
  /// All rows of a slot; computes again what does not decode.
  Column read(int slot, const Type& type, std::int64_t rows, std::optional<Failure>* failure);

 private:
  using Rows = std::vector<std::int64_t>;

  /// One node and what is known of its rows.
  struct StepState {
    const Graph::Step* step = nullptr;
    std::optional<KeyMaker> keys_of;      ///< Only if its results are cached.
    detail::RecycledVector<Digest> keys;  ///< By row; kUnknown if the row cannot be cached.
    std::vector<bool> looked_up;
    KeyTable computed;  ///< Key to the row that has, or will have, its result.
    std::int64_t ran = 0, cached = 0, nanoseconds = 0;

    const Node& node() const { return step->node; }
    std::size_t outputs() const { return step->node.outputs().size(); }
  };

  void start_lanes();
  std::optional<Failure> run_rows();
  std::optional<Failure> run_nodes();
  void finish_counts();

  // Keys and look-ups.
  /// Adds what is bound inside a nested pipeline, at any depth. False if it cannot be digested.
  bool add_bound(const NestedPipeline& nested, KeyMaker& key);
  bool make_key(StepState& state, std::int64_t row);
  void look_up(StepState& state, const Rows& rows);
  void take_hit(StepState& state, std::size_t output, std::int64_t row, const EncodedOutput& found);
  bool take_computed(StepState& state, std::int64_t row);

  // One row.
  std::optional<Failure> run_one(StepState& state, std::int64_t row);
  /// Whether neither cache nor an equal row has a node's result; looks.
  bool needs_run(StepState& state, std::int64_t row);
  /// Runs step `first`, whose calls wait, together with all later ones that could run now; notes
  /// them in `ran`.
  std::optional<Failure> run_waiting(std::size_t first, std::int64_t row, std::vector<bool>* ran);
  bool is_ready(const StepState& state, std::int64_t row);
  void finish_one(StepState& state, std::int64_t row, Value* outputs, std::int64_t nanoseconds);
  /// The value of an input for one row; null if nothing supplies it or `*failure` is set.
  const Value* argument(const StepState& state, std::size_t input, std::int64_t row, Value& scratch,
                        std::optional<Failure>* failure);
  /// Runs the producer of `slot` for a hit whose record, though its checksum was right, does not
  /// decode as the slot's type. A failure lowers `limit_` to `row`.
  std::optional<Failure> compute_again(int slot, std::int64_t row);
  void keep(StepState& state, std::int64_t row, Value* outputs, std::int64_t nanoseconds);

  // Many rows of one node.
  std::optional<Failure> run_many(StepState& state, const Rows& rows, bool all_rows);
  /// After `failure` of an argument in row `limit_`: runs what is left of the rows before it.
  std::optional<Failure> run_before_limit(StepState& state, const Rows& rows, Failure failure);
  /// A node that wants whole batches gets one row of what is constant.
  std::vector<Column> arguments(StepState& state, const Rows* rows, std::int64_t count,
                                std::optional<Failure>* failure);
  BatchResult call(const StepState& state, const std::vector<Column>& columns, std::int64_t count);
  /// Whether an input has one value for all rows. REQUIRES: find_varying.
  bool is_constant(const StepState& state, std::size_t input) const;
  /// Whether a node gets its rows in one call: it wants to, and some input varies.
  bool takes_whole_batch(const StepState& state) const;
  void find_varying();
  void keep(StepState& state, const Rows& rows, const BatchResult& result,
            std::int64_t nanoseconds);
  void store(StepState& state, std::int64_t row, std::span<EncodedOutput> outputs,
             std::int64_t nanoseconds);

  // Pipelines as nodes.
  BatchResult run_nested(StepState& state, const Rows& rows, std::optional<Failure>* failure);
  BatchResult run_nested_plain(StepState& state, const Rows& rows, std::optional<Failure>* failure);
  BatchResult run_nested_map(StepState& state, const Rows& rows, std::optional<Failure>* failure);
  /// Runs the inner rows; `counts` says how many belong to each outer row, null means one each.
  /// `row` is the first outer row.
  BatchResult run_inner(StepState& state, std::int64_t row, Batch& inner,
                        std::optional<Failure>* failure, const std::vector<std::int64_t>* counts);
  /// The outputs of this inner pipeline: its first `rows` rows, in one list for each of `counts` if
  /// it is mapped.
  std::vector<Column> read_inner(const NestedPipeline& nested, std::int64_t rows,
                                 std::span<const std::int64_t> counts,
                                 std::optional<Failure>* failure);
  Frame nested_frame(const StepState& state, std::int64_t row) const;

  // Events and errors.
  bool tells() const { return frame_.callbacks != nullptr && !frame_.callbacks->empty(); }
  void tell(EventKind kind, const StepState* state, std::int64_t row,
            std::span<const Value* const> values = {}, double seconds = 0,
            const Digest* key = nullptr);
  void tell_item_start(std::int64_t row);
  void tell_item_end(std::int64_t row, double seconds);
  void tell_cached(StepState& state, std::int64_t row);
  /// Starts and ends of `rows`, or of all if empty, that a batch call ran.
  void tell_batch(const StepState& state, const Rows& rows, const std::vector<Column>& arguments,
                  const BatchResult& result, std::int64_t nanoseconds);
  void tell_error(const StepState& state, std::int64_t row, std::exception_ptr error);
  Failure fail(const StepState& state, std::int64_t row, std::exception_ptr error);
  std::int64_t event_row(std::int64_t row) const {
    return frame_.map ? batch_.first_row + row : -1;
  }

  Lane& lane(int slot) { return batch_.lanes[static_cast<std::size_t>(slot)]; }
  Lane& output_lane(const StepState& state, std::size_t output) {
    return lane(state.step->first_output + static_cast<int>(output));
  }
  StepState* producer(int slot);

  Batch& batch_;
  const Frame& frame_;
  RunContext& context_;
  Session& session_;
  const Order order_;
  WriteBehind* writes_ = nullptr;  ///< Null: no cache.
  std::vector<StepState> steps_;
  std::vector<bool> varies_;  ///< By slot, for whole batches: mapped, or computed from what is.
  std::int64_t limit_ = 0;    ///< Rows from here on are given up: an earlier one failed.
  std::string scratch_;
  std::string canonical_;
  std::vector<EncodedOutput> encoded_;
};

/// Tells that a map begins or ends (`seconds` >= 0).
void tell_map(const Frame& frame, RunContext& context, std::int64_t rows, double seconds);

}  // namespace hypernodes
