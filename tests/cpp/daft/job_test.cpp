// SPDX-License-Identifier: MIT
#include "daft/job.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "daft/fake_daft.hpp"
#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes::daft {
namespace {

using testing::ints;

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

/// map_rows with the batches of each output joined.
std::optional<Failure> map_joined(const std::shared_ptr<const Graph>& graph,
                                  const Selection& selection, GraphInputs inputs,
                                  std::shared_ptr<RunContext> run, const Launch& launch,
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

std::unique_ptr<Job> make_job(const std::shared_ptr<const Graph>& graph, GraphInputs inputs) {
  const auto run = context();
  return std::make_unique<Job>(graph, graph->all(), std::move(inputs), run,
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

/// Has every row redeemed, in batches of these sizes, in any order, by several threads.
Launch shuffled(std::int64_t batch, unsigned threads, unsigned seed = 1) {
  return [=](const OpenJob& job) {
    std::vector<std::int64_t> begins;
    for (std::int64_t row = 0; row < job->rows(); row += batch) begins.push_back(row);
    std::shuffle(begins.begin(), begins.end(), std::mt19937(seed));
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (std::size_t at = next++; at < begins.size(); at = next++) {
          const std::int64_t rows = std::min(batch, job->rows() - begins[at]);
          redeem(make_tickets(job.number(), begins[at], rows));
        }
      });
    }
  };
}

TEST(JobTest, RunGivesValues) {
  const auto graph = chain();
  GraphInputs inputs;
  inputs.constants = {{graph->slot("x"), Value(5)}, {graph->slot("offset"), Value(1)}};
  std::vector<Value> outputs;
  const auto failure = run_one(graph, graph->all(), inputs, context(), shuffled(1, 1), &outputs);
  EXPECT_FALSE(failure);
  EXPECT_EQ(outputs, (std::vector{Value(10), Value(11)}));
}

TEST(JobTest, RowsComeBackInOrderWhateverDaftDoes) {
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

TEST(JobTest, TicketsOfOneBatchNeedNotBeNeighbours) {
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto backwards = [](const OpenJob& job) {
    std::vector<std::int64_t> order = range(job->rows());
    std::reverse(order.begin(), order.end());
    redeem(make_tickets(job.number(), 0, job->rows()).take(order));
  };
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 5), context(), backwards, &outputs);
  ASSERT_FALSE(failure);
  EXPECT_EQ(outputs[0], ints({0, 2, 4, 6, 8}));
}

TEST(JobTest, ProductCountsThroughItsInputs) {
  const auto graph = chain();
  GraphInputs inputs;
  inputs.mapped = {{graph->slot("offset"), ints({1, 2})}, {graph->slot("x"), ints({10, 20, 30})}};
  inputs.plan = plan_map({"offset", "x"}, {2, 3}, MapMode::kProduct);
  std::vector<Column> outputs;
  const auto failure = map_joined(graph, graph->all(), inputs, context(), shuffled(4, 1), &outputs);
  ASSERT_FALSE(failure);
  EXPECT_EQ(outputs[1], ints({21, 41, 61, 22, 42, 62}));
}

TEST(JobTest, EmptyMapAsksDaftForNothing) {
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto failure = map_joined(
      graph, graph->all(), over_x(*graph, 0), context(), [](const OpenJob&) { FAIL(); }, &outputs);
  EXPECT_FALSE(failure);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].size(), 0);
}

TEST(JobTest, OnlyTheSelectionRuns) {
  const auto graph = chain();
  const std::vector<std::string> names{"doubled"};
  std::vector<Column> outputs;
  const auto failure = map_joined(graph, graph->select(names), over_x(*graph, 3), context(),
                                  shuffled(2, 1), &outputs);
  ASSERT_FALSE(failure);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_EQ(outputs[0], ints({0, 2, 4}));
}

