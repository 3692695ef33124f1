// SPDX-License-Identifier: MIT
#include "daft/inlined.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/nested.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes::daft {
namespace {

using Names = std::vector<std::string>;
using Places = std::vector<std::pair<int, int>>;

Places places_of(const std::vector<Place>& places) {
  Places pairs;
  for (const Place& place : places) pairs.emplace_back(place.pipeline, place.step);
  return pairs;
}

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }

/// y = 2x, z = y + k.
NestedRequest inner(const std::string& name) {
  NestedRequest request;
  request.graph = Graph::build({node<twice>("y", {"x"}), node<add>("z", {"y", "k"})}, "inner");
  request.name = name;
  return request;
}

std::shared_ptr<const OwnNodes> numbered(const std::string& output, int number) {
  auto own = std::make_shared<OwnNodes>();
  own->nodes.emplace(output, number);
  return own;
}

/// The steps as text: `twice(x)=y`.
Names steps_of(const Inlined& parts) {
  const auto name = [&](int slot) {
    return std::string(inner_label(parts.graph->slots()[static_cast<std::size_t>(slot)]));
  };
  Names texts;
  for (const Graph::Step& step : parts.graph->steps()) {
    std::string text = step.node.name() + "(";
    for (const int slot : step.inputs) text += (text.back() == '(' ? "" : ", ") + name(slot);
    texts.push_back(text + ")=" + name(step.first_output));
  }
  return texts;
}

TEST(InlinedTest, IsTheGraphItselfWherePipelinesStay) {
  const auto graph = Graph::build({node<twice>("a", {"x"}), make_nested_node(inner("n"))});
  const Inlined parts = inlined(graph, graph->all(), *numbered("z", 3));
  EXPECT_EQ(parts.graph, graph);
  EXPECT_EQ(parts.own, (std::vector<int>{-1, -1}));  // a pipeline is known by its first output
  EXPECT_EQ(inlined(graph, graph->all(), *numbered("y", 3)).own, (std::vector<int>{3, -1}));
}

TEST(InlinedTest, PutsNodesInTheirPlaceUnderPaths) {
  NestedRequest request = inner("n");
  request.inputs = {{"x", "page"}};
  request.outputs = {{"z", "size"}};
  request.bound = {{"k", Value(std::int64_t{5})}};
  const auto graph =
      Graph::build({make_nested_node(request), node<add>("sum", {"size", "y"})}, "outer");
  OwnNodes own;
  own.pipelines.emplace("size", numbered("z", 0));
  const Inlined parts = inlined(graph, graph->all(), own);
  EXPECT_EQ(steps_of(parts), (Names{"twice(page)=n.y", "add(n.y, n.k)=size", "add(size, y)=sum"}));
  EXPECT_EQ(parts.own, (std::vector<int>{-1, 0, -1}));
  EXPECT_EQ(places_of(parts.opened), (Places{{-1, 0}}));
  EXPECT_EQ(places_of(parts.places), (Places{{0, 0}, {0, 1}, {-1, 1}}));
  EXPECT_EQ(parts.selection.output_names, (Names{"size", "sum"}));
  EXPECT_EQ(parts.graph->name(), "outer");
  ASSERT_EQ(parts.bound.size(), 1U);
  EXPECT_EQ(parts.graph->slots()[static_cast<std::size_t>(parts.bound[0].first)], "__hn_inner_n.k");
  EXPECT_EQ(parts.bound[0].second.as_int64(), 5);
  // Those who know slots of root inputs may go on with them.
  EXPECT_EQ(parts.graph->slot("page"), graph->slot("page"));
  EXPECT_EQ(parts.graph->slot("y"), graph->slot("y"));
}

TEST(InlinedTest, TakesOnlyTheStepsOfTheSelection) {
  NestedRequest request = inner("n");
  const auto graph =
      Graph::build({make_nested_node(request), node<twice>("other", {"x"})}, "outer");
  OwnNodes own;
  for (const char* name : {"y", "z"}) own.pipelines.emplace(name, numbered("y", 0));
  const Names wanted{"z"};
  const Inlined parts = inlined(graph, graph->select(wanted), own);
  EXPECT_EQ(steps_of(parts), (Names{"twice(x)=y", "add(y, k)=z"}));
  EXPECT_EQ(parts.selection.output_names, wanted);
}

TEST(InlinedTest, GivesTwoPipelinesOfOneNameTwoPaths) {
  NestedRequest first = inner("n"), second = inner("n");
  first.outputs = {{"z", "a"}};
  second.outputs = {{"z", "b"}};
  NestedRequest around;
  around.graph = Graph::build({make_nested_node(first), make_nested_node(second)}, "middle");
  around.name = "m";
  const auto graph = Graph::build({make_nested_node(around)});
  OwnNodes own;
  auto middle = std::make_shared<OwnNodes>();
  for (const char* name : {"a", "b"}) middle->pipelines.emplace(name, numbered("y", 0));
  own.pipelines.emplace("a", middle);
  const Inlined parts = inlined(graph, graph->all(), own);
  EXPECT_EQ(steps_of(parts),
            (Names{"twice(x)=m.n.y", "add(m.n.y, k)=a", "twice(x)=m.n.y#2", "add(m.n.y#2, k)=b"}));
  EXPECT_EQ(places_of(parts.opened), (Places{{-1, 0}, {0, 0}, {0, 1}}));
  EXPECT_EQ(places_of(parts.places), (Places{{1, 0}, {1, 1}, {2, 0}, {2, 1}}));
}

}  // namespace
}  // namespace hypernodes::daft
