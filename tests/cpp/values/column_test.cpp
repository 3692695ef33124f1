// SPDX-License-Identifier: MIT
#include "hypernodes/column.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "hypernodes/error.hpp"
#include "random_values.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

using testing::Random;

const Type kOptionalInt = Type(Kind::kInt64).optional();

std::vector<Value> values_of(const Column& column) {
  std::vector<Value> values;
  for (std::int64_t row = 0; row < column.size(); ++row) values.push_back(column[row]);
  return values;
}

void expect_type_error(const Column& column, const Type& to, const std::string& message,
                       const std::string& where) {
  try {
    column.cast(to);
    ADD_FAILURE() << "no TypeError";
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(), message);
    EXPECT_EQ(error.where(), where);
  }
}

TEST(BufferTest, LargeBlocksAreRecycled) {
  for (const std::size_t bytes :
       {std::size_t{64} << 10, std::size_t{1} << 20, std::size_t{3000000}}) {
    const void* first = Buffer::allocate(bytes).as<void>();
    EXPECT_EQ(Buffer::allocate(bytes - 100).as<void>() == first, bytes - 100 >= (64U << 10));
  }
}

TEST(BufferTest, EveryByteOfABlockIsUsable) {
  for (std::size_t bytes = 1; bytes < (std::size_t{200} << 20); bytes = bytes * 3 + 1) {
    Buffer buffer = Buffer::allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.as<char>()) % 64, 0U);
    EXPECT_EQ(buffer.size_bytes(), bytes);
    buffer.mutable_as<char>()[0] = 1;
    buffer.mutable_as<char>()[bytes - 1] = 1;
  }
}

TEST(BufferTest, ThreadsMayFreeEachOthersBlocks) {
  std::vector<Buffer> shared(64);
  const auto work = [&](std::size_t begin) {
    for (int round = 0; round < 200; ++round) {
      Buffer mine = Buffer::allocate((std::size_t{64} << 10) * (1 + begin + round % 3));
      std::memset(mine.mutable_as<char>(), static_cast<int>(begin), 4096);
      EXPECT_EQ(mine.as<char>()[4095], static_cast<char>(begin));
    }
    shared[begin] = Buffer::allocate(std::size_t{1} << 20);
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  shared.clear();
}

TEST(ColumnTest, DefaultHasNoRows) {
  const Column column;
  EXPECT_EQ(column.size(), 0);
  EXPECT_EQ(column.type(), Type(Kind::kNull));
  EXPECT_FALSE(column.has_nulls());
  EXPECT_EQ(column, Column());
  EXPECT_EQ(column.take({}).size(), 0);
  EXPECT_EQ(column.cast(Type::list(Kind::kInt64)).type(), Type::list(Kind::kInt64));
}

TEST(ColumnTest, EmptyColumnsOfEveryTypeWork) {
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    const Type type = random.type();
    const Column column = Column::of(type, {});
    EXPECT_EQ(column.type(), type);
    EXPECT_EQ(column.slice(0, 0), column);
    EXPECT_EQ(column.take({}), column);
    EXPECT_EQ(Column::concat({column, column}), column);
    EXPECT_EQ(Column::nulls(type, 0), column);
    EXPECT_EQ(column.cast(Kind::kObject).size(), 0);
  }
}

TEST(ColumnTest, ReturnsTheValuesItIsMadeOf) {
  Random random(2);
  for (int i = 0; i < 500; ++i) {
    const Type type = random.type();
    std::vector<Value> values;
    for (int row = random.below(40); row > 0; --row) values.push_back(random.value(type));
    const Column column = Column::of(type, values);
    EXPECT_EQ(column.type(), type);
    EXPECT_EQ(values_of(column), values) << type.name();
    EXPECT_EQ(column.cast(Kind::kObject), column);
  }
}

TEST(ColumnTest, SliceTakeAndConcatAgreeWithValues) {
  Random random(3);
  for (int i = 0; i < 500; ++i) {
    const Type type = random.type();
    const Column column = random.column(type, 30);
    const std::vector<Value> values = values_of(column);
    const int begin = random.below(20);
    const int rows = random.below(10);
    const Column slice = column.slice(begin, rows);
    const std::vector<Value> expected(values.begin() + begin, values.begin() + begin + rows);
    EXPECT_EQ(values_of(slice), expected) << type.name();

    std::vector<std::int64_t> picks;
    std::vector<Value> picked;
    for (int p = random.below(50); p > 0 && rows > 0; --p) {
      picks.push_back(random.below(rows));
      picked.push_back(expected[static_cast<std::size_t>(picks.back())]);
    }
    EXPECT_EQ(values_of(slice.take(picks)), picked) << type.name();

    const Column joined = Column::concat({slice, column, slice});
    EXPECT_EQ(joined.type(), type);
    EXPECT_EQ(joined.slice(0, rows), slice);
    EXPECT_EQ(joined.slice(rows, 30), column);
    EXPECT_EQ(joined.slice(rows + 30, rows), slice);
  }
}

