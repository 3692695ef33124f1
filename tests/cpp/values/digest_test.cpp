// SPDX-License-Identifier: MIT
#include "hypernodes/digest.hpp"

#include <gtest/gtest.h>

#include <string>

#include "values/sha256.hpp"

namespace hypernodes {
namespace {

TEST(DigestTest, BytesAreHashedWithSha256) {
  EXPECT_EQ(Digest::of_bytes("").hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Digest::of_bytes("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, ShortValuesStandForThemselves) {
  for (std::size_t length = 0; length <= 31; ++length) {
    const std::string encoded(length, '\xff');
    const Digest digest = Digest::of_value(encoded);
    EXPECT_EQ(digest.bytes[0], length);
    EXPECT_EQ(digest.significant().substr(1), encoded);
    for (std::size_t i = length + 1; i < 32; ++i) EXPECT_EQ(digest.bytes[i], 0) << i;
  }
}

TEST(DigestTest, LongValuesAreHashedAndMarked) {
  const std::string encoded(32, 'a');
  const Digest digest = Digest::of_value(encoded);
  Digest expected = Digest::of_bytes(encoded);
  expected.bytes[0] |= 0x80;
  EXPECT_EQ(digest, expected);
  EXPECT_EQ(digest.significant().size(), 32U);
}

TEST(DigestTest, TheLengthTellsValuesWithTrailingZerosApart) {
  EXPECT_NE(Digest::of_value(std::string(3, '\0')), Digest::of_value(std::string(4, '\0')));
}

TEST(DigestTest, HexRoundTrips) {
  const Digest digest = Digest::of_bytes("some code");
  Digest parsed;
  ASSERT_TRUE(Digest::parse(digest.hex(), &parsed));
  EXPECT_EQ(parsed, digest);
}

TEST(DigestTest, ParseRejectsWhatIsNot64HexDigits) {
  const std::string good(64, '0');
  Digest untouched = Digest::of_bytes("untouched");
  const Digest before = untouched;
  EXPECT_FALSE(Digest::parse("", &untouched));
  EXPECT_FALSE(Digest::parse(good.substr(1), &untouched));
  EXPECT_FALSE(Digest::parse(good + "0", &untouched));
  for (const char bad : {'g', '/', ':', '@', '`', ' ', '\0', '\xff'}) {
    std::string text = good;
    text[63] = bad;
    EXPECT_FALSE(Digest::parse(text, &untouched)) << static_cast<int>(bad);
  }
  EXPECT_EQ(untouched, before);
}

TEST(Sha256Test, PiecesAreTheSameAsTheWhole) {
  const std::string text(1000, 'x');
  for (const std::size_t cut : {0, 1, 63, 64, 65, 999, 1000}) {
    Sha256 hash;
    hash.update(std::string_view{text}.substr(0, cut));
    hash.update(std::string_view{text}.substr(cut));
    EXPECT_EQ(hash.finish(), Digest::of_bytes(text)) << cut;
  }
}

TEST(Sha256Test, ASavedFirstBlockServesManyMessages) {
  const std::string block(64, 'b');
  Sha256 saved;
  saved.update(block);
  for (const std::string message : {"", "one", "two"}) {
    Sha256 hash = saved;
    hash.update(message);
    EXPECT_EQ(hash.finish(), Digest::of_bytes(block + message));
    EXPECT_EQ(hash.finish(), Digest::of_bytes(block + message)) << "finish leaves it as it was";
  }
}

}  // namespace
}  // namespace hypernodes
