// SPDX-License-Identifier: MIT
#include "graph/graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

using Names = std::vector<std::string>;

std::int64_t one(std::int64_t a) { return a; }
std::int64_t two(std::int64_t a, std::int64_t b) { return a + b; }

Node unary(const char* name, const char* output, const char* input) {
  return node<one>(output, {input}).named(name);
}
Node binary(const char* name, const char* output, const char* a, const char* b) {
  return node<two>(output, {a, b}).named(name);
}

Names order_of(const Graph& graph) {
  Names names;
  for (const Graph::Step& step : graph.steps()) names.push_back(step.node.name());
  return names;
}

Names selected(const Graph& graph, const Names& outputs) {
  Names names;
  for (const int step : graph.select(outputs).steps) {
    names.push_back(graph.steps()[static_cast<std::size_t>(step)].node.name());
  }
  return names;
}

TEST(GraphTest, NodesOfOneNameRunByOutput) {
  const Node a = unary("same", "a", "x");
  const Node b = unary("same", "b", "x");
  EXPECT_EQ(Graph::build({a, b})->all().output_names, (Names{"a", "b"}));
  EXPECT_EQ(Graph::build({b, a})->all().output_names, (Names{"a", "b"}));
}

TEST(GraphTest, OverriddenOutputsAreInputsAndStayOutputs) {
  const auto graph =
      Graph::build({unary("a", "va", "x"), unary("b", "vb", "va"), binary("c", "vc", "vb", "y")});
  const auto given = graph->overridden(Names{"vb"});
  EXPECT_EQ(order_of(*given), (Names{"a", "c"}));
  EXPECT_EQ(given->all().output_names, (Names{"va", "vb", "vc"}));
  EXPECT_EQ(selected(*given, {"vc"}), Names{"c"});
  EXPECT_EQ(given->select(Names{"vc"}).roots.size(), 2U);
  EXPECT_TRUE(given->is_overridden("vb"));
  EXPECT_EQ(given->slot_type(given->slot("vb")).name(), "int64");
  EXPECT_EQ(given->id(), graph->id());
  EXPECT_THROW(graph->overridden(Names{"x"}), PlanError);
}

TEST(GraphTest, OverridingOneOfSeveralOutputsKeepsItsNode) {
  const auto both = [](std::int64_t x) { return std::tuple{x, x}; };
  const auto graph =
      Graph::build({node({"m", "l"}, {"y"}, both).named("a"), unary("b", "vb", "l")});
  const auto given = graph->overridden(Names{"l"});
  EXPECT_EQ(order_of(*given), (Names{"a", "b"}));
  EXPECT_EQ(selected(*given, {"vb"}), Names{"b"});
  EXPECT_EQ(given->all().output_names, (Names{"m", "l", "vb"}));
}

TEST(GraphTest, ReadyNodesRunByName) {
  // c is ready from the start, a only after z.
  const auto graph = Graph::build({unary("c", "vc", "x"), unary("a", "va", "vz"),
                                   unary("z", "vz", "x"), unary("b", "vb", "va")});
  EXPECT_EQ(order_of(*graph), (Names{"c", "z", "a", "b"}));
}

TEST(GraphTest, OrderDoesNotDependOnTheList) {
  std::vector<Node> nodes = {unary("d", "vd", "x"), binary("a", "va", "vd", "vc"),
                             unary("c", "vc", "y"), unary("b", "vb", "vd"),
                             binary("e", "ve", "va", "vb")};
  const Names expected = {"c", "d", "a", "b", "e"};
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(nodes.begin(), nodes.end(), random);
    EXPECT_EQ(order_of(*Graph::build(nodes)), expected);
  }
}

TEST(GraphTest, SlotsAreSortedRootsThenOutputsInOrder) {
  const auto both = [](std::int64_t x) { return std::tuple{x, x}; };
  const auto graph = Graph::build({node({"m", "l"}, {"y"}, both).named("a"),
                                   binary("b", "sum", "m", "b"), unary("c", "c", "a")});
  EXPECT_EQ(graph->slots(), (Names{"a", "b", "y", "m", "l", "sum", "c"}));
  EXPECT_EQ(graph->root_count(), 3);
  EXPECT_EQ(graph->steps()[0].first_output, 3);
  EXPECT_EQ(graph->steps()[1].inputs, (std::vector<int>{3, 1}));
  EXPECT_EQ(graph->slot("l"), 4);
  EXPECT_EQ(graph->slot("nope"), -1);
  EXPECT_EQ(graph->slot_type(4).kind(), Kind::kInt64);
}

