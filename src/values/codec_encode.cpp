// SPDX-License-Identifier: MIT
#include <cstring>

#include "values/codec.hpp"
#include "values/column_data.hpp"
#include "values/object_runtime.hpp"
#include "values/utf8.hpp"

namespace hypernodes::codec {
namespace {

using detail::ColumnAccess;

template <typename Word>
void put_tagged(std::string& out, Tag tag, Word word) {
  char bytes[1 + sizeof word];
  bytes[0] = static_cast<char>(tag);
  std::memcpy(bytes + 1, &word, sizeof word);
  out.append(bytes, sizeof bytes);
}

template <typename Word>
void put_words(std::string& out, Tag tag, const Word* words, std::int64_t count) {
  put_tag(out, tag);
  put_varint(out, static_cast<std::uint64_t>(count));
  out.append(reinterpret_cast<const char*>(words), static_cast<std::size_t>(count) * sizeof *words);
}

void put_text(std::string& out, Tag tag, std::string_view text) {
  put_tag(out, tag);
  put_varint(out, text.size());
  out.append(text);
}

/// Turns the values written from `begin` on into the packed form if all of them are words of `tag`.
void pack(std::string& out, std::size_t head, std::size_t begin, std::int64_t count, Tag tag,
          Tag packed) {
  constexpr std::size_t kWord = 8;
  if (out.size() - begin != static_cast<std::size_t>(count) * (1 + kWord)) return;
  for (std::size_t at = begin; at < out.size(); at += 1 + kWord) {
    if (out[at] != static_cast<char>(tag)) return;
  }
  out[head] = static_cast<char>(packed);
  char* to = out.data() + begin;
  for (std::int64_t i = 0; i < count; ++i, to += kWord) std::memmove(to, to + 1 + i, kWord);
  out.resize(begin + static_cast<std::size_t>(count) * kWord);
}

class Encoder {
 public:
  Encoder(bool canonical, std::string& out, bool* unordered)
      : canonical_(canonical), out_(out), unordered_(unordered) {}

  bool value(const Value& item);
  bool row(const Column& column, std::int64_t row);

 private:
  bool text(Tag tag, std::string_view bytes);
  bool list(const Column& elements);
  bool map(const Column& entries);
  bool object(void* reference);
  /// Writes `count` entries of a map: `entry(i)` writes the key and value of one.
  template <typename Entry>
  bool entries(std::int64_t count, Entry entry);
  template <typename Content>
  bool nested(Content content) {
    if (depth_ == kMaxDepth) return false;
    ++depth_;
    const bool done = content();
    --depth_;
    return done;
  }

  const bool canonical_;
  std::string& out_;
  bool* const unordered_;
  int depth_ = 0;
};

bool Encoder::text(Tag tag, std::string_view bytes) {
  if (tag == Tag::kString && !is_utf8(bytes)) return false;
  put_text(out_, tag, bytes);
  return true;
}

bool Encoder::object(void* reference) {
  return detail::object_runtime()->encode(reference, canonical_, out_, unordered_);
}

bool Encoder::list(const Column& elements) {
  const std::int64_t count = elements.size();
  const Kind kind = elements.type().kind();
  if (count > 0 && kind == Kind::kInt64 && !elements.has_nulls()) {
    put_words(out_, Tag::kInt64List, elements.int64s(), count);
    return depth_ < kMaxDepth;
  }
  if (count > 0 && kind == Kind::kFloat64 && !elements.has_nulls()) {
    put_words(out_, Tag::kFloat64List, elements.float64s(), count);
    return depth_ < kMaxDepth;
  }
  const std::size_t head = out_.size();
  put_tag(out_, Tag::kList);
  put_varint(out_, static_cast<std::uint64_t>(count));
  const std::size_t begin = out_.size();
  const bool done = nested([&] {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!row(elements, i)) return false;
    }
    return true;
  });
  if (done && count > 0 && kind == Kind::kObject) {
    pack(out_, head, begin, count, Tag::kInt64, Tag::kInt64List);
    pack(out_, head, begin, count, Tag::kFloat64, Tag::kFloat64List);
  }
  return done;
}

