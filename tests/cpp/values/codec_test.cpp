// SPDX-License-Identifier: MIT
#include "values/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/digest.hpp"
#include "random_values.hpp"
#include "values/object_runtime.hpp"
#include "values/utf8.hpp"

namespace hypernodes::codec {
namespace {

using testing::Random;

std::string encoded(const Value& value, bool canonical = true) {
  std::string out;
  EXPECT_TRUE(encode(value, canonical, out, nullptr));
  return out;
}

std::string encoded(const Column& column, std::int64_t row, bool canonical = true) {
  std::string out;
  EXPECT_TRUE(encode(column, row, canonical, out, nullptr));
  return out;
}

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

Type struct_ab() { return Type::structure({{"b", Kind::kInt64}, {"a", Kind::kString}}); }
Value value_ab() { return Value::structure(struct_ab(), {7, "x"}); }

Value map_of(const std::vector<std::pair<Value, Value>>& entries, const Type& type) {
  const Type entry = Type::structure(type.fields());
  std::vector<Value> rows;
  for (const auto& [key, value] : entries) rows.push_back(Value::structure(entry, {key, value}));
  return Value::map(Column::of(entry, rows));
}

/// Bytes that must stay what they are: keys and records on disk are made of them. The digests are
/// in docs/formats/values.md too.
TEST(CodecTest, EncodingsAreGolden) {
  const Type counts = Type::map(Kind::kString, Kind::kInt64);
  const std::vector<std::pair<Value, std::string>> cases = {
      {nullptr, "00"},
      {false, "01"},
      {true, "02"},
      {258, "030201000000000000"},
      {-1, "03ffffffffffffffff"},
      {1.5, "05000000000000f83f"},
      {-0.0, "050000000000000080"},
      {"", "0600"},
      {"h\u00e9", "060368c3a9"},
      {Value::bytes(std::string("\0\xff", 2)), "070200ff"},
      {Value::list(Column()), "0800"},
      {Value{1, 2}, "0d0201000000000000000200000000000000"},
      {Value{0.5}, "0e01000000000000e03f"},
      {Value{"a", nullptr}, "080206016100"},
      {Value{1, nullptr},
       "0802"
       "030100000000000000"
       "00"},
      {value_ab(),
       "0a02"
       "0601610601"
       "78"
       "060162"
       "030700000000000000"},
      {map_of({{"k", 1}}, counts), "0a0106016b030100000000000000"},
  };
  for (const auto& [value, bytes] : cases) EXPECT_EQ(hex(encoded(value)), bytes) << bytes;
  EXPECT_EQ(hex(encoded(value_ab(), false)), "0a02060162030700000000000000060161060178");
}

TEST(CodecTest, DigestsAreGolden) {
  EXPECT_EQ(Digest::of_value(encoded(258)).hex(), "09030201000000000000" + std::string(44, '0'));
  const std::string text(1001, 'x');
  EXPECT_EQ(Digest::of_value(encoded(text)).hex(),
            "80b3aae8bb647bdf75e33cecf6b7257f35dfc8dc4009759b2a6b736f91783786");
  EXPECT_EQ(Digest::of_value(encoded(Value{1, 2, 3, 4})).hex(),
            "bac221a608230a7a86be7756f4a0dc19b6234f13322f2f0c25626e434edf2325");
}

TEST(CodecTest, VarintsHaveOneForm) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                     std::uint64_t{1} << 35, ~std::uint64_t{0}}) {
    std::string out;
    put_varint(out, number);
    Reader reader(out);
    EXPECT_EQ(reader.varint(), number);
    EXPECT_TRUE(reader.ok() && reader.at_end());
    Reader cut(std::string_view(out).substr(0, out.size() - 1));
    cut.varint();
    EXPECT_FALSE(cut.ok());
  }
  for (const std::string& bytes : {std::string("\x80\x00", 2), std::string(9, '\xff') + '\x02',
                                   std::string(10, '\xff'), std::string(9, '\x80') + '\0'}) {
    Reader reader(bytes);
    reader.varint();
    EXPECT_FALSE(reader.ok()) << hex(bytes);
  }
}

