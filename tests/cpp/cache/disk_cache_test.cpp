// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <lmdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/key_order.hpp"
#include "cache/lmdb_store.hpp"
#include "cache/record.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

constexpr int kTimeLimitSeconds = 120;

Digest key_of(std::uint64_t number) { return Digest::of_bytes("key " + std::to_string(number)); }

/// Every fiftieth value needs overflow pages.
std::string value_of(std::uint64_t number) {
  return std::string(number % 50 == 7 ? 9000 : 1 + number % 40,
                     static_cast<char>('a' + number % 26));
}

std::string record_of(std::uint64_t number) {
  const std::string value = value_of(number);
  std::string bytes;
  append_record(key_of(number), {Digest::of_value(value), number, Codec::kValue, value}, bytes);
  return bytes;
}

std::vector<std::uint64_t> range(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

std::vector<Digest> keys_of(const std::vector<std::uint64_t>& numbers) {
  std::vector<Digest> keys;
  for (const std::uint64_t number : numbers) keys.push_back(key_of(number));
  return keys;
}

struct Batch {
  explicit Batch(const std::vector<std::uint64_t>& numbers) : keys(keys_of(numbers)) {
    for (const std::uint64_t number : numbers) bytes.push_back(record_of(number));
    for (const std::string& record : bytes) records.emplace_back(record);
  }
  std::vector<Digest> keys;
  std::vector<std::string> bytes;
  std::vector<std::string_view> records;
};

void put(Cache& cache, const std::vector<std::uint64_t>& numbers) {
  const Batch batch{numbers};
  cache.put_many(batch.keys, batch.records);
}

struct Found {
  std::size_t right = 0, wrong = 0, repeated = 0;
};

/// `store` is a DiskCache or an LmdbStore.
template <class Store>
Found look_up(Store& store, const std::vector<std::uint64_t>& numbers) {
  const std::vector<Digest> keys = keys_of(numbers);
  std::vector<bool> seen(keys.size());
  Found found;
  store.get_many(keys, [&](std::size_t i, std::string_view bytes) {
    if (seen[i]) ++found.repeated;
    seen[i] = true;
    const std::optional<Record> record = parse_record(keys[i], bytes);
    ++(record && record->payload == value_of(numbers[i]) ? found.right : found.wrong);
  });
  return found;
}

/// Runs `body` in a forked child; 0 if it returned true.
int in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kTimeLimitSeconds);
    bool good = false;
    try {
      good = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

bool is_locked(const fs::path& lock_file) {
  const int fd = ::open(lock_file.c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  const bool locked = fd >= 0 && ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  if (fd >= 0) ::close(fd);
  return locked;
}

class DiskCacheTest : public testing::Test {
 protected:
  DiskCacheTest() {
    std::string name = (fs::temp_directory_path() / "hypernodes_disk_cache_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    directory_ = root_ / "cache";
  }
  ~DiskCacheTest() override {
    std::error_code ignored;
    fs::permissions(directory_, fs::perms::owner_all, ignored);
    fs::remove_all(root_, ignored);
  }

  fs::path data() const { return directory_ / "records.mdb"; }

  /// A copy of the closed store, to be damaged.
  void save() {
    fs::remove_all(root_ / "saved");
    fs::copy(directory_, root_ / "saved");
  }
  void restore() {
    fs::remove_all(directory_);
    fs::copy(root_ / "saved", directory_);
    // Changing it must not look like the work of this boot's last process.
    fs::remove(directory_ / "records.mdb-lock");
  }

  fs::path root_, directory_;
};

TEST_F(DiskCacheTest, ReturnsWhatWasPut) {
  DiskCache cache{directory_};
  put(cache, range(0, 1000));
  EXPECT_EQ(cache.size(), 1000U);
  const Found found = look_up(cache, range(0, 2000));
  EXPECT_EQ(found.right, 1000U);
  EXPECT_EQ(found.wrong + found.repeated, 0U);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(DiskCacheTest, EmptyBatchesAndRepeatedKeysAreFine) {
  DiskCache cache{directory_};
  cache.put_many({}, {});
  cache.get_many({}, [](std::size_t, std::string_view) { FAIL(); });
  put(cache, {1, 2});
  EXPECT_EQ(look_up(cache, {1, 2, 1, 1, 3}).right, 4U);
  const std::vector<Digest> keys{key_of(9), key_of(9)};
  const std::vector<std::string_view> records{"first", "second"};
  cache.put_many(keys, records);
  std::vector<std::string> got;
  cache.get_many(std::span{keys}.first(1),
                 [&](std::size_t, std::string_view bytes) { got.emplace_back(bytes); });
  EXPECT_EQ(got, std::vector<std::string>{"second"});
}

TEST_F(DiskCacheTest, TellsTheKeysOfANode) {
  DiskCache cache{directory_};
  const auto node_key = [](std::uint8_t node, int number) {
    Digest key = key_of(static_cast<std::uint64_t>(number));
    std::fill_n(key.bytes.begin(), sizeof(NodePrefix), node);
    return key;
  };
  std::vector<Digest> keys;
  for (int i = 0; i < 300; ++i) keys.push_back(node_key(static_cast<std::uint8_t>(i % 3), i));
  cache.put_many(keys, std::vector<std::string_view>(keys.size(), "record"));
  const auto prefix_of = [](std::uint8_t node) {
    NodePrefix prefix;
    prefix.fill(node);
    return prefix;
  };
  std::vector<Digest> expected;
  for (int i = 1; i < 300; i += 3) expected.push_back(node_key(1, i));
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(cache.keys_of(prefix_of(1), 100), expected);
  EXPECT_EQ(cache.keys_of(prefix_of(2), 100).value().size(), 100U);
  EXPECT_EQ(cache.keys_of(prefix_of(1), 99), std::nullopt);
  EXPECT_EQ(cache.keys_of(prefix_of(3), 0), std::vector<Digest>());
}

TEST_F(DiskCacheTest, ALaterPutReplaces) {
  DiskCache cache{directory_};
  const std::vector<Digest> keys{key_of(1)};
  for (const std::string& bytes : {std::string(10, 'a'), std::string(20000, 'b'), std::string{}}) {
    const std::vector<std::string_view> records{bytes};
    cache.put_many(keys, records);
    std::string got = "none";
    cache.get_many(keys, [&](std::size_t, std::string_view found) { got = found; });
    EXPECT_EQ(got, bytes);
  }
  EXPECT_EQ(cache.size(), 1U);
}

TEST_F(DiskCacheTest, AVisitorMayThrow) {
  DiskCache cache{directory_};
  put(cache, {1, 2, 3});
  const std::vector<Digest> keys = keys_of({1, 2, 3});
  for (int i = 0; i < 2000; ++i) {
    EXPECT_THROW(cache.get_many(keys, [](std::size_t, std::string_view) { throw 1; }), int);
  }
  EXPECT_EQ(look_up(cache, {1, 2, 3}).right, 3U);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(DiskCacheTest, PersistsAcrossInstancesAndProcesses) {
  EXPECT_EQ(in_child([&] {
              DiskCache cache{directory_};
              put(cache, range(0, 100));
              return true;
            }),
            0);
  {
    DiskCache cache{directory_};
    EXPECT_EQ(look_up(cache, range(0, 100)).right, 100U);
    put(cache, range(100, 200));
  }
  DiskCache cache{directory_};
  EXPECT_EQ(look_up(cache, range(0, 200)).right, 200U);
}

TEST_F(DiskCacheTest, ClearForgetsEverything) {
  DiskCache cache{directory_};
  put(cache, range(0, 5000));
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(look_up(cache, range(0, 5000)).right, 0U);
  put(cache, {1});
  EXPECT_EQ(cache.size(), 1U);
}

TEST_F(DiskCacheTest, OptionsAreTheInstancesOwn) {
  const DiskCache lazy{directory_};
  DiskCache strict{directory_, {.durability = Durability::kCommit}};
  EXPECT_EQ(lazy.options().durability, Durability::kFlush);
  EXPECT_EQ(strict.options().durability, Durability::kCommit);
  put(strict, {1});
  strict.flush();
  EXPECT_EQ(lazy.directory(), fs::canonical(directory_));
  EXPECT_EQ(lazy.size(), 1U);
}

TEST_F(DiskCacheTest, FilesBelongToTheOwnerAlone) {
  DiskCache cache{directory_};
  put(cache, {1});
  EXPECT_EQ(fs::status(directory_).permissions(), fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(directory_)) {
    EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << entry.path();
  }
}

TEST_F(DiskCacheTest, InstancesShareOneEnvironment) {
  auto first = std::make_unique<DiskCache>(directory_);
  fs::create_directory_symlink(directory_, root_ / "link");
  DiskCache second{root_ / "link" / "." / ""};
  DiskCache copy = second;
  put(*first, {1});
  first.reset();
  // Had it been opened twice, closing the first would have dropped the second's lock.
  EXPECT_EQ(in_child([&] { return is_locked(directory_ / "records.mdb-lock"); }), 0);
  EXPECT_EQ(look_up(copy, {1}).right, 1U);
}

TEST_F(DiskCacheTest, OpeningAndClosingFromManyThreadsKeepsOneEnvironment) {
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 50; ++i) {
        DiskCache cache{directory_};
        put(cache, {100 * t + i});
        EXPECT_EQ(look_up(cache, {100 * t + i}).right, 1U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  DiskCache cache{directory_};
  EXPECT_EQ(cache.size(), 200U);
  EXPECT_EQ(cache.warning(), "");
}

TEST_F(DiskCacheTest, AForkedChildOpensItsOwn) {
  DiskCache cache{directory_};
  put(cache, range(0, 100));
  EXPECT_EQ(in_child([&] {
              if (look_up(cache, range(0, 100)).right != 100) return false;
              put(cache, range(100, 200));
              DiskCache another{directory_};
              return look_up(another, range(0, 200)).right == 200;
            }),
            0);
  EXPECT_EQ(in_child([&] { return is_locked(directory_ / "records.mdb-lock"); }), 0);
  EXPECT_EQ(look_up(cache, range(0, 200)).right, 200U);
  put(cache, range(200, 300));
  EXPECT_EQ(look_up(cache, range(0, 300)).right, 300U);
}

TEST_F(DiskCacheTest, ForkingWhileThreadsUseItIsSafe) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's allocator keeps its locks across fork: the child hangs in it";
#endif
  DiskCache cache{directory_};
  put(cache, range(0, 100));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; !stop; ++i) {
        put(cache, {1000 + 2 * (i % 100) + t});
        look_up(cache, range(0, 100));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(in_child([&] { return look_up(cache, range(0, 100)).right == 100; }), 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_F(DiskCacheTest, TheMapGrowsUnderOneWriter) {
  const auto store = LmdbStore::open(directory_, {.initial_map = 64 << 10});
  EXPECT_EQ(store->map_bytes(), 64U << 10);
  const Batch batch{range(0, 3000)};
  store->put_many(batch.keys, batch.records, Durability::kFlush);
  EXPECT_GT(store->map_bytes(), 1U << 20);
  EXPECT_EQ(look_up(*store, range(0, 3000)).right, 3000U);
  EXPECT_EQ(store->warning(), "");
}

TEST_F(DiskCacheTest, LargeBatchesAreSplit) {
  const auto store =
      LmdbStore::open(directory_, {.initial_map = 64 << 10, .max_transaction = 10000});
  const Batch batch{range(0, 3000)};
  store->put_many(batch.keys, batch.records, Durability::kCommit);
  EXPECT_EQ(look_up(*store, range(0, 3000)).right, 3000U);
}

TEST_F(DiskCacheTest, AFullMapIsAWarning) {
  const auto store = LmdbStore::open(directory_, {.initial_map = 64 << 10, .max_map = 256 << 10});
  const Batch small{range(0, 5)};
  store->put_many(small.keys, small.records, Durability::kFlush);
  const Batch batch{range(0, 3000)};
  store->put_many(batch.keys, batch.records, Durability::kFlush);
  EXPECT_NE(store->warning().find("full"), std::string::npos) << store->warning();
  EXPECT_EQ(look_up(*store, range(0, 5)).right, 5U);
}

TEST_F(DiskCacheTest, ProcessesAndThreadsShareIt) {
  constexpr std::uint64_t kProcesses = 4, kThreads = 4, kBatches = 25, kKeys = 6000;
  std::vector<pid_t> children;
  for (std::uint64_t p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(kTimeLimitSeconds);
      std::atomic<bool> good{true};
      {
        const auto store = LmdbStore::open(directory_, {.initial_map = 64 << 10});
        std::vector<std::thread> threads;
        for (std::uint64_t t = 0; t < kThreads; ++t) {
          threads.emplace_back([&, t] {
            std::mt19937_64 random{p * kThreads + t};
            for (std::uint64_t b = 0; b < kBatches; ++b) {
              std::vector<std::uint64_t> numbers;
              for (int i = 0; i < 100; ++i) numbers.push_back(random() % kKeys);
              const Batch batch{numbers};
              store->put_many(batch.keys, batch.records,
                              b % 8 == 0 ? Durability::kCommit : Durability::kFlush);
              const Found own = look_up(*store, numbers);
              const Found all = look_up(*store, range(0, kKeys / 10));
              if (own.right != numbers.size() || own.repeated + all.wrong + all.repeated > 0) {
                good = false;
              }
              if (b % 8 == 3) store->flush();
            }
          });
        }
        for (std::thread& thread : threads) thread.join();
        if (!store->warning().empty()) {
          std::fprintf(stderr, "%s\n", store->warning().c_str());
          good = false;
        }
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  DiskCache cache{directory_};
  const Found found = look_up(cache, range(0, kKeys));
  EXPECT_EQ(found.right, cache.size());
  EXPECT_EQ(found.wrong, 0U);
}

TEST_F(DiskCacheTest, AKilledWriterLosesNothingAcknowledged) {
  std::mt19937_64 random{7};
  std::uint64_t first = 0;
  for (int round = 0; round < 20; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe_ends[0]);
      DiskCache cache{directory_};
      for (std::uint64_t next = first;; next += 20) {
        put(cache, range(next, next + 20));
        if (::write(pipe_ends[1], &next, sizeof next) != sizeof next) ::_exit(1);
      }
    }
    ::close(pipe_ends[1]);
    std::this_thread::sleep_for(std::chrono::microseconds{2000 + random() % 20000});
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t next = 0;
    while (::read(pipe_ends[0], &next, sizeof next) == sizeof next) first = next + 20;
    ::close(pipe_ends[0]);
    DiskCache cache{directory_};
    const Found found = look_up(cache, range(0, first));
    ASSERT_EQ(found.right, first) << "round " << round << " " << cache.warning();
    ASSERT_EQ(cache.warning(), "");
  }
  EXPECT_GT(first, 0U);
}

TEST_F(DiskCacheTest, AKilledReaderDoesNotHoldPagesForEver) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  {
    DiskCache{directory_}.put_many(Batch{{1}}.keys, Batch{{1}}.records);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    DiskCache cache{directory_};
    cache.get_many(keys_of({1}), [&](std::size_t, std::string_view) {
      if (::write(pipe_ends[1], "x", 1) == 1) ::pause();
    });
    ::_exit(0);
  }
  char ready = 0;
  ASSERT_EQ(::read(pipe_ends[0], &ready, 1), 1);
  const auto store = LmdbStore::open(directory_, {.initial_map = 1 << 20, .max_map = 1 << 20});
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const Batch batch{range(0, 60)};
  for (int i = 0; i < 100; ++i) store->put_many(batch.keys, batch.records, Durability::kFlush);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  EXPECT_EQ(look_up(*store, range(0, 60)).right, 60U);
}

TEST_F(DiskCacheTest, ATruncatedFileIsSetAside) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 800));
  }
  save();
  const auto size = static_cast<std::uint64_t>(fs::file_size(data()));
  std::vector<std::uint64_t> lengths{0, 1, 16, 151, 152, 4095, 4096, 4097, 4248, 8191, 8192, 8193};
  for (std::uint64_t length = 12288; length < size; length += 4096 * 7) lengths.push_back(length);
  lengths.insert(lengths.end(), {size / 2 + 77, size - 8192, size - 4097, size - 4096, size - 1});
  for (const std::uint64_t length : lengths) {
    restore();
    fs::resize_file(data(), length);
    EXPECT_EQ(in_child([&] {
                DiskCache cache{directory_};
                const Found found = look_up(cache, range(0, 800));
                if (found.wrong != 0 || found.right == 800) return false;
                if (length > 0 && cache.warning().find("damaged-1") == std::string::npos)
                  return false;
                put(cache, range(0, 800));
                return look_up(cache, range(0, 800)).right == 800;
              }),
              0)
        << "cut to " << length << " of " << size;
    EXPECT_EQ(fs::exists(directory_ / "records.mdb.damaged-1"), length > 0) << length;
  }
}

TEST_F(DiskCacheTest, AFileTruncatedWhileOpenIsSetAside) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 800));
  }
  save();
  const auto size = static_cast<std::uint64_t>(fs::file_size(data()));
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{5000}, std::uint64_t{8192}, size / 2, size - 4096}) {
    for (const bool writes : {false, true}) {
      restore();
      EXPECT_EQ(in_child([&] {
                  DiskCache cache{directory_};
                  if (look_up(cache, range(0, 800)).right != 800) return false;
                  if (::truncate(data().c_str(), static_cast<off_t>(length)) != 0) return false;
                  if (writes) put(cache, range(0, 10));
                  const std::size_t expected = writes ? 10 : 0;
                  if (look_up(cache, range(0, 800)).right != expected) return false;
                  if (cache.warning().find("damaged-1") == std::string::npos) return false;
                  put(cache, range(0, 800));
                  return look_up(cache, range(0, 800)).right == 800;
                }),
                0)
          << length << " " << writes;
    }
  }
}

