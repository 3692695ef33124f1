// SPDX-License-Identifier: MIT
#include "engine/row_job.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {
namespace {

std::atomic<int> calls = 0;

std::int64_t twice(std::int64_t x) {
  ++calls;
  return x * 2;
}
std::int64_t add(std::int64_t doubled, std::int64_t offset) { return doubled + offset; }
std::int64_t fail_at_multiples_of_100(std::int64_t x) {
  ++calls;
  if (x > 0 && x % 100 == 0) throw std::runtime_error("a hundred");
  return x;
}

std::shared_ptr<const Graph> chain() {
  return Graph::build({node<twice>("doubled", {"x"}), node<add>("sum", {"doubled", "offset"})},
                      "chain");
}

std::shared_ptr<RunContext> context(Callbacks callbacks = {}) {
  return std::make_shared<RunContext>(nullptr, std::move(callbacks));
}

Column ints(const std::vector<std::int64_t>& numbers) {
  std::vector<Value> values(numbers.begin(), numbers.end());
  return Column::of(Kind::kInt64, values);
}

/// map_rows with the batches of each output joined.
std::optional<Failure> map_joined(const std::shared_ptr<const Graph>& graph,
                                  const Selection& selection, GraphInputs inputs,
                                  std::shared_ptr<RunContext> run, const Spread& launch,
                                  std::vector<Column>* outputs, Enter enter = {}) {
  std::vector<Pieces> pieces;
  auto failure = map_rows(graph, selection, std::move(inputs), std::move(run), launch, &pieces,
                          std::move(enter));
  outputs->clear();
  for (const Pieces& output : pieces) {
    outputs->push_back(output.empty() ? Column::nulls(Kind::kInt64, 0) : Column::concat(output));
  }
  return failure;
}

std::unique_ptr<RowJob> make_job(const std::shared_ptr<const Graph>& graph, GraphInputs inputs) {
  const auto run = context();
  return std::make_unique<RowJob>(graph, graph->all(), std::move(inputs), run,
                                  make_frame(*graph, graph->all(), *run, /*map=*/true));
}

std::vector<std::int64_t> range(std::int64_t count) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
  return numbers;
}

/// Inputs of a map over `x`.
GraphInputs over_x(const Graph& graph, std::int64_t rows) {
  GraphInputs inputs;
  inputs.mapped.emplace_back(graph.slot("x"), ints(range(rows)));
  if (graph.slot("offset") >= 0) inputs.constants.emplace_back(graph.slot("offset"), Value(10));
  inputs.plan = plan_map({"x"}, {rows}, MapMode::kZip);
  return inputs;
}

/// Has every row run, in ranges of these sizes, in any order, by several threads.
Spread shuffled(std::int64_t batch, unsigned threads, unsigned seed = 1) {
  return [=](const std::shared_ptr<RowJob>& job) {
    std::vector<std::int64_t> begins;
    for (std::int64_t row = 0; row < job->rows(); row += batch) begins.push_back(row);
    std::shuffle(begins.begin(), begins.end(), std::mt19937(seed));
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (std::size_t at = next++; at < begins.size(); at = next++) {
          const std::int64_t rows = std::min(batch, job->rows() - begins[at]);
          job->run_rows(begins[at], rows);
        }
      });
    }
  };
}

TEST(RowJobTest, RunGivesValues) {
  const auto graph = chain();
  GraphInputs inputs;
  inputs.constants = {{graph->slot("x"), Value(5)}, {graph->slot("offset"), Value(1)}};
  std::vector<Value> outputs;
  const auto failure = run_one(graph, graph->all(), inputs, context(), shuffled(1, 1), &outputs);
  EXPECT_FALSE(failure);
  EXPECT_EQ(outputs, (std::vector{Value(10), Value(11)}));
}

TEST(RowJobTest, RowsComeBackInOrderWhateverTheEngineDoes) {
  const auto graph = chain();
  for (const unsigned threads : {1U, 2U, 4U}) {
    std::vector<Column> outputs;
    const auto failure = map_joined(graph, graph->all(), over_x(*graph, 1000), context(),
                                    shuffled(7, threads, threads), &outputs);
    ASSERT_FALSE(failure);
    ASSERT_EQ(outputs.size(), 2U);
    ASSERT_EQ(outputs[1].size(), 1000);
    for (std::int64_t row = 0; row < 1000; ++row) {
      EXPECT_EQ(outputs[1].int64s()[row], row * 2 + 10);
    }
  }
}