template <typename Entry>
bool Encoder::entries(std::int64_t count, Entry entry) {
  put_tag(out_, Tag::kMap);
  put_varint(out_, static_cast<std::uint64_t>(count));
  const std::size_t begin = out_.size();
  std::vector<std::size_t> ends;
  if (canonical_) ends.reserve(static_cast<std::size_t>(count));
  std::size_t previous = begin;
  bool sorted = true;
  const bool done = nested([&] {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::size_t from = out_.size();
      if (!entry(i)) return false;
      const std::string_view all = out_;
      sorted = sorted && all.substr(previous, from - previous) <= all.substr(from);
      previous = from;
      if (canonical_) ends.push_back(out_.size());
    }
    return true;
  });
  if (!done || sorted) return done;
  if (unordered_ != nullptr) *unordered_ = true;
  if (canonical_) sort_entries(out_, begin, ends);
  return true;
}

bool Encoder::map(const Column& entries_column) {
  const Column keys = entries_column.field(0);
  const Column values = entries_column.field(1);
  return entries(keys.size(), [&](std::int64_t i) { return row(keys, i) && row(values, i); });
}

bool Encoder::value(const Value& item) {
  switch (item.kind()) {
    case Kind::kNull:
      put_tag(out_, Tag::kNull);
      return true;
    case Kind::kBool:
      put_tag(out_, item.as_bool() ? Tag::kTrue : Tag::kFalse);
      return true;
    case Kind::kInt64:
      put_tagged(out_, Tag::kInt64, item.as_int64());
      return true;
    case Kind::kFloat64:
      put_tagged(out_, Tag::kFloat64, item.as_float64());
      return true;
    case Kind::kString:
      return text(Tag::kString, item.as_text());
    case Kind::kBytes:
      return text(Tag::kBytes, item.as_text());
    case Kind::kList:
      return list(item.as_column());
    case Kind::kMap:
      return map(item.as_column());
    case Kind::kStruct: {
      const Type type = item.type();
      const std::vector<Value>& fields = item.as_fields();
      return entries(static_cast<std::int64_t>(fields.size()), [&](std::int64_t i) {
        const auto index = static_cast<std::size_t>(i);
        return text(Tag::kString, type.fields()[index].name) && value(fields[index]);
      });
    }
    default:
      return object(item.as_object());
  }
}

bool Encoder::row(const Column& column, std::int64_t row_index) {
  const auto& data = ColumnAccess::data(column);
  const Kind kind = data.type.kind();
  if (kind == Kind::kObject) return value(column.objects()[row_index]);
  const std::int64_t begin = ColumnAccess::begin(column);
  if (kind == Kind::kNull || ColumnAccess::null_bit(data, begin, row_index)) {
    put_tag(out_, Tag::kNull);
    return true;
  }
  const std::int64_t at = begin + row_index;
  switch (kind) {
    case Kind::kBool:
      put_tag(out_, bits::get(data.data.as<std::uint8_t>(), at) ? Tag::kTrue : Tag::kFalse);
      return true;
    case Kind::kInt64:
      put_tagged(out_, Tag::kInt64, data.data.as<std::int64_t>()[at]);
      return true;
    case Kind::kFloat64:
      put_tagged(out_, Tag::kFloat64, data.data.as<double>()[at]);
      return true;
    case Kind::kString:
      return text(Tag::kString, column.text_at(row_index));
    case Kind::kBytes:
      return text(Tag::kBytes, column.text_at(row_index));
    case Kind::kList:
      return list(column.elements_of(row_index));
    case Kind::kMap:
      return map(column.elements_of(row_index));
    default:
      return entries(static_cast<std::int64_t>(data.children.size()), [&](std::int64_t i) {
        const auto index = static_cast<std::size_t>(i);
        return text(Tag::kString, data.type.fields()[index].name) && row(data.children[index], at);
      });
  }
}

}  // namespace

std::string refusal() {
  const detail::ObjectRuntime* const runtime = detail::object_runtime();
  return runtime == nullptr ? std::string() : runtime->refusal();
}

bool encode(const Value& value, bool canonical, std::string& out, bool* unordered) {
  const std::size_t size = out.size();
  if (Encoder(canonical, out, unordered).value(value)) return true;
  out.resize(size);
  return false;
}

bool encode(const Column& column, std::int64_t row, bool canonical, std::string& out,
            bool* unordered) {
  const std::size_t size = out.size();
  if (Encoder(canonical, out, unordered).row(column, row)) return true;
  out.resize(size);
  return false;
}

}  // namespace hypernodes::codec
