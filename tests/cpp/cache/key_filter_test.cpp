// SPDX-License-Identifier: MIT
#include "cache/key_filter.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hypernodes {
namespace {

Digest key(int number) { return Digest::of_bytes(std::to_string(number)); }

TEST(KeyFilterTest, WithoutKeysItHasNone) {
  const KeyFilter filter({});
  EXPECT_FALSE(filter.may_have(key(1)));
}

TEST(KeyFilterTest, HasItsKeysAndFewOthers) {
  std::vector<Digest> keys;
  for (int i = 0; i < 10'000; ++i) keys.push_back(key(i));
  const KeyFilter filter(keys);
  for (const Digest& one : keys) ASSERT_TRUE(filter.may_have(one));
  int others = 0;
  for (int i = 10'000; i < 20'000; ++i) others += filter.may_have(key(i)) ? 1 : 0;
  EXPECT_LT(others, 300);
}

}  // namespace
}  // namespace hypernodes
