// SPDX-License-Identifier: MIT
#include "engine/row_job.hpp"

#include <algorithm>
#include <chrono>
#include <unordered_set>
#include <utility>

#include "cache/in_flight.hpp"
#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

/// A range is run in blocks that grow while they are quick, or only look up: between blocks it can
/// be stopped, and large ones make the most of a cache.
constexpr std::chrono::milliseconds kQuick{10};
constexpr std::int64_t kGrowth = 4;
/// How many rows the first block has: a slow function is stopped after its row, nodes that wait
/// should wait together.
constexpr std::int64_t kForeignRows = 1;
constexpr std::int64_t kWaitingRows = 256;
constexpr std::int64_t kNativeRows = 1024;

std::int64_t first_block(const Graph& graph, std::int64_t rows, bool foreign) {
  if (graph.has_whole_batch()) return rows;
  if (graph.waits()) return kWaitingRows;
  return foreign ? kForeignRows : kNativeRows;
}

bool is_foreign(const Graph& graph, const std::vector<int>& steps) {
  return std::any_of(steps.begin(), steps.end(), [&](int index) {
    const Node::Definition& node = graph.steps()[at(index)].node.definition();
    if (node.nested != nullptr)
      return is_foreign(*node.nested->graph, node.nested->selection.steps);
    return node.foreign;
  });
}

bool has_cache(const Graph& graph, const std::vector<int>& steps) {
  return std::any_of(steps.begin(), steps.end(), [&](int index) {
    const auto& nested = graph.steps()[at(index)].node.definition().nested;
    return nested != nullptr &&
           (nested->cache != nullptr || has_cache(*nested->graph, nested->selection.steps));
  });
}

/// Whether rows may have an object in common that nodes can change in place.
bool rows_share_objects(const Column& items, bool identity) {
  if (!detail::may_change(items)) return false;
  if (!identity) return true;
  std::unordered_set<const void*> objects;
  for (std::int64_t row = 0; row < items.size(); ++row) {
    const Value item = items[row];
    if (!detail::may_change(item)) continue;
    if (item.kind() != Kind::kObject || !objects.insert(item.as_object()).second) return true;
  }
  return false;
}

/// A map goes fastest node by node, but then a node's events are told after the block; nodes that
/// wait for other than each other do so in one block.
Order order_of(const Graph& graph, bool map, bool listened) {
  if (!map) return Order::kRows;
  return listened && !graph.waits() && !graph.has_whole_batch() ? Order::kRows : Order::kNodes;
}

}  // namespace

RowJob::RowJob(std::shared_ptr<const Graph> graph, Selection selection, GraphInputs inputs,
               std::shared_ptr<RunContext> context, Frame frame, Enter enter,
               std::int64_t first_row)
    : graph_(std::move(graph)),
      selection_(std::move(selection)),
      inputs_(std::move(inputs)),
      context_(std::move(context)),
      enter_(std::move(enter)),
      rows_(inputs_.plan.rows),
      first_row_(first_row),
      frame_(std::move(frame)),
      engaged_(detail::Engaged::now()),
      listened_(has_listeners(*graph_, selection_,
                              frame_.callbacks == nullptr ? Callbacks() : *frame_.callbacks)),
      order_(order_of(*graph_, frame_.map, listened_)),
      limit_(rows_) {
  foreign_ = is_foreign(*graph_, selection_.steps);
  for (const auto& input : inputs_.constants)
    foreign_ |= detail::holds_objects(input.second.type());
  for (const auto& input : inputs_.mapped) foreign_ |= detail::holds_objects(input.second.type());
  if (frame_.cache == nullptr && !has_cache(*graph_, selection_.steps)) return;
  for (const auto& [slot, items] : inputs_.mapped) {
    if (slot >= 0 && rows_share_objects(items, inputs_.plan.identity)) shared_.push_back(slot);
  }
}

std::string RowJob::label() const {
  constexpr std::size_t kLongest = 120;
  std::string text;
  for (const int index : selection_.steps) {
    const std::string& name = graph_->steps()[at(index)].node.name();
    if (text.size() + name.size() > kLongest) return text + ", ...";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

void RowJob::wait() {
  const detail::Suspended others_may_run;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0; });
}

void RowJob::run_rows(std::int64_t first, std::int64_t count) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    ++running_;
  }
  try {
    run_blocks(first, count);
  } catch (...) {  // of a callback, or no memory: nothing more shall run
    fail({std::current_exception(), {}, first}, -1);
  }
  rows_seen_ += count;
  const std::scoped_lock lock(mutex_);
  if (--running_ == 0) idle_.notify_all();
}

void RowJob::run_blocks(std::int64_t first, std::int64_t count) {
  const std::int64_t end = first + count;
  std::int64_t size = first_block(*graph_, count, foreign_);
  while (first < end && first < limit_.load()) {
    const std::int64_t rows = std::min(size, end - first);
    const auto start = Clock::now();
    const Block block = run_block(first, rows);
    if (!block.ran || Clock::now() - start < kQuick) size *= kGrowth;
    size = std::min(size, block.most_rows);
    first += rows;
  }
}