TEST(CodecTest, Utf8IsStrict) {
  for (const char* good : {"", "ascii only, quite long", "\u00e9", "\u20ac", "\U0001F600", "\u07ff",
                           "\U0010FFFF", "12345678\u00e9", "1234567\u00e9 and more text"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xff", "\xf4\x90\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xe2\x82", "12345678\xc3", "\xf5\x80\x80\x80", "\xe2\x28\xa1"}) {
    EXPECT_FALSE(is_utf8(bad)) << hex(bad);
    std::string out = "kept";
    EXPECT_FALSE(encode(Value(bad), true, out, nullptr));
    EXPECT_EQ(out, "kept");
    const std::string bytes = std::string("\x06") + static_cast<char>(std::strlen(bad)) + bad;
    EXPECT_FALSE(decode(bytes, Kind::kString).has_value());
    EXPECT_FALSE(decode(bytes, Kind::kObject).has_value());
  }
}

TEST(CodecTest, FloatsKeepTheirBits) {
  const auto back = [](double number) { return decode(encoded(number), Kind::kFloat64); };
  EXPECT_TRUE(std::signbit(back(-0.0)->as_float64()));
  std::uint64_t bits = 0x7ff8dead0000beefULL;
  double odd;
  std::memcpy(&odd, &bits, sizeof odd);
  const double found = back(odd)->as_float64();
  EXPECT_EQ(std::memcmp(&found, &odd, sizeof odd), 0);
}

TEST(CodecTest, ColumnsAndValuesGiveTheSameBytes) {
  Random random(11);
  for (int i = 0; i < 1000; ++i) {
    const Type type = random.type();
    const Column column = random.column(type, 8).slice(random.below(4), 4);
    for (std::int64_t row = 0; row < 4; ++row) {
      for (const bool canonical : {false, true}) {
        const std::string bytes = encoded(column, row, canonical);
        EXPECT_EQ(hex(bytes), hex(encoded(column[row], canonical))) << type.name();
        EXPECT_EQ(bytes, encoded(column.cast(Kind::kObject), row, canonical)) << type.name();
      }
    }
    const Value list = Value::list(column);
    EXPECT_EQ(encoded(list), encoded(Value::list(column.cast(Kind::kObject)))) << type.name();
    EXPECT_EQ(encoded(list), encoded(Value::list(column.cast(type.optional())))) << type.name();
  }
}

TEST(CodecTest, DecodingGivesBackWhatWasEncoded) {
  Random random(12);
  for (int i = 0; i < 1500; ++i) {
    const Type type = random.type();
    const Column column = random.column(type, 6);
    for (const bool canonical : {false, true}) {
      ColumnBuilder builder(type);
      for (std::int64_t row = 0; row < column.size(); ++row) {
        const std::string bytes = encoded(column, row, canonical);
        ASSERT_TRUE(decode(bytes, builder)) << type.name();
        const std::optional<Value> value = decode(bytes, type);
        ASSERT_TRUE(value.has_value()) << type.name();
        EXPECT_EQ(hex(encoded(*value)), hex(encoded(column, row))) << type.name();
        const std::optional<Value> plain = decode(bytes, Kind::kObject);
        ASSERT_TRUE(plain.has_value()) << type.name();
        EXPECT_EQ(hex(encoded(*plain, false)), hex(bytes)) << type.name();
      }
      const Column back = builder.finish();
      EXPECT_EQ(back.type(), type);
      if (!canonical) {  // else maps are sorted
        EXPECT_EQ(back, column);
      }
    }
  }
}

TEST(CodecTest, CanonicalFormForgetsTheOrderOfMaps) {
  Random random(13);
  const Type type = Type::map(Kind::kString, Type::map(Kind::kInt64, Kind::kString));
  for (int i = 0; i < 300; ++i) {
    std::vector<std::pair<Value, Value>> entries;
    for (int e = 0; e < 1 + random.below(6); ++e) {
      entries.emplace_back(std::to_string(e), random.value(type.fields()[1].type));
    }
    const Value map = map_of(entries, type);
    std::shuffle(entries.begin(), entries.end(), std::minstd_rand(static_cast<unsigned>(i)));
    const Value shuffled = map_of(entries, type);
    EXPECT_EQ(encoded(map), encoded(shuffled));

    bool unordered = false;
    std::string plain;
    ASSERT_TRUE(encode(shuffled, false, plain, &unordered));
    EXPECT_EQ(unordered, plain != encoded(shuffled));
    unordered = false;
    std::string canonical;
    ASSERT_TRUE(encode(shuffled, true, canonical, &unordered));
    EXPECT_EQ(unordered, plain != canonical);
    const std::optional<Value> back = decode(canonical, type);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(encoded(*back, false), canonical);
  }
}

TEST(CodecTest, StructsEqualMapsOfTheirFields) {
  const Type type = Type::structure({{"b", Kind::kInt64}, {"a", Kind::kInt64}});
  const Value map = map_of({{"a", 1}, {"b", 2}}, Type::map(Kind::kString, Kind::kInt64));
  EXPECT_EQ(encoded(Value::structure(type, {2, 1})), encoded(map));
}

TEST(CodecTest, StructFieldsMayComeInAnyOrderButExactly) {
  const std::string b = "060162030700000000000000";
  const std::string a = "060161060178";
  const auto from_hex = [](const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 2) {
      out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    }
    return out;
  };
  const Type type = struct_ab();
  EXPECT_EQ(decode(from_hex("0a02" + b + a), type), value_ab());
  EXPECT_EQ(decode(from_hex("0a02" + a + b), type), value_ab());
  for (const std::string& wrong :
       {"0a01" + a, "0a02" + a + a, "0a02" + b + b, "0a03" + a + b + a,
        "0a02" + a + "060163" + "00", std::string("0a00"), std::string("00"), "0b02" + a + b}) {
    EXPECT_FALSE(decode(from_hex(wrong), type).has_value()) << wrong;
  }
}

