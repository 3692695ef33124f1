// SPDX-License-Identifier: MIT
#include "hypernodes/pipeline.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "hypernodes/error.hpp"
#include "temporary_directory.hpp"

namespace hypernodes {
namespace {

using testing::TemporaryDirectory;

std::atomic<int> calls{0};

std::int64_t twice(std::int64_t x) {
  ++calls;
  return x * 2;
}
std::int64_t add_ten(std::int64_t doubled) {
  ++calls;
  return doubled + 10;
}
std::int64_t fail_at_six(std::int64_t doubled) {
  if (doubled == 6) throw std::runtime_error("six is bad");
  return doubled + 10;
}
std::int64_t fail_at_two(std::int64_t x) {
  if (x == 2) throw std::runtime_error("two is bad");
  return x;
}
double half(double value) { return value / 2; }
std::string shout(const std::string& text) { return text + "!"; }
std::tuple<std::string, std::int64_t> measure(std::string_view text) {
  ++calls;
  return {std::string(text), static_cast<std::int64_t>(text.size())};
}
std::optional<std::int64_t> parse(const std::string& text) {
  ++calls;
  if (text.empty()) return std::nullopt;
  return std::stoll(text);
}
std::map<std::string, std::int64_t> count(const std::vector<std::string>& words) {
  ++calls;
  std::map<std::string, std::int64_t> counts;
  for (const std::string& word : words) ++counts[word];
  return counts;
}
std::int64_t total(const std::vector<std::int64_t>& items) {
  ++calls;
  std::int64_t sum = 0;
  for (const std::int64_t item : items) sum += item;
  return sum;
}

Pipeline arithmetic() {
  return Pipeline{node<add_ten>("result", {"doubled"}), node<twice>("doubled", {"x"})};
}

template <typename T>
std::string text(const T& item) {
  std::ostringstream stream;
  stream << item;
  return stream.str();
}

TEST(PipelineTest, RunGivesEveryOutputInExecutionOrder) {
  EXPECT_EQ(text(arithmetic().run({{"x", 5}})), "{'doubled': 10, 'result': 20}");
}

TEST(PipelineTest, MapGivesColumns) {
  EXPECT_EQ(text(arithmetic().map({{"x", {1, 2, 3}}}, over("x"))),
            "{'doubled': [2, 4, 6], 'result': [12, 14, 16]}");
}

TEST(PipelineTest, MapOverNothingGivesEmptyColumns) {
  EXPECT_EQ(text(arithmetic().map({{"x", std::vector<std::int64_t>{}}}, over("x"))),
            "{'doubled': [], 'result': []}");
}

TEST(PipelineTest, RequestedOutputsPruneNodes) {
  calls = 0;
  const Outputs outputs = arithmetic().run({{"x", 5}}, {.outputs = {"doubled"}});
  EXPECT_EQ(text(outputs), "{'doubled': 10}");
  EXPECT_EQ(calls, 1);
}

TEST(PipelineTest, ProductVariesTheLastInputFastest) {
  const Pipeline pipeline{
      node("sum", {"a", "b"}, [](std::int64_t a, std::int64_t b) { return a * 10 + b; })};
  EXPECT_EQ(text(pipeline.map({{"a", {1, 2}}, {"b", {3, 4, 5}}}, over("a", "b").product())),
            "{'sum': [13, 14, 15, 23, 24, 25]}");
}

TEST(PipelineTest, ZipOfUnequalLengthsSaysWhichLengths) {
  const Pipeline pipeline{
      node("sum", {"a", "b"}, [](std::int64_t a, std::int64_t b) { return a + b; })};
  try {
    pipeline.map({{"a", {1, 2}}, {"b", {3}}}, over("a", "b"));
    FAIL();
  } catch (const PlanError& error) {
    EXPECT_EQ(error.message(),
              "In zip mode, all lists must have the same length. Got lengths: {'a': 2, 'b': 1}");
  }
}

TEST(PipelineTest, MissingInputIsNamedBeforeAnythingRuns) {
  calls = 0;
  try {
    arithmetic().run({{"y", 5}});
    FAIL();
  } catch (const PlanError& error) {
    EXPECT_EQ(error.message(), "Missing required input(s): ['x']. Required inputs: ['x']");
  }
  EXPECT_EQ(calls, 0);
}

template <typename Call>
std::string fix_of(Call&& call) {
  try {
    call();
    return "accepted";
  } catch (const Error& error) {
    return error.fix();
  }
}

TEST(PipelineTest, MisspeltNamesAreSuggested) {
  const Pipeline pipeline{node<twice>("doubled", {"count"})};
  EXPECT_EQ(fix_of([&] { pipeline.run({{"cuont", 5}}); }),
            "pass them, bind them, or give the parameters defaults; no node takes 'cuont': did you "
            "mean 'count'?");
  EXPECT_EQ(fix_of([&] { pipeline.run({{"count", 5}}, {.outputs = {"double"}}); }),
            "ask for names that a node produces; did you mean 'doubled'?");
  EXPECT_EQ(fix_of([&] { pipeline.map({{"count", {5}}}, over("counts")); }),
            "name inputs that the map is given; did you mean 'count'?");
  EXPECT_EQ(fix_of([&] { pipeline.as_node({.map_over = {"conut"}}); }),
            "its inputs are ['count']; did you mean 'count'?");
}

TEST(PipelineTest, OutputThatANestedPipelineKeepsIsNamed) {
  const Pipeline inner{node<twice>("doubled", {"x"}), node<half>("halved", {"x"})};
  const Pipeline outer{inner.as_node({.name = "inner", .outputs = {{"halved", "h"}}}),
                       node<half>("back", {"doubled"})};
  EXPECT_EQ(fix_of([&] { outer.run({{"x", 5}}); }),
            "pass them, bind them, or give the parameters defaults; the nested pipeline 'inner' "
            "makes 'doubled' inside but does not map it out: add it to output_mapping");
}

TEST(PipelineTest, UnknownOutputNamesTheAvailableOnes) {
  try {
    arithmetic().run({{"x", 5}}, {.outputs = {"nope"}});
    FAIL();
  } catch (const PlanError& error) {
    EXPECT_EQ(error.message(),
              "Output name(s) ['nope'] not found in pipeline. Available outputs: "
              "['doubled', 'result']");
  }
}

TEST(PipelineTest, WrongInputTypeIsRefusedBeforeAnythingRuns) {
  calls = 0;
  EXPECT_THROW(arithmetic().run({{"x", "five"}}), TypeError);
  EXPECT_THROW(arithmetic().map({{"x", {"five"}}}, over("x")), TypeError);
  EXPECT_EQ(calls, 0);
}

TEST(PipelineTest, IntegersFeedFloats) {
  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<half>("back", {"doubled"})};
  EXPECT_EQ(text(pipeline.run({{"x", 5}})), "{'doubled': 10, 'back': 5.0}");
  EXPECT_EQ(text(pipeline.map({{"x", {1, 2}}}, over("x")).column(1).type().name()), "float64");
}

TEST(PipelineTest, MismatchedEdgeNamesBothNodes) {
  try {
    Pipeline{node<twice>("doubled", {"x"}), node<shout>("loud", {"doubled"})};
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(),
              "Output 'doubled' of node 'twice' is int64, but node 'shout' takes it as string");
  }
}