TEST(GraphTest, SelectionPrunesNodesAndRoots) {
  const auto graph = Graph::build({unary("a", "va", "x"), unary("b", "vb", "va"),
                                   unary("c", "vc", "y"), binary("d", "vd", "vb", "vc")});
  EXPECT_EQ(selected(*graph, {"vb"}), (Names{"a", "b"}));
  EXPECT_EQ(selected(*graph, {"vc"}), (Names{"c"}));
  EXPECT_EQ(selected(*graph, {"vd"}), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(selected(*graph, {}), Names{});
  const Names wanted = {"vc", "va", "vc"};
  const Selection selection = graph->select(wanted);
  EXPECT_EQ(selection.output_names, wanted);  // as asked, twice too
  EXPECT_EQ(selection.roots, (std::vector<int>{graph->slot("x"), graph->slot("y")}));
  EXPECT_EQ(graph->all().output_names, (Names{"va", "vb", "vc", "vd"}));
}

TEST(GraphTest, RootIsOptionalIfEveryReaderHasADefault) {
  const Node plain = binary("a", "va", "x", "k");
  const Node with_default = binary("b", "vb", "x", "k").with_default("k", 1);
  const auto mixed = Graph::build({plain, with_default});
  EXPECT_FALSE(mixed->optional(mixed->slot("k")));
  const auto all = Graph::build({with_default});
  EXPECT_TRUE(all->optional(all->slot("k")));
  EXPECT_FALSE(all->optional(all->slot("x")));
}

TEST(GraphTest, DefaultOfAnInputThatANodeProducesDoesNotMatter) {
  const auto graph =
      Graph::build({unary("a", "k", "x"), binary("b", "vb", "x", "k").with_default("k", 1)});
  EXPECT_EQ(graph->root_count(), 1);
  EXPECT_EQ(order_of(*graph), (Names{"a", "b"}));
}

TEST(GraphTest, UnknownOutputsAreNamedWithTheAvailableOnes) {
  const auto graph = Graph::build({unary("a", "vb", "x"), unary("b", "va", "x")}, "mine");
  try {
    graph->select(Names{"nope", "va", "x"});  // an input is no output
    FAIL();
  } catch (const PlanError& error) {
    EXPECT_EQ(error.message(),
              "Output name(s) ['nope', 'x'] not found in pipeline. Available outputs: ['va', "
              "'vb']");
    EXPECT_EQ(error.where(), "pipeline 'mine'");
  }
}

TEST(GraphTest, TwoProducersOfANameAreRefused) {
  try {
    Graph::build({unary("f", "a", "x"), unary("g", "a", "y")});
    FAIL();
  } catch (const DependencyError& error) {
    EXPECT_EQ(error.message(), "Multiple nodes produce output 'a': f and g");
  }
}

std::string cycle_of(std::vector<Node> nodes) {
  try {
    Graph::build(std::move(nodes));
    return "no cycle";
  } catch (const CycleError& error) {
    return error.message();
  }
}

TEST(GraphTest, CycleIsNamedAlongTheFlowOfData) {
  EXPECT_EQ(cycle_of({unary("a", "va", "vc"), unary("b", "vb", "va"), unary("c", "vc", "vb")}),
            "Cycle detected in pipeline: b -> c -> a -> b");
}

TEST(GraphTest, NodesBeforeAndAfterACycleAreNotNamed) {
  EXPECT_EQ(cycle_of({unary("after", "end", "vb"), unary("before", "start", "x"),
                      binary("a", "va", "start", "vb"), unary("b", "vb", "va")}),
            "Cycle detected in pipeline: a -> b -> a");
}

TEST(GraphTest, NodeThatNeedsItsOwnOutputIsACycle) {
  EXPECT_EQ(cycle_of({unary("f", "x", "x")}), "Cycle detected in pipeline: f -> f");
}

TEST(GraphTest, OutputOfAnotherTypeThanTheInputIsRefused) {
  const auto words = [](std::int64_t) { return std::string(); };
  try {
    Graph::build({node("text", {"x"}, words).named("w"), unary("f", "y", "text")});
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(),
              "Output 'text' of node 'w' is string, but node 'f' takes it as int64");
  }
}

TEST(GraphTest, RootAcceptsTheOneKindItsReadersTake) {
  const auto words = [](const std::string& text) { return text; };
  const auto maybe = [](std::optional<std::int64_t> x) { return x.value_or(0); };
  const auto graph = Graph::build({unary("a", "va", "x"), unary("b", "vb", "x"),
                                   node("vc", {"s"}, words), unary("d", "vd", "both"),
                                   node("ve", {"both"}, words), node("vf", {"opt"}, maybe)});
  EXPECT_TRUE(graph->root_accepts(graph->slot("x"), 1));
  EXPECT_FALSE(graph->root_accepts(graph->slot("x"), 1.5));
  EXPECT_TRUE(graph->root_accepts(graph->slot("s"), "a"));
  EXPECT_FALSE(graph->root_accepts(graph->slot("both"), 1));
  EXPECT_FALSE(graph->root_accepts(graph->slot("opt"), 1));  // the slow way converts
}

TEST(GraphTest, EmptyGraphHasNothing) {
  const auto graph = Graph::build({});
  EXPECT_TRUE(graph->steps().empty());
  EXPECT_TRUE(graph->all().outputs.empty());
}

TEST(GraphTest, IdsAreUnique) {
  EXPECT_NE(Graph::build({})->id(), Graph::build({})->id());
  EXPECT_EQ(Graph::build({})->id().rfind("pipeline_", 0), 0U);
}

}  // namespace
}  // namespace hypernodes
