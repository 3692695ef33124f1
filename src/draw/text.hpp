// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hypernodes::draw {

/// `text` on one line: control characters become spaces, what is not UTF-8 becomes U+FFFD.
std::string clean(std::string_view text);

/// The first characters of `text`, with an ellipsis if there are more than `limit`. REQUIRES:
/// UTF-8.
std::string clip(const std::string& text, std::size_t limit);

/// About how many pixels wide a line of a sans-serif font is. REQUIRES: UTF-8.
double text_width(std::string_view text, double font_size);

/// Escaped for the content and the quoted attributes of HTML and XML.
std::string markup(std::string_view text);

/// A number with at most one decimal.
std::string number(double value);

}  // namespace hypernodes::draw