TEST(PipelineTest, TwoProducersAreNamed) {
  try {
    Pipeline{node<twice>("a", {"x"}), node<add_ten>("a", {"x"})};
    FAIL();
  } catch (const DependencyError& error) {
    EXPECT_EQ(error.message(), "Multiple nodes produce output 'a': twice and add_ten");
  }
}

TEST(PipelineTest, CycleIsShownAlongTheDataFlow) {
  try {
    Pipeline{node<twice>("a", {"c"}), node<add_ten>("b", {"a"}), node<fail_at_two>("c", {"b"})};
    FAIL();
  } catch (const CycleError& error) {
    EXPECT_NE(error.message().find("add_ten -> fail_at_two -> twice"), std::string::npos)
        << error.message();
  }
}

TEST(PipelineTest, NodeThatNeedsItselfIsACycle) {
  EXPECT_THROW((Pipeline{node<twice>("x", {"x"})}), CycleError);
}

TEST(PipelineTest, FailureNamesNodeAndRowAndKeepsTheCause) {
  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<fail_at_six>("result", {"doubled"})};
  try {
    pipeline.map({{"x", {1, 2, 3, 4}}}, over("x"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.node(), "fail_at_six");
    EXPECT_EQ(error.row(), 2);
    EXPECT_EQ(error.message(), "Node 'fail_at_six' failed: six is bad");
    EXPECT_THROW(std::rethrow_if_nested(error), std::runtime_error);
  }
}

