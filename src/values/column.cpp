// SPDX-License-Identifier: MIT
#include "hypernodes/column.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "values/bits.hpp"
#include "values/column_data.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {

using detail::ColumnAccess;

Column::Data::~Data() {
  const auto held = [](const Value& value) { return value.kind() == Kind::kObject; };
  if (std::none_of(objects.begin(), objects.end(), held)) return;
  // One round through the runtime's lock instead of one for each row; its references are gone
  // then, so these values must not be destroyed.
  detail::object_runtime()->release_many(objects.data(), objects.size());
  for (Value& value : objects) {
    if (held(value)) new (&value) Value();
  }
}

Column Column::assemble(const Type& type, std::int64_t rows, Buffer validity, Buffer offsets,
                        Buffer data, std::vector<Column> children) {
  auto parts = std::make_shared<Data>(type, rows);
  parts->validity = std::move(validity);
  parts->offsets = std::move(offsets);
  parts->data = std::move(data);
  parts->children = std::move(children);
  return ColumnAccess::make(std::move(parts));
}

Column Column::objects(std::vector<Value> values) {
  auto parts = std::make_shared<Data>(Kind::kObject, static_cast<std::int64_t>(values.size()));
  parts->objects = std::move(values);
  return ColumnAccess::make(std::move(parts));
}

const Type& Column::type() const { return ColumnAccess::data(*this).type; }

bool Column::has_nulls() const {
  const Data& data = ColumnAccess::data(*this);
  switch (data.type.kind()) {
    case Kind::kNull:
      return rows_ > 0;
    case Kind::kObject:
      return std::any_of(objects(), objects() + rows_, [](const Value& v) { return v.is_null(); });
    default:
      return data.validity && bits::count(data.validity.as<std::uint8_t>(), begin_, rows_) != rows_;
  }
}

bool Column::is_null(std::int64_t row) const {
  const Data& data = ColumnAccess::data(*this);
  switch (data.type.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kObject:
      return objects()[row].is_null();
    default:
      return ColumnAccess::null_bit(data, begin_, row);
  }
}

Value Column::operator[](std::int64_t row) const {
  if (is_null(row)) return {};
  switch (type().kind()) {
    case Kind::kBool:
      return bool_at(row);
    case Kind::kInt64:
      return int64s()[row];
    case Kind::kFloat64:
      return float64s()[row];
    case Kind::kString:
      return std::string(text_at(row));
    case Kind::kBytes:
      return Value::bytes(std::string(text_at(row)));
    case Kind::kList:
      return Value::list(elements_of(row));
    case Kind::kMap:
      return Value::map(elements_of(row));
    case Kind::kStruct: {
      const std::vector<Column>& children = data_->children;
      std::vector<Value> fields;
      fields.reserve(children.size());
      for (const Column& child : children) fields.push_back(child[begin_ + row]);
      return Value::structure(type().required(), std::move(fields));
    }
    default:
      return objects()[row];
  }
}

Column Column::slice(std::int64_t begin, std::int64_t rows) const {
  Column part = *this;
  part.begin_ += begin;
  part.rows_ = rows;
  return part;
}

const std::int64_t* Column::int64s() const {
  return ColumnAccess::data(*this).data.as<std::int64_t>() + begin_;
}

const double* Column::float64s() const {
  return ColumnAccess::data(*this).data.as<double>() + begin_;
}

bool Column::bool_at(std::int64_t row) const {
  return bits::get(data_->data.as<std::uint8_t>(), begin_ + row);
}

std::string_view Column::text_at(std::int64_t row) const {
  const std::int64_t* at = offsets() + row;
  return {data_->data.as<char>() + at[0], static_cast<std::size_t>(at[1] - at[0])};
}

const std::int64_t* Column::offsets() const {
  // A column without rows may lack the buffer; its one offset is read all the same.
  static constexpr std::int64_t kZero = 0;
  const Buffer& offsets = ColumnAccess::data(*this).offsets;
  return offsets ? offsets.as<std::int64_t>() + begin_ : &kZero;
}

const Column& Column::elements() const { return data_->children.front(); }

Column Column::field(std::size_t index) const {
  return data_->children.at(index).slice(begin_, rows_);
}

const Value* Column::objects() const { return ColumnAccess::data(*this).objects.data() + begin_; }

Column Column::elements_of(std::int64_t row) const {
  const std::int64_t* at = offsets() + row;
  return elements().slice(at[0], at[1] - at[0]);
}

namespace {

bool equal_rows(const Column& a, const Column& b, std::int64_t row) {
  if (a.is_null(row) || b.is_null(row)) return a.is_null(row) && b.is_null(row);
  const Kind kind = a.type().kind();
  if (kind != b.type().kind()) return a[row] == b[row];
  switch (kind) {
    case Kind::kBool:
      return a.bool_at(row) == b.bool_at(row);
    case Kind::kInt64:
      return a.int64s()[row] == b.int64s()[row];
    case Kind::kFloat64:
      return a.float64s()[row] == b.float64s()[row];
    case Kind::kString:
    case Kind::kBytes:
      return a.text_at(row) == b.text_at(row);
    case Kind::kList:
    case Kind::kMap:
      return a.elements_of(row) == b.elements_of(row);
    default:
      return a[row] == b[row];
  }
}

}  // namespace

bool operator==(const Column& a, const Column& b) {
  if (a.size() != b.size()) return false;
  if (a.data_ == b.data_ && a.begin_ == b.begin_ && a.type().kind() == Kind::kInt64) return true;
  for (std::int64_t row = 0; row < a.size(); ++row) {
    if (!equal_rows(a, b, row)) return false;
  }
  return true;
}

}  // namespace hypernodes
