// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/daft_abi.h"
#include "hypernodes/error.hpp"
#include "random_values.hpp"

namespace hypernodes {
namespace {

using testing::Random;

/// An array and a schema made by hand, which count how often they are released.
struct Made {
  explicit Made(std::string format_text, std::int64_t flags = ARROW_FLAG_NULLABLE)
      : format(std::move(format_text)) {
    schema.format = format.c_str();
    schema.name = "column";
    schema.flags = flags;
    schema.private_data = this;
    schema.release = [](ArrowSchema* released) {
      ++static_cast<Made*>(released->private_data)->schema_releases;
      released->release = nullptr;
    };
    array.private_data = this;
    array.release = [](ArrowArray* released) {
      ++static_cast<Made*>(released->private_data)->array_releases;
      released->release = nullptr;
    };
    array.null_count = -1;
    array.buffers = buffers.data();
  }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;

  template <typename T>
  Made& buffer(const std::vector<T>& content) {
    memory.emplace_back(content.size() * sizeof(T) + 1);
    std::memcpy(memory.back().data(), content.data(), content.size() * sizeof(T));
    return pointer(memory.back().data());
  }
  Made& pointer(const void* data) {
    buffers[static_cast<std::size_t>(array.n_buffers++)] = data;
    return *this;
  }
  Made& rows(std::int64_t length, std::int64_t offset = 0) {
    array.length = length;
    array.offset = offset;
    return *this;
  }
  Made& child(Made& made) {
    child_arrays.push_back(&made.array);
    child_schemas.push_back(&made.schema);
    array.children = child_arrays.data();
    schema.children = child_schemas.data();
    array.n_children = schema.n_children = static_cast<std::int64_t>(child_arrays.size());
    return *this;
  }
  Made& dictionary(Made& made) {
    array.dictionary = &made.array;
    schema.dictionary = &made.schema;
    return *this;
  }
  Column import() { return Column::import_arrow(&array, &schema); }
  /// Imports, expects a TypeError, and that nothing is left unreleased.
  std::string refused() {
    std::string message = "accepted";
    try {
      import();
    } catch (const TypeError& error) {
      message = error.message();
    }
    EXPECT_EQ(array_releases, 1);
    EXPECT_EQ(schema_releases, 1);
    return message;
  }