TEST(PipelineTest, LowestFailingRowWinsOverTheEarlierNode) {
  // Node by node, fail_at_six would be met first; row by row, the row of fail_at_two comes first.
  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<fail_at_six>("a", {"doubled"}),
                          node<fail_at_two>("b", {"a"})};
  const Pipeline later{node<fail_at_six>("a", {"x"}),
                       node("b", {"a", "y"}, [](std::int64_t a, std::int64_t y) {
                         if (y == 0) throw std::runtime_error("zero");
                         return a;
                       })};
  try {
    later.map({{"x", {1, 2, 6}}, {"y", {1, 0, 1}}}, over("x", "y"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.node(), "b");
    EXPECT_EQ(error.row(), 1);
  }
}

TEST(PipelineTest, DefaultIsUsedUnlessGiven) {
  const Pipeline pipeline{node("sum", {"a", "b"}, [](std::int64_t a, std::int64_t b) {
                            return a + b;
                          }).with_default("b", 100)};
  EXPECT_EQ(text(pipeline.run({{"a", 1}})), "{'sum': 101}");
  EXPECT_EQ(text(pipeline.run({{"a", 1}, {"b", 2}})), "{'sum': 3}");
  EXPECT_EQ(text(pipeline.map({{"a", {1, 2}}}, over("a"))), "{'sum': [101, 102]}");
}

TEST(PipelineTest, TwoNodesKeepTheirOwnDefaultsOfOneInput) {
  const auto same = [](std::int64_t k) { return k; };
  const Pipeline pipeline{node("a", {"k"}, same).with_default("k", 1),
                          node("b", {"k"}, same).with_default("k", 2)};
  EXPECT_EQ(text(pipeline.run(Inputs{})), "{'a': 1, 'b': 2}");
  EXPECT_EQ(text(pipeline.run({{"k", 7}})), "{'a': 7, 'b': 7}");
}

TEST(PipelineTest, BoundInputsAreUsedUnderGivenOnes) {
  const Pipeline bound = arithmetic().bind({{"x", 1}});
  EXPECT_EQ(text(bound.run(Inputs{})), "{'doubled': 2, 'result': 12}");
  EXPECT_EQ(text(bound.run({{"x", 2}})), "{'doubled': 4, 'result': 14}");
}

TEST(PipelineTest, SeveralOutputsOfOneNode) {
  const Pipeline pipeline{node<measure>({"same", "length"}, {"text"})};
  EXPECT_EQ(text(pipeline.run({{"text", "abc"}})), "{'same': 'abc', 'length': 3}");
  EXPECT_EQ(text(pipeline.map({{"text", {"a", ""}}}, over("text"))),
            "{'same': ['a', ''], 'length': [1, 0]}");
}

// ---- cache

TEST(PipelineCacheTest, SecondRunCallsNothing) {
  const TemporaryDirectory directory;
  const Pipeline pipeline = arithmetic().with_cache(DiskCache{directory.path()});
  calls = 0;
  pipeline.run({{"x", 5}});
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(text(pipeline.run({{"x", 5}})), "{'doubled': 10, 'result': 20}");
  EXPECT_EQ(calls, 2);
}

