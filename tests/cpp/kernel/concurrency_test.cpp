// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "hypernodes/pipeline.hpp"
#include "temporary_directory.hpp"

namespace hypernodes {
namespace {

using testing::TemporaryDirectory;

std::int64_t twice(std::int64_t x) { return x * 2; }
std::string describe(std::int64_t y) { return std::string(static_cast<std::size_t>(y % 90), 'd'); }

class ConcurrencyTest : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Threads, ConcurrencyTest, ::testing::Values(1, 2, 4));

TEST_P(ConcurrencyTest, ThreadsMapOnePipelineOverOneCache) {
  const TemporaryDirectory directory;
  const Pipeline inner{node<twice>("y", {"x"}), node<describe>("text", {"y"})};
  const Pipeline pipeline =
      Pipeline{node<twice>("x", {"a"}).named("first"), inner.as_node({.name = "inner"}),
               Pipeline{node<twice>("w", {"v"})}.as_node({.name = "mapped", .map_over = {"v"}})}
          .with_cache(DiskCache{directory.path()});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < GetParam(); ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 6; ++round) {
        // Ranges of the threads overlap, so that they hit what others store meanwhile.
        std::vector<std::int64_t> items;
        for (std::int64_t i = 0; i < 300; ++i) items.push_back(thread * 100 + round * 50 + i);
        const Columns columns = pipeline.map({{"a", items}, {"v", {1, 2, 3}}}, over("a"));
        for (std::size_t i = 0; i < items.size(); ++i) {
          const auto row = static_cast<std::int64_t>(i);
          if (columns["y"].int64s()[i] != items[i] * 4) ++wrong;
          if (columns["text"].text_at(row) != describe(items[i] * 4)) ++wrong;
          if (columns["w"].elements_of(row).size() != 3) ++wrong;
        }
        if (columns.statistics.damaged_records != 0) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const Columns warm = pipeline.map({{"a", {0, 1}}, {"v", {1, 2, 3}}}, over("a"));
  EXPECT_EQ(warm.statistics.nodes.at("inner").rows_cached, 2);
}

TEST_P(ConcurrencyTest, FailingMapsDoNotDisturbOthers) {
  const TemporaryDirectory directory;
  const auto picky = [](std::int64_t x) {
    if (x == 150) throw std::runtime_error("150");
    return x;
  };
  const Pipeline pipeline = Pipeline{node<twice>("y", {"x"}), node("z", {"y"}, picky)}.with_cache(
      DiskCache{directory.path()});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < GetParam(); ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<std::int64_t> items;
      for (std::int64_t i = 0; i < 100; ++i) items.push_back(thread % 2 == 0 ? i : i + 100);
      try {
        const Columns columns = pipeline.map({{"x", items}}, over("x"));
        if (thread % 2 == 0 || columns.rows() != 100) ++wrong;
      } catch (const ExecutionError& error) {
        if (thread % 2 != 0 || error.row() != 75) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace hypernodes
