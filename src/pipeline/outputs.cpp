// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <ostream>
#include <string>

#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {
namespace {

std::size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  const auto entry = std::find(names.begin(), names.end(), name);
  if (entry != names.end()) return static_cast<std::size_t>(entry - names.begin());
  std::string known;
  for (const std::string& each : names) known += (known.empty() ? "'" : ", '") + each + "'";
  throw PlanError("There is no output '" + std::string(name) + "' here", {},
                  "use one of [" + known + "]");
}

template <typename Results, typename Text>
std::string as_dict(const Results& results, Text&& text) {
  std::string out = "{";
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i > 0) out += ", ";
    out += Value(results.names()[i]).to_string() + ": " + text(i);
  }
  return out + "}";
}

std::string to_string(const Outputs& outputs) {
  return as_dict(outputs, [&](std::size_t i) { return outputs.value(i).to_string(); });
}

std::string to_string(const Columns& columns) {
  return as_dict(columns,
                 [&](std::size_t i) { return Value::list(columns.column(i)).to_string(); });
}

}  // namespace

void Inputs::set(std::string_view name, Value value) {
  for (auto& [known, current] : items_) {
    if (known != name) continue;
    current = std::move(value);
    return;
  }
  items_.emplace_back(std::string(name), std::move(value));
}

const Value& Outputs::operator[](std::string_view name) const& {
  static const std::vector<std::string> none;
  return value(index_of(names_ ? *names_ : none, name));
}

const Column& Columns::operator[](std::string_view name) const& {
  return columns_[index_of(names_, name)];
}

void print(const Outputs& outputs) { std::puts(to_string(outputs).c_str()); }
void print(const Columns& columns) { std::puts(to_string(columns).c_str()); }

std::ostream& operator<<(std::ostream& stream, const Outputs& outputs) {
  return stream << to_string(outputs);
}
std::ostream& operator<<(std::ostream& stream, const Columns& columns) {
  return stream << to_string(columns);
}
std::ostream& operator<<(std::ostream& stream, const Value& value) {
  return stream << value.to_string();
}

}  // namespace hypernodes
