// SPDX-License-Identifier: MIT
#include "daft/job.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

#include "daft/native_function.hpp"
#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes::daft {
namespace {

thread_local int queries_around = 0;

/// How many threads are inside a query.
struct Inside {
  std::mutex mutex;
  std::condition_variable changed;
  int threads = 0;
};

Inside& inside() {
  static auto* const instance = new Inside;  // Daft's threads may outlive static destructors
  return *instance;
}

/// As many rows as Daft puts into a batch.
constexpr std::int64_t kBatch = 131'072;
/// A batch is run in blocks that grow while they are quick: between blocks it can be stopped, and
/// large ones make the most of a cache.
constexpr std::chrono::milliseconds kQuick{10};
constexpr std::int64_t kGrowth = 4;

bool is_foreign(const Graph& graph, const std::vector<int>& steps) {
  return std::any_of(steps.begin(), steps.end(), [&](int index) {
    const Node::Definition& node = graph.steps()[static_cast<std::size_t>(index)].node.definition();
    if (node.nested != nullptr)
      return is_foreign(*node.nested->graph, node.nested->selection.steps);
    return node.foreign;
  });
}

/// Whether values of this type may hold an object of another runtime.
bool holds_objects(const Type& type) {
  return type.kind() == Kind::kObject ||
         std::any_of(type.fields().begin(), type.fields().end(),
                     [](const Field& field) { return holds_objects(field.type); });
}

}  // namespace

InsideQuery::InsideQuery() {
  if (queries_around++ > 0) return;
  const std::scoped_lock lock(inside().mutex);
  ++inside().threads;
}

InsideQuery::~InsideQuery() {
  if (--queries_around > 0) return;
  const std::scoped_lock lock(inside().mutex);
  if (--inside().threads == 0) inside().changed.notify_all();
}

bool InsideQuery::now() { return queries_around > 0; }

bool InsideQuery::wait_for_all(std::chrono::milliseconds limit) {
  std::unique_lock lock(inside().mutex);
  return inside().changed.wait_for(lock, limit, [] { return inside().threads == 0; });
}

Job::Job(std::shared_ptr<const Graph> graph, Selection selection, GraphInputs inputs,
         std::shared_ptr<RunContext> context, Frame frame, Enter enter)
    : graph_(std::move(graph)),
      selection_(std::move(selection)),
      inputs_(std::move(inputs)),
      context_(std::move(context)),
      enter_(std::move(enter)),
      rows_(inputs_.plan.rows),
      frame_(std::move(frame)),
      limit_(rows_) {
  foreign_ = is_foreign(*graph_, selection_.steps);
  for (const auto& input : inputs_.constants) foreign_ |= holds_objects(input.second.type());
  for (const auto& input : inputs_.mapped) foreign_ |= holds_objects(input.second.type());
}

std::string Job::label() const {
  constexpr std::size_t kLongest = 120;
  std::string text;
  for (const int index : selection_.steps) {
    const std::string& name = graph_->steps()[static_cast<std::size_t>(index)].node.name();
    if (text.size() + name.size() > kLongest) return text + ", ...";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

void Job::wait() {
  const detail::Suspended others_may_run;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0; });
}

