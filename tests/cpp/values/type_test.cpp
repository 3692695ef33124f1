// SPDX-License-Identifier: MIT
#include "hypernodes/type.hpp"

#include <gtest/gtest.h>

#include "random_values.hpp"

namespace hypernodes {
namespace {

TEST(TypeTest, NamesSayWhatIsInside) {
  EXPECT_EQ(Type(Kind::kInt64).name(), "int64");
  EXPECT_EQ(Type(Kind::kString).optional().name(), "optional<string>");
  EXPECT_EQ(Type::list(Type(Kind::kFloat64).optional()).name(), "list<optional<float64>>");
  EXPECT_EQ(Type::map(Kind::kString, Kind::kBytes).name(), "map<string, bytes>");
  const Type point = Type::structure({{"x", Kind::kInt64}, {"y", Type::list(Kind::kBool)}});
  EXPECT_EQ(point.optional().name(), "optional<struct<x: int64, y: list<bool>>>");
}

TEST(TypeTest, EqualityLooksInside) {
  EXPECT_EQ(Type::list(Kind::kInt64), Type::list(Kind::kInt64));
  EXPECT_NE(Type::list(Kind::kInt64), Type::list(Kind::kFloat64));
  EXPECT_NE(Type(Kind::kInt64), Type(Kind::kInt64).optional());
  EXPECT_NE(Type::structure({{"a", Kind::kInt64}}), Type::structure({{"b", Kind::kInt64}}));
}

TEST(TypeTest, NullAndObjectHoldNullAnyway) {
  EXPECT_EQ(Type(Kind::kNull).optional(), Type(Kind::kNull));
  EXPECT_EQ(Type(Kind::kObject).optional(), Type(Kind::kObject));
  EXPECT_TRUE(Type(Kind::kObject).nullable());
}

TEST(TypeTest, AcceptsWhatWidens) {
  const Type int64 = Kind::kInt64;
  const Type float64 = Kind::kFloat64;
  EXPECT_TRUE(float64.accepts(int64));
  EXPECT_FALSE(int64.accepts(float64));
  EXPECT_TRUE(int64.optional().accepts(int64));
  EXPECT_FALSE(int64.accepts(int64.optional()));
  EXPECT_TRUE(int64.optional().accepts(Kind::kNull));
  EXPECT_FALSE(int64.accepts(Kind::kNull));
  EXPECT_TRUE(Type::list(float64).accepts(Type::list(int64)));
  EXPECT_TRUE(Type::list(float64).accepts(Type::list(Kind::kNull)));  // an empty list
  EXPECT_TRUE(Type(Kind::kObject).accepts(int64));
  EXPECT_TRUE(int64.accepts(Kind::kObject));
}

TEST(TypeTest, AcceptsStructsFieldByField) {
  const Type ints = Type::structure({{"a", Kind::kInt64}, {"b", Kind::kInt64}});
  const Type floats = Type::structure({{"a", Kind::kFloat64}, {"b", Kind::kFloat64}});
  const Type swapped = Type::structure({{"b", Kind::kInt64}, {"a", Kind::kInt64}});
  EXPECT_TRUE(floats.accepts(ints));
  EXPECT_FALSE(ints.accepts(floats));
  EXPECT_FALSE(ints.accepts(swapped));
  EXPECT_FALSE(ints.accepts(Type::structure({{"a", Kind::kInt64}})));
}

}  // namespace
}  // namespace hypernodes
