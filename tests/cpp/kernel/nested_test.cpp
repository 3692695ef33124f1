// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "graph/nested.hpp"
#include "hypernodes/pipeline.hpp"
#include "kernel/execute.hpp"
#include "kernel/harness.hpp"
#include "kernel/memory_cache.hpp"

namespace hypernodes {
namespace {

using testing::Given;
using testing::MemoryCache;
using testing::Ran;
using testing::Recorder;
using testing::run_batch;
using Lines = std::vector<std::string>;
using Lists = std::vector<std::vector<std::int64_t>>;

std::atomic<int> calls{0};

std::int64_t twice(std::int64_t x) {
  ++calls;
  return x * 2;
}
std::int64_t six_fails(std::int64_t y) {
  ++calls;
  if (y == 6) throw std::runtime_error("six");
  return y;
}
std::int64_t total(const std::vector<std::int64_t>& items) {
  std::int64_t sum = 0;
  for (const std::int64_t item : items) sum += item;
  return sum;
}
std::int64_t add(std::int64_t a, std::int64_t b) {
  ++calls;
  return a + b;
}

/// y = 2x, z = y unless it is 6.
std::shared_ptr<const Graph> inner() {
  return Graph::build({node<twice>("y", {"x"}), node<six_fails>("z", {"y"})}, "inner");
}

std::shared_ptr<const Graph> with(const NestedRequest& request, std::vector<Node> others = {}) {
  others.push_back(make_nested_node(request));
  return Graph::build(std::move(others));
}

class NestedTest : public ::testing::TestWithParam<Order> {
 protected:
  Ran run(const std::shared_ptr<const Graph>& graph, const std::vector<Given>& inputs,
          std::int64_t rows, const testing::Setting& setting = {}) const {
    calls = 0;
    return run_batch(*graph, inputs, rows, GetParam(), setting);
  }
  /// Without a cache, cold and warm: the same.
  std::string agreed(const std::shared_ptr<const Graph>& graph, const std::vector<Given>& inputs,
                     std::int64_t rows) {
    const std::string text = run(graph, inputs, rows).text();
    cache->clear();
    EXPECT_EQ(run(graph, inputs, rows, {.cache = cache}).text(), text);
    EXPECT_EQ(run(graph, inputs, rows, {.cache = cache}).text(), text);
    const auto recorder = std::make_shared<Recorder>();
    EXPECT_EQ(run(graph, inputs, rows, {.callbacks = {recorder}}).text(), text);
    return text;
  }