TEST(PipelineCacheTest, MemoryServesRunsAndMaps) {
  const MemoryCache cache({.max_bytes = 1 << 20});
  calls = 0;
  for (int i = 0; i < 2; ++i) {
    const Pipeline pipeline = arithmetic().with_cache(cache);
    EXPECT_EQ(text(pipeline.run({{"x", 5}})), "{'doubled': 10, 'result': 20}");
    EXPECT_EQ(text(pipeline.map({{"x", {5, 1}}}, over("x"))),
              "{'doubled': [10, 2], 'result': [20, 12]}");
  }
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(cache.size(), 4U);
}

TEST(PipelineCacheTest, PartialHitsRunOnlyTheMisses) {
  const TemporaryDirectory directory;
  const Pipeline pipeline = arithmetic().with_cache(DiskCache{directory.path()});
  pipeline.map({{"x", {1, 3}}}, over("x"));
  calls = 0;
  const Columns columns = pipeline.map({{"x", {1, 2, 3, 4, 2}}}, over("x"));
  EXPECT_EQ(text(columns), "{'doubled': [2, 4, 6, 8, 4], 'result': [12, 14, 16, 18, 14]}");
  EXPECT_EQ(calls, 4);  // two new items, two nodes; the second 2 is the same row again
  EXPECT_EQ(columns.statistics.nodes.at("twice").rows_run, 2);
  EXPECT_EQ(columns.statistics.nodes.at("twice").rows_cached, 3);
}

TEST(PipelineCacheTest, RunAndMapShareEntries) {
  const TemporaryDirectory directory;
  const Pipeline pipeline = arithmetic().with_cache(DiskCache{directory.path()});
  pipeline.run({{"x", 5}});
  calls = 0;
  EXPECT_EQ(text(pipeline.map({{"x", {5}}}, over("x"))), "{'doubled': [10], 'result': [20]}");
  EXPECT_EQ(calls, 0);
}

TEST(PipelineCacheTest, FinishedRowsSurviveAFailure) {
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<twice>("doubled", {"x"}), node<fail_at_six>("result", {"doubled"})}.with_cache(
          DiskCache{directory.path()});
  EXPECT_THROW(pipeline.map({{"x", {1, 2, 3}}}, over("x")), ExecutionError);
  calls = 0;
  const Columns columns = pipeline.map({{"x", {1, 2}}}, over("x"));
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(columns.statistics.nodes.at("fail_at_six").rows_cached, 2);
}

TEST(PipelineCacheTest, NullIsAHitLikeAnyOther) {
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<parse>("number", {"text"})}.with_cache(DiskCache{directory.path()});
  pipeline.map({{"text", {"1", ""}}}, over("text"));
  calls = 0;
  EXPECT_EQ(text(pipeline.map({{"text", {"1", ""}}}, over("text"))), "{'number': [1, None]}");
  EXPECT_EQ(calls, 0);
}

TEST(PipelineCacheTest, ContainersAndSeveralOutputsComeBackWhole) {
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<measure>({"same", "length"}, {"text"}), node<count>("counts", {"words"})}
          .with_cache(DiskCache{directory.path()});
  const Inputs inputs{{"text", "abc"}, {"words", {"b", "a", "b"}}};
  const std::string expected = "{'counts': {'a': 1, 'b': 2}, 'same': 'abc', 'length': 3}";
  EXPECT_EQ(text(pipeline.run(inputs)), expected);
  calls = 0;
  EXPECT_EQ(text(pipeline.run(inputs)), expected);
  EXPECT_EQ(calls, 0);
}

TEST(PipelineCacheTest, EveryRowOfALargeMapHits) {
  // Keys have any first byte: none may be taken for "no key".
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<twice>("doubled", {"x"})}.with_cache(DiskCache{directory.path()});
  std::vector<std::int64_t> items(20'000);
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<std::int64_t>(i);
  pipeline.map({{"x", items}}, over("x"));
  const Columns columns = pipeline.map({{"x", items}}, over("x"));
  EXPECT_EQ(columns.statistics.nodes.at("twice").rows_cached, 20'000);
  EXPECT_TRUE(columns.statistics.warnings.empty());
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(columns["doubled"].int64s()[i], items[i] * 2);
  }
}

