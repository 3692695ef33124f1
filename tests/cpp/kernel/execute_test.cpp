// SPDX-License-Identifier: MIT
#include "kernel/execute.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "graph/nested.hpp"
#include "hypernodes/error.hpp"
#include "kernel/harness.hpp"
#include "kernel/memory_cache.hpp"
#include "kernel/node_record.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

using testing::Given;
using testing::MemoryCache;
using testing::Ran;
using testing::Recorder;
using testing::run_batch;
using Lines = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

std::atomic<int> calls{0};

std::int64_t twice(std::int64_t x) {
  ++calls;
  return x * 2;
}
std::int64_t add_ten(std::int64_t y) {
  ++calls;
  return y + 10;
}
std::int64_t odd_fails(std::int64_t x) {
  ++calls;
  if (x % 2 != 0) throw std::runtime_error("odd " + std::to_string(x));
  return x;
}
std::int64_t large_fails(std::int64_t x) {
  ++calls;
  if (x > 4) throw std::runtime_error("large " + std::to_string(x));
  return x;
}
std::tuple<std::string, std::int64_t> describe(std::int64_t x) {
  ++calls;
  return {std::string(static_cast<std::size_t>(x * 20), 'd'), x};
}
std::int64_t total(const std::vector<std::int64_t>& items) {
  ++calls;
  std::int64_t sum = 0;
  for (const std::int64_t item : items) sum += item;
  return sum;
}

std::shared_ptr<const Graph> arithmetic() {
  return Graph::build({node<twice>("y", {"x"}), node<add_ten>("z", {"y"})});
}

std::string encoded(const Value& value) {
  std::string out;
  bool unordered = false;
  EXPECT_TRUE(codec::encode(value, true, out, &unordered));
  return out;
}

/// The record that says a node with this key made `value`.
std::string record_of(const Digest& key, const Value& value) {
  const std::string payload = encoded(value);
  const std::vector<EncodedOutput> outputs = {{Digest::of_value(payload), payload}};
  std::string record;
  append_outputs(key, 0, outputs, record);
  return record;
}

/// Everything here must hold in both orders.
class ExecuteBatchTest : public ::testing::TestWithParam<Order> {
 protected:
  Order order() const { return GetParam(); }
  bool by_rows() const { return order() == Order::kRows; }
  Ran run(const std::shared_ptr<const Graph>& graph, const std::vector<Given>& inputs,
          std::int64_t rows, const testing::Setting& setting = {}) const {
    calls = 0;
    return run_batch(*graph, inputs, rows, order(), setting);
  }
  testing::Setting with_cache() const { return {.cache = cache}; }

  std::shared_ptr<MemoryCache> cache = std::make_shared<MemoryCache>();
};

INSTANTIATE_TEST_SUITE_P(Orders, ExecuteBatchTest, ::testing::Values(Order::kRows, Order::kNodes),
                         [](const auto& order) { return testing::name_of(order.param); });

TEST_P(ExecuteBatchTest, EveryRowRunsWithoutACache) {
  EXPECT_EQ(run(arithmetic(), {{"x", {1, 2, 2}}}, 3).text(), "y=[2, 4, 4] z=[12, 14, 14]");
  EXPECT_EQ(calls, 6);
}

TEST_P(ExecuteBatchTest, NoRowsGiveEmptyOutputs) {
  EXPECT_EQ(run(arithmetic(), {{"x", Numbers{}}}, 0, with_cache()).text(), "y=[] z=[]");
}

TEST_P(ExecuteBatchTest, ConstantsAndSelection) {
  testing::Setting setting = with_cache();
  setting.outputs = {"y"};
  EXPECT_EQ(run(arithmetic(), {{"x", 4, false}}, 2, setting).text(), "y=[8, 8]");
  EXPECT_EQ(calls, 1);  // one value, one call
}

TEST_P(ExecuteBatchTest, DefaultsAreUsedUnlessGiven) {
  const auto add = [](std::int64_t a, double b) { return static_cast<double>(a) + b; };
  const auto graph = Graph::build({node("s", {"a", "b"}, add).with_default("b", 100)});
  for (const testing::Setting& setting : {testing::Setting{}, with_cache(), with_cache()}) {
    EXPECT_EQ(run(graph, {{"a", {1, 2}}}, 2, setting).text(), "s=[101.0, 102.0]");
    EXPECT_EQ(run(graph, {{"a", {1, 2}}, {"b", 1, false}}, 2, setting).text(), "s=[2.0, 3.0]");
  }
}

