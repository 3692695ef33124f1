// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"
#include "kernel/memory_cache.hpp"
#include "kernel/retry.hpp"

// Calls that are made again, and calls that take too long.
namespace hypernodes {
namespace {

using namespace std::chrono_literals;
using testing::MemoryCache;

const Retry kAtOnce{.attempts = 3, .delay = 0s};

/// Fails twice for each odd number.
class Flaky {
 public:
  Node node(const Retry& retry = kAtOnce) {
    return hypernodes::node("y", {"x"}, [this](std::int64_t x) { return answer(x); })
        .version("1")
        .retry(retry);
  }
  std::map<std::int64_t, int> calls;

 private:
  std::int64_t answer(std::int64_t x) {
    const std::lock_guard lock(mutex_);
    if (++calls[x] < 3 && x % 2 != 0) throw std::runtime_error("odd");
    return x * 10;
  }
  std::mutex mutex_;
};

std::vector<std::int64_t> up_to(std::int64_t count) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i);
  return rows;
}

struct Recorder final : Callback {
  std::vector<std::string> lines;
  void on_event(const Event& event) override {
    const std::string row = " #" + std::to_string(event.row);
    if (event.kind == EventKind::kNodeStart) lines.push_back("start" + row);
    if (event.kind == EventKind::kNodeEnd) lines.push_back("end" + row);
    if (event.kind == EventKind::kNodeRetry) {
      lines.push_back("attempt " + std::to_string(event.total) + row);
    }
  }
};

TEST(RetryTest, RunMakesFailedCallsAgain) {
  Flaky flaky;
  EXPECT_EQ(Pipeline({flaky.node()}).run({{"x", 3}})["y"].as_int64(), 30);
  EXPECT_EQ(flaky.calls[3], 3);
}

TEST(RetryTest, RowsOfAMapAreRetriedAlone) {
  constexpr std::int64_t kRows = 3000;
  for (const bool cached : {false, true}) {
    Flaky flaky;
    Pipeline pipeline({flaky.node()});
    if (cached) pipeline = pipeline.with_cache(std::make_shared<MemoryCache>());
    const Columns columns = pipeline.map({{"x", up_to(kRows)}}, over("x"));
    for (std::int64_t row = 0; row < kRows; ++row) {
      ASSERT_EQ(columns["y"][row].as_int64(), row * 10);
      ASSERT_EQ(flaky.calls[row], row % 2 == 0 ? 1 : 3) << row;
    }
  }
}

TEST(RetryTest, ResultsAfterRetriesAreStoredWhateverTheRetry) {
  Flaky flaky;
  const auto cache = std::make_shared<MemoryCache>();
  Pipeline({flaky.node()}).with_cache(cache).map({{"x", up_to(5)}}, over("x"));
  const auto calls = flaky.calls;
  const Node other = flaky.node({.attempts = 9}).timeout(60s);
  Pipeline({other}).with_cache(cache).map({{"x", up_to(5)}}, over("x"));
  EXPECT_EQ(flaky.calls, calls);
}

TEST(RetryTest, LastFailureSaysWhichAttemptItWas) {
  Flaky flaky;
  const Pipeline pipeline({flaky.node({.attempts = 2, .delay = 0s})});
  try {
    pipeline.map({{"x", up_to(2)}}, over("x"));
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.message(), "Node 'y' failed: odd (attempt 2 of 2)");
    EXPECT_EQ(error.row(), 1);
    EXPECT_THROW(std::rethrow_if_nested(error), std::runtime_error);
  }
}

TEST(RetryTest, CollectedFailuresHaveTheirAttempts) {
  Flaky flaky;
  const Pipeline pipeline({flaky.node({.attempts = 2, .delay = 0s})});
  const Columns columns = pipeline.map({{"x", up_to(40)}}, over("x").on_failure(OnError::kCollect));
  EXPECT_EQ(columns.good_rows.size(), 20U);
  ASSERT_EQ(columns.statistics.failures.size(), 20U);
  for (const RowFailure& failure : columns.statistics.failures) EXPECT_EQ(failure.attempts, 2);
  EXPECT_EQ(flaky.calls[39], 2);
}

TEST(RetryTest, OnlyErrorsThatAreNamedAreRetried) {
  Flaky flaky;
  Retry retry = kAtOnce;
  retry.on = errors_of<std::logic_error, NodeTimeoutError>();
  EXPECT_THROW(Pipeline({flaky.node(retry)}).run({{"x", 1}}), ExecutionError);
  EXPECT_EQ(flaky.calls[1], 1);
  retry.on = errors_of<std::logic_error, std::exception>();
  Pipeline({flaky.node(retry)}).run({{"x", 3}});
  EXPECT_EQ(flaky.calls[3], 3);
}

