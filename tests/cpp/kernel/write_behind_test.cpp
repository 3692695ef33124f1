// SPDX-License-Identifier: MIT
#include "kernel/write_behind.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernel/memory_cache.hpp"

namespace hypernodes {
namespace {

using testing::MemoryCache;

Digest key(int number) { return Digest::of_bytes(std::to_string(number)); }

void add(WriteBehind& writes, int number, const std::string& record) {
  writes.add(key(number), [&](std::string& out) { out += record; });
}

std::optional<std::string> find(WriteBehind& writes, int number) {
  std::string record;
  return writes.find(key(number), record) ? std::optional(record) : std::nullopt;
}

TEST(WriteBehindTest, RecordsAreFoundBeforeTheyAreCommitted) {
  MemoryCache cache;
  WriteBehind writes(cache);
  add(writes, 1, "one");
  add(writes, 2, "");
  add(writes, 3, "three");
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(find(writes, 1), "one");
  EXPECT_EQ(find(writes, 2), "");
  EXPECT_EQ(find(writes, 3), "three");
  EXPECT_EQ(find(writes, 4), std::nullopt);
}

TEST(WriteBehindTest, CommitStoresAllAtOnceAndForgets) {
  MemoryCache cache;
  WriteBehind writes(cache);
  add(writes, 1, "one");
  add(writes, 2, "two");
  writes.commit();
  writes.commit();
  EXPECT_EQ(cache.puts, (std::vector<std::size_t>{2}));
  EXPECT_EQ(cache.records().at(key(2)), "two");
  EXPECT_EQ(find(writes, 1), std::nullopt);
  add(writes, 3, "three");
  EXPECT_EQ(find(writes, 3), "three");
}

TEST(WriteBehindTest, LaterRecordOfAKeyReplacesTheEarlier) {
  MemoryCache cache;
  WriteBehind writes(cache);
  add(writes, 1, "old");
  add(writes, 2, "other");
  add(writes, 1, "new");
  EXPECT_EQ(find(writes, 1), "new");
  EXPECT_EQ(find(writes, 2), "other");
  writes.commit();
  EXPECT_EQ(cache.records().at(key(1)), "new");
}

TEST(WriteBehindTest, ManyRecordsAreCommittedByThemselves) {
  MemoryCache cache;
  WriteBehind writes(cache);
  for (int i = 0; i < 1 << 20; ++i) {
    ASSERT_TRUE(cache.puts.empty());
    add(writes, i, "r");
  }
  EXPECT_EQ(cache.puts, (std::vector<std::size_t>{1 << 20}));
  EXPECT_EQ(find(writes, 0), std::nullopt);
}

TEST(WriteBehindTest, LargeRecordsAreCommittedByThemselves) {
  MemoryCache cache;
  WriteBehind writes(cache);
  const std::string megabyte(1U << 20U, 'x');
  for (int i = 0; i < 97; ++i) add(writes, i, megabyte);
  EXPECT_EQ(cache.puts, (std::vector<std::size_t>{96}));
}

TEST(WriteBehindTest, OldRecordsAreCommittedWhenDue) {
  MemoryCache cache;
  WriteBehind writes(cache);
  writes.commit_if_due();
  add(writes, 1, "one");
  writes.commit_if_due();
  EXPECT_TRUE(cache.puts.empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(550));
  writes.commit_if_due();
  EXPECT_EQ(cache.puts, (std::vector<std::size_t>{1}));
}

TEST(WriteBehindTest, SeveralAreCommittedAtOnce) {
  MemoryCache cache;
  WriteBehind writes(cache);
  std::vector<std::unique_ptr<WriteBehind>> others;
  for (int i = 0; i < 2; ++i) others.push_back(std::make_unique<WriteBehind>(cache));
  add(writes, 1, "one");
  add(*others[0], 2, "two");
  add(*others[1], 3, "three");
  add(*others[1], 4, "four");
  writes.commit_with(others);
  EXPECT_EQ(cache.puts, (std::vector<std::size_t>{4}));
  EXPECT_EQ(cache.records().at(key(3)), "three");
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(find(writes, i), std::nullopt);
}

TEST(WriteBehindTest, DestructorCommits) {
  MemoryCache cache;
  {
    WriteBehind writes(cache);
    add(writes, 1, "one");
  }
  EXPECT_EQ(cache.size(), 1U);
}

class FailingCache final : public Cache {
 public:
  void get_many(std::span<const Digest>, const Visitor&) override {}
  void put_many(std::span<const Digest>, std::span<const std::string_view>) override {
    throw std::runtime_error("full");
  }
  void clear() override {}
};

TEST(WriteBehindTest, DestructorDoesNotThrow) {
  FailingCache cache;
  WriteBehind writes(cache);
  add(writes, 1, "one");
}

}  // namespace
}  // namespace hypernodes