TEST_P(ExecuteBatchTest, SecondTimeEverythingHits) {
  run(arithmetic(), {{"x", {1, 2, 3}}}, 3, with_cache());
  EXPECT_EQ(calls, 6);
  const Ran warm = run(arithmetic(), {{"x", {3, 1, 2}}}, 3, with_cache());
  EXPECT_EQ(warm.text(), "y=[6, 2, 4] z=[16, 12, 14]");
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(warm.cached("twice"), 3);
  EXPECT_EQ(warm.ran("twice"), 0);
  EXPECT_EQ(warm.statistics.damaged_records, 0);
}

TEST_P(ExecuteBatchTest, OnlyMissesRun) {
  run(arithmetic(), {{"x", {1, 3}}}, 2, with_cache());
  const Ran half = run(arithmetic(), {{"x", {1, 2, 3, 4}}}, 4, with_cache());
  EXPECT_EQ(half.text(), "y=[2, 4, 6, 8] z=[12, 14, 16, 18]");
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(half.cached("add_ten"), 2);
}

TEST_P(ExecuteBatchTest, EqualRowsRunOnce) {
  const Ran ran = run(arithmetic(), {{"x", {5, 1, 5, 5, 1}}}, 5, with_cache());
  EXPECT_EQ(ran.text(), "y=[10, 2, 10, 10, 2] z=[20, 12, 20, 20, 12]");
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(ran.ran("twice"), 2);
  EXPECT_EQ(ran.cached("twice"), 3);
}

TEST_P(ExecuteBatchTest, WithoutPythonPickledRecordsAreDamaged) {
  run(arithmetic(), {{"x", {1, 2}}}, 2, with_cache());
  cache->key = detail::PickleKey::choose("a key that is given");
  for (auto& [key, record] : cache->records()) {
    const std::string payload = kPickleMark + std::string("a pickle");
    const std::vector<EncodedOutput> outputs = {{Digest::of_value(payload), payload, true}};
    record.clear();
    append_outputs(key, 0, outputs, record, cache->key->for_reading());
  }
  const Ran ran = run(arithmetic(), {{"x", {1, 2}}}, 2, with_cache());
  EXPECT_EQ(ran.text(), "y=[2, 4] z=[12, 14]");
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(ran.statistics.damaged_records, 4);
  EXPECT_EQ(run(arithmetic(), {{"x", {1, 2}}}, 2, with_cache()).statistics.damaged_records, 0);
}

TEST_P(ExecuteBatchTest, OneFunctionInTwoNodesKeepsTheirRowsApart) {
  // Equal keys at different rows of the two nodes.
  const auto graph =
      Graph::build({node<twice>("a", {"x"}).named("a"), node<twice>("b", {"y"}).named("b")});
  const std::vector<Given> inputs = {{"x", {1, 2, 3}}, {"y", {2, 3, 1}}};
  EXPECT_EQ(run(graph, inputs, 3, with_cache()).text(), "a=[2, 4, 6] b=[4, 6, 2]");
  EXPECT_EQ(run(graph, inputs, 3, with_cache()).text(), "a=[2, 4, 6] b=[4, 6, 2]");
  EXPECT_EQ(calls, 0);
}

TEST_P(ExecuteBatchTest, UncachedNodeRunsForEveryRowAndItsConsumersHit) {
  const auto graph = Graph::build({node<twice>("y", {"x"}).uncached(), node<add_ten>("z", {"y"})});
  run(graph, {{"x", {1, 1}}}, 2, with_cache());
  EXPECT_EQ(calls, 3);
  const Ran warm = run(graph, {{"x", {1, 1}}}, 2, with_cache());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(warm.cached("add_ten"), 2);
}

