// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace hypernodes {

/// Whether `text` is UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace hypernodes
