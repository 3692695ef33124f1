// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "hypernodes/error.hpp"

namespace hypernodes::python {

/// What the word given for an option stands for. Throws: PlanError, with `fix`, if it is unknown.
template <typename Choice>
Choice choice_of(const char* option, std::string_view word,
                 std::initializer_list<std::pair<std::string_view, Choice>> choices,
                 const char* fix) {
  for (const auto& [name, choice] : choices) {
    if (name == word) return choice;
  }
  throw PlanError("Unknown " + std::string(option) + " '" + std::string(word) + "'", {}, fix);
}

}  // namespace hypernodes::python
