// SPDX-License-Identifier: MIT
#include "cache/record.hpp"

#include <gtest/gtest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace hypernodes {
namespace {

const Digest kKey = Digest::of_bytes("a key");
constexpr std::string_view kSecret = "a secret of more than 16 bytes";
constexpr std::uint32_t kStored = 1'700'000'000;

std::string written(const Digest& key, Record record, std::string_view secret = kSecret) {
  record.stored_s = kStored;
  std::string bytes;
  append_record(key, record, bytes, secret);
  return bytes;
}

/// `bytes` with the checksum that belongs to them under `key`, which anybody can make.
std::string with_checksum(const Digest& key, std::string bytes) {
  const std::uint64_t seed = XXH3_64bits(key.bytes.data(), key.bytes.size());
  const std::size_t covered = bytes.size() - sizeof seed;
  const std::uint64_t checksum = XXH3_64bits_withSeed(bytes.data(), covered, seed);
  std::memcpy(bytes.data() + covered, &checksum, sizeof checksum);
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// A parser that reads one byte too far fails under AddressSanitizer: the heap block ends exactly.
std::optional<Record> parse_exact(const Digest& key, std::string_view bytes) {
  const std::vector<char> block(bytes.begin(), bytes.end());
  std::optional<Record> record = parse_record(key, {block.data(), block.size()}, kSecret);
  if (record) record->payload = {};
  return record;
}

struct Case {
  const char* name;
  Digest value;
  std::uint64_t cost_ns;
  Codec codec;
  std::string payload;
};

std::vector<Case> cases() {
  const std::string small("\x02\x2a\0\0\0\0\0\0\0", 9);
  const std::string large(100, 'L');
  Digest raw = Digest::of_bytes("raw");
  raw.bytes[0] = 5;  // looks like a short value but has more than five bytes
  Digest odd = Digest::of_bytes("odd");
  odd.bytes[0] = 0x40;
  return {
      {"int", Digest::of_value(small), 1500, Codec::kValue, small},
      {"empty", Digest::of_value(""), 0, Codec::kValue, ""},
      {"31 bytes", Digest::of_value(std::string(31, 'x')), 1, Codec::kValue, std::string(31, 'x')},
      {"32 bytes", Digest::of_value(std::string(32, 'x')), 1, Codec::kValue, std::string(32, 'x')},
      {"large", Digest::of_value(large), 3'600'000'000'000, Codec::kValue, large},
      {"pickle", Digest::of_value(large), 7, Codec::kPickle, "not the value's bytes"},
      {"pickle that equals a short digest", Digest::of_value(small), 7, Codec::kPickle, small},
      {"short digest, other payload", Digest::of_value(small), 7, Codec::kValue, large},
      {"raw digest", raw, 7, Codec::kValue, small},
      {"digest of no kind", odd, 7, Codec::kValue, small},
      {"empty payload of a long digest", Digest::of_value(large), 7, Codec::kPickle, ""},
  };
}

TEST(RecordTest, RoundTrips) {
  for (const Case& c : cases()) {
    const std::string bytes = written(kKey, {c.value, c.cost_ns, c.codec, c.payload});
    const std::optional<Record> record = parse_record(kKey, bytes, kSecret);
    ASSERT_TRUE(record) << c.name;
    EXPECT_EQ(claims_pickle(bytes), c.codec == Codec::kPickle) << c.name;
    EXPECT_EQ(record->value, c.value) << c.name;
    EXPECT_EQ(record->cost_ns, c.cost_ns) << c.name;
    EXPECT_EQ(record->stored_s, kStored) << c.name;
    EXPECT_EQ(stored_s(bytes), kStored) << c.name;
    EXPECT_EQ(record->codec, c.codec) << c.name;
    EXPECT_EQ(record->payload, c.payload) << c.name;
  }
}

TEST(RecordTest, AppendsToWhatIsThere) {
  const std::string payload = "value";
  const Record record{Digest::of_value(payload), 3, Codec::kValue, payload, kStored};
  std::string both = "before";
  append_record(kKey, record, both);
  EXPECT_EQ(both, "before" + written(kKey, record));
}

TEST(RecordTest, CostsAreKeptToSevenDigits) {
  for (const std::uint64_t ns : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'234'567},
                                 std::uint64_t{86'400'000'000'000}, ~std::uint64_t{0} >> 2U}) {
    const std::string bytes = written(kKey, {Digest::of_value("x"), ns, Codec::kValue, "x"});
    const auto kept = static_cast<double>(parse_record(kKey, bytes).value().cost_ns);
    EXPECT_NEAR(kept, static_cast<double>(ns), static_cast<double>(ns) * 1e-7) << ns;
  }
}

