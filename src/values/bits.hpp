// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

/// Arrow bitmaps: one bit a row, least significant first.
namespace hypernodes::bits {

inline std::size_t bytes_for(std::int64_t rows) { return static_cast<std::size_t>(rows + 7) / 8; }

inline bool get(const std::uint8_t* bits, std::int64_t row) {
  return (bits[row >> 3] >> (row & 7)) & 1;
}

inline void set(std::uint8_t* bits, std::int64_t row, bool value) {
  const auto mask = static_cast<std::uint8_t>(1U << (row & 7));
  bits[row >> 3] =
      static_cast<std::uint8_t>(value ? bits[row >> 3] | mask : bits[row >> 3] & ~mask);
}

/// How many of `rows` bits from `begin` on are set.
inline std::int64_t count(const std::uint8_t* bits, std::int64_t begin, std::int64_t rows) {
  std::int64_t set = 0;
  std::int64_t row = begin;
  const std::int64_t end = begin + rows;
  for (; row < end && (row & 7) != 0; ++row) set += get(bits, row);
  for (; row + 64 <= end; row += 64) {
    std::uint64_t word;
    std::memcpy(&word, bits + (row >> 3), sizeof word);
    set += std::popcount(word);
  }
  for (; row < end; ++row) set += get(bits, row);
  return set;
}

/// Copies `rows` bits from `begin` on to the start of `to`, whose last byte is filled with zeros.
inline void copy(std::uint8_t* to, const std::uint8_t* from, std::int64_t begin,
                 std::int64_t rows) {
  if (rows == 0) return;
  const std::uint8_t* source = from + (begin >> 3);
  const int shift = static_cast<int>(begin & 7);
  const std::size_t bytes = bytes_for(rows);
  if (shift == 0) {
    std::memcpy(to, source, bytes);
  } else {
    const std::size_t last = bytes_for(shift + rows) - 1;
    for (std::size_t i = 0; i < bytes; ++i) {
      const unsigned high = i < last ? source[i + 1] : 0U;
      to[i] = static_cast<std::uint8_t>((source[i] >> shift) | (high << (8 - shift)));
    }
  }
  if ((rows & 7) != 0) to[bytes - 1] &= static_cast<std::uint8_t>((1U << (rows & 7)) - 1);
}

}  // namespace hypernodes::bits
