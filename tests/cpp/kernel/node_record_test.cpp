// SPDX-License-Identifier: MIT
#include "kernel/node_record.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "cache/record.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

const Digest kKey = Digest::of_bytes("a key");

std::string encoded(const Value& value) {
  std::string out;
  bool unordered = false;
  EXPECT_TRUE(codec::encode(value, true, out, &unordered));
  return out;
}

/// The record of outputs with these encodings.
std::string record_of(const std::vector<std::string>& payloads) {
  std::vector<EncodedOutput> outputs;
  for (const std::string& payload : payloads) {
    outputs.push_back({Digest::of_value(payload), payload});
  }
  std::string record;
  append_outputs(kKey, 17, outputs, record);
  return record;
}

/// A record with a right checksum and any payload.
std::string forged(const std::string& payload, const Digest& value = {}) {
  std::string bytes;
  append_record(kKey, {value, 0, Codec::kValue, payload}, bytes);
  return bytes;
}

constexpr std::string_view kSecret = "a secret of more than 16 bytes";
const std::string kPickled = kPickleMark + std::string("a pickle");

/// A record of outputs of which those that begin with kPickleMark are pickles.
std::string signed_record(const std::vector<std::string>& payloads) {
  std::vector<EncodedOutput> outputs;
  for (const std::string& payload : payloads) {
    outputs.push_back({Digest::of_value(payload), payload, payload.starts_with(kPickleMark)});
  }
  std::string record;
  append_outputs(kKey, 17, outputs, record, kSecret);
  return record;
}

