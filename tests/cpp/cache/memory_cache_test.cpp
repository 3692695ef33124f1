// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cache/memory_store.hpp"
#include "cache/pickle_key.hpp"
#include "cache/record.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

using std::chrono::seconds;

constexpr int kTimeLimitSeconds = 60;
constexpr std::size_t kSize = 100;
const std::uint64_t kEach = MemoryTable::bytes_of(kSize);

/// Key `number` of the node whose prefix is all `node`.
Digest key_of(std::uint64_t number, std::uint8_t node = 0) {
  Digest key = Digest::of_bytes("key " + std::to_string(number));
  std::fill_n(key.bytes.begin(), 8, node);
  return key;
}

NodePrefix prefix(std::uint8_t node) {
  NodePrefix prefix;
  prefix.fill(node);
  return prefix;
}

std::string bytes_of(std::uint64_t number) {
  std::string text = std::to_string(number) + ":";
  text.resize(kSize, static_cast<char>('a' + number % 26));
  return text;
}

std::vector<std::uint64_t> range(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

/// `cache` is a MemoryCache or a MemoryStore.
template <typename Store>
void put(Store& cache, const std::vector<std::uint64_t>& numbers, std::uint8_t node = 0) {
  std::vector<Digest> keys;
  std::vector<std::string> bytes;
  for (const std::uint64_t number : numbers) {
    keys.push_back(key_of(number, node));
    bytes.push_back(bytes_of(number));
  }
  const std::vector<std::string_view> records(bytes.begin(), bytes.end());
  cache.put_many(keys, records);
}

/// Those of `numbers` that are there; one with other bytes is a failure.
template <typename Store>
std::vector<std::uint64_t> found(Store& cache, const std::vector<std::uint64_t>& numbers,
                                 std::uint8_t node = 0) {
  std::vector<Digest> keys;
  for (const std::uint64_t number : numbers) keys.push_back(key_of(number, node));
  std::vector<std::uint64_t> there;
  cache.get_many(keys, [&](std::size_t i, std::string_view record) {
    EXPECT_EQ(record, bytes_of(numbers[i]));
    there.push_back(numbers[i]);
  });
  return there;
}

using Numbers = std::vector<std::uint64_t>;

TEST(MemoryCacheTest, ReturnsWhatWasPut) {
  MemoryCache cache;
  put(cache, range(0, 1000));
  EXPECT_EQ(cache.size(), 1000U);
  EXPECT_EQ(found(cache, range(0, 2000)), range(0, 1000));
  EXPECT_EQ(found(cache, {3, 3, 5000, 3}), (Numbers{3, 3, 3}));
  EXPECT_EQ(cache.warning(), "");
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.records, 1000U);
  EXPECT_EQ(statistics.bytes, 1000 * kEach);
  EXPECT_EQ(statistics.max_bytes, 0U);
  EXPECT_EQ(statistics.hits, 1003U);
  EXPECT_EQ(statistics.misses, 1001U);
  EXPECT_EQ(statistics.stores, 1000U);
  EXPECT_EQ(statistics.evicted + statistics.expired, 0U);
}

TEST(MemoryCacheTest, EmptyBatchesAndRecordsAreFine) {
  MemoryCache cache({.max_bytes = 1000});
  cache.put_many({}, {});
  cache.get_many({}, [](std::size_t, std::string_view) { FAIL(); });
  const Digest key = key_of(1);
  const std::string_view nothing;
  cache.put_many({&key, 1}, {&nothing, 1});
  std::size_t visits = 0;
  cache.get_many({&key, 1}, [&](std::size_t, std::string_view bytes) {
    EXPECT_EQ(bytes, "");
    ++visits;
  });
  EXPECT_EQ(visits, 1U);
}

TEST(MemoryCacheTest, ALaterPutReplaces) {
  MemoryCache cache;
  const std::vector<Digest> keys{key_of(1), key_of(1)};
  const std::vector<std::string_view> records{"first", "second"};
  cache.put_many(keys, records);
  std::string got;
  cache.get_many(std::span(keys).first(1), [&](std::size_t, std::string_view b) { got = b; });
  EXPECT_EQ(got, "second");
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.statistics().bytes, MemoryTable::bytes_of(6));
}

TEST(MemoryCacheTest, CopiesShareTheRecords) {
  MemoryCache cache({.max_bytes = 1 << 20});
  MemoryCache copy = cache;
  put(cache, {1});
  EXPECT_EQ(found(copy, {1}), Numbers{1});
  copy.clear();
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(copy.pickle_key(), cache.pickle_key());
  EXPECT_EQ(copy.options().max_bytes, 1U << 20);
}

