// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "kernel/change_clock.hpp"
#include "kernel/harness.hpp"
#include "kernel/held_records.hpp"
#include "kernel/lane.hpp"
#include "kernel/memory_cache.hpp"
#include "values/codec.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

using testing::MemoryCache;

/// What the objects of these tests are: numbers that can change, and are encoded as such.
struct Counter {
  std::int64_t number = 0;
  std::int64_t encoded = 0;  ///< How often.
  bool fixed = false;
};

Counter* counter(void* object) { return static_cast<Counter*>(object); }

class ChangesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const detail::ObjectRuntime table = [] {
      detail::ObjectRuntime made{};
      made.retain = [](void*) noexcept {};
      made.release = [](void*) noexcept {};
      made.release_many = [](const Value*, std::size_t) noexcept {};
      made.encode = [](void* object, bool, std::string& out, bool*) {
        ++counter(object)->encoded;
        codec::put_tag(out, codec::Tag::kInt64);
        codec::put_word(out, counter(object)->number);
        return true;
      };
      made.refusal = [] { return std::string(); };
      made.may_change = [](void* object) noexcept { return !counter(object)->fixed; };
      made.suspend = []() noexcept -> void* { return nullptr; };
      return made;
    }();
    before_ = detail::object_runtime();
    detail::install(&table);
  }
  void TearDown() override { detail::install(before_); }

  static Digest digest(std::int64_t number) {
    std::string scratch;
    return digest_of(Value(number), scratch);
  }

  Counter box_{5};
  Counter other_{6};

 private:
  const detail::ObjectRuntime* before_ = nullptr;
};

TEST_F(ChangesTest, OnlyObjectsThatCanChangeMayChange) {
  Counter fixed{1, 0, true};
  EXPECT_FALSE(detail::may_change(Value(1)));
  EXPECT_FALSE(detail::may_change(Value("text")));
  EXPECT_FALSE(detail::may_change(Value{1, 2}));
  EXPECT_FALSE(detail::may_change(Value::object(&fixed)));
  EXPECT_TRUE(detail::may_change(Value::object(&box_)));
  EXPECT_FALSE(detail::may_change(Column::objects({Value::object(&fixed), Value(1)})));
  EXPECT_TRUE(detail::may_change(Column::objects({Value(1), Value::object(&box_)})));
  EXPECT_TRUE(detail::may_change(Value::list(Column::objects({Value::object(&box_)}))));
  EXPECT_FALSE(detail::may_change(Value::list(Column::objects({Value::object(&fixed)}))));
}

TEST_F(ChangesTest, ConstantIsDigestedAgainOnlyAfterAChange) {
  Lane lane;
  lane.set_constant(Value::object(&box_));
  EXPECT_EQ(lane.digest(0, 1), digest(5));
  box_.number = 7;
  EXPECT_EQ(lane.digest(3, 1), digest(5));
  EXPECT_EQ(box_.encoded, 1);
  EXPECT_TRUE(lane.stale(0, 2));
  EXPECT_EQ(lane.digest(0, 2), digest(7));
  EXPECT_EQ(lane.digest(1, 2), digest(7));
  EXPECT_EQ(box_.encoded, 2);
}

TEST_F(ChangesTest, FixedConstantIsDigestedOnce) {
  box_.fixed = true;
  Lane lane;
  lane.set_constant(Value::object(&box_));
  for (std::uint64_t now = 1; now < 5; ++now) EXPECT_EQ(lane.digest(0, now), digest(5));
  EXPECT_EQ(box_.encoded, 1);
}

TEST_F(ChangesTest, RowOfAColumnIsDigestedAgainWhenItIsAskedFor) {
  Lane lane;
  lane.set_column(Column::objects({Value::object(&box_), Value::object(&other_)}));
  EXPECT_EQ(lane.digest(0, 1), digest(5));
  box_.number = other_.number = 8;
  EXPECT_EQ(lane.digest(1, 2), digest(8));
  EXPECT_EQ(lane.last_digest(0), digest(5));
  EXPECT_EQ(box_.encoded, 1);
  EXPECT_EQ(lane.digest(0, 2), digest(8));
}

TEST_F(ChangesTest, RowThatNobodyHasSeenKeepsItsDigest) {
  Lane lane;
  lane.start(Kind::kObject, 2);
  lane.set_hit(0, {}, digest(1));
  lane.set_value(1, Value::object(&box_));
  lane.set_digest(1, digest(5), 1);
  box_.number = 9;
  EXPECT_EQ(lane.digest(0, 2), digest(1));
  EXPECT_EQ(lane.digest(1, 1), digest(5));
  EXPECT_EQ(lane.digest(1, 2), digest(9));
}

/// Adds its first input to its second one, in place, and returns the sum.
class AddBody final : public NodeBody {
 public:
  void run_row(const Value* const* arguments, Value* outputs) const override {
    Counter& box = *counter(arguments[1]->as_object());
    box.number += arguments[0]->as_int64();
    *outputs = Value(box.number);
  }
  BatchResult run_batch(std::span<const Column> /*arguments*/, std::int64_t /*rows*/,
                        std::span<const NodeOutput> /*outputs*/) const override {
    throw std::logic_error("rows that change an input are not run together");
  }
};

