// SPDX-License-Identifier: MIT
#include "kernel/lane.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/traits.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

using Rows = std::vector<std::int64_t>;

std::string encoded(const Value& value) {
  std::string out;
  bool unordered = false;
  EXPECT_TRUE(codec::encode(value, true, out, &unordered));
  return out;
}
Digest digest(const Value& value) { return Digest::of_value(encoded(value)); }

std::string text(const std::optional<Column>& column) {
  return column ? Value::list(*column).to_string() : "unreadable";
}
std::string all(Lane& lane, std::int64_t rows, const Type& type) {
  std::int64_t bad_row = -1;
  return text(lane.gather(nullptr, rows, type, &bad_row));
}
std::string value(Lane& lane, std::int64_t row) {
  Value scratch;
  const Value* const found = lane.value(row, scratch);
  return found == nullptr ? "unreadable" : found->to_string();
}

/// Hits as the kernel sets them; keeps the payload.
class Hits {
 public:
  explicit Hits(Lane& lane) : lane_(lane) {}
  void set(std::int64_t row, const std::string& payload) {
    payloads_.push_back(std::make_unique<std::string>(payload));
    const Digest digest = Digest::of_value(payload);
    const bool held = Lane::holds(digest, payload);
    lane_.set_hit(row, held ? std::string_view() : *payloads_.back(), digest);
  }

 private:
  Lane& lane_;
  std::vector<std::unique_ptr<std::string>> payloads_;
};

TEST(LaneTest, ConstantIsTheSameForEveryRow) {
  Lane lane;
  EXPECT_FALSE(lane.is_set());
  lane.set_constant(7);
  EXPECT_TRUE(lane.is_constant());
  EXPECT_EQ(value(lane, 0), "7");
  EXPECT_EQ(value(lane, 1000), "7");
  EXPECT_EQ(lane.digest(5), digest(7));
  EXPECT_EQ(all(lane, 3, Kind::kInt64), "[7, 7, 7]");
  EXPECT_EQ(all(lane, 2, Kind::kFloat64), "[7.0, 7.0]");
  EXPECT_EQ(all(lane, 2, Kind::kObject), "[7, 7]");
  EXPECT_THROW(all(lane, 2, Kind::kString), TypeError);
  lane.set_constant("text");
  EXPECT_EQ(lane.digest(0), digest("text"));
}

TEST(LaneTest, ColumnHasAValueForEachRow) {
  Lane lane;
  lane.set_column(Column::of(Kind::kInt64, {1, 2, 3, 4}));
  EXPECT_TRUE(lane.is_column());
  EXPECT_EQ(value(lane, 2), "3");
  EXPECT_EQ(lane.digest(3), digest(4));
  EXPECT_EQ(all(lane, 4, Kind::kInt64), "[1, 2, 3, 4]");
  EXPECT_EQ(all(lane, 2, Kind::kInt64), "[1, 2]");
  const Rows rows = {3, 0, 0};
  std::int64_t bad_row = -1;
  EXPECT_EQ(text(lane.gather(&rows, 4, Kind::kFloat64, &bad_row)), "[4.0, 1.0, 1.0]");
}

TEST(LaneTest, DigestsDoNotDependOnHowAValueIsHeld) {
  const Value list{1, 2, 3, 4, 5, 6, 7};
  for (const Value& each : {Value(1), Value("a"), Value(std::string(99, 'a')), list, Value()}) {
    Lane constant;
    constant.set_constant(each);
    Lane objects;
    objects.set_column(Column::objects({each}));
    Lane column;
    column.set_column(Column::of(each.type(), {each}));
    EXPECT_EQ(constant.digest(0), digest(each));
    EXPECT_EQ(objects.digest(0), digest(each));
    EXPECT_EQ(column.digest(0), digest(each));
  }
}

TEST(LaneTest, RowsHoldValuesHitsAndComputedOnes) {
  Lane lane;
  lane.start(Kind::kString, 5);
  Hits hits(lane);
  const std::string large(500, 'l');
  lane.set_value(0, "value");
  hits.set(1, encoded("hit"));
  hits.set(2, encoded(large));
  lane.set_computed(Column::of(Kind::kString, {"c3", "c4"}), {3, 4});
  EXPECT_EQ(lane.state(0), Lane::State::kValue);
  EXPECT_EQ(lane.state(1), Lane::State::kHit);
  EXPECT_EQ(lane.state(2), Lane::State::kHit);
  EXPECT_EQ(lane.state(4), Lane::State::kComputed);
  EXPECT_EQ(all(lane, 5, Kind::kString), "['value', 'hit', '" + large + "', 'c3', 'c4']");
  const Rows rows = {4, 1, 0};
  std::int64_t bad_row = -1;
  EXPECT_EQ(text(lane.gather(&rows, 5, Kind::kObject, &bad_row)), "['c4', 'hit', 'value']");
  EXPECT_EQ(value(lane, 2), "'" + large + "'");
  EXPECT_EQ(lane.state(2), Lane::State::kValue);  // decoded once
  EXPECT_EQ(value(lane, 3), "'c3'");
  EXPECT_EQ(all(lane, 5, Kind::kString), "['value', 'hit', '" + large + "', 'c3', 'c4']");
}

