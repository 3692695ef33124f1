// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hypernodes/hypernodes.hpp"
#include "temporary_directory.hpp"

namespace hypernodes {
namespace {

std::atomic<int> calls = 0;

std::int64_t twice(std::int64_t x) {
  ++calls;
  return x * 2;
}
std::int64_t add_ten(std::int64_t doubled) { return doubled + 10; }
std::int64_t fail_at_three(std::int64_t x) {
  if (x == 3) throw std::runtime_error("three");
  return x;
}

Pipeline chain() {
  return Pipeline{node<twice>("doubled", {"x"}), node<add_ten>("result", {"doubled"})}.with_engine(
      DaftEngine{});
}

std::vector<std::int64_t> range(std::int64_t count) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

/// With the Python that hypernodes was configured with, or HYPERNODES_PYTHON; skipped if it has not
/// got the packages daft and hypernodes.
class DaftEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "Python and Daft are built without sanitizers, and Python is never shut down";
#endif
    try {
      chain().run({{"x", 0}});
    } catch (const DependencyMissingError& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

TEST_F(DaftEngineTest, RunGivesTheOutputs) {
  const Outputs outputs = chain().run({{"x", 5}});
  EXPECT_EQ(outputs["doubled"], Value(10));
  EXPECT_EQ(outputs["result"], Value(20));
}

TEST_F(DaftEngineTest, MapKeepsTheOrderOfManyBatches) {
  const std::int64_t rows = 300'000;
  const Columns outputs = chain().map({{"x", range(rows)}}, over("x"));
  ASSERT_EQ(outputs.rows(), rows);
  const Column& result = outputs["result"];
  for (std::int64_t row = 0; row < rows; ++row) ASSERT_EQ(result.int64s()[row], row * 2 + 10);
}

TEST_F(DaftEngineTest, FailureNamesNodeAndRow) {
  const auto pipeline = Pipeline{node<fail_at_three>("y", {"x"})}.with_engine(DaftEngine{});
  try {
    pipeline.map({{"x", {1, 2, 3, 3}}}, over("x"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.node(), "fail_at_three");
    EXPECT_EQ(error.row(), 2);
  }
}

/// Tells whether two threads ever call one object at once.
class Adder {
 public:
  Adder(std::atomic<int>* made, std::atomic<int>* shared) : shared_(shared) { ++*made; }
  std::int64_t operator()(std::int64_t x) {
    if (busy_.exchange(true)) ++*shared_;
    std::this_thread::yield();
    busy_ = false;
    return x + 10;
  }

 private:
  std::atomic<int>* shared_;
  std::atomic<bool> busy_ = false;
};

TEST_F(DaftEngineTest, StatefulNodeHasAnObjectForEachThreadAtMost) {
  std::atomic<int> made = 0;
  std::atomic<int> shared = 0;
  const std::int64_t rows = 200'000;
  const auto pipeline = Pipeline{stateful_node("y", {"x"}, [&] {
                          return Adder(&made, &shared);
                        })}.with_engine(DaftEngine{});
  const Columns outputs = pipeline.map({{"x", range(rows)}}, over("x"));
  for (std::int64_t row = 0; row < rows; ++row) ASSERT_EQ(outputs["y"].int64s()[row], row + 10);
  EXPECT_EQ(shared, 0);
  EXPECT_GE(made, 1);
  // Daft has a thread for each core, and the caller's may help.
  EXPECT_LE(made, static_cast<int>(std::thread::hardware_concurrency()) + 1);
}

TEST_F(DaftEngineTest, SharesItsCacheWithTheSequentialEngine) {
  const testing::TemporaryDirectory directory;
  const Pipeline pipeline = chain().with_cache(DiskCache{directory.path()});
  calls = 0;
  pipeline.map({{"x", {1, 2, 2}}}, over("x"));
  EXPECT_EQ(calls, 2);
  const Columns again = pipeline.with_engine(SequentialEngine{}).map({{"x", {1, 2, 3}}}, over("x"));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(again.statistics.nodes.at("twice").rows_cached, 2);
}

TEST_F(DaftEngineTest, SeveralThreadsMayUseIt) {
  std::vector<std::jthread> threads;
  for (std::int64_t i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(chain().run({{"x", i}})["result"], Value(i * 2 + 10));
      }
    });
  }
}

TEST_F(DaftEngineTest, PythonModuleUsesThisProgramsCore) {
  std::ifstream maps("/proc/self/maps");
  std::map<std::string, std::set<std::string>> paths;  // by library
  for (std::string line; std::getline(maps, line);) {
    const std::size_t begin = line.find("/libhypernodes");
    if (begin == std::string::npos) continue;
    paths[line.substr(begin, line.find(".so", begin) - begin)].insert(line.substr(line.find('/')));
  }
  EXPECT_EQ(paths.size(), 2U);
  for (const auto& [library, places] : paths) EXPECT_EQ(places.size(), 1U) << library;
}

}  // namespace
}  // namespace hypernodes
