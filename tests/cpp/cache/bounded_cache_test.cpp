// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cache/lmdb_store.hpp"
#include "cache/record.hpp"
#include "cache/use_journal.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// Keys as the kernel makes them: those of one node begin alike.
Digest key_of(std::uint64_t number, std::uint8_t node = 1) {
  Digest key = Digest::of_bytes(std::to_string(node) + " " + std::to_string(number));
  std::memset(key.bytes.data(), node, std::tuple_size_v<NodePrefix>);
  return key;
}

NodePrefix prefix_of(std::uint8_t node) {
  NodePrefix prefix;
  prefix.fill(node);
  return prefix;
}

std::string value_of(std::uint64_t number, std::size_t bytes) {
  std::string value = std::to_string(number) + " ";
  value.resize(std::max(value.size(), bytes), static_cast<char>('a' + number % 26));
  return value;
}

std::string record_of(std::uint64_t number, std::size_t bytes, std::uint8_t node = 1,
                      std::uint32_t stored = now_s()) {
  const std::string value = value_of(number, bytes);
  std::string record;
  append_record(key_of(number, node), {Digest::of_value(value), 1, Codec::kValue, value, stored},
                record);
  return record;
}

std::vector<std::uint64_t> range(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

void put(Cache& cache, const std::vector<std::uint64_t>& numbers, std::size_t bytes = 20,
         std::uint8_t node = 1, std::uint32_t stored = now_s()) {
  std::vector<Digest> keys;
  std::vector<std::string> records;
  for (const std::uint64_t number : numbers) {
    keys.push_back(key_of(number, node));
    records.push_back(record_of(number, bytes, node, stored));
  }
  const std::vector<std::string_view> views(records.begin(), records.end());
  cache.put_many(keys, views);
}

/// A batch is put in the order of its keys; this is for tests of the order.
void put_in_turn(Cache& cache, const std::vector<std::uint64_t>& numbers, std::size_t bytes) {
  for (const std::uint64_t number : numbers) put(cache, {number}, bytes);
}

/// Which of `numbers` are there; a record that is not the one that was put fails the test.
std::set<std::uint64_t> found(Cache& cache, const std::vector<std::uint64_t>& numbers,
                              std::uint8_t node = 1) {
  std::vector<Digest> keys;
  for (const std::uint64_t number : numbers) keys.push_back(key_of(number, node));
  std::set<std::uint64_t> there;
  cache.get_many(keys, [&](std::size_t i, std::string_view bytes) {
    const std::optional<Record> record = parse_record(keys[i], bytes);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->payload, value_of(numbers[i], record->payload.size()));
    there.insert(numbers[i]);
  });
  return there;
}

int wait_for(pid_t child) {
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

pid_t start_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(120);
  const bool good = body() && !testing::Test::HasFailure();
  ::_exit(good ? 0 : 1);
}