TEST(PipelineCacheTest, UncachedNodeAlwaysRunsAndItsConsumersHit) {
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<twice>("doubled", {"x"}).uncached(), node<add_ten>("result", {"doubled"})}
          .with_cache(DiskCache{directory.path()});
  pipeline.run({{"x", 5}});
  calls = 0;
  pipeline.run({{"x", 5}});
  EXPECT_EQ(calls, 1);
}

TEST(PipelineCacheTest, EarlyCutoffKeepsConsumersOfAnEqualValue) {
  const TemporaryDirectory directory;
  const DiskCache cache{directory.path()};
  arithmetic().with_cache(cache).run({{"x", 5}});
  calls = 0;
  // Another producer of the same value: the consumer's key knows the value only.
  const Pipeline changed{node<twice>("doubled", {"x"}).version("2"),
                         node<add_ten>("result", {"doubled"})};
  changed.with_cache(cache).run({{"x", 5}});
  EXPECT_EQ(calls, 1);
}

TEST(PipelineCacheTest, CapturingLambdaRunsUncachedUntilItHasAVersion) {
  const TemporaryDirectory directory;
  const std::int64_t offset = 3;
  const Node capturing = node("y", {"x"}, [offset](std::int64_t x) { return ++calls, x + offset; });
  const Pipeline uncached = Pipeline{capturing}.with_cache(DiskCache{directory.path()});
  uncached.run({{"x", 1}});
  calls = 0;
  const Outputs outputs = uncached.run({{"x", 1}});
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(outputs.statistics.warnings.size(), 1U);
  const Pipeline versioned =
      Pipeline{capturing.version("1")}.with_cache(DiskCache{directory.path()});
  versioned.run({{"x", 1}});
  calls = 0;
  versioned.run({{"x", 1}});
  EXPECT_EQ(calls, 0);
}

TEST(PipelineCacheTest, TwoLambdasOfOneFunctionHaveTheirOwnEntries) {
  const TemporaryDirectory directory;
  const DiskCache cache{directory.path()};
  const auto plus = [](std::int64_t x) { return x + 1; };
  const auto minus = [](std::int64_t x) { return x - 1; };
  EXPECT_EQ(text(Pipeline{node("y", {"x"}, plus)}.with_cache(cache).run({{"x", 1}})), "{'y': 2}");
  EXPECT_EQ(text(Pipeline{node("y", {"x"}, minus)}.with_cache(cache).run({{"x", 1}})), "{'y': 0}");
}

TEST(PipelineCacheTest, RecordOfAnotherTypeIsComputedAgain) {
  const TemporaryDirectory directory;
  const DiskCache cache{directory.path()};
  const auto number = [](std::int64_t x) { return x; };
  const auto words = [](std::int64_t x) { return std::to_string(x); };
  // The same pinned identity for two functions of different types: as if a record had been forged.
  Pipeline{node("y", {"x"}, number).version("1")}.with_cache(cache).map({{"x", {1, 2}}}, over("x"));
  const Pipeline second = Pipeline{node("y", {"x"}, words).version("1")}.with_cache(cache);
  const Columns columns = second.map({{"x", {1, 2}}}, over("x"));
  EXPECT_EQ(text(columns), "{'y': ['1', '2']}");
}

// ---- nesting

TEST(NestedPipelineTest, PlainNestedPipelineIsANode) {
  const Pipeline outer{arithmetic().as_node({.name = "inner"}), node<half>("halved", {"result"})};
  EXPECT_EQ(text(outer.run({{"x", 5}})), "{'result': 20, 'halved': 10.0}");
  EXPECT_EQ(text(outer.run(Inputs{{"x", 5}}, {.outputs = {"doubled"}})), "{'doubled': 10}");
  EXPECT_EQ(text(outer.map({{"x", {1, 2}}}, over("x"))),
            "{'result': [12, 14], 'halved': [6.0, 7.0]}");
}

