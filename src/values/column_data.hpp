// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "values/bits.hpp"

namespace hypernodes {

/// What slices of a column share. Which parts are used follows from the type.
struct Column::Data {
  Data() = default;
  Data(Type t, std::int64_t r) : type(std::move(t)), rows(r) {}
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
  ~Data();

  Type type;
  std::int64_t rows = 0;
  Buffer validity;  ///< Absent if no row is null.
  Buffer offsets;
  Buffer data;
  std::vector<Column> children;
  std::vector<Value> objects;
};

namespace detail {

/// The parts of a column, for the files of this folder.
struct ColumnAccess {
  using Data = Column::Data;

  static const Data& data(const Column& column) { return column.data_ ? *column.data_ : empty(); }
  static std::int64_t begin(const Column& column) { return column.begin_; }
  static Column make(std::shared_ptr<const Data> data) {
    Column column;
    column.rows_ = data->rows;
    column.data_ = std::move(data);
    return column;
  }
  static const Data& empty() {
    static const Data none;
    return none;
  }
  /// The validity bitmap of the whole data, or null.
  static const std::uint8_t* validity(const Column& column) {
    return data(column).validity.as<std::uint8_t>();
  }
  /// Whether `row` of a column of a kind that uses the bitmap is null.
  static bool null_bit(const Data& data, std::int64_t begin, std::int64_t row) {
    return data.validity && !bits::get(data.validity.as<std::uint8_t>(), begin + row);
  }
};

}  // namespace detail
}  // namespace hypernodes