TEST(MemoryCacheTest, ThoseNotUsedForLongestGoFirst) {
  MemoryCache cache({.max_bytes = 4 * kEach});
  put(cache, {1, 2, 3, 4});
  EXPECT_EQ(found(cache, {1}), Numbers{1});
  put(cache, {5});
  EXPECT_EQ(cache.absence(key_of(2)), Absence::kEvicted);
  EXPECT_EQ(cache.absence(key_of(6)), Absence::kNeverStored);
  EXPECT_EQ(found(cache, {1, 2, 3, 4, 5}), (Numbers{1, 3, 4, 5}));
  put(cache, {3});  // a put is a use, and needs no place
  EXPECT_EQ(cache.statistics().evicted, 1U);
  put(cache, {6, 7});
  EXPECT_EQ(found(cache, range(1, 8)), (Numbers{3, 5, 6, 7}));
  EXPECT_EQ(cache.statistics().evicted, 3U);
  EXPECT_EQ(cache.statistics().bytes, 4 * kEach);
}

TEST(MemoryCacheTest, AnyOrderOfUseIsThatOfAModel) {
  constexpr std::uint64_t kMost = 20;
  MemoryCache cache({.max_bytes = kMost * kEach});
  std::list<std::uint64_t> model;  // the least recently used first
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t number = random() % 40;
    const auto place = std::find(model.begin(), model.end(), number);
    const bool there = place != model.end();
    if (there) model.erase(place);
    if (random() % 2 == 0) {
      put(cache, {number});
      model.push_back(number);
      if (model.size() > kMost) model.pop_front();
    } else {
      ASSERT_EQ(found(cache, {number}).size(), there ? 1U : 0U) << i;
      if (there) model.push_back(number);
    }
    ASSERT_EQ(cache.size(), model.size());
  }
}

TEST(MemoryCacheTest, TheBoundHoldsWhateverTheSizes) {
  constexpr std::uint64_t kBound = 50'000;
  MemoryCache cache({.max_bytes = kBound});
  std::mt19937 random(2);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Digest key = key_of(i % 500);
    const std::string bytes(random() % 10'000, 'x');
    const std::string_view record = bytes;
    cache.put_many({&key, 1}, {&record, 1});
    ASSERT_LE(cache.statistics().bytes, kBound);
    std::size_t size = 0;
    cache.get_many({&key, 1}, [&](std::size_t, std::string_view got) { size = got.size(); });
    ASSERT_EQ(size, bytes.size());
  }
}

TEST(MemoryCacheTest, WhatIsLargerThanTheBoundIsNotKept) {
  MemoryCache cache({.max_bytes = 2 * kEach});
  put(cache, {1, 2});
  const std::string bytes(2 * kEach, 'x');
  const std::string_view record = bytes;
  for (const std::uint64_t number : {2, 3}) {
    const Digest key = key_of(number);
    cache.put_many({&key, 1}, {&record, 1});
    EXPECT_EQ(cache.absence(key), Absence::kEvicted);
  }
  EXPECT_EQ(found(cache, {1, 2, 3}), Numbers{1});  // not the 2 of before either
  EXPECT_EQ(cache.statistics().evicted, 2U);
}

struct Clocked {
  explicit Clocked(seconds max_age, std::uint64_t max_bytes = 0)
      : store(max_bytes, max_age, [this] { return now; }) {}
  std::chrono::nanoseconds now{0};
  MemoryStore store;
};

TEST(MemoryStoreTest, AgeCountsFromTheLastPut) {
  Clocked clocked(seconds(10));
  MemoryStore& store = clocked.store;
  put(store, {1, 2, 3});
  clocked.now = seconds(6);
  put(store, {2});
  clocked.now = seconds(10);
  EXPECT_EQ(found(store, {1, 2, 3}), (Numbers{1, 2, 3}));  // not older than that
  ++clocked.now;
  EXPECT_EQ(store.absence(key_of(1)), Absence::kExpired);
  EXPECT_EQ(found(store, {1, 2}), (Numbers{2}));
  EXPECT_EQ(store.absence(key_of(1)), Absence::kExpired);
  CacheStatistics statistics = store.statistics();
  EXPECT_EQ(statistics.records, 2U);
  EXPECT_EQ(statistics.expired, 1U);
  store.gc();
  statistics = store.statistics();
  EXPECT_EQ(statistics.records, 1U);
  EXPECT_EQ(statistics.expired, 2U);
  EXPECT_EQ(store.absence(key_of(3)), Absence::kExpired);
  put(store, {1});
  EXPECT_EQ(found(store, {1}), Numbers{1});
}

