// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <utility>

#include "values/codec.hpp"
#include "values/object_runtime.hpp"
#include "values/utf8.hpp"

namespace hypernodes::codec {
namespace {

constexpr std::size_t kWord = 8;

/// Reads past one value of any tag, checking all of it.
bool skip(Reader& reader, int depth);

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
  }
  return false;
}

/// Reads plain values, whose types follow from the bytes. What only Python makes is refused.
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

/// Reads values of a known type. On failure the builder may hold part of a row.
class TypedReader {
 public:
  explicit TypedReader(std::string_view bytes) : bytes_(bytes), reader_(bytes) {}
  bool whole(ColumnBuilder& to) { return row(to, 0) && reader_.ok() && reader_.at_end(); }

 private:
  bool row(ColumnBuilder& to, int depth);
  bool float64(Tag tag, ColumnBuilder& to);
  bool text(ColumnBuilder& to, bool utf8);
  bool list(Tag tag, ColumnBuilder& to, int depth);
  template <typename Word>
  bool words(Kind own, ColumnBuilder& elements, std::uint64_t* count);
  bool map(ColumnBuilder& to, int depth);
  bool structure(ColumnBuilder& to, int depth);
  bool object(ColumnBuilder& to, int depth);

  std::string_view bytes_;
  Reader reader_;
};

bool TypedReader::float64(Tag tag, ColumnBuilder& to) {
  double number = 0;
  if (tag == Tag::kFloat64) {
    number = reader_.word<double>();
  } else if (tag == Tag::kInt64) {
    number = static_cast<double>(reader_.word<std::int64_t>());
  } else {
    return false;
  }
  if (reader_.ok()) to.append_float64(number);
  return reader_.ok();
}

bool TypedReader::text(ColumnBuilder& to, bool utf8) {
  const std::string_view found = reader_.take(reader_.varint());
  if (!reader_.ok() || (utf8 && !is_utf8(found))) return false;
  to.append_text(found);
  return true;
}

/// The elements of a packed list of `Word`, whose builders are of kind `own`.
template <typename Word>
bool TypedReader::words(Kind own, ColumnBuilder& elements, std::uint64_t* count) {
  const Kind kind = elements.type().kind();
  const bool widens = own == Kind::kInt64 && kind == Kind::kFloat64;
  if (kind != own && kind != Kind::kObject && !widens) return false;
  *count = reader_.count(sizeof(Word));
  const std::string_view found = reader_.take(*count * sizeof(Word));
  if (*count == 0) return false;
  if (kind == own) {
    elements.append_words(found.data(), static_cast<std::int64_t>(*count));
    return true;
  }
  Reader each(found);
  elements.reserve(static_cast<std::int64_t>(*count));
  for (std::uint64_t i = 0; i < *count; ++i) {
    const Word word = each.word<Word>();
    if (widens) {
      elements.append_float64(static_cast<double>(word));
    } else {
      elements.append_object(word);
    }
  }
  return true;
}

bool TypedReader::list(Tag tag, ColumnBuilder& to, int depth) {
  if (depth == kMaxDepth) return false;
  ColumnBuilder& elements = to.child(0);
  std::uint64_t count = 0;
  if (tag == Tag::kInt64List) {
    if (!words<std::int64_t>(Kind::kInt64, elements, &count)) return false;
  } else if (tag == Tag::kFloat64List) {
    if (!words<double>(Kind::kFloat64, elements, &count)) return false;
  } else {
    if (tag != Tag::kList) return false;
    count = reader_.count(1);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!row(elements, depth + 1)) return false;
    }
  }
  if (reader_.ok()) to.append_list(static_cast<std::int64_t>(count));
  return reader_.ok();
}

bool TypedReader::map(ColumnBuilder& to, int depth) {
  if (depth == kMaxDepth) return false;
  ColumnBuilder& entries = to.child(0);
  const std::uint64_t count = reader_.count(2);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!row(entries.child(0), depth + 1) || !row(entries.child(1), depth + 1)) return false;
    entries.append_struct();
  }
  if (reader_.ok()) to.append_list(static_cast<std::int64_t>(count));
  return reader_.ok();
}