TEST(NestedPipelineTest, MappedNestedPipelineGivesLists) {
  const Pipeline outer{arithmetic().as_node({.name = "inner",
                                             .inputs = {{"x", "items"}},
                                             .outputs = {{"result", "results"}},
                                             .map_over = {"items"}}),
                       node<total>("sum", {"results"})};
  EXPECT_EQ(text(outer.run({{"items", {1, 2, 3}}})), "{'results': [12, 14, 16], 'sum': 42}");
  const Columns columns = outer.map(
      {{"items", std::vector<std::vector<std::int64_t>>{{1, 2}, {}, {3}}}}, over("items"));
  EXPECT_EQ(text(columns), "{'results': [[12, 14], [], [16]], 'sum': [26, 0, 16]}");
}

TEST(NestedPipelineTest, CachedNestedPipelineSkipsEverythingInside) {
  const TemporaryDirectory directory;
  const Pipeline outer =
      Pipeline{arithmetic().as_node({.name = "inner", .map_over = {"x"}})}.with_cache(
          DiskCache{directory.path()});
  calls = 0;
  outer.run({{"x", {1, 2, 3}}});
  EXPECT_EQ(calls, 6);
  outer.run({{"x", {1, 2, 3}}});
  EXPECT_EQ(calls, 6);
  outer.run({{"x", {1, 2, 4}}});  // misses as a whole; only the new item runs
  EXPECT_EQ(calls, 8);
}

