// SPDX-License-Identifier: MIT
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/arrow_schema.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"

namespace hypernodes {

using arrow::Format;
using arrow::Owned;
using detail::ColumnAccess;

namespace {

/// More rows than any memory holds, few enough that sizes computed from them cannot overflow.
constexpr std::int64_t kMaxRows = std::int64_t{1} << 48;

/// One level of an array: rows [begin, begin + rows) of its buffers.
struct Level {
  const ArrowSchema& schema;
  const ArrowArray& array;
  Format format;
  const Type& type;  ///< As the schema declares it.
  std::int64_t begin;
  std::int64_t rows;
};

/// Reads arrays that come from anywhere. nanoarrow's own ArrowArrayView is no help against hostile
/// ones: it reads buffers before it knows their number, and multiplies lengths unchecked. Sizes of
/// buffers are not part of the interface, so those must be taken on trust.
class Importer {
 public:
  explicit Importer(ArrowArray* array) : owner_(std::make_shared<Owned<ArrowArray>>(array)) {}
  Column whole(const ArrowSchema& schema, const Type& type) {
    const ArrowArray& array = owner_->content;
    check(array.release != nullptr, schema, "it was released");
    return rows(schema, array, type, 0, array.length);
  }

 private:
  static void check(bool holds, const ArrowSchema& schema, const std::string& why) {
    if (holds) return;
    throw TypeError(std::string("damaged Arrow array of format '") + schema.format + "': " + why,
                    {}, "the program that made it breaks the Arrow C data interface");
  }

  /// Rows [first, first + count) as the array counts them.
  Column rows(const ArrowSchema& schema, const ArrowArray& array, const Type& type,
              std::int64_t first, std::int64_t count);
  Column content(const Level& level);
  static std::int64_t buffers_of(const Format& format);
  static void check_shape(const ArrowSchema& schema, const ArrowArray& array, const Format& format);
  /// Buffer `index` from its start; not null unless there are no rows.
  static const char* buffer(const Level& level, int index);
  Buffer borrow(const void* data, std::int64_t bytes) const;
  Buffer validity(const Level& level) const;
  Column assemble(const Level& level, const Type& type, Buffer offsets, Buffer data,
                  std::vector<Column> children = {}) const;

  Column bools(const Level& level);
  template <typename T>
  Column numbers(const Level& level);
  Column unsigned64(const Level& level);
  Column halves(const Level& level);
  /// Offsets that rise from `*first` to `*last`, shifted to start at 0 unless they are shared.
  template <typename Offset>
  Buffer offsets(const Level& level, std::int64_t* first, std::int64_t* last);
  template <typename Offset>
  Column text(const Level& level);
  Column text_views(const Level& level);
  template <typename Offset>
  Column list(const Level& level);
  Column fixed_size_list(const Level& level);
  Column list_of(const Level& level, Buffer offsets, std::int64_t first, std::int64_t count);
  Column structure(const Level& level);
  Column dictionary(const Level& level);
  template <typename Index>
  std::vector<std::int64_t> indices(const Level& level, const Buffer& valid);
  std::vector<std::int64_t> indices(const Level& level, const Buffer& valid);

