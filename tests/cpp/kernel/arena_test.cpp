// SPDX-License-Identifier: MIT
#include "kernel/arena.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hypernodes {
namespace {

TEST(ArenaTest, BytesStayWhereTheyAre) {
  Arena arena;
  std::vector<std::pair<std::string, std::string_view>> kept;
  for (std::size_t i = 0; i < 300; ++i) {
    // Up to 600 KB: larger than a chunk, too.
    const std::string bytes(i * i * 7 % (i % 50 == 0 ? 600'000 : 9'000), static_cast<char>(i));
    kept.emplace_back(bytes, arena.keep(bytes));
  }
  for (const auto& [bytes, view] : kept) ASSERT_EQ(bytes, view);
}

TEST(ArenaTest, NothingIsNotNull) {
  Arena arena;
  EXPECT_NE(arena.keep("").data(), nullptr);
  EXPECT_EQ(arena.keep("a"), "a");
  EXPECT_TRUE(arena.keep("").empty());
}

}  // namespace
}  // namespace hypernodes
