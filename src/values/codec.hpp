// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypernodes/column.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/value.hpp"

/// The data-only encoding of values (docs/formats/values.md): what cache records hold and what
/// digests are made of. Nothing in it can name code.
namespace hypernodes::codec {

/// First byte of every encoded value. Never renumber: it changes every key and every record.
enum class Tag : std::uint8_t {
  kNull = 0,
  kFalse = 1,
  kTrue = 2,
  kInt64 = 3,         ///< 8 bytes, little-endian
  kBigInt = 4,        ///< sign byte (0, 1), varint size, magnitude little-endian, no leading zero
  kFloat64 = 5,       ///< 8 bytes, IEEE 754 bits, little-endian
  kString = 6,        ///< varint size, UTF-8
  kBytes = 7,         ///< varint size
  kList = 8,          ///< varint count, values
  kTuple = 9,         ///< varint count, values
  kMap = 10,          ///< varint count, key and value in turn
  kSet = 11,          ///< varint count, values
  kFrozenSet = 12,    ///< varint count, values
  kInt64List = 13,    ///< varint count, 8 bytes each: a non-empty list of nothing but int64
  kFloat64List = 14,  ///< varint count, 8 bytes each: a non-empty list of nothing but float64
  kArray = 15,        ///< numpy: sized dtype text, varint dimensions, a varint each, sized bytes
  kDigest = 32,       ///< 32 bytes that stand for an object; canonical form only, never decoded
};

inline constexpr int kMaxDepth = 200;  ///< Deeper nesting is refused both ways.

void put_varint(std::string& out, std::uint64_t number);
inline void put_tag(std::string& out, Tag tag) { out.push_back(static_cast<char>(tag)); }
template <typename Word>
void put_word(std::string& out, Word word) {
  out.append(reinterpret_cast<const char*>(&word), sizeof word);
}

/// Reads what the put functions wrote; every read checks the bounds and fails for good.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  Tag tag();
  std::uint64_t varint();
  /// A varint that counts items of at least `item_bytes` each, so bounded by what is left.
  std::uint64_t count(std::size_t item_bytes);
  std::string_view take(std::uint64_t bytes);
  template <typename Word>
  Word word() {
    Word word{};
    const std::string_view bytes = take(sizeof word);
    if (bytes.size() == sizeof word) __builtin_memcpy(&word, bytes.data(), sizeof word);
    return word;
  }
  void fail() { ok_ = false, rest_ = {}; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

/// Appends the encoding of a value or of a row. In the canonical form, which digests are made of,
/// the entries of maps and sets are sorted by their encoded bytes, and the object runtime's digest
/// stands for an object that is no plain data. False if an object cannot be encoded; `*unordered`
/// is set (never cleared) if the two forms may differ.
bool encode(const Value& value, bool canonical, std::string& out, bool* unordered);
bool encode(const Column& column, std::int64_t row, bool canonical, std::string& out,
            bool* unordered);

/// Why this thread's last encode() of an object failed, in words for a warning.
std::string refusal();

/// Sorts `count` entries written back to back from `begin` on, whose ends are `ends`.
void sort_entries(std::string& out, std::size_t begin, const std::vector<std::size_t>& ends);

/// Appends one decoded row to `builder`. False, with nothing appended, if the bytes are no value of
/// the builder's type. An object builder gets what the object runtime makes of them, or plain
/// values without one.
bool decode(std::string_view encoded, ColumnBuilder& builder);
std::optional<Value> decode(std::string_view encoded, const Type& type);

}  // namespace hypernodes::codec
