// SPDX-License-Identifier: MIT
#include "cache/in_flight.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hypernodes/pipeline.hpp"
#include "kernel/memory_cache.hpp"
#include "temporary_directory.hpp"

namespace hypernodes {
namespace {

using detail::Engaged;
using detail::InFlight;
using detail::Pooled;
using Answer = InFlight::Answer;
using Claims = InFlight::Claims;
using testing::MemoryCache;
using testing::TemporaryDirectory;

Digest key(int number) { return Digest::of_bytes(std::to_string(number)); }

void forget(InFlight& table, std::span<const Digest> keys, const void* owner) {
  table.forget(keys, {&owner, 1});
}

/// What another thread is answered that asks for `number`.
Answer asked(InFlight& table, int number, std::string* record = nullptr) {
  return std::async(std::launch::async,
                    [&] {
                      std::string found;
                      Claims claims(table);
                      const Answer answer = claims.claim(key(number), found);
                      if (record != nullptr) *record = found;
                      return answer;
                    })
      .get();
}

TEST(InFlightTest, ClaimIsGivenToOneAndEndsWithItsOwner) {
  InFlight table;
  std::string record;
  {
    Claims claims(table);
    EXPECT_EQ(claims.claim(key(1), record), Answer::kClaimed);
    EXPECT_EQ(claims.claim(key(1), record), Answer::kRunning);
    EXPECT_EQ(asked(table, 1), Answer::kRunning);
    EXPECT_EQ(asked(table, 2), Answer::kClaimed);
    EXPECT_FALSE(table.find(key(1), record));
  }
  EXPECT_EQ(asked(table, 1), Answer::kClaimed);
}

TEST(InFlightTest, ThreadIsEngagedWhileItHoldsAClaim) {
  InFlight table;
  std::string record;
  Claims claims(table);
  EXPECT_FALSE(Engaged::now());
  claims.claim(key(1), record);
  claims.claim(key(2), record);
  claims.drop();
  EXPECT_TRUE(Engaged::now());
  EXPECT_EQ(asked(table, 1), Answer::kRunning);
  EXPECT_EQ(asked(table, 2), Answer::kClaimed);
  claims.drop();
  EXPECT_FALSE(Engaged::now());
}

TEST(InFlightTest, PublishedRecordIsFoundUntilItsOwnerForgetsIt) {
  InFlight table;
  std::string record;
  const std::array keys{key(1)};
  Claims claims(table);
  claims.claim(key(1), record);
  table.publish(key(1), &claims, "one");
  claims.published(key(1));
  claims.release();
  EXPECT_TRUE(table.find(key(1), record));
  EXPECT_EQ(record, "one");
  record.clear();
  EXPECT_EQ(asked(table, 1, &record), Answer::kFinished);
  EXPECT_EQ(record, "one");

  table.publish(key(1), &record, "of another");  // comes too late
  forget(table, keys, &record);
  EXPECT_TRUE(table.find(key(1), record));
  EXPECT_EQ(record, "one");
  const std::uint64_t before = table.forgotten();
  forget(table, keys, &claims);
  EXPECT_FALSE(table.find(key(1), record));
  EXPECT_NE(table.forgotten(), before);
}

TEST(InFlightTest, WhatIsPublishedWithoutAClaimAnswersForItsOwner) {
  InFlight table;
  std::string record;
  Claims claims(table);
  claims.claim(key(1), record);
  table.publish(key(1), &record, "sooner");
  table.publish(key(1), &claims, "later");
  claims.release();
  EXPECT_TRUE(table.find(key(1), record));
  EXPECT_EQ(record, "sooner");
}

TEST(InFlightTest, PoolsDoNotWaitForOtherThreads) {
  InFlight table;
  std::string record;
  Claims claims(table);
  claims.claim(key(1), record);
  const auto asked_in_pool = [&](int number) {
    return std::async(std::launch::async,
                      [&table, number] {
                        const Pooled pooled;
                        std::string none;
                        return Claims(table).claim(key(number), none);
                      })
        .get();
  };
  EXPECT_EQ(asked_in_pool(1), Answer::kRefused);
  const Pooled pooled;
  claims.claim(key(2), record);
  EXPECT_EQ(asked_in_pool(2), Answer::kRunning);
  EXPECT_EQ(asked(table, 2), Answer::kRunning);
}

TEST(InFlightTest, PatienceEnds) {
  InFlight table(std::chrono::milliseconds{5});
  std::string record;
  auto waited = [&] {
    return std::async(std::launch::async, [&] { return table.wait(key(1)); }).get();
  };
  {
    Claims claims(table);
    claims.claim(key(1), record);
    EXPECT_FALSE(waited());
  }
  EXPECT_TRUE(waited());
}

TEST(InFlightTest, ThreadsThatWaitAreToldOfReleaseAndRecord) {
  for (const bool publish : {false, true}) {
    InFlight table;
    std::string record;
    Claims claims(table);
    claims.claim(key(1), record);
    std::vector<std::future<bool>> waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(std::async(std::launch::async, [&] { return table.wait(key(1)); }));
    }
    if (publish) table.publish(key(1), &claims, "one");
    claims.release();
    for (std::future<bool>& each : waiting) EXPECT_TRUE(each.get());
    EXPECT_EQ(table.find(key(1), record), publish);
  }
}

TEST(InFlightTest, ManyKeysComeAndGo) {
  InFlight table;
  std::string record;
  for (int round = 0; round < 2; ++round) {
    std::vector<Digest> keys;
    for (int i = 0; i < 50'000; ++i) {
      keys.push_back(key(i));
      table.publish(keys.back(), &table, "r");
    }
    EXPECT_TRUE(table.find(keys[49'999], record));
    forget(table, keys, &table);
    for (int i = 0; i < 50'000; i += 997)
      EXPECT_FALSE(table.find(keys[static_cast<std::size_t>(i)], record));
  }
}

/// C++ nodes on a cache, by several threads at once.
class SingleFlightTest : public ::testing::Test {
 protected:
  /// Each thread maps the pipeline over its own order of 0 .. 199. Returns how many rows are wrong.
  static int map_in_threads(const Pipeline& pipeline, int threads) {
    std::atomic<int> wrong{0};
    std::latch start(threads);
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread) {
      running.emplace_back([&, thread] {
        std::vector<std::int64_t> items(200);
        std::iota(items.begin(), items.end(), 0);
        std::shuffle(items.begin(), items.end(), std::mt19937(static_cast<unsigned>(thread)));
        start.arrive_and_wait();
        const Columns columns = pipeline.map({{"x", items}}, over("x"));
        for (std::size_t i = 0; i < items.size(); ++i) {
          if (columns["z"].int64s()[i] != items[i] * 4) ++wrong;
        }
      });
    }
    for (std::thread& each : running) each.join();
    return wrong;
  }

  std::int64_t count(std::int64_t x) {
    const std::lock_guard lock(mutex);
    ++calls[x];
    return x * 2;
  }
  bool all_once() const {
    return std::all_of(calls.begin(), calls.end(),
                       [](const auto& call) { return call.second == 1; });
  }

  std::mutex mutex;
  std::map<std::int64_t, int> calls;
  const TemporaryDirectory directory;
};

TEST_F(SingleFlightTest, EachRowIsComputedOnce) {
  const auto first = [this](std::int64_t x) { return count(x); };
  const auto second = [this](std::int64_t y) { return count(y + 1000) - 2000; };
  const Pipeline pipeline =
      Pipeline{node("y", {"x"}, first).version("1"), node("z", {"y"}, second).version("1")}
          .with_cache(DiskCache{directory.path()});
  EXPECT_EQ(map_in_threads(pipeline, 4), 0);
  EXPECT_EQ(calls.size(), 400U);
  EXPECT_TRUE(all_once());
}

TEST_F(SingleFlightTest, FailedRowsAreComputedByThoseWhoNeedThem) {
  std::atomic<int> failures{3};
  const auto fails = [&](std::int64_t x) {
    if (x == 100 && failures-- > 0) throw std::runtime_error("not yet");
    return count(x) * 2;
  };
  const Pipeline pipeline =
      Pipeline{node("z", {"x"}, fails).version("1")}.with_cache(DiskCache{directory.path()});
  std::atomic<int> failed{0};
  std::vector<std::thread> running;
  for (int thread = 0; thread < 4; ++thread) {
    running.emplace_back([&] {
      try {
        const Columns columns = pipeline.map({{"x", {99, 100, 101}}}, over("x"));
        if (columns["z"].int64s()[1] != 400) failed += 100;
      } catch (const ExecutionError& error) {
        failed += error.row() == 1 ? 1 : 100;
      }
    });
  }
  for (std::thread& each : running) each.join();
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(calls[99], 1);
  EXPECT_EQ(calls[100], 1);
}

TEST_F(SingleFlightTest, NodesThatRunThePipelineInOppositeOrderFinish) {
  std::optional<Pipeline> fib;
  const auto add = [&](std::int64_t n) -> std::int64_t {
    if (n < 2) return n;
    return fib->run({{"n", n - 1}})["f"].as_int64() + fib->run({{"n", n - 2}})["f"].as_int64();
  };
  fib.emplace(Pipeline{node("f", {"n"}, add).version("1")}.with_cache(DiskCache{directory.path()}));
  const auto map = [&](bool down) {
    std::vector<std::int64_t> ns(18);
    std::iota(ns.begin(), ns.end(), 0);
    if (down) std::reverse(ns.begin(), ns.end());
    const Columns columns = fib->map({{"n", ns}}, over("n"));
    return columns["f"].int64s()[down ? 0 : 17];
  };
  auto down = std::async(std::launch::async, map, true);
  EXPECT_EQ(map(false), 1597);
  EXPECT_EQ(down.get(), 1597);
}

TEST_F(SingleFlightTest, CopiesOfACacheShareAndOthersDoNot) {
  MemoryCache one, other;
  EXPECT_NE(&one.in_flight(), &other.in_flight());
  const DiskCache disk{directory.path()};
  DiskCache copy = disk;
  DiskCache again{directory.path() / "." / ""};
  const TemporaryDirectory elsewhere;
  DiskCache apart{elsewhere.path()};
  EXPECT_EQ(&copy.in_flight(), &again.in_flight());
  EXPECT_NE(&copy.in_flight(), &apart.in_flight());
}

}  // namespace
}  // namespace hypernodes