const std::vector<std::string>& samples() {
  static const std::vector<std::string> made = {encoded(Value()),
                                                encoded(5),
                                                encoded(std::string(28, 'a')),
                                                encoded(std::string(29, 'a')),
                                                encoded(std::string(30, 'a')),
                                                encoded(std::string(100'000, 'b')),
                                                ""};
  return made;
}

TEST(NodeRecordTest, OneOutputComesBack) {
  for (const std::string& payload : samples()) {
    std::vector<EncodedOutput> outputs;
    const std::string record = record_of({payload});
    ASSERT_TRUE(parse_outputs(kKey, record, 1, outputs));
    EXPECT_EQ(outputs[0].payload, payload);
    EXPECT_EQ(outputs[0].digest, Digest::of_value(payload));
  }
}

TEST(NodeRecordTest, SeveralOutputsComeBack) {
  std::vector<EncodedOutput> outputs;
  const std::string record = record_of(samples());
  ASSERT_TRUE(parse_outputs(kKey, record, samples().size(), outputs));
  for (std::size_t i = 0; i < samples().size(); ++i) {
    EXPECT_EQ(outputs[i].payload, samples()[i]);
    EXPECT_EQ(outputs[i].digest, Digest::of_value(samples()[i]));
  }
}

TEST(NodeRecordTest, NothingOfTheRecordReadBeforeIsLeft) {
  // The same vector is used for one record after another.
  const std::string large = encoded(std::string(50, 'z'));
  const std::string small = encoded(true);
  std::vector<EncodedOutput> outputs;
  const std::string first = record_of({large, large});
  const std::string second = record_of({small, small});
  ASSERT_TRUE(parse_outputs(kKey, first, 2, outputs));
  ASSERT_TRUE(parse_outputs(kKey, second, 2, outputs));
  EXPECT_EQ(outputs[0].digest, Digest::of_value(small));
  EXPECT_EQ(outputs[1].digest, Digest::of_value(small));
}

TEST(NodeRecordTest, AnotherNumberOfOutputsIsNoRecord) {
  std::vector<EncodedOutput> outputs;
  for (const std::size_t made : {2U, 3U, 4U}) {
    const std::string record = record_of({samples().begin(), samples().begin() + made});
    for (const std::size_t asked : {2U, 3U, 4U, 5U, 40U}) {
      EXPECT_EQ(parse_outputs(kKey, record, asked, outputs), made == asked);
    }
  }
  EXPECT_FALSE(parse_outputs(kKey, record_of({samples()[1]}), 2, outputs));
}

TEST(NodeRecordTest, AnotherKeyIsNoRecord) {
  std::vector<EncodedOutput> outputs;
  EXPECT_FALSE(parse_outputs(Digest::of_bytes("another"), record_of({samples()[1]}), 1, outputs));
}

TEST(NodeRecordTest, PickledOutputsComeBackWithTheSecretOnly) {
  const std::vector<std::vector<std::string>> cases = {
      {kPickled}, {kPickled, samples()[1]}, {samples()[5], kPickled, kPickled}};
  for (const std::vector<std::string>& payloads : cases) {
    const std::string record = signed_record(payloads);
    std::vector<EncodedOutput> outputs;
    EXPECT_FALSE(parse_outputs(kKey, record, payloads.size(), outputs));
    EXPECT_FALSE(parse_outputs(kKey, record, payloads.size(), outputs, "another secret, as long"));
    for (const std::size_t count : {payloads.size(), kAnyCount}) {
      ASSERT_TRUE(parse_outputs(kKey, record, count, outputs, kSecret));
      ASSERT_EQ(outputs.size(), payloads.size());
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        EXPECT_EQ(outputs[i].payload, payloads[i]);
        EXPECT_EQ(outputs[i].digest, Digest::of_value(payloads[i]));
        EXPECT_EQ(outputs[i].pickled, payloads[i] == kPickled);
      }
    }
  }
}

TEST(NodeRecordTest, OnlyPickledOutputsNeedASecret) {
  std::vector<EncodedOutput> outputs;
  EXPECT_EQ(signed_record({samples()[1]}), record_of({samples()[1]}));
  EXPECT_TRUE(parse_outputs(kKey, record_of({samples()[1]}), 1, outputs, kSecret));
  EXPECT_FALSE(outputs[0].pickled);
}

TEST(NodeRecordTest, AMarkedPayloadInARecordWithoutMacIsNoRecord) {
  // Also where the payload hides in the digest, or beside an empty one.
  std::vector<EncodedOutput> outputs;
  const std::string large = kPickleMark + std::string(100, 'p');
  EXPECT_FALSE(parse_outputs(kKey, record_of({kPickled}), 1, outputs, kSecret));
  EXPECT_FALSE(parse_outputs(kKey, record_of({large}), 1, outputs, kSecret));
  EXPECT_FALSE(parse_outputs(kKey, record_of({samples()[1], kPickled}), 2, outputs, kSecret));
  EXPECT_FALSE(parse_outputs(kKey, record_of({large, samples()[1]}), kAnyCount, outputs, kSecret));
  ASSERT_TRUE(parse_outputs(kKey, forged("", Digest::of_value(kPickled)), 1, outputs, kSecret));
  EXPECT_FALSE(outputs[0].pickled);
}

TEST(NodeRecordTest, PickledOutputsOfSeveralAreNotOne) {
  std::vector<EncodedOutput> outputs;
  const std::string record = signed_record({kPickled, kPickled});
  for (const std::size_t count : {1U, 3U}) {
    EXPECT_FALSE(parse_outputs(kKey, record, count, outputs, kSecret));
  }
}

TEST(NodeRecordTest, DigestOfAPickleDependsOnTheRowThatMadeIt) {
  const Digest digest = digest_of_pickle(kKey, kPickled);
  EXPECT_EQ(digest, digest_of_pickle(kKey, kPickled));
  EXPECT_NE(digest, digest_of_pickle(Digest::of_bytes("another"), kPickled));
  EXPECT_NE(digest, digest_of_pickle(kKey, kPickled + "!"));
  EXPECT_EQ(digest.significant().size(), 32U);
  EXPECT_GE(digest.bytes[0], 0x80);
}

TEST(NodeRecordTest, EveryFlippedBitAndEveryCutIsNoRecord) {
  std::vector<EncodedOutput> outputs;
  for (const std::string& record :
       {record_of({samples()[1]}), record_of({samples()[1], samples()[4], samples()[0]})}) {
    const std::size_t count = record.size() < 40 ? 1 : 3;
    ASSERT_TRUE(parse_outputs(kKey, record, count, outputs));
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
      std::string flipped = record;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(parse_outputs(kKey, flipped, count, outputs, kSecret)) << bit;
    }
    for (std::size_t size = 0; size < record.size(); ++size) {
      EXPECT_FALSE(parse_outputs(kKey, record.substr(0, size), count, outputs)) << size;
    }
    EXPECT_FALSE(parse_outputs(kKey, record + '\0', count, outputs));
  }
}