TEST(CodecTest, DecodingChecksTheType) {
  const auto accepts = [](const Value& value, const Type& type) {
    const std::string bytes = encoded(value);
    const bool typed = decode(bytes, type).has_value();
    ColumnBuilder builder(type);
    EXPECT_EQ(decode(bytes, builder), typed);
    EXPECT_EQ(builder.size(), typed ? 1 : 0);
    return typed;
  };
  const Type optional = Type(Kind::kInt64).optional();
  EXPECT_TRUE(accepts(1, Kind::kInt64));
  EXPECT_TRUE(accepts(1, Kind::kFloat64));
  EXPECT_TRUE(accepts(nullptr, optional));
  EXPECT_TRUE(accepts(1, optional));
  EXPECT_TRUE(accepts(Value{1, 2}, Type::list(Kind::kInt64)));
  EXPECT_TRUE(accepts(Value{1, 2}, Type::list(Kind::kFloat64)));
  EXPECT_TRUE(accepts(Value{1, 2}, Type::list(optional)));
  EXPECT_TRUE(accepts(Value{1, 2}, Type::list(Kind::kObject)));
  EXPECT_TRUE(accepts(Value{1.5}, Type::list(Kind::kObject)));
  EXPECT_TRUE(accepts(Value::list(Column()), Type::list(Kind::kString)));
  EXPECT_FALSE(accepts(1.5, Kind::kInt64));
  EXPECT_FALSE(accepts(true, Kind::kInt64));
  EXPECT_FALSE(accepts(nullptr, Kind::kInt64));
  EXPECT_FALSE(accepts("a", Kind::kBytes));
  EXPECT_FALSE(accepts(Value::bytes("a"), Kind::kString));
  EXPECT_FALSE(accepts(Value{1.5}, Type::list(Kind::kInt64)));
  EXPECT_FALSE(accepts(Value{1}, Type::list(Kind::kString)));
  EXPECT_FALSE(accepts(Value{1, nullptr}, Type::list(Kind::kInt64)));
  EXPECT_FALSE(accepts(1, Type::list(Kind::kInt64)));
  EXPECT_FALSE(accepts(value_ab(), Type::map(Kind::kString, Kind::kInt64)));
  EXPECT_FALSE(accepts(1, Kind::kNull));
  EXPECT_TRUE(accepts(nullptr, Kind::kNull));
}

