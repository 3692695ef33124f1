// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hypernodes {

/// What a value is. `kObject` is anything only the Python layer can open; as the type of an input
/// or output it means "any value".
enum class Kind : std::uint8_t {
  kNull,
  kBool,
  kInt64,
  kFloat64,
  kString,  ///< UTF-8
  kBytes,
  kList,
  kMap,  ///< Keys to values; keeps the order of its entries.
  kStruct,
  kObject,
};

struct Field;

/// The type of a value, an input, an output or a column. A cheap value: one word and a shared list
/// of fields. Threads: immutable, safe to share.
class Type {
 public:
  Type() = default;
  Type(Kind kind) : kind_(kind) {}  // NOLINT(google-explicit-constructor): a kind is a type

  static Type list(const Type& element);
  static Type map(const Type& key, const Type& value);
  static Type structure(std::vector<Field> fields);

  /// This type, or null.
  Type optional() const;
  /// This type without null.
  Type required() const;

  Kind kind() const { return kind_; }
  bool nullable() const { return nullable_ || kind_ == Kind::kNull || kind_ == Kind::kObject; }
  /// List: one field, the element. Map: key and value. Struct: its fields. Else empty.
  const std::vector<Field>& fields() const;
  const Type& element() const;

  /// Whether every value of type `from` is, or widens to, a value of this type: equal types, int64
  /// to float64, T to optional T, null to any optional, and these inside containers. kObject on
  /// either side accepts: the value is checked when it is there.
  bool accepts(const Type& from) const;

  /// As in messages: `int64`, `list<string>`, `optional<struct<a: int64>>`.
  std::string name() const;

  friend bool operator==(const Type& a, const Type& b);

 private:
  Kind kind_ = Kind::kNull;
  bool nullable_ = false;
  std::shared_ptr<const std::vector<Field>> fields_;
};

struct Field {
  std::string name;
  Type type;
  friend bool operator==(const Field&, const Field&) = default;
};

}  // namespace hypernodes