TEST(ColumnTest, SlicesOfSlicesCountFromTheirOwnRows) {
  const Column column = Column::of(kOptionalInt, {1, nullptr, 3, nullptr, 5, 6});
  const Column part = column.slice(1, 4).slice(1, 3);
  EXPECT_EQ(values_of(part), (std::vector<Value>{3, nullptr, 5}));
  EXPECT_TRUE(part.has_nulls());
  EXPECT_FALSE(part.slice(2, 1).has_nulls());
  EXPECT_EQ(part.int64s()[2], 5);
}

TEST(ColumnTest, StructFieldsFollowTheSlice) {
  const Type type = Type::structure({{"a", Kind::kInt64}, {"b", Kind::kString}});
  const Column column =
      Column::of(type, {Value::structure(type, {1, "x"}), Value::structure(type, {2, "y"}),
                        Value::structure(type, {3, "z"})});
  EXPECT_EQ(values_of(column.slice(1, 2).field(1)), (std::vector<Value>{"y", "z"}));
}

TEST(ColumnTest, NullsOfEveryType) {
  Random random(4);
  for (int i = 0; i < 200; ++i) {
    const Type type = random.type();
    const Column column = Column::nulls(type, 9);
    EXPECT_EQ(column.type(), type.optional());
    ASSERT_EQ(column.size(), 9);
    for (std::int64_t row = 0; row < 9; ++row) EXPECT_TRUE(column.is_null(row));
  }
}

TEST(ColumnTest, RepeatGivesTheSameRow) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    const Type type = random.type();
    const Value value = random.value(type);
    const Column column = Column::repeat(value, type, 5);
    EXPECT_EQ(column.type(), type);
    EXPECT_EQ(values_of(column), std::vector<Value>(5, value));
    EXPECT_EQ(Column::repeat(value, type, 0).size(), 0);
  }
  EXPECT_EQ(Column::repeat(7, Kind::kFloat64, 2)[1], Value(7.0));
  EXPECT_THROW(Column::repeat("a", Kind::kInt64, 2), TypeError);
  EXPECT_THROW(Column::repeat(nullptr, Kind::kInt64, 2), TypeError);
}

TEST(ColumnTest, OfNamesTheRowThatDoesNotFit) {
  try {
    Column::of(Kind::kInt64, {1, 2, "x"});
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.message(), "expected int64 but got string");
    EXPECT_EQ(error.where(), "row 2");
  }
}

TEST(ColumnTest, ConcatFindsACommonType) {
  const Column ints = Column::of(Kind::kInt64, {1});
  const Column floats = Column::of(Kind::kFloat64, {2.5});
  EXPECT_EQ(Column::concat({ints, floats}).type(), Type(Kind::kFloat64));
  EXPECT_EQ(Column::concat({ints, Column::nulls(Kind::kNull, 2)}).type(), kOptionalInt);
  EXPECT_EQ(Column::concat({Column(), ints}).type(), Type(Kind::kInt64));
  EXPECT_EQ(Column::concat({Column(), Column()}).size(), 0);
  EXPECT_EQ(Column::concat({ints, Column::objects({"a"})}).type(), Type(Kind::kObject));
  EXPECT_EQ(Column::concat({}).size(), 0);
  EXPECT_THROW(Column::concat({ints, Column::of(Kind::kString, {"a"})}), TypeError);
}

TEST(ColumnTest, CastWidensInsideContainers) {
  const Column lists = Column::of(Type::list(Kind::kInt64), {Value{1, 2}, Value{3}, Value{4}});
  const Column floats = lists.slice(1, 2).cast(Type::list(Kind::kFloat64).optional());
  EXPECT_EQ(floats.type(), Type::list(Kind::kFloat64).optional());
  EXPECT_EQ(values_of(floats), (std::vector<Value>{Value{3.0}, Value{4.0}}));
}

TEST(ColumnTest, CastToTheSameLayoutSharesMemory) {
  const Column ints = Column::of(Kind::kInt64, {1, 2, 3}).slice(1, 2);
  const Column optional = ints.cast(kOptionalInt);
  EXPECT_EQ(optional.type(), kOptionalInt);
  EXPECT_EQ(optional.int64s(), ints.int64s());
  EXPECT_EQ(optional.cast(Kind::kInt64).int64s(), ints.int64s());
}

