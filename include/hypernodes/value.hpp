// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "hypernodes/type.hpp"

namespace hypernodes {

class Column;
template <typename T>
struct Traits;

namespace detail {

/// What a value too large for a word points to; counted, immutable once shared.
struct Box {
  explicit Box(Kind kind_of_value) : kind(kind_of_value) {}
  std::atomic<std::uint32_t> references{1};
  const Kind kind;
};
void destroy(Box* box) noexcept;

/// How the core handles objects that only another runtime (Python) can open. The Python layer
/// installs one table when it is loaded; without it no such object can exist.
struct ObjectRuntime;

}  // namespace detail

/// One item of any type: what goes into a run and comes out of it. 16 bytes; copying shares.
///
/// `Value{1, 2}` with braces is a list, as is `Value{1}`; write `Value(1)` for the number.
/// Threads: immutable; distinct copies may be used at once.
class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)
  Value(bool flag) : kind_(Kind::kBool) { word_.integer = flag; }  // NOLINT
  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  Value(T number) : kind_(Kind::kInt64) {  // NOLINT(google-explicit-constructor)
    if (!std::in_range<std::int64_t>(number)) throw_out_of_range();
    word_.integer = static_cast<std::int64_t>(number);
  }
  Value(double number) : kind_(Kind::kFloat64) { word_.number = number; }  // NOLINT
  Value(std::string text);                                                 // NOLINT
  Value(std::string_view text) : Value(std::string(text)) {}               // NOLINT
  Value(const char* text) : Value(std::string(text)) {}                    // NOLINT
  /// A list; its elements must have one type (ints beside floats widen), else TypeError.
  Value(std::initializer_list<Value> items);
  /// Any C++ type that Traits maps: vector, optional, map, a HYPERNODES_STRUCT.
  template <typename T>
    requires(std::is_class_v<T> && !std::convertible_to<T, std::string_view> &&
             requires(const T& item) { Traits<T>::to_value(item); })
  Value(const T& item) : Value(Traits<T>::to_value(item)) {}  // NOLINT

  static Value bytes(std::string data);
  /// A list with the rows of `items`. Cost: constant, shares.
  static Value list(Column items);
  /// A map with the rows of `entries`, a struct column of key and value. Cost: constant, shares.
  static Value map(Column entries);
  /// A struct of `type` with one value for each field.
  static Value structure(Type type, std::vector<Value> fields);
  /// Takes over one reference to an object of the installed runtime.
  static Value object(void* reference) noexcept {
    Value value;
    value.kind_ = Kind::kObject;
    value.word_.object = reference;
    return value;
  }

  Value(const Value& other) noexcept : kind_(other.kind_), word_(other.word_) { retain(); }
  Value(Value&& other) noexcept : kind_(other.kind_), word_(other.word_) {
    other.kind_ = Kind::kNull;
  }
  Value& operator=(const Value& other) noexcept {
    Value copy(other);
    swap(copy);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    Value moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Value() { release(); }
  void swap(Value& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(word_, other.word_);
  }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  Type type() const;

  // Accessors. REQUIRES: the kind named.
  bool as_bool() const { return word_.integer != 0; }
  std::int64_t as_int64() const { return word_.integer; }
  double as_float64() const { return word_.number; }
  std::string_view as_text() const;  ///< String or bytes; valid while this value lives.
  const Column& as_column() const;   ///< List: its elements. Map: its entries.
  const std::vector<Value>& as_fields() const;
  void* as_object() const { return word_.object; }

  /// This value as a C++ type. Throws: TypeError naming both if it does not fit.
  template <typename T>
  T as() const {
    return Traits<T>::from_value(*this);
  }

  /// This value as `type`: itself, widened, or an object opened. Throws: TypeError.
  Value cast(const Type& type) const;

  /// Equal kind and content; objects by the other runtime's equality of identity.
  friend bool operator==(const Value& a, const Value& b);

  /// As Python writes it: `[1, 2.5, 'a', None]`.
  std::string to_string() const;

 private:
  [[noreturn]] static void throw_out_of_range();
  bool boxed() const { return kind_ >= Kind::kString && kind_ <= Kind::kStruct; }
  void retain() const noexcept {
    if (boxed()) {
      word_.box->references.fetch_add(1, std::memory_order_relaxed);
    } else if (kind_ == Kind::kObject) {
      retain_object(word_.object);
    }
  }
  void release() noexcept {
    if (boxed()) {
      // acq_rel: pairs with itself, so that the last owner sees all uses before it frees the box.
      if (word_.box->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        detail::destroy(word_.box);
    } else if (kind_ == Kind::kObject) {
      release_object(word_.object);
    }
  }
  static void retain_object(void* object) noexcept;
  static void release_object(void* object) noexcept;

  Kind kind_ = Kind::kNull;
  union {
    std::int64_t integer;
    double number;
    detail::Box* box;
    void* object;
  } word_{};
};

}  // namespace hypernodes
