// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/bits.hpp"
#include "values/column_data.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {

using detail::ColumnAccess;

namespace {

/// One byte for each row: whether it is part of a value at all, rather than hidden under a null of
/// its parent. Empty if all are.
using Live = std::vector<std::uint8_t>;

struct Failure {
  std::int64_t row;  ///< -1: the whole column.
  std::string message;
};

Column cast_live(const Column& column, const Type& to, const Live& live);

[[noreturn]] void refuse(const Column& column, const Type& to, std::int64_t row = -1) {
  throw Failure{row, "expected " + to.name() + " but got " +
                         (row < 0 ? column.type().name() : std::string("null"))};
}

Live live_children(const Column& column, const Live& live) {
  if (!column.has_nulls()) return live;
  Live own(static_cast<std::size_t>(column.size()));
  for (std::int64_t row = 0; row < column.size(); ++row) {
    const auto i = static_cast<std::size_t>(row);
    own[i] = (live.empty() || live[i] != 0) && !column.is_null(row);
  }
  return own;
}

Live live_elements(const Column& column, const Live& live) {
  const Live own = live_children(column, live);
  const std::int64_t* offsets = column.offsets();
  Live elements;
  if (own.empty()) return elements;
  elements.reserve(static_cast<std::size_t>(offsets[column.size()] - offsets[0]));
  for (std::size_t row = 0; row < own.size(); ++row) {
    elements.insert(elements.end(), static_cast<std::size_t>(offsets[row + 1] - offsets[row]),
                    own[row]);
  }
  return elements;
}

void check_nulls(const Column& column, const Type& to, const Live& live) {
  if (to.nullable() || !column.has_nulls()) return;
  for (std::int64_t row = 0; row < column.size(); ++row) {
    const bool counts = live.empty() || live[static_cast<std::size_t>(row)] != 0;
    if (counts && column.is_null(row)) refuse(column, to, row);
  }
}

/// The validity of these rows alone, or none if `to` has no nulls.
Buffer own_validity(const Column& column, const Type& to) {
  if (!to.nullable() || !column.has_nulls()) return {};
  Buffer validity = Buffer::allocate(bits::bytes_for(column.size()));
  bits::copy(validity.mutable_as<std::uint8_t>(), ColumnAccess::validity(column),
             ColumnAccess::begin(column), column.size());
  return validity;
}

/// The same memory under another type.
Column share(const Column& column, const Type& to) {
  const auto& data = ColumnAccess::data(column);
  return Column::assemble(to, data.rows, to.nullable() ? data.validity : Buffer(), data.offsets,
                          data.data, data.children)
      .slice(ColumnAccess::begin(column), column.size());
}

Column cast_nulls(const Column& column, const Type& to, const Live& live) {
  check_nulls(column, to, live);
  return to.nullable() ? Column::nulls(to, column.size())
                       : share(Column::nulls(to, column.size()), to);
}

Column widen(const Column& column, const Type& to) {
  const auto rows = static_cast<std::size_t>(column.size());
  Buffer data = Buffer::allocate(rows * sizeof(double));
  auto* out = data.mutable_as<double>();
  const std::int64_t* in = column.int64s();
  for (std::size_t i = 0; i < rows; ++i) out[i] = static_cast<double>(in[i]);
  return Column::assemble(to, column.size(), own_validity(column, to), {}, std::move(data));
}

Column box(const Column& column) {
  std::vector<Value> values;
  values.reserve(static_cast<std::size_t>(column.size()));
  for (std::int64_t row = 0; row < column.size(); ++row) values.push_back(column[row]);
  return Column::objects(std::move(values));
}

Column open(const Column& column, const Type& to, const Live& live) {
  const detail::ObjectRuntime* runtime = detail::object_runtime();
  if (runtime != nullptr && live.empty()) {
    return runtime->cast_many(column.objects(), column.size(), to);
  }
  // Rows hidden under a null may hold anything, so they must be nullable until they are dropped.
  ColumnBuilder builder(live.empty() ? to : to.optional());
  builder.reserve(column.size());
  for (std::int64_t row = 0; row < column.size(); ++row) {
    if (!live.empty() && live[static_cast<std::size_t>(row)] == 0) {
      builder.append_null();
      continue;
    }
    try {
      builder.append(column.objects()[row].cast(to));
    } catch (const TypeError& error) {
      throw Failure{row, error.message()};
    }
  }
  return share(builder.finish(), to);
}

Column cast_elements(const Column& column, const Type& element, const Type& to, const Live& live) {
  const std::int64_t* offsets = column.offsets();
  const std::int64_t first = offsets[0];
  const std::int64_t count = offsets[column.size()] - first;
  Column elements;
  try {
    const Column used = column.size() == 0 ? ColumnBuilder(element).finish()
                                           : column.elements().slice(first, count);
    elements = cast_live(used, element, live_elements(column, live));
  } catch (Failure& failure) {
    const auto after = std::upper_bound(offsets, offsets + column.size() + 1, first + failure.row);
    if (failure.row >= 0) failure.row = after - offsets - 1;
    throw;
  }
  Buffer shifted = Buffer::allocate(static_cast<std::size_t>(column.size() + 1) * sizeof first);
  for (std::int64_t row = 0; row <= column.size(); ++row) {
    shifted.mutable_as<std::int64_t>()[row] = offsets[row] - first;
  }
  return Column::assemble(to, column.size(), own_validity(column, to), std::move(shifted), {},
                          {std::move(elements)});
}

Column cast_struct(const Column& column, const Type& to, const Live& live) {
  const std::vector<Field>& from = column.type().fields();
  const std::vector<Field>& into = to.fields();
  const auto same_name = [](const Field& a, const Field& b) { return a.name == b.name; };
  if (!std::equal(from.begin(), from.end(), into.begin(), into.end(), same_name)) {
    refuse(column, to);
  }
  const Live own = live_children(column, live);
  std::vector<Column> children;
  for (std::size_t i = 0; i < into.size(); ++i) {
    children.push_back(cast_live(column.field(i), into[i].type, own));
  }
  return Column::assemble(to, column.size(), own_validity(column, to), {}, {}, std::move(children));
}

Column cast_live(const Column& column, const Type& to, const Live& live) {
  const Kind from = column.type().kind();
  if (column.type() == to) return column;
  if (to.kind() == Kind::kObject) return box(column);
  if (from == Kind::kObject) return open(column, to, live);
  if (from == Kind::kNull) return cast_nulls(column, to, live);
  const bool widens = from == Kind::kInt64 && to.kind() == Kind::kFloat64;
  if (from != to.kind() && !widens) refuse(column, to);
  check_nulls(column, to, live);
  if (widens) return widen(column, to);
  switch (from) {
    case Kind::kList:
      return cast_elements(column, to.element(), to, live);
    case Kind::kMap:
      return cast_elements(column, Type::structure(to.fields()), to, live);
    case Kind::kStruct:
      return cast_struct(column, to, live);
    default:
      return share(column, to);
  }
}

}  // namespace

Column Column::cast(const Type& to) const {
  try {
    return cast_live(*this, to, {});
  } catch (const Failure& failure) {
    throw TypeError(failure.message,
                    failure.row < 0 ? std::string() : "row " + std::to_string(failure.row));
  }
}

}  // namespace hypernodes
