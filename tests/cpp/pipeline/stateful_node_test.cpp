// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "hypernodes/hypernodes.hpp"

namespace hypernodes {
namespace {

/// How many objects there are, and were.
struct Count {
  std::atomic<int> made = 0;
  std::atomic<int> alive = 0;
  std::atomic<int> shared_at_once = 0;
};

/// One that only its owner may use, and that cannot be moved.
class Counter {
 public:
  Counter(Count* count, std::int64_t step) : count_(count), step_(step) {
    ++count_->made;
    ++count_->alive;
  }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  ~Counter() { --count_->alive; }

  std::int64_t operator()(std::int64_t x) {
    if (busy_.exchange(true)) ++count_->shared_at_once;
    std::this_thread::yield();
    busy_ = false;
    return x + step_;
  }

 private:
  Count* count_;
  std::int64_t step_;
  std::atomic<bool> busy_ = false;
};

/// One that all may use.
class Model {
 public:
  explicit Model(Count* count) { ++count->made; }
  std::tuple<std::int64_t, std::string> operator()(std::int64_t x, std::int64_t k) const noexcept {
    return {x * k, std::to_string(x)};
  }
};

Node counting(Count* count) {
  return stateful_node("y", {"x"}, [count] { return Counter(count, 10); });
}

void run_rows(const Node& node, std::int64_t rows) {
  const Pipeline pipeline{node};
  for (std::int64_t row = 0; row < rows; ++row) {
    EXPECT_EQ(pipeline.run({{"x", row}})["y"].as<std::int64_t>(), row + 10);
  }
}

TEST(StatefulNodeTest, ObjectIsMadeOnFirstUseAndLivesAsLongAsTheNode) {
  Count count;
  {
    const Node node = counting(&count);
    const Node copy = node.named("copy");
    EXPECT_EQ(count.made, 0);
    run_rows(node, 3);
    run_rows(copy, 3);
    EXPECT_EQ(Pipeline{node}.map({{"x", {1, 2, 3}}}, over("x"))["y"].int64s()[2], 13);
    EXPECT_EQ(count.made, 1);
  }
  EXPECT_EQ(count.alive, 0);
}

TEST(StatefulNodeTest, ConstCallsShareOneObject) {
  Count count;
  const Pipeline pipeline{
      stateful_node({"product", "text"}, {"x", "k"}, [&count] { return Model(&count); })};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const Columns made = pipeline.map({{"x", {1, 2, 3}}, {"k", 2}}, over("x"));
      EXPECT_EQ(made["product"].int64s()[2], 6);
      EXPECT_EQ(made["text"][1].as<std::string>(), "2");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count.made, 1);
}

TEST(StatefulNodeTest, OtherCallsNeverShareAnObject) {
  static constexpr int kThreads = 4;
  Count count;
  const Node node = counting(&count);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(run_rows, node, 500);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count.shared_at_once, 0);
  EXPECT_GE(count.made, 1);
  EXPECT_LE(count.made, kThreads);
}

TEST(StatefulNodeTest, FactoryThatThrowsFailsItsRowAndIsTriedAgain) {
  auto failures = std::make_shared<int>(2);
  const Pipeline pipeline{stateful_node("y", {"x"}, [failures] {
    if ((*failures)-- > 0) throw std::runtime_error("no model");
    return [](std::int64_t x) { return x; };
  })};
  EXPECT_THROW(pipeline.run({{"x", 1}}), ExecutionError);
  try {
    pipeline.map({{"x", {1, 2}}}, over("x"));
    FAIL() << "must throw";
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.node(), "y");
    EXPECT_EQ(error.row(), 0);
    EXPECT_NE(std::string(error.what()).find("no model"), std::string::npos);
  }
  EXPECT_EQ(pipeline.run({{"x", 1}})["y"].as<std::int64_t>(), 1);
}

TEST(StatefulNodeTest, CachedRowsMakeNothing) {
  Count count;
  const MemoryCache cache;
  const auto build = [&] { return Pipeline{counting(&count).version("1")}.with_cache(cache); };
  build().run({{"x", 1}});
  build().run({{"x", 1}});
  EXPECT_EQ(count.made, 1);
}

TEST(StatefulNodeTest, FactoryThatCapturesHasNoIdentity) {
  Count count;
  EXPECT_FALSE(counting(&count).definition().has_identity);
  EXPECT_TRUE(counting(&count).version("1").definition().has_identity);
  const auto plain = [] { return [](std::int64_t x) { return x; }; };
  const auto other = [] { return [](std::int64_t x) { return x + 1; }; };
  EXPECT_TRUE(stateful_node("y", {"x"}, plain).definition().has_identity);
  EXPECT_NE(stateful_node("y", {"x"}, plain).definition().code,
            stateful_node("y", {"x"}, other).definition().code);
  EXPECT_THROW(stateful_node("y", {"x", "z"}, plain), DependencyError);
}

}  // namespace
}  // namespace hypernodes
