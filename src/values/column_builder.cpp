// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <utility>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"

namespace hypernodes {

using detail::ColumnAccess;

namespace {

template <typename T>
using Growing = detail::Growing<T>;
using Bits = Growing<std::uint8_t>;

template <typename T>
Buffer hand_over(Growing<T>& elements) {
  if (elements.empty()) return {};
  const void* data = elements.data();
  const std::size_t bytes = elements.size() * sizeof(T);
  return {data, bytes, elements.release()};
}

void push_bit(Bits& bits, std::int64_t size, bool value) {
  if ((size & 7) == 0) bits.push_back(0);
  bits.back() = static_cast<std::uint8_t>(bits.back() | (unsigned{value} << (size & 7)));
}

/// Appends `rows` bits of `from` to `size` bits.
void append_bits(Bits& bits, std::int64_t size, const std::uint8_t* from, std::int64_t begin,
                 std::int64_t rows) {
  if ((size & 7) == 0) {
    bits::copy(bits.extend(bits::bytes_for(rows)), from, begin, rows);
    return;
  }
  bits.reserve(bits::bytes_for(size + rows));
  for (std::int64_t i = 0; i < rows; ++i) push_bit(bits, size + i, bits::get(from, begin + i));
}

void drop_bits(Bits& bits, std::int64_t size) {
  bits.shrink(bits::bytes_for(size));
  if ((size & 7) != 0) bits.back() &= static_cast<std::uint8_t>((1U << (size & 7)) - 1);
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
  validity_.shrink(0);
  bits_.shrink(0);
  words_.shrink(0);
  numbers_.shrink(0);
  text_.shrink(0);
  values_.clear();
  if (has_offsets(type_.kind())) words_.push_back(0);
}

void ColumnBuilder::reserve(std::int64_t rows) {
  const auto count = static_cast<std::size_t>(rows_ + rows);
  switch (type_.kind()) {
    case Kind::kNull:
      break;
    case Kind::kBool:
      bits_.reserve(bits::bytes_for(rows_ + rows));
      break;
    case Kind::kInt64:
      words_.reserve(count);
      break;
    case Kind::kFloat64:
      numbers_.reserve(count);
      break;
    case Kind::kObject:
      if (count > values_.capacity()) values_.reserve(std::max(count, 2 * values_.size()));
      break;
    case Kind::kStruct:
      for (ColumnBuilder& child : children_) child.reserve(rows);
      break;
    default:
      words_.reserve(count + 1);
  }
}

ColumnBuilder& ColumnBuilder::child(std::size_t index) { return children_[index]; }

void ColumnBuilder::start_validity() {
  if (!validity_.empty()) return;
  const std::size_t bytes = bits::bytes_for(rows_);
  std::fill_n(validity_.extend(bytes), bytes, std::uint8_t{0xFF});
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
  const auto size = static_cast<std::size_t>(count);
  type_.kind() == Kind::kInt64 ? words_.append(words, size) : numbers_.append(words, size);
  append_all_valid(count);
}

void ColumnBuilder::append_text(std::string_view text) {
  text_.append(text.data(), text.size());
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
  append_bits(validity_, rows_, source, first, rows);
  nulls_ += nulls;
  rows_ += rows;
}

void ColumnBuilder::append_offsets(const Column& column, std::int64_t begin, std::int64_t rows) {
  const std::int64_t* from = column.offsets() + begin;
  const std::int64_t shift = words_.back() - from[0];
  std::int64_t* to = words_.extend(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) to[i] = from[i + 1] + shift;
}

void ColumnBuilder::append_rows(const Column& column, std::int64_t begin, std::int64_t rows) {
  if (rows == 0) return;
  switch (type_.kind()) {
    case Kind::kNull:
      rows_ += rows;
      return;
    case Kind::kObject:
      values_.insert(values_.end(), column.objects() + begin, column.objects() + begin + rows);
      rows_ += rows;
      return;
    case Kind::kBool:
      append_bits(bits_, rows_, ColumnAccess::data(column).data.as<std::uint8_t>(),
                  ColumnAccess::begin(column) + begin, rows);
      break;
    case Kind::kInt64:
      words_.append(column.int64s() + begin, static_cast<std::size_t>(rows));
      break;
    case Kind::kFloat64:
      numbers_.append(column.float64s() + begin, static_cast<std::size_t>(rows));
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
        text_.append(ColumnAccess::data(column).data.as<char>() + first,
                     static_cast<std::size_t>(last - first));
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
      words_.shrink(count);
      break;
    case Kind::kFloat64:
      numbers_.shrink(count);
      break;
    case Kind::kStruct:
      for (ColumnBuilder& child : children_) child.truncate(rows);
      break;
    default:
      words_.shrink(count + 1);
      if (children_.empty()) {
        text_.shrink(static_cast<std::size_t>(words_.back()));
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