  std::shared_ptr<Owned<ArrowArray>> owner_;
};

template <typename T>
T load(const char* data, std::int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <typename T>
bool aligned(const void* data) {
  return reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0;
}

std::int64_t Importer::buffers_of(const Format& format) {
  switch (format.type) {
    case NANOARROW_TYPE_NA:
      return 0;
    case NANOARROW_TYPE_STRUCT:
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
      return 1;
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_LARGE_BINARY:
      return 3;
    default:
      return 2;
  }
}

void Importer::check_shape(const ArrowSchema& schema, const ArrowArray& array,
                           const Format& format) {
  check(array.length >= 0 && array.length <= kMaxRows, schema, "its length is impossible");
  check(array.offset >= 0 && array.offset <= kMaxRows, schema, "its offset is impossible");
  const bool views =
      format.type == NANOARROW_TYPE_STRING_VIEW || format.type == NANOARROW_TYPE_BINARY_VIEW;
  const std::int64_t buffers = buffers_of(format);
  check(buffers == 0 || (views ? array.n_buffers >= 3 : array.n_buffers == buffers), schema,
        "its number of buffers is " + std::to_string(array.n_buffers));
  check(array.n_buffers == 0 || array.buffers != nullptr, schema, "its buffers are missing");
  check(array.n_children == schema.n_children, schema,
        "its number of children is " + std::to_string(array.n_children));
  check(array.n_children == 0 || array.children != nullptr, schema, "its children are missing");
  for (std::int64_t i = 0; i < array.n_children; ++i) {
    check(array.children[i] != nullptr && array.children[i]->release != nullptr, schema,
          "a child is missing");
  }
  check((array.dictionary != nullptr) == (schema.dictionary != nullptr), schema,
        "its dictionary does not match the schema");
}

const char* Importer::buffer(const Level& level, int index) {
  const auto* data = static_cast<const char*>(level.array.buffers[index]);
  check(data != nullptr || level.rows == 0, level.schema, "a buffer is missing");
  return data;
}

Buffer Importer::borrow(const void* data, std::int64_t bytes) const {
  return {data, static_cast<std::size_t>(bytes), owner_};
}

Buffer Importer::validity(const Level& level) const {
  if (level.array.n_buffers == 0 || level.array.null_count == 0 || level.rows == 0) return {};
  const auto* bits = static_cast<const std::uint8_t*>(level.array.buffers[0]);
  check(bits != nullptr || level.array.null_count < 0, level.schema, "its validity is missing");
  if (bits == nullptr || bits::count(bits, level.begin, level.rows) == level.rows) return {};
  const auto bytes = static_cast<std::int64_t>(bits::bytes_for(level.rows));
  if (level.begin % 8 == 0) return borrow(bits + level.begin / 8, bytes);
  Buffer copy = Buffer::allocate(static_cast<std::size_t>(bytes));
  bits::copy(copy.mutable_as<std::uint8_t>(), bits, level.begin, level.rows);
  return copy;
}

/// Nulls make a type nullable whatever the schema says; whole() compares the two at the end.
Column Importer::assemble(const Level& level, const Type& type, Buffer offsets, Buffer data,
                          std::vector<Column> children) const {
  Buffer valid = validity(level);
  const bool nullable = level.type.nullable() || valid;
  return Column::assemble(nullable ? type.optional() : type.required(), level.rows,
                          std::move(valid), std::move(offsets), std::move(data),
                          std::move(children));
}

Column Importer::bools(const Level& level) {
  const char* from = buffer(level, 1);
  const std::size_t bytes = bits::bytes_for(level.rows);
  if (level.rows == 0) return assemble(level, level.type, {}, {});
  if (level.begin % 8 == 0) {
    return assemble(level, level.type, {},
                    borrow(from + level.begin / 8, static_cast<std::int64_t>(bytes)));
  }
  Buffer copy = Buffer::allocate(bytes);
  bits::copy(copy.mutable_as<std::uint8_t>(), reinterpret_cast<const std::uint8_t*>(from),
             level.begin, level.rows);
  return assemble(level, level.type, {}, std::move(copy));
}

/// Numbers of type T to int64 or float64, whichever the level has.
template <typename T>
Column Importer::numbers(const Level& level) {
  using Out = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
  const char* from = buffer(level, 1);
  if (level.rows == 0) return assemble(level, level.type, {}, {});
  from += level.begin * static_cast<std::int64_t>(sizeof(T));
  if (std::is_same_v<T, Out> && aligned<T>(from)) {
    return assemble(level, level.type, {}, borrow(from, level.rows * 8));
  }
  Buffer data = Buffer::allocate(static_cast<std::size_t>(level.rows) * sizeof(Out));
  auto* to = data.mutable_as<Out>();
  for (std::int64_t i = 0; i < level.rows; ++i) to[i] = static_cast<Out>(load<T>(from, i));
  return assemble(level, level.type, {}, std::move(data));
}

Column Importer::unsigned64(const Level& level) {
  Column column = numbers<std::uint64_t>(level);
  for (std::int64_t row = 0; row < column.size(); ++row) {
    if (column.int64s()[row] >= 0 || column.is_null(row)) continue;
    const auto number = static_cast<std::uint64_t>(column.int64s()[row]);
    throw TypeError("the unsigned integer " + std::to_string(number) + " does not fit int64",
                    "row " + std::to_string(row), "cast the column to float64 or string first");
  }
  return column;
}

Column Importer::halves(const Level& level) {
  const char* from = buffer(level, 1);
  Buffer data = Buffer::allocate(static_cast<std::size_t>(level.rows) * sizeof(double));
  auto* to = data.mutable_as<double>();
  for (std::int64_t i = 0; i < level.rows; ++i) {
    to[i] = static_cast<double>(ArrowHalfFloatToFloat(load<std::uint16_t>(from, level.begin + i)));
  }
  return assemble(level, level.type, {}, std::move(data));
}

template <typename Offset>
Buffer Importer::offsets(const Level& level, std::int64_t* first, std::int64_t* last) {
  *first = *last = 0;
  const char* from = buffer(level, 1);
  if (level.rows == 0) return {};
  from += level.begin * static_cast<std::int64_t>(sizeof(Offset));
  *first = load<Offset>(from, 0);
  *last = load<Offset>(from, level.rows);
  bool rising = *first >= 0;
  for (std::int64_t i = 0; i < level.rows; ++i) {
    rising &= load<Offset>(from, i) <= load<Offset>(from, i + 1);
  }
  check(rising, level.schema, "its offsets do not rise");
  if (sizeof(Offset) == 8 && *first == 0 && aligned<Offset>(from)) {
    return borrow(from, (level.rows + 1) * 8);
  }
  Buffer shifted = Buffer::allocate(static_cast<std::size_t>(level.rows + 1) * 8);
  auto* to = shifted.mutable_as<std::int64_t>();
  for (std::int64_t i = 0; i <= level.rows; ++i) to[i] = load<Offset>(from, i) - *first;
  return shifted;
}

template <typename Offset>
Column Importer::text(const Level& level) {
  std::int64_t first = 0;
  std::int64_t last = 0;
  Buffer at = offsets<Offset>(level, &first, &last);
  const auto* from = static_cast<const char*>(level.array.buffers[2]);
  check(from != nullptr || last == 0, level.schema, "its text is missing");
  Buffer data = last > first ? borrow(from + first, last - first) : Buffer();
  return assemble(level, level.type, std::move(at), std::move(data));
}

Column Importer::text_views(const Level& level) {
  const std::int64_t others = level.array.n_buffers - 3;
  const auto* views = buffer(level, 1);
  const auto* sizes = static_cast<const char*>(level.array.buffers[level.array.n_buffers - 1]);
  const Buffer valid = validity(level);
  ColumnBuilder builder(level.type.required());
  for (std::int64_t i = 0; i < level.rows; ++i) {
    const char* view = views + (level.begin + i) * 16;
    const bool null = valid && !bits::get(valid.as<std::uint8_t>(), i);
    const std::int32_t size = null ? 0 : load<std::int32_t>(view, 0);
    check(size >= 0, level.schema, "a text has a negative size");
    if (size <= 12) {
      builder.append_text({view + 4, static_cast<std::size_t>(size)});
      continue;
    }
    const std::int32_t index = load<std::int32_t>(view, 2);
    const std::int32_t start = load<std::int32_t>(view, 3);
    check(index >= 0 && index < others && start >= 0 && sizes != nullptr &&
              std::int64_t{start} + size <= load<std::int64_t>(sizes, index) &&
              level.array.buffers[2 + index] != nullptr,
          level.schema, "a text is outside of its buffers");
    const auto* text = static_cast<const char*>(level.array.buffers[2 + index]);
    builder.append_text({text + start, static_cast<std::size_t>(size)});
  }
  const Column column = builder.finish();
  const auto& data = ColumnAccess::data(column);
  return assemble(level, level.type, data.offsets, data.data);
}

Column Importer::list_of(const Level& level, Buffer offsets, std::int64_t first,
                         std::int64_t count) {
  const bool is_map = level.type.kind() == Kind::kMap;
  const Type declared = is_map ? Type::structure(level.type.fields()) : level.type.element();
  Column elements =
      rows(*level.schema.children[0], *level.array.children[0], declared, first, count);
  check(!is_map || !elements.has_nulls(), level.schema, "a map has a null entry");
  const Type& own = elements.type();
  const Type type =
      is_map ? Type::map(own.fields()[0].type, own.fields()[1].type) : Type::list(own);
  return assemble(level, type, std::move(offsets), {}, {std::move(elements)});
}

template <typename Offset>
Column Importer::list(const Level& level) {
  std::int64_t first = 0;
  std::int64_t last = 0;
  Buffer at = offsets<Offset>(level, &first, &last);
  return list_of(level, std::move(at), first, last - first);
}

Column Importer::fixed_size_list(const Level& level) {
  const std::int64_t size = level.format.fixed_size;
  check(size == 0 || level.begin + level.rows <= kMaxRows / size, level.schema,
        "its length is impossible");
  Buffer offsets = Buffer::allocate(static_cast<std::size_t>(level.rows + 1) * 8);
  for (std::int64_t i = 0; i <= level.rows; ++i) offsets.mutable_as<std::int64_t>()[i] = i * size;
  return list_of(level, std::move(offsets), level.begin * size, level.rows * size);
}

Column Importer::structure(const Level& level) {
  std::vector<Field> fields = level.type.fields();
  std::vector<Column> children;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    children.push_back(rows(*level.schema.children[i], *level.array.children[i], fields[i].type,
                            level.begin, level.rows));
    fields[i].type = children.back().type();
  }
  return assemble(level, Type::structure(std::move(fields)), {}, {}, std::move(children));
}

template <typename Index>
std::vector<std::int64_t> Importer::indices(const Level& level, const Buffer& valid) {
  const std::int64_t size = level.array.dictionary->length;
  const char* from = buffer(level, 1);
  std::vector<std::int64_t> found(static_cast<std::size_t>(level.rows));
  for (std::int64_t i = 0; i < level.rows; ++i) {
    if (valid && !bits::get(valid.as<std::uint8_t>(), i)) continue;
    const auto index = static_cast<std::int64_t>(load<Index>(from, level.begin + i));
    check(index >= 0 && index < size, level.schema, "an index is outside of its dictionary");
    found[static_cast<std::size_t>(i)] = index;
  }
  return found;
}

std::vector<std::int64_t> Importer::indices(const Level& level, const Buffer& valid) {
  switch (level.format.type) {
    case NANOARROW_TYPE_INT8:
      return indices<std::int8_t>(level, valid);
    case NANOARROW_TYPE_UINT8:
      return indices<std::uint8_t>(level, valid);
    case NANOARROW_TYPE_INT16:
      return indices<std::int16_t>(level, valid);
    case NANOARROW_TYPE_UINT16:
      return indices<std::uint16_t>(level, valid);
    case NANOARROW_TYPE_INT32:
      return indices<std::int32_t>(level, valid);
    case NANOARROW_TYPE_UINT32:
      return indices<std::uint32_t>(level, valid);
    case NANOARROW_TYPE_INT64:
      return indices<std::int64_t>(level, valid);
    default:
      return indices<std::uint64_t>(level, valid);
  }
}

Column Importer::dictionary(const Level& level) {
  const ArrowArray& values = *level.array.dictionary;
  check(values.release != nullptr, level.schema, "its dictionary was released");
  const Column decoded = rows(*level.schema.dictionary, values, level.type, 0, values.length);
  const Buffer valid = validity(level);
  const std::vector<std::int64_t> found = indices(level, valid);
  if (decoded.size() == 0) return Column::nulls(level.type, level.rows);
  const Column taken = decoded.take(found);
  if (!valid) return taken;
  ColumnBuilder builder(taken.type().optional());
  for (std::int64_t i = 0; i < level.rows; ++i) {
    if (bits::get(valid.as<std::uint8_t>(), i)) {
      builder.append(taken, i);
    } else {
      builder.append_null();
    }
  }
  return builder.finish();
}

Column Importer::content(const Level& level) {
  if (level.schema.dictionary != nullptr) return dictionary(level);
  switch (level.format.type) {
    case NANOARROW_TYPE_NA:
      return Column::assemble(Kind::kNull, level.rows, {}, {}, {});
    case NANOARROW_TYPE_BOOL:
      return bools(level);
    case NANOARROW_TYPE_INT8:
      return numbers<std::int8_t>(level);
    case NANOARROW_TYPE_UINT8:
      return numbers<std::uint8_t>(level);
    case NANOARROW_TYPE_INT16:
      return numbers<std::int16_t>(level);
    case NANOARROW_TYPE_UINT16:
      return numbers<std::uint16_t>(level);
    case NANOARROW_TYPE_INT32:
      return numbers<std::int32_t>(level);
    case NANOARROW_TYPE_UINT32:
      return numbers<std::uint32_t>(level);
    case NANOARROW_TYPE_INT64:
      return numbers<std::int64_t>(level);
    case NANOARROW_TYPE_UINT64:
      return unsigned64(level);
    case NANOARROW_TYPE_HALF_FLOAT:
      return halves(level);
    case NANOARROW_TYPE_FLOAT:
      return numbers<float>(level);
    case NANOARROW_TYPE_DOUBLE:
      return numbers<double>(level);
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_BINARY:
      return text<std::int32_t>(level);
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_LARGE_BINARY:
      return text<std::int64_t>(level);
    case NANOARROW_TYPE_STRING_VIEW:
    case NANOARROW_TYPE_BINARY_VIEW:
      return text_views(level);
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_MAP:
      return list<std::int32_t>(level);
    case NANOARROW_TYPE_LARGE_LIST:
      return list<std::int64_t>(level);
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
      return fixed_size_list(level);
    default:
      return structure(level);
  }
}

Column Importer::rows(const ArrowSchema& schema, const ArrowArray& array, const Type& type,
                      std::int64_t first, std::int64_t count) {
  const Format format = arrow::format_of(schema);
  check_shape(schema, array, format);
  check(count <= array.length && first <= array.length - count, schema,
        "it is shorter than its parent needs");
  return content({schema, array, format, type, array.offset + first, count});
}

}  // namespace

Column Column::import_arrow(ArrowArray* array, ArrowSchema* schema) {
  // Both are owned before anything can fail, so that every way out releases them.
  Owned<ArrowArray> owned(array);
  const Owned<ArrowSchema> declared(schema);
  const Type type = import_schema(&declared.content);
  return Importer(&owned.content).whole(declared.content, type).cast(type);
}

}  // namespace hypernodes