RowJob::Block RowJob::run_block(std::int64_t first, std::int64_t count) {
  const std::shared_ptr<void> entered = enter_ ? enter_() : nullptr;
  std::optional<detail::Engaged> engaged;
  if (engaged_) engaged.emplace();
  Batch batch(*graph_, selection_, count);
  batch.first_row = first;
  set_inputs(batch, inputs_);
  for (const int slot : shared_) batch.lanes[at(slot)].share();
  batch.first_row += first_row_;  // as events and failures count
  std::optional<Failure> failure = execute_batch(batch, frame_, *context_, order_);
  Piece piece{first, {}};
  for (const int slot : selection_.outputs) {
    if (failure) break;
    piece.outputs.push_back(read_output(batch, slot, frame_, *context_, &failure));
  }
  if (failure) {
    const std::int64_t row = frame_.map ? failure->row - first_row_ : 0;
    fail(*std::move(failure), row);
  } else {
    keep(std::move(piece));
  }
  return {.ran = batch.ran, .most_rows = most_rows(batch)};
}

void RowJob::add(std::int64_t first, std::int64_t count, std::vector<Column> outputs) {
  keep({first, std::move(outputs)});
  rows_seen_ += count;
}

void RowJob::keep(Piece piece) {
  const std::scoped_lock lock(mutex_);
  pieces_.push_back(std::move(piece));
}

void RowJob::fail(Failure failure, std::int64_t row) {
  const std::scoped_lock lock(mutex_);
  if (failure_ && failed_row_ <= row) return;
  failure_ = std::move(failure);
  failed_row_ = row;
  limit_ = std::min(limit_.load(), std::max<std::int64_t>(row, 0));
}

void RowJob::stop() {
  const std::scoped_lock lock(mutex_);
  limit_ = 0;
  context_->stop();
}

std::vector<Pieces> RowJob::outputs() {
  std::sort(pieces_.begin(), pieces_.end(),
            [](const Piece& a, const Piece& b) { return a.first < b.first; });
  std::vector<Pieces> outputs(selection_.outputs.size());
  for (Piece& piece : pieces_) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].push_back(std::move(piece.outputs[i]));
    }
  }
  pieces_.clear();
  return outputs;
}

namespace {

void run_job(const std::shared_ptr<RowJob>& job, const Spread& spread) {
  if (job->rows() == 0) return;
  try {
    spread(job);
  } catch (...) {
    job->stop();
    throw;
  }
  if (!job->complete() && !job->failure()) {
    throw Error("The engine ended before all rows were run");
  }
}

}  // namespace

std::optional<Failure> map_rows(const std::shared_ptr<const Graph>& graph,
                                const Selection& selection, GraphInputs inputs,
                                std::shared_ptr<RunContext> context, const Spread& spread,
                                std::vector<Pieces>* outputs, Enter enter) {
  const auto job = std::make_shared<RowJob>(graph, selection, std::move(inputs), context,
                                            make_frame(*graph, selection, *context, /*map=*/true),
                                            std::move(enter));
  const auto start = Clock::now();
  context->gather_writes();
  tell_map(job->frame(), *context, job->rows(), -1);
  run_job(job, spread);
  if (!job->failure()) {
    tell_map(job->frame(), *context, job->rows(), seconds_since(start));
    *outputs = job->outputs();
  }
  context->flush();
  return job->failure();
}

std::optional<Failure> run_one(const std::shared_ptr<const Graph>& graph,
                               const Selection& selection, GraphInputs inputs,
                               std::shared_ptr<RunContext> context, const Spread& spread,
                               std::vector<Value>* outputs, Enter enter) {
  inputs.plan.rows = 1;
  const auto job = std::make_shared<RowJob>(graph, selection, std::move(inputs), context,
                                            make_frame(*graph, selection, *context, /*map=*/false),
                                            std::move(enter));
  run_job(job, spread);
  if (!job->failure()) {
    for (const Pieces& output : job->outputs()) outputs->push_back(output.front()[0]);
  }
  return job->failure();
}

std::optional<Failure> RowExecutor::execute(Batch& batch, const Frame& frame,
                                            RunContext& context) const {
  GraphInputs inputs;
  inputs.plan.rows = batch.rows;
  for (int slot = 0; slot < batch.graph.root_count(); ++slot) {
    Lane& lane = batch.lanes[at(slot)];
    if (lane.is_constant()) {
      inputs.constants.emplace_back(slot, lane.constant());
    } else if (lane.is_column()) {
      inputs.mapped.emplace_back(slot, *lane.gather(nullptr, batch.rows, lane.type(), nullptr));
    }
  }
  // Several rows of a run have no listeners: counted like a map's, so that a failure has its row.
  Frame rows_frame = frame;
  rows_frame.map = frame.map || batch.rows > 1;
  // The caller waits for the job, so it need not own the context.
  const std::shared_ptr<RunContext> borrowed(std::shared_ptr<void>(), &context);
  const auto job =
      std::make_shared<RowJob>(batch.graph.shared_from_this(), batch.selection, std::move(inputs),
                               borrowed, std::move(rows_frame), enter_ ? enter_() : Enter());
  try {
    run_job(job, spread_);
  } catch (...) {  // broken off: what still runs uses the caller's context
    job->wait();
    throw;
  }
  if (job->failure()) return job->failure();
  const std::vector<Pieces> outputs = job->outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int slot = batch.selection.outputs[i];
    batch.lanes[at(slot)].set_column(outputs[i].empty()
                                         ? Column::of(batch.graph.slot_type(slot), {})
                                         : Column::concat(outputs[i]));
  }
  return std::nullopt;
}

}  // namespace hypernodes
