// SPDX-License-Identifier: MIT
#include "hypernodes/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "values/boxes.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace detail {
namespace {
const ObjectRuntime* installed = nullptr;
}

void install(const ObjectRuntime* runtime) { installed = runtime; }
const ObjectRuntime* object_runtime() { return installed; }

void destroy(Box* box) noexcept {
  switch (box->kind) {
    case Kind::kString:
    case Kind::kBytes:
      delete static_cast<TextBox*>(box);
      break;
    case Kind::kStruct:
      delete static_cast<StructBox*>(box);
      break;
    default:
      delete static_cast<ColumnBox*>(box);
  }
}

}  // namespace detail

using detail::ColumnBox;
using detail::StructBox;
using detail::TextBox;

void Value::retain_object(void* object) noexcept { detail::installed->retain(object); }
void Value::release_object(void* object) noexcept { detail::installed->release(object); }

void Value::throw_out_of_range() {
  throw TypeError("an unsigned integer above 9223372036854775807 does not fit int64", {},
                  "pass it as a string, or as a float64 if rounding is harmless");
}

Value::Value(std::string text) : kind_(Kind::kString) {
  word_.box = new TextBox(Kind::kString, std::move(text));
}

Value Value::bytes(std::string data) {
  Value value;
  value.word_.box = new TextBox(Kind::kBytes, std::move(data));
  value.kind_ = Kind::kBytes;
  return value;
}

Value Value::list(Column items) {
  Value value;
  value.word_.box = new ColumnBox(Kind::kList, std::move(items));
  value.kind_ = Kind::kList;
  return value;
}

Value Value::map(Column entries) {
  Value value;
  value.word_.box = new ColumnBox(Kind::kMap, std::move(entries));
  value.kind_ = Kind::kMap;
  return value;
}

Value Value::structure(Type type, std::vector<Value> fields) {
  Value value;
  value.word_.box = new StructBox(std::move(type), std::move(fields));
  value.kind_ = Kind::kStruct;
  return value;
}

Value::Value(std::initializer_list<Value> items) {
  Type type;
  bool first = true;
  bool nullable = false;
  for (const Value& item : items) {
    if (item.is_null()) {
      nullable = true;
      continue;
    }
    const Type found = item.type();
    if (first || found.accepts(type)) {
      type = found;
    } else if (!type.accepts(found)) {
      throw TypeError(
          "a list holds values of one type; got " + type.name() + " and " + found.name(), {},
          "use one type, or a struct for fields of several types");
    }
    first = false;
  }
  *this = list(Column::of(nullable ? type.optional() : type, std::vector<Value>(items)));
}

std::string_view Value::as_text() const { return static_cast<const TextBox*>(word_.box)->text; }
const Column& Value::as_column() const { return static_cast<const ColumnBox*>(word_.box)->column; }
const std::vector<Value>& Value::as_fields() const {
  return static_cast<const StructBox*>(word_.box)->fields;
}

Type Value::type() const {
  switch (kind_) {
    case Kind::kList:
      return Type::list(as_column().type());
    case Kind::kMap: {
      const Type& entry = as_column().type();
      return Type::map(entry.fields().at(0).type, entry.fields().at(1).type);
    }
    case Kind::kStruct:
      return static_cast<const StructBox*>(word_.box)->type;
    default:
      return kind_;
  }
}

namespace {

[[noreturn]] void refuse(const Type& to, const Value& value) {
  throw TypeError("expected " + to.name() + " but got " + value.type().name());
}

/// The column of a list or map with rows of `type`.
Column cast_rows(const Value& value, const Type& type, const Type& to) try {
  return value.as_column().cast(type);
} catch (const TypeError& error) {
  throw TypeError(
      "expected " + to.name() + " but got " + value.type().name() + ": " + error.message(),
      error.where(), error.fix());
}

Value cast_struct(const Value& value, const Type& to) {
  const Type from = value.type();
  std::vector<Value> fields;
  if (from.fields().size() != to.fields().size()) refuse(to, value);
  fields.reserve(from.fields().size());
  for (std::size_t i = 0; i < from.fields().size(); ++i) {
    if (from.fields()[i].name != to.fields()[i].name) refuse(to, value);
    fields.push_back(value.as_fields()[i].cast(to.fields()[i].type));
  }
  return Value::structure(to.required(), std::move(fields));
}

}  // namespace