TEST_F(DiskCacheTest, AnotherProcessFollowsWhenTheFileIsSetAside) {
  DiskCache cache{directory_};
  put(cache, range(0, 500));
  EXPECT_EQ(in_child([&] {
              fs::resize_file(data(), 20000);
              DiskCache other{directory_};
              put(other, range(500, 600));
              return look_up(other, range(0, 600)).right == 100;
            }),
            0);
  EXPECT_EQ(look_up(cache, range(0, 600)).right, 100U);
  put(cache, range(0, 500));
  EXPECT_EQ(in_child([&] {
              DiskCache other{directory_};
              return look_up(other, range(0, 600)).right == 600;
            }),
            0);
}

TEST_F(DiskCacheTest, ADeletedDirectoryIsAnEmptyCache) {
  DiskCache cache{directory_};
  put(cache, range(0, 100));
  fs::remove_all(directory_);
  EXPECT_EQ(look_up(cache, range(0, 100)).right, 0U);
  put(cache, range(0, 10));
  EXPECT_EQ(look_up(cache, range(0, 100)).right, 10U);
  EXPECT_TRUE(fs::exists(data()));
}

/// Opens, reads and writes a store with one changed bit; whatever happens must be orderly.
bool survives(const fs::path& directory) {
  DiskCache cache{directory};
  const Found found = look_up(cache, range(0, 300));
  put(cache, range(300, 400));
  cache.clear();
  put(cache, range(0, 10));
  return found.repeated == 0 && look_up(cache, range(0, 10)).right == 10;
}

