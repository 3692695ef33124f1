// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

/// How a C++ type is a hypernodes type. Mapped: bool; every integer (as int64, with a range check);
/// float, double; std::string, std::string_view (inputs only); Bytes; std::vector<T>;
/// std::optional<T>; std::map<K, T>; and structs named by HYPERNODES_STRUCT.
///
/// A specialisation has `type()`, `to_value`, `from_value`, `append` (to a builder of that type)
/// and `Reader`, which reads rows of a column of that type. from_value and Reader may borrow from
/// what they read.
template <typename T>
struct Traits;

/// Binary data, where std::string would be text.
struct Bytes {
  std::string data;
  friend auto operator<=>(const Bytes&, const Bytes&) = default;
};

namespace detail {

[[noreturn]] void throw_mismatch(const Type& expected, const Value& got);
[[noreturn]] void throw_out_of_range(std::int64_t number, const char* cpp_type);

inline void check_kind(const Value& value, Kind kind, const Type& (*type)()) {
  if (value.kind() != kind) [[unlikely]]
    throw_mismatch(type(), value);
}

template <typename T>
const Type& type_of() {
  static const Type type = Traits<T>::type();
  return type;
}

template <std::integral T>
T narrow(std::int64_t number) {
  if constexpr (!std::same_as<T, std::int64_t>) {
    if (!std::in_range<T>(number)) [[unlikely]]
      throw_out_of_range(number, sizeof(T) == 8 ? "uint64" : "a narrower integer");
  }
  return static_cast<T>(number);
}

template <typename T>
concept HasFields = requires(T* item) { hypernodes_fields(item); };

}  // namespace detail

template <>
struct Traits<bool> {
  static Type type() { return Kind::kBool; }
  static Value to_value(bool item) { return Value(item); }
  static bool from_value(const Value& value) {
    detail::check_kind(value, Kind::kBool, detail::type_of<bool>);
    return value.as_bool();
  }
  static void append(ColumnBuilder& builder, bool item) { builder.append_bool(item); }
  struct Reader {
    explicit Reader(const Column& c) : column(c) {}
    bool operator[](std::int64_t row) const { return column.bool_at(row); }
    Column column;
  };
};

template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>)
struct Traits<T> {
  static Type type() { return Kind::kInt64; }
  static Value to_value(T item) { return Value(item); }
  static T from_value(const Value& value) {
    detail::check_kind(value, Kind::kInt64, detail::type_of<T>);
    return detail::narrow<T>(value.as_int64());
  }
  static void append(ColumnBuilder& builder, T item) {
    builder.append_int64(Value(item).as_int64());
  }
  struct Reader {
    explicit Reader(const Column& column) : data(column.int64s()) {}
    T operator[](std::int64_t row) const { return detail::narrow<T>(data[row]); }
    const std::int64_t* data;
  };
};

template <std::floating_point T>
struct Traits<T> {
  static Type type() { return Kind::kFloat64; }
  static Value to_value(T item) { return Value(static_cast<double>(item)); }
  static T from_value(const Value& value) {
    if (value.kind() == Kind::kInt64) return static_cast<T>(value.as_int64());
    detail::check_kind(value, Kind::kFloat64, detail::type_of<T>);
    return static_cast<T>(value.as_float64());
  }
  static void append(ColumnBuilder& builder, T item) {
    builder.append_float64(static_cast<double>(item));
  }
  struct Reader {
    explicit Reader(const Column& column) : data(column.float64s()) {}
    T operator[](std::int64_t row) const { return static_cast<T>(data[row]); }
    const double* data;
  };
};

template <>
struct Traits<std::string_view> {
  static Type type() { return Kind::kString; }
  static Value to_value(std::string_view item) { return Value(item); }
  static std::string_view from_value(const Value& value) {
    detail::check_kind(value, Kind::kString, detail::type_of<std::string_view>);
    return value.as_text();
  }
  static void append(ColumnBuilder& builder, std::string_view item) { builder.append_text(item); }
  struct Reader {
    explicit Reader(const Column& c) : column(c) {}
    std::string_view operator[](std::int64_t row) const { return column.text_at(row); }
    Column column;
  };
};

template <>
struct Traits<std::string> : Traits<std::string_view> {
  static std::string from_value(const Value& value) {
    return std::string(Traits<std::string_view>::from_value(value));
  }
  struct Reader : Traits<std::string_view>::Reader {
    using Traits<std::string_view>::Reader::Reader;
    std::string operator[](std::int64_t row) const { return std::string(column.text_at(row)); }
  };
};

