// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"

namespace hypernodes {

using detail::ColumnAccess;
using Rows = std::vector<std::int64_t>;

namespace {

template <typename T>
Buffer gather(const T* from, const Rows& rows) {
  Buffer buffer = Buffer::allocate(rows.size() * sizeof(T));
  T* to = buffer.mutable_as<T>();
  for (std::size_t i = 0; i < rows.size(); ++i) to[i] = from[rows[i]];
  return buffer;
}

Buffer gather_bits(const std::uint8_t* from, std::int64_t begin, const Rows& rows) {
  const std::size_t bytes = bits::bytes_for(static_cast<std::int64_t>(rows.size()));
  Buffer buffer = Buffer::allocate(bytes);
  auto* to = buffer.mutable_as<std::uint8_t>();
  std::fill_n(to, bytes, std::uint8_t{0});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    to[i / 8] |= static_cast<std::uint8_t>(unsigned{bits::get(from, begin + rows[i])} << (i % 8));
  }
  return buffer;
}

/// The offsets after taking `rows` of rows with these offsets.
Buffer gather_offsets(const std::int64_t* from, const Rows& rows) {
  Buffer buffer = Buffer::allocate((rows.size() + 1) * sizeof(std::int64_t));
  auto* to = buffer.mutable_as<std::int64_t>();
  to[0] = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    to[i + 1] = to[i] + from[rows[i] + 1] - from[rows[i]];
  }
  return buffer;
}

Buffer gather_text(const char* from, const std::int64_t* offsets, const Rows& rows,
                   const Buffer& taken) {
  Buffer buffer = Buffer::allocate(static_cast<std::size_t>(taken.as<std::int64_t>()[rows.size()]));
  char* to = buffer.mutable_as<char>();
  for (const std::int64_t row : rows) {
    to = std::copy(from + offsets[row], from + offsets[row + 1], to);
  }
  return buffer;
}

Rows element_rows(const std::int64_t* offsets, const Rows& rows, const Buffer& taken) {
  Rows elements;
  elements.reserve(static_cast<std::size_t>(taken.as<std::int64_t>()[rows.size()]));
  for (const std::int64_t row : rows) {
    for (std::int64_t i = offsets[row]; i < offsets[row + 1]; ++i) elements.push_back(i);
  }
  return elements;
}

/// A type that rows of both types have after widening.
Type common(const Type& a, const Type& b) {
  if (a.kind() == Kind::kObject || b.kind() == Kind::kObject) return Kind::kObject;
  for (const Type& type : {a, b, a.optional(), b.optional()}) {
    if (type.accepts(a) && type.accepts(b)) return type;
  }
  throw TypeError("columns of " + a.name() + " and " + b.name() + " cannot be joined", {},
                  "give the parts one type with Column::cast");
}

Column build(const Type& type, const std::vector<Column>& parts) {
  ColumnBuilder builder(type);
  std::int64_t rows = 0;
  for (const Column& part : parts) rows += part.size();
  builder.reserve(rows);
  for (const Column& part : parts) {
    const Column fitted = part.cast(type);
    builder.append_rows(fitted, 0, fitted.size());
  }
  return builder.finish();
}

}  // namespace

Column Column::nulls(const Type& type, std::int64_t rows) {
  if (rows == 0) return ColumnBuilder(type).finish();
  if (type.kind() == Kind::kNull) return assemble(type, rows, {}, {}, {});
  ColumnBuilder builder(type.optional());
  builder.append_null();
  return builder.finish().take(Rows(static_cast<std::size_t>(rows), 0));
}

Column Column::of(const Type& type, const std::vector<Value>& values) {
  if (type.kind() == Kind::kObject) return objects(values);
  ColumnBuilder builder(type);
  builder.reserve(static_cast<std::int64_t>(values.size()));
  for (std::size_t row = 0; row < values.size(); ++row) {
    try {
      builder.append(values[row]);
    } catch (const TypeError& error) {
      throw TypeError(error.message(), "row " + std::to_string(row), error.fix());
    }
  }
  return builder.finish();
}

Column Column::take(const Rows& rows) const {
  const Data& data = ColumnAccess::data(*this);
  const auto count = static_cast<std::int64_t>(rows.size());
  Buffer offsets;
  Buffer content;
  std::vector<Column> children;
  switch (data.type.kind()) {
    case Kind::kNull:
      break;
    case Kind::kObject: {
      std::vector<Value> values;
      values.reserve(rows.size());
      for (const std::int64_t row : rows) values.push_back(objects()[row]);
      return Column::objects(std::move(values));
    }
    case Kind::kBool:
      content = gather_bits(data.data.as<std::uint8_t>(), begin_, rows);
      break;
    case Kind::kInt64:
      content = gather(int64s(), rows);
      break;
    case Kind::kFloat64:
      content = gather(float64s(), rows);
      break;
    case Kind::kStruct:
      for (std::size_t i = 0; i < data.children.size(); ++i) {
        children.push_back(field(i).take(rows));
      }
      break;
    case Kind::kString:
    case Kind::kBytes:
      offsets = gather_offsets(this->offsets(), rows);
      content = gather_text(data.data.as<char>(), this->offsets(), rows, offsets);
      break;
    case Kind::kList:
    case Kind::kMap:
      offsets = gather_offsets(this->offsets(), rows);
      children.push_back(elements().take(element_rows(this->offsets(), rows, offsets)));
      break;
  }
  Buffer validity;
  if (has_nulls() && data.validity) {
    validity = gather_bits(data.validity.as<std::uint8_t>(), begin_, rows);
  }
  return assemble(data.type, count, std::move(validity), std::move(offsets), std::move(content),
                  std::move(children));
}

Column Column::repeat(const Value& value, const Type& type, std::int64_t rows) {
  const auto count = static_cast<std::size_t>(rows);
  const Value fitted = value.cast(type);
  if (type.kind() == Kind::kObject) return objects(std::vector<Value>(count, fitted));
  if (rows == 0) return ColumnBuilder(type).finish();
  if (fitted.kind() == Kind::kInt64 || fitted.kind() == Kind::kFloat64) {
    Buffer words = Buffer::allocate(count * 8);
    if (fitted.kind() == Kind::kInt64) {
      std::fill_n(words.mutable_as<std::int64_t>(), count, fitted.as_int64());
    } else {
      std::fill_n(words.mutable_as<double>(), count, fitted.as_float64());
    }
    return assemble(type, rows, {}, {}, std::move(words));
  }
  return of(type, {fitted}).take(Rows(count, 0));
}

Column Column::concat(const std::vector<Column>& parts) {
  if (parts.empty()) return {};
  if (parts.size() == 1) return parts.front();
  Type type;
  std::vector<Column> used;
  for (const Column& part : parts) {
    if (part.size() == 0 && part.type().kind() == Kind::kNull) continue;
    type = used.empty() ? part.type() : common(type, part.type());
    used.push_back(part);
  }
  return build(type, used);
}

}  // namespace hypernodes
