// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes::detail {

struct TextBox final : Box {
  TextBox(Kind k, std::string t) : Box(k), text(std::move(t)) {}
  const std::string text;
};

struct ColumnBox final : Box {
  ColumnBox(Kind k, Column c) : Box(k), column(std::move(c)) {}
  const Column column;
};

struct StructBox final : Box {
  StructBox(Type t, std::vector<Value> f)
      : Box(Kind::kStruct), type(std::move(t)), fields(std::move(f)) {}
  const Type type;
  const std::vector<Value> fields;
};

}  // namespace hypernodes::detail
