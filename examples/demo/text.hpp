// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The native half of the demo: text to counted terms. Plain functions that know nothing of
/// pipelines; demo_nodes.cpp makes them nodes for Python, ../search.cpp for a C++ program.
namespace demo {

namespace detail {

inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Letters and digits; every byte of a UTF-8 character beyond ASCII counts as a letter.
inline bool is_word(char c) {
  return is_lower(c) || is_upper(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
}

/// Whether the capital at `at` begins a word inside an identifier: the P of `argParser`, the S of
/// `HTTPServer`. The D of `IDs` does not: a plural s is not a word.
inline bool begins_inner_word(std::string_view text, std::size_t at) {
  if (at == 0 || !is_upper(text[at])) return false;
  const char before = text[at - 1];
  if (is_lower(before) || is_digit(before)) return true;
  return is_upper(before) && at + 2 < text.size() && is_lower(text[at + 1]) &&
         is_lower(text[at + 2]);
}

inline void remove_plural(std::string& word) {
  if (word.size() <= 3 || !word.ends_with('s')) return;
  if (word.ends_with("ies") && word.size() > 4) {
    word.replace(word.size() - 3, 3, "y");
  } else if (word.ends_with("sses")) {
    word.resize(word.size() - 2);
  } else if (!word.ends_with("ss") && !word.ends_with("us") && !word.ends_with("is")) {
    word.pop_back();
  }
}

/// Takes `suffix` off if a stem of three letters with a vowel is left; `running` becomes `run`.
inline bool remove_suffix(std::string& word, std::string_view suffix) {
  if (word.size() < suffix.size() + 3 || !word.ends_with(suffix)) return false;
  const std::string_view stem(word.data(), word.size() - suffix.size());
  if (stem.find_first_of("aeiouy") == std::string_view::npos) return false;
  word.resize(stem.size());
  const char last = word.back();
  const bool doubled = last == word[word.size() - 2];
  if (doubled && last != 'l' && last != 's' && last != 'z') word.pop_back();
  return true;
}

/// A light English stemmer: plurals, -ing, -ed and a last e. `parsing`, `parsed` and `parses`
/// become `pars`.
inline void stem(std::string& word) {
  remove_plural(word);
  if (!remove_suffix(word, "ing")) remove_suffix(word, "ed");
  if (word.size() > 3 && word.ends_with('e')) word.pop_back();
}

}  // namespace detail

/// Lower-case words with one space between them. Identifiers fall apart: `add_argument` and
/// `addArgument` both give `add argument`.
inline std::string normalise(std::string_view text) {
  std::string words;
  words.reserve(text.size() + text.size() / 8);
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool word = detail::is_word(c);
    if (word && (!in_word || detail::begins_inner_word(text, i)) && !words.empty())
      words.push_back(' ');
    if (word) words.push_back(detail::is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c);
    in_word = word;
  }
  return words;
}

/// The words of a normalised text, stemmed. Those of one byte (single letters) are left out.
inline std::vector<std::string> tokenise(std::string_view normalised) {
  std::vector<std::string> tokens;
  while (!normalised.empty()) {
    const std::size_t end = normalised.find(' ');
    const std::string_view word = normalised.substr(0, end);
    normalised.remove_prefix(end == std::string_view::npos ? normalised.size() : end + 1);
    if (word.size() < 2) continue;
    detail::stem(tokens.emplace_back(word));
  }
  return tokens;
}

/// How often each token occurs.
inline std::map<std::string, std::int64_t> count(const std::vector<std::string>& tokens) {
  std::map<std::string, std::int64_t> counts;
  for (const std::string& token : tokens) ++counts[token];
  return counts;
}

}  // namespace demo