TEST_F(DiskCacheTest, AFlippedBitInAMetaPageNeverCrashes) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 300));
    put(cache, range(0, 20));
  }
  save();
  std::mt19937_64 random{11};
  for (std::uint64_t offset = 0; offset < 2 * 152; ++offset) {
    restore();
    const std::uint64_t at = offset < 152 ? offset : 4096 + offset - 152;
    const auto mask = static_cast<char>(1 << (random() % 8));
    std::fstream file{data(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ mask));
    file.close();
    EXPECT_EQ(in_child([&] { return survives(directory_); }), 0) << "byte " << at;
  }
}

TEST_F(DiskCacheTest, FlippedBytesAnywhereInASmallFileNeverCrash) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 300));
  }
  save();
  const auto size = static_cast<std::uint64_t>(fs::file_size(data()));
  std::mt19937_64 random{12};
  for (int round = 0; round < 200; ++round) {
    restore();
    const std::uint64_t at =
        random() % 2 == 0 ? random() % size : random() % (size / 4096) * 4096 + random() % 32;
    std::fstream file{data(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(random()));
    file.close();
    EXPECT_EQ(in_child([&] { return survives(directory_); }), 0) << "byte " << at;
  }
}

TEST_F(DiskCacheTest, GarbageInPlaceOfTheFilesIsSetAside) {
  std::mt19937_64 random{13};
  for (const std::size_t length : {1UL, 100UL, 4096UL, 8192UL, 100000UL}) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    std::string garbage(length, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    std::ofstream{data(), std::ios::binary} << garbage;
    std::ofstream{directory_ / "records.mdb-lock", std::ios::binary} << garbage;
    std::ofstream{directory_ / "records.mdb.boot", std::ios::binary} << garbage;
    EXPECT_EQ(in_child([&] { return survives(directory_); }), 0) << length;
    EXPECT_TRUE(fs::exists(directory_ / "records.mdb.damaged-1")) << length;
  }
}

