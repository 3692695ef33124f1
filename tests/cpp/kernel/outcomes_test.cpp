// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"
#include "kernel/memory_cache.hpp"

// Maps that go on when a row fails.
namespace hypernodes {
namespace {

using testing::MemoryCache;
using Rows = std::vector<std::int64_t>;

std::atomic<std::int64_t> calls{0};

std::int64_t thirds_fail(std::int64_t x) {
  ++calls;
  if (x % 3 == 0) throw std::runtime_error("a third");
  return x;
}
std::int64_t twice(std::int64_t y) { return y * 2; }
std::int64_t square(std::int64_t x) { return x * x; }

std::vector<Node> nodes() {
  return {node<thirds_fail>("y", {"x"}), node<twice>("z", {"y"}), node<square>("s", {"x"})};
}

Rows up_to(std::int64_t count) {
  Rows rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i);
  return rows;
}

Rows failed_rows(const Columns& columns) {
  Rows rows;
  for (const RowFailure& failure : columns.statistics.failures) rows.push_back(failure.row);
  return rows;
}

TEST(Outcomes, RaiseIsTheDefault) {
  const Pipeline pipeline(nodes());
  EXPECT_THROW(pipeline.map({{"x", up_to(5)}}, over("x")), ExecutionError);
}

TEST(Outcomes, WhatDependsOnAFailureIsNull) {
  constexpr std::int64_t kRows = 5000;
  const Pipeline pipeline(nodes());
  calls = 0;
  const Columns columns = pipeline.map({{"x", up_to(kRows)}}, over("x").on_failure(OnError::kNull));
  EXPECT_EQ(calls, kRows);
  EXPECT_EQ(columns["z"].type(), Type(Kind::kInt64).optional());
  for (std::int64_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(columns["z"].is_null(row), row % 3 == 0) << row;
    if (row % 3 != 0) {
      ASSERT_EQ(columns["z"][row].as_int64(), 2 * row);
    }
    ASSERT_EQ(columns["s"][row].as_int64(), row * row);
  }
  EXPECT_EQ(columns.statistics.failures.size(), (kRows + 2) / 3);
  const RowFailure& failure = columns.statistics.failures[1];
  EXPECT_EQ(failure.row, 3);
  EXPECT_EQ(failure.node, "thirds_fail");
  try {
    std::rethrow_exception(failure.error);
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.row(), 3);
    EXPECT_NE(error.message().find("a third"), std::string::npos);
  }
}

TEST(Outcomes, CollectKeepsTheGoodRows) {
  const Pipeline pipeline(nodes());
  const Columns columns =
      pipeline.map({{"x", up_to(7)}}, over("x").only({"z"}).on_failure(OnError::kCollect));
  EXPECT_EQ(columns.good_rows, (Rows{1, 2, 4, 5}));
  EXPECT_EQ(columns["z"].type(), Type(Kind::kInt64));
  EXPECT_EQ(columns.rows(), 4);
  EXPECT_EQ(columns["z"][3].as_int64(), 10);
  EXPECT_EQ(failed_rows(columns), (Rows{0, 3, 6}));
}

TEST(Outcomes, EqualRowsOfAFailedOneAreTriedThemselves) {
  const Pipeline pipeline = Pipeline(nodes()).with_cache(std::make_shared<MemoryCache>());
  calls = 0;
  const Rows rows{3, 1, 3, 1};
  const auto map = [&] {
    return pipeline.map({{"x", rows}}, over("x").on_failure(OnError::kNull));
  };
  EXPECT_EQ(failed_rows(map()), (Rows{0, 2}));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(failed_rows(map()), (Rows{0, 2})) << "a failure is not stored";
  EXPECT_EQ(calls, 5);
}

TEST(Outcomes, ANestedPipelineFailsTheOuterRow) {
  const Pipeline inner({node<thirds_fail>("y", {"x"}), node<twice>("z", {"y"})});
  const Pipeline plain({inner.as_node({.name = "inner"}), node<square>("s", {"x"})});
  const Columns columns = plain.map({{"x", up_to(4)}}, over("x").on_failure(OnError::kNull));
  EXPECT_EQ(failed_rows(columns), (Rows{0, 3}));
  EXPECT_EQ(columns.statistics.failures[0].node, "thirds_fail");
  EXPECT_EQ(columns.statistics.failures[0].around, std::vector<std::string>{"inner"});
  EXPECT_TRUE(columns["z"].is_null(3));
  EXPECT_EQ(columns["z"][2].as_int64(), 4);
  EXPECT_EQ(columns["s"][3].as_int64(), 9);

  const Pipeline mapped({inner.as_node({.name = "each", .map_over = {"x"}})});
  const std::vector<Rows> lists{{1, 2}, {1, 3}, {}};
  const Columns kept = mapped.map({{"x", lists}}, over("x").on_failure(OnError::kCollect));
  EXPECT_EQ(kept.good_rows, (Rows{0, 2}));
  EXPECT_EQ(failed_rows(kept), (Rows{1}));
}

}  // namespace
}  // namespace hypernodes
