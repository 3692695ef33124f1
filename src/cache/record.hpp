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
  kPickle = 2,  ///< Holds pickles of another runtime's objects, and a keyed MAC over all of it.
};

/// One node result for one row, as a cache keeps it.
struct Record {
  Digest value;             ///< Digest of the result: what the keys of its consumers are made of.
  std::uint64_t cost_ns{};  ///< Time the node took, in ns; 0 if not measured.
  Codec codec = Codec::kValue;
  std::string_view payload;  ///< Borrowed.
};

/// Appends the bytes of `record` under `key` to `out` (docs/formats/record.md). The MAC of kPickle
/// is made with `secret`, which must then not be empty.
void append_record(const Digest& key, const Record& record, std::string& out,
                   std::string_view secret = {});

/// Whether `bytes` claim to be of codec kPickle. Before such bytes are parsed with a secret they
/// must be copied to memory that nobody else can write: a cache's file is shared, and could change
/// between the check of the MAC and the use of what it covers.
bool claims_pickle(std::string_view bytes);

/// Whether `bytes` found under `key` are as they were written, whoever wrote them. Of a pickle that
/// parse_record() refuses, it tells a foreign one from a damaged one.
bool is_intact(const Digest& key, std::string_view bytes);

/// Reads `bytes` found under `key`. nullopt if they are not, to the last bit, what was written
/// under this very key by this format version; of kPickle, by somebody who had `secret`: without a
/// secret no such record is read. The payload borrows from `bytes`.
std::optional<Record> parse_record(const Digest& key, std::string_view bytes,
                                   std::string_view secret = {});

}  // namespace hypernodes
