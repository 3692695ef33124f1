// SPDX-License-Identifier: MIT
#include "hypernodes/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "random_values.hpp"

namespace hypernodes {
namespace {

Value point(Value x, Value y) {
  const Type type = Type::structure({{"x", x.type()}, {"y", y.type()}});
  return Value::structure(type, {std::move(x), std::move(y)});
}

Value map_of(const std::vector<std::pair<Value, Value>>& entries) {
  std::vector<Value> rows;
  const Type entry = Type::structure(
      {{"key", entries.front().first.type()}, {"value", entries.front().second.type()}});
  for (const auto& [key, value] : entries) rows.push_back(Value::structure(entry, {key, value}));
  return Value::map(Column::of(entry, rows));
}

TEST(ValueTest, KnowsItsType) {
  EXPECT_EQ(Value().type(), Type(Kind::kNull));
  EXPECT_EQ(Value(true).type(), Type(Kind::kBool));
  EXPECT_EQ(Value(1).type(), Type(Kind::kInt64));
  EXPECT_EQ(Value(1.0F).type(), Type(Kind::kFloat64));
  EXPECT_EQ(Value("a").type(), Type(Kind::kString));
  EXPECT_EQ(Value::bytes("a").type(), Type(Kind::kBytes));
  EXPECT_EQ((Value{1, 2}).type(), Type::list(Kind::kInt64));
  EXPECT_EQ(map_of({{"a", 1}}).type(), Type::map(Kind::kString, Kind::kInt64));
  EXPECT_EQ(point(1, "a").type(), Type::structure({{"x", Kind::kInt64}, {"y", Kind::kString}}));
}

TEST(ValueTest, ListsWidenAndRefuseMixtures) {
  EXPECT_EQ((Value{1, 2.5}).type(), Type::list(Kind::kFloat64));
  EXPECT_EQ((Value{1, nullptr}).type(), Type::list(Type(Kind::kInt64).optional()));
  EXPECT_EQ((Value{nullptr}).type(), Type::list(Kind::kNull));
  EXPECT_EQ((Value{Value{1}, Value{2.5}}).type(), Type::list(Type::list(Kind::kFloat64)));
  EXPECT_THROW((Value{1, "a"}), TypeError);
}

TEST(ValueTest, UnsignedAboveInt64IsRefused) {
  EXPECT_EQ(Value(std::uint64_t{5}).as_int64(), 5);
  EXPECT_THROW(Value(std::numeric_limits<std::uint64_t>::max()), TypeError);
}

TEST(ValueTest, CopiesShareAndMovesLeaveNull) {
  const Value text(std::string(100, 'x'));
  Value copy = text;
  EXPECT_EQ(copy.as_text().data(), text.as_text().data());
  const Value moved = std::move(copy);
  EXPECT_TRUE(copy.is_null());  // NOLINT(bugprone-use-after-move): the documented state
  EXPECT_EQ(moved, text);
  Value self = text;
  self = *&self;
  EXPECT_EQ(self, text);
}

TEST(ValueTest, EqualityIsByKindAndContent) {
  EXPECT_EQ(Value(1), Value(1));
  EXPECT_FALSE(Value(1) == Value(1.0));
  EXPECT_FALSE(Value(1) == Value(true));
  EXPECT_FALSE(Value("a") == Value::bytes("a"));
  EXPECT_FALSE(Value(std::nan("")) == Value(std::nan("")));
  EXPECT_EQ(Value(0.0), Value(-0.0));
  EXPECT_EQ((Value{1, 2}), (Value{1, 2}));
  EXPECT_FALSE((Value{1, 2}) == (Value{2, 1}));
  EXPECT_FALSE((Value{1}) == (Value{1, 1}));
  const Value optional = Value::list(Column::of(Type(Kind::kInt64).optional(), {1, 2}));
  EXPECT_EQ((Value{1, 2}), optional);
}

TEST(ValueTest, StructsWithOtherNamesDiffer) {
  const Value xy = point(1, 2);
  const Value ab =
      Value::structure(Type::structure({{"a", Kind::kInt64}, {"b", Kind::kInt64}}), {1, 2});
  EXPECT_EQ(xy, point(1, 2));
  EXPECT_FALSE(xy == ab);
}

TEST(ValueTest, CastWidens) {
  EXPECT_EQ(Value(3).cast(Kind::kFloat64), Value(3.0));
  EXPECT_EQ((Value{1, 2}).cast(Type::list(Kind::kFloat64)), (Value{1.0, 2.0}));
  EXPECT_EQ(Value().cast(Type(Kind::kString).optional()), Value());
  const Type floats =
      Type::structure({{"x", Kind::kFloat64}, {"y", Type(Kind::kInt64).optional()}});
  EXPECT_EQ(point(1, 2).cast(floats).type(), floats);
  const Value empty = Value::list(Column());
  EXPECT_EQ(empty.cast(Type::list(Kind::kString)).type(), Type::list(Kind::kString));
}

TEST(ValueTest, CastLooksForNullsRatherThanAtTypes) {
  const Type optional = Type(Kind::kInt64).optional();
  const Value full = Value::list(Column::of(optional, {1, 2}));
  EXPECT_EQ(full.cast(Type::list(Kind::kInt64)).type(), Type::list(Kind::kInt64));
  EXPECT_THROW((Value{1, nullptr}).cast(Type::list(Kind::kInt64)), TypeError);
}

TEST(ValueTest, CastNamesBothTypes) {
  try {
    Value("a").cast(Kind::kInt64);
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(), "expected int64 but got string");
  }
  EXPECT_THROW(Value(2.5).cast(Kind::kInt64), TypeError);
  EXPECT_THROW(Value().cast(Kind::kInt64), TypeError);
  EXPECT_THROW(point(1, 2).cast(Type::structure({{"x", Kind::kInt64}})), TypeError);
}

TEST(ValueTest, TextLooksLikePython) {
  EXPECT_EQ((Value{1, nullptr}).to_string(), "[1, None]");
  EXPECT_EQ(Value(true).to_string(), "True");
  EXPECT_EQ(Value("it's\n").to_string(), "\"it's\\n\"");
  EXPECT_EQ(Value::bytes(std::string("\0\xff", 2)).to_string(), "b'\\x00\\xff'");
  EXPECT_EQ(map_of({{"a", 1}, {"b", 2}}).to_string(), "{'a': 1, 'b': 2}");
  EXPECT_EQ(point(1, Value{2.5}).to_string(), "{'x': 1, 'y': [2.5]}");
}

TEST(ValueTest, FloatTextLooksLikePython) {
  EXPECT_EQ(Value(1.0).to_string(), "1.0");
  EXPECT_EQ(Value(-0.0).to_string(), "-0.0");
  EXPECT_EQ(Value(0.1).to_string(), "0.1");
  EXPECT_EQ(Value(0.0001).to_string(), "0.0001");
  EXPECT_EQ(Value(0.00001).to_string(), "1e-05");
  EXPECT_EQ(Value(1e15).to_string(), "1000000000000000.0");
  EXPECT_EQ(Value(1e16).to_string(), "1e+16");
  EXPECT_EQ(Value(1.5e300).to_string(), "1.5e+300");
  EXPECT_EQ(Value(std::nan("")).to_string(), "nan");
  EXPECT_EQ(Value(-std::numeric_limits<double>::infinity()).to_string(), "-inf");
}

}  // namespace
}  // namespace hypernodes
