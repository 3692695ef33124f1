// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <sstream>
#include <string>

#include "graph/graph.hpp"
#include "hypernodes/explanation.hpp"
#include "hypernodes/pipeline.hpp"
#include "kernel/memory_cache.hpp"
#include "kernel/node_note.hpp"
#include "kernel/node_record.hpp"

namespace hypernodes {
namespace {

using testing::MemoryCache;

std::atomic<int> calls = 0;

std::int64_t twice(std::int64_t x) { return ++calls, 2 * x; }
std::int64_t scaled(std::int64_t x, std::int64_t k) { return ++calls, x * k; }
std::int64_t halved(std::int64_t x) { return ++calls, x / 2; }
std::int64_t last(std::int64_t y) { return ++calls, y + 1; }

/// A cache as a user might write one, without notes.
class Bare final : public Cache {
 public:
  explicit Bare(std::shared_ptr<MemoryCache> kept) : kept_(std::move(kept)) {}
  void get_many(std::span<const Digest> keys, const Visitor& visit) override {
    kept_->get_many(keys, visit);
  }
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override {
    kept_->put_many(keys, records);
  }
  void clear() override {}

 private:
  std::shared_ptr<MemoryCache> kept_;
};

class Explain : public ::testing::Test {
 protected:
  void SetUp() override { calls = 0; }

  template <typename Options>
  std::string of(const Pipeline& pipeline, const Inputs& inputs, const Options& options) {
    const int before = calls;
    const std::size_t stored = cache->size();
    const std::int64_t noted = cache->notes_put;
    std::ostringstream text;
    text << pipeline.explain(inputs, options);
    EXPECT_EQ(calls, before);
    EXPECT_EQ(cache->size(), stored);
    EXPECT_EQ(cache->notes_put, noted);
    return text.str();
  }
  std::string of(const Pipeline& pipeline, const Inputs& inputs) {
    return of(pipeline, inputs, RunOptions());
  }
  Pipeline with_cache(const Pipeline& pipeline) const {
    return pipeline.with_cache(std::shared_ptr<Cache>(cache));
  }

