// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/in_flight.hpp"
#include "cache/key_filter.hpp"
#include "cache/key_table.hpp"
#include "hypernodes/explanation.hpp"
#include "kernel/change_clock.hpp"
#include "kernel/execute.hpp"
#include "kernel/held_records.hpp"
#include "kernel/node_record.hpp"
#include "kernel/write_behind.hpp"

namespace hypernodes {

struct Explained;

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
  struct Store {
    explicit Store(std::unique_ptr<WriteBehind> to_be_committed)
        : writes(std::move(to_be_committed)), held(*writes) {}
    std::unique_ptr<WriteBehind> writes;
    HeldRecords held;
  };

  explicit Session(RunContext& context) : context_(context) {}
  Store& store(Cache& cache);
  /// Commits, or has the run's next batch go on with what waits to be committed.
  void end();

 private:
  RunContext& context_;
  std::deque<Store> stores_;
};

/// execute_batch at work on one batch.
class Execution {
 public:
  Execution(Batch& batch, const Frame& frame, RunContext& context, Session& session, Order order);

  std::optional<Failure> run();
  /// Says what run() would do with each row, without running a node; adds it to `explained`.
  void explain(Explained& explained);
  /// All rows of a slot; computes again what does not decode.
  Column read(int slot, const Type& type, std::int64_t rows, std::optional<Failure>* failure);

 private:
  using Rows = std::vector<std::int64_t>;

  /// A value that is the same in all rows, and not an input of the batch.
  struct Fixed {
    std::string name;
    Lane lane;
  };

  /// One node and what is known of its rows.
  struct StepState {
    const Graph::Step* step = nullptr;
    std::optional<KeyMaker> keys_of;      ///< Only if its results are cached.
    std::vector<Fixed> bound;             ///< What is bound inside a nested pipeline.
    std::deque<Fixed> fallbacks;          ///< By input, for those that nothing supplies.
    bool in_turn = false;                 ///< `computed` has what store() was given.
    detail::RecycledVector<Digest> keys;  ///< By row; kUnknown if the row cannot be cached.
    std::vector<bool> looked_up;
    std::uint64_t commits = 0;  ///< WriteBehind::commits_of_others() before the first look-up,
    std::uint64_t commits_again = 0;  ///< and before the last of look_again(): of the rows
    std::int64_t again_begin = 0, again_end = 0;  ///< from here to there.
    /// What the cache had before the first look-up. For rows that are looked up one by one.
    std::optional<KeyFilter> there;
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
  bool add_bound(const NestedPipeline& nested, StepState& state);
  /// Makes `keys_of` with the digests of what is bound.
  void fix_bound(StepState& state);
  /// So many rows ahead the tables of keys are told which will be asked for.
  static constexpr std::size_t kAhead = 8;
  bool make_key(StepState& state, std::int64_t row);
  /// What a key that was made holds besides the code, in its order, and what each is called.
  std::vector<Digest> key_values(StepState& state, std::int64_t row);
  static std::vector<std::string> key_names(const StepState& state);
  /// The lane of an input, or one with its default; unset if it has neither.
  Lane& input_lane(StepState& state, std::size_t input);
  void look_up(StepState& state, const Rows& rows);
  /// Whether some node of this batch makes an input of a node.
  bool inputs_are_computed(StepState& state);
  /// Whether the cache may have a result that was not looked for ahead: it had it when this began,
  /// or somebody has stored it since.
  bool may_be_there(const StepState& state, const Digest& key) const {
    return !state.there || state.there->may_have(key) || state.computed.find(key) >= 0 ||
           writes_->commits_of_others() != state.commits;
  }
  /// Looks for a row that was not found again if others have stored results since, and for those
  /// after it. Returns commits_of_others() of before.
  std::uint64_t look_again(StepState& state, std::int64_t row);
  /// `rows` are those of `keys`; empty if these are the keys of all rows.
  void look_in_store(StepState& state, std::span<const std::int64_t> rows,
                     std::span<const Digest> keys);
  /// Makes the outputs of `row` hits of the `record` found under its `key`. False if it is damaged.
  bool take_record(StepState& state, std::int64_t row, const Digest& key, std::string_view record,
                   std::vector<EncodedOutput>& outputs);
  bool take_computed(StepState& state, std::int64_t row);

  // What several threads need at once is computed by one of them (cache/in_flight.hpp).
  /// What is to be done for a row now.
  enum class Turn : std::uint8_t {
    kRun,    ///< Nobody has its result: run it, then give_back().
    kTaken,  ///< Its result is there.
    kLater,  ///< Another thread runs it.
  };
  /// Looks, and claims the row's result if it is not there. With `waits` it is never kLater.
  Turn turn(StepState& state, std::int64_t row, bool waits = true);
  /// For a row that the cache did not have at this count of commits_of_others().
  Turn claim(StepState& state, std::int64_t row, std::uint64_t commits, bool waits);
  /// Leaves in `rows` those to run now, and adds those that other threads run to `later`.
  void claim_rows(StepState& state, Rows& rows, Rows& later);
  /// Takes, or runs, rows that other threads had in work; adds those it ran to `ran`.
  std::optional<Failure> run_later(StepState& state, const Rows& later, Rows& ran);
  /// Ends the claims: what is not stored by now will not be.
  void give_back() {
    if (claims_) claims_->release();
  }