Value Value::cast(const Type& to) const {
  if (to.kind() == Kind::kObject) return *this;
  if (kind_ == Kind::kObject) return detail::installed->cast(word_.object, to);
  if (is_null() && to.nullable()) return *this;
  if (kind_ == Kind::kInt64 && to.kind() == Kind::kFloat64) {
    return static_cast<double>(word_.integer);
  }
  if (kind_ != to.kind()) refuse(to, *this);
  switch (kind_) {
    case Kind::kList:
      if (as_column().type() == to.element()) return *this;
      return list(cast_rows(*this, to.element(), to));
    case Kind::kMap: {
      const Type entry = Type::structure(to.fields());
      return as_column().type() == entry ? *this : map(cast_rows(*this, entry, to));
    }
    case Kind::kStruct:
      return type() == to.required() ? *this : cast_struct(*this, to);
    default:
      return *this;
  }
}

namespace {

bool same_names(const Type& a, const Type& b) {
  return std::equal(a.fields().begin(), a.fields().end(), b.fields().begin(), b.fields().end(),
                    [](const Field& x, const Field& y) { return x.name == y.name; });
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
    case Kind::kInt64:
      return a.word_.integer == b.word_.integer;
    case Kind::kFloat64:
      return a.word_.number == b.word_.number;
    case Kind::kString:
    case Kind::kBytes:
      return a.as_text() == b.as_text();
    case Kind::kStruct:
      return same_names(a.type(), b.type()) && a.as_fields() == b.as_fields();
    case Kind::kObject:
      return a.word_.object == b.word_.object ||
             detail::installed->equal(a.word_.object, b.word_.object);
    default:
      return a.as_column() == b.as_column();
  }
}

namespace {

std::string quoted(std::string_view text, bool bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out = bytes ? "b" : "";
  out += quote;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F || (bytes && byte > 0x7F)) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  // Python's repr changes to an exponent at these magnitudes.
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  char text[40];
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(text, text + sizeof text, number, format).ptr;
  std::string out(text, end);
  if (out.find_first_of(".e") == out.npos) out += ".0";
  return out;
}

}  // namespace

std::string Value::to_string() const {
  switch (kind_) {
    case Kind::kNull:
      return "None";
    case Kind::kBool:
      return as_bool() ? "True" : "False";
    case Kind::kInt64:
      return std::to_string(as_int64());
    case Kind::kFloat64:
      return number_text(as_float64());
    case Kind::kString:
    case Kind::kBytes:
      return quoted(as_text(), kind_ == Kind::kBytes);
    case Kind::kObject:
      return detail::installed->repr(word_.object);
    case Kind::kStruct: {
      std::string out = "{";
      const Type shape = type();
      for (std::size_t i = 0; i < as_fields().size(); ++i) {
        if (i > 0) out += ", ";
        out += quoted(shape.fields()[i].name, false) + ": " + as_fields()[i].to_string();
      }
      return out + "}";
    }
    case Kind::kMap: {
      std::string out = "{";
      const Column keys = as_column().field(0);
      const Column values = as_column().field(1);
      for (std::int64_t row = 0; row < keys.size(); ++row) {
        if (row > 0) out += ", ";
        out += keys[row].to_string() + ": " + values[row].to_string();
      }
      return out + "}";
    }
    default: {
      std::string out = "[";
      for (std::int64_t row = 0; row < as_column().size(); ++row) {
        if (row > 0) out += ", ";
        out += as_column()[row].to_string();
      }
      return out + "]";
    }
  }
}

}  // namespace hypernodes
