// SPDX-License-Identifier: MIT
#include "hypernodes/draw.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "draw/model.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }
std::tuple<std::int64_t, double> split(std::int64_t x) { return {x, 0.5}; }

/// double: y = 2x; sum: z = y + k.
Pipeline inner() {
  return Pipeline(
      {node<twice>("y", {"x"}).named("double"), node<add>("z", {"y", "k"}).named("sum")}, "inner");
}

/// inner over many items, then a node with two outputs.
Pipeline outer() {
  const Node mapped = inner().as_node({.inputs = {{"x", "items"}}, .map_over = {"items"}});
  return Pipeline({mapped, node<split>(OutputNames{"whole", "part"}, {"n"})}, "outer");
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

draw::Drawing drawing(const Pipeline& pipeline, const DrawOptions& options = {}) {
  return draw::make_drawing(draw::subject_of(pipeline), options);
}

const draw::Box& box(const draw::Scope& scope, std::string_view title) {
  for (const draw::Box& each : scope.boxes) {
    if (each.title == title) return each;
  }
  throw std::runtime_error("no box " + std::string(title));
}

TEST(DrawTest, DepthOpensNestedPipelines) {
  for (const auto& draw : {to_dot, to_svg, to_mermaid}) {
    EXPECT_FALSE(has(draw(outer(), {}), "double"));
    EXPECT_TRUE(has(draw(outer(), {.depth = 2}), "double"));
    EXPECT_TRUE(has(draw(outer(), {.depth = std::nullopt}), "double"));
    EXPECT_TRUE(has(draw(outer(), {}), "map over items"));
  }
  EXPECT_THROW(to_svg(outer(), {.depth = 0}), PlanError);
}

TEST(DrawTest, FlattenLeavesTheBoxesOut) {
  const draw::Drawing flat = drawing(outer(), {.flatten = true});
  for (const draw::Box& each : flat.scope.boxes) {
    EXPECT_NE(each.kind, draw::BoxKind::kPipeline);
    EXPECT_NE(each.title, "x") << "the input is known by its outer name";
  }
  EXPECT_EQ(box(flat.scope, "double").note, "map over items");
  // items -> double -> sum <- k, n -> split
  EXPECT_EQ(flat.scope.edges.size(), 4U);
}

TEST(DrawTest, EdgesGoThroughThePortsOfOpenPipelines) {
  const draw::Drawing open = drawing(outer(), {.depth = 2});
  const draw::Box& pipeline = box(open.scope, "inner");
  ASSERT_NE(pipeline.inside, nullptr);
  EXPECT_EQ(pipeline.entries.size(), 2U);
  EXPECT_EQ(pipeline.exits.size(), 2U);
  for (const draw::Edge& edge : open.scope.edges) EXPECT_LT(edge.from, edge.to);
  for (const draw::Edge& edge : pipeline.inside->edges) EXPECT_LT(edge.from, edge.to);
  // Its mapped input is called otherwise inside, the other one is not.
  EXPECT_EQ(box(*pipeline.inside, "x").kind, draw::BoxKind::kEntry);
  EXPECT_THROW(box(*pipeline.inside, "k"), std::runtime_error);
}

TEST(DrawTest, MermaidJoinsWhatPortsSeparate) {
  const std::string text = to_mermaid(outer(), {.depth = 2});
  EXPECT_EQ(count(text, " --> "), 4U);
  EXPECT_EQ(count(text, "subgraph "), 1U);
  EXPECT_TRUE(has(text, "flowchart TB"));
  EXPECT_TRUE(has(to_mermaid(outer(), {.orientation = Orientation::kRightToLeft}), "flowchart RL"));
}

TEST(DrawTest, SeparateOutputsAreBoxes) {
  const auto outputs = [](const DrawOptions& options) {
    std::size_t found = 0;
    for (const draw::Box& each : drawing(outer(), options).scope.boxes) {
      found += each.kind == draw::BoxKind::kOutput ? 1 : 0;
    }
    return found;
  };
  EXPECT_EQ(outputs({}), 0U);
  EXPECT_EQ(outputs({.separate_outputs = true}), 4U);
  EXPECT_EQ(outputs({.depth = 2, .separate_outputs = true}), 4U);
}

TEST(DrawTest, TypesAreShownOnRequestAndInTooltips) {
  EXPECT_EQ(box(drawing(outer()).scope, "n").detail, "");
  const DrawOptions options{.show_types = true};
  const draw::Drawing shown = drawing(outer(), options);
  EXPECT_EQ(box(shown.scope, "n").detail, ": int64");
  EXPECT_EQ(box(shown.scope, "items").detail, ": list<int64>");
  EXPECT_EQ(box(shown.scope, "inner").outputs[0].type, "list<int64>");
  EXPECT_EQ(box(shown.scope, "split").outputs[1].type, "float64");
  EXPECT_TRUE(has(box(drawing(outer()).scope, "split").tooltip, "makes part: float64"));
}

TEST(DrawTest, ValuesOfInputsAreShown) {
  const Pipeline pipeline({node<add>("sum", {"a", "b"}).with_default("b", Value(7))});
  EXPECT_EQ(box(drawing(pipeline).scope, "a").kind, draw::BoxKind::kInput);
  EXPECT_EQ(box(drawing(pipeline).scope, "b").kind, draw::BoxKind::kDefault);
  EXPECT_EQ(box(drawing(pipeline).scope, "b").detail, "= 7");
  const draw::Drawing bound = drawing(pipeline.bind({{"b", 8}}));
  EXPECT_EQ(box(bound.scope, "b").kind, draw::BoxKind::kBound);
  EXPECT_EQ(box(bound.scope, "b").detail, "= 8");
  // Bound inside a nested pipeline: an input of that one only.
  const Pipeline nested({inner().bind({{"k", 9}}).as_node()});
  const draw::Drawing open = drawing(nested, {.depth = 2});
  EXPECT_THROW(box(open.scope, "k"), std::runtime_error);
  EXPECT_EQ(box(*box(open.scope, "inner").inside, "k").detail, "= 9");
}

TEST(DrawTest, BadgesTellWhatIsSpecial) {
  const Pipeline pipeline({node<twice>("y", {"x"}).uncached()});
  EXPECT_EQ(box(drawing(pipeline).scope, "twice").badges,
            (std::vector<std::string>{"C++", "no cache"}));
  const DrawOptions more{
      .badges = [](const Node& node) { return std::vector<std::string>{"<" + node.name() + ">"}; }};
  EXPECT_EQ(box(drawing(pipeline, more).scope, "twice").badges.back(), "<twice>");
  EXPECT_TRUE(has(to_svg(pipeline, more), "&lt;twice&gt;"));
  // A node inside that always runs does not make its pipeline look uncached.
  const Pipeline around({pipeline.with_name("p").as_node()});
  EXPECT_TRUE(box(drawing(around).scope, "p").badges.empty());
}

TEST(DrawTest, APageHasADrawingForEachDepth) {
  EXPECT_EQ(count(to_html(inner()), "<svg"), 1U);
  EXPECT_EQ(count(to_html(outer()), "<svg"), 2U);
  EXPECT_EQ(count(to_html(outer()), "hidden=\"\""), 1U);
  EXPECT_EQ(count(to_html(outer(), {.flatten = true}), "<svg"), 1U);
  EXPECT_TRUE(has(to_html(outer(), {.depth = 9}), " data-depth=\"1\" hidden"));
}

TEST(DrawTest, NestingThatGrowsExponentiallyIsDrawnClosed) {
  Pipeline pipeline = inner();
  for (int level = 0; level < 40; ++level) {
    const std::string name = "level" + std::to_string(level);
    const auto half = [&](const std::string& suffix) {
      return pipeline.as_node(
          {.name = name + suffix, .outputs = {{level == 0 ? "z" : "left", suffix}}});
    };
    pipeline = Pipeline({half("left"), half("right")}, name);
  }
  EXPECT_LT(to_html(pipeline).size(), 20'000'000U);
}

TEST(DrawTest, HostileNamesAreEscaped) {
  const std::string name = "</script><b>\"'&\\\n#`\xFF\xE6\x95\xB0";
  const Pipeline pipeline(
      {node<twice>(OutputNames{name}, {"x"}).named(name).renamed({{"x", "<x>"}})}, name);
  for (const auto& draw : {to_svg, to_html}) {
    const std::string text = draw(pipeline, {});
    EXPECT_FALSE(has(text, "<b>"));
    EXPECT_FALSE(has(text, "<x>"));
    EXPECT_FALSE(has(text, "\xFF"));
    EXPECT_TRUE(has(text, "&lt;/script&gt;&lt;b&gt;&quot;&#39;&amp;"));
  }
  EXPECT_FALSE(has(to_mermaid(pipeline), "<b>"));
  const std::string dot = to_dot(pipeline);
  EXPECT_TRUE(has(dot, "<B>&lt;/script&gt;&lt;b&gt;&quot;&#39;&amp;"));  // markup in labels
  EXPECT_TRUE(has(dot, R"("</script><b>\"'&amp;\\ #`)"));
}

TEST(DrawTest, ThemesByName) {
  EXPECT_EQ(draw_themes().front().first, "default");
  EXPECT_TRUE(
      has(to_svg(outer(), {.theme = draw_theme("dark")}), draw_theme("dark").function_fill) ||
      has(to_svg(outer(), {.theme = draw_theme("dark")}), draw_theme("dark").native_fill));
  EXPECT_THROW(draw_theme("gaudy"), PlanError);
}

TEST(DrawTest, LegendNamesTheKindsThereAre) {
  const std::string text = to_svg(outer(), {.show_legend = true});
  EXPECT_TRUE(has(text, ">nested pipeline<"));
  EXPECT_FALSE(has(text, ">bound input<"));
  EXPECT_FALSE(has(to_svg(outer()), ">nested pipeline<"));
}

}  // namespace
}  // namespace hypernodes