TEST(RowJobTest, ProductCountsThroughItsInputs) {
  const auto graph = chain();
  GraphInputs inputs;
  inputs.mapped = {{graph->slot("offset"), ints({1, 2})}, {graph->slot("x"), ints({10, 20, 30})}};
  inputs.plan = plan_map({"offset", "x"}, {2, 3}, MapMode::kProduct);
  std::vector<Column> outputs;
  const auto failure = map_joined(graph, graph->all(), inputs, context(), shuffled(4, 1), &outputs);
  ASSERT_FALSE(failure);
  EXPECT_EQ(outputs[1], ints({21, 41, 61, 22, 42, 62}));
}

TEST(RowJobTest, EmptyMapAsksTheEngineForNothing) {
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto failure = map_joined(
      graph, graph->all(), over_x(*graph, 0), context(),
      [](const std::shared_ptr<RowJob>&) { FAIL(); }, &outputs);
  EXPECT_FALSE(failure);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].size(), 0);
}

TEST(RowJobTest, OnlyTheSelectionRuns) {
  const auto graph = chain();
  const std::vector<std::string> names{"doubled"};
  std::vector<Column> outputs;
  const auto failure = map_joined(graph, graph->select(names), over_x(*graph, 3), context(),
                                  shuffled(2, 1), &outputs);
  ASSERT_FALSE(failure);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_EQ(outputs[0], ints({0, 2, 4}));
}

TEST(RowJobTest, LowestFailingRowComesOut) {
  const auto graph = Graph::build({node<fail_at_multiples_of_100>("y", {"x"})});
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::vector<Column> outputs;
    const auto failure = map_joined(graph, graph->all(), over_x(*graph, 1000), context(),
                                    shuffled(13, 3, seed), &outputs);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->row, 100);
    EXPECT_EQ(failure->node, "fail_at_multiples_of_100");
    EXPECT_THROW(raise(*failure), ExecutionError);
  }
}

TEST(RowJobTest, RowsAfterAFailureDoNotRun) {
  const auto graph = Graph::build({node<fail_at_multiples_of_100>("y", {"x"})});
  calls = 0;
  const auto in_order = [](const std::shared_ptr<RowJob>& job) {
    for (std::int64_t row = 0; row < job->rows(); row += 50) {
      job->run_rows(row, 50);
    }
  };
  std::vector<Column> outputs;
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 1000), context(), in_order, &outputs);
  EXPECT_TRUE(failure);
  EXPECT_EQ(calls, 101);
}

class Throwing final : public Callback {
 public:
  void on_event(const Event& event) override {
    if (event.kind == EventKind::kNodeStart) throw std::logic_error("enough");
  }
};

TEST(RowJobTest, ExceptionOfACallbackStopsTheMap) {
  const auto graph = chain();
  std::vector<Column> outputs;
  calls = 0;
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 1000), context({std::make_shared<Throwing>()}),
                 shuffled(10, 1), &outputs);
  ASSERT_TRUE(failure);
  EXPECT_THROW(raise(*failure), std::logic_error);
  EXPECT_LE(calls, 10);
}

class Counting final : public Callback {
 public:
  void on_event(const Event& event) override {
    const std::scoped_lock lock(mutex);
    ++counts[event.kind];
    last = event.kind;
  }
  std::mutex mutex;
  std::map<EventKind, int> counts;
  EventKind last{};
};

TEST(RowJobTest, EventsHaveTheCountsOfTheSequentialEngine) {
  const auto graph = chain();
  const auto counting = std::make_shared<Counting>();
  std::vector<Column> outputs;
  map_joined(graph, graph->all(), over_x(*graph, 20), context({counting}), shuffled(3, 2),
             &outputs);
  const std::map<EventKind, int> expected{
      {EventKind::kMapStart, 1},       {EventKind::kMapItemStart, 20}, {EventKind::kMapItemEnd, 20},
      {EventKind::kPipelineStart, 20}, {EventKind::kPipelineEnd, 20},  {EventKind::kNodeStart, 40},
      {EventKind::kNodeEnd, 40},       {EventKind::kMapEnd, 1}};
  EXPECT_EQ(counting->counts, expected);
  EXPECT_EQ(counting->last, EventKind::kMapEnd);
}