TEST(MemoryStoreTest, TheExpiredGoBeforeTheLeastRecentlyUsed) {
  Clocked clocked(seconds(10), 2 * kEach);
  MemoryStore& store = clocked.store;
  put(store, {1});
  clocked.now = seconds(8);
  put(store, {2});
  EXPECT_EQ(found(store, {1}), Numbers{1});
  clocked.now = seconds(11);
  put(store, {3});
  EXPECT_EQ(found(store, {1, 2, 3}), (Numbers{2, 3}));
  EXPECT_EQ(store.statistics().evicted, 0U);
  EXPECT_EQ(store.statistics().expired, 1U);
}

TEST(MemoryStoreTest, WithoutAnAgeNothingExpires) {
  Clocked clocked(seconds(0));
  put(clocked.store, {1});
  clocked.now = seconds(1'000'000'000);
  clocked.store.gc();
  EXPECT_EQ(found(clocked.store, {1}), Numbers{1});
}

TEST(MemoryCacheTest, ANegativeAgeIsAnError) {
  EXPECT_THROW(MemoryCache({.max_age = seconds(-1)}), CacheError);
}

TEST(MemoryCacheTest, OnlyTheLastKeysDroppedAreRemembered) {
  MemoryCache cache({.max_bytes = kEach});
  put(cache, range(0, DroppedKeys::kMost + 2));
  EXPECT_EQ(cache.absence(key_of(0)), Absence::kNeverStored);
  EXPECT_EQ(cache.absence(key_of(1)), Absence::kEvicted);
  EXPECT_EQ(cache.absence(key_of(DroppedKeys::kMost)), Absence::kEvicted);
}

TEST(MemoryStoreTest, TheLastReasonCounts) {
  Clocked clocked(seconds(10), kEach);
  put(clocked.store, {1});
  put(clocked.store, {2});
  EXPECT_EQ(clocked.store.absence(key_of(1)), Absence::kEvicted);
  put(clocked.store, {1});
  clocked.now = seconds(11);
  clocked.store.gc();
  EXPECT_EQ(clocked.store.absence(key_of(1)), Absence::kExpired);
  EXPECT_EQ(clocked.store.absence(key_of(2)), Absence::kEvicted);
}

TEST(MemoryCacheTest, ClearForgetsEverything) {
  MemoryCache cache({.max_bytes = 3 * kEach});
  put(cache, range(0, 10));
  cache.put_note("node", "facts");
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.statistics().bytes, 0U);
  EXPECT_EQ(cache.note("node"), "");
  EXPECT_EQ(cache.absence(key_of(0)), Absence::kNeverStored);
  EXPECT_EQ(found(cache, range(0, 10)), Numbers());
  put(cache, {1});
  EXPECT_EQ(found(cache, {1}), Numbers{1});
}

TEST(MemoryCacheTest, ClearNodesForgetsTheirsOnly) {
  MemoryCache cache({.max_bytes = 30 * kEach});
  for (std::uint8_t node = 1; node <= 4; ++node) put(cache, range(0, 10), node);
  EXPECT_EQ(cache.absence(key_of(0, 1)), Absence::kEvicted);
  const std::vector<NodePrefix> nodes{prefix(1), prefix(3)};
  cache.clear_nodes(nodes);
  EXPECT_EQ(cache.absence(key_of(0, 1)), Absence::kNeverStored);
  EXPECT_EQ(found(cache, range(0, 10), 2), range(0, 10));
  EXPECT_EQ(found(cache, range(0, 10), 3), Numbers());
  EXPECT_EQ(found(cache, range(0, 10), 4), range(0, 10));
  EXPECT_EQ(cache.statistics().bytes, 20 * kEach);
}

TEST(MemoryCacheTest, NotesAreKeptByName) {
  MemoryCache cache;
  EXPECT_EQ(cache.note("a"), "");
  cache.put_note("a", "1");
  cache.put_note("b", "2");
  cache.put_note("a", "3");
  EXPECT_EQ(cache.note("a"), "3");
  EXPECT_EQ(cache.note("b"), "2");
}