class BoundedCacheTest : public testing::Test {
 protected:
  BoundedCacheTest() {
    std::string name = (fs::temp_directory_path() / "hypernodes_bounded_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    directory_ = root_ / "cache";
  }
  ~BoundedCacheTest() override { fs::remove_all(root_); }

  DiskCache open(std::uint64_t max_bytes, std::chrono::seconds max_age = {}) const {
    return DiskCache{directory_, {.max_bytes = max_bytes, .max_age = max_age}};
  }
  std::uint64_t file_bytes() const { return fs::file_size(directory_ / "records.mdb"); }

  /// Changes the closed store as raw LMDB.
  void alter(const char* tree, const std::function<int(MDB_txn*, MDB_dbi)>& change) const {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 8);
    mdb_env_set_mapsize(env, 1 << 28);
    ASSERT_EQ(mdb_env_open(env, (directory_ / "records.mdb").c_str(), MDB_NOSUBDIR, 0600), 0);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    ASSERT_EQ(mdb_dbi_open(txn, tree, tree == nullptr ? 0 : MDB_CREATE, &dbi), 0);
    ASSERT_EQ(change(txn, dbi), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  }
  std::uint64_t entries(const char* tree) const {
    MDB_stat stat{};
    alter(tree, [&](MDB_txn* txn, MDB_dbi dbi) { return mdb_stat(txn, dbi, &stat); });
    return stat.ms_entries;
  }

  fs::path root_, directory_;
};

TEST_F(BoundedCacheTest, DropsTheOldestFirst) {
  DiskCache cache = open(kMiB);
  // Records in pages of their own: it is plain what they take.
  for (std::uint64_t i = 0; i < 400; ++i) put(cache, {i}, 8000);
  const std::set<std::uint64_t> there = found(cache, range(0, 400));
  ASSERT_FALSE(there.empty());
  EXPECT_EQ(there.size(), 400 - *there.begin()) << "a gap";
  EXPECT_GT(there.size(), 80U);
  EXPECT_LT(there.size(), 128U);
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.records, there.size());
  EXPECT_EQ(statistics.evicted, 400 - there.size());
  EXPECT_EQ(statistics.stores, 400U);
  EXPECT_EQ(statistics.max_bytes, kMiB);
  EXPECT_LE(statistics.bytes, kMiB);
  EXPECT_GT(statistics.bytes, kMiB * 3 / 4);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BoundedCacheTest, WhatIsUsedStays) {
  // In pages that records share, and in pages of their own.
  for (const std::size_t bytes : {std::size_t{1000}, std::size_t{8000}}) {
    fs::remove_all(directory_);
    DiskCache cache = open(kMiB);
    const std::vector<std::uint64_t> used = range(0, 10);
    put(cache, used, bytes);
    const std::uint64_t end = 5'000'000 / bytes;
    for (std::uint64_t i = 10; i < end; ++i) {
      put(cache, {i}, bytes);
      if (i % (end / 60) == 0) {
        EXPECT_EQ(found(cache, used).size(), used.size()) << i;
      }
    }
    EXPECT_TRUE(found(cache, range(10, end / 2)).empty()) << bytes;
  }
}

TEST_F(BoundedCacheTest, AUseIsWrittenByFlushToo) {
  DiskCache cache = open(kMiB);
  put_in_turn(cache, range(0, 90), 8000);
  EXPECT_EQ(found(cache, {3, 4}).size(), 2U);
  cache.flush();
  EXPECT_EQ(wait_for(start_child([&] {
              DiskCache other = open(kMiB);
              put_in_turn(other, range(100, 200), 8000);
              return true;
            })),
            0);
  EXPECT_EQ(found(cache, range(0, 60)), (std::set<std::uint64_t>{3, 4}));
}

TEST_F(BoundedCacheTest, ReadingAgainAndAgainWritesNothing) {
  DiskCache cache = open(kMiB);
  put(cache, range(0, 90), 8000);
  const auto transaction = [&] {
    found(cache, range(0, 90));
    cache.flush();
    return cache.statistics().records;
  };
  transaction();  // the older three quarters are marked as used
  const auto before = fs::last_write_time(directory_ / "records.mdb");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(transaction(), 90U);
  EXPECT_EQ(fs::last_write_time(directory_ / "records.mdb"), before);
}

TEST_F(BoundedCacheTest, AnOverwrittenRecordIsAsYoungAsItsLastPut) {
  DiskCache cache = open(kMiB);
  put_in_turn(cache, range(0, 60), 8000);
  put_in_turn(cache, range(0, 5), 8000);
  put_in_turn(cache, range(100, 180), 8000);
  const std::set<std::uint64_t> there = found(cache, range(0, 60));
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(there.contains(i)) << i;
  EXPECT_LT(there.size(), 60U);
}

