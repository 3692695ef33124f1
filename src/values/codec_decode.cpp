// SPDX-License-Identifier: MIT
#include <cstring>
#include <utility>

#include "values/codec.hpp"
#include "values/codec_plain.hpp"
#include "values/object_runtime.hpp"
#include "values/utf8.hpp"

namespace hypernodes::codec {
namespace {

constexpr std::size_t kWord = 8;

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
    std::optional<Value> value = read_plain(reader_, depth);
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
  std::optional<Value> value = read_plain(reader, 0);
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
    case Kind::kObject: {
      const detail::ObjectRuntime* const runtime = detail::object_runtime();
      if (runtime == nullptr) return decode_plain(encoded);
      Reader reader(encoded);
      Value value;
      const bool sound = skip(reader, 0) && reader.ok() && reader.at_end();
      if (!sound || !runtime->decode(encoded, &value)) return {};
      return value;
    }
    case Kind::kList:
    case Kind::kMap:
    case Kind::kStruct: {
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