TEST(JobTest, LowestFailingRowComesOut) {
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

TEST(JobTest, RowsAfterAFailureDoNotRun) {
  const auto graph = Graph::build({node<fail_at_multiples_of_100>("y", {"x"})});
  calls = 0;
  const auto in_order = [](const OpenJob& job) {
    for (std::int64_t row = 0; row < job->rows(); row += 50) {
      redeem(make_tickets(job.number(), row, 50));
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

TEST(JobTest, ExceptionOfACallbackStopsTheMap) {
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

TEST(JobTest, EventsHaveTheCountsOfTheSequentialEngine) {
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

TEST(JobTest, NumberIsUsedAgainOnlyAfterAWholeQuery) {
  const auto graph = chain();
  std::set<std::int64_t> numbers;
  std::vector<Column> outputs;
  const auto run = [&](const Launch& launch) {
    return map_joined(graph, graph->all(), over_x(*graph, 4), context(), launch, &outputs);
  };
  std::int64_t whole = -1, broken = -1;
  run([&](const OpenJob& job) {
    whole = job.number();
    shuffled(2, 1)(job);
  });
  EXPECT_THROW(run([&](const OpenJob& job) {
                 broken = job.number();
                 throw std::runtime_error("interrupted");
               }),
               std::runtime_error);
  EXPECT_EQ(broken, whole);
  run([&](const OpenJob& job) {
    EXPECT_NE(job.number(), broken);
    redeem(make_tickets(broken, 0, 4));  // a batch that comes late
    shuffled(2, 1)(job);
  });
}

TEST(JobTest, QueryThatLeavesRowsOutIsAnError) {
  const auto graph = chain();
  std::vector<Column> outputs;
  EXPECT_THROW(map_joined(
                   graph, graph->all(), over_x(*graph, 4), context(),
                   [](const OpenJob& job) { redeem(make_tickets(job.number(), 0, 3)); }, &outputs),
               Error);
}

TEST(JobTest, TicketsOfNoJobAreAnError) {
  EXPECT_THROW(redeem(make_tickets(4'000'000, 0, 1)), Error);
}

/// A node that maps a pipeline of its own, as an inner pipeline on Daft does.
class Inner final : public NodeBody {
 public:
  void run_row(const Value* const* arguments, Value* outputs) const override {
    const auto graph = chain();
    std::vector<Column> columns;
    const auto failure = map_joined(
        graph, graph->all(), over_x(*graph, arguments[0]->as_int64()), context(),
        [](const OpenJob&) { FAIL(); }, &columns);
    ASSERT_FALSE(failure);
    outputs[0] = Value(columns[0].size());
  }
};

TEST(JobTest, PipelineInsideANodeNeedsNoQueryOfItsOwn) {
  Node::Definition definition;
  definition.name = "inner";
  definition.inputs = {{"x", Kind::kInt64}};
  definition.outputs = {{"rows", Kind::kInt64}};
  definition.body = std::make_shared<Inner>();
  const auto graph = Graph::build({Node(definition)});
  std::vector<Column> outputs;
  const auto failure =
      map_joined(graph, graph->all(), over_x(*graph, 4), context(), shuffled(1, 2), &outputs);
  ASSERT_FALSE(failure);
  EXPECT_EQ(outputs[0], ints({0, 1, 2, 3}));
}

std::atomic<bool> begun = false, released = false;

std::int64_t wait(std::int64_t x) {
  begun = true;
  while (!released) std::this_thread::yield();
  return x;
}

TEST(JobTest, BrokenOffQueryBeginsNoMoreRows) {
  const auto graph = Graph::build({node<fail_at_multiples_of_100>("y", {"x"})});
  std::vector<Column> outputs;
  std::int64_t number = -1;
  calls = 0;
  EXPECT_THROW(map_joined(
                   graph, graph->all(), over_x(*graph, 50), context(),
                   [&](const OpenJob& job) {
                     number = job.number();
                     stop_jobs(std::chrono::milliseconds(0));
                     redeem(make_tickets(number, 0, 50));
                     throw std::runtime_error("interrupted");
                   },
                   &outputs),
               std::runtime_error);
  redeem(make_tickets(number, 0, 50));
  EXPECT_EQ(calls, 0);
}

TEST(JobTest, StoppingWaitsForTheRowsThatRun) {
  const auto graph = Graph::build({node<wait>("y", {"x"})});
  std::vector<Column> outputs;
  std::jthread straggler;
  EXPECT_THROW(map_joined(
                   graph, graph->all(), over_x(*graph, 1), context(),
                   [&](const OpenJob& job) {
                     straggler = std::jthread(
                         [number = job.number()] { redeem(make_tickets(number, 0, 1)); });
                     while (!begun) std::this_thread::yield();
                     throw std::runtime_error("interrupted");
                   },
                   &outputs),
               std::runtime_error);
  EXPECT_FALSE(InsideQuery::wait_for_all(std::chrono::milliseconds(1)));
  released = true;
  EXPECT_TRUE(InsideQuery::wait_for_all(std::chrono::seconds(30)));
}

TEST(JobTest, EntersEveryBatch) {
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

TEST(JobTest, DaftFunctionRedeemsAndReturnsItsTickets) {
  testing::FakeDaft daft;
  const std::string name = define_redeem();
  daft.load_extension();
  const auto graph = chain();
  std::vector<Column> outputs;
  const auto failure = map_joined(
      graph, graph->all(), over_x(*graph, 3), context(),
      [&](const OpenJob& job) {
        const Column tickets = make_tickets(job.number(), 0, 3);
        EXPECT_EQ(daft.call(name, {tickets}), tickets);
      },
      &outputs);
  EXPECT_FALSE(failure);
  EXPECT_EQ(outputs[1], ints({10, 12, 14}));
  EXPECT_THROW(daft.return_type(name, {Kind::kString}), std::runtime_error);
}

TEST(JobTest, LabelNamesTheNodes) {
  const auto graph = chain();
  EXPECT_EQ(make_job(graph, over_x(*graph, 1))->label(), "twice, add");
}

TEST(JobTest, KnowsWhatNeedsPython) {
  const auto graph = chain();
  EXPECT_FALSE(make_job(graph, over_x(*graph, 1))->foreign());
  GraphInputs objects;
  objects.mapped.emplace_back(graph->slot("x"), Column::objects({Value(1)}));
  objects.plan = plan_map({"x"}, {1}, MapMode::kZip);
  EXPECT_TRUE(make_job(graph, objects)->foreign());
}

}  // namespace
}  // namespace hypernodes::daft
