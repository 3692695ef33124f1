// SPDX-License-Identifier: MIT
#include "cache/key_table.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>

namespace hypernodes {
namespace {

Digest key(int number) { return Digest::of_bytes(std::to_string(number)); }

TEST(KeyTableTest, EmptyTableFindsNothing) {
  const KeyTable table;
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.find(key(1)), -1);
}

TEST(KeyTableTest, InsertKeepsTheFirstNumberAndSetReplacesIt) {
  KeyTable table;
  EXPECT_EQ(table.insert(key(1), 10), (std::pair<std::int64_t, bool>(10, true)));
  EXPECT_EQ(table.insert(key(1), 11), (std::pair<std::int64_t, bool>(10, false)));
  EXPECT_EQ(table.find(key(1)), 10);
  table.set(key(1), 12);
  table.set(key(2), 0);
  EXPECT_EQ(table.find(key(1)), 12);
  EXPECT_EQ(table.find(key(2)), 0);
}

TEST(KeyTableTest, AllZeroKeyIsAKey) {
  KeyTable table;
  EXPECT_EQ(table.find(Digest{}), -1);
  table.insert(Digest{}, 3);
  EXPECT_EQ(table.find(Digest{}), 3);
}

TEST(KeyTableTest, ClearForgetsAndCanBeFilledAgain) {
  KeyTable table;
  for (int i = 0; i < 100; ++i) table.insert(key(i), i);
  table.clear();
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.find(key(5)), -1);
  table.insert(key(5), 1);
  EXPECT_EQ(table.find(key(5)), 1);
}

TEST(KeyTableTest, ReserveKeepsWhatIsThere) {
  KeyTable table;
  for (int i = 0; i < 10; ++i) table.insert(key(i), i);
  table.reserve(1000);
  table.reserve(1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(table.find(key(i)), i);
}

TEST(KeyTableTest, ErasedKeysLeaveTheOthersWhereTheyAreFound) {
  KeyTable table;
  table.erase(key(1));
  for (int i = 0; i < 500; ++i) table.insert(key(i), i);
  for (int i = 0; i < 500; i += 2) table.erase(key(i));
  table.erase(key(0));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(table.find(key(i)), i % 2 == 0 ? -1 : i);
  for (int i = 1; i < 500; i += 2) table.erase(key(i));
  EXPECT_TRUE(table.empty());
}

TEST(KeyTableTest, AgreesWithAMap) {
  std::mt19937 random(1);
  KeyTable table;
  std::map<Digest, std::int64_t> model;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const Digest some = key(static_cast<int>(random() % 3000));
    switch (random() % 4) {
      case 0:
        EXPECT_EQ(table.insert(some, i).second, model.emplace(some, i).second);
        break;
      case 1:
        table.set(some, i);
        model[some] = i;
        break;
      case 2:
        table.erase(some);
        model.erase(some);
        break;
      default: {
        const auto found = model.find(some);
        EXPECT_EQ(table.find(some), found == model.end() ? -1 : found->second);
      }
    }
  }
}

}  // namespace
}  // namespace hypernodes
