// SPDX-License-Identifier: MIT
#include "values/codec.hpp"

#include <algorithm>
#include <bit>

#include "values/utf8.hpp"

namespace hypernodes::codec {

static_assert(std::endian::native == std::endian::little, "words are copied as they are");

void put_varint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

Tag Reader::tag() {
  const std::string_view byte = take(1);
  if (byte.empty()) return Tag::kNull;
  if (static_cast<std::uint8_t>(byte[0]) > static_cast<std::uint8_t>(Tag::kArray)) fail();
  return static_cast<Tag>(byte[0]);
}

std::uint64_t Reader::varint() {
  std::uint64_t number = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::string_view next = take(1);
    if (next.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(next[0]);
    // The last byte may not be zero (a shorter form exists) nor reach past 64 bits.
    if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
  fail();
  return 0;
}

std::uint64_t Reader::count(std::size_t item_bytes) {
  const std::uint64_t number = varint();
  if (number > rest_.size() / item_bytes) fail();
  return ok_ ? number : 0;
}

std::string_view Reader::take(std::uint64_t bytes) {
  if (bytes > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

void sort_entries(std::string& out, std::size_t begin, const std::vector<std::size_t>& ends) {
  std::vector<std::string_view> entries;
  entries.reserve(ends.size());
  std::size_t from = begin;
  for (const std::size_t end : ends) {
    entries.emplace_back(out.data() + from, end - from);
    from = end;
  }
  if (std::is_sorted(entries.begin(), entries.end())) return;
  std::sort(entries.begin(), entries.end());
  std::string sorted;
  sorted.reserve(from - begin);
  for (const std::string_view entry : entries) sorted += entry;
  out.replace(begin, sorted.size(), sorted);
}

}  // namespace hypernodes::codec