TEST(NestedPipelineTest, FailureInsideNamesTheOutermostRow) {
  const Pipeline inner{node<fail_at_six>("y", {"x"})};
  const Pipeline outer{inner.as_node({.name = "inner", .map_over = {"x"}})};
  try {
    outer.map({{"x", std::vector<std::vector<std::int64_t>>{{1}, {2, 6}}}}, over("x"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.node(), "fail_at_six");
  }
}

TEST(NestedPipelineTest, UnknownNameInAMappingIsRefused) {
  EXPECT_THROW(arithmetic().as_node({.inputs = {{"nope", "a"}}}), DependencyError);
  EXPECT_THROW(arithmetic().as_node({.outputs = {{"nope", "a"}}}), DependencyError);
  EXPECT_THROW(arithmetic().as_node({.map_over = {"nope"}}), DependencyError);
}

TEST(NestedPipelineTest, BoundInputsAreNoInputsOfTheNode) {
  const Node inner = arithmetic().bind({{"x", 4}}).as_node({.name = "inner"});
  EXPECT_TRUE(inner.inputs().empty());
  EXPECT_EQ(text(Pipeline{inner}.run(Inputs{})), "{'doubled': 8, 'result': 18}");
}

// ---- events

class Recorder final : public Callback {
 public:
  void on_event(const Event& event) override {
    static constexpr const char* kNames[] = {
        "start",    "end", "node", "done",     "cached",      "error",  "nested",
        "unnested", "map", "item", "item_end", "item_cached", "map_end"};
    std::string line = kNames[static_cast<int>(event.kind)];
    if (event.node != nullptr) line += " " + event.node->name();
    if (event.row >= 0) line += " #" + std::to_string(event.row);
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

TEST(EventTest, RunTellsNodesInOrder) {
  const auto recorder = std::make_shared<Recorder>();
  arithmetic().with_callbacks({recorder}).run({{"x", 5}});
  EXPECT_EQ(recorder->lines, (std::vector<std::string>{"start", "node twice", "done twice",
                                                       "node add_ten", "done add_ten", "end"}));
}

TEST(EventTest, MapTellsItemAfterItem) {
  const TemporaryDirectory directory;
  const auto recorder = std::make_shared<Recorder>();
  const Pipeline pipeline = Pipeline{node<twice>("doubled", {"x"})}
                                .with_cache(DiskCache{directory.path()})
                                .with_callbacks({recorder});
  pipeline.run({{"x", 1}});
  recorder->lines.clear();
  pipeline.map({{"x", {1, 2}}}, over("x"));
  EXPECT_EQ(recorder->lines, (std::vector<std::string>{
                                 "map", "item #0", "start #0", "cached twice #0", "item_cached #0",
                                 "end #0", "item_end #0", "item #1", "start #1", "node twice #1",
                                 "done twice #1", "end #1", "item_end #1", "map_end"}));
}

TEST(EventTest, ErrorLeavesEveryEnclosingNode) {
  const auto recorder = std::make_shared<Recorder>();
  const Pipeline outer =
      Pipeline{Pipeline{node<fail_at_six>("y", {"x"})}.as_node({.name = "inner"})}.with_callbacks(
          {recorder});
  EXPECT_THROW(outer.run({{"x", 6}}), ExecutionError);
  EXPECT_EQ(recorder->lines,
            (std::vector<std::string>{"start", "node inner", "nested inner", "start",
                                      "node fail_at_six", "error fail_at_six", "error inner"}));
}

class Places final : public Callback {
 public:
  void on_event(const Event& event) override {
    if (event.node != nullptr) workers.push_back(*event.worker);
  }
  std::vector<Worker> workers;
};

TEST(EventTest, NamesTheThreadThatRanTheNode) {
  const auto places = std::make_shared<Places>();
  const Pipeline pipeline = Pipeline{node<twice>("doubled", {"x"})}.with_callbacks({places});
  const Worker here = Worker::here();
  Worker there;
  pipeline.run({{"x", 1}});
  std::thread([&] {
    there = Worker::here();
    pipeline.run({{"x", 1}});
  }).join();
  EXPECT_EQ(places->workers, (std::vector<Worker>{here, here, there, there}));
  EXPECT_EQ(here.host, there.host);
  EXPECT_EQ(here.pid, there.pid);
  EXPECT_NE(here.thread, there.thread);
  EXPECT_EQ(here.to_string(),
            here.host + "/" + std::to_string(::getpid()) + "/" + std::to_string(here.thread));
}

TEST(OverridesTest, TakeThePlaceOfANodesResult) {
  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<add_ten>("result", {"doubled"})};
  calls = 0;
  const Outputs outputs = pipeline.run(Inputs{}, {.overrides = {{"doubled", 100}}});
  EXPECT_EQ(text(outputs), "{'doubled': 100, 'result': 110}");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(text(pipeline.map({{"x", {1, 2}}}, over("x").overriding({{"doubled", 5}}))),
            "{'doubled': [5, 5], 'result': [15, 15]}");
  EXPECT_EQ(text(pipeline.map(Inputs{}, over("doubled").overriding({{"doubled", {1, 2}}}))),
            "{'doubled': [1, 2], 'result': [11, 12]}");
}

TEST(OverridesTest, MustFitAndBeKnown) {
  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<add_ten>("result", {"doubled"})};
  EXPECT_THROW(pipeline.run(Inputs{}, {.overrides = {{"nothing", 1}}}), PlanError);
  EXPECT_THROW(pipeline.run(Inputs{}, {.overrides = {{"doubled", "text"}}}), TypeError);
  EXPECT_THROW(pipeline.run(Inputs{{"x", 1}}, {.overrides = {{"result", "text"}}}), TypeError);
}

TEST(OverridesTest, ShareTheCache) {
  const TemporaryDirectory directory;
  const Pipeline pipeline =
      Pipeline{node<twice>("doubled", {"x"}), node<add_ten>("result", {"doubled"})}.with_cache(
          DiskCache{directory.path()});
  pipeline.run({{"x", 50}});
  calls = 0;
  EXPECT_EQ(text(pipeline.run(Inputs{}, {.overrides = {{"doubled", 100}}})),
            "{'doubled': 100, 'result': 110}");
  EXPECT_EQ(calls, 0);
}

/// Adds `k`; the function for batches notes what it gets.
Node add_batch(std::vector<std::string>* seen) {
  const auto batch = [seen](std::span<const BatchArgument> arguments, std::int64_t rows) {
    std::string text = std::to_string(rows);
    for (const BatchArgument& argument : arguments) text += argument.constant ? " same" : " column";
    seen->push_back(text);
    const std::int64_t k = arguments[1].column[0].as_int64();
    ColumnBuilder sums(Kind::kInt64);
    for (std::int64_t i = 0; i < rows; ++i) {
      sums.append(Value(arguments[0].column[i].as_int64() + k));
    }
    return std::vector<Column>{sums.finish()};
  };
  const auto add = [](std::int64_t x, std::int64_t k) { return x + k; };
  return node("y", {"x", "k"}, add).with_batch(batch).version("1");
}

TEST(WholeBatchTest, GetsAllRowsOfAMapInOneCall) {
  std::vector<std::string> seen;
  const Pipeline pipeline{add_batch(&seen)};
  EXPECT_EQ(text(pipeline.run({{"x", 1}, {"k", 10}})), "{'y': 11}");
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(text(pipeline.map({{"x", {1, 2, 3}}, {"k", 10}}, over("x"))), "{'y': [11, 12, 13]}");
  EXPECT_EQ(seen, (std::vector<std::string>{"3 column same"}));
}

TEST(WholeBatchTest, GetsOnlyTheRowsThatNoCacheHas) {
  const TemporaryDirectory directory;
  std::vector<std::string> seen;
  const auto recorder = std::make_shared<Recorder>();
  const Pipeline pipeline =
      Pipeline{add_batch(&seen)}.with_cache(DiskCache{directory.path()}).with_callbacks({recorder});
  pipeline.run({{"x", 2}, {"k", 10}});
  recorder->lines.clear();
  EXPECT_EQ(text(pipeline.map({{"x", {1, 2, 3, 3}}, {"k", 10}}, over("x"))),
            "{'y': [11, 12, 13, 13]}");
  EXPECT_EQ(seen, (std::vector<std::string>{"2 column same"}));
  const auto count = [&](const std::string& what) {
    return std::count_if(recorder->lines.begin(), recorder->lines.end(),
                         [&](const std::string& line) { return line.rfind(what, 0) == 0; });
  };
  EXPECT_EQ(count("node y"), 2);
  EXPECT_EQ(count("done y"), 2);
  EXPECT_EQ(count("cached y"), 2);
}

TEST(WholeBatchTest, InsideANestedMapGetsTheItemsOfOneList) {
  std::vector<std::string> seen;
  const Pipeline outer{Pipeline{add_batch(&seen)}.as_node({.name = "n", .map_over = {"x"}})};
  const std::vector<std::vector<std::int64_t>> lists{{1, 2}, {3}};
  EXPECT_EQ(text(outer.map({{"x", lists}, {"k", {10, 20}}}, over("x", "k"))),
            "{'y': [[11, 12], [23]]}");
  EXPECT_EQ(seen, (std::vector<std::string>{"2 column same", "1 column same"}));
}

TEST(WholeBatchTest, MustReturnAValueForEachRow) {
  const auto none = [](std::span<const BatchArgument>, std::int64_t) {
    return std::vector<Column>{Column::of(Kind::kInt64, {})};
  };
  const Pipeline pipeline{node<twice>("y", {"x"}).with_batch(none)};
  try {
    pipeline.map({{"x", {1, 2}}}, over("x"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.message(), "Node 'twice' failed: Node 'twice' returned 0 values, expected 2");
  }
}

TEST(DescribeTest, TellsInputsOutputsAndNodes) {
  const Pipeline pipeline =
      Pipeline(std::vector<Node>{node<twice>("doubled", {"x"}),
                                 node("sum", {"doubled", "k", "m"},
                                      [](std::int64_t a, std::int64_t b, std::int64_t c) {
                                        return a + b + c;
                                      })
                                     .with_default("k", 1)
                                     .uncached()},
               "p")
          .bind({{"m", 5}});
  std::ostringstream text;
  text << pipeline.describe();
  EXPECT_EQ(text.str(),
            "pipeline p\n"
            "inputs\n"
            "  k: int64  default 1\n"
            "  m: int64  bound to 5\n"
            "  x: int64  required\n"
            "outputs\n"
            "  doubled: int64  twice\n"
            "  sum: int64      sum\n"
            "nodes\n"
            "  twice  x -> doubled\n"
            "  sum    doubled, k, m -> sum  (never cached)");
}

}  // namespace
}  // namespace hypernodes