TEST(CodecTest, EmptyPackedListsAreNoValues) {
  for (const char tag : {'\x0d', '\x0e'}) {
    const std::string bytes{tag, '\0'};
    EXPECT_FALSE(decode(bytes, Type::list(Kind::kInt64)).has_value());
    EXPECT_FALSE(decode(bytes, Kind::kObject).has_value());
  }
}

std::string nested_lists(int depth) {
  std::string bytes;
  for (int i = 0; i < depth; ++i) bytes += "\x08\x01";
  return bytes + '\0';
}

Value nested_value(int depth) {
  Value value;
  for (int i = 0; i < depth; ++i) value = Value::list(Column::objects({value}));
  return value;
}

TEST(CodecTest, DepthIsLimitedBothWays) {
  EXPECT_EQ(encoded(nested_value(kMaxDepth)), nested_lists(kMaxDepth));
  EXPECT_TRUE(decode(nested_lists(kMaxDepth), Kind::kObject).has_value());
  std::string out;
  EXPECT_FALSE(encode(nested_value(kMaxDepth + 1), true, out, nullptr));
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(decode(nested_lists(kMaxDepth + 1), Kind::kObject).has_value());
  EXPECT_FALSE(decode(nested_lists(1'000'000), Kind::kObject).has_value());
}

/// Decodes what may be anything: it fails, or gives one whole row; the rows before it stay.
void expect_safe(std::string_view bytes, const Type& type, const Column& before) {
  ColumnBuilder builder(type);
  builder.append_rows(before, 0, before.size());
  const bool fits = decode(bytes, builder);
  ASSERT_EQ(builder.size(), before.size() + (fits ? 1 : 0));
  const Column column = builder.finish();
  ASSERT_EQ(column.slice(0, before.size()), before);
  if (fits) {
    std::string again;
    ASSERT_TRUE(encode(column, before.size(), false, again, nullptr));
    ASSERT_LE(again.size(), bytes.size());
  }
}

TEST(HostileBytesTest, EveryTruncationFails) {
  Random random(14);
  for (int i = 0; i < 150; ++i) {
    const Type type = random.type();
    const Column before = random.column(type, 3);
    const std::string bytes = encoded(before, 0);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::string cut = bytes.substr(0, size);
      EXPECT_FALSE(decode(cut, type).has_value());
      EXPECT_FALSE(decode(cut, Kind::kObject).has_value());
      expect_safe(cut, type, before);
    }
    EXPECT_FALSE(decode(bytes + '\0', type).has_value());
    EXPECT_FALSE(decode(bytes + '\0', Kind::kObject).has_value());
  }
}

TEST(HostileBytesTest, EveryBitFlipIsSafe) {
  Random random(15);
  for (int i = 0; i < 150; ++i) {
    const Type type = random.type();
    const Column before = random.column(type, 3);
    std::string bytes = encoded(before, 0);
    for (std::size_t bit = 0; bit < bytes.size() * 8 && bit < 2000; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      expect_safe(bytes, type, before);
      expect_safe(bytes, Kind::kObject, Column::objects({1, "a"}));
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
  }
}

TEST(HostileBytesTest, RandomBytesAreSafe) {
  Random random(16);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = random.bytes(random.below(60));
    // Small bytes are tags and counts, so they get further.
    for (char& c : bytes) {
      if (random.below(2) == 0) c = static_cast<char>(c & 15);
    }
    const Type type = i % 2 == 0 ? Type(Kind::kObject) : random.type();
    expect_safe(bytes, type, random.column(type, 1));
  }
}