TEST_P(ExecuteBatchTest, NodeWithoutIdentityRunsAndWarnsOnce) {
  const std::int64_t offset = 1;
  const auto graph = Graph::build(
      {node("y", {"x"}, [offset](std::int64_t x) { return ++calls, x + offset; }).named("capture"),
       node<add_ten>("z", {"y"})});
  run(graph, {{"x", {1, 1, 2}}}, 3, with_cache());
  EXPECT_EQ(calls, 5);
  const Ran again = run(graph, {{"x", {1, 1, 2}}}, 3, with_cache());
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(again.text(), "y=[2, 2, 3] z=[12, 12, 13]");
  ASSERT_EQ(again.statistics.warnings.size(), 1U);
  EXPECT_EQ(again.statistics.warnings[0].rfind("node 'capture' runs uncached", 0), 0U);
}

TEST_P(ExecuteBatchTest, SeveralOutputsShortAndLong) {
  const auto graph = Graph::build(
      {node<describe>({"text", "same"}, {"x"}), node("size", {"text"}, [](std::string_view text) {
         return static_cast<std::int64_t>(text.size());
       })});
  const std::vector<Given> inputs = {{"x", {0, 1, 2, 1}}};
  const Ran cold = run(graph, inputs, 4, with_cache());
  EXPECT_EQ(calls, 3);
  const Ran warm = run(graph, inputs, 4, with_cache());
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(cold.text(), warm.text());
  EXPECT_EQ(warm.text().substr(warm.text().find("same")), "same=[0, 1, 2, 1] size=[0, 20, 40, 20]");
}

TEST_P(ExecuteBatchTest, ManyInputsAndOutputs) {
  // More than the fixed arrays hold.
  Node::Definition definition;
  struct Body final : NodeBody {
    void run_row(const Value* const* arguments, Value* outputs) const override {
      for (std::size_t i = 0; i < 20; ++i) outputs[i] = arguments[i]->as_int64() + 1;
    }
  };
  definition.name = "wide";
  std::vector<Given> inputs;
  std::string expected;
  for (int i = 10; i < 30; ++i) {
    const std::string name = "i" + std::to_string(i);
    NodeInput input{name, Kind::kInt64, std::nullopt};
    if (i % 2 == 0) {
      input.fallback = Value(100 + i);
    } else {
      inputs.push_back({name, {i, i + 1, i}});
    }
    definition.inputs.push_back(std::move(input));
    definition.outputs.push_back({"o" + std::to_string(i), Kind::kInt64});
    const Value column = i % 2 == 0 ? Value{101 + i, 101 + i, 101 + i} : Value{i + 1, i + 2, i + 1};
    expected += (expected.empty() ? "o" : " o") + std::to_string(i) + "=" + column.to_string();
  }
  definition.body = std::make_shared<Body>();
  definition.code = Digest::of_bytes("wide");
  const auto graph = Graph::build({Node(definition)});
  EXPECT_EQ(run(graph, inputs, 3).text(), expected);
  EXPECT_EQ(run(graph, inputs, 3, with_cache()).text(), expected);
  const Ran warm = run(graph, inputs, 3, with_cache());
  EXPECT_EQ(warm.text(), expected);
  EXPECT_EQ(warm.cached("wide"), 3);
}

// ---- damage

TEST_P(ExecuteBatchTest, DamagedRecordsAreCountedAndNeverAnAnswer) {
  const auto graph =
      Graph::build({node<describe>({"text", "same"}, {"x"}), node<add_ten>("z", {"same"})});
  const std::vector<Given> inputs = {{"x", {1, 2, 3}}};
  const std::string expected = run(graph, inputs, 3, with_cache()).text();
  const std::string foreign = cache->records().begin()->second;
  const Digest foreign_key = cache->records().begin()->first;
  using Tamper = std::function<std::string(const Digest&, const std::string&)>;
  const std::map<std::string, Tamper> ways = {
      {"flipped",
       [](const Digest&, std::string record) {
         record[record.size() / 2] = static_cast<char>(record[record.size() / 2] ^ 8);
         return record;
       }},
      {"cut", [](const Digest&, const std::string& record) { return record.substr(0, 11); }},
      {"empty", [](const Digest&, const std::string&) { return std::string(); }},
      {"longer", [](const Digest&, const std::string& record) { return record + "x"; }},
      {"of another key", [&](const Digest& key, const std::string& record) {
         return key == foreign_key ? record.substr(1) : foreign;
       }}};
  for (const auto& [way, tamper] : ways) {
    SCOPED_TRACE(way);
    cache->tamper = tamper;
    const Ran ran = run(graph, inputs, 3, with_cache());
    EXPECT_EQ(ran.text(), expected);
    EXPECT_EQ(ran.statistics.damaged_records, 6);
    EXPECT_EQ(calls, 6);
    cache->tamper = nullptr;
    EXPECT_EQ(run(graph, inputs, 3, with_cache()).text(), expected);  // stored again
    EXPECT_EQ(calls, 0);
  }
}

