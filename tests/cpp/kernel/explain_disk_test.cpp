// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/explanation.hpp"
#include "hypernodes/pipeline.hpp"
#include "kernel/node_note.hpp"
#include "temporary_directory.hpp"

// What explain says of records that the caches themselves have dropped.
namespace hypernodes {
namespace {

constexpr std::int64_t kRows = 400;

std::string page(std::int64_t x) { return std::to_string(x) + std::string(8000, 'p'); }

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(end - begin));
  std::iota(all.begin(), all.end(), begin);
  return all;
}

class ExplainDropped : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<Cache> open(std::uint64_t max_bytes, std::chrono::seconds max_age = {}) const {
    if (GetParam() == std::string_view("memory")) {
      return std::make_shared<MemoryCache>(MemoryCacheOptions{max_bytes, max_age});
    }
    return std::make_shared<DiskCache>(
        directory_.path(), DiskCacheOptions{.max_bytes = max_bytes, .max_age = max_age});
  }
  static Pipeline with(const std::shared_ptr<Cache>& cache) {
    return Pipeline({node<page>("y", {"x"})}).with_cache(cache);
  }
  static NodeExplanation explain(const std::shared_ptr<Cache>& cache) {
    return with(cache).explain({{"x", range(0, kRows)}}, over("x")).nodes.at(0);
  }
  static void fill(const std::shared_ptr<Cache>& cache) {
    for (std::int64_t row = 0; row < kRows; row += 50) {  // one map's records may go in any order
      with(cache).map({{"x", range(row, row + 50)}}, over("x"));
    }
  }
  static std::uint64_t rows_with(const NodeExplanation& node, Reason reason) {
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < node.answers.size(); ++i) {
      if (node.answers[i].reason == reason) rows += node.counts[i];
    }
    return static_cast<std::uint64_t>(rows);
  }

  testing::TemporaryDirectory directory_;
};

TEST_P(ExplainDropped, TheEvictedAreThoseThatTheCacheCounts) {
  const std::shared_ptr<Cache> cache = open(std::uint64_t{1} << 20);
  fill(cache);
  const NodeExplanation node = explain(cache);
  EXPECT_EQ(node.row(0)->reason, Reason::kEvicted);
  EXPECT_EQ(node.row(kRows - 1)->reason, Reason::kStored);
  EXPECT_EQ(rows_with(node, Reason::kEvicted), cache->statistics().evicted);
  EXPECT_EQ(rows_with(node, Reason::kStored), cache->statistics().records);
  EXPECT_EQ(node.answers.size(), 2U);
}

TEST_P(ExplainDropped, TheExpiredAreToldBeforeAndAfterTheyAreGone) {
  const std::shared_ptr<Cache> cache = open(0, std::chrono::seconds{1});
  fill(cache);
  EXPECT_EQ(rows_with(explain(cache), Reason::kStored), kRows);
  std::this_thread::sleep_for(std::chrono::milliseconds{2100});  // a disk keeps whole seconds
  EXPECT_EQ(rows_with(explain(cache), Reason::kExpired), kRows);
  cache->gc();
  EXPECT_EQ(cache->statistics().records, 0U);
  EXPECT_EQ(rows_with(explain(cache), Reason::kExpired), kRows);
}

TEST_P(ExplainDropped, AClearedNodeWasNeverComputed) {
  const std::shared_ptr<Cache> cache = open(std::uint64_t{1} << 20);
  for (int time = 0; time < 2; ++time) {
    fill(cache);
    EXPECT_GT(rows_with(explain(cache), Reason::kEvicted), 0U);
    forget_node(*cache, "page");
    EXPECT_EQ(rows_with(explain(cache), Reason::kNeverComputed), kRows);
  }
  fill(cache);
  cache->clear();
  EXPECT_EQ(rows_with(explain(cache), Reason::kNeverComputed), kRows);
}

INSTANTIATE_TEST_SUITE_P(Caches, ExplainDropped, ::testing::Values("disk", "memory"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace hypernodes
