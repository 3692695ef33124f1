// SPDX-License-Identifier: MIT
#include "graph/nested.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

using Names = std::vector<std::string>;

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }
std::int64_t subtract(std::int64_t a, std::int64_t b) { return a - b; }

/// y = 2x, z = y + k.
std::shared_ptr<const Graph> graph() {
  static const auto made =
      Graph::build({node<twice>("y", {"x"}), node<add>("z", {"y", "k"})}, "inner");
  return made;
}

Names input_names(const Node& node) {
  Names names;
  for (const NodeInput& input : node.inputs()) names.push_back(input.name);
  return names;
}
Names output_names(const Node& node) {
  Names names;
  for (const NodeOutput& output : node.outputs()) names.push_back(output.name);
  return names;
}

/// A request for graph(), changed.
NestedRequest request(const std::function<void(NestedRequest&)>& change = {}) {
  NestedRequest made;
  made.graph = graph();
  made.name = "n";
  if (change) change(made);
  return made;
}
Node nested(const std::function<void(NestedRequest&)>& change = {}) {
  return make_nested_node(request(change));
}
const Digest& code(const Node& node) { return node.definition().code; }

TEST(NestedNodeTest, HasTheRootsAndAllOutputsOfItsPipeline) {
  const Node node = nested();
  EXPECT_EQ(input_names(node), (Names{"k", "x"}));
  EXPECT_EQ(output_names(node), (Names{"y", "z"}));
  EXPECT_EQ(node.outputs()[0].type.name(), "int64");
  EXPECT_FALSE(node.definition().nested->is_map());
}

TEST(NestedNodeTest, AVersionStandsForTheCodeOfTheOutputsThatAreLeft) {
  const auto pinned = [](std::string_view version, std::shared_ptr<const Graph> inner) {
    return nested([&](auto& r) { r.graph = std::move(inner); }).version(version);
  };
  const auto other = Graph::build({node<twice>("y", {"x"}), node<subtract>("z", {"y", "k"})});
  for (const char* output : {"y", "z"}) {
    const auto left = [&](const Node& node) { return code(pruned(node, {output})); };
    EXPECT_EQ(left(pinned("1", graph())), left(pinned("1", other)));
    EXPECT_NE(left(pinned("1", graph())), left(pinned("2", graph())));
    EXPECT_NE(left(pinned("1", graph())), left(nested()));
  }
  EXPECT_NE(code(pruned(pinned("1", graph()), {"y"})), code(pruned(pinned("1", graph()), {"z"})));
}

TEST(NestedNodeTest, MappingsRename) {
  const Node node = nested([](auto& r) {
    r.inputs = {{"x", "item"}};
    r.outputs = {{"z", "result"}};
  });
  EXPECT_EQ(input_names(node), (Names{"k", "item"}));
  EXPECT_EQ(output_names(node), (Names{"result"}));
}

TEST(NestedNodeTest, OutputsAreInSortedInnerOrder) {
  const Node node = nested([](auto& r) { r.outputs = {{"z", "a"}, {"y", "b"}}; });
  EXPECT_EQ(output_names(node), (Names{"b", "a"}));
}

TEST(NestedNodeTest, MapGivesLists) {
  const Node node = nested([](auto& r) { r.map_over = {"x"}; });
  EXPECT_TRUE(node.definition().nested->is_map());
  EXPECT_EQ(node.outputs()[0].type.name(), "list<int64>");
  EXPECT_EQ(node.definition().nested->mapped, (std::vector<bool>{false, true}));
}

TEST(NestedNodeTest, OnlyWhatTheOutputsNeedIsAnInput) {
  const Node node = nested([](auto& r) { r.outputs = {{"y", "y"}}; });
  EXPECT_EQ(input_names(node), (Names{"x"}));
}

TEST(NestedNodeTest, MappedInputIsAnInputEvenIfNoOutputNeedsIt) {
  // Its items still count the rows.
  const Node node = nested([](auto& r) {
    r.outputs = {{"y", "y"}};
    r.map_over = {"k", "x"};
    r.mode = MapMode::kProduct;
  });
  EXPECT_EQ(input_names(node), (Names{"k", "x"}));
  EXPECT_EQ(node.definition().nested->mapped, (std::vector<bool>{true, true}));
}

TEST(NestedNodeTest, BoundInputIsNone) {
  const Node node = nested([](auto& r) { r.bound = {{"k", 1}, {"unknown", 2}}; });
  EXPECT_EQ(input_names(node), (Names{"x"}));
  ASSERT_EQ(node.definition().nested->bound.size(), 1U);
}

TEST(NestedNodeTest, MapOverWinsOverABoundValue) {
  const Node node = nested([](auto& r) {
    r.bound = {{"x", 1}};
    r.map_over = {"x"};
  });
  EXPECT_EQ(input_names(node), (Names{"k", "x"}));
  EXPECT_TRUE(node.definition().nested->bound.empty());
}