  // Values that nodes of another runtime change in place.
  /// Whether keys that were made ahead may not be those of the inputs any more.
  bool may_be_stale(StepState& state);
  /// Makes the key of a row again and, if it differs, forgets what was found under it and looks up.
  void look_up_again(StepState& state, std::int64_t row);
  /// Forgets what look-ups ahead found for a row of a node, and of those that read it.
  void forget(StepState& state, std::int64_t row);
  /// Whether calls of a node with these arguments may change them, for a cache to see.
  bool changes(const StepState& state, std::span<const Value* const> arguments) const;
  /// Whether the rows of a node run one by one, each looked at right before: its calls may change
  /// inputs, and so keys, or take long and need the results of other rows.
  bool runs_in_turn(const StepState& state) const;
  /// Whether somebody may change an input of a node in place.
  bool inputs_may_change(StepState& state);
  /// Runs what is missing of all rows, one by one, and notes which in `ran`.
  std::optional<Failure> run_in_turn(StepState& state, Rows* ran);
  /// What may be done with the records of calls for `rows` that began at `before`; `alone` if no
  /// other call can have changed an input since. `doubts_rows` asks to look at the inputs of each
  /// row, whether shared with others or not.
  void judge(StepState& state, std::span<const std::int64_t> rows, std::uint64_t before, bool alone,
             bool doubts_rows = false);
  void judge(StepState& state, Lane& constant, const std::string& name, std::uint64_t before,
             bool alone);
  /// Whether a value of a row is not what the row's key was made of.
  bool has_changed(StepState& state, std::int64_t row);

  /// Whether a call that began at `before` and failed has left other inputs than its key is made
  /// of.
  bool left_changed(StepState& state, std::int64_t row, std::uint64_t before);

  // Rows that fail where failures are collected: they are given up, all others go on.
  /// Notes a failure of a node in `row`, whose outputs there will not be. False if it must stop the
  /// batch.
  bool collect(StepState& state, std::int64_t row, Failure& failure);
  void give_up(StepState& state, std::int64_t row);
  bool lacks_input(const StepState& state, std::int64_t row) const;
  /// Gives up the rows of a node that lack an input, and takes them out of `rows`.
  void drop_lacking(StepState& state, Rows& rows);
  /// As run_many; where failures are collected, runs what is left after each.
  std::optional<Failure> run_all(StepState& state, const Rows& rows, bool all_rows);
  /// After the failure of run_many for some of `rows`.
  std::optional<Failure> run_left(StepState& state, Rows rows, Failure failure);
  /// Runs rows of a node whose calls wait, many at once.
  std::optional<Failure> run_rows_waiting(StepState& state, const Rows& rows);

  // One row.
  std::optional<Failure> run_one(StepState& state, std::int64_t row);
  /// Runs step `first`, whose calls wait, together with all later ones that could run now.
  std::optional<Failure> run_waiting(std::size_t first, std::int64_t row);
  bool is_ready(const StepState& state, std::int64_t row);
  /// A call that waits, and what it is given.
  struct WaitingCall {
    StepState* state;
    std::int64_t row;
    std::vector<Value> scratch;
    std::vector<const Value*> arguments;
    std::vector<Value> outputs;
  };
  /// Adds a call to `group`; a row that cannot be called is given up, or its failure returned.
  std::optional<Failure> add_call(StepState& state, std::int64_t row,
                                  std::vector<WaitingCall>& group);
  std::optional<Failure> run_group(const NodeBody& body, std::vector<WaitingCall>& group);
  void finish_one(StepState& state, std::int64_t row, Value* outputs, std::int64_t nanoseconds);
  /// Tells that an attempt failed, and waits. False if the next one shall not be made.
  bool wait_to_retry(StepState& state, std::int64_t row, std::int64_t attempt, double delay,
                     const std::exception_ptr& error);
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
  /// Calls that fail are made again as the node's retry says; adds the time between to `waited`.
  BatchResult call(const StepState& state, const std::vector<Column>& columns, std::int64_t count,
                   std::int64_t* waited);
  BatchResult call_once(const StepState& state, const std::vector<Column>& columns,
                        std::int64_t count);
  BatchResult call_again(const StepState& state, const std::vector<Column>& columns,
                         std::int64_t count, BatchResult result, std::int64_t* waited);
  /// Whether an input has one value for all rows. REQUIRES: find_varying.
  bool is_constant(const StepState& state, std::size_t input) const;
  /// Whether a node gets its rows in one call: it wants to, and some input varies.
  bool takes_whole_batch(const StepState& state) const;
  void find_varying();
  void keep(StepState& state, const Rows& rows, const BatchResult& result,
            std::int64_t nanoseconds);
  /// Whether a row's result can be stored: its node is cached and its key known, else it warns.
  bool keyed(const StepState& state, std::int64_t row);
  /// Pickles an output, which encode_output() found no encoding for, into `payload`. False if it
  /// cannot be stored; a warning says why.
  bool pickle(StepState& state, std::int64_t row, const Value& value, std::string& payload,
              EncodedOutput* out);
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