TEST_F(BoundedCacheTest, SmallRecordsOfSeveralNodesKeepWithinTheBound) {
  DiskCache cache = open(kMiB);
  std::uint64_t largest_file = 0;
  for (std::uint64_t round = 0; round < 60; ++round) {
    for (std::uint8_t node = 1; node <= 3; ++node) {
      put(cache, range(1000 * round, 1000 * (round + 1)), 20, node);
    }
    EXPECT_LE(cache.statistics().bytes, kMiB);
    largest_file = std::max(largest_file, file_bytes());
  }
  EXPECT_GT(cache.statistics().evicted, 20 * cache.statistics().records);
  EXPECT_LE(largest_file, kMiB * 5 / 4);
  EXPECT_EQ(found(cache, range(59'000, 60'000), 3).size(), 1000U);
  EXPECT_TRUE(found(cache, range(0, 50'000), 1).empty());
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BoundedCacheTest, NodesThatComeAndGoKeepWithinTheBound) {
  DiskCache cache = open(kMiB);
  std::uint64_t largest_file = 0;
  for (std::uint8_t node = 1; node <= 40; ++node) {
    put(cache, range(0, 3000), 30, node);
    EXPECT_LE(cache.statistics().bytes, kMiB);
    largest_file = std::max(largest_file, file_bytes());
  }
  EXPECT_LE(largest_file, kMiB * 5 / 4);
  EXPECT_EQ(found(cache, range(0, 3000), 40).size(), 3000U);
}

TEST_F(BoundedCacheTest, TheFileTakesAboutWhatIsAllowed) {
  constexpr std::uint64_t kBound = 4 * kMiB;
  for (const std::size_t bytes : {20U, 700U, 5000U, 100'000U}) {
    fs::remove_all(directory_);
    DiskCache cache = open(kBound);
    const std::uint64_t batch = std::max<std::uint64_t>(1, 70'000 / bytes);
    std::uint64_t next = 0;
    for (std::uint64_t all = 0; all < 5 * kBound; all += batch * (bytes + 50), next += batch) {
      put(cache, range(next, next + batch), bytes);
      ASSERT_LE(file_bytes(), kBound * 115 / 100) << bytes;
    }
    EXPECT_GE(file_bytes(), kBound * 3 / 4) << bytes;
    EXPECT_GT(cache.size() * (bytes + 50), kBound / 4) << bytes;
  }
}

TEST_F(BoundedCacheTest, MixedSizesAgreeWithAModelOfWhatWasPut) {
  DiskCache cache = open(kMiB);
  std::mt19937_64 random{5};
  std::map<std::uint64_t, std::size_t> put_last;  // number -> when
  for (std::size_t step = 0; step < 400; ++step) {
    const std::uint64_t number = random() % 2000;
    put(cache, range(number, number + 10), random() % 20 == 0 ? 9000 : 10 + random() % 1500);
    for (std::uint64_t i = number; i < number + 10; ++i) put_last[i] = step;
  }
  const std::set<std::uint64_t> there = found(cache, range(0, 2010));
  EXPECT_EQ(cache.size(), there.size());
  std::size_t oldest_kept = 400, youngest_dropped = 0;
  for (const auto& [number, step] : put_last) {
    if (there.contains(number)) oldest_kept = std::min(oldest_kept, step);
    if (!there.contains(number)) youngest_dropped = std::max(youngest_dropped, step);
  }
  EXPECT_LE(youngest_dropped, oldest_kept);
}

TEST_F(BoundedCacheTest, AResultTooLargeForTheBoundIsNotStored) {
  DiskCache cache = open(kMiB);
  put(cache, {1});
  put(cache, {2}, kMiB);
  EXPECT_EQ(found(cache, {1, 2}), std::set<std::uint64_t>{1});
  EXPECT_NE(cache.warning().find("was not stored"), std::string::npos);
}

TEST_F(BoundedCacheTest, EachCacheEnforcesItsOwnBound) {
  DiskCache unbounded{directory_};
  put_in_turn(unbounded, range(0, 300), 8000);
  EXPECT_EQ(unbounded.size(), 300U);
  DiskCache bounded = open(kMiB);
  EXPECT_EQ(bounded.size(), 300U);
  put(bounded, {1000});
  EXPECT_LT(unbounded.size(), 128U);
  EXPECT_EQ(found(bounded, {0, 299, 1000}), (std::set<std::uint64_t>{299, 1000}));
}

TEST_F(BoundedCacheTest, GcDropsWhatIsBeyondTheBound) {
  {
    DiskCache unbounded{directory_};
    put(unbounded, range(0, 300), 8000);
  }
  DiskCache cache = open(kMiB);
  cache.gc();
  EXPECT_LT(cache.size(), 128U);
  EXPECT_EQ(cache.statistics().evicted + cache.size(), 300U);
  EXPECT_LE(cache.statistics().bytes, kMiB);
}

TEST_F(BoundedCacheTest, OfABatchOnlyAsManyAsMustAreDropped) {
  {
    DiskCache unbounded{directory_};
    put(unbounded, range(0, 100), 8000);  // one entry of the journal
    put(unbounded, range(100, 120), 8000);
  }
  DiskCache cache = open(kMiB);
  cache.gc();
  EXPECT_EQ(found(cache, range(100, 120)).size(), 20U);
  EXPECT_GT(cache.size(), 70U);
  EXPECT_LE(cache.statistics().bytes, kMiB);
  put(cache, range(200, 300), 8000);  // the rest of that batch is still the oldest
  EXPECT_TRUE(found(cache, range(0, 100)).empty());
}

TEST_F(BoundedCacheTest, ClearedRecordsAreNotKnownAsEvicted) {
  DiskCache cache = open(kMiB);
  const std::vector<NodePrefix> nodes{prefix_of(1)};
  for (std::uint8_t node = 1; node <= 2; ++node) {
    for (std::uint64_t i = 0; i < 400; ++i) put(cache, {i}, 8000, node);
  }
  EXPECT_EQ(cache.absence(key_of(5)), Absence::kEvicted);
  cache.clear_nodes(nodes);
  EXPECT_EQ(cache.absence(key_of(5)), Absence::kNeverStored);
  EXPECT_EQ(cache.absence(key_of(5, 2)), Absence::kEvicted);
  for (std::uint64_t i = 0; i < 400; ++i) put(cache, {i}, 8000);
  EXPECT_EQ(cache.absence(key_of(5)), Absence::kEvicted);
}

TEST_F(BoundedCacheTest, TheJournalStaysInProportion) {
  {
    DiskCache cache{directory_};
    for (int i = 0; i < 60; ++i) put(cache, range(0, 500));
    EXPECT_EQ(cache.size(), 500U);
  }
  // More than 200 keys an entry, of which 2 * 500 + 1000 and a batch may be there.
  EXPECT_LE(entries("uses"), 40U);
  DiskCache cache{directory_};
  cache.gc();
  EXPECT_EQ(found(cache, range(0, 500)).size(), 500U);
}

TEST_F(BoundedCacheTest, GcCompactsTheJournal) {
  {
    DiskCache cache{directory_};
    for (std::uint64_t i = 0; i < 500; ++i) put(cache, {i % 10});
  }
  EXPECT_EQ(entries("uses"), 500U);
  DiskCache{directory_}.gc();
  EXPECT_EQ(entries("uses"), 10U);
}

TEST_F(BoundedCacheTest, AnOldRecordIsAMissAndExpired) {
  const std::uint32_t now = now_s();
  DiskCache cache = open(0, std::chrono::seconds{1000});
  put(cache, {1}, 20, 1, now - 2000);
  put(cache, {2}, 20, 1, now - 500);
  put(cache, {3}, 20, 1, now + 500);  // a clock that is ahead
  EXPECT_EQ(found(cache, {1, 2, 3}), (std::set<std::uint64_t>{2, 3}));
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.hits, 2U);
  EXPECT_EQ(statistics.misses, 1U);
  EXPECT_EQ(cache.absence(key_of(1)), Absence::kExpired);
  EXPECT_EQ(cache.absence(key_of(4)), Absence::kNeverStored);
  // Who asks without that bound gets it.
  DiskCache patient{directory_};
  EXPECT_EQ(found(patient, {1, 2, 3}).size(), 3U);
}

TEST_F(BoundedCacheTest, GcDropsWhatIsTooOld) {
  DiskCache cache = open(0, std::chrono::seconds{1000});
  put(cache, range(0, 6000), 20, 1, now_s() - 2000);
  put(cache, range(6000, 6100));
  cache.gc();
  EXPECT_EQ(cache.size(), 100U);
  EXPECT_EQ(cache.statistics().expired, 6000U);
  EXPECT_EQ(cache.absence(key_of(17)), Absence::kExpired);
  EXPECT_EQ(found(cache, range(0, 6100)).size(), 100U);
}

TEST_F(BoundedCacheTest, AnEvictedRecordIsKnownAsSuch) {
  DiskCache cache = open(kMiB);
  for (std::uint64_t i = 0; i < 400; ++i) put(cache, {i}, 8000);
  EXPECT_EQ(cache.absence(key_of(5)), Absence::kEvicted);
  EXPECT_EQ(cache.absence(key_of(5, 2)), Absence::kNeverStored);
  cache.clear();
  EXPECT_EQ(cache.absence(key_of(5)), Absence::kNeverStored);
}

TEST_F(BoundedCacheTest, TombstonesAreFew) {
  {
    DiskCache cache = open(kMiB);
    for (std::uint64_t i = 0; i < 12; ++i) put(cache, range(4000 * i, 4000 * (i + 1)));
    EXPECT_EQ(cache.absence(key_of(1)), Absence::kNeverStored) << "forgotten for newer ones";
    EXPECT_GT(cache.statistics().evicted, 30'000U);
  }
  std::uint64_t bytes = 0;
  alter("gone", [&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_cursor* cursor = nullptr;
    MDB_val key{}, value{};
    int error = mdb_cursor_open(txn, dbi, &cursor);
    for (; error == 0; error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
      bytes += value.mv_size;
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
  });
  EXPECT_GT(bytes, 0U);
  EXPECT_LT(bytes, kMiB / 16);
}

TEST_F(BoundedCacheTest, ClearNodesLeavesTheOthers) {
  DiskCache cache{directory_};
  for (std::uint8_t node = 1; node <= 4; ++node) put(cache, range(0, 5000), 20, node);
  const std::vector<NodePrefix> nodes{prefix_of(2), prefix_of(4), prefix_of(9)};
  cache.clear_nodes(nodes);
  EXPECT_EQ(cache.size(), 10'000U);
  EXPECT_EQ(found(cache, range(0, 5000), 1).size(), 5000U);
  EXPECT_TRUE(found(cache, range(0, 5000), 2).empty());
  EXPECT_EQ(found(cache, range(0, 5000), 3).size(), 5000U);
  EXPECT_TRUE(found(cache, range(0, 5000), 4).empty());
  put(cache, range(0, 10), 20, 2);
  EXPECT_EQ(found(cache, range(0, 100), 2).size(), 10U);
}

TEST_F(BoundedCacheTest, VerifyDropsWhatIsDamagedAndCountsWhatIsForeign) {
  const auto with_key = [&](const char* secret) {
    return DiskCache{directory_, {.pickle_key = secret}};
  };
  {
    DiskCache cache = with_key("a secret of sixteen bytes");
    put(cache, range(0, 5000));
    std::string own, foreign;
    const Record pickled{Digest::of_value("x"), 1, Codec::kPickle, "a pickle"};
    append_record(key_of(5000), pickled, own, "a secret of sixteen bytes");
    append_record(key_of(5001), pickled, foreign, "another that nobody knows");
    const std::vector<Digest> keys{key_of(5000), key_of(5001)};
    const std::vector<std::string_view> records{own, foreign};
    cache.put_many(keys, records);
    EXPECT_EQ(cache.verify().damaged, 0U);
  }
  alter("records2", [&](MDB_txn* txn, MDB_dbi dbi) {
    for (const std::uint64_t number : {std::uint64_t{7}, std::uint64_t{5001}}) {
      Digest key = key_of(number);
      MDB_val name{key.bytes.size(), key.bytes.data()};
      MDB_val value{};
      if (const int error = mdb_get(txn, dbi, &name, &value); error != 0) return error;
      if (number == 5001) continue;
      std::string bytes(static_cast<const char*>(value.mv_data), value.mv_size);
      bytes[20] = static_cast<char>(bytes[20] ^ 4);
      value = {bytes.size(), bytes.data()};
      if (const int error = mdb_put(txn, dbi, &name, &value, 0); error != 0) return error;
    }
    std::string tiny = "tiny";  // less than a stamp, under what is no key
    MDB_val name{tiny.size(), tiny.data()};
    return mdb_put(txn, dbi, &name, &name, 0);
  });
  DiskCache cache = with_key("a secret of sixteen bytes");
  CacheVerification result = cache.verify();
  EXPECT_EQ(result.records, 5003U);
  EXPECT_EQ(result.damaged, 2U);
  EXPECT_EQ(result.foreign, 1U);
  result = cache.verify();
  EXPECT_EQ(result.records, 5001U);
  EXPECT_EQ(result.damaged, 0U);
  EXPECT_EQ(found(cache, range(0, 5000)).size(), 4999U);
}

TEST_F(BoundedCacheTest, NotesSurviveButForClear) {
  {
    DiskCache cache{directory_};
    EXPECT_EQ(cache.note("node"), "");
    cache.put_note("node", "first");
    cache.put_note("node", std::string(10'000, 'x'));
    cache.put_note("other", "text");
    cache.put_note("", "no name");
    cache.put_note(std::string(600, 'n'), "a name that is too long");
    EXPECT_EQ(cache.size(), 0U);
  }
  DiskCache cache{directory_};
  EXPECT_EQ(cache.note("node"), std::string(10'000, 'x'));
  EXPECT_EQ(cache.note("other"), "text");
  EXPECT_EQ(cache.note(""), "");
  EXPECT_EQ(cache.note(std::string(600, 'n')), "");
  EXPECT_EQ(cache.warning(), "");
  cache.clear();
  EXPECT_EQ(cache.note("node"), "");
}

TEST_F(BoundedCacheTest, ARecordOfTheFormerLayoutIsDropped) {
  fs::create_directories(directory_);
  alter("records", [](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val name{3, const_cast<char*>("key")};
    return mdb_put(txn, dbi, &name, &name, 0);
  });
  {
    DiskCache cache{directory_};
    put(cache, {1});
    EXPECT_EQ(cache.size(), 1U);
  }
  EXPECT_EQ(entries("records"), 0U);
}

// Around the sizes where a record is split between two trees: 58 bytes are not payload.
const std::vector<std::size_t> kSizes{1'900, 2'100,  4'000,  4'010,  4'013,  4'014,  4'015,
                                      4'021, 4'022,  4'050,  4'096,  5'045,  5'046,  5'047,
                                      8'192, 60'000, 65'536, 66'000, 70'000, 1 << 20};

TEST_F(BoundedCacheTest, RecordsOfAllSizesComeBack) {
  {
    DiskCache cache{directory_};
    for (std::size_t i = 0; i < kSizes.size(); ++i) put(cache, {i}, kSizes[i]);
    EXPECT_EQ(found(cache, range(0, kSizes.size())).size(), kSizes.size());
    EXPECT_EQ(cache.verify().damaged, 0U);
    EXPECT_EQ(cache.verify().records, kSizes.size());
  }
  EXPECT_GT(entries("rests"), 3U);
  DiskCache cache{directory_};
  EXPECT_EQ(found(cache, range(0, kSizes.size())).size(), kSizes.size());
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BoundedCacheTest, ARecordReplacesOneOfAnotherSize) {
  for (const std::size_t former : {20, 4'096, 8'192, 100'000}) {
    for (const std::size_t next : {20, 4'096, 8'192, 100'000}) {
      fs::remove_all(directory_);
      {
        DiskCache cache{directory_};
        put(cache, {1}, former);
        put(cache, {1}, next);
        EXPECT_EQ(found(cache, {1}).size(), 1U) << former << " " << next;
        EXPECT_EQ(cache.verify().damaged, 0U);
        EXPECT_EQ(cache.size(), 1U);
      }
      EXPECT_EQ(entries("rests"), next == 4'096 || next == 8'192 ? 1U : 0U)
          << former << " " << next;
    }
  }
}

TEST_F(BoundedCacheTest, ARecordALittleLargerThanAPageTakesLittleMore) {
  DiskCache cache{directory_};
  put(cache, range(0, 2000), 4096);
  EXPECT_LT(cache.statistics().bytes, 2000U * 4500U);
  cache.flush();
  EXPECT_LT(file_bytes(), 2000U * 4700U);
}

TEST_F(BoundedCacheTest, NothingIsLeftOfASplitRecord) {
  const auto left_after = [&](const std::function<void(DiskCache&)>& drop) {
    fs::remove_all(directory_);
    {
      DiskCache cache{directory_};
      put(cache, range(0, 100), 4096);
      put(cache, range(0, 10), 4096, 2, now_s() - 1000);
      drop(cache);
    }
    return entries("rests");
  };
  EXPECT_EQ(left_after([](DiskCache&) {}), 110U);
  EXPECT_EQ(left_after([](DiskCache& cache) { cache.clear(); }), 0U);
  EXPECT_EQ(left_after([](DiskCache& cache) {
              const std::vector<NodePrefix> nodes{prefix_of(1)};
              cache.clear_nodes(nodes);
            }),
            10U);
  EXPECT_EQ(left_after([&](DiskCache&) { open(0, std::chrono::seconds{500}).gc(); }), 100U);
  const std::uint64_t kept = left_after([&](DiskCache&) {
    DiskCache bounded = open(kMiB);
    put(bounded, range(100, 600), 4096);
    EXPECT_EQ(bounded.statistics().records, found(bounded, range(0, 600)).size());
  });
  EXPECT_GT(kept, 150U);
  EXPECT_LT(kept, 230U);
}

TEST_F(BoundedCacheTest, AUsedSplitRecordStays) {
  DiskCache cache = open(kMiB);
  put(cache, range(0, 10), 4096);
  for (std::uint64_t i = 10; i < 1000; ++i) {
    put(cache, {i}, 4096);
    if (i % 10 == 0) {
      EXPECT_EQ(found(cache, range(0, 10)).size(), 10U) << i;
    }
  }
  EXPECT_TRUE(found(cache, range(10, 500)).empty());
  EXPECT_EQ(cache.verify().damaged, 0U);
}

TEST_F(BoundedCacheTest, ARecordWithoutItsRestIsNone) {
  const auto alter_rest = [&](bool drop) {
    alter("rests", [&](MDB_txn* txn, MDB_dbi dbi) {
      Digest key = key_of(drop ? 1 : 2);
      MDB_val name{key.bytes.size(), key.bytes.data()};
      if (drop) return mdb_del(txn, dbi, &name, nullptr);
      std::string other(4080, 'x');
      MDB_val value{other.size(), other.data()};
      return mdb_put(txn, dbi, &name, &value, 0);
    });
  };
  {
    DiskCache cache{directory_};
    put(cache, range(0, 4), 4096);
  }
  alter_rest(true);
  alter_rest(false);
  DiskCache cache{directory_};
  std::vector<bool> intact;
  for (const std::uint64_t number : range(0, 4)) {
    const Digest key = key_of(number);
    cache.get_many({&key, 1}, [&](std::size_t, std::string_view bytes) {
      intact.push_back(parse_record(key, bytes).has_value());
    });
  }
  EXPECT_EQ(intact, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(cache.verify().damaged, 2U);
  EXPECT_EQ(cache.size(), 2U);
  put(cache, range(0, 4), 4096);
  EXPECT_EQ(found(cache, range(0, 4)).size(), 4U);
}

TEST_F(BoundedCacheTest, WrongNumbersInTheFileCostRecordsOnly) {
  const std::string state(32, '\xff');
  const std::string last(8, '\xff');
  for (const bool journal : {false, true}) {
    fs::remove_all(directory_);
    {
      DiskCache cache = open(kMiB);
      put(cache, range(0, 50), 8000);
    }
    alter(journal ? "uses" : nullptr, [&](MDB_txn* txn, MDB_dbi dbi) {
      const std::string_view name = journal ? std::string_view(last) : "state";
      MDB_val key{name.size(), const_cast<char*>(name.data())};
      MDB_val value{state.size(), const_cast<char*>(state.data())};
      return mdb_put(txn, dbi, &key, &value, 0);
    });
    DiskCache cache = open(kMiB);
    put_in_turn(cache, range(50, 400), 8000);
    EXPECT_EQ(found(cache, {399}).size(), 1U);
    EXPECT_LE(cache.statistics().bytes, kMiB);
    EXPECT_EQ(cache.verify().damaged, 0U);
    EXPECT_EQ(cache.warning(), "");
  }
}

TEST_F(BoundedCacheTest, RecordsThatTheJournalDoesNotKnowAreDroppedInTheEnd) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 300), 8000);
  }
  alter("uses", [](MDB_txn* txn, MDB_dbi dbi) { return mdb_drop(txn, dbi, 0); });
  DiskCache cache = open(kMiB);
  put(cache, {1000}, 8000);
  put(cache, range(1001, 1050), 8000);
  EXPECT_LE(cache.statistics().bytes, kMiB);
  EXPECT_EQ(found(cache, range(1001, 1050)).size(), 49U);
}

TEST_F(BoundedCacheTest, TheMapGrowsWhileRecordsAreEvicted) {
  const auto store = LmdbStore::open(directory_, {.initial_map = 64 << 10});
  DiskCache cache = open(kMiB);
  for (std::uint64_t i = 0; i < 40; ++i) put(cache, range(1000 * i, 1000 * (i + 1)));
  EXPECT_EQ(found(cache, range(39'000, 40'000)).size(), 1000U);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(BoundedCacheTest, ProcessesEvictWhileOthersReadAndWrite) {
  constexpr std::uint64_t kKeys = 30'000;
  std::vector<pid_t> children;
  for (std::uint64_t p = 0; p < 3; ++p) {
    children.push_back(start_child([&, p] {
      DiskCache cache = open(kMiB + p * kMiB / 2);
      std::atomic<bool> good{true};
      std::vector<std::thread> threads;
      for (std::uint64_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
          std::mt19937_64 random{2 * p + t};
          for (int i = 0; i < 60; ++i) {
            const std::uint64_t first = random() % kKeys;
            put(cache, range(first, first + 300), 10 + 1000 * (random() % 3));
            found(cache, range(0, kKeys / 20));
            if (i % 20 == 5) cache.flush();
            if (i % 30 == 7) cache.gc();
            if (i % 30 == 9 && cache.verify().damaged != 0) good = false;
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      const CacheStatistics statistics = cache.statistics();
      if (statistics.hits + statistics.misses != std::uint64_t{2} * 60 * (kKeys / 20)) good = false;
      if (statistics.stores != std::uint64_t{2} * 60 * 300 || statistics.evicted == 0) good = false;
      if (!cache.warning().empty()) good = false;
      return good.load();
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  DiskCache cache = open(kMiB);
  cache.gc();
  EXPECT_EQ(found(cache, range(0, kKeys + 300)).size(), cache.size());
  EXPECT_LE(cache.statistics().bytes, kMiB);
}

TEST(UseEntryTest, RoundTripsAndStopsAtDamage) {
  UseEntry entry;
  std::vector<KeyPrefix> keys;
  for (std::uint64_t i = 0; !entry.full(); ++i) {
    keys.push_back({.node = i / 10, .row = i});
    entry.add(keys.back());
  }
  EXPECT_LE(entry.bytes().size(), UseEntry::kMostBytes);
  const std::vector<KeyPrefix> read = UseEntry::read(entry.bytes());
  ASSERT_EQ(read.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(read[i].node, keys[i].node);
    EXPECT_EQ(read[i].row, keys[i].row);
  }
  for (std::size_t size = 0; size < entry.bytes().size(); ++size) {
    EXPECT_LE(UseEntry::read(entry.bytes().substr(0, size)).size(), keys.size());
  }
  EXPECT_TRUE(UseEntry::read(std::string(12, '\xff')).empty());
}

TEST(TombstonesTest, AreFoundWithTheirReason) {
  std::vector<KeyPrefix> keys;
  for (std::uint64_t i = 0; i < 100; ++i) keys.push_back({.node = 1, .row = 1000 - 3 * i});
  const std::string bytes = make_tombstones(2, keys);
  EXPECT_EQ(tombstones(bytes), 100U);
  for (std::uint64_t row = 690; row < 1010; ++row) {
    std::uint64_t reason = 0;
    const bool there = row >= 703 && row <= 1000 && (1000 - row) % 3 == 0;
    EXPECT_EQ(find_tombstone(bytes, {.node = 5, .row = row}, &reason), there) << row;
    EXPECT_EQ(reason, there ? 2U : 0U);
  }
  std::uint64_t reason = 0;
  EXPECT_FALSE(find_tombstone("short", keys[0], &reason));
}

}  // namespace
}  // namespace hypernodes