  NestedRequest plain{.graph = inner(), .name = "n"};
  NestedRequest mapped{.graph = inner(), .name = "n", .map_over = {"x"}};
  std::shared_ptr<MemoryCache> cache = std::make_shared<MemoryCache>();
};

INSTANTIATE_TEST_SUITE_P(Orders, NestedTest, ::testing::Values(Order::kRows, Order::kNodes),
                         [](const auto& order) { return testing::name_of(order.param); });

TEST_P(NestedTest, PlainRunsRowByRow) {
  EXPECT_EQ(agreed(with(plain), {{"x", {1, 2, 4}}}, 3), "y=[2, 4, 8] z=[2, 4, 8]");
  EXPECT_EQ(agreed(with(plain), {{"x", 2, false}}, 2), "y=[4, 4] z=[4, 4]");
}

TEST_P(NestedTest, MappedGivesAListForEachRow) {
  const auto graph = with(mapped, {node<total>("sum", {"z"})});
  EXPECT_EQ(agreed(graph, {{"x", Lists{{1, 2}, {}, {4}, {}}}}, 4),
            "z=[[2, 4], [], [8], []] sum=[6, 0, 8, 0]");
  EXPECT_EQ(agreed(graph, {{"x", Lists{{}, {}}}}, 2), "z=[[], []] sum=[0, 0]");
}

TEST_P(NestedTest, FailureHasTheRowOfTheOuterMap) {
  EXPECT_EQ(agreed(with(plain), {{"x", {1, 2, 3, 4}}}, 4),
            "six_fails @2: Node 'six_fails' failed: six");
  EXPECT_EQ(agreed(with(mapped), {{"x", Lists{{1}, {}, {1, 3}, {3}}}}, 4),
            "six_fails @2: Node 'six_fails' failed: six");
}

TEST_P(NestedTest, FailureInARunHasTheItemOfTheMapInside) {
  EXPECT_EQ(run(with(mapped), {{"x", Value{1, 3}, false}}, 1, {.map = false}).text(),
            "six_fails @1: Node 'six_fails' failed: six");
  EXPECT_EQ(run(with(plain), {{"x", 3, false}}, 1, {.map = false}).text(),
            "six_fails @-1: Node 'six_fails' failed: six");
}

TEST_P(NestedTest, EventsInsideHaveTheItemOfTheOuterMap) {
  class Items : public Callback {
   public:
    std::set<std::string> seen;
    void on_event(const Event& event) override {
      if (event.kind != EventKind::kNodeEnd || event.scope->parent == nullptr) return;
      seen.insert(std::to_string(event.scope->row) + "." + std::to_string(event.row));
    }
  };
  const auto seen = [&](const NestedRequest& request, const Given& input, bool map) {
    const auto items = std::make_shared<Items>();
    run(with(request), {input}, map ? 3 : 1, {.callbacks = {items}, .map = map});
    return items->seen;
  };
  using Seen = std::set<std::string>;
  EXPECT_EQ(seen(mapped, {"x", Lists{{1}, {}, {1, 2}}}, true), (Seen{"0.0", "2.0", "2.1"}));
  EXPECT_EQ(seen(plain, {"x", {1, 2, 4}}, true), (Seen{"0.-1", "1.-1", "2.-1"}));
  EXPECT_EQ(seen(plain, {"x", 1, false}, false), (Seen{"-1.-1"}));
}

TEST_P(NestedTest, EmptyListsBeforeTheFailureAreDone) {
  const auto graph = with(mapped, {node<total>("sum", {"z"})});
  EXPECT_EQ(agreed(graph, {{"x", Lists{{}, {3}, {1}}}}, 3),
            "six_fails @1: Node 'six_fails' failed: six");
  EXPECT_EQ(agreed(graph, {{"x", Lists{{1}, {}, {3}}}}, 3),
            "six_fails @2: Node 'six_fails' failed: six");
}

TEST_P(NestedTest, WhatWasDoneBeforeAFailureIsStored) {
  const auto graph = with(mapped, {node<total>("sum", {"z"})});
  run(graph, {{"x", Lists{{1}, {2, 4}, {5, 3}}}}, 3, {.cache = cache});
  const Ran again = run(graph, {{"x", Lists{{1}, {2, 4}}}}, 2, {.cache = cache});
  EXPECT_EQ(again.text(), "z=[[2], [4, 8]] sum=[2, 12]");
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(again.cached("n"), 2);
}

TEST_P(NestedTest, BadListIsItsRowsFailure) {
  NestedRequest both{
      .graph = Graph::build({node<add>("s", {"a", "b"})}), .name = "n", .map_over = {"a", "b"}};
  const std::vector<Given> inputs = {{"a", Lists{{1, 2}, {3}, {4, 5}}},
                                     {"b", Lists{{1, 2}, {3}, {4}}}};
  EXPECT_EQ(agreed(with(both), inputs, 3),
            "n @2: Node 'n' failed: In zip mode, all lists must have the same length. Got "
            "lengths: {'a': 2, 'b': 1}");
  const Value items = Value::list(Column::objects({Value{1}, Value{2}, 3}));
  EXPECT_EQ(agreed(with(mapped), {{"x", items}}, 3).substr(0, 16), "n @2: Node 'n' f");
}

TEST_P(NestedTest, BadListAfterAFailureLeavesTheNextNestedNodeAlone) {
  // n fails in row 1 and has a bad list in row 3; o runs row 0.
  NestedRequest after = mapped;
  after.graph = Graph::build({node<twice>("w", {"x"})});
  after.name = "o";
  after.inputs = {{"x", "z"}};
  after.map_over = {"z"};
  const auto graph = with(mapped, {make_nested_node(after)});
  const Value items =
      Value::list(Column::objects({Value{1}, Value{3}, Value{1}, Value("no list")}));
  EXPECT_EQ(agreed(graph, {{"x", items}}, 4), "six_fails @1: Node 'six_fails' failed: six");
}

TEST_P(NestedTest, ProductBroadcastBoundAndDefaults) {
  NestedRequest request{
      .graph = Graph::build({node<add>("s", {"a", "b"}),
                             node<add>("t", {"s", "k"}).named("t").with_default("k", 1000)}),
      .name = "n",
      .map_over = {"a", "b"},
      .mode = MapMode::kProduct};
  const std::vector<Given> inputs = {{"a", Lists{{1, 2}, {3}}}, {"b", Lists{{10, 20}, {}}}};
  EXPECT_EQ(agreed(with(request), inputs, 2),
            "s=[[11, 21, 12, 22], []] t=[[1011, 1021, 1012, 1022], []]");
  std::vector<Given> more = inputs;
  more.push_back({"k", {0, 0}});
  EXPECT_EQ(agreed(with(request), more, 2), "s=[[11, 21, 12, 22], []] t=[[11, 21, 12, 22], []]");
  request.bound = {{"k", 5}};
  EXPECT_EQ(agreed(with(request), inputs, 2), "s=[[11, 21, 12, 22], []] t=[[16, 26, 17, 27], []]");
  request.map_over = {"a"};
  EXPECT_EQ(agreed(with(request), {{"a", Lists{{1, 2}, {3}}}, {"b", {10, 20}}}, 2),
            "s=[[11, 12], [23]] t=[[16, 17], [28]]");
}

TEST_P(NestedTest, MappedInputThatNoOutputNeedsCountsRows) {
  NestedRequest request{
      .graph = Graph::build({node<twice>("y", {"a"}), node<twice>("w", {"b"}).named("w")}),
      .name = "n",
      .outputs = {{"y", "y"}},
      .map_over = {"a", "b"},
      .mode = MapMode::kProduct};
  EXPECT_EQ(agreed(with(request), {{"a", Lists{{1, 2}}}, {"b", Lists{{7, 8}}}}, 1),
            "y=[[2, 2, 4, 4]]");
}

TEST_P(NestedTest, HitSkipsTheInsideAndAMissHitsOneByOne) {
  const auto graph = with(mapped);
  run(graph, {{"x", Lists{{1, 2}}}}, 1, {.cache = cache});
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(run(graph, {{"x", Lists{{1, 2}}}}, 1, {.cache = cache}).cached("twice"), 0);
  const Ran more = run(graph, {{"x", Lists{{2, 1, 4}}}}, 1, {.cache = cache});
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(more.cached("twice"), 2);
  EXPECT_EQ(more.ran("n"), 1);
}

TEST_P(NestedTest, UncachedNodeInsideRunsThoughTheOthersHit) {
  plain.graph = Graph::build({node<twice>("y", {"x"}), node<six_fails>("z", {"y"}).uncached()});
  run(with(plain), {{"x", {1, 2}}}, 2, {.cache = cache});
  run(with(plain), {{"x", {1, 2}}}, 2, {.cache = cache});
  EXPECT_EQ(calls, 2);
}

TEST_P(NestedTest, OwnCacheIsUsedInside) {
  const auto own = std::make_shared<MemoryCache>();
  plain.cache = own;
  run(with(plain), {{"x", {1, 2}}}, 2);
  EXPECT_EQ(own->size(), 4U);
  EXPECT_EQ(run(with(plain), {{"x", {1, 2}}}, 2).cached("twice"), 2);
  EXPECT_EQ(calls, 0);
  run(with(plain), {{"x", {1, 2}}}, 2, {.cache = cache});
  EXPECT_EQ(cache->size(), 2U);  // the nested node's own
}

TEST_P(NestedTest, DamagedRecordOfANestedNodeIsComputedAgain) {
  const auto graph = with(mapped, {node<total>("sum", {"z"})});
  const std::vector<Given> inputs = {{"x", Lists{{1, 2}, {4}}}};
  const std::string expected = run(graph, inputs, 2, {.cache = cache}).text();
  cache->tamper = [](const Digest&, const std::string& record) {
    return record.substr(0, record.size() - 1);
  };
  const Ran ran = run(graph, inputs, 2, {.cache = cache});
  EXPECT_EQ(ran.text(), expected);
  EXPECT_EQ(ran.statistics.damaged_records, 2 + 2 + 3 + 3);
}

TEST_P(NestedTest, EventsOfPlainAndMapped) {
  auto recorder = std::make_shared<Recorder>();
  run(with(plain), {{"x", {1, 2}}}, 2, {.callbacks = {recorder}});
  const auto nested = [](const std::string& row) {
    return Lines{"node n" + row,   "nested n" + row, "start", "node twice",       "done twice",
                 "node six_fails", "done six_fails", "end",   "unnested n" + row, "done n" + row};
  };
  Lines inside;
  for (const std::string& line : recorder->lines) {
    if (line.find("item") == line.npos && line.rfind("start #", 0) != 0 &&
        line.rfind("end #", 0) != 0) {
      inside.push_back(line);
    }
  }
  Lines expected = nested(" #0");
  for (const std::string& line : nested(" #1")) expected.push_back(line);
  EXPECT_EQ(inside, expected);

  recorder = std::make_shared<Recorder>();
  run(with(mapped), {{"x", Value{1}, false}}, 1, {.callbacks = {recorder}, .map = false});
  EXPECT_EQ(recorder->lines,
            (Lines{"start", "node n", "nested n", "map 1", "item #0", "start #0", "node twice #0",
                   "done twice #0", "node six_fails #0", "done six_fails #0", "end #0",
                   "item_end #0", "map_end", "unnested n", "done n", "end"}));
}

TEST_P(NestedTest, ErrorIsToldByEveryEnclosingNode) {
  NestedRequest outer{.graph = with(mapped), .name = "outer"};
  const auto recorder = std::make_shared<Recorder>();
  run(with(outer), {{"x", Lists{{1}, {1, 3}}}}, 2, {.callbacks = {recorder}});
  const Lines& lines = recorder->lines;
  ASSERT_GT(lines.size(), 3U);
  EXPECT_EQ(Lines(lines.end() - 3, lines.end()),
            (Lines{"error six_fails #1", "error n", "error outer #1"}));
}

TEST_P(NestedTest, OwnCallbacksHearOneMapForEachRow) {
  const auto recorder = std::make_shared<Recorder>();
  mapped.callbacks = {recorder};
  run(with(mapped), {{"x", Lists{{1, 2}, {}, {4}}}}, 3);
  Lines maps;
  for (const std::string& line : recorder->lines) {
    if (line.rfind("map", 0) == 0 || line.rfind("item #", 0) == 0) maps.push_back(line);
  }
  EXPECT_EQ(maps, (Lines{"map 2", "item #0", "item #1", "map_end", "map 0", "map_end", "map 1",
                         "item #0", "map_end"}));
}

TEST(NestedPipelineOrderTest, OwnCallbacksInsideAreToldItemByItem) {
  // Nothing outside listens: the engine must still go row by row.
  const auto recorder = std::make_shared<Recorder>();
  const Pipeline listened =
      Pipeline{node<twice>("y", {"x"}), node<add>("z", {"y", "x"})}.with_callbacks({recorder});
  const Pipeline middle{listened.as_node({.name = "n", .map_over = {"x"}})};
  const Pipeline outer{middle.as_node({.name = "m"})};
  outer.map({{"x", Lists{{1, 2}}}}, over("x"));
  EXPECT_EQ(
      recorder->lines,
      (Lines{"map 2", "item #0", "start #0", "node twice #0", "done twice #0", "node add #0",
             "done add #0", "end #0", "item_end #0", "item #1", "start #1", "node twice #1",
             "done twice #1", "node add #1", "done add #1", "end #1", "item_end #1", "map_end"}));
}

TEST_P(NestedTest, CallbackThatThrowsInsideStopsTheRun) {
  const auto recorder = std::make_shared<Recorder>();
  recorder->throw_at = "done six_fails";
  EXPECT_THROW(run(with(plain), {{"x", {1, 2}}}, 2, {.cache = cache, .callbacks = {recorder}}),
               std::runtime_error);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(cache->size(), 2U);
}

TEST_P(NestedTest, ManyRowsCostNoMoreEach) {
  // Quadratic joining of rows would move 40 GB here.
  std::vector<std::string> items(4'000, std::string(5'000, 'x'));
  plain.graph =
      Graph::build({node("t", {"s"}, [](const std::string& text) { return text + "!"; })});
  const Ran ran = run(with(plain), {{"s", items}}, 4'000);
  EXPECT_FALSE(ran.failure);
  EXPECT_EQ(ran.ran("n"), 4'000);
}

/// An executor as an engine has one: by nodes, in a session of its own.
class OwnExecutor final : public BatchExecutor {
 public:
  std::optional<Failure> execute(Batch& batch, const Frame& frame,
                                 RunContext& context) const override {
    ++batches;
    std::optional<Failure> failure = execute_batch(batch, frame, context, Order::kNodes);
    for (const int slot : batch.selection.outputs) {
      if (failure) return failure;
      Column column = read_output(batch, slot, frame, context, &failure);
      if (!failure) batch.set_input(slot, std::move(column));
    }
    return failure;
  }
  mutable std::atomic<int> batches{0};
};

TEST_P(NestedTest, OwnEngineExecutesTheInnerBatch) {
  const auto executor = std::make_shared<OwnExecutor>();
  plain.executor = executor;
  mapped.executor = executor;
  EXPECT_EQ(agreed(with(plain), {{"x", {1, 2, 4}}}, 3), "y=[2, 4, 8] z=[2, 4, 8]");
  EXPECT_GT(executor->batches, 0);
  EXPECT_EQ(agreed(with(mapped), {{"x", Lists{{}, {1, 4}}}}, 2), "y=[[], [2, 8]] z=[[], [2, 8]]");
  EXPECT_EQ(run(with(plain), {{"x", {3}}}, 1).text(), "six_fails @0: Node 'six_fails' failed: six");
}

}  // namespace
}  // namespace hypernodes