TEST_F(DiskCacheTest, TornPagesAreFoundAfterAReboot) {
  const auto limits = LmdbLimits{.always_check = 0};
  {
    const auto store = LmdbStore::open(directory_, limits);
    const Batch batch{range(0, 800)};
    store->put_many(batch.keys, batch.records, Durability::kFlush);
  }
  // What a power loss leaves of an unsynced page: zeros.
  const auto size = static_cast<std::streamoff>(fs::file_size(data()));
  std::fstream file{data(), std::ios::in | std::ios::out | std::ios::binary};
  for (std::streamoff page = 2 * 4096; page < size; page += 3 * 4096) {
    file.seekp(page);
    file << std::string(4096, '\0');
  }
  file.close();
  std::ofstream{directory_ / "records.mdb.boot"} << "an earlier boot\n";
  const auto store = LmdbStore::open(directory_, limits);
  EXPECT_NE(store->warning().find("damaged-1"), std::string::npos) << store->warning();
  EXPECT_EQ(look_up(*store, range(0, 800)).right, 0U);
}

TEST_F(DiskCacheTest, ZeroedPagesMetWhileRunningAreSetAside) {
  EXPECT_EQ(in_child([&] {
              const auto store = LmdbStore::open(directory_, {.always_check = 0});
              const Batch batch{range(0, 800)};
              store->put_many(batch.keys, batch.records, Durability::kFlush);
              const std::string zeros(4096, '\0');
              const int fd = ::open(data().c_str(), O_WRONLY);
              const auto size = static_cast<off_t>(fs::file_size(data()));
              for (off_t page = 2 * 4096; page < size; page += 4096) {
                if (::pwrite(fd, zeros.data(), zeros.size(), page) != 4096) return false;
              }
              if (look_up(*store, range(0, 800)).right != 0) return false;
              store->put_many(batch.keys, batch.records, Durability::kFlush);
              return look_up(*store, range(0, 800)).right == 800 &&
                     store->warning().find("damaged-1") != std::string::npos;
            }),
            0);
}

