// SPDX-License-Identifier: MIT
#include "kernel/node_note.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "kernel/memory_cache.hpp"

namespace hypernodes {
namespace {

using testing::MemoryCache;

Digest code(int number) { return Digest::of_bytes("code " + std::to_string(number)); }

NodeNote::Version version(int number) {
  return {code(number), 1'700'000'000 + number, {"x", "k"}, {{"helper", "m.f", "01"}}};
}

NodeNote example() {
  NodeNote note;
  note.add({"a"}, version(1), {{"x", std::nullopt}, {"k", Digest::of_value("v")}});
  note.add({"a"}, version(2), {{"x", std::nullopt}, {"k", Digest::of_value("w")}});
  note.add({"b", "c"}, version(3), {});
  return note;
}

TEST(NodeNote, ReadsWhatItWrites) {
  const NodeNote note = example();
  const std::optional<NodeNote> read = NodeNote::parse(note.encode());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->encode(), note.encode());
  ASSERT_EQ(read->entries.size(), 2);
  const NodeNote::Entry* const entry = read->find({"a"});
  ASSERT_NE(entry, nullptr);
  ASSERT_EQ(entry->versions.size(), 2);
  EXPECT_EQ(entry->versions[0].code, code(2));
  EXPECT_EQ(entry->versions[1].seen, 1'700'000'001);
  EXPECT_EQ(entry->versions[1].parts[0].name, "m.f");
  EXPECT_EQ(entry->versions[1].inputs, (std::vector<std::string>{"x", "k"}));
  EXPECT_FALSE(entry->inputs[0].value);
  EXPECT_EQ(entry->inputs[1].value, Digest::of_value("w"));
  EXPECT_EQ(read->find({"c"}), nullptr);
}

TEST(NodeNote, RefusesWhatItDoesNotWrite) {
  const std::string bytes = example().encode();
  EXPECT_FALSE(NodeNote::parse(""));
  EXPECT_FALSE(NodeNote::parse("hypernodes note 2" + bytes.substr(17)));
  EXPECT_FALSE(NodeNote::parse(bytes + "x"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(NodeNote::parse(std::string_view(bytes).substr(0, size))) << size;
  }
  std::string huge = "hypernodes note 1";
  huge += "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F";  // as many entries
  EXPECT_FALSE(NodeNote::parse(huge));
}

TEST(NodeNote, SurvivesAnyBytes) {
  std::mt19937 random(7);
  const std::string bytes = example().encode();
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    const std::optional<NodeNote> read = NodeNote::parse(damaged);
    if (!read) continue;
    EXPECT_LE(read->entries.size(), NodeNote::kEntries);
    EXPECT_EQ(NodeNote::parse(read->encode())->encode(), read->encode());
  }
}

TEST(NodeNote, KeepsTheNewestVersionsAndThePrefixesOfTheOthers) {
  NodeNote note;
  for (int number = 0; number < 20; ++number) note.add({"a"}, version(number), {});
  ASSERT_EQ(note.entries.size(), 1);
  ASSERT_EQ(note.entries[0].versions.size(), NodeNote::kVersions);
  EXPECT_EQ(note.entries[0].versions[0].code, code(19));
  EXPECT_EQ(note.older.size(), 20 - NodeNote::kVersions);
  note.add({"a"}, version(15), {});
  EXPECT_EQ(note.entries[0].versions[0].code, code(15));
  EXPECT_EQ(note.entries[0].versions.size(), NodeNote::kVersions);
  for (int number = 0; number < 100; ++number) {
    note.add({"out " + std::to_string(number)}, version(number), {});
  }
  EXPECT_EQ(note.entries.size(), NodeNote::kEntries);
  EXPECT_TRUE(NodeNote::parse(note.encode()));
}

TEST(NodeNote, OfADamagedOneIsEmpty) {
  MemoryCache cache;
  cache.put_note("node f", "hypernodes note 1 but not really");
  EXPECT_TRUE(note_of(cache, "f").entries.empty());
  forget_node(cache, "f");
  EXPECT_EQ(cache.notes_put, 1);
}

}  // namespace
}  // namespace hypernodes
