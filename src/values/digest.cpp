// SPDX-License-Identifier: MIT
#include "hypernodes/digest.hpp"

#include <algorithm>

#include "values/sha256.hpp"

namespace hypernodes {
namespace {

constexpr std::size_t kMaxInline = 31;
constexpr std::uint8_t kHashed = 0x80;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Digest Digest::of_value(std::string_view encoded) {
  if (encoded.size() <= kMaxInline) {
    Digest digest;
    digest.bytes[0] = static_cast<std::uint8_t>(encoded.size());
    std::copy(encoded.begin(), encoded.end(), digest.bytes.begin() + 1);
    return digest;
  }
  Digest digest = of_bytes(encoded);
  digest.bytes[0] |= kHashed;
  return digest;
}

Digest Digest::of_bytes(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

bool Digest::parse(std::string_view text, Digest* out) {
  Digest digest;
  if (text.size() != 2 * digest.bytes.size()) return false;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  *out = digest;
  return true;
}

}  // namespace hypernodes