/// Commits a transaction that makes a large record and deletes it again, as raw LMDB: it never
/// writes such pages, which leaves the file shorter than its last page. Whether it did.
bool leave_unwritten_pages(const fs::path& file) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi records = 0;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, 1 << 28);
  mdb_env_set_maxdbs(env, 8);
  if (mdb_env_open(env, file.c_str(), MDB_NOSUBDIR | MDB_NOSYNC, 0600) != 0) return false;
  if (mdb_txn_begin(env, nullptr, 0, &txn) != 0) return false;
  if (mdb_dbi_open(txn, "records2", 0, &records) != 0) return false;
  Digest key = key_of(5);
  std::string small = std::string(8, '\0') + record_of(5);  // after its stamp
  std::string large(1 << 20, 'x');
  MDB_val key_val{sizeof key, key.bytes.data()};
  MDB_val small_val{small.size(), small.data()};
  MDB_val large_val{large.size(), large.data()};
  // The small one makes LMDB load its list of free pages, which is where the large one's go.
  if (mdb_put(txn, records, &key_val, &small_val, 0) != 0) return false;
  key = key_of(5000);
  if (mdb_put(txn, records, &key_val, &large_val, 0) != 0) return false;
  if (mdb_del(txn, records, &key_val, nullptr) != 0 || mdb_txn_commit(txn) != 0) return false;
  MDB_envinfo info{};
  mdb_env_info(env, &info);
  const bool is_short = fs::file_size(file) < (info.me_last_pgno + 1) * 4096;
  mdb_env_close(env);
  return is_short;
}