TEST(LaneTest, ObjectLaneHoldsValuesOfAnyKind) {
  Lane lane;
  lane.start(Kind::kObject, 4);
  Hits hits(lane);
  hits.set(0, encoded(1));
  lane.set_value(1, "two");
  lane.set_computed(Column::objects({Value(3.5), Value{1, 2}}), {2, 3});
  EXPECT_EQ(all(lane, 4, Kind::kObject), "[1, 'two', 3.5, [1, 2]]");
}

TEST(LaneTest, EmptyRowIsUnreadable) {
  Lane lane;
  lane.start(Kind::kInt64, 2);
  lane.set_value(0, 1);
  EXPECT_EQ(value(lane, 1), "unreadable");
  std::int64_t bad_row = -1;
  EXPECT_FALSE(lane.gather(nullptr, 2, Kind::kInt64, &bad_row));
  EXPECT_EQ(bad_row, 1);
  EXPECT_FALSE(Lane::known(lane.digest(0)));
}

TEST(LaneTest, HitOfAnotherTypeIsABadRow) {
  for (const Type& type : {Type(Kind::kInt64), Type(Kind::kObject)}) {
    Lane lane;
    lane.start(type, 3);
    Hits hits(lane);
    hits.set(0, encoded(1));
    // Not a value at all, short and long.
    hits.set(1, "\xF0");
    hits.set(2, std::string(100, '\xF0'));
    EXPECT_EQ(value(lane, 1), "unreadable");
    EXPECT_EQ(value(lane, 2), "unreadable");
    std::int64_t bad_row = -1;
    const Rows rows = {0, 2, 1};
    EXPECT_FALSE(lane.gather(&rows, 3, type, &bad_row));
    EXPECT_EQ(bad_row, 2);
    lane.reset(2);
    EXPECT_EQ(lane.state(2), Lane::State::kEmpty);
    EXPECT_FALSE(Lane::known(lane.digest(2)));
    lane.set_value(2, 9);
    lane.reset(1);
    lane.set_value(1, 8);
    EXPECT_EQ(all(lane, 3, Kind::kInt64), "[1, 8, 9]");
  }
}

TEST(LaneTest, ShortHitAfterALongOneIsItself) {
  Lane lane;
  lane.start(Kind::kString, 1);
  Hits hits(lane);
  hits.set(0, encoded(std::string(100, 'x')));
  hits.set(0, encoded("y"));
  EXPECT_EQ(all(lane, 1, Kind::kString), "['y']");
}

TEST(LaneTest, CopiedRowIsLikeItsSource) {
  Lane lane;
  lane.start(Kind::kString, 8);
  Hits hits(lane);
  const std::string large(60, 'l');
  lane.set_value(0, "v");
  hits.set(1, encoded("h"));
  hits.set(2, encoded(large));
  lane.set_computed(Column::of(Kind::kString, {"c", "d"}), {3, 7});
  lane.set_digest(3, digest("c"));
  for (std::int64_t row = 0; row < 4; ++row) {
    lane.copy_row(row, row + 4);
    EXPECT_EQ(lane.state(row), lane.state(row + 4));
    EXPECT_EQ(lane.digest(row), lane.digest(row + 4));
  }
  EXPECT_EQ(all(lane, 8, Kind::kString),
            "['v', 'h', '" + large + "', 'c', 'v', 'h', '" + large + "', 'c']");
}

TEST(LaneTest, ComputedColumnsComeOneAfterTheOther) {
  Lane lane;
  lane.start(Kind::kInt64, 6);
  lane.set_computed(Column::of(Kind::kInt64, {1, 3}), {1, 3, 5});  // as far as it goes
  EXPECT_EQ(lane.state(5), Lane::State::kEmpty);
  lane.set_computed(Column::objects({}), {5});  // nothing was done
  lane.set_computed(Column::of(Kind::kInt64, {0}), {0});
  lane.set_computed(Column::of(Kind::kInt64, {2, 4, 5}), {2, 4, 5});
  EXPECT_EQ(all(lane, 6, Kind::kInt64), "[0, 1, 2, 3, 4, 5]");
  EXPECT_EQ(value(lane, 4), "4");
}

TEST(LaneTest, OrderOfAMapDoesNotChangeItsDigest) {
  const Value a(std::map<std::string, std::int64_t>{{"a", 1}, {"b", 2}});
  ColumnBuilder builder(Type::structure({{"key", Kind::kString}, {"value", Kind::kInt64}}));
  builder.append(Value::structure(builder.type(), {"b", 2}));
  builder.append(Value::structure(builder.type(), {"a", 1}));
  const Value b = Value::map(builder.finish());
  EXPECT_NE(a.to_string(), b.to_string());
  std::string scratch;
  EXPECT_EQ(digest_of(a, scratch), digest_of(b, scratch));
}

TEST(LaneTest, KeysMayBeginWithAnyByte) {
  Digest key;
  key.bytes.fill(0x7F);
  EXPECT_TRUE(Lane::known(key));
  EXPECT_FALSE(Lane::known(Lane::kUnknown));
}

}  // namespace
}  // namespace hypernodes