TEST(ColumnTest, CastNamesTheRowOfANull) {
  const Column ints = Column::of(kOptionalInt, {1, 2, nullptr, 4});
  EXPECT_EQ(ints.slice(0, 2).cast(Kind::kInt64).type(), Type(Kind::kInt64));
  expect_type_error(ints, Kind::kInt64, "expected int64 but got null", "row 2");
  expect_type_error(ints.slice(1, 2), Kind::kFloat64, "expected float64 but got null", "row 1");
  const Column lists = Column::of(Type::list(kOptionalInt), {Value{1}, Value{2, nullptr}});
  expect_type_error(lists, Type::list(Kind::kInt64), "expected int64 but got null", "row 1");
  expect_type_error(Column::of(Kind::kString, {"a"}), Kind::kInt64, "expected int64 but got string",
                    "");
}

TEST(ColumnTest, CastForgivesNullsThatANullParentHides) {
  const Type inner = Type::structure({{"a", kOptionalInt}});
  const Column rows = Column::of(
      inner.optional(), {Value::structure(inner, {1}), nullptr, Value::structure(inner, {3})});
  const Type strict = Type::structure({{"a", Kind::kInt64}}).optional();
  const Column cast = rows.cast(strict);
  EXPECT_EQ(cast.type(), strict);
  EXPECT_TRUE(cast.is_null(1));
  EXPECT_EQ(cast.field(0)[2], Value(3));
  expect_type_error(Column::of(inner, {Value::structure(inner, {nullptr})}), strict.required(),
                    "expected int64 but got null", "row 0");
}

TEST(ColumnTest, ObjectsOpenOneByOneWithoutARuntime) {
  const Column objects = Column::objects({1, 2.5, nullptr});
  EXPECT_TRUE(objects.has_nulls());
  const Type optional = Type(Kind::kFloat64).optional();
  EXPECT_EQ(values_of(objects.cast(optional)), (std::vector<Value>{1.0, 2.5, nullptr}));
  expect_type_error(objects, Kind::kFloat64, "expected float64 but got null", "row 2");
  expect_type_error(objects, Kind::kString, "expected string but got int64", "row 0");
}

TEST(ColumnTest, EqualityLooksAtRowsOnly) {
  EXPECT_EQ(Column::of(kOptionalInt, {1, 2}), Column::of(Kind::kInt64, {1, 2}));
  EXPECT_EQ(Column::objects({1, 2}), Column::of(Kind::kInt64, {1, 2}));
  EXPECT_FALSE(Column::of(kOptionalInt, {1, nullptr}) == Column::of(Kind::kInt64, {1, 0}));
  EXPECT_FALSE(Column::of(Kind::kFloat64, {1.0}) == Column::of(Kind::kInt64, {1}));
  EXPECT_FALSE(Column::of(Kind::kInt64, {1}) == Column::of(Kind::kInt64, {1, 1}));
}

/// A stand-in for Python: objects are counted ints.
struct FakeObjects {
  static inline int references = 0;
  static inline int rounds = 0;

  static const detail::ObjectRuntime* runtime() {
    static const detail::ObjectRuntime table = [] {
      detail::ObjectRuntime made{};
      made.retain = [](void*) noexcept { ++references; };
      made.release = [](void*) noexcept { --references; };
      made.release_many = [](const Value* values, std::size_t count) noexcept {
        ++rounds;
        references -= static_cast<int>(std::count_if(
            values, values + count, [](const Value& v) { return v.kind() == Kind::kObject; }));
      };
      made.cast_many = [](const Value*, std::int64_t rows, const Type& type) {
        return Column::repeat(42, type, rows);
      };
      return made;
    }();
    return &table;
  }
  static Value make() {
    ++references;
    static int object = 0;
    return Value::object(&object);
  }
};

struct InstalledRuntime {
  InstalledRuntime() {
    FakeObjects::rounds = 0;
    detail::install(FakeObjects::runtime());
  }
  ~InstalledRuntime() { detail::install(nullptr); }
};

TEST(ObjectColumnTest, ReleasesAllItsObjectsInOneRound) {
  const InstalledRuntime installed;
  {
    const Column column =
        Column::objects({FakeObjects::make(), 1, "text", FakeObjects::make(), nullptr});
    const Column taken = column.slice(1, 4).take({2, 2, 0});
    EXPECT_EQ(FakeObjects::references, 4);
    EXPECT_EQ(taken[2], Value(1));
  }
  EXPECT_EQ(FakeObjects::references, 0);
  EXPECT_EQ(FakeObjects::rounds, 2);
}