TEST_F(ChangesTest, RowsAreStoredUnderWhatTheyWereGiven) {
  Node::Definition definition;
  definition.name = "add";
  definition.inputs = {{"x", Kind::kInt64}, {"box", Kind::kObject}};
  definition.outputs = {{"sum", Kind::kInt64}};
  definition.body = std::make_shared<AddBody>();
  definition.code = Digest::of_bytes("add");
  definition.foreign = true;
  const auto graph = Graph::build({Node(definition)});
  for (const Order order : {Order::kRows, Order::kNodes}) {
    SCOPED_TRACE(testing::name_of(order));
    const testing::Setting setting{.cache = std::make_shared<MemoryCache>()};
    const auto run = [&](const Value& xs, std::int64_t box) {
      box_.number = box;
      return testing::run_batch(*graph, {{"x", xs}, {"box", Value::object(&box_), false}},
                                xs.as_column().size(), order, setting);
    };
    EXPECT_EQ(run(Value{1, 2, 3}, 5).text(), "sum=[6, 8, 11]");
    EXPECT_EQ(run(Value{2}, 5).text(), "sum=[7]");
    EXPECT_EQ(run(Value{2}, 6).cached("add"), 1);
    // Row 1 is a hit and changes nothing; row 2 runs, and the hit found ahead for row 3 is not its.
    EXPECT_EQ(run(Value{1, 4, 2}, 5).text(), "sum=[6, 9, 11]");
    EXPECT_EQ(run(Value{2}, 9).cached("add"), 1);
  }
}

TEST_F(ChangesTest, HeldRecordsAreStoredIfTheirConstantIsAsItWas) {
  MemoryCache cache;
  WriteBehind writes(cache);
  HeldRecords held(writes);
  RunContext context(nullptr, {});
  held.assume(Value::object(&box_), digest(5), "f", "box");
  held.add(digest(100), "record");
  EXPECT_EQ(held.find(digest(100)), "record");
  EXPECT_FALSE(held.find(digest(101)));
  held.release_if_due(context);  // too young
  EXPECT_TRUE(held.find(digest(100)));
  held.release(context);
  EXPECT_FALSE(held.find(digest(100)));
  writes.commit();
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_TRUE(context.statistics().warnings.empty());
  EXPECT_FALSE(held.has_changed(Value::object(&box_)));
}

TEST_F(ChangesTest, HeldRecordsAreDroppedWithAWarningIfItHasChanged) {
  MemoryCache cache;
  WriteBehind writes(cache);
  HeldRecords held(writes);
  RunContext context(nullptr, {});
  held.assume(Value::object(&other_), digest(6), "f", "other");
  held.assume(Value::object(&box_), digest(5), "f", "box");
  held.add(digest(100), "record");
  box_.number = 6;
  held.release(context);
  writes.commit();
  EXPECT_EQ(cache.size(), 0U);
  ASSERT_EQ(context.statistics().warnings.size(), 1U);
  EXPECT_NE(context.statistics().warnings[0].find("node 'f' runs uncached: its input 'box' is"),
            std::string::npos);
  EXPECT_TRUE(held.has_changed(Value::object(&box_)));
  EXPECT_FALSE(held.has_changed(Value::object(&other_)));
}

TEST(ChangeClockTest, ACallIsATickAndAlone) {
  const std::uint64_t before = ChangeClock::now();
  ChangeClock::Call call(/*changes=*/true);
  EXPECT_EQ(call.began(), before);
  EXPECT_TRUE(call.end());
  EXPECT_EQ(ChangeClock::now(), before + 1);
}

TEST(ChangeClockTest, ACallThatChangesNothingIsNone) {
  const std::uint64_t before = ChangeClock::now();
  {
    const ChangeClock::Call call(/*changes=*/false);
  }
  EXPECT_EQ(ChangeClock::now(), before);
}

TEST(ChangeClockTest, CallsInsideAreTheSameThreads) {
  const ChangeClock::Span span;
  ChangeClock::Call outer(/*changes=*/true);
  ChangeClock::Call inner(/*changes=*/true);
  EXPECT_TRUE(inner.end());
  EXPECT_TRUE(outer.end());
  EXPECT_TRUE(span.alone());
}

TEST(ChangeClockTest, CallsOfOtherThreadsOverlap) {
  const ChangeClock::Span span;
  ChangeClock::Call call(/*changes=*/true);
  std::thread([] {
    ChangeClock::Call other(/*changes=*/true);
    EXPECT_FALSE(other.end());  // the first has not ended
  }).join();
  EXPECT_FALSE(call.end());  // the other has ended meanwhile
  EXPECT_FALSE(span.alone());
  EXPECT_TRUE(ChangeClock::Span().alone());
}

TEST(ChangeClockTest, ACallThatThrowsEnds) {
  try {
    const ChangeClock::Call call(/*changes=*/true);
    throw 0;
  } catch (int) {
    EXPECT_TRUE(ChangeClock::Span().alone());
  }
}

}  // namespace
}  // namespace hypernodes