TEST(NestedNodeTest, InnerDefaultMakesAnOptionalInput) {
  NestedRequest asked;
  asked.graph = Graph::build({node<add>("z", {"y", "k"}).with_default("k", 1)});
  const Node plain = make_nested_node(asked);
  EXPECT_TRUE(plain.optional(plain.inputs()[0]));
  EXPECT_FALSE(plain.optional(plain.inputs()[1]));
  asked.map_over = {"k"};
  const Node mapped = make_nested_node(asked);
  EXPECT_FALSE(mapped.optional(mapped.inputs()[0]));
}

TEST(NestedNodeTest, NameIsTheRequestsElseTheGraphsId) {
  EXPECT_EQ(nested().name(), "n");
  EXPECT_EQ(nested([](auto& r) { r.name = ""; }).name(), graph()->id());
}

TEST(NestedNodeTest, WithoutANameGoesFirstAndThenByItsOutput) {
  const auto unnamed = [](const char* output) {
    return nested([output](NestedRequest& made) {
      made.graph = Graph::build({node<twice>("y", {"x"})});  // with an id that is the next one
      made.name = "";
      made.outputs = {{"y", output}};
    });
  };
  const Node b = unnamed("b"), a = unnamed("a");
  const auto outer = Graph::build({node<twice>("first", {"x"}), b, a});
  Names outputs;
  for (const Graph::Step& step : outer->steps()) outputs.push_back(step.node.outputs()[0].name);
  EXPECT_EQ(outputs, (Names{"a", "b", "first"}));
}

TEST(NestedNodeTest, UnknownNamesAreRefused) {
  const auto message = [](const std::function<void(NestedRequest&)>& change) -> std::string {
    try {
      nested(change);
      return "accepted";
    } catch (const DependencyError& error) {
      return error.message();
    }
  };
  EXPECT_EQ(message([](auto& r) { r.inputs = {{"nope", "a"}}; }),
            "'nope' in input_mapping is no name of the pipeline");
  EXPECT_EQ(message([](auto& r) { r.inputs = {{"y", "a"}}; }),
            "'y' in input_mapping is no name of the pipeline");
  EXPECT_EQ(message([](auto& r) { r.outputs = {{"nope", "a"}}; }),
            "'nope' in output_mapping is no name of the pipeline");
  EXPECT_EQ(message([](auto& r) { r.outputs = {{"x", "a"}}; }),
            "'x' in output_mapping is no name of the pipeline");
  EXPECT_EQ(message([](auto& r) { r.map_over = {"nope"}; }),
            "'nope' in map_over is no name of the pipeline");
  EXPECT_EQ(message([](auto& r) {
              r.inputs = {{"x", "item"}};
              r.map_over = {"x"};  // outer names are meant
            }),
            "'x' in map_over is no name of the pipeline");
}

TEST(NestedNodeTest, UncachedNodeInsideMakesItUncached) {
  NestedRequest asked;
  asked.graph =
      Graph::build({node<twice>("y", {"x"}).uncached(), node<add>("z", {"x", "k"})}, "inner");
  EXPECT_FALSE(is_cacheable(make_nested_node(asked)));
  asked.outputs = {{"z", "z"}};  // it does not run
  EXPECT_TRUE(is_cacheable(make_nested_node(asked)));
  asked.cached = false;
  EXPECT_FALSE(is_cacheable(make_nested_node(asked)));
}

TEST(NestedNodeTest, IsPrunedToWhatItsSiblingsNeed) {
  const Node whole = nested();
  const auto needs_y = Graph::build({whole, node<twice>("w", {"y"})});
  EXPECT_EQ(needs_y->all().output_names, (Names{"y", "w"}));
  const Node& left = needs_y->steps()[0].node;
  EXPECT_EQ(input_names(left), Names{"x"});  // only z needs k
  EXPECT_NE(code(left), code(whole));
  EXPECT_EQ(code(left), code(nested([](auto& r) { r.outputs = {{"y", "y"}}; })));
  EXPECT_EQ(needs_y->whole()->all().output_names, (Names{"y", "z", "w"}));
  EXPECT_EQ(needs_y->covering(Names{"z"}), needs_y->whole());
  EXPECT_EQ(needs_y->covering(Names{"y", "w"}), needs_y);

  const auto alone = Graph::build({whole});
  EXPECT_EQ(alone->all().output_names, (Names{"y", "z"}));
  EXPECT_EQ(alone->whole(), alone);
  const auto both = Graph::build({whole, node<add>("w", {"y", "z"})});
  EXPECT_EQ(both->steps()[0].node, whole);
}