TEST_P(ExecuteBatchTest, RecordThatDoesNotDecodeIsComputedAgain) {
  const auto graph = arithmetic();
  run(graph, {{"x", {1, 2, 3}}}, 3, with_cache());
  cache->tamper = [](const Digest& key, const std::string& record) {
    // Right in all but the type: text for a number. Each one another, as true values would be.
    return record.find("forged") == record.npos ? record_of(key, "forged" + key.hex()) : record;
  };
  const Ran ran = run(graph, {{"x", {1, 2, 3}}}, 3, with_cache());
  EXPECT_EQ(ran.text(), "y=[2, 4, 6] z=[12, 14, 16]");
  EXPECT_EQ(ran.statistics.damaged_records, 3);  // z was not looked up under its own key
}

TEST_P(ExecuteBatchTest, RowsBeforeOneThatCannotBeComputedAgainAreDone) {
  // odd_fails has records, all of the wrong type, and fails for the third row when run again.
  const auto graph = Graph::build({node<odd_fails>("y", {"x"}), node<add_ten>("z", {"y"})});
  const std::vector<std::int64_t> items = {2, 4, 5, 6};
  for (const std::int64_t item : items) {
    const Digest digest = Digest::of_value(encoded(item));
    const std::vector<const Digest*> inputs = {&digest};
    const Digest key = KeyMaker(graph->steps()[0].node).key(inputs);
    const std::string record = record_of(key, "forged" + key.hex());
    const std::vector<std::string_view> records = {record};
    cache->put_many({&key, 1}, records);
  }
  const auto recorder = std::make_shared<Recorder>();
  const Ran ran = run(graph, {{"x", items}}, 4, {.cache = cache, .callbacks = {recorder}});
  EXPECT_EQ(ran.text(), "odd_fails @2: Node 'odd_fails' failed: odd 5");
  EXPECT_EQ(std::count(recorder->lines.begin(), recorder->lines.end(), "error odd_fails #2"), 1);
  EXPECT_EQ(std::count(recorder->lines.begin(), recorder->lines.end(), "done add_ten #1"), 1);
  EXPECT_EQ(std::count(recorder->lines.begin(), recorder->lines.end(), "node add_ten #2"), 0);
  EXPECT_EQ(ran.ran("add_ten"), 2);
}

TEST_P(ExecuteBatchTest, NestedNodeAfterARowThatCannotBeComputedAgain) {
  NestedRequest request{.graph = arithmetic(), .name = "n", .inputs = {{"x", "v"}}};
  for (const bool mapped : {false, true}) {
    if (mapped) request.map_over = {"v"};
    const auto number = [](std::int64_t x) {
      if (x == 5) throw std::runtime_error("five");
      return x;
    };
    const auto list = [](std::int64_t x) {
      if (x == 5) throw std::runtime_error("five");
      return std::vector<std::int64_t>{x};
    };
    const Node first =
        mapped ? node("v", {"a"}, list).named("first") : node("v", {"a"}, number).named("first");
    const auto graph = Graph::build({first, make_nested_node(request)});
    cache->clear();
    for (const std::int64_t item : {2, 4, 5, 6}) {
      const Digest digest = Digest::of_value(encoded(item));
      const std::vector<const Digest*> inputs = {&digest};
      const Digest key = KeyMaker(first).key(inputs);
      const std::string record = record_of(key, "forged" + key.hex());
      const std::vector<std::string_view> records = {record};
      cache->put_many({&key, 1}, records);
    }
    const Ran ran = run(graph, {{"a", {2, 4, 5, 6}}}, 4, with_cache());
    EXPECT_EQ(ran.text(), "first @2: Node 'first' failed: five") << mapped;
    EXPECT_EQ(ran.ran("n"), 2) << mapped;
  }
}