void Job::run_rows(std::int64_t first, std::int64_t count) noexcept {
  const InsideQuery inside_query;
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

void Job::run_blocks(std::int64_t first, std::int64_t count) {
  const std::int64_t end = first + count;
  std::int64_t size = graph_->has_whole_batch() ? count : foreign_ ? 1 : 1024;
  while (first < end && first < limit_.load()) {
    const std::int64_t rows = std::min(size, end - first);
    const auto start = Clock::now();
    run_block(first, rows);
    if (Clock::now() - start < kQuick) size *= kGrowth;
    first += rows;
  }
}

void Job::run_block(std::int64_t first, std::int64_t count) {
  const std::shared_ptr<void> entered = enter_ ? enter_() : nullptr;
  Batch batch(*graph_, selection_, count);
  batch.first_row = first;
  set_inputs(batch, inputs_);
  const Order order = frame_.map ? Order::kNodes : Order::kRows;
  std::optional<Failure> failure = execute_batch(batch, frame_, *context_, order);
  Piece piece{first, {}};
  for (const int slot : selection_.outputs) {
    if (failure) break;
    piece.outputs.push_back(read_output(batch, slot, frame_, *context_, &failure));
  }
  if (failure) {
    const std::int64_t row = frame_.map ? failure->row : 0;
    fail(*std::move(failure), row);
    return;
  }
  const std::scoped_lock lock(mutex_);
  pieces_.push_back(std::move(piece));
}

void Job::fail(Failure failure, std::int64_t row) {
  const std::scoped_lock lock(mutex_);
  if (failure_ && failed_row_ <= row) return;
  failure_ = std::move(failure);
  failed_row_ = row;
  limit_ = std::max<std::int64_t>(row, 0);
}

std::vector<Pieces> Job::outputs() {
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

/// Has Daft walk over the job's rows.
void send(const std::shared_ptr<Job>& job, const Launch& launch) {
  if (InsideQuery::now()) {
    // A pipeline inside a node that Daft evaluates: Daft's threads are few, and one that waits for
    // a query of its own may wait for ever. Its rows are inside a query already.
    for (std::int64_t row = 0; row < job->rows(); row += kBatch) {
      job->run_rows(row, std::min(kBatch, job->rows() - row));
    }
    return;
  }
  if (job->rows() == 0) return;
  launch(OpenJob(job));
  if (!job->complete()) throw Error("Daft ended a query before all rows went through it");
}

}  // namespace

std::optional<Failure> map_rows(const std::shared_ptr<const Graph>& graph,
                                const Selection& selection, GraphInputs inputs,
                                std::shared_ptr<RunContext> context, const Launch& launch,
                                std::vector<Pieces>* outputs, Enter enter) {
  const auto job = std::make_shared<Job>(graph, selection, std::move(inputs), context,
                                         make_frame(*graph, selection, *context, /*map=*/true),
                                         std::move(enter));
  const auto start = Clock::now();
  tell_map(job->frame(), *context, job->rows(), -1);
  send(job, launch);
  if (!job->failure()) {
    tell_map(job->frame(), *context, job->rows(), seconds_since(start));
    *outputs = job->outputs();
  }
  if (context->cache() != nullptr) context->cache()->flush();
  return job->failure();
}

std::optional<Failure> run_one(const std::shared_ptr<const Graph>& graph,
                               const Selection& selection, GraphInputs inputs,
                               std::shared_ptr<RunContext> context, const Launch& launch,
                               std::vector<Value>* outputs, Enter enter) {
  inputs.plan.rows = 1;
  const auto job = std::make_shared<Job>(graph, selection, std::move(inputs), context,
                                         make_frame(*graph, selection, *context, /*map=*/false),
                                         std::move(enter));
  send(job, launch);
  if (!job->failure()) {
    for (const Pieces& output : job->outputs()) outputs->push_back(output.front()[0]);
  }
  return job->failure();
}

std::optional<Failure> DaftExecutor::execute(Batch& batch, const Frame& frame,
                                             RunContext& context) const {
  GraphInputs inputs;
  inputs.plan.rows = batch.rows;
  for (int slot = 0; slot < batch.graph.root_count(); ++slot) {
    Lane& lane = batch.lanes[static_cast<std::size_t>(slot)];
    if (lane.is_constant()) {
      inputs.constants.emplace_back(slot, lane.constant());
    } else if (lane.is_column()) {
      inputs.mapped.emplace_back(slot, *lane.gather(nullptr, batch.rows, lane.type(), nullptr));
    }
  }
  // The caller waits for the job, so it need not own the context.
  const std::shared_ptr<RunContext> borrowed(std::shared_ptr<void>(), &context);
  const auto job =
      std::make_shared<Job>(batch.graph.shared_from_this(), batch.selection, std::move(inputs),
                            borrowed, frame, enter_ ? enter_() : Enter());
  try {
    send(job, launch_);
  } catch (...) {  // broken off: what still runs uses the caller's context
    job->stop();
    job->wait();
    throw;
  }
  if (job->failure()) return job->failure();
  const std::vector<Pieces> outputs = job->outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int slot = batch.selection.outputs[i];
    batch.lanes[static_cast<std::size_t>(slot)].set_column(
        outputs[i].empty() ? Column::of(batch.graph.slot_type(slot), {})
                           : Column::concat(outputs[i]));
  }
  return std::nullopt;
}

}  // namespace hypernodes::daft
