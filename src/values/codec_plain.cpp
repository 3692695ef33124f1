// SPDX-License-Identifier: MIT
#include "values/codec_plain.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "values/utf8.hpp"

namespace hypernodes::codec {
namespace {

constexpr std::size_t kWord = 8;

bool skip_items(Reader& reader, std::uint64_t count, int depth) {
  if (depth == kMaxDepth) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!skip(reader, depth + 1)) return false;
  }
  return reader.ok();
}

bool skip_big_int(Reader& reader) {
  const auto sign = reader.word<std::uint8_t>();
  const std::string_view magnitude = reader.take(reader.varint());
  return reader.ok() && sign <= 1 && !magnitude.empty() && magnitude.back() != 0;
}

bool skip_array(Reader& reader) {
  const std::string_view dtype = reader.take(reader.varint());
  for (std::uint64_t left = reader.count(1); left > 0; --left) reader.varint();
  reader.take(reader.varint());
  return reader.ok() && is_utf8(dtype);
}

class PlainReader {
 public:
  explicit PlainReader(Reader& reader) : reader_(reader) {}
  std::optional<Value> read(int depth);

 private:
  std::optional<Value> text(bool bytes);
  std::optional<Value> list(int depth);
  std::optional<Value> map(int depth);
  template <typename Word>
  std::optional<Value> words(Kind kind, int depth);
  static Column column(std::vector<Value> items);

  Reader& reader_;
};

/// Typed if all have one type, else of objects.
Column PlainReader::column(std::vector<Value> items) {
  Type type;
  for (const Value& item : items) {
    if (item.is_null()) continue;
    const Type found = item.type();
    if (type.kind() != Kind::kNull && !(type == found)) return Column::objects(std::move(items));
    type = found;
  }
  const bool nulls =
      std::any_of(items.begin(), items.end(), [](const Value& v) { return v.is_null(); });
  return Column::of(nulls ? type.optional() : type, items);
}

std::optional<Value> PlainReader::text(bool bytes) {
  const std::string_view found = reader_.take(reader_.varint());
  if (!reader_.ok()) return {};
  if (bytes) return Value::bytes(std::string(found));
  if (!is_utf8(found)) return {};
  return Value(found);
}

template <typename Word>
std::optional<Value> PlainReader::words(Kind kind, int depth) {
  const std::uint64_t count = reader_.count(sizeof(Word));
  const std::string_view found = reader_.take(count * sizeof(Word));
  if (count == 0 || !reader_.ok() || depth == kMaxDepth) return {};
  Buffer data = Buffer::allocate(found.size());
  std::memcpy(data.mutable_as<char>(), found.data(), found.size());
  return Value::list(
      Column::assemble(kind, static_cast<std::int64_t>(count), {}, {}, std::move(data)));
}

std::optional<Value> PlainReader::list(int depth) {
  const std::uint64_t count = reader_.count(1);
  if (!reader_.ok() || depth == kMaxDepth) return {};
  std::vector<Value> items;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::optional<Value> item = read(depth + 1);
    if (!item) return {};
    items.push_back(std::move(*item));
  }
  return Value::list(column(std::move(items)));
}

std::optional<Value> PlainReader::map(int depth) {
  const std::uint64_t count = reader_.count(2);
  if (!reader_.ok() || depth == kMaxDepth) return {};
  std::vector<Value> sides[2];
  for (std::uint64_t i = 0; i < 2 * count; ++i) {
    std::optional<Value> item = read(depth + 1);
    if (!item) return {};
    sides[i % 2].push_back(std::move(*item));
  }
  Column keys = column(std::move(sides[0]));
  Column values = column(std::move(sides[1]));
  const Type entry = Type::structure({{"key", keys.type()}, {"value", values.type()}});
  return Value::map(Column::assemble(entry, static_cast<std::int64_t>(count), {}, {}, {},
                                     {std::move(keys), std::move(values)}));
}

std::optional<Value> PlainReader::read(int depth) {
  const Tag tag = reader_.tag();
  if (!reader_.ok()) return {};
  switch (tag) {
    case Tag::kNull:
      return Value();
    case Tag::kFalse:
    case Tag::kTrue:
      return Value(tag == Tag::kTrue);
    case Tag::kInt64: {
      const auto number = reader_.word<std::int64_t>();
      return reader_.ok() ? std::optional<Value>(number) : std::nullopt;
    }
    case Tag::kFloat64: {
      const auto number = reader_.word<double>();
      return reader_.ok() ? std::optional<Value>(number) : std::nullopt;
    }
    case Tag::kString:
    case Tag::kBytes:
      return text(tag == Tag::kBytes);
    case Tag::kList:
      return list(depth);
    case Tag::kInt64List:
      return words<std::int64_t>(Kind::kInt64, depth);
    case Tag::kFloat64List:
      return words<double>(Kind::kFloat64, depth);
    case Tag::kMap:
      return map(depth);
    default:
      return {};
  }
}

}  // namespace

bool skip(Reader& reader, int depth) {
  switch (reader.tag()) {
    case Tag::kNull:
    case Tag::kFalse:
    case Tag::kTrue:
      return reader.ok();
    case Tag::kInt64:
    case Tag::kFloat64:
      reader.take(kWord);
      return reader.ok();
    case Tag::kBigInt:
      return skip_big_int(reader);
    case Tag::kString:
      return is_utf8(reader.take(reader.varint())) && reader.ok();
    case Tag::kBytes:
      reader.take(reader.varint());
      return reader.ok();
    case Tag::kList:
    case Tag::kTuple:
    case Tag::kSet:
    case Tag::kFrozenSet:
      return skip_items(reader, reader.count(1), depth);
    case Tag::kMap:
      return skip_items(reader, 2 * reader.count(2), depth);
    case Tag::kInt64List:
    case Tag::kFloat64List:
      reader.take(reader.count(kWord) * kWord);
      return reader.ok() && depth < kMaxDepth;
    case Tag::kArray:
      return skip_array(reader);
    case Tag::kDigest:
      return false;
  }
  return false;
}

std::optional<Value> read_plain(Reader& reader, int depth) {
  return PlainReader(reader).read(depth);
}

}  // namespace hypernodes::codec