TEST_F(DiskCacheTest, AFileShortOfUnusedPagesIsSound) {
  for (const bool while_open : {false, true}) {
    fs::remove_all(directory_);
    auto cache = std::make_unique<DiskCache>(directory_);
    for (int i = 0; i < 5; ++i) put(*cache, range(0, 100));
    if (!while_open) cache.reset();
    ASSERT_EQ(in_child([&] { return leave_unwritten_pages(data()); }), 0);
    if (!while_open) cache = std::make_unique<DiskCache>(directory_);
    EXPECT_EQ(look_up(*cache, range(0, 100)).right, 100U);
    put(*cache, range(100, 200));
    EXPECT_EQ(look_up(*cache, range(0, 200)).right, 200U);
    EXPECT_EQ(cache->warning(), "");
    EXPECT_FALSE(fs::exists(directory_ / "records.mdb.damaged-1"));
  }
}

TEST_F(DiskCacheTest, AFullDiskIsAWarning) {
  EXPECT_EQ(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              DiskCache cache{directory_};
              put(cache, range(0, 100));
              const rlimit limit{1 << 20, 1 << 20};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
              for (std::uint64_t i = 1; i < 40; ++i) put(cache, range(1000 * i, 1000 * i + 1000));
              if (cache.warning().find("could not be stored") == std::string::npos) return false;
              if (look_up(cache, range(0, 100)).right != 100) return false;
              const Found found = look_up(cache, range(0, 40000));
              return found.wrong == 0 && found.right >= 100;
            }),
            0);
  DiskCache cache{directory_};
  EXPECT_EQ(look_up(cache, range(0, 100)).right, 100U);
  put(cache, range(0, 2000));
  EXPECT_EQ(look_up(cache, range(0, 2000)).right, 2000U);
  EXPECT_EQ(cache.warning(), "");
}