template <>
struct Traits<Bytes> {
  static Type type() { return Kind::kBytes; }
  static Value to_value(const Bytes& item) { return Value::bytes(item.data); }
  static Bytes from_value(const Value& value) {
    detail::check_kind(value, Kind::kBytes, detail::type_of<Bytes>);
    return {std::string(value.as_text())};
  }
  static void append(ColumnBuilder& builder, const Bytes& item) { builder.append_text(item.data); }
  struct Reader {
    explicit Reader(const Column& c) : column(c) {}
    Bytes operator[](std::int64_t row) const { return {std::string(column.text_at(row))}; }
    Column column;
  };
};

template <typename T>
struct Traits<std::optional<T>> {
  static Type type() { return Traits<T>::type().optional(); }
  static Value to_value(const std::optional<T>& item) {
    return item ? Traits<T>::to_value(*item) : Value();
  }
  static std::optional<T> from_value(const Value& value) {
    if (value.is_null()) return std::nullopt;
    return Traits<T>::from_value(value);
  }
  static void append(ColumnBuilder& builder, const std::optional<T>& item) {
    if (item) {
      Traits<T>::append(builder, *item);
    } else {
      builder.append_null();
    }
  }
  struct Reader {
    explicit Reader(const Column& c) : column(c), items(c) {}
    std::optional<T> operator[](std::int64_t row) const {
      if (column.is_null(row)) return std::nullopt;
      return items[row];
    }
    Column column;
    typename Traits<T>::Reader items;
  };
};

template <typename T>
struct Traits<std::vector<T>> {
  static Type type() { return Type::list(Traits<T>::type()); }
  static Value to_value(const std::vector<T>& items) {
    ColumnBuilder builder(Traits<T>::type());
    builder.reserve(static_cast<std::int64_t>(items.size()));
    for (const auto& item : items) Traits<T>::append(builder, item);
    return Value::list(builder.finish());
  }
  static std::vector<T> from_value(const Value& value) {
    detail::check_kind(value, Kind::kList, detail::type_of<std::vector<T>>);
    return read(value.as_column().cast(detail::type_of<T>()), 0, value.as_column().size());
  }
  static void append(ColumnBuilder& builder, const std::vector<T>& items) {
    for (const auto& item : items) Traits<T>::append(builder.child(0), item);
    builder.append_list(static_cast<std::int64_t>(items.size()));
  }
  struct Reader {
    explicit Reader(const Column& c) : column(c), items(c.elements()) {}
    std::vector<T> operator[](std::int64_t row) const {
      std::vector<T> out;
      out.reserve(static_cast<std::size_t>(column.offsets()[row + 1] - column.offsets()[row]));
      for (auto i = column.offsets()[row]; i < column.offsets()[row + 1]; ++i) {
        out.push_back(items[i]);
      }
      return out;
    }
    Column column;
    typename Traits<T>::Reader items;
  };

 private:
  static std::vector<T> read(const Column& elements, std::int64_t begin, std::int64_t end) {
    const typename Traits<T>::Reader items(elements);
    std::vector<T> out;
    out.reserve(static_cast<std::size_t>(end - begin));
    for (auto i = begin; i < end; ++i) out.push_back(items[i]);
    return out;
  }
};

template <typename K, typename T>
struct Traits<std::map<K, T>> {
  static Type type() { return Type::map(Traits<K>::type(), Traits<T>::type()); }
  static Value to_value(const std::map<K, T>& items) {
    ColumnBuilder builder(Type::structure(type().fields()));
    append_entries(builder, items);
    return Value::map(builder.finish());
  }
  static std::map<K, T> from_value(const Value& value) {
    detail::check_kind(value, Kind::kMap, detail::type_of<std::map<K, T>>);
    const Column entries =
        value.as_column().cast(Type::structure(detail::type_of<std::map<K, T>>().fields()));
    return read(entries, 0, entries.size());
  }
  static void append(ColumnBuilder& builder, const std::map<K, T>& items) {
    append_entries(builder.child(0), items);
    builder.append_list(static_cast<std::int64_t>(items.size()));
  }
  struct Reader {
    explicit Reader(const Column& c) : column(c) {}
    std::map<K, T> operator[](std::int64_t row) const {
      return read(column.elements(), column.offsets()[row], column.offsets()[row + 1]);
    }
    Column column;
  };

