// SPDX-License-Identifier: MIT
#include "hypernodes/map_plan.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

using Items = std::vector<std::vector<std::int64_t>>;

Items items_of(const MapPlan& plan) {
  Items rows;
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    rows.emplace_back();
    for (const MapPlan::Counter& input : plan.inputs) rows.back().push_back(input.item(row));
  }
  return rows;
}

TEST(MapPlanTest, ZipTakesTheSameItemOfEveryInput) {
  const MapPlan plan = plan_map({"a", "b"}, {3, 3}, MapMode::kZip);
  EXPECT_TRUE(plan.identity);
  EXPECT_EQ(items_of(plan), (Items{{0, 0}, {1, 1}, {2, 2}}));
}

TEST(MapPlanTest, ZipOfUnequalLengthsNamesThem) {
  try {
    plan_map({"a", "b", "c"}, {2, 2, 3}, MapMode::kZip);
    FAIL();
  } catch (const PlanError& error) {
    EXPECT_EQ(error.message(),
              "In zip mode, all lists must have the same length. Got lengths: {'a': 2, 'b': 2, "
              "'c': 3}");
  }
}

TEST(MapPlanTest, ProductVariesTheLastInputFastest) {
  const MapPlan plan = plan_map({"a", "b", "c"}, {2, 1, 3}, MapMode::kProduct);
  EXPECT_FALSE(plan.identity);
  EXPECT_EQ(items_of(plan),
            (Items{{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {1, 0, 0}, {1, 0, 1}, {1, 0, 2}}));
}

TEST(MapPlanTest, ProductOfOneInputIsTheInput) {
  const MapPlan plan = plan_map({"a"}, {3}, MapMode::kProduct);
  EXPECT_TRUE(plan.identity);
  EXPECT_EQ(items_of(plan), (Items{{0}, {1}, {2}}));
}

TEST(MapPlanTest, EmptyListsGiveNoRows) {
  EXPECT_EQ(plan_map({"a", "b"}, {0, 0}, MapMode::kZip).rows, 0);
  EXPECT_EQ(plan_map({}, {}, MapMode::kZip).rows, 0);
  EXPECT_EQ(plan_map({"a", "b"}, {0, 4}, MapMode::kProduct).rows, 0);
  EXPECT_EQ(plan_map({"a", "b"}, {4, 0}, MapMode::kProduct).rows, 0);
}

TEST(MapPlanTest, ProductOfTooManyRowsIsRefused) {
  const std::int64_t large = std::int64_t{1} << 31;
  EXPECT_EQ(plan_map({"a", "b"}, {large, large}, MapMode::kProduct).rows, std::int64_t{1} << 62);
  EXPECT_THROW(plan_map({"a", "b"}, {large, large + 1}, MapMode::kProduct), PlanError);
  EXPECT_THROW(plan_map({"a", "b", "c"}, {large, large, 2}, MapMode::kProduct), PlanError);
}

TEST(MapPlanTest, EmptyListAmongLongOnesGivesNoRows) {
  const std::int64_t large = std::int64_t{1} << 40;
  EXPECT_EQ(plan_map({"a", "b", "c"}, {large, large, 0}, MapMode::kProduct).rows, 0);
}

}  // namespace
}  // namespace hypernodes