TEST_P(ExecuteBatchTest, VersionPinnedAcrossAChangeOfTypeGivesNoOldAnswer) {
  // All old records are null, so that consumers' keys would be one.
  const auto old = [](std::int64_t) { return std::optional<std::int64_t>(); };
  const auto now = [](std::int64_t x) { return x; };
  run(Graph::build({node("y", {"x"}, old).version("1")}), {{"x", {1, 2, 3}}}, 3, with_cache());
  const auto graph = Graph::build({node("y", {"x"}, now).version("1"), node<add_ten>("z", {"y"})});
  EXPECT_EQ(run(graph, {{"x", {1, 2, 3}}}, 3, with_cache()).text(), "y=[1, 2, 3] z=[11, 12, 13]");
}

// ---- failures

TEST_P(ExecuteBatchTest, LowestFailingRowWinsWhateverNode) {
  const auto graph = Graph::build({node<large_fails>("y", {"x"}), node<odd_fails>("z", {"y"})});
  EXPECT_EQ(run(graph, {{"x", {2, 3, 6}}}, 3).text(),
            "odd_fails @1: Node 'odd_fails' failed: odd 3");
  EXPECT_EQ(run(graph, {{"x", {2, 6, 3}}}, 3).text(),
            "large_fails @1: Node 'large_fails' failed: large 6");
  EXPECT_EQ(run(graph, {{"x", {7, 3}}}, 2).text(),
            "large_fails @0: Node 'large_fails' failed: large 7");
}

TEST_P(ExecuteBatchTest, FinishedRowsAreStoredAfterAFailure) {
  const auto graph = Graph::build({node<twice>("y", {"x"}), node<large_fails>("z", {"y"})});
  EXPECT_EQ(run(graph, {{"x", {1, 2, 3, 0}}}, 4, with_cache()).text(),
            "large_fails @2: Node 'large_fails' failed: large 6");
  const Ran again = run(graph, {{"x", {1, 2}}}, 2, with_cache());
  EXPECT_EQ(again.text(), "y=[2, 4] z=[2, 4]");
  EXPECT_EQ(calls, 0);
}

TEST_P(ExecuteBatchTest, FailureIsNotStored) {
  const auto graph = Graph::build({node<odd_fails>("y", {"x"})});
  run(graph, {{"x", {1}}}, 1, with_cache());
  EXPECT_EQ(cache->size(), 0U);
  run(graph, {{"x", {1}}}, 1, with_cache());
  EXPECT_EQ(calls, 1);
}

TEST_P(ExecuteBatchTest, FailureOfARowThatOthersEqual) {
  const auto graph = Graph::build({node<odd_fails>("y", {"x"}), node<add_ten>("z", {"y"})});
  EXPECT_EQ(run(graph, {{"x", {2, 2, 3, 3, 2}}}, 5, with_cache()).text(),
            "odd_fails @2: Node 'odd_fails' failed: odd 3");
  EXPECT_EQ(run(graph, {{"x", {2, 2}}}, 2, with_cache()).text(), "y=[2, 2] z=[12, 12]");
  EXPECT_EQ(calls, 0);
}

TEST_P(ExecuteBatchTest, FailureOfARunHasNoRow) {
  const auto graph = Graph::build({node<odd_fails>("y", {"x"})});
  EXPECT_EQ(run(graph, {{"x", {1}}}, 1, {.map = false}).text(),
            "odd_fails @-1: Node 'odd_fails' failed: odd 1");
}

TEST_P(ExecuteBatchTest, ArgumentThatDoesNotFitIsItsRowsFailure) {
  const auto graph = Graph::build({node<twice>("y", {"x"}), node<add_ten>("z", {"y"})});
  const Value items = Value::list(Column::objects({1, 2, "three", 4}));
  for (const testing::Setting& setting : {testing::Setting{}, with_cache()}) {
    EXPECT_EQ(run(graph, {{"x", items}}, 4, setting).text(),
              "twice @2: Node 'twice' failed: expected int64 but got string");
  }
  EXPECT_EQ(run(graph, {{"x", {1, 2}}}, 2, with_cache()).text(), "y=[2, 4] z=[12, 14]");
  EXPECT_EQ(calls, 0);
}