constexpr uid_t kNobody = 65534;

/// Permissions do not bind root.
void become_nobody() {
  if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(2);
}

TEST_F(DiskCacheTest, AReadOnlyDirectoryServesReads) {
  {
    DiskCache cache{directory_};
    put(cache, range(0, 100));
  }
  ::chmod(root_.c_str(), 0755);
  for (const auto& entry : fs::directory_iterator(directory_)) ::chmod(entry.path().c_str(), 0444);
  ::chmod(directory_.c_str(), 0555);
  EXPECT_EQ(in_child([&] {
              become_nobody();
              DiskCache cache{directory_};
              if (look_up(cache, range(0, 100)).right != 100 || cache.size() != 100) return false;
              if (!cache.warning().empty()) return false;
              put(cache, range(100, 200));
              cache.clear();
              cache.flush();
              return look_up(cache, range(0, 200)).right == 100 &&
                     cache.warning().find("make the directory and its files writable") !=
                         std::string::npos;
            }),
            0);
  ::chmod(directory_.c_str(), 0700);
}

TEST_F(DiskCacheTest, AnUnusableDirectoryIsAnEmptyCacheWithAWarning) {
  fs::create_directory(directory_);
  ::chmod(root_.c_str(), 0755);
  ::chmod(directory_.c_str(), 0555);
  EXPECT_EQ(in_child([&] {
              become_nobody();
              DiskCache cache{directory_};
              put(cache, {1});
              cache.flush();
              cache.clear();
              return look_up(cache, {1}).right == 0 && cache.size() == 0 &&
                     cache.warning().find("ermission") != std::string::npos;
            }),
            0);
  ::chmod(directory_.c_str(), 0700);
}