TEST(NestedNodeTest, PrunedKeepsItsMapBoundValuesAndNames) {
  const Node mapped = nested([](auto& r) {
                        r.inputs = {{"x", "items"}};
                        r.outputs = {{"y", "ys"}, {"z", "zs"}};
                        r.map_over = {"items"};
                        r.bound = {{"k", 1}};
                      }).uncached();
  const Node left = pruned(mapped, {"ys", "other"});
  EXPECT_EQ(output_names(left), Names{"ys"});
  EXPECT_EQ(input_names(left), Names{"items"});
  EXPECT_TRUE(left.definition().nested->is_map());
  EXPECT_TRUE(left.definition().nested->bound.empty());
  EXPECT_FALSE(is_cacheable(left));
  EXPECT_EQ(pruned(mapped, {"zs"}).definition().nested->bound.size(), 1U);
}

TEST(NestedNodeTest, WithoutANameGoesFirst) {
  const auto unnamed = Graph::build({node<twice>("w", {"q"})});
  NestedRequest asked;
  asked.graph = unnamed;
  const Node node = make_nested_node(asked);
  EXPECT_EQ(node.name(), unnamed->id());
  const auto outer = Graph::build({hypernodes::node<twice>("v", {"q"}).named("a"), node});
  EXPECT_EQ(outer->steps()[0].node, node);
}

TEST(NestedIdentityTest, ChangesWithWhatItDoes) {
  const auto change = [](const std::function<void(NestedRequest&)>& to) {
    return code(nested(to));
  };
  const Digest base = code(nested());
  EXPECT_NE(base, change([](auto& r) { r.map_over = {"x"}; }));
  EXPECT_NE(base, change([](auto& r) { r.bound = {{"k", 1}}; }));
  EXPECT_NE(base, change([](auto& r) { r.outputs = {{"z", "z"}}; }));
  EXPECT_NE(base, change([](auto& r) { r.outputs = {{"y", "y"}}; }));
  const auto mapped = [&](MapMode mode, Names over) {
    return change([&](auto& r) {
      r.mode = mode;
      r.map_over = over;
    });
  };
  EXPECT_NE(mapped(MapMode::kZip, {"x", "k"}), mapped(MapMode::kProduct, {"x", "k"}));
  EXPECT_NE(mapped(MapMode::kZip, {"x"}), mapped(MapMode::kZip, {"k"}));
  EXPECT_NE(mapped(MapMode::kZip, {"x"}), mapped(MapMode::kZip, {"x", "k"}));
}

TEST(NestedIdentityTest, ChangesWithCodeWiringAndDefaults) {
  const auto of = [](std::vector<Node> nodes) {
    NestedRequest asked;
    asked.graph = Graph::build(std::move(nodes));
    return code(make_nested_node(asked));
  };
  const Node y = node<twice>("y", {"x"});
  const Digest base = of({y, node<add>("z", {"y", "k"})});
  EXPECT_NE(base, of({y, node<subtract>("z", {"y", "k"}).named("add")}));
  EXPECT_NE(base, of({y, node<add>("z", {"k", "y"})}));
  EXPECT_NE(base, of({y, node<add>("z", {"x", "k"})}));
  EXPECT_NE(base, of({y, node<add>("z", {"y", "k"}).with_default("k", 1)}));
  EXPECT_NE(of({node<add>("z", {"y", "k"}).with_default("k", 1)}),
            of({node<add>("z", {"y", "k"}).with_default("k", 2)}));
  EXPECT_EQ(base, of({node<add>("z", {"y", "k"}), y}));
}

TEST(NestedIdentityTest, DoesNotChangeWithNamesOfOutsideOrNodesNotNeeded) {
  const Digest base = code(nested());
  EXPECT_EQ(base, code(nested([](auto& r) {
              r.inputs = {{"x", "item"}, {"k", "constant"}};
              r.outputs = {{"z", "a"}, {"y", "b"}};
              r.name = "other";
            })));
  // Another node of the inner pipeline, with a root of its own, that the outputs do not need.
  NestedRequest more;
  more.graph = Graph::build(
      {node<twice>("y", {"x"}), node<add>("z", {"y", "k"}), node<twice>("a", {"b"}).named("a")});
  more.outputs = {{"y", "y"}, {"z", "z"}};
  EXPECT_EQ(base, code(make_nested_node(more)));
}

TEST(NestedIdentityTest, NodeInsideWithoutIdentityTakesItAway) {
  const std::int64_t offset = 1;
  NestedRequest asked;
  asked.graph = Graph::build({node("y", {"x"}, [offset](std::int64_t x) { return x + offset; }),
                              node<add>("z", {"y", "k"})});
  EXPECT_FALSE(make_nested_node(asked).definition().has_identity);
  EXPECT_TRUE(nested().definition().has_identity);
}

}  // namespace
}  // namespace hypernodes
