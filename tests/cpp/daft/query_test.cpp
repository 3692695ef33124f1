// SPDX-License-Identifier: MIT
#include "daft/query.hpp"

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

std::shared_ptr<RunContext> context() { return std::make_shared<RunContext>(nullptr, Callbacks()); }

/// map_rows with the batches of each output joined.
std::optional<Failure> map_joined(const std::shared_ptr<const Graph>& graph,
                                  const Selection& selection, GraphInputs inputs,
                                  std::shared_ptr<RunContext> run, const Launch& launch,
                                  std::vector<Column>* outputs) {
  std::vector<Pieces> pieces;
  auto failure =
      map_rows(graph, selection, std::move(inputs), std::move(run), on_daft(launch), &pieces);
  outputs->clear();
  for (const Pieces& output : pieces) {
    outputs->push_back(output.empty() ? Column::nulls(Kind::kInt64, 0) : Column::concat(output));
  }
  return failure;
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

TEST(QueryTest, TicketsOfOneBatchNeedNotBeNeighbours) {
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

TEST(QueryTest, NumberIsUsedAgainOnlyAfterAWholeQuery) {
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

TEST(QueryTest, TicketsOfNoJobAreAnError) {
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

TEST(QueryTest, PipelineInsideANodeNeedsNoQueryOfItsOwn) {
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

TEST(QueryTest, BrokenOffQueryBeginsNoMoreRows) {
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

TEST(QueryTest, StoppingWaitsForTheRowsThatRun) {
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

TEST(QueryTest, DaftFunctionRedeemsAndReturnsItsTickets) {
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

}  // namespace
}  // namespace hypernodes::daft