  std::string format;
  ArrowSchema schema{};
  ArrowArray array{};
  std::array<const void*, 6> buffers{};
  std::vector<std::vector<std::uint8_t>> memory;
  std::vector<ArrowArray*> child_arrays;
  std::vector<ArrowSchema*> child_schemas;
  int array_releases = 0;
  int schema_releases = 0;
};

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

std::string rows_of(const Column& column) { return Value::list(column).to_string(); }

/// Numbers 1, 2 and a null (whose place holds 9) behind one row to skip.
template <typename T>
void expect_numbers(const char* format, const std::string& expected) {
  Made made(format);
  made.buffer<std::uint8_t>({0b0111}).buffer<T>({T(7), T(1), T(2), T(9)}).rows(3, 1);
  {
    const Column column = made.import();
    EXPECT_EQ(rows_of(column), expected) << format;
    EXPECT_TRUE(column.type().nullable());
    // Wide numbers are borrowed, others converted and given back at once.
    EXPECT_EQ(made.array_releases, sizeof(T) == 8 && !std::is_unsigned_v<T> ? 0 : 1);
  }
  EXPECT_EQ(made.array_releases, 1);
  EXPECT_EQ(made.schema_releases, 1);
}

TEST(ArrowImportTest, NumbersOfEveryWidth) {
  expect_numbers<std::int8_t>("c", "[1, 2, None]");
  expect_numbers<std::uint8_t>("C", "[1, 2, None]");
  expect_numbers<std::int16_t>("s", "[1, 2, None]");
  expect_numbers<std::uint16_t>("S", "[1, 2, None]");
  expect_numbers<std::int32_t>("i", "[1, 2, None]");
  expect_numbers<std::uint32_t>("I", "[1, 2, None]");
  expect_numbers<std::int64_t>("l", "[1, 2, None]");
  expect_numbers<std::uint64_t>("L", "[1, 2, None]");
  expect_numbers<float>("f", "[1.0, 2.0, None]");
  expect_numbers<double>("g", "[1.0, 2.0, None]");
}

TEST(ArrowImportTest, HalfFloats) {
  Made made("e");
  made.pointer(nullptr).buffer<std::uint16_t>({0x3C00, 0xC100, 0x7C00}).rows(3);
  EXPECT_EQ(rows_of(made.import()), "[1.0, -2.5, inf]");
}

TEST(ArrowImportTest, WideNumbersShareMemory) {
  alignas(64) const std::int64_t numbers[] = {1, 2, 3};
  Made made("l", 0);
  made.pointer(nullptr).pointer(numbers).rows(2, 1);
  const Column column = made.import();
  EXPECT_EQ(column.type(), Type(Kind::kInt64));
  EXPECT_EQ(column.int64s(), numbers + 1);
}

TEST(ArrowImportTest, MisalignedMemoryIsCopied) {
  std::vector<std::uint8_t> bytes(33);
  const std::int64_t numbers[] = {5, 6, 7};
  std::memcpy(bytes.data() + 1, numbers, sizeof numbers);
  Made made("l");
  made.pointer(nullptr).pointer(bytes.data() + 1).rows(3);
  EXPECT_EQ(rows_of(made.import()), "[5, 6, 7]");

  const std::int64_t offsets[] = {0, 1, 3};
  std::memcpy(bytes.data() + 1, offsets, sizeof offsets);
  Made text("U");
  text.pointer(nullptr).pointer(bytes.data() + 1).pointer("abc").rows(2);
  EXPECT_EQ(rows_of(text.import()), "['a', 'bc']");
}

TEST(ArrowImportTest, UnsignedAboveInt64NamesTheRow) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  Made made("L");
  made.pointer(nullptr).buffer<std::uint64_t>({1, kMax}).rows(2);
  try {
    made.import();
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_EQ(error.where(), "row 1");
    expect_contains(error.message(), "18446744073709551615 does not fit int64");
  }
  Made hidden("L");
  hidden.buffer<std::uint8_t>({1}).buffer<std::uint64_t>({1, kMax}).rows(2);
  EXPECT_EQ(rows_of(hidden.import()), "[1, None]");
}

TEST(ArrowImportTest, Booleans) {
  for (const std::int64_t offset : {0, 3, 8}) {
    Made made("b");
    made.pointer(nullptr).buffer<std::uint8_t>({0b10110101, 0b1101, 0b1}).rows(4, offset);
    const char* const expected[] = {"[True, False, True, False]", "[False, True, True, False]",
                                    "[True, False, True, True]"};
    EXPECT_EQ(rows_of(made.import()), expected[offset == 0 ? 0 : offset == 3 ? 1 : 2]);
  }
}

TEST(ArrowImportTest, NullColumns) {
  Made made("n");
  made.rows(3, 1);
  EXPECT_EQ(rows_of(made.import()), "[None, None, None]");
}

TEST(ArrowImportTest, TextWithSmallAndLargeOffsets) {
  Made small("u");
  small.buffer<std::uint8_t>({0b1011}).buffer<std::int32_t>({1, 3, 3, 4, 6});
  small.pointer("_abcde").rows(3, 1);
  EXPECT_EQ(rows_of(small.import()), "['', None, 'de']");
  Made large("Z");
  large.pointer(nullptr).buffer<std::int64_t>({0, 1, 3}).pointer("abc").rows(2);
  EXPECT_EQ(rows_of(large.import()), "[b'a', b'bc']");
}

TEST(ArrowImportTest, EmptyTextMayLackBuffers) {
  Made made("u");
  made.pointer(nullptr).pointer(nullptr).pointer(nullptr);
  EXPECT_EQ(made.import().size(), 0);
  Made blank("U");
  blank.pointer(nullptr).buffer<std::int64_t>({0, 0}).pointer(nullptr).rows(1);
  EXPECT_EQ(rows_of(blank.import()), "['']");
}

std::vector<std::int32_t> view_of(std::string_view text, std::int32_t index, std::int32_t start) {
  std::vector<std::int32_t> view(4);
  view[0] = static_cast<std::int32_t>(text.size());
  if (text.size() <= 12) {
    std::memcpy(view.data() + 1, text.data(), text.size());
  } else {
    std::memcpy(view.data() + 1, text.data(), 4);
    view[2] = index;
    view[3] = start;
  }
  return view;
}

TEST(ArrowImportTest, TextViews) {
  const std::string text = "..a text of more than twelve bytes";
  std::vector<std::int32_t> views = view_of("short", 0, 0);
  for (const std::int32_t word : view_of(text.substr(2), 0, 2)) views.push_back(word);
  Made made("vu");
  made.pointer(nullptr).buffer(views).pointer(text.data());
  made.buffer<std::int64_t>({static_cast<std::int64_t>(text.size())}).rows(2);
  EXPECT_EQ(rows_of(made.import()), "['short', 'a text of more than twelve bytes']");

  for (const auto& [index, start] :
       std::vector<std::pair<int, int>>{{1, 0}, {-1, 0}, {0, 3}, {0, -1}, {0, 2'000'000'000}}) {
    Made bad("vz");
    bad.pointer(nullptr).buffer(view_of(text.substr(2), index, start)).pointer(text.data());
    bad.buffer<std::int64_t>({static_cast<std::int64_t>(text.size())}).rows(1);
    expect_contains(bad.refused(), "outside of its buffers");
  }
}

TEST(ArrowImportTest, Lists) {
  Made items("i");
  items.pointer(nullptr).buffer<std::int32_t>({9, 1, 2, 3, 4}).rows(4, 1);
  Made small("+l");
  small.buffer<std::uint8_t>({0b101}).buffer<std::int32_t>({1, 3, 3, 4}).rows(3).child(items);
  EXPECT_EQ(rows_of(small.import()), "[[2, 3], None, [4]]");

  Made words("l");
  words.pointer(nullptr).buffer<std::int64_t>({1, 2, 3}).rows(3);
  Made large("+L");
  large.pointer(nullptr).buffer<std::int64_t>({0, 2, 2, 3}).rows(2, 1).child(words);
  EXPECT_EQ(rows_of(large.import()), "[[], [3]]");

  Made floats("f");
  floats.pointer(nullptr).buffer<float>({1, 2, 3, 4, 5, 6}).rows(6);
  Made fixed("+w:2");
  fixed.pointer(nullptr).rows(2, 1).child(floats);
  EXPECT_EQ(rows_of(fixed.import()), "[[3.0, 4.0], [5.0, 6.0]]");
}

TEST(ArrowImportTest, StructsOffsetTheirChildren) {
  Made a("i");
  a.pointer(nullptr).buffer<std::int32_t>({9, 1, 2, 3}).rows(3, 1);
  a.schema.name = "a";
  Made b("u");
  b.pointer(nullptr).buffer<std::int32_t>({0, 1, 2, 3}).pointer("xyz").rows(3);
  b.schema.name = "b";
  Made made("+s");
  made.buffer<std::uint8_t>({0b011}).rows(2, 1).child(a).child(b);
  const Column column = made.import();
  EXPECT_EQ(rows_of(column), "[{'a': 2, 'b': 'y'}, None]");
}

TEST(ArrowImportTest, Maps) {
  Made keys("u", 0);
  keys.pointer(nullptr).buffer<std::int32_t>({0, 1, 2, 3}).pointer("xyz").rows(3);
  Made values("i");
  values.pointer(nullptr).buffer<std::int32_t>({1, 2, 3}).rows(3);
  Made entries("+s", ARROW_FLAG_NULLABLE);  // As Daft has it, against the letter of Arrow.
  entries.pointer(nullptr).rows(3).child(keys).child(values);
  Made made("+m", 0);
  made.pointer(nullptr).buffer<std::int32_t>({0, 2, 3}).rows(2).child(entries);
  const Column column = made.import();
  EXPECT_EQ(column.type(), Type::map(Kind::kString, Type(Kind::kInt64).optional()));
  EXPECT_EQ(rows_of(column), "[{'x': 1, 'y': 2}, {'z': 3}]");
}

TEST(ArrowImportTest, DictionariesAreDecoded) {
  Made words("u");
  words.buffer<std::uint8_t>({0b011}).buffer<std::int32_t>({0, 1, 2, 3}).pointer("abc").rows(3);
  Made made("C");
  made.buffer<std::uint8_t>({0b11011}).buffer<std::uint8_t>({0, 1, 77, 2, 0}).rows(5);
  made.dictionary(words);
  EXPECT_EQ(rows_of(made.import()), "['a', 'b', None, None, 'a']");

  Made none("u");
  none.pointer(nullptr).pointer(nullptr).pointer(nullptr);
  Made nulls("i");
  nulls.buffer<std::uint8_t>({0}).buffer<std::int32_t>({5, 5}).rows(2).dictionary(none);
  EXPECT_EQ(rows_of(nulls.import()), "[None, None]");
}

TEST(ArrowImportTest, UnsupportedTypesAreNamed) {
  for (const auto& [format, name] :
       std::vector<std::pair<const char*, const char*>>{{"tsu:UTC", "timestamp"},
                                                        {"tdD", "date32"},
                                                        {"d:10,2", "decimal128"},
                                                        {"w:4", "fixed_size_binary"}}) {
    Made made(format);
    made.pointer(nullptr).buffer<std::int64_t>({1, 2}).rows(1);
    const std::string message = made.refused();
    expect_contains(message, name);
    expect_contains(message, std::string("'") + format + "'");
  }
}

TEST(ArrowImportTest, NullsWhereTheSchemaHasNone) {
  Made made("l", 0);
  made.buffer<std::uint8_t>({0b01}).buffer<std::int64_t>({1, 2}).rows(2);
  EXPECT_EQ(made.refused(), "expected int64 but got null");

  // A null struct hides what its fields hold.
  Made field("l", 0);
  field.buffer<std::uint8_t>({0b01}).buffer<std::int64_t>({1, 2}).rows(2);
  field.schema.name = "a";
  Made outer("+s");
  outer.buffer<std::uint8_t>({0b01}).rows(2).child(field);
  const Column column = outer.import();
  EXPECT_EQ(column.type(), Type::structure({{"a", Kind::kInt64}}).optional());
  EXPECT_EQ(rows_of(column), "[{'a': 1}, None]");
}

// --- hostile input -------------------------------------------------------------------------------

/// A list<struct<text, number>> array in which one thing is wrong.
template <typename Change>
std::string refused(Change change) {
  Made text("u");
  text.pointer(nullptr).buffer<std::int32_t>({0, 1, 2, 3}).pointer("abc").rows(3);
  Made number("i");
  number.pointer(nullptr).buffer<std::int32_t>({1, 2, 3}).rows(3);
  Made item("+s");
  item.pointer(nullptr).rows(3).child(text).child(number);
  Made list("+l");
  list.pointer(nullptr).buffer<std::int32_t>({0, 1, 3}).rows(2).child(item);
  change(list, item, text, number);
  return list.refused();
}

TEST(HostileArrowTest, ImpossibleShapesAreRefused) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  using M = Made&;
  for (const std::int64_t bad : {std::int64_t{-1}, kHuge, kHuge / 2, -kHuge}) {
    expect_contains(refused([&](M list, M, M, M) { list.rows(bad); }), "length");
    expect_contains(refused([&](M list, M, M, M) { list.rows(2, bad); }), "offset");
    expect_contains(refused([&](M, M, M text, M) { text.rows(bad); }), "length");
    expect_contains(refused([&](M, M, M, M number) { number.rows(3, bad); }), "offset");
    expect_contains(refused([&](M list, M, M, M) { list.array.n_buffers = bad; }), "buffers");
    expect_contains(refused([&](M list, M, M, M) { list.array.n_children = bad; }), "children");
  }
  expect_contains(refused([](M, M item, M, M) { item.rows(2); }), "shorter than its parent");
  expect_contains(refused([](M, M, M text, M) { text.rows(2); }), "shorter than its parent");
  expect_contains(refused([](M, M item, M, M) { item.rows(3, 1); }), "shorter than its parent");
}

TEST(HostileArrowTest, MissingPartsAreRefused) {
  using M = Made&;
  expect_contains(refused([](M list, M, M, M) { list.array.buffers = nullptr; }), "buffers");
  expect_contains(refused([](M list, M, M, M) { list.buffers[1] = nullptr; }), "buffer");
  expect_contains(refused([](M, M, M text, M) { text.buffers[2] = nullptr; }), "text is missing");
  expect_contains(refused([](M, M, M, M number) { number.buffers[1] = nullptr; }), "buffer");
  expect_contains(refused([](M, M, M, M number) { number.array.null_count = 1; }), "validity");
  expect_contains(refused([](M list, M, M, M) { list.array.children = nullptr; }), "children");
  expect_contains(refused([](M list, M, M, M) { list.child_arrays[0] = nullptr; }), "child");
  expect_contains(refused([](M, M item, M, M) { item.array.release = nullptr; }), "child");
  expect_contains(refused([](M list, M, M, M) { list.schema.children = nullptr; }), "children");
  expect_contains(refused([](M list, M, M, M) { list.child_schemas[0] = nullptr; }), "child");
  expect_contains(refused([](M list, M, M, M) { list.schema.n_children = 0; }), "child");
  expect_contains(refused([](M, M, M text, M) { text.schema.format = nullptr; }), "format");
  expect_contains(refused([](M, M, M text, M) { text.schema.format = ""; }), "format");
  expect_contains(refused([](M, M, M text, M) { text.schema.format = "%"; }), "format");
  expect_contains(refused([](M list, M, M text, M) { list.array.dictionary = &text.array; }),
                  "dictionary");
}

TEST(HostileArrowTest, OffsetsMustRise) {
  for (const std::vector<std::int32_t>& offsets :
       std::vector<std::vector<std::int32_t>>{{0, 2, 1}, {-1, 0, 1}, {3, 2, 3}, {0, -5, 3}}) {
    Made items("l");
    items.pointer(nullptr).buffer<std::int64_t>({1, 2, 3}).rows(3);
    Made list("+l");
    list.pointer(nullptr).buffer(offsets).rows(2).child(items);
    expect_contains(list.refused(), "do not rise");

    Made text("U");
    text.pointer(nullptr).buffer(std::vector<std::int64_t>(offsets.begin(), offsets.end()));
    text.pointer("abc").rows(2);
    expect_contains(text.refused(), "do not rise");
  }
  Made items("l");
  items.pointer(nullptr).buffer<std::int64_t>({1, 2, 3}).rows(3);
  Made beyond("+l");
  beyond.pointer(nullptr).buffer<std::int32_t>({0, 2, 4}).rows(2).child(items);
  expect_contains(beyond.refused(), "shorter than its parent");
}

TEST(HostileArrowTest, FixedSizesAreBounded) {
  for (const char* format : {"+w:-1", "+w:2147483647", "+w:x", "+w:3"}) {
    Made items("l");
    items.pointer(nullptr).buffer<std::int64_t>({1, 2, 3}).rows(3);
    Made list(format);
    list.pointer(nullptr).rows(std::int64_t{1} << (format[3] == '2' ? 47 : 1)).child(items);
    EXPECT_NE(list.refused(), "accepted") << format;
  }
}

TEST(HostileArrowTest, DictionaryIndicesAreBounded) {
  for (const std::int8_t index : std::vector<std::int8_t>{-1, 2, 127}) {
    Made words("u");
    words.pointer(nullptr).buffer<std::int32_t>({0, 1, 2}).pointer("ab").rows(2);
    Made made("c");
    made.pointer(nullptr).buffer<std::int8_t>({0, index}).rows(2).dictionary(words);
    expect_contains(made.refused(), "index");
  }
}

TEST(HostileArrowTest, DeepSchemasAreRefused) {
  std::vector<std::unique_ptr<Made>> levels;
  for (int i = 0; i < 5000; ++i) {
    levels.push_back(std::make_unique<Made>("+l"));
    levels.back()->pointer(nullptr).buffer<std::int32_t>({0}).rows(0);
    if (i > 0) levels[static_cast<std::size_t>(i)]->child(*levels[static_cast<std::size_t>(i - 1)]);
  }
  EXPECT_NE(levels.back()->refused(), "accepted");
}

TEST(HostileArrowTest, ReleasedInputIsRefused) {
  Made made("l");
  made.pointer(nullptr).buffer<std::int64_t>({1}).rows(1);
  made.array.release = nullptr;
  EXPECT_THROW(made.import(), TypeError);
  EXPECT_EQ(made.schema_releases, 1);
}

// --- export --------------------------------------------------------------------------------------

Column round_trip(const Column& column) {
  ArrowArray array{};
  ArrowSchema schema{};
  column.export_arrow(&array, &schema);
  return Column::import_arrow(&array, &schema);
}

TEST(ArrowExportTest, RoundTripsAreExact) {
  Random random(21);
  for (int i = 0; i < 1000; ++i) {
    const Type type = random.type();
    const Column column = random.column(type, 30);
    const Column part = column.slice(random.below(20), random.below(10));
    for (const Column& sent : {column, part}) {
      const Column back = round_trip(sent);
      EXPECT_EQ(back.type(), type);
      EXPECT_EQ(back, sent) << type.name();
    }
    EXPECT_EQ(round_trip(Column::of(type, {})).type(), type);
  }
}

TEST(ArrowExportTest, SchemasSayTheType) {
  Random random(22);
  for (int i = 0; i < 300; ++i) {
    const Type type = random.type();
    ArrowSchema schema{};
    Column::export_schema(type, "column", &schema);
    EXPECT_STREQ(schema.name, "column");
    EXPECT_EQ(Column::import_schema(&schema), type);
    schema.release(&schema);
  }
}

TEST(ArrowExportTest, SharesMemoryAndKeepsItAlive) {
  ArrowArray array{};
  ArrowSchema schema{};
  const std::int64_t* numbers = nullptr;
  {
    const Column column = Column::of(Kind::kInt64, {1, 2, 3});
    numbers = column.int64s();
    column.slice(1, 2).export_arrow(&array, &schema);
  }
  EXPECT_STREQ(schema.format, "l");
  EXPECT_EQ(schema.flags, 0);
  EXPECT_EQ(array.offset, 0);
  EXPECT_EQ(array.length, 2);
  EXPECT_EQ(array.buffers[1], numbers + 1);
  EXPECT_EQ(static_cast<const std::int64_t*>(array.buffers[1])[1], 3);
  array.release(&array);
  schema.release(&schema);
  EXPECT_EQ(array.release, nullptr);
}

TEST(ArrowExportTest, ChildrenMayBeMovedOut) {
  const Type type = Type::structure({{"a", Kind::kString}, {"b", Kind::kInt64}});
  ArrowArray array{};
  ArrowSchema schema{};
  Column::of(type, {Value::structure(type, {"x", 1})}).export_arrow(&array, &schema);
  ArrowArray child = *array.children[0];
  array.children[0]->release = nullptr;
  array.release(&array);
  schema.release(&schema);
  EXPECT_EQ(static_cast<const char*>(child.buffers[2])[0], 'x');
  child.release(&child);
}

TEST(ArrowExportTest, EmptyBuffersAreNotNull) {
  for (const Type& type : {Type(Kind::kString), Type(Kind::kInt64), Type(Kind::kBool),
                           Type::list(Kind::kInt64), Type::map(Kind::kString, Kind::kInt64)}) {
    ArrowArray array{};
    ArrowSchema schema{};
    Column::of(type, {}).export_arrow(&array, &schema);
    for (std::int64_t i = 1; i < array.n_buffers; ++i) EXPECT_NE(array.buffers[i], nullptr);
    EXPECT_EQ(array.buffers[0], nullptr);
    array.release(&array);
    schema.release(&schema);
  }
}

TEST(ArrowExportTest, ObjectsHaveNoArrowForm) {
  ArrowArray array{};
  ArrowSchema schema{};
  EXPECT_THROW(Column::objects({1}).export_arrow(&array, &schema), TypeError);
  EXPECT_EQ(array.release, nullptr);
  EXPECT_EQ(schema.release, nullptr);
  EXPECT_THROW(Column::export_schema(Type::list(Kind::kObject), "x", &schema), TypeError);
}

TEST(ArrowExportTest, MapsNeedKeys) {
  const Type type = Type::map(Type(Kind::kString).optional(), Kind::kInt64);
  const Type entry = Type::structure(type.fields());
  const Value good = Value::map(Column::of(entry, {Value::structure(entry, {"a", 1})}));
  const Value bad = Value::map(Column::of(entry, {Value::structure(entry, {nullptr, 1})}));
  EXPECT_EQ(rows_of(round_trip(Column::of(type, {good}))), "[{'a': 1}]");
  EXPECT_THROW(round_trip(Column::of(type, {bad})), TypeError);
}

}  // namespace
}  // namespace hypernodes
