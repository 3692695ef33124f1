// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "hypernodes/detail/recycled.hpp"
#include "hypernodes/type.hpp"
#include "hypernodes/value.hpp"

struct ArrowArray;
struct ArrowSchema;

namespace hypernodes {

namespace detail {
struct ColumnAccess;
}

/// Bytes that columns share. Large ones are recycled: fresh memory costs ten times the arithmetic
/// that fills it. Threads: the content is immutable once shared.
class Buffer {
 public:
  Buffer() = default;
  /// At least `bytes` bytes, 64-byte aligned, not initialised.
  static Buffer allocate(std::size_t bytes);
  /// Borrowed memory that `owner` keeps alive.
  Buffer(const void* data, std::size_t bytes, std::shared_ptr<const void> owner)
      : data_(const_cast<void*>(data)), bytes_(bytes), owner_(std::move(owner)) {}

  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  /// REQUIRES: this buffer was allocated and is not shared yet.
  template <typename T>
  T* mutable_as() {
    return static_cast<T*>(data_);
  }
  std::size_t size_bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::shared_ptr<const void> owner_;
};

/// One named value over many items, in Arrow's memory layout: a batch of rows of one type.
///
/// Layout: validity one bit a row (absent if no null); bool one bit; int64, float64 eight bytes;
///         string, bytes, list, map 64-bit offsets; struct one child for each field. An object
///         column holds Values.
/// Cost:   copies and slices share memory. Threads: immutable.
class Column {
 public:
  Column() = default;  ///< No rows, of type null.
  /// `rows` nulls.
  static Column nulls(const Type& type, std::int64_t rows);
  /// A column of type object with these values.
  static Column objects(std::vector<Value> values);
  /// The column of `values`. Throws: TypeError if one does not fit `type`.
  static Column of(const Type& type, const std::vector<Value>& values);
  /// Assembled from Arrow buffers; `children` as Type says.
  /// REQUIRES: buffers and children are long enough for `rows` and consistent with `type`.
  static Column assemble(const Type& type, std::int64_t rows, Buffer validity, Buffer offsets,
                         Buffer data, std::vector<Column> children = {});

  /// Takes over an Arrow C Data array and its schema; both are released when the last user is gone.
  /// Any integer or float width is accepted and converted. Throws: TypeError for a type that no
  /// hypernodes type fits, or a value out of range.
  static Column import_arrow(ArrowArray* array, ArrowSchema* schema);
  /// Hands out this column; the receiver releases both. Throws: TypeError for an object column.
  void export_arrow(ArrowArray* array, ArrowSchema* schema) const;
  /// The Arrow schema of a column of `type`. Throws: TypeError for object.
  static void export_schema(const Type& type, std::string_view name, ArrowSchema* schema);
  /// The type that import_arrow gives for `schema`, which is only read. Throws: TypeError.
  static Type import_schema(const ArrowSchema* schema);

  const Type& type() const;
  std::int64_t size() const { return rows_; }
  bool has_nulls() const;
  bool is_null(std::int64_t row) const;
  /// One row as a value. Cost: constant, but for a string, which is copied.
  Value operator[](std::int64_t row) const;

  /// Rows [begin, begin + rows). Cost: constant.
  Column slice(std::int64_t begin, std::int64_t rows) const;
  /// The given rows, in that order. Cost: a copy of them.
  Column take(const std::vector<std::int64_t>& rows) const;
  /// `row` repeated. Cost: a copy for each row.
  static Column repeat(const Value& value, const Type& type, std::int64_t rows);
  static Column concat(const std::vector<Column>& parts);
  /// The same rows as `type`: widened, or objects opened. Throws: TypeError naming the row.
  Column cast(const Type& type) const;

  // Raw access. REQUIRES: the kind named. Pointers are to row 0 of this slice.
  const std::int64_t* int64s() const;
  const double* float64s() const;
  bool bool_at(std::int64_t row) const;
  std::string_view text_at(std::int64_t row) const;  ///< String or bytes; valid with the column.
  const std::int64_t* offsets() const;  ///< String, bytes, list, map: size() + 1 of them.
  /// List: all elements that offsets() index. Map: all entries. Not sliced.
  const Column& elements() const;
  /// Struct: field `index` of these rows.
  Column field(std::size_t index) const;
  /// Object: the values.
  const Value* objects() const;
  /// List or map: the elements of one row. Cost: constant.
  Column elements_of(std::int64_t row) const;

  /// Equal rows; the types need not be equal.
  friend bool operator==(const Column& a, const Column& b);

 private:
  friend struct detail::ColumnAccess;
  struct Data;
  std::shared_ptr<const Data> data_;
  std::int64_t begin_ = 0;
  std::int64_t rows_ = 0;
};

/// Builds a column row by row. REQUIRES: one thread.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);
  ColumnBuilder(ColumnBuilder&&) noexcept;
  ColumnBuilder& operator=(ColumnBuilder&&) noexcept;
  ~ColumnBuilder();

  const Type& type() const { return type_; }
  std::int64_t size() const { return rows_; }
  void reserve(std::int64_t rows);

  /// Throws: TypeError if `value` does not fit the type.
  void append(const Value& value);
  void append_null();
  /// Row `row` of `column`, which has this builder's type.
  void append(const Column& column, std::int64_t row) { append_rows(column, row, 1); }
  /// `rows` rows of `column`, which has this builder's type, from row `begin` on.
  void append_rows(const Column& column, std::int64_t begin, std::int64_t rows);
  /// Drops all rows but the first `rows`, and what was appended to children since.
  void truncate(std::int64_t rows);

  // Typed appends. REQUIRES: the kind named.
  void append_bool(bool value);
  void append_int64(std::int64_t value);
  void append_float64(double value);
  /// `count` int64s or float64s, which need not be aligned.
  void append_words(const void* words, std::int64_t count);
  void append_text(std::string_view text);
  void append_object(Value value);
  /// A list or map row with the next `count` rows appended to child(0) (map: entries, a struct).
  void append_list(std::int64_t count);
  /// A struct row; each child has got one more row.
  void append_struct();
  ColumnBuilder& child(std::size_t index);

  /// The column; the builder is empty afterwards.
  Column finish();

 private:
  void reset();
  void set_valid(bool valid);
  void start_validity();
  /// A row without content: a null, or what fills the place under a null of the parent.
  void append_blank(bool valid);
  void append_nested(const Value& value);
  void append_offsets(const Column& column, std::int64_t begin, std::int64_t rows);
  void append_all_valid(std::int64_t rows);
  void append_validity(const Column& column, std::int64_t begin, std::int64_t rows);

  Type type_;
  std::int64_t rows_ = 0;
  std::int64_t nulls_ = 0;
  detail::Growing<std::uint8_t> validity_;  ///< Empty while there are no nulls.
  detail::Growing<std::uint8_t> bits_;
  detail::Growing<std::int64_t> words_;  ///< int64s or offsets
  detail::Growing<double> numbers_;
  detail::Growing<char> text_;
  std::vector<Value> values_;
  std::vector<ColumnBuilder> children_;
};

}  // namespace hypernodes
