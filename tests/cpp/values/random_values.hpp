// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

// How GoogleTest shows them.
inline void PrintTo(const Type& type, std::ostream* out) { *out << type.name(); }
inline void PrintTo(const Value& value, std::ostream* out) { *out << value.to_string(); }
inline void PrintTo(const Column& column, std::ostream* out) {
  *out << column.type().name() << Value::list(column).to_string();
}

namespace testing {

/// Random types and values for round trips; the same ones for the same seed.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  int below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(engine_); }
  std::string bytes(int size) {
    std::string out;
    for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(below(256)));
    return out;
  }

  Type type(int depth = 0) {
    const Type made = required_type(depth);
    return below(3) == 0 ? made.optional() : made;
  }

  Value value(const Type& type) {
    if (type.nullable() && below(4) == 0) return {};
    switch (type.kind()) {
      case Kind::kBool:
        return below(2) == 0;
      case Kind::kInt64:
        return integer();
      case Kind::kFloat64:
        return number();
      case Kind::kString:
        return text();
      case Kind::kBytes:
        return Value::bytes(bytes(below(20)));
      case Kind::kList:
        return Value::list(column(type.element(), below(5)));
      case Kind::kMap:
        return Value::map(column(Type::structure(type.fields()), below(5)));
      case Kind::kStruct: {
        std::vector<Value> fields;
        for (const Field& field : type.fields()) fields.push_back(value(field.type));
        return Value::structure(type.required(), std::move(fields));
      }
      case Kind::kObject:
        return value(this->type(2));
      default:
        return {};
    }
  }

  Column column(const Type& type, int rows) {
    std::vector<Value> values;
    for (int i = 0; i < rows; ++i) values.push_back(value(type));
    return Column::of(type, values);
  }

 private:
  Type required_type(int depth) {
    switch (below(depth < 3 ? 9 : 6)) {
      case 0:
        return Kind::kNull;
      case 1:
        return Kind::kBool;
      case 2:
        return Kind::kInt64;
      case 3:
        return Kind::kFloat64;
      case 4:
        return Kind::kString;
      case 5:
        return Kind::kBytes;
      case 6:
        return Type::list(type(depth + 1));
      case 7:
        return Type::map(below(2) == 0 ? Kind::kString : Kind::kInt64, type(depth + 1));
      default: {
        std::vector<Field> fields;
        for (int i = below(4); i > 0; --i) {
          fields.push_back({"field" + std::to_string(i), type(depth + 1)});
        }
        return Type::structure(std::move(fields));
      }
    }
  }

  std::int64_t integer() {
    switch (below(4)) {
      case 0:
        return std::numeric_limits<std::int64_t>::min();
      case 1:
        return std::numeric_limits<std::int64_t>::max();
      default:
        return below(2000) - 1000;
    }
  }

  double number() {
    switch (below(5)) {
      case 0:
        return -0.0;
      case 1:
        return std::numeric_limits<double>::infinity();
      case 2:
        return std::numeric_limits<double>::denorm_min();
      default:
        return below(1000) / 8.0;
    }
  }

  std::string text() {
    static const char* const kPieces[] = {"a", "é", "€", "😀", "\n", "", "word"};
    std::string out;
    for (int i = below(6); i > 0; --i) out += kPieces[below(7)];
    return out;
  }

  std::mt19937 engine_;
};

}  // namespace testing
}  // namespace hypernodes
