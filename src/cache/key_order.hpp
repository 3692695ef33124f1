// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// The positions of `keys` in ascending order of the keys; equal keys keep their order.
/// Cost: about 10 ns a key for random keys, n log n comparisons at worst.
std::vector<std::uint32_t> key_order(std::span<const Digest> keys);

}  // namespace hypernodes
