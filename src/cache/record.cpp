// SPDX-License-Identifier: MIT
#include "cache/record.hpp"

// Inlined, a checksum of 20 bytes costs 3 ns instead of 8, and nothing needs to be linked.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstring>

#include "cache/hmac.hpp"

namespace hypernodes {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

constexpr std::uint8_t kVersion = 1;

// Second byte of a record: the codec and what was left out.
constexpr std::uint8_t kCodecMask = 0x3F;
constexpr std::uint8_t kShortDigest = 0x40;      // the digest's trailing zeros are not stored
constexpr std::uint8_t kPayloadInDigest = 0x80;  // the payload is the digest without its first byte

constexpr std::size_t kFixed = 1 + 1 + sizeof(std::uint64_t);
constexpr std::size_t kChecksum = sizeof(std::uint64_t);
constexpr std::size_t kMac = 32;
constexpr std::size_t kMaxInline = 31;
constexpr std::string_view kMacVersion = "hypernodes mac 1";  // 16 bytes

void append_u64(std::uint64_t value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint64_t read_u64(const char* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint64_t checksum(const Digest& key, std::string_view bytes) {
  const std::uint64_t seed = XXH3_64bits(key.bytes.data(), key.bytes.size());
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// The MAC of a record whose bytes before it are `covered`.
std::optional<Digest> mac_of(const Digest& key, std::string_view covered, std::string_view secret) {
  const std::string_view key_bytes{reinterpret_cast<const char*>(key.bytes.data()),
                                   key.bytes.size()};
  return hmac_sha256(secret, {kMacVersion, key_bytes, covered});
}

/// Takes the MAC off the end of `covered`; false if it is not right. Kept out of the way of plain
/// records, which take 10 ns.
[[gnu::cold, gnu::noinline]] bool take_mac(const Digest& key, std::string_view* covered,
                                           std::string_view secret) {
  if (secret.empty() || covered->size() < kFixed + 1 + kMac) return false;
  Digest found;
  std::memcpy(found.bytes.data(), covered->data() + covered->size() - kMac, kMac);
  covered->remove_suffix(kMac);
  const std::optional<Digest> mac = mac_of(key, *covered, secret);
  return mac && same_mac(*mac, found);
}

/// Whether the digest is a value of up to 31 bytes that stands for itself, zeros after it.
bool stands_for_itself(const Digest& digest) {
  const std::size_t length = digest.bytes[0];
  if (length > kMaxInline) return false;
  for (std::size_t i = 1 + length; i < digest.bytes.size(); ++i) {
    if (digest.bytes[i] != 0) return false;
  }
  return true;
}

}  // namespace

void append_record(const Digest& key, const Record& record, std::string& out,
                   std::string_view secret) {
  const std::size_t start = out.size();
  auto head = static_cast<std::uint8_t>(record.codec);
  std::string_view digest{reinterpret_cast<const char*>(record.value.bytes.data()),
                          record.value.bytes.size()};
  if (stands_for_itself(record.value)) {
    head |= kShortDigest;
    digest = digest.substr(0, std::size_t{record.value.bytes[0]} + 1);
    if (record.codec == Codec::kValue && record.payload == digest.substr(1)) {
      head |= kPayloadInDigest;
    }
  }
  out += static_cast<char>(kVersion);
  out += static_cast<char>(head);
  append_u64(record.cost_ns, out);
  out += digest;
  if ((head & kPayloadInDigest) == 0) {
    append_u64(record.payload.size(), out);
    out += record.payload;
  }
  if (record.codec == Codec::kPickle) {
    // Without a MAC, which only a lack of memory explains, the record is a miss.
    const Digest mac = mac_of(key, std::string_view{out}.substr(start), secret).value_or(Digest{});
    out.append(reinterpret_cast<const char*>(mac.bytes.data()), kMac);
  }
  append_u64(checksum(key, std::string_view{out}.substr(start)), out);
}

bool claims_pickle(std::string_view bytes) {
  return bytes.size() > 1 && (static_cast<std::uint8_t>(bytes[1]) & kCodecMask) ==
                                 static_cast<std::uint8_t>(Codec::kPickle);
}

bool is_intact(const Digest& key, std::string_view bytes) {
  if (bytes.size() < kFixed + 1 + kChecksum) return false;
  const std::string_view covered = bytes.substr(0, bytes.size() - kChecksum);
  return checksum(key, covered) == read_u64(covered.data() + covered.size());
}

std::optional<Record> parse_record(const Digest& key, std::string_view bytes,
                                   std::string_view secret) {
  if (!is_intact(key, bytes)) return std::nullopt;
  std::string_view covered = bytes.substr(0, bytes.size() - kChecksum);

  // The checksum is no proof against forgery, so every length below is still checked.
  if (static_cast<std::uint8_t>(bytes[0]) != kVersion) return std::nullopt;
  const auto head = static_cast<std::uint8_t>(bytes[1]);
  const std::uint8_t codec = head & kCodecMask;
  if (codec != static_cast<std::uint8_t>(Codec::kValue) &&
      codec != static_cast<std::uint8_t>(Codec::kPickle)) {
    return std::nullopt;
  }
  if (codec == static_cast<std::uint8_t>(Codec::kPickle) && !take_mac(key, &covered, secret)) {
    return std::nullopt;
  }
  Record record;
  record.codec = static_cast<Codec>(codec);
  record.cost_ns = read_u64(bytes.data() + 2);

  std::string_view rest = covered.substr(kFixed);
  std::size_t digest_size = record.value.bytes.size();
  if ((head & kShortDigest) != 0) {
    const auto length = static_cast<std::uint8_t>(rest[0]);
    if (length > kMaxInline) return std::nullopt;
    digest_size = std::size_t{length} + 1;
  }
  if (rest.size() < digest_size) return std::nullopt;
  const std::string_view digest = rest.substr(0, digest_size);
  std::memcpy(record.value.bytes.data(), digest.data(), digest.size());
  rest.remove_prefix(digest_size);

  if ((head & kPayloadInDigest) != 0) {
    if ((head & kShortDigest) == 0 || record.codec != Codec::kValue || !rest.empty()) {
      return std::nullopt;
    }
    record.payload = digest.substr(1);
    return record;
  }
  if (rest.size() < sizeof(std::uint64_t)) return std::nullopt;
  const std::uint64_t length = read_u64(rest.data());
  rest.remove_prefix(sizeof(std::uint64_t));
  if (rest.size() != length) return std::nullopt;
  record.payload = rest;
  return record;
}

}  // namespace hypernodes