TEST(HostileBytesTest, HugeCountsCostNothing) {
  for (const int tag : {6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
    std::string bytes(1, static_cast<char>(tag));
    put_varint(bytes, std::uint64_t{1} << 60);
    bytes += "abc";
    for (const Type& type : {Type(Kind::kObject), Type(Kind::kString), Type::list(Kind::kInt64),
                             Type::list(Kind::kFloat64), Type::list(Kind::kNull),
                             Type::map(Kind::kString, Kind::kNull), struct_ab()}) {
      EXPECT_FALSE(decode(bytes, type).has_value());
    }
  }
}

/// Stands in for Python: an object encodes as given and is decoded to its bytes.
struct Runtime {
  static inline std::string encoding;
  static inline std::vector<std::string> decoded;

  Runtime() {
    static const detail::ObjectRuntime table = [] {
      detail::ObjectRuntime made{};
      made.retain = [](void*) noexcept {};
      made.release = [](void*) noexcept {};
      made.release_many = [](const Value*, std::size_t) noexcept {};
      made.encode = [](void* object, bool, std::string& out, bool* unordered) {
        out += encoding;
        *unordered = true;
        return object != nullptr;
      };
      made.decode = [](std::string_view bytes, Value* out) {
        decoded.emplace_back(bytes);
        *out = Value::bytes(std::string(bytes));
        return bytes != "\x01";
      };
      return made;
    }();
    decoded.clear();
    detail::install(&table);
  }
  ~Runtime() { detail::install(nullptr); }
};

TEST(ObjectCodecTest, TheRuntimeEncodesObjects) {
  const Runtime runtime;
  Runtime::encoding = "\x02";
  int object = 0;
  bool unordered = false;
  std::string out;
  EXPECT_TRUE(
      encode(Value::list(Column::objects({Value::object(&object), 1})), true, out, &unordered));
  EXPECT_EQ(hex(out), "080202030100000000000000");
  EXPECT_TRUE(unordered);
  EXPECT_FALSE(encode(Value::object(nullptr), true, out, &unordered));
}

TEST(ObjectCodecTest, ObjectsThatEncodeAsWordsArePacked) {
  const Runtime runtime;
  Runtime::encoding = encoded(5);
  int object = 0;
  bool unordered = false;
  std::string out;
  const Value list = Value::list(Column::objects({Value::object(&object), 6}));
  EXPECT_TRUE(encode(list, true, out, &unordered));
  EXPECT_EQ(out, encoded(Value{5, 6}));
}

TEST(ObjectCodecTest, TheRuntimeDecodesObjectsInPlace) {
  const Runtime runtime;
  const Type type = Type::structure({{"a", Kind::kObject}, {"b", Type::list(Kind::kObject)}});
  const Type plain = Type::structure({{"a", Kind::kString}, {"b", Type::list(Kind::kString)}});
  const std::string bytes = encoded(Value::structure(plain, {"x", Value{"y", "z"}}));
  EXPECT_TRUE(decode(bytes, type).has_value());
  EXPECT_EQ(Runtime::decoded, (std::vector<std::string>{encoded("x"), encoded("y"), encoded("z")}));
  EXPECT_FALSE(decode("\x01", Kind::kObject).has_value());
}

TEST(ObjectCodecTest, TheRuntimeSeesWellFormedBytesOnly) {
  const Runtime runtime;
  Random random(17);
  std::vector<std::string> good = {
      std::string("\x04\x01\x02\x01\x02", 5),                           // big int
      std::string("\x09\x02\x00\x01", 4),                               // tuple
      std::string("\x0b\x01\x03\x01\x00\x00\x00\x00\x00\x00\x00", 11),  // set
      std::string("\x0f\x02<i\x01\x02\x02\xff\xff", 9),                 // array
      nested_lists(kMaxDepth),
  };
  for (const std::string& bytes : good) {
    EXPECT_TRUE(decode(bytes, Kind::kObject).has_value()) << hex(bytes);
    EXPECT_FALSE(decode(bytes + '\0', Kind::kObject).has_value());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode(bytes.substr(0, size), Kind::kObject).has_value());
    }
  }
  EXPECT_FALSE(decode(nested_lists(kMaxDepth + 1), Kind::kObject).has_value());
  EXPECT_FALSE(decode(std::string("\x04\x02\x01\x01", 4), Kind::kObject).has_value());
  EXPECT_FALSE(decode(std::string("\x04\x00\x01\x00", 4), Kind::kObject).has_value());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = random.bytes(random.below(40));
    for (char& c : bytes) c = static_cast<char>(random.below(2) == 0 ? c & 15 : c);
    decode(bytes, Kind::kObject);
  }
}

}  // namespace
}  // namespace hypernodes::codec
