// SPDX-License-Identifier: MIT
#include "values/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace hypernodes {
namespace {

struct Lead {
  int length;         ///< 0: no character starts with this byte.
  std::uint8_t low;   ///< Bounds of the second byte, which exclude overlong forms, surrogates
  std::uint8_t high;  ///< and characters above U+10FFFF.
};

Lead lead(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Bytes of the ASCII text at the start of `text`, in whole words.
std::size_t ascii_words(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  return at;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  for (std::size_t at = ascii_words(text); at < text.size();) {
    const Lead first = lead(byte(at));
    const auto length = static_cast<std::size_t>(first.length);
    if (length == 0 || text.size() - at < length) return false;
    if (length > 1 && (byte(at + 1) < first.low || byte(at + 1) > first.high)) return false;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    at += length;
    if (length > 1) at += ascii_words(text.substr(at));
  }
  return true;
}

}  // namespace hypernodes
