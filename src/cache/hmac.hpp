// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// HMAC-SHA256 (RFC 2104) of `parts`, one after the other, under `secret`. nullopt if OpenSSL
/// cannot: no memory, or a provider without it.
/// Cost: about 1 us, and 0.5 ns to 3 ns a byte.
std::optional<Digest> hmac_sha256(std::string_view secret,
                                  std::initializer_list<std::string_view> parts);

/// Whether two MACs are equal, in a time that does not tell where they differ.
bool same_mac(const Digest& a, const Digest& b);

}  // namespace hypernodes
