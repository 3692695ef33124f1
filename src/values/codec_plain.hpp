// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "values/codec.hpp"

/// Reading values whose type is not known; `depth` is the number of containers around them.
namespace hypernodes::codec {

/// Reads past one value of any tag. False if it is not well-formed.
bool skip(Reader& reader, int depth);

/// The next value, of the type that follows from its bytes. Nothing for what only Python makes.
std::optional<Value> read_plain(Reader& reader, int depth);

}  // namespace hypernodes::codec