TEST(NodeRecordTest, HostilePayloadsNeverReadOutside) {
  // Right checksums: what is checked is every length inside.
  std::mt19937 random(5);
  std::vector<EncodedOutput> outputs;
  for (int i = 0; i < 20'000; ++i) {
    std::string payload;
    for (std::size_t size = random() % 80; size > 0; --size) {
      static constexpr unsigned char kLikely[] = {0, 1, 2, 9, 31, 32, 0x7E, 0x7F, 0x80, 0xFF};
      payload += static_cast<char>(random() % 2 == 0 ? kLikely[random() % 10] : random() % 256);
    }
    const std::string record = forged(payload);
    const std::size_t count = 1 + random() % 4;
    if (!parse_outputs(kKey, record, count, outputs)) continue;
    for (const EncodedOutput& output : outputs) {
      const char* const end = record.data() + record.size();
      ASSERT_TRUE(output.payload.empty() || (output.payload.data() >= record.data() &&
                                             output.payload.data() + output.payload.size() <= end));
    }
  }
}

TEST(NodeRecordTest, DigestOfNoKindIsNoRecord) {
  std::vector<EncodedOutput> outputs;
  const std::string one = '\0' + std::string(1, '\0');  // an empty value: digest and size
  EXPECT_TRUE(parse_outputs(kKey, forged(one + one), 2, outputs));
  EXPECT_FALSE(
      parse_outputs(kKey, forged('\x7F' + std::string(31, '\0') + '\0' + one), 2, outputs));
}

TEST(KeyMakerTest, KeysDependOnCodeAndInputsInOrder) {
  const auto identity = [](std::int64_t x) { return x; };
  const Node node_a = node("a", {"x"}, identity).version("a");
  const Node node_b = node("a", {"x"}, identity).version("b");
  const Digest one = Digest::of_value(encoded(1));
  const Digest two = Digest::of_value(encoded(2));
  const Digest large = Digest::of_value(encoded(std::string(100, 'x')));
  const auto key = [](const Node& of, std::vector<const Digest*> inputs) {
    return KeyMaker(of).key(inputs);
  };
  EXPECT_EQ(key(node_a, {&one, &two}), key(node_a, {&one, &two}));
  EXPECT_NE(key(node_a, {&one, &two}), key(node_a, {&two, &one}));
  EXPECT_NE(key(node_a, {&one, &two}), key(node_b, {&one, &two}));
  EXPECT_NE(key(node_a, {&one}), key(node_a, {&one, &one}));
  EXPECT_NE(key(node_a, {&one, &large}), key(node_a, {&large, &one}));
  EXPECT_NE(key(node_a, {}), key(node_b, {}));
}

TEST(KeyMakerTest, GoldenKey) {
  // docs/formats/keys.md; a change loses everybody's cache.
  Node::Definition definition;
  definition.code = Digest::of_bytes("code");
  const Digest one = Digest::of_value(encoded(1));
  const std::vector<const Digest*> inputs = {&one};
  std::string text = "hypernodes key 2";
  text.append(reinterpret_cast<const char*>(definition.code.bytes.data()), 32);
  text.append(16, '\0');
  text += std::string("\x09\x03\x01\0\0\0\0\0\0\0", 10);
  Digest expected = Digest::of_bytes(text);
  std::copy_n(definition.code.bytes.begin(), 8, expected.bytes.begin());
  EXPECT_EQ(KeyMaker(Node(definition)).key(inputs), expected);
}

}  // namespace
}  // namespace hypernodes