void put_bytes(Cache& cache, std::uint64_t number, const std::string& bytes) {
  const Digest key = key_of(number);
  const std::string_view record = bytes;
  cache.put_many({&key, 1}, {&record, 1});
}

TEST(MemoryCacheTest, VerifyDropsWhatIsDamaged) {
  MemoryCache cache;
  const auto record = [](std::uint64_t number, Codec codec, std::string_view secret) {
    std::string bytes;
    append_record(key_of(number), {Digest::of_value("v"), 1, codec, "v"}, bytes, secret);
    return bytes;
  };
  const std::string_view mine = cache.pickle_key()->for_reading();
  ASSERT_FALSE(mine.empty());
  put_bytes(cache, 1, record(1, Codec::kValue, {}));
  put_bytes(cache, 2, record(2, Codec::kPickle, mine));
  put_bytes(cache, 3, record(3, Codec::kPickle, "somebody else's secret"));
  put_bytes(cache, 4, record(5, Codec::kValue, {}));
  std::string torn = record(6, Codec::kPickle, mine);
  torn[12] ^= 1;
  put_bytes(cache, 6, torn);
  CacheVerification found = cache.verify();
  EXPECT_EQ(found.records, 5U);
  EXPECT_EQ(found.damaged, 2U);
  EXPECT_EQ(found.foreign, 1U);
  found = cache.verify();
  EXPECT_EQ(found.records, 3U);
  EXPECT_EQ(found.damaged, 0U);
}

TEST(MemoryCacheTest, EachHasAKeyOfItsOwnForPickles) {
  MemoryCache one, other;
  MemoryCache none({.allow_pickle = false});
  std::string why;
  EXPECT_NE(one.pickle_key()->for_writing(&why), other.pickle_key()->for_writing(&why));
  EXPECT_EQ(none.pickle_key()->for_writing(&why), "");
  EXPECT_NE(why.find("allow_pickle"), std::string::npos);
}

TEST(MemoryCacheTest, AVisitorMayThrowAndUseTheCache) {
  MemoryCache cache({.max_bytes = 3 * kEach});
  put(cache, {1, 2, 3});
  const std::vector<Digest> keys{key_of(1), key_of(2), key_of(3)};
  EXPECT_THROW(cache.get_many(keys, [](std::size_t, std::string_view) { throw 1; }), int);
  std::size_t visits = 0;
  cache.get_many(keys, [&](std::size_t i, std::string_view record) {
    cache.clear();
    put(cache, {10 + i});
    EXPECT_EQ(record, bytes_of(i + 1));  // it was there when it was looked up
    ++visits;
  });
  EXPECT_EQ(visits, 3U);
  EXPECT_EQ(found(cache, {1, 2, 3, 10, 11, 12}), Numbers{12});
}

TEST(MemoryCacheTest, ThreadsShareIt) {
  MemoryCache cache({.max_bytes = 300 * kEach, .max_age = seconds(1000)});
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 300; ++i) {
        const std::uint64_t first = random() % 500;
        put(cache, range(first, first + 20));
        found(cache, range(first, first + 40));
        if (i % 50 == 0) cache.verify();
        if (i % 60 == 0) cache.gc();
        if (i % 100 == 99) cache.clear_nodes(std::vector{prefix(0)});
        EXPECT_LE(cache.statistics().bytes, 300 * kEach);
        cache.absence(key_of(first));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.statistics().stores, 4U * 300 * 20);
}

/// Runs `body` in a forked child; 0 if it returned true.
int in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kTimeLimitSeconds);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(MemoryCacheTest, AForkedChildHasACopy) {
  MemoryCache cache;
  put(cache, {1});
  EXPECT_EQ(in_child([&] {
              put(cache, {2});
              return found(cache, {1, 2}) == Numbers{1, 2};
            }),
            0);
  EXPECT_EQ(found(cache, {1, 2}), Numbers{1});
}

TEST(MemoryCacheTest, ForkingWhileThreadsUseItIsSafe) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's allocator keeps its locks across fork: the child hangs in it";
#endif
  MemoryCache cache({.max_bytes = 200 * kEach});
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; !stop; ++i) {
        put(cache, range(1000 * t + i % 500, 1000 * t + i % 500 + 100));
        const MemoryCache another;  // made and gone while forks wait
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(in_child([&] {
                put(cache, {7});
                return found(cache, {7}) == Numbers{7} && cache.size() <= 200;
              }),
              0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace hypernodes