TEST_F(DiskCacheTest, ADirectoryThatCannotBeMadeIsAnError) {
  std::ofstream{root_ / "file"} << "x";
  for (const fs::path& bad : {root_ / "file", root_ / "file" / "cache", fs::path{}}) {
    try {
      DiskCache cache{bad};
      FAIL() << bad;
    } catch (const CacheError& error) {
      EXPECT_NE(error.message().find("cannot be made"), std::string::npos);
      EXPECT_NE(error.message().find(bad.string()), std::string::npos);
      EXPECT_FALSE(error.where().empty());
      EXPECT_FALSE(error.fix().empty());
    }
  }
}

TEST_F(DiskCacheTest, ABoundThatMakesNoSenseIsAnError) {
  const DiskCacheOptions small{.max_bytes = DiskCacheOptions::kLeastBytes - 1};
  const DiskCacheOptions negative{.max_age = std::chrono::seconds{-1}};
  for (const DiskCacheOptions& bad : {small, negative}) {
    try {
      DiskCache cache{directory_, bad};
      FAIL() << bad.max_bytes;
    } catch (const CacheError& error) {
      EXPECT_EQ(error.where(), bad.max_bytes == 0 ? "max_age" : "max_bytes");
      EXPECT_NE(error.fix().find("no bound"), std::string::npos);
    }
  }
  EXPECT_FALSE(fs::exists(data()));
}

TEST_F(DiskCacheTest, ParentsAreMade) {
  DiskCache cache{directory_ / "a" / "b" / ""};
  put(cache, {1});
  EXPECT_EQ(look_up(cache, {1}).right, 1U);
}

TEST(KeyOrderTest, IsTheStableOrderOfTheKeys) {
  std::mt19937_64 random{3};
  for (const std::size_t count : {0UL, 1UL, 2UL, 3UL, 100UL, 5000UL}) {
    for (const int shape : {0, 1, 2}) {
      std::vector<Digest> keys(count);
      for (Digest& key : keys) {
        if (shape == 0) key = key_of(random());
        if (shape == 1) key.bytes[31] = static_cast<std::uint8_t>(random() % 5);
        if (shape == 2) key.bytes[0] = key.bytes[8] = static_cast<std::uint8_t>(random());
      }
      std::vector<std::uint32_t> expected(count);
      std::iota(expected.begin(), expected.end(), 0U);
      std::stable_sort(expected.begin(), expected.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
      EXPECT_EQ(key_order(keys), expected) << count << " " << shape;
    }
  }
}

}  // namespace
}  // namespace hypernodes
