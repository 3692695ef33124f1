// SPDX-License-Identifier: MIT
#include "draw/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "values/utf8.hpp"

namespace hypernodes::draw {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the character at the start of `text`; 0 if there is none.
std::size_t character_size(std::string_view text) {
  for (std::size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    if (is_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

/// U+FFFE and U+FFFF, which XML forbids.
bool is_noncharacter(std::string_view character) {
  return character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF";
}

bool starts_character(char byte) { return (static_cast<std::uint8_t>(byte) & 0xC0) != 0x80; }

}  // namespace

std::string clean(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text.substr(at));
    const std::string_view character = text.substr(at, size);
    if (size == 0 || is_noncharacter(character)) {
      out += kReplacement;
    } else if (size == 1 && (static_cast<std::uint8_t>(text[at]) < 0x20 || text[at] == 0x7F)) {
      out += ' ';
    } else {
      out += character;
    }
    at += size == 0 ? 1 : size;
  }
  return out;
}

std::string clip(const std::string& text, std::size_t limit) {
  std::size_t characters = 0;
  std::size_t end = 0;  // of the characters that stay if there are too many
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!starts_character(text[at])) continue;
    if (++characters == limit) end = at;
  }
  return characters <= limit ? text : text.substr(0, end) + "\xE2\x80\xA6";
}

double text_width(std::string_view text, double font_size) {
  constexpr std::string_view kNarrow = "ijl.,:;'|!I";
  constexpr std::string_view kSlim = "frt()[]{}/\\ -\"*";
  double width = 0;
  for (const char byte : text) {
    const auto code = static_cast<std::uint8_t>(byte);
    if (!starts_character(byte)) continue;
    if (code >= 0xE0) {
      width += 1.0;
    } else if (kNarrow.find(byte) != std::string_view::npos) {
      width += 0.27;
    } else if (kSlim.find(byte) != std::string_view::npos) {
      width += 0.36;
    } else if (byte == 'm' || byte == 'w' || byte == 'M' || byte == 'W' || byte == '@') {
      width += 0.86;
    } else {
      width += byte >= 'A' && byte <= 'Z' ? 0.7 : 0.57;
    }
  }
  return width * font_size;
}

std::string markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char byte : text) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += byte;
    }
  }
  return out;
}

std::string number(double value) {
  // Not printf, whose decimal point is the locale's.
  char text[64];
  const double rounded = std::clamp(std::round(value * 10) / 10 + 0.0, -1e9, 1e9);
  const auto end = std::to_chars(text, text + sizeof text, rounded, std::chars_format::fixed, 1);
  std::string out(text, end.ptr);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

}  // namespace hypernodes::draw
