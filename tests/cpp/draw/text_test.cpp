// SPDX-License-Identifier: MIT
#include "draw/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hypernodes::draw {
namespace {

TEST(DrawTextTest, CleanKeepsUtf8OnOneLine) {
  EXPECT_EQ(clean("größe 数\xF0\x9F\x8C\x8D"), "größe 数\xF0\x9F\x8C\x8D");
  EXPECT_EQ(clean("a\nb\tc\x01"
                  "d\x7F"),
            "a b c d ");
  EXPECT_EQ(clean(std::string("a\0b", 3)), "a b");
}

TEST(DrawTextTest, CleanReplacesWhatIsNoCharacterOfXml) {
  EXPECT_EQ(clean("a\xFF"
                  "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(clean("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(clean("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
  EXPECT_EQ(clean("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
}

TEST(DrawTextTest, ClipCountsCharacters) {
  EXPECT_EQ(clip("abc", 3), "abc");
  EXPECT_EQ(clip("abcd", 3), "ab\xE2\x80\xA6");
  EXPECT_EQ(clip("äöüß", 4), "äöüß");
  EXPECT_EQ(clip("äöüßa", 4), "äöü\xE2\x80\xA6");
  EXPECT_EQ(clip("", 3), "");
}

TEST(DrawTextTest, MarkupEscapesWhatHtmlAndXmlReserve) {
  EXPECT_EQ(markup("<a href=\"x\">&'</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(markup("plain"), "plain");
}

TEST(DrawTextTest, NumbersAreShortAndIndependentOfTheLocale) {
  EXPECT_EQ(number(3), "3");
  EXPECT_EQ(number(-0.04), "0");
  EXPECT_EQ(number(2.25), "2.3");
  EXPECT_EQ(number(-17.5), "-17.5");
}

TEST(DrawTextTest, WidthGrowsWithTextAndSize) {
  EXPECT_EQ(text_width("", 10), 0);
  EXPECT_LT(text_width("iii", 10), text_width("mmm", 10));
  EXPECT_DOUBLE_EQ(text_width("abc", 20), 2 * text_width("abc", 10));
  EXPECT_DOUBLE_EQ(text_width("数", 10), 10);
}

}  // namespace
}  // namespace hypernodes::draw
