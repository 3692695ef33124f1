// SPDX-License-Identifier: MIT
#include "cache/use_journal.hpp"

#include <algorithm>

namespace hypernodes {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kCount = sizeof(std::uint32_t);

void append_word(std::uint64_t word, std::string& out) {
  out.append(reinterpret_cast<const char*>(&word), kWord);
}

std::uint64_t word_at(std::string_view bytes, std::size_t offset) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + offset, kWord);
  return word;
}

}  // namespace

void UseEntry::add(const KeyPrefix& key) {
  if (bytes_.empty() || word_at(bytes_, count_at_ - kWord) != key.node) {
    append_word(key.node, bytes_);
    count_at_ = bytes_.size();
    bytes_.append(kCount, '\0');
  }
  append_word(key.row, bytes_);
  const auto count = static_cast<std::uint32_t>((bytes_.size() - count_at_ - kCount) / kWord);
  std::memcpy(bytes_.data() + count_at_, &count, kCount);
}

std::vector<KeyPrefix> UseEntry::read(std::string_view bytes) {
  std::vector<KeyPrefix> keys;
  keys.reserve(bytes.size() / kWord);
  while (bytes.size() >= kWord + kCount) {
    const std::uint64_t node = word_at(bytes, 0);
    std::uint32_t count;
    std::memcpy(&count, bytes.data() + kWord, kCount);
    bytes.remove_prefix(kWord + kCount);
    for (; count > 0 && bytes.size() >= kWord; --count, bytes.remove_prefix(kWord)) {
      keys.push_back({.node = node, .row = word_at(bytes, 0)});
    }
    if (count > 0) break;
  }
  return keys;
}

std::string make_tombstones(std::uint64_t reason, std::span<const KeyPrefix> keys) {
  std::vector<std::uint64_t> tags;
  tags.reserve(keys.size());
  for (const KeyPrefix& key : keys) tags.push_back(key.row);
  std::sort(tags.begin(), tags.end());
  std::string bytes;
  bytes.reserve((tags.size() + 1) * kWord);
  append_word(reason, bytes);
  for (const std::uint64_t tag : tags) append_word(tag, bytes);
  return bytes;
}

std::uint64_t tombstones(std::string_view bytes) {
  return bytes.size() < kWord ? 0 : bytes.size() / kWord - 1;
}

bool find_tombstone(std::string_view bytes, const KeyPrefix& key, std::uint64_t* reason) {
  std::size_t begin = 1, end = 1 + tombstones(bytes);
  while (begin < end) {
    const std::size_t middle = (begin + end) / 2;
    const std::uint64_t tag = word_at(bytes, middle * kWord);
    if (tag == key.row) {
      *reason = word_at(bytes, 0);
      return true;
    }
    tag < key.row ? begin = middle + 1 : end = middle;
  }
  return false;
}

}  // namespace hypernodes
