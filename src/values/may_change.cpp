// SPDX-License-Identifier: MIT
#include <algorithm>

#include "values/object_runtime.hpp"

namespace hypernodes::detail {

bool holds_objects(const Type& type) {
  return type.kind() == Kind::kObject ||
         std::any_of(type.fields().begin(), type.fields().end(),
                     [](const Field& field) { return holds_objects(field.type); });
}

bool may_change(const Value& value) {
  switch (value.kind()) {
    case Kind::kObject:
      return object_runtime()->may_change(value.as_object());
    case Kind::kList:
    case Kind::kMap:
      return may_change(value.as_column());
    case Kind::kStruct:
      return std::any_of(value.as_fields().begin(), value.as_fields().end(),
                         [](const Value& field) { return may_change(field); });
    default:
      return false;
  }
}

bool may_change(const Column& column) {
  if (column.type().kind() != Kind::kObject) return holds_objects(column.type());
  const Value* const values = column.objects();
  return std::any_of(values, values + column.size(),
                     [](const Value& value) { return may_change(value); });
}

}  // namespace hypernodes::detail
