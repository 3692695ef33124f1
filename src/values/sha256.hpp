// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/sha.h>

#include <string_view>

#include "hypernodes/digest.hpp"

namespace hypernodes {

// OpenSSL 3 deprecates these three functions, but what it recommends looks the algorithm up at
// every call: 267 ns a row against 48.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// SHA-256 of bytes that arrive in pieces.
///
/// A copy goes on from the same state: feed a first block that many messages share once, keep the
/// object, and copy it for each message.
/// Threads: a plain value.
class Sha256 {
 public:
  Sha256() { SHA256_Init(&state_); }

  void update(std::string_view bytes) { SHA256_Update(&state_, bytes.data(), bytes.size()); }

  /// The digest of what was fed so far, which may go on being fed.
  Digest finish() const {
    SHA256_CTX state = state_;
    Digest digest;
    SHA256_Final(digest.bytes.data(), &state);
    return digest;
  }

 private:
  SHA256_CTX state_;
};

#pragma GCC diagnostic pop

}  // namespace hypernodes
