// SPDX-License-Identifier: MIT
#include "hypernodes/type.hpp"

#include <utility>

namespace hypernodes {

Type Type::list(const Type& element) {
  Type type(Kind::kList);
  type.fields_ = std::make_shared<const std::vector<Field>>(std::vector<Field>{{"item", element}});
  return type;
}

Type Type::map(const Type& key, const Type& value) {
  Type type(Kind::kMap);
  type.fields_ = std::make_shared<const std::vector<Field>>(
      std::vector<Field>{{"key", key}, {"value", value}});
  return type;
}

Type Type::structure(std::vector<Field> fields) {
  Type type(Kind::kStruct);
  type.fields_ = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

Type Type::optional() const {
  Type type = *this;
  // Null and object hold null anyway; a second way to say so would make equal types unequal.
  if (nullable()) return type;
  type.nullable_ = true;
  return type;
}

Type Type::required() const {
  Type type = *this;
  type.nullable_ = false;
  return type;
}

const std::vector<Field>& Type::fields() const {
  static const std::vector<Field> none;
  return fields_ ? *fields_ : none;
}

const Type& Type::element() const { return fields().at(0).type; }

bool Type::accepts(const Type& from) const {
  if (kind_ == Kind::kObject || from.kind_ == Kind::kObject) return true;
  if (from.kind_ == Kind::kNull) return nullable();
  if (from.nullable_ && !nullable()) return false;
  if (kind_ == Kind::kFloat64 && from.kind_ == Kind::kInt64) return true;
  if (kind_ != from.kind_ || fields().size() != from.fields().size()) return false;
  for (std::size_t i = 0; i < fields().size(); ++i) {
    const Field& to = fields()[i];
    const Field& other = from.fields()[i];
    if (kind_ == Kind::kStruct && to.name != other.name) return false;
    // An empty list has elements of type null.
    const bool empty = kind_ != Kind::kStruct && other.type.kind_ == Kind::kNull;
    if (!empty && !to.type.accepts(other.type)) return false;
  }
  return true;
}

std::string Type::name() const {
  static constexpr const char* kNames[] = {"null",  "bool", "int64", "float64", "string",
                                           "bytes", "list", "map",   "struct",  "object"};
  std::string name = kNames[static_cast<int>(kind_)];
  if (!fields().empty()) {
    name += '<';
    for (const Field& field : fields()) {
      if (name.back() != '<') name += ", ";
      if (kind_ == Kind::kStruct) name += field.name + ": ";
      name += field.type.name();
    }
    name += '>';
  }
  return nullable_ ? "optional<" + name + ">" : name;
}

bool operator==(const Type& a, const Type& b) {
  return a.kind_ == b.kind_ && a.nullable_ == b.nullable_ &&
         (a.fields_ == b.fields_ || a.fields() == b.fields());
}

}  // namespace hypernodes