TEST_P(ExecuteBatchTest, NullWhereNoneIsTakenIsItsRowsFailure) {
  const auto graph = Graph::build({node<twice>("y", {"x"})});
  EXPECT_EQ(run(graph, {{"x", {1, nullptr, 2}}}, 3).text(),
            "twice @1: Node 'twice' failed: expected int64 but got null");
}

TEST_P(ExecuteBatchTest, ResultThatDoesNotFitIsItsRowsFailure) {
  const auto unsigned_list = [](std::int64_t x) {
    return std::tuple{x, std::vector<std::uint64_t>{1, x == 3 ? ~std::uint64_t{0} : 2}};
  };
  const auto graph = Graph::build(
      {node({"same", "list"}, {"x"}, unsigned_list).named("wide"), node<total>("sum", {"list"})});
  for (const testing::Setting& setting : {testing::Setting{}, with_cache()}) {
    const Ran ran = run(graph, {{"x", {1, 2, 3, 4}}}, 4, setting);
    EXPECT_EQ(ran.text().substr(0, 8), "wide @2:");
    EXPECT_EQ(ran.ran("total") + ran.cached("total"), 2);
  }
}

TEST_P(ExecuteBatchTest, OriginalExceptionIsNested) {
  struct Mine : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  const auto mine = [](std::int64_t x) -> std::int64_t { throw Mine("mine " + std::to_string(x)); };
  const auto ours = [](std::int64_t) -> std::int64_t { throw PlanError("ours", "here"); };
  const auto number = [](std::int64_t) -> std::int64_t { throw 5; };
  const auto inner_of = [&](const Node& node) -> std::string {
    const Ran ran = run(Graph::build({node}), {{"x", {1}}}, 1);
    try {
      std::rethrow_exception(ran.failure->error);
    } catch (const ExecutionError& error) {
      try {
        std::rethrow_if_nested(error);
      } catch (const Mine& inner) {
        return "Mine: " + error.message();
      } catch (const PlanError& inner) {
        return "PlanError: " + error.message();
      } catch (int inner) {
        return "int: " + error.message();
      }
    }
    return "not nested";
  };
  EXPECT_EQ(inner_of(node("y", {"x"}, mine)), "Mine: Node 'y' failed: mine 1");
  EXPECT_EQ(inner_of(node("y", {"x"}, ours)), "PlanError: Node 'y' failed: ours");
  EXPECT_EQ(inner_of(node("y", {"x"}, number)),
            "int: Node 'y' failed: an exception that is no std::exception");
}

// ---- events