TEST(RecordTest, ACostThatIsNoNumberCountsAsNone) {
  for (const char* const cost : {"\xff\xff\xff\xff", "\0\0\x80\x7f", "\0\0\x80\xbf"}) {
    std::string bytes = written(kKey, {Digest::of_value("x"), 5, Codec::kValue, "x"});
    bytes.replace(2, 4, cost, 4);
    EXPECT_EQ(parse_record(kKey, with_checksum(kKey, bytes)).value().cost_ns, 0U);
  }
}

TEST(RecordTest, TellsDamageFromWhatOthersWrote) {
  std::string bytes = written(kKey, {Digest::of_value("x"), 5, Codec::kPickle, "p"}, "another key");
  EXPECT_TRUE(is_intact(kKey, bytes) && is_current(bytes));
  EXPECT_FALSE(parse_record(kKey, bytes, kSecret));
  bytes[0] = 3;
  EXPECT_FALSE(is_intact(kKey, bytes));
  EXPECT_TRUE(is_intact(kKey, with_checksum(kKey, bytes)));
  EXPECT_FALSE(is_current(bytes));
  EXPECT_FALSE(is_intact(kKey, "short") || is_current(""));
  EXPECT_EQ(stored_s("short"), 0U);
}

TEST(RecordTest, AnIntIsStoredOnce) {
  const Case c = cases().front();
  EXPECT_EQ(written(kKey, {c.value, c.cost_ns, c.codec, c.payload}).size(), 28U);
}

// docs/formats/record.md shows this record. If the test fails, every cache in use becomes void:
// raise the version byte, and say so in the changelog.
TEST(RecordTest, GoldenBytes) {
  const Case c = cases().front();
  EXPECT_EQ(to_hex(written(kKey, {c.value, c.cost_ns, c.codec, c.payload})),
            "02c19c53c93500f1536509022a0000000000000018cb64c496bb58bf");
  const std::string pickled = "pickled";
  EXPECT_EQ(
      to_hex(written(kKey, {Digest::of_value(std::string(40, 'v')), 256, Codec::kPickle, pickled})),
      "02025f70893400f15365ca9f70fdbd6363d24c9ae823f75bd1749c197cdee5fda0d4a8c6dc8ace041553"
      "07000000000000007069636b6c6564cb06425d6674cbf3247ee80457ae0471a71dabd56f65ee7f43ed32"
      "45e29c07fc5a3c809d31db1a9d");
}

TEST(RecordTest, AnyFlippedBitIsAMiss) {
  for (const Case& c : cases()) {
    const std::string good = written(kKey, {c.value, c.cost_ns, c.codec, c.payload});
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(parse_exact(kKey, bad)) << c.name << " bit " << bit;
    }
  }
}

TEST(RecordTest, AnyTruncationOrTrailingByteIsAMiss) {
  for (const Case& c : cases()) {
    const std::string good = written(kKey, {c.value, c.cost_ns, c.codec, c.payload});
    for (std::size_t length = 0; length < good.size(); ++length) {
      EXPECT_FALSE(parse_exact(kKey, good.substr(0, length))) << c.name << " length " << length;
    }
    EXPECT_FALSE(parse_exact(kKey, good + '\0')) << c.name;
    EXPECT_FALSE(parse_exact(kKey, good + good)) << c.name;
  }
}