 private:
  static void append_entries(ColumnBuilder& entries, const std::map<K, T>& items) {
    for (const auto& [key, item] : items) {
      Traits<K>::append(entries.child(0), key);
      Traits<T>::append(entries.child(1), item);
      entries.append_struct();
    }
  }
  static std::map<K, T> read(const Column& entries, std::int64_t begin, std::int64_t end) {
    const typename Traits<K>::Reader keys(entries.field(0));
    const typename Traits<T>::Reader items(entries.field(1));
    std::map<K, T> out;
    for (auto i = begin; i < end; ++i) out.insert_or_assign(out.end(), keys[i], items[i]);
    return out;
  }
};

/// Structs named by HYPERNODES_STRUCT.
template <detail::HasFields T>
struct Traits<T> {
  static Type type() {
    std::vector<Field> fields;
    each([&]<typename F>(const char* name, F T::*, std::size_t) {
      fields.push_back({name, Traits<F>::type()});
    });
    return Type::structure(std::move(fields));
  }
  static Value to_value(const T& item) {
    std::vector<Value> fields;
    each([&]<typename F>(const char*, F T::* member, std::size_t) {
      fields.push_back(Traits<F>::to_value(item.*member));
    });
    return Value::structure(detail::type_of<T>(), std::move(fields));
  }
  static T from_value(const Value& value) {
    const Value fitted = value.cast(detail::type_of<T>());
    T item{};
    each([&]<typename F>(const char*, F T::* member, std::size_t index) {
      item.*member = Traits<F>::from_value(fitted.as_fields()[index]);
    });
    return item;
  }
  static void append(ColumnBuilder& builder, const T& item) {
    each([&]<typename F>(const char*, F T::* member, std::size_t index) {
      Traits<F>::append(builder.child(index), item.*member);
    });
    builder.append_struct();
  }
  struct Reader {
    explicit Reader(const Column& c) : column(c) {}
    T operator[](std::int64_t row) const {
      T item{};
      each([&]<typename F>(const char*, F T::* member, std::size_t index) {
        item.*member = typename Traits<F>::Reader(column.field(index))[row];
      });
      return item;
    }
    Column column;
  };

 private:
  template <typename Visit>
  static void each(Visit&& visit) {
    const auto fields = hypernodes_fields(static_cast<T*>(nullptr));
    std::size_t index = 0;
    std::apply([&](const auto&... field) { (visit(field.first, field.second, index++), ...); },
               fields);
  }
};

// Applies `step` to each of up to 256 arguments.
#define HYPERNODES_DETAIL_PARENS ()
#define HYPERNODES_DETAIL_EXPAND(...) \
  HYPERNODES_DETAIL_EXPAND3(HYPERNODES_DETAIL_EXPAND3(HYPERNODES_DETAIL_EXPAND3(__VA_ARGS__)))
#define HYPERNODES_DETAIL_EXPAND3(...) \
  HYPERNODES_DETAIL_EXPAND2(HYPERNODES_DETAIL_EXPAND2(HYPERNODES_DETAIL_EXPAND2(__VA_ARGS__)))
#define HYPERNODES_DETAIL_EXPAND2(...) \
  HYPERNODES_DETAIL_EXPAND1(HYPERNODES_DETAIL_EXPAND1(HYPERNODES_DETAIL_EXPAND1(__VA_ARGS__)))
#define HYPERNODES_DETAIL_EXPAND1(...) __VA_ARGS__
#define HYPERNODES_DETAIL_FIELD(Type, field) \
  std::pair { #field, &Type::field }
#define HYPERNODES_DETAIL_FIELDS(Type, field, ...) \
  HYPERNODES_DETAIL_FIELD(Type, field)             \
  __VA_OPT__(, HYPERNODES_DETAIL_FIELDS_AGAIN HYPERNODES_DETAIL_PARENS(Type, __VA_ARGS__))
#define HYPERNODES_DETAIL_FIELDS_AGAIN() HYPERNODES_DETAIL_FIELDS

/// Makes a struct usable in nodes; in the struct's own namespace, after it:
/// `struct Point { double x, y; }; HYPERNODES_STRUCT(Point, x, y)`. Python sees a dict.
#define HYPERNODES_STRUCT(Type, ...)                                                          \
  [[maybe_unused]] inline auto hypernodes_fields(Type*) {                                     \
    return std::tuple{HYPERNODES_DETAIL_EXPAND(HYPERNODES_DETAIL_FIELDS(Type, __VA_ARGS__))}; \
  }

}  // namespace hypernodes