TEST(ObjectColumnTest, PlainValuesNeedNoRound) {
  const InstalledRuntime installed;
  {
    const Column column = Column::objects({1, "text"});
  }
  EXPECT_EQ(FakeObjects::rounds, 0);
}

TEST(ObjectColumnTest, CastsInOneRound) {
  const InstalledRuntime installed;
  const Column column = Column::objects({FakeObjects::make(), FakeObjects::make()});
  EXPECT_EQ(column.cast(Kind::kInt64), Column::of(Kind::kInt64, {42, 42}));
}

TEST(ColumnBuilderTest, TypedAppendsBuildNestedRows) {
  const Type type = Type::list(Type::structure({{"a", Kind::kInt64}, {"b", Kind::kString}}));
  ColumnBuilder builder(type.optional());
  ColumnBuilder& items = builder.child(0);
  for (int i = 0; i < 2; ++i) {
    items.child(0).append_int64(i);
    items.child(1).append_text(std::to_string(i));
    items.append_struct();
  }
  builder.append_list(2);
  builder.append_null();
  builder.append_list(0);
  const Column column = builder.finish();
  EXPECT_EQ(column[0].to_string(), "[{'a': 0, 'b': '0'}, {'a': 1, 'b': '1'}]");
  EXPECT_TRUE(column.is_null(1));
  EXPECT_EQ(column.elements_of(2).size(), 0);
}

TEST(ColumnBuilderTest, IsEmptyAndUsableAfterFinish) {
  Random random(6);
  for (int i = 0; i < 200; ++i) {
    const Type type = random.type();
    ColumnBuilder builder(type);
    const Column column = random.column(type, 11);
    builder.append_rows(column, 0, 11);
    EXPECT_EQ(builder.finish(), column);
    EXPECT_EQ(builder.size(), 0);
    builder.append(column, 3);
    EXPECT_EQ(builder.finish(), column.slice(3, 1));
    EXPECT_EQ(builder.finish().size(), 0);
  }
}

TEST(ColumnBuilderTest, AppendRowsKeepsNullsAcrossPieces) {
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    const Type type = random.type();
    ColumnBuilder builder(type);
    std::vector<Value> expected;
    for (int piece = 0; piece < 5; ++piece) {
      const Column column = random.column(type, 25);
      const int begin = random.below(12);
      const int rows = random.below(13);
      builder.append_rows(column.slice(1, 24), begin, rows);
      for (int row = 0; row < rows; ++row) expected.push_back(column[1 + begin + row]);
      if (type.nullable()) {
        builder.append_null();
        expected.emplace_back();
      }
    }
    EXPECT_EQ(values_of(builder.finish()), expected) << type.name();
  }
}

TEST(ColumnBuilderTest, TruncateForgetsRowsAndTheirChildren) {
  Random random(8);
  for (int i = 0; i < 300; ++i) {
    const Type type = random.type();
    const Column column = random.column(type, 40);
    ColumnBuilder builder(type);
    builder.append_rows(column, 0, 30);
    const int kept = random.below(31);
    builder.truncate(kept);
    EXPECT_EQ(builder.size(), kept);
    builder.append_rows(column, 30, 10);
    const Column built = builder.finish();
    EXPECT_EQ(built.slice(0, kept), column.slice(0, kept)) << type.name();
    EXPECT_EQ(built.slice(kept, 10), column.slice(30, 10)) << type.name();
  }
}

TEST(ColumnBuilderTest, ARefusedValueLeavesNothingBehind) {
  const Type type = Type::structure({{"a", Type::list(Kind::kInt64)}, {"b", Kind::kInt64}});
  ColumnBuilder builder(type);
  const Type loose = Type::structure({{"a", Type::list(Kind::kInt64)}, {"b", Kind::kString}});
  EXPECT_THROW(builder.append(Value::structure(loose, {Value{1, 2}, "x"})), TypeError);
  EXPECT_THROW(builder.append_null(), TypeError);
  builder.append(Value::structure(type, {Value{3}, 4}));
  const Column column = builder.finish();
  EXPECT_EQ(column.size(), 1);
  EXPECT_EQ(column[0].to_string(), "{'a': [3], 'b': 4}");
}

TEST(ColumnBuilderTest, ManySmallReservesStayLinear) {
  ColumnBuilder builder(Kind::kInt64);
  for (std::int64_t i = 0; i < 1'000'000; ++i) {
    builder.reserve(1);
    builder.append_int64(i);
  }
  const Column column = builder.finish();
  EXPECT_EQ(column.int64s()[999'999], 999'999);
}

}  // namespace
}  // namespace hypernodes
