// SPDX-License-Identifier: MIT
#include "daft/job.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daft/native_function.hpp"
#include "hypernodes/error.hpp"
#include "kernel/execution.hpp"

namespace hypernodes::daft {
namespace {

thread_local int queries_around = 0;

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

InsideQuery::InsideQuery() { ++queries_around; }
InsideQuery::~InsideQuery() { --queries_around; }
bool InsideQuery::now() { return queries_around > 0; }

Job::Job(std::shared_ptr<const Graph> graph, Selection selection, GraphInputs inputs,
         std::shared_ptr<RunContext> context, bool map, Enter enter)
    : graph_(std::move(graph)),
      selection_(std::move(selection)),
      inputs_(std::move(inputs)),
      context_(std::move(context)),
      enter_(std::move(enter)),
      rows_(map ? inputs_.plan.rows : 1),
      frame_(make_frame(*graph_, selection_, *context_, map)),
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

void Job::run_rows(std::int64_t first, std::int64_t count) noexcept {
  const InsideQuery inside;
  if (first < limit_.load()) {
    try {
      run_batch(first, count);
    } catch (...) {  // of a callback, or no memory: nothing more shall run
      fail({std::current_exception(), {}, first}, -1);
    }
  }
  rows_seen_ += count;
}

void Job::set_inputs(Batch& batch) const {
  for (const auto& [slot, value] : inputs_.constants) batch.set_input(slot, value);
  for (std::size_t i = 0; i < inputs_.mapped.size(); ++i) {
    const auto& [slot, items] = inputs_.mapped[i];
    if (slot < 0 || slot >= graph_->root_count()) continue;  // counts rows only
    if (inputs_.plan.identity) {
      batch.set_input(slot, items.slice(batch.first_row, batch.rows));
      continue;
    }
    std::vector<std::int64_t> rows(static_cast<std::size_t>(batch.rows));
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      rows[static_cast<std::size_t>(row)] = inputs_.plan.inputs[i].item(batch.first_row + row);
    }
    batch.set_input(slot, items.take(rows));
  }
}

void Job::run_batch(std::int64_t first, std::int64_t count) {
  const std::shared_ptr<void> entered = enter_ ? enter_() : nullptr;
  Batch batch(*graph_, selection_, count);
  batch.first_row = first;
  set_inputs(batch);
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

std::vector<Column> Job::outputs() {
  std::sort(pieces_.begin(), pieces_.end(),
            [](const Piece& a, const Piece& b) { return a.first < b.first; });
  std::vector<Column> columns;
  for (std::size_t i = 0; i < selection_.outputs.size(); ++i) {
    std::vector<Column> parts;
    for (Piece& piece : pieces_) parts.push_back(std::move(piece.outputs[i]));
    if (parts.empty()) parts.push_back(Column::of(graph_->slot_type(selection_.outputs[i]), {}));
    columns.push_back(parts.size() == 1 ? std::move(parts.front()) : Column::concat(parts));
  }
  pieces_.clear();
  return columns;
}

namespace {

using Clock = std::chrono::steady_clock;

/// As many rows as Daft puts into a batch.
constexpr std::int64_t kBlock = 131'072;

/// Has Daft walk over the job's rows.
void send(const std::shared_ptr<Job>& job, const Launch& launch) {
  if (InsideQuery::now()) {
    // A pipeline inside a node that Daft evaluates: Daft's threads are few, and one that waits for
    // a query of its own may wait for ever. Its rows are inside a query already.
    for (std::int64_t row = 0; row < job->rows(); row += kBlock) {
      job->run_rows(row, std::min(kBlock, job->rows() - row));
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
                                std::vector<Column>* outputs, Enter enter) {
  const auto job = std::make_shared<Job>(graph, selection, std::move(inputs), context,
                                         /*map=*/true, std::move(enter));
  const auto start = Clock::now();
  tell_map(job->frame(), *context, job->rows(), -1);
  send(job, launch);
  if (!job->failure()) {
    tell_map(job->frame(), *context, job->rows(),
             std::chrono::duration<double>(Clock::now() - start).count());
    *outputs = job->outputs();
  }
  if (context->cache() != nullptr) context->cache()->flush();
  return job->failure();
}

std::optional<Failure> run_one(const std::shared_ptr<const Graph>& graph,
                               const Selection& selection, GraphInputs inputs,
                               std::shared_ptr<RunContext> context, const Launch& launch,
                               std::vector<Value>* outputs, Enter enter) {
  const auto job = std::make_shared<Job>(graph, selection, std::move(inputs), context,
                                         /*map=*/false, std::move(enter));
  send(job, launch);
  if (!job->failure()) {
    for (const Column& column : job->outputs()) outputs->push_back(column[0]);
  }
  if (context->cache() != nullptr) context->cache()->flush();
  return job->failure();
}

}  // namespace hypernodes::daft