TEST(RowJobTest, EngineThatLeavesRowsOutIsAnError) {
  const auto graph = chain();
  std::vector<Column> outputs;
  EXPECT_THROW(map_joined(
                   graph, graph->all(), over_x(*graph, 4), context(),
                   [](const std::shared_ptr<RowJob>& job) { job->run_rows(0, 3); }, &outputs),
               Error);
}

TEST(RowJobTest, EntersEveryBatch) {
  const auto graph = chain();
  std::atomic<int> inside = 0, entered = 0;
  const Enter enter = [&] {
    ++entered;
    ++inside;
    return std::shared_ptr<void>(&inside, [&](void*) { --inside; });
  };
  std::vector<Column> outputs;
  map_joined(graph, graph->all(), over_x(*graph, 10), context(), shuffled(3, 2), &outputs, enter);
  EXPECT_EQ(entered, 4);
  EXPECT_EQ(inside, 0);
}

TEST(RowJobTest, LabelNamesTheNodes) {
  const auto graph = chain();
  EXPECT_EQ(make_job(graph, over_x(*graph, 1))->label(), "twice, add");
}

TEST(RowJobTest, KnowsWhatNeedsPython) {
  const auto graph = chain();
  EXPECT_FALSE(make_job(graph, over_x(*graph, 1))->foreign());
  GraphInputs objects;
  objects.mapped.emplace_back(graph->slot("x"), Column::objects({Value(1)}));
  objects.plan = plan_map({"x"}, {1}, MapMode::kZip);
  EXPECT_TRUE(make_job(graph, objects)->foreign());
}

/// The part [first, first + rows) of a map over 0, 1, 2, ..., as another process runs it.
std::unique_ptr<RowJob> part(const std::shared_ptr<const Graph>& graph, std::int64_t first,
                             std::int64_t rows, Callbacks callbacks = {}) {
  GraphInputs inputs = over_x(*graph, first + rows);
  inputs.mapped[0].second = inputs.mapped[0].second.slice(first, rows);
  inputs.plan = plan_map({"x"}, {rows}, MapMode::kZip);
  const auto run = context(std::move(callbacks));
  return std::make_unique<RowJob>(graph, graph->all(), std::move(inputs), run,
                                  make_frame(*graph, graph->all(), *run, /*map=*/true), Enter(),
                                  first);
}

class Items final : public Callback {
 public:
  void on_event(const Event& event) override {
    if (event.kind == EventKind::kMapItemStart) rows.push_back(event.row);
  }
  std::vector<std::int64_t> rows;
};

TEST(RowJobTest, PartOfAMapHasTheMapsRowNumbers) {
  const auto graph = Graph::build({node<fail_at_multiples_of_100>("y", {"x"})});
  const auto items = std::make_shared<Items>();
  const auto job = part(graph, 98, 5, {items});
  job->run_rows(0, 5);
  ASSERT_TRUE(job->failure());
  EXPECT_EQ(job->failure()->row, 100);
  EXPECT_EQ(items->rows, (std::vector<std::int64_t>{98, 99, 100}));
}

TEST(RowJobTest, RowsRunElsewhereAreTakenInTheirOrder) {
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto elsewhere = [&](const std::shared_ptr<RowJob>& job) {
    for (const std::int64_t first : {6, 0, 3}) {
      const auto worker = part(graph, first, 3);
      worker->run_rows(0, 3);
      std::vector<Column> columns;
      for (const Pieces& output : worker->outputs()) columns.push_back(Column::concat(output));
      job->add(first, 3, std::move(columns));
    }
  };
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 9), context(), elsewhere, &outputs);
  ASSERT_FALSE(failure);
  EXPECT_EQ(outputs[0], ints({0, 2, 4, 6, 8, 10, 12, 14, 16}));
}

TEST(RowJobTest, FailureOfAnEarlierRowCountsWhenItCame) {
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto failing = [](const std::shared_ptr<RowJob>& job) {
    for (const std::int64_t row : {7, 2, 5}) {
      job->fail({std::make_exception_ptr(std::logic_error("bad")), "twice", row}, row);
    }
  };
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 9), context(), failing, &outputs);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->row, 2);
}

}  // namespace
}  // namespace hypernodes
