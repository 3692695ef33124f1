// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/node.hpp"
#include "kernel/lane.hpp"
#include "values/sha256.hpp"

/// Keys and records of node results (docs/formats/keys.md, record.md).
namespace hypernodes {

/// First byte of the payload of a pickled output; the pickle follows. No value encoding begins so.
inline constexpr char kPickleMark = '\xFF';

/// One output of a node on its way to or from a record.
struct EncodedOutput {
  Digest digest;
  std::string_view payload;
  bool pickled = false;  ///< The payload is kPickleMark and a pickle, else a value encoding.
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
  *out = {Lane::kUnknown, payload};
  if (stored && !unordered) {
    out->digest = Digest::of_value(payload);
    return true;
  }
  canonical.clear();
  const bool digested = encode(/*canonical=*/true, canonical, &unordered);
  if (digested) out->digest = Digest::of_value(canonical);
  return stored && digested;
}

/// The digest of a result of the row with `key` that has no canonical encoding, only a pickle.
///
/// Pickles alone do not do: they name the classes of objects but not their code, so the same bytes
/// may mean something else after an edit, which the key of the row that made them tells.
Digest digest_of_pickle(const Digest& key, std::string_view payload);

/// Makes the keys of one node. What its rows share is hashed once, each key adds the inputs'
/// digests. They begin with the same eight bytes, so that a store has a node's records together.
class KeyMaker {
 public:
  explicit KeyMaker(const Digest& code);
  explicit KeyMaker(const Node& node) : KeyMaker(node.definition().code) {}
  /// Adds the digest of a value that is fixed inside the node: a bound input of a nested pipeline.
  void add_fixed(const Digest& value) { state_.update(value.significant()); }
  /// What all keys of the node begin with.
  const NodePrefix& node() const { return node_; }
  /// The key for inputs with these digests, in the order of the node's inputs.
  Digest key(std::span<const Digest* const> inputs) const;

 private:
  Sha256 state_;
  NodePrefix node_;  ///< The first bytes of the code digest.
};

/// Appends the record of a node's outputs under `key`; `secret` is needed if one is pickled.
void append_outputs(const Digest& key, std::uint64_t cost_ns,
                    std::span<const EncodedOutput> outputs, std::string& out,
                    std::string_view secret = {});

/// As many outputs as the record has.
inline constexpr std::size_t kAnyCount = 0;

/// Reads a record of `count` outputs; false if it is not one, or has a pickled output and no MAC
/// by `secret`. Payloads borrow from `bytes`, which claims_pickle() says where to have.
bool parse_outputs(const Digest& key, std::string_view bytes, std::size_t count,
                   std::vector<EncodedOutput>& outputs, std::string_view secret = {});

}  // namespace hypernodes
