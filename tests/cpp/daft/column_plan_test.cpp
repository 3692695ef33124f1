// SPDX-License-Identifier: MIT
#include "daft/column_plan.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "daft/fake_daft.hpp"
#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes::daft {
namespace {

using testing::FakeDaft;
using testing::ints;

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }
double scale(std::int64_t x, double factor) { return static_cast<double>(x) * factor; }
std::tuple<std::int64_t, std::int64_t> divide(std::int64_t x) { return {x / 10, x % 10}; }
std::int64_t fail_at_two(std::int64_t x) {
  if (x == 2) throw std::runtime_error("two");
  return x;
}
std::int64_t size(const std::vector<std::int64_t>& items) {
  return static_cast<std::int64_t>(items.size());
}

/// A node as Python's are: of objects, foreign. Adds one to its first argument.
class Foreign final : public NodeBody {
 public:
  void run_row(const Value* const* arguments, Value* outputs) const override {
    outputs[0] = Value(arguments[0]->as_int64() + 1);
  }
};

Node foreign(const std::string& name, const std::string& output,
             const std::vector<std::string>& inputs) {
  Node::Definition definition;
  definition.name = name;
  for (const std::string& input : inputs) definition.inputs.push_back({input});
  definition.outputs = {{output}};
  definition.foreign = true;
  definition.body = std::make_shared<Foreign>();
  return Node(definition);
}

/// The steps as text: `1:twice 2:[p+q]`, a batch UDF in brackets.
std::string text_of(const ColumnPlan& plan) {
  std::string text;
  for (const auto& [step, function] : plan.steps) {
    EXPECT_EQ(function.empty(), step->foreign());
    text += (text.empty() ? "" : " ") + std::to_string(step->level()) + ":";
    text += step->foreign() ? "[" + step->name() + "]" : step->name();
  }
  return text;
}

std::vector<std::string> names(const ColumnStep& step, const std::vector<ColumnStep::Slot>& slots) {
  std::vector<std::string> names;
  for (const auto& slot : slots) names.push_back(step.slot_name(slot.slot));
  return names;
}

ColumnPlan compile_over(const std::shared_ptr<const Graph>& graph, const Type& x = Kind::kInt64,
                        PlanOptions options = {}) {
  options.columns.push_back({graph->slot("x"), x});
  return compile(graph, graph->all(), std::make_shared<RunContext>(nullptr, Callbacks{}), options);
}

/// Takes the functions that a plan defines, as a session does.
class ColumnPlanTest : public ::testing::Test {
 protected:
  ColumnPlan compiled(const std::shared_ptr<const Graph>& graph, const Type& x = Kind::kInt64,
                      PlanOptions options = {}) {
    ColumnPlan plan = compile_over(graph, x, std::move(options));
    daft_.load_extension();
    return plan;
  }
  FakeDaft daft_;
};

TEST_F(ColumnPlanTest, ForeignNodesThatAreToBeAloneDoNotFuse) {
  const auto graph = Graph::build({foreign("p", "a", {"x"}), foreign("q", "b", {"a"}),
                                   foreign("r", "c", {"b"}), foreign("s", "d", {"x"})});
  PlanOptions options;
  options.own = {-1, 7, -1, -1};
  const ColumnPlan plan = compiled(graph, Kind::kInt64, options);
  EXPECT_EQ(text_of(plan), "1:[p+s] 2:[q] 3:[r]");
  EXPECT_EQ(plan.steps[0].step->nodes().back()->node.name(), "s");
  EXPECT_EQ(plan.steps[1].step->own(), 7);
}

TEST_F(ColumnPlanTest, CppNodesAreStepsOfTheirOwn) {
  const auto plan = compiled(
      Graph::build({node<twice>("a", {"x"}), node<twice>("b", {"a"}), node<add>("c", {"a", "x"})}));
  EXPECT_EQ(text_of(plan), "1:twice 2:add 2:twice");
}