bool TypedReader::structure(ColumnBuilder& to, int depth) {
  const std::vector<Field>& fields = to.type().fields();
  if (depth == kMaxDepth || reader_.count(2) != fields.size()) return false;
  const std::int64_t rows = to.size();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (reader_.tag() != Tag::kString) return false;
    const std::string_view name = reader_.take(reader_.varint());
    // Usually the fields come in order; each may come once.
    const auto unread = [&](std::size_t f) {
      return fields[f].name == name && to.child(f).size() == rows;
    };
    std::size_t field = i;
    if (!unread(i)) {
      for (field = 0; field < fields.size() && !unread(field); ++field) continue;
    }
    if (!reader_.ok() || field == fields.size()) return false;
    if (!row(to.child(field), depth + 1)) return false;
  }
  if (reader_.ok()) to.append_struct();
  return reader_.ok();
}

bool TypedReader::object(ColumnBuilder& to, int depth) {
  const detail::ObjectRuntime* runtime = detail::object_runtime();
  if (runtime == nullptr) {
    std::optional<Value> value = PlainReader(reader_).read(depth);
    if (value) to.append_object(std::move(*value));
    return value.has_value();
  }
  const std::string_view from = bytes_.substr(bytes_.size() - reader_.remaining());
  if (!skip(reader_, depth)) return false;
  Value value;
  if (!runtime->decode(from.substr(0, from.size() - reader_.remaining()), &value)) return false;
  to.append_object(std::move(value));
  return true;
}

bool TypedReader::row(ColumnBuilder& to, int depth) {
  const Type& type = to.type();
  if (type.kind() == Kind::kObject) return object(to, depth);
  const Tag tag = reader_.tag();
  if (!reader_.ok()) return false;
  if (tag == Tag::kNull) {
    if (type.nullable()) to.append_null();
    return type.nullable();
  }
  switch (type.kind()) {
    case Kind::kBool:
      if (tag != Tag::kTrue && tag != Tag::kFalse) return false;
      to.append_bool(tag == Tag::kTrue);
      return true;
    case Kind::kInt64: {
      const auto number = reader_.word<std::int64_t>();
      if (tag != Tag::kInt64 || !reader_.ok()) return false;
      to.append_int64(number);
      return true;
    }
    case Kind::kFloat64:
      return float64(tag, to);
    case Kind::kString:
      return tag == Tag::kString && text(to, true);
    case Kind::kBytes:
      return tag == Tag::kBytes && text(to, false);
    case Kind::kList:
      return list(tag, to, depth);
    case Kind::kMap:
      return tag == Tag::kMap && map(to, depth);
    case Kind::kStruct:
      return tag == Tag::kMap && structure(to, depth);
    default:
      return false;
  }
}

/// Takes back what a failed or interrupted decoding has appended.
class Rollback {
 public:
  explicit Rollback(ColumnBuilder& builder) : builder_(builder), rows_(builder.size()) {}
  ~Rollback() {
    if (!kept_) builder_.truncate(rows_);
  }
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  bool keep(bool kept) { return kept_ = kept; }

 private:
  ColumnBuilder& builder_;
  std::int64_t rows_;
  bool kept_ = false;
};

std::optional<Value> decode_plain(std::string_view encoded) {
  Reader reader(encoded);
  std::optional<Value> value = PlainReader(reader).read(0);
  if (!reader.ok() || !reader.at_end()) return {};
  return value;
}

}  // namespace

bool decode(std::string_view encoded, ColumnBuilder& builder) {
  const auto is_word = [&](Tag tag) {
    return encoded.size() == 1 + kWord && encoded[0] == static_cast<char>(tag);
  };
  if (builder.type().kind() == Kind::kInt64 && is_word(Tag::kInt64)) {
    std::int64_t number;
    std::memcpy(&number, encoded.data() + 1, sizeof number);
    builder.append_int64(number);
    return true;
  }
  if (builder.type().kind() == Kind::kFloat64 && is_word(Tag::kFloat64)) {
    double number;
    std::memcpy(&number, encoded.data() + 1, sizeof number);
    builder.append_float64(number);
    return true;
  }
  Rollback rollback(builder);
  return rollback.keep(TypedReader(encoded).whole(builder));
}

std::optional<Value> decode(std::string_view encoded, const Type& type) {
  switch (type.kind()) {
    case Kind::kList:
    case Kind::kMap:
    case Kind::kStruct:
    case Kind::kObject: {
      ColumnBuilder builder(type);
      if (!decode(encoded, builder)) return {};
      return builder.finish()[0];
    }
    default: {
      std::optional<Value> value = decode_plain(encoded);
      if (!value || (value->is_null() && !type.nullable())) return {};
      if (value->kind() == Kind::kInt64 && type.kind() == Kind::kFloat64) {
        return Value(static_cast<double>(value->as_int64()));
      }
      if (!value->is_null() && value->kind() != type.kind()) return {};
      return value;
    }
  }
}

}  // namespace hypernodes::codec
