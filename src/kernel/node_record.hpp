// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/digest.hpp"
#include "hypernodes/node.hpp"
#include "kernel/lane.hpp"
#include "values/sha256.hpp"

/// Keys and records of node results (docs/formats/keys.md, record.md).
namespace hypernodes {

/// One output of a node on its way to or from a record.
struct EncodedOutput {
  Digest digest;
  std::string_view payload;
};

/// A result as it goes into a record, in `payload`; `canonical` is scratch. False if it has no
/// encoding; its digest, from the canonical form, it may have all the same, else kUnknown.
/// `encode(canonical, out, unordered)` is codec::encode of the result.
template <typename Encode>
bool encode_output(Encode&& encode, std::string& payload, std::string& canonical,
                   EncodedOutput* out) {
  payload.clear();
  bool unordered = false;
  const bool stored = encode(/*canonical=*/false, payload, &unordered);
  out->payload = payload;
  if (stored && !unordered) {
    out->digest = Digest::of_value(payload);
    return true;
  }
  canonical.clear();
  const bool digested = encode(/*canonical=*/true, canonical, &unordered);
  out->digest = digested ? Digest::of_value(canonical) : Lane::kUnknown;
  return stored && digested;
}

/// Makes the keys of one node. What its rows share is hashed once, each key adds the inputs'
/// digests.
class KeyMaker {
 public:
  explicit KeyMaker(const Node& node);
  /// Adds the digest of a value that is fixed inside the node: a bound input of a nested pipeline.
  void add_fixed(const Digest& value) { state_.update(value.significant()); }
  /// The key for inputs with these digests, in the order of the node's inputs.
  Digest key(std::span<const Digest* const> inputs) const;

 private:
  Sha256 state_;
};

/// Appends the record of a node's outputs under `key`.
void append_outputs(const Digest& key, std::uint64_t cost_ns,
                    std::span<const EncodedOutput> outputs, std::string& out);

/// Reads a record of `count` outputs; false if it is not one. Payloads borrow from `bytes`.
bool parse_outputs(const Digest& key, std::string_view bytes, std::size_t count,
                   std::vector<EncodedOutput>& outputs);

}  // namespace hypernodes
