// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// How a record's payload is written.
enum class Codec : std::uint8_t {
  kValue = 1,   ///< The data-only encoding of docs/formats/values.md.
  kPickle = 2,  ///< Python's pickle behind a keyed MAC; opened only by the Python layer.
};

/// One node result for one row, as a cache keeps it.
struct Record {
  Digest value;             ///< Digest of the result: what the keys of its consumers are made of.
  std::uint64_t cost_ns{};  ///< Time the node took, in ns; 0 if not measured.
  Codec codec = Codec::kValue;
  std::string_view payload;  ///< Borrowed.
};

/// Appends the bytes of `record` under `key` to `out` (docs/formats/record.md).
void append_record(const Digest& key, const Record& record, std::string& out);

/// Reads `bytes` found under `key`. nullopt if they are not, to the last bit, what was written
/// under this very key by this format version. The payload borrows from `bytes`.
std::optional<Record> parse_record(const Digest& key, std::string_view bytes);

}  // namespace hypernodes