  std::shared_ptr<MemoryCache> cache = std::make_shared<MemoryCache>();
};

TEST_F(Explain, FollowsTheChainToItsFirstCause) {
  const Pipeline pipeline =
      with_cache({node<halved>("y", {"x"}), node<last>("z", {"y"}), node<twice>("w", {"z"})});
  EXPECT_EQ(of(pipeline, {{"x", 4}}),
            "halved  miss   never computed\n"
            "last    waits  for halved\n"
            "twice   waits  for halved");
  pipeline.run({{"x", 4}});
  EXPECT_EQ(of(pipeline, {{"x", 4}}), "halved  hit\nlast    hit\ntwice   hit");
  EXPECT_EQ(of(pipeline, {{"x", 5}}),
            "halved  miss   input changed: x\n"
            "last    waits  for halved\n"
            "twice   waits  for halved");
}

TEST_F(Explain, SaysWhichVersionWasPinned) {
  const auto pipeline = [&](const char* version) {
    return with_cache({node<twice>("y", {"x"}).version(version)});
  };
  pipeline("1").run({{"x", 4}});
  EXPECT_EQ(of(pipeline("2"), {{"x", 4}}), "twice  miss  code changed: version 1 -> 2");
  EXPECT_EQ(of(pipeline("2"), {{"x", 5}}),
            "twice  miss  code changed: version 1 -> 2; input changed: x");
  pipeline("2").run({{"x", 4}});
  EXPECT_EQ(of(pipeline("1"), {{"x", 4}}), "twice  hit");
}

TEST_F(Explain, SaysThatALibraryWasBuiltAgain) {
  const Pipeline pipeline = with_cache({node<twice>("y", {"x"})});
  pipeline.run({{"x", 4}});
  // As if another build of this program had stored it.
  NodeNote note = note_of(*cache, "twice");
  ASSERT_EQ(note.entries.size(), 1);
  NodeNote::Version& version = note.entries[0].versions[0];
  version.code = Digest::of_bytes("another build");
  ASSERT_EQ(version.parts.size(), 1);
  EXPECT_EQ(version.parts[0].kind, "program");
  version.parts[0].text = "build id 00";
  auto& [key, record] = *cache->records().begin();
  const Digest value = Digest::of_value(std::string("\x03\x04\0\0\0\0\0\0\0", 9));
  const Digest* const values[] = {&value};
  ASSERT_EQ(KeyMaker(pipeline.graph()->steps()[0].node).key(values), key);
  const Digest old_key = KeyMaker(version.code).key(values);
  cache->records()[old_key] = record;
  cache->records().erase(Digest(key));
  cache->notes["node twice"] = note.encode();
  EXPECT_EQ(of(pipeline, {{"x", 4}}), "twice  miss  code changed: program (another build)");
}

TEST_F(Explain, TellsRowsApart) {
  const Pipeline pipeline = with_cache({node<scaled>("y", {"x", "k"})});
  pipeline.map({{"x", {1, 2}}, {"k", 1}}, over("x"));
  EXPECT_EQ(of(pipeline, {{"x", {1, 3, 3, 2}}, {"k", 1}}, over("x")),
            "scaled  2  hit\n"
            "        1  miss   never computed for these inputs\n"
            "        1  waits  for an earlier row with the same inputs");
  const Explanation other = pipeline.explain({{"x", {1, 3}}, {"k", 2}}, over("x"));
  const NodeExplanation* const node = other.find("scaled");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->row(0)->reason, Reason::kInputChanged);
  EXPECT_EQ(node->row(0)->changed, std::vector<std::string>{"k"});
  EXPECT_EQ(node->row(1)->reason, Reason::kNewInputs);
  EXPECT_EQ(node->row(2), nullptr);
  EXPECT_EQ(node->row(-1), nullptr);
  EXPECT_EQ(other.find("nobody"), nullptr);
}

TEST_F(Explain, SaysWhatBecameOfARecord) {
  const Pipeline pipeline = with_cache({node<twice>("y", {"x"})});
  pipeline.run({{"x", 4}});
  const Digest key = cache->records().begin()->first;
  cache->tamper = [](const Digest&, std::string record) {
    record.back() ^= 1;
    return record;
  };
  EXPECT_EQ(pipeline.explain({{"x", 4}}).nodes[0].answers[0].reason, Reason::kDamaged);
  cache->records().clear();
  cache->absences[key] = Absence::kEvicted;
  EXPECT_EQ(of(pipeline, {{"x", 4}}), "twice  miss  evicted: others needed its place");
  cache->absences[key] = Absence::kExpired;
  EXPECT_EQ(of(pipeline, {{"x", 4}}), "twice  miss  expired: it was too old");
}

TEST_F(Explain, SaysWhyNothingIsCached) {
  const std::int64_t by = 3;
  const Pipeline pipeline = with_cache({node<twice>("a", {"x"}).uncached(),
                                        node("b", {"x"}, [by](std::int64_t x) { return x * by; }),
                                        node<last>("c", {"a"})});
  EXPECT_EQ(of(pipeline, {{"x", 4}}),
            "b      uncached  its code has no identity that survives the process; give it one with "
            "version\n"
            "twice  uncached  it always runs (cache=False)\n"
            "last   waits     for twice");
  EXPECT_EQ(of(Pipeline({node<twice>("a", {"x"})}), {{"x", 4}}),
            "twice  uncached  there is no cache");
}

TEST_F(Explain, HasShorterReasonsWithoutNotes) {
  const Pipeline pipeline =
      Pipeline({node<twice>("y", {"x"})}).with_cache(std::make_shared<Bare>(cache));
  pipeline.run({{"x", 4}});
  EXPECT_EQ(of(pipeline, {{"x", 4}}), "twice  hit");
  EXPECT_EQ(of(pipeline, {{"x", 5}}), "twice  miss  never computed");
}

TEST_F(Explain, AsksInsidePipelinesThatWouldBeEntered) {
  const auto pipeline = [&](const char* version) {
    const Pipeline inner =
        Pipeline({node<twice>("y", {"x"}).version(version), node<last>("z", {"y"})})
            .with_name("inner");
    return with_cache({inner.as_node(), node<halved>("w", {"z"})});
  };
  pipeline("1").run({{"x", 4}});
  EXPECT_EQ(of(pipeline("1"), {{"x", 4}}), "inner   hit\nhalved  hit");
  EXPECT_EQ(of(pipeline("2"), {{"x", 4}}),
            "inner        miss   code changed: version 1 -> 2\n"
            "inner.twice  miss   code changed: version 1 -> 2\n"
            "inner.last   waits  for inner.twice\n"
            "halved       waits  for inner");
}

TEST_F(Explain, ARunThatComputesNothingNotesNothing) {
  const Pipeline pipeline = with_cache({node<scaled>("y", {"x", "k"}), node<last>("z", {"y"})});
  pipeline.run({{"x", 1}, {"k", 1}});
  EXPECT_EQ(cache->notes_put, 2);
  pipeline.run({{"x", 1}, {"k", 1}});
  pipeline.run({{"x", 2}, {"k", 1}});  // one input differs: the note still explains it
  EXPECT_EQ(cache->notes_put, 2);
  pipeline.run({{"x", 3}, {"k", 4}});
  EXPECT_EQ(cache->notes_put, 3);
  pipeline.map({{"x", {1, 2, 3, 4}}, {"k", 1}}, over("x"));
  EXPECT_EQ(cache->notes_put, 5);  // now x varies
  EXPECT_FALSE(note_of(*cache, "scaled").entries[0].inputs[0].value);
  EXPECT_TRUE(note_of(*cache, "scaled").entries[0].inputs[1].value);
}

TEST_F(Explain, ALoopOfRunsNotesSeldom) {
  const Pipeline pipeline = with_cache({node<scaled>("y", {"x", "k"})});
  for (int i = 0; i < 1000; ++i) pipeline.run({{"x", i}, {"k", i}});
  EXPECT_EQ(cache->size(), 1000);
  EXPECT_LE(cache->notes_put, 20);
}

TEST_F(Explain, NodesAreForgottenByName) {
  const Pipeline pipeline = with_cache({node<twice>("y", {"x"}), node<last>("z", {"x"})});
  pipeline.run({{"x", 1}});
  ASSERT_EQ(cache->size(), 2);
  forget_node(*cache, "twice");
  EXPECT_EQ(cache->size(), 1);
  EXPECT_EQ(of(pipeline, {{"x", 1}}), "last   hit\ntwice  miss  never computed");
}

}  // namespace
}  // namespace hypernodes