  // What explain() needs: notes about nodes that were computed, and the answers.
  /// Remembers the node's code and the inputs that were the same for all rows.
  void take_note(StepState& state);
  void explain_rows(StepState& state, Explained& explained, std::size_t step);
  /// Why none of a node's rows is looked up.
  RowExplanation why_uncached(StepState& state) const;
  /// Why a row has no key. REQUIRES: it has none.
  RowExplanation why_no_key(StepState& state, std::int64_t row, const Explained& explained);
  /// Tells `explain(row, answer)` why the cache does not have these rows.
  void why_missed(StepState& state, Rows rows,
                  const std::function<void(std::int64_t, const RowExplanation&)>& explain);
  /// Asks the nodes inside about the rows that would enter the pipeline.
  void explain_inner(StepState& state, Explained& explained, std::size_t step);

  // Events and errors.
  /// Whether anybody hears of a node; of each row as an item.
  bool tells(const StepState& state) const { return has_any(callbacks_of(state)); }
  bool tells_items() const { return frame_.item_events && has_any(frame_.callbacks); }
  static bool has_any(const Callbacks* callbacks) {
    return callbacks != nullptr && !callbacks->empty();
  }
  /// The opened pipeline that a node is of, or null.
  const OpenedPipeline* opened(const StepState& state) const {
    return frame_.opened.empty() ? nullptr
                                 : frame_.opened[at(state.step - batch_.graph.steps().data())];
  }
  const Scope& scope_of(const StepState& state) const {
    const OpenedPipeline* const pipeline = opened(state);
    return pipeline == nullptr ? frame_.scope : pipeline->scope;
  }
  const Callbacks* callbacks_of(const StepState& state) const {
    const OpenedPipeline* const pipeline = opened(state);
    return pipeline == nullptr ? frame_.callbacks : pipeline->callbacks;
  }
  /// The row as a node's events have it.
  std::int64_t event_row(const StepState& state, std::int64_t row) const {
    return opened(state) == nullptr ? event_row(row) : -1;
  }
  /// An event of a node.
  Event event_of(const StepState& state, EventKind kind, std::int64_t row) const;
  void tell(EventKind kind, const StepState& state, std::int64_t row,
            std::span<const Value* const> values = {}, double seconds = 0,
            const Digest* key = nullptr);
  void tell_item(EventKind kind, std::int64_t row, double seconds = 0, const Digest* key = nullptr);
  void tell_item_start(std::int64_t row);
  void tell_item_end(std::int64_t row, double seconds);
  void tell_cached(StepState& state, std::int64_t row);
  /// Starts and ends of `rows`, or of all if empty, that a batch call ran.
  void tell_batch(const StepState& state, const Rows& rows, const std::vector<Column>& arguments,
                  const BatchResult& result, std::int64_t nanoseconds);
  /// `call` has the batch's row.
  void tell_retry(const StepState& state, const RetriedCall& call);
  void tell_error(const StepState& state, std::int64_t row, std::exception_ptr error);
  Failure fail(const StepState& state, std::int64_t row, std::exception_ptr error,
               std::int64_t attempts);
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
  HeldRecords* held_ = nullptr;
  std::optional<detail::InFlight::Claims> claims_;  ///< Set with a cache.
  /// Of the calls that ended last: their records are stored, wait for a check, or are given up.
  enum class Trust : std::uint8_t { kSure, kHold, kDrop };
  Trust trust_ = Trust::kSure;
  bool doubts_rows_ = false;     ///< A record is given up if an input of its row has changed.
  const std::uint64_t started_;  ///< ChangeClock::now() when this began.
  std::vector<bool> ran_;        ///< kRows, by step: in this row it has run.
  std::vector<StepState> steps_;
  std::vector<bool> varies_;  ///< By slot, for whole batches: mapped, or computed from what is.
  bool any_failed_ = false;   ///< A row was given up.
  std::int64_t limit_ = 0;    ///< Rows from here on are given up: an earlier one failed.
  std::string scratch_;
  std::string canonical_;
  std::string record_;          ///< One from another thread.
  Explained* inner_ = nullptr;  ///< While explain() asks a pipeline's nodes: theirs.
  std::string_view secret_;     ///< By which pickled results are written; empty before the first.
  std::vector<EncodedOutput> encoded_;
};

/// What a warning says of a node whose code has no identity.
inline std::string unidentified(const Node::Definition& definition) {
  return definition.no_identity.empty()
             ? "its code has no identity that survives the process; give it one with version"
             : definition.no_identity;
}

/// What a warning says of an input without a digest.
inline std::string undigested(const char* what, const std::string& name, const std::string& why) {
  return std::string("its ") + what + " '" + name + "' cannot be digested" +
         (why.empty() ? "" : ": " + why);
}

/// Tells that a map begins or ends (`seconds` >= 0).
void tell_map(const Frame& frame, RunContext& context, std::int64_t rows, double seconds);

}  // namespace hypernodes