TEST_F(ColumnPlanTest, ForeignNodesThatTouchAreOneStep) {
  const auto plan = compiled(Graph::build(
      {foreign("p", "a", {"x"}), foreign("q", "b", {"a"}), foreign("r", "c", {"x", "b"})}));
  EXPECT_EQ(text_of(plan), "1:[p+q+r]");
  EXPECT_EQ(names(*plan.steps[0].step, plan.steps[0].step->outputs()),
            (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(ColumnPlanTest, ForeignNodesOnBothSidesOfACppNodeAreTwoSteps) {
  const auto plan = compiled(
      Graph::build({foreign("p", "a", {"x"}), node<twice>("b", {"a"}), foreign("q", "c", {"b"}),
                    foreign("r", "d", {"a"}), foreign("s", "e", {"c", "d"})}));
  // r needs only p, so it goes with it.
  EXPECT_EQ(text_of(plan), "1:[p+r] 2:twice 3:[q+s]");
}

class Ended final : public Callback {
 public:
  void on_event(const Event& event) override {
    if (event.kind == EventKind::kNodeEnd) nodes.push_back(event.node->name());
    scopes.insert(event.scope);
  }
  std::vector<std::string> nodes;
  std::set<const Scope*> scopes;
};

TEST_F(ColumnPlanTest, StepsTellTheirNodesRowByRow) {
  const auto graph =
      Graph::build({foreign("p", "a", {"x"}), foreign("q", "b", {"a"}), node<twice>("c", {"x"})});
  const auto ended = std::make_shared<Ended>();
  const auto context = std::make_shared<RunContext>(nullptr, Callbacks{ended});
  int entered = 0;
  const StepEvents events{std::make_shared<const Frame>(step_frame(*graph, graph->all(), *context)),
                          [&entered] {
                            ++entered;
                            return std::shared_ptr<void>();
                          }};
  PlanOptions options;
  options.columns.push_back({graph->slot("x"), Kind::kInt64});
  const auto plan = compile(graph, graph->all(), context, options, events);
  daft_.load_extension();
  const std::vector<Column> x{Column::of(Kind::kInt64, {Value(1), Value(2)})};
  for (const auto& step : plan.steps) {
    std::vector<Column> outputs;
    EXPECT_FALSE(step.step->run(x, 2, 0, &outputs));
  }
  EXPECT_EQ(entered, 2);
  EXPECT_EQ(ended->nodes, (std::vector<std::string>{"p", "q", "p", "q", "twice", "twice"}));
  EXPECT_EQ(ended->scopes, (std::set<const Scope*>{&events.frame->scope}));
}

TEST_F(ColumnPlanTest, OnlyWhatOthersReadLeavesAStep) {
  const auto graph = Graph::build({foreign("p", "a", {"x"}), foreign("q", "b", {"a"})});
  const std::vector<std::string> wanted{"b"};
  PlanOptions options;
  options.columns.push_back({graph->slot("x"), Kind::kInt64});
  const auto plan = compile(graph, graph->select(wanted),
                            std::make_shared<RunContext>(nullptr, Callbacks{}), options);
  const ColumnStep& step = *plan.steps.at(0).step;
  EXPECT_EQ(names(step, step.outputs()), (std::vector<std::string>{"b"}));
  EXPECT_EQ(names(step, step.arguments()), (std::vector<std::string>{"x"}));
}

TEST_F(ColumnPlanTest, FunctionGivesTheNodesColumn) {
  const auto plan = compiled(Graph::build({node<twice>("a", {"x"})}));
  const std::string& function = plan.steps.at(0).function;
  EXPECT_TRUE(function.starts_with("hn_twice_"));
  EXPECT_EQ(daft_.return_type(function, {Kind::kInt64}).required().kind(), Kind::kInt64);
  EXPECT_EQ(daft_.call(function, {ints({1, 2, 3})}), ints({2, 4, 6}));
  EXPECT_EQ(daft_.call(function, {ints({})}).size(), 0);
  EXPECT_EQ(daft_.held(), 0);
}

TEST_F(ColumnPlanTest, SeveralOutputsAreAStruct) {
  const auto plan = compiled(Graph::build({node<divide>({"tens", "ones"}, {"x"})}));
  const Column result = daft_.call(plan.steps.at(0).function, {ints({12, 34})});
  ASSERT_EQ(result.type().kind(), Kind::kStruct);
  EXPECT_EQ(result.type().fields()[1].name, "ones");
  EXPECT_EQ(result.field(0), ints({1, 3}));
  EXPECT_EQ(result.field(1), ints({2, 4}));
}

TEST_F(ColumnPlanTest, ScalarsAreLiteralsAndCountForEveryRow) {
  const auto graph = Graph::build({node<scale>("y", {"x", "factor"})});
  PlanOptions options;
  options.constants.emplace_back(graph->slot("factor"), Value(0.5));
  const auto plan = compiled(graph, Kind::kInt64, options);
  const ColumnStep& step = *plan.steps.at(0).step;
  EXPECT_EQ(names(step, step.literals()), (std::vector<std::string>{"factor"}));
  const Column half = Column::of(Kind::kFloat64, {Value(0.5)});
  EXPECT_EQ(daft_.call(plan.steps[0].function, {ints({1, 2, 3}), half}),
            Column::of(Kind::kFloat64, {Value(0.5), Value(1.0), Value(1.5)}));
}

TEST_F(ColumnPlanTest, OtherConstantsStayInTheStep) {
  const auto graph = Graph::build({node<size>("n", {"items"}), node<add>("y", {"n", "x"})});
  PlanOptions options;
  options.constants.emplace_back(graph->slot("items"), Value{1, 2, 3});
  const auto plan = compiled(graph, Kind::kInt64, options);
  const ColumnStep& step = *plan.steps.at(0).step;
  EXPECT_TRUE(step.arguments().empty());
  EXPECT_TRUE(step.literals().empty());
  // A column that is no argument tells the number of rows.
  EXPECT_EQ(daft_.call(plan.steps[0].function, {ints({0, 1})}), ints({3, 3}));
}

TEST_F(ColumnPlanTest, FailureNamesNodeAndRowOfTheBatch) {
  const auto plan = compiled(Graph::build({node<fail_at_two>("y", {"x"})}));
  try {
    daft_.call(plan.steps.at(0).function, {ints({0, 1, 2, 3})});
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "Node 'fail_at_two' failed: two (row 2 of a batch of 4)");
  }
  EXPECT_EQ(daft_.held(), 0);
}

TEST_F(ColumnPlanTest, ColumnThatDoesNotFitIsAnErrorBeforeAnyRowRuns) {
  const auto graph = Graph::build({node<twice>("a", {"x"})});
  try {
    compile_over(graph, Kind::kString);
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(), "Input 'x' is a column of string, but node 'twice' takes int64");
  }
  EXPECT_THROW(compile_over(graph, Kind::kObject), TypeError);
  const auto plan = compiled(graph, Type(Kind::kInt64).optional());
  EXPECT_THROW(daft_.return_type(plan.steps.at(0).function, {Kind::kString}), std::runtime_error);
  EXPECT_THROW(daft_.return_type(plan.steps[0].function, {}), std::runtime_error);
}

TEST_F(ColumnPlanTest, ForeignOutputTakesItsHintElseWhatACppNodeReads) {
  const auto graph = Graph::build({foreign("p", "a", {"x"}), foreign("q", "b", {"x"}),
                                   foreign("r", "c", {"x"}), node<twice>("d", {"b"})});
  PlanOptions options;
  options.hints.push_back({graph->slot("a"), Kind::kString});
  const auto plan = compiled(graph, Kind::kInt64, options);
  const ColumnStep& step = *plan.steps.at(0).step;
  ASSERT_EQ(step.outputs().size(), 3U);
  for (const auto& output : step.outputs()) {
    const std::string name = step.slot_name(output.slot);
    const Kind kind = name == "a" ? Kind::kString : name == "b" ? Kind::kInt64 : Kind::kObject;
    EXPECT_EQ(output.type.kind(), kind) << name;
  }
  EXPECT_EQ(step.maker(graph->slot("b")), "q");
}

TEST_F(ColumnPlanTest, ForeignStepRunsItsNodesInOrder) {
  const auto plan = compiled(Graph::build({foreign("p", "a", {"x"}), foreign("q", "b", {"a"})}));
  const std::vector<Column> arguments{Column::objects({Value(1), Value(5)})};
  std::vector<Column> outputs;
  EXPECT_FALSE(plan.steps.at(0).step->run(arguments, 2, 100, &outputs));
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[1], ints({3, 7}));
}

TEST_F(ColumnPlanTest, ForeignFailureHasItsRowInTheWholeTable) {
  Node::Definition definition = foreign("p", "a", {"x"}).definition();
  class Failing final : public NodeBody {
   public:
    void run_row(const Value* const*, Value*) const override { throw std::out_of_range("far"); }
  };
  definition.body = std::make_shared<Failing>();
  const auto plan = compiled(Graph::build({Node(definition)}));
  std::vector<Column> outputs;
  const auto failure = plan.steps.at(0).step->run(std::vector{ints({1, 2})}, 2, 100, &outputs);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->row, 100);
  EXPECT_THROW(raise(*failure), std::out_of_range);  // its own, not wrapped
}

}  // namespace
}  // namespace hypernodes::daft