Lines item(int row, Lines inside) {
  const std::string number = " #" + std::to_string(row);
  Lines lines = {"item" + number, "start" + number};
  for (const std::string& line : inside) lines.push_back(line + number);
  lines.push_back("end" + number);
  lines.push_back("item_end" + number);
  return lines;
}
Lines operator+(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_P(ExecuteBatchTest, EventsOfAMap) {
  const auto recorder = std::make_shared<Recorder>();
  run(arithmetic(), {{"x", {1, 2}}}, 2, {.callbacks = {recorder}});
  const Lines inside = {"node twice", "done twice", "node add_ten", "done add_ten"};
  const Lines by_nodes = {
      "item #0",         "start #0",        "item #1",         "start #1",
      "node twice #0",   "done twice #0",   "node twice #1",   "done twice #1",
      "node add_ten #0", "done add_ten #0", "node add_ten #1", "done add_ten #1",
      "end #0",          "item_end #0",     "end #1",          "item_end #1"};
  EXPECT_EQ(recorder->lines, by_rows() ? item(0, inside) + item(1, inside) : by_nodes);
}

TEST_P(ExecuteBatchTest, EachRowTellsEachNodeOnce) {
  run(arithmetic(), {{"x", {1, 2}}}, 2, with_cache());
  const auto recorder = std::make_shared<Recorder>();
  const Numbers items = {1, 5, 5, 2, 6};  // a hit, a miss, its equal, a hit, a miss
  run(arithmetic(), {{"x", items}}, 5, {.cache = cache, .callbacks = {recorder}});
  std::map<std::string, int> counts;
  for (const std::string& line : recorder->lines) ++counts[line];
  for (const std::string& node : {std::string("twice"), std::string("add_ten")}) {
    for (const int row : {0, 2, 3}) {
      EXPECT_EQ(counts["cached " + node + " #" + std::to_string(row)], 1);
      EXPECT_EQ(counts["node " + node + " #" + std::to_string(row)], 0);
    }
    for (const int row : {1, 4}) {
      EXPECT_EQ(counts["cached " + node + " #" + std::to_string(row)], 0);
      EXPECT_EQ(counts["node " + node + " #" + std::to_string(row)], 1);
      EXPECT_EQ(counts["done " + node + " #" + std::to_string(row)], 1);
    }
  }
  for (int row = 0; row < 5; ++row) {
    EXPECT_EQ(counts["item_cached #" + std::to_string(row)], row == 1 || row == 4 ? 0 : 2);
    EXPECT_EQ(counts["end #" + std::to_string(row)], 1);
  }
}

TEST_P(ExecuteBatchTest, EventsCarryArgumentsAndOutputs) {
  const auto recorder = std::make_shared<Recorder>();
  recorder->with_values = true;
  const auto graph = Graph::build({node<describe>({"text", "same"}, {"x"})});
  run(graph, {{"x", {0}}, {"unused", {1}}}, 1, {.callbacks = {recorder}, .map = false});
  EXPECT_EQ(recorder->lines, (Lines{"start 0", "node describe 0", "done describe '' 0", "end"}));
}

TEST_P(ExecuteBatchTest, ErrorIsTheLastEvent) {
  const auto graph = Graph::build({node<twice>("y", {"x"}), node<large_fails>("z", {"y"})});
  const auto recorder = std::make_shared<Recorder>();
  run(graph, {{"x", {1, 3, 2}}}, 3, {.callbacks = {recorder}});
  ASSERT_GT(recorder->lines.size(), 2U);
  EXPECT_EQ(recorder->lines.back(), "error large_fails #1");
  EXPECT_EQ(recorder->lines[recorder->lines.size() - 2], "node large_fails #1");
}

TEST_P(ExecuteBatchTest, CallbackThatThrowsStopsTheRunAndWhatWasDoneIsStored) {
  for (const char* at : {"node add_ten #1", "done add_ten #1", "done twice #1", "end #1"}) {
    SCOPED_TRACE(at);
    cache->clear();
    const auto recorder = std::make_shared<Recorder>();
    recorder->throw_at = at;
    EXPECT_THROW(
        run(arithmetic(), {{"x", {1, 2, 3}}}, 3, {.cache = cache, .callbacks = {recorder}}),
        std::runtime_error);
    EXPECT_EQ(recorder->lines.back(), at);
    const int made = calls;
    EXPECT_EQ(cache->size(), static_cast<std::size_t>(made));
    run(arithmetic(), {{"x", {1, 2, 3}}}, 3, with_cache());
    EXPECT_EQ(made + calls, 6);
  }
}

TEST_P(ExecuteBatchTest, CallbacksAreCalledInListOrder) {
  struct Tag final : Callback {
    explicit Tag(std::string* to, char name) : log(to), tag(name) {}
    void on_event(const Event&) override { *log += tag; }
    std::string* log;
    char tag;
  };
  std::string log;
  run(arithmetic(), {{"x", {1}}}, 1,
      {.callbacks = {std::make_shared<Tag>(&log, 'a'), std::make_shared<Tag>(&log, 'b')}});
  for (std::size_t i = 0; i < log.size(); ++i) ASSERT_EQ(log[i], i % 2 == 0 ? 'a' : 'b');
}

// ---- run_row

TEST(RunRowTest, FillsSlotsAndUsesDefaults) {
  const auto add = [](std::int64_t a, std::int64_t b) { return a + b; };
  const auto graph =
      Graph::build({node("s", {"a", "b"}, add).with_default("b", 5), node<odd_fails>("t", {"s"})});
  std::vector<Value> slots(graph->slots().size());
  slots[0] = 1;
  const bool given[] = {true, false};
  EXPECT_FALSE(run_row(*graph, graph->all(), slots.data(), given, -1));
  EXPECT_EQ(slots[2], Value(6));
  slots[0] = 2;
  const auto failure = run_row(*graph, graph->all(), slots.data(), given, 3);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->node, "odd_fails");
  EXPECT_EQ(failure->row, 3);
  EXPECT_THROW(raise(*failure), ExecutionError);
}

}  // namespace
}  // namespace hypernodes
