// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hypernodes {

/// 256 bits that stand for a value, a piece of code or a cache key.
///
/// A value's digest is one of two kinds, told apart by its first byte: up to 31 encoded bytes stand
/// for themselves (first byte = their number, the rest zero), longer ones are hashed with SHA-256
/// and have the top bit set. docs/formats/keys.md has the bytes.
/// Threads: a plain value.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  /// 64 lower-case hex digits.
  std::string hex() const;

  /// The digest of a value's canonical encoding. Cost: a copy up to 31 bytes, else one SHA-256.
  static Digest of_value(std::string_view encoded);

  /// SHA-256 of `bytes`, all 256 bits: for code and configuration.
  static Digest of_bytes(std::string_view bytes);

  /// Parses hex(); false if `text` is not 64 hex digits.
  static bool parse(std::string_view text, Digest* out);

  /// The bytes that count of a value's digest: 1 + length if it stands for itself, else 32.
  std::string_view significant() const {
    const std::size_t size = bytes[0] < 32 ? std::size_t{bytes[0]} + 1 : 32;
    return {reinterpret_cast<const char*>(bytes.data()), size};
  }

  friend auto operator<=>(const Digest&, const Digest&) = default;
};

/// For hash maps: keys are uniform already, value digests that stand for themselves are not.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::uint64_t words[4];
    std::memcpy(words, digest.bytes.data(), sizeof words);
    std::uint64_t mixed = words[0] ^ (words[1] * 0x9E3779B97F4A7C15ULL) ^
                          (words[2] * 0xC2B2AE3D27D4EB4FULL) ^ (words[3] * 0x165667B19E3779F9ULL);
    return static_cast<std::size_t>(mixed ^ (mixed >> 29));
  }
};

}  // namespace hypernodes