TEST(RecordTest, ARecordOfAnotherKeyIsAMiss) {
  const Case c = cases().front();
  const std::string bytes = written(kKey, {c.value, c.cost_ns, c.codec, c.payload});
  for (std::size_t bit = 0; bit < 256; ++bit) {
    Digest other = kKey;
    other.bytes[bit / 8] = static_cast<std::uint8_t>(other.bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(parse_record(other, bytes)) << bit;
  }
}

/// A record that only the holder of kSecret can make.
std::string pickled() {
  return written(kKey, {Digest::of_value(std::string(40, 'v')), 256, Codec::kPickle, "a pickle"});
}

TEST(RecordTest, APickleIsReadOnlyWithTheSecretItWasWrittenBy) {
  const std::string bytes = pickled();
  ASSERT_TRUE(parse_record(kKey, bytes, kSecret));
  EXPECT_FALSE(parse_record(kKey, bytes));
  EXPECT_FALSE(parse_record(kKey, bytes, std::string(kSecret) + "!"));
  EXPECT_FALSE(parse_record(kKey, bytes, kSecret.substr(1)));
  const Record record{Digest::of_value("x"), 1, Codec::kPickle, "a pickle"};
  EXPECT_FALSE(parse_record(kKey, written(kKey, record, "another secret, as long"), kSecret));
  EXPECT_FALSE(parse_record(kKey, written(kKey, record, ""), kSecret));
  EXPECT_FALSE(parse_record(kKey, written(kKey, record, "")));
}

TEST(RecordTest, AForgedPickleIsAMissThoughItsChecksumIsRight) {
  const std::string good = pickled();
  ASSERT_EQ(with_checksum(kKey, good), good);
  const std::size_t covered = good.size() - sizeof(std::uint64_t);
  for (std::size_t bit = 0; bit < 8 * covered; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(parse_exact(kKey, with_checksum(kKey, bad))) << "bit " << bit;
  }
  for (std::size_t removed = 1; removed < covered; ++removed) {
    const std::string head = good.substr(0, good.size() - removed);
    if (head.size() >= sizeof(std::uint64_t)) {
      EXPECT_FALSE(parse_exact(kKey, with_checksum(kKey, head))) << removed;
    }
    // The payload cut, and a MAC where it belongs.
    if (removed < covered - 32) {
      std::string cut = good;
      cut.erase(covered - 32 - removed, removed);
      EXPECT_FALSE(parse_exact(kKey, with_checksum(kKey, cut))) << removed;
    }
  }
}

TEST(RecordTest, APickleMovedToAnotherKeyIsAMiss) {
  const Digest other = Digest::of_bytes("another key");
  EXPECT_FALSE(parse_exact(other, pickled()));
  EXPECT_FALSE(parse_exact(other, with_checksum(other, pickled())));
}

TEST(RecordTest, WithoutItsFlagAPickleIsNoRecord) {
  // The MAC is then 32 bytes too many, and without it the payload is what any data-only record has.
  std::string bytes = pickled();
  bytes[1] = static_cast<char>((bytes[1] & ~0x3F) | static_cast<int>(Codec::kValue));
  EXPECT_FALSE(parse_exact(kKey, with_checksum(kKey, bytes)));
  bytes.erase(bytes.size() - 40, 32);
  const std::optional<Record> record = parse_record(kKey, with_checksum(kKey, bytes), kSecret);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->codec, Codec::kValue);
}

TEST(RecordTest, RandomBytesAreMisses) {
  std::mt19937_64 random{20240601};
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random() % 120, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (!bytes.empty() && i % 2 == 0) bytes[0] = 2;
    EXPECT_FALSE(parse_exact(kKey, bytes));
  }
}

}  // namespace
}  // namespace hypernodes