TEST(RetryTest, EventsTellTheAttempts) {
  Flaky flaky;
  const auto recorder = std::make_shared<Recorder>();
  Pipeline({flaky.node()}).with_callbacks({recorder}).map({{"x", up_to(2)}}, over("x"));
  const std::vector<std::string> expected{"start #0",     "end #0",       "start #1",
                                          "attempt 1 #1", "attempt 2 #1", "end #1"};
  EXPECT_EQ(recorder->lines, expected);
}

TEST(RetryTest, BatchesAreRetriedAsOneCall) {
  int calls = 0;
  const Node both = hypernodes::node("y", {"x"}, [](std::int64_t x) { return x; })
                        .with_batch([&calls](std::span<const BatchArgument> arguments, auto) {
                          if (++calls < 3) throw std::runtime_error("not yet");
                          return std::vector<Column>{arguments[0].column};
                        })
                        .retry(kAtOnce);
  const Columns columns = Pipeline({both}).map({{"x", up_to(100)}}, over("x"));
  EXPECT_EQ(columns["y"][99].as_int64(), 99);
  EXPECT_EQ(calls, 3);
}

TEST(RetryTest, WaitsGrowToTheirLimit) {
  const Retry retry{.attempts = 5, .delay = 1s, .backoff = 3, .max_delay = 4s, .jitter = 0};
  const auto error = std::make_exception_ptr(std::runtime_error("late"));
  const std::vector<double> expected{1, 3, 4, 4};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(next_attempt(&retry, error, static_cast<std::int64_t>(i) + 1).value(),
                     expected[i]);
  }
  EXPECT_FALSE(next_attempt(&retry, error, 5));
  EXPECT_FALSE(next_attempt(nullptr, error, 1));
  const Retry many{.attempts = 1 << 30, .delay = 0s, .backoff = 1e300};
  EXPECT_EQ(next_attempt(&many, error, 1 << 20), 0.0);
}

TEST(RetryTest, WhatMakesNoSenseIsRefused) {
  Flaky flaky;
  for (const Retry& retry : {Retry{.attempts = 0}, Retry{.delay = -1s}, Retry{.backoff = 0.5},
                             Retry{.max_delay = -1s}, Retry{.jitter = 2}, Retry{.jitter = NAN}}) {
    EXPECT_THROW(flaky.node(retry), PlanError);
  }
  EXPECT_THROW(flaky.node().timeout(0s), PlanError);
  EXPECT_THROW(Pipeline({flaky.node()}, "inner").as_node().retry(kAtOnce), PlanError);
  EXPECT_THROW(Pipeline({flaky.node()}, "inner").as_node().timeout(1s), PlanError);
}

TEST(TimeLimitTest, CallThatTakesTooLongFailsAndGoesOn) {
  const auto go = std::make_shared<std::promise<void>>();
  const auto ended = std::make_shared<std::promise<void>>();
  const Node slow = hypernodes::node("y", {"x"}, [go, ended](std::int64_t x) {
                      if (x != 1) return x;
                      go->get_future().wait();
                      ended->set_value();
                      return x;
                    }).timeout(50ms);
  try {
    Pipeline({slow}).map({{"x", up_to(3)}}, over("x"));
    FAIL();
  } catch (const NodeTimeoutError& error) {
    EXPECT_EQ(error.node(), "y");
    EXPECT_EQ(error.row(), 1);
    EXPECT_EQ(error.reason(), "it took longer than its time limit of 0.05 s");
    EXPECT_FALSE(error.fix().empty());
  }
  go->set_value();
  EXPECT_EQ(ended->get_future().wait_for(30s), std::future_status::ready);
}

TEST(TimeLimitTest, EachAttemptHasIt) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  const Node slow = hypernodes::node("y", {"x"},
                                     [calls](std::int64_t x) {
                                       if (++*calls < 3) std::this_thread::sleep_for(300ms);
                                       return x;
                                     })
                        .timeout(50ms)
                        .retry({.attempts = 3, .delay = 0s, .on = errors_of<NodeTimeoutError>()});
  EXPECT_EQ(Pipeline({slow}).run({{"x", 7}})["y"].as_int64(), 7);
  EXPECT_EQ(*calls, 3);
}

TEST(TimeLimitTest, ErrorsOfTheCallAreItsOwn) {
  const Node fails = hypernodes::node("y", {"x"}, [](std::int64_t x) -> std::int64_t {
                       if (x >= 0) throw std::runtime_error("no");
                       return x;
                     }).timeout(60s);
  try {
    Pipeline({fails}).run({{"x", 1}});
    FAIL();
  } catch (const NodeTimeoutError&) {
    FAIL();
  } catch (const ExecutionError& error) {
    EXPECT_EQ(error.reason(), "no");
  }
}

}  // namespace
}  // namespace hypernodes
