// SPDX-License-Identifier: MIT
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/arrow_schema.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"

namespace hypernodes {

using arrow::Owned;
using detail::ColumnAccess;

namespace {

/// Some importers refuse null pointers even for buffers without content.
alignas(64) constexpr std::array<std::uint8_t, 64> kNothing{};

/// What an exported array keeps alive until it is released.
struct Exported {
  Column column;
  std::vector<Buffer> made;  ///< Buffers that could not be shared as they are.
  std::array<const void*, 3> buffers{};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> child_pointers;

  ~Exported() {
    for (ArrowArray& child : children) {
      if (child.release != nullptr) child.release(&child);
    }
  }
};

void release(ArrowArray* array) {
  delete static_cast<Exported*>(array->private_data);
  array->release = nullptr;
}

/// The bitmap from `begin` on: shared if that is a whole byte, else copied. All exported arrays
/// start at offset 0, since importers differ in how they read offsets of structs.
const void* bitmap(Exported& to, const Buffer& bits, std::int64_t begin, std::int64_t rows) {
  if ((begin & 7) == 0) return bits.as<std::uint8_t>() + begin / 8;
  Buffer copy = Buffer::allocate(bits::bytes_for(rows));
  bits::copy(copy.mutable_as<std::uint8_t>(), bits.as<std::uint8_t>(), begin, rows);
  to.made.push_back(copy);
  return copy.as<void>();
}

/// Arrow's maps have 32-bit offsets.
const void* narrow_offsets(Exported& to, const Column& column) {
  const std::int64_t* from = column.offsets();
  const std::int64_t count = from[column.size()] - from[0];
  if (count > std::numeric_limits<std::int32_t>::max()) {
    throw TypeError("a map column of " + std::to_string(count) +
                        " entries is too large for Arrow's 32-bit offsets",
                    {}, "use smaller batches");
  }
  Buffer made =
      Buffer::allocate(static_cast<std::size_t>(column.size() + 1) * sizeof(std::int32_t));
  auto* offsets = made.mutable_as<std::int32_t>();
  for (std::int64_t i = 0; i <= column.size(); ++i) {
    offsets[i] = static_cast<std::int32_t>(from[i] - from[0]);
  }
  to.made.push_back(made);
  return offsets;
}

void export_array(const Column& column, ArrowArray* out);

void add_child(Exported& to, const Column& column) {
  export_array(column, &to.children.emplace_back());
}

void fill_map(Exported& to) {
  const Column& column = to.column;
  const std::int64_t* offsets = column.offsets();
  to.buffers[1] = narrow_offsets(to, column);
  const Column entries = column.elements().slice(offsets[0], offsets[column.size()] - offsets[0]);
  if (entries.field(0).has_nulls()) {
    throw TypeError("a map with a null key has no Arrow form");
  }
  to.children.reserve(1);
  add_child(to, entries);
}

/// Sets the buffers after the validity and the children; returns the number of buffers.
std::int64_t fill(Exported& to) {
  const Column& column = to.column;
  const auto& data = ColumnAccess::data(column);
  switch (column.type().kind()) {
    case Kind::kNull:
      return 0;
    case Kind::kBool:
      if (column.size() > 0) {
        to.buffers[1] = bitmap(to, data.data, ColumnAccess::begin(column), column.size());
      }
      return 2;
    case Kind::kInt64:
    case Kind::kFloat64:
      to.buffers[1] = column.int64s();
      return 2;
    case Kind::kString:
    case Kind::kBytes:
      to.buffers[1] = column.offsets();
      to.buffers[2] = data.data.as<void>();
      return 3;
    case Kind::kList:
      to.buffers[1] = column.offsets();
      to.children.reserve(1);
      add_child(to, column.elements());
      return 2;
    case Kind::kMap:
      fill_map(to);
      return 2;
    default:
      to.children.reserve(data.children.size());
      for (std::size_t i = 0; i < data.children.size(); ++i) add_child(to, column.field(i));
      return 1;
  }
}

void export_array(const Column& column, ArrowArray* out) {
  auto exported = std::make_unique<Exported>();
  exported->column = column;
  *out = ArrowArray{};
  out->length = column.size();
  out->n_buffers = fill(*exported);
  for (std::size_t i = 1; i < exported->buffers.size(); ++i) {
    if (exported->buffers[i] == nullptr) exported->buffers[i] = kNothing.data();
  }
  if (column.type().kind() == Kind::kNull) {
    out->null_count = column.size();
  } else if (column.has_nulls()) {
    const Buffer& validity = ColumnAccess::data(column).validity;
    const std::int64_t begin = ColumnAccess::begin(column);
    out->null_count =
        column.size() - bits::count(validity.as<std::uint8_t>(), begin, column.size());
    exported->buffers[0] = bitmap(*exported, validity, begin, column.size());
  }
  for (ArrowArray& child : exported->children) exported->child_pointers.push_back(&child);
  out->n_children = static_cast<std::int64_t>(exported->children.size());
  out->children = exported->child_pointers.empty() ? nullptr : exported->child_pointers.data();
  out->buffers = exported->buffers.data();
  out->private_data = exported.release();
  out->release = &release;
}

}  // namespace

void Column::export_arrow(ArrowArray* array, ArrowSchema* schema) const {
  Owned<ArrowSchema> made_schema;
  export_schema(type(), {}, &made_schema.content);
  Owned<ArrowArray> made_array;
  export_array(*this, &made_array.content);
  made_schema.move_to(schema);
  made_array.move_to(array);
}

}  // namespace hypernodes
