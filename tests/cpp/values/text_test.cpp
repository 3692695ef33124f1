// SPDX-License-Identifier: MIT
#include "values/text.hpp"

#include <gtest/gtest.h>

namespace hypernodes {
namespace {

using Names = std::vector<std::string>;

TEST(TextTest, CloseMatchIsTheNearestName) {
  const Names names{"queries", "paths", "path"};
  EXPECT_EQ(close_match("pathes", names), &names[1]);
  EXPECT_EQ(close_match("pth", names), &names[2]);
  EXPECT_EQ(close_match("paths", names), &names[1]);
}

TEST(TextTest, CloseMatchTakesTwoLettersAndFewerThanHalf) {
  EXPECT_NE(close_match("titel", {"title"}), nullptr);
  EXPECT_EQ(close_match("tilte1", {"title"}), nullptr);
  EXPECT_EQ(close_match("x", {"y"}), nullptr);
  EXPECT_EQ(close_match("ab", {"ac"}), nullptr);
  EXPECT_EQ(close_match("anything", {}), nullptr);
}

TEST(TextTest, SuggestionIsEmptyWithoutACloseMatch) {
  EXPECT_EQ(suggestion("pathes", {"paths"}), "; did you mean 'paths'?");
  EXPECT_EQ(suggestion("nothing", {"paths"}), "");
}

}  // namespace
}  // namespace hypernodes
