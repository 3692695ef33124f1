// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"

namespace hypernodes {

using detail::ColumnAccess;

namespace {

/// Hands a vector's memory to a buffer.
template <typename Vector>
Buffer hand_over(Vector& vector) {
  if (vector.empty()) return {};
  auto owner = std::make_shared<const Vector>(std::move(vector));
  return {owner->data(), owner->size() * sizeof(typename Vector::value_type), owner};
}

/// Room for `count`, growing by doubling so that many small reserves stay linear.
template <typename Words>
void make_room(Words& words, std::size_t count) {
  if (count > words.capacity()) words.reserve(std::max(count, 2 * words.size()));
}

template <typename Words, typename T>
void extend(Words& words, const T* from, std::int64_t rows) {
  words.insert(words.end(), from, from + rows);
}

/// Appends bits to a vector of them; `size` is how many it has.
template <typename Words>
void extend_bits(Words& words, std::int64_t size, const std::uint8_t* from, std::int64_t begin,
                 std::int64_t rows) {
  words.resize(bits::bytes_for(size + rows), 0);
  if ((size & 7) == 0) {
    bits::copy(words.data() + (size >> 3), from, begin, rows);
    return;
  }
  for (std::int64_t i = 0; i < rows; ++i)
    bits::set(words.data(), size + i, bits::get(from, begin + i));
}

template <typename Words>
void push_bit(Words& words, std::int64_t size, bool value) {
  if ((size & 7) == 0) words.push_back(0);
  words.back() = static_cast<std::uint8_t>(words.back() | (unsigned{value} << (size & 7)));
}

template <typename Words>
void drop_bits(Words& words, std::int64_t size) {
  words.resize(bits::bytes_for(size));
  if ((size & 7) != 0) words.back() &= static_cast<std::uint8_t>((1U << (size & 7)) - 1);
}

bool has_offsets(Kind kind) {
  return kind == Kind::kString || kind == Kind::kBytes || kind == Kind::kList || kind == Kind::kMap;
}

[[noreturn]] void refuse(const Type& type, const Value& value) {
  throw TypeError("expected " + type.name() + " but got " + value.type().name());
}

}  // namespace

ColumnBuilder::ColumnBuilder(Type type) : type_(std::move(type)) {
  switch (type_.kind()) {
    case Kind::kList:
      children_.emplace_back(type_.element());
      break;
    case Kind::kMap:
      children_.emplace_back(Type::structure(type_.fields()));
      break;
    case Kind::kStruct:
      children_.reserve(type_.fields().size());
      for (const Field& field : type_.fields()) children_.emplace_back(field.type);
      break;
    default:
      break;
  }
  reset();
}

ColumnBuilder::ColumnBuilder(ColumnBuilder&&) noexcept = default;
ColumnBuilder& ColumnBuilder::operator=(ColumnBuilder&&) noexcept = default;
ColumnBuilder::~ColumnBuilder() = default;

void ColumnBuilder::reset() {
  rows_ = 0;
  nulls_ = 0;
  validity_.clear();
  bits_.clear();
  words_.clear();
  numbers_.clear();
  text_.clear();
  values_.clear();
  if (has_offsets(type_.kind())) words_.push_back(0);
}

void ColumnBuilder::reserve(std::int64_t rows) {
  const auto count = static_cast<std::size_t>(rows_ + rows);
  switch (type_.kind()) {
    case Kind::kNull:
      break;
    case Kind::kBool:
      make_room(bits_, bits::bytes_for(rows_ + rows));
      break;
    case Kind::kInt64:
      make_room(words_, count);
      break;
    case Kind::kFloat64:
      make_room(numbers_, count);
      break;
    case Kind::kObject:
      make_room(values_, count);
      break;
    case Kind::kStruct:
      for (ColumnBuilder& child : children_) child.reserve(rows);
      break;
    default:
      make_room(words_, count + 1);
  }
}

ColumnBuilder& ColumnBuilder::child(std::size_t index) { return children_[index]; }

void ColumnBuilder::start_validity() {
  if (!validity_.empty()) return;
  validity_.assign(bits::bytes_for(rows_), 0xFF);
  drop_bits(validity_, rows_);
}

void ColumnBuilder::set_valid(bool valid) {
  if (!valid) start_validity();
  if (!valid || !validity_.empty()) push_bit(validity_, rows_, valid);
  nulls_ += valid ? 0 : 1;
  ++rows_;
}

void ColumnBuilder::append_bool(bool value) {
  push_bit(bits_, rows_, value);
  set_valid(true);
}

void ColumnBuilder::append_int64(std::int64_t value) {
  words_.push_back(value);
  set_valid(true);
}

void ColumnBuilder::append_float64(double value) {
  numbers_.push_back(value);
  set_valid(true);
}

void ColumnBuilder::append_words(const void* words, std::int64_t count) {
  const auto fill = [&](auto& to) {
    to.resize(to.size() + static_cast<std::size_t>(count));
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(to[0]);
    if (count > 0) std::memcpy(to.data() + to.size() - count, words, bytes);
  };
  type_.kind() == Kind::kInt64 ? fill(words_) : fill(numbers_);
  append_all_valid(count);
}

void ColumnBuilder::append_text(std::string_view text) {
  text_.insert(text_.end(), text.begin(), text.end());
  words_.push_back(static_cast<std::int64_t>(text_.size()));
  set_valid(true);
}

void ColumnBuilder::append_object(Value value) {
  values_.push_back(std::move(value));
  ++rows_;
}

void ColumnBuilder::append_list(std::int64_t count) {
  words_.push_back(words_.back() + count);
  set_valid(true);
}

void ColumnBuilder::append_struct() { set_valid(true); }

void ColumnBuilder::append_null() {
  if (!type_.nullable()) throw TypeError("expected " + type_.name() + " but got null");
  append_blank(false);
}

void ColumnBuilder::append_blank(bool valid) {
  switch (type_.kind()) {
    case Kind::kNull:
      ++rows_;
      return;
    case Kind::kObject:
      return append_object({});
    case Kind::kBool:
      push_bit(bits_, rows_, false);
      break;
    case Kind::kInt64:
      words_.push_back(0);
      break;
    case Kind::kFloat64:
      numbers_.push_back(0);
      break;
    case Kind::kStruct:
      for (ColumnBuilder& child : children_) child.append_blank(true);
      break;
    default:
      words_.push_back(words_.back());
  }
  set_valid(valid);
}

void ColumnBuilder::append(const Value& value) {
  const Kind kind = type_.kind();
  if (kind == Kind::kObject) return append_object(value);
  if (value.is_null()) return append_null();
  if (value.kind() == Kind::kObject) return append(value.cast(type_));
  if (kind == Kind::kFloat64 && value.kind() == Kind::kInt64) {
    return append_float64(static_cast<double>(value.as_int64()));
  }
  if (kind != value.kind()) refuse(type_, value);
  switch (kind) {
    case Kind::kBool:
      return append_bool(value.as_bool());
    case Kind::kInt64:
      return append_int64(value.as_int64());
    case Kind::kFloat64:
      return append_float64(value.as_float64());
    case Kind::kString:
    case Kind::kBytes:
      return append_text(value.as_text());
    default:
      return append_nested(value.cast(type_));
  }
}

/// REQUIRES: `value` has this builder's type, so that nothing below can fail half-way.
void ColumnBuilder::append_nested(const Value& value) {
  if (type_.kind() == Kind::kStruct) {
    for (std::size_t i = 0; i < children_.size(); ++i) children_[i].append(value.as_fields()[i]);
    return append_struct();
  }
  const Column& elements = value.as_column();
  children_.front().append_rows(elements, 0, elements.size());
  append_list(elements.size());
}

void ColumnBuilder::append_all_valid(std::int64_t rows) {
  if (!validity_.empty()) {
    for (std::int64_t i = 0; i < rows; ++i) push_bit(validity_, rows_ + i, true);
  }
  rows_ += rows;
}

void ColumnBuilder::append_validity(const Column& column, std::int64_t begin, std::int64_t rows) {
  const std::uint8_t* source = ColumnAccess::validity(column);
  const std::int64_t first = ColumnAccess::begin(column) + begin;
  const std::int64_t nulls = source ? rows - bits::count(source, first, rows) : 0;
  if (nulls == 0) return append_all_valid(rows);
  start_validity();
  extend_bits(validity_, rows_, source, first, rows);
  nulls_ += nulls;
  rows_ += rows;
}

void ColumnBuilder::append_offsets(const Column& column, std::int64_t begin, std::int64_t rows) {
  const std::int64_t* from = column.offsets() + begin;
  const std::int64_t shift = words_.back() - from[0];
  const std::size_t old = words_.size();
  words_.resize(old + static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) {
    words_[old + static_cast<std::size_t>(i)] = from[i + 1] + shift;
  }
}

void ColumnBuilder::append_rows(const Column& column, std::int64_t begin, std::int64_t rows) {
  if (rows == 0) return;
  switch (type_.kind()) {
    case Kind::kNull:
      rows_ += rows;
      return;
    case Kind::kObject:
      extend(values_, column.objects() + begin, rows);
      rows_ += rows;
      return;
    case Kind::kBool:
      extend_bits(bits_, rows_, ColumnAccess::data(column).data.as<std::uint8_t>(),
                  ColumnAccess::begin(column) + begin, rows);
      break;
    case Kind::kInt64:
      extend(words_, column.int64s() + begin, rows);
      break;
    case Kind::kFloat64:
      extend(numbers_, column.float64s() + begin, rows);
      break;
    case Kind::kStruct:
      for (std::size_t i = 0; i < children_.size(); ++i) {
        children_[i].append_rows(column.field(i), begin, rows);
      }
      break;
    default: {
      const std::int64_t first = column.offsets()[begin];
      const std::int64_t last = column.offsets()[begin + rows];
      if (type_.kind() == Kind::kList || type_.kind() == Kind::kMap) {
        children_.front().append_rows(column.elements(), first, last - first);
      } else {
        extend(text_, ColumnAccess::data(column).data.as<char>() + first, last - first);
      }
      append_offsets(column, begin, rows);
    }
  }
  append_validity(column, begin, rows);
}

void ColumnBuilder::truncate(std::int64_t rows) {
  const auto count = static_cast<std::size_t>(rows);
  switch (type_.kind()) {
    case Kind::kNull:
      break;
    case Kind::kObject:
      values_.resize(count);
      break;
    case Kind::kBool:
      drop_bits(bits_, rows);
      break;
    case Kind::kInt64:
      words_.resize(count);
      break;
    case Kind::kFloat64:
      numbers_.resize(count);
      break;
    case Kind::kStruct:
      for (ColumnBuilder& child : children_) child.truncate(rows);
      break;
    default:
      words_.resize(count + 1);
      if (children_.empty()) {
        text_.resize(static_cast<std::size_t>(words_.back()));
      } else {
        children_.front().truncate(words_.back());
      }
  }
  if (!validity_.empty()) {
    drop_bits(validity_, rows);
    nulls_ = rows - bits::count(validity_.data(), 0, rows);
  }
  rows_ = rows;
}

Column ColumnBuilder::finish() {
  if (type_.kind() == Kind::kObject) {
    std::vector<Value> values = std::move(values_);
    reset();
    return Column::objects(std::move(values));
  }
  Buffer validity = nulls_ > 0 ? hand_over(validity_) : Buffer();
  Buffer offsets;
  Buffer data;
  switch (type_.kind()) {
    case Kind::kBool:
      data = hand_over(bits_);
      break;
    case Kind::kInt64:
      data = hand_over(words_);
      break;
    case Kind::kFloat64:
      data = hand_over(numbers_);
      break;
    default:
      offsets = hand_over(words_);
      data = hand_over(text_);
  }
  std::vector<Column> children;
  children.reserve(children_.size());
  for (ColumnBuilder& child : children_) children.push_back(child.finish());
  Column column = Column::assemble(type_, rows_, std::move(validity), std::move(offsets),
                                   std::move(data), std::move(children));
  reset();
  return column;
}

}  // namespace hypernodes
