// SPDX-License-Identifier: MIT
#include "bindings/outcomes.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "bindings/choices.hpp"
#include "bindings/errors.hpp"
#include "bindings/to_python.hpp"
#include "engine/outcomes.hpp"
#include "kernel/lane.hpp"

namespace hypernodes::python {
namespace {

/// The values that a map has for a row alone, by name.
std::map<std::string, Value> items_of(const Graph& graph, const GraphInputs& inputs,
                                      std::int64_t row) {
  std::map<std::string, Value> items;
  for (std::size_t i = 0; i < inputs.mapped.size(); ++i) {
    const auto& [slot, column] = inputs.mapped[i];
    if (slot < 0) continue;  // counts rows only
    items.emplace(graph.slots()[at(slot)],
                  column[inputs.plan.identity ? row : inputs.plan.inputs[i].item(row)]);
  }
  return items;
}

/// One for the names and values; None if a value has none.
nb::object digest_of_items(const std::map<std::string, Value>& items) {
  std::string text;
  std::string scratch;
  for (const auto& [name, value] : items) {
    const Digest digest = digest_of(value, scratch);
    if (!Lane::known(digest)) return nb::none();
    text += name + '\0' + digest.hex();
  }
  return str_of(Digest::of_bytes(text).hex());
}

nb::tuple failure_of(const Graph& graph, const GraphInputs& inputs, const RowFailure& failure) {
  nb::list names;
  for (const std::string& name : failure.around) names.append(str_of(name));
  names.append(str_of(failure.node));
  const std::map<std::string, Value> items = items_of(graph, inputs, failure.row);
  nb::dict given;
  for (const auto& [name, value] : items) given[str_of(name)] = to_python(value);
  return nb::make_tuple(failure.row, nb::tuple(names), exception_object(failure.error), given,
                        digest_of_items(items), failure.attempts);
}

}  // namespace

OnError on_error_of(std::string_view on_error) {
  return choice_of<OnError>(
      "on_error", on_error,
      {{"raise", OnError::kRaise}, {"null", OnError::kNull}, {"collect", OnError::kCollect}},
      "use 'raise', 'null' or 'collect'");
}

nb::object outcomes(const Plan& plan, const GraphInputs& inputs, std::vector<Pieces> outputs,
                    Shape shape, OnError on_error, const Statistics& statistics) {
  std::int64_t rows = inputs.plan.rows;
  nb::object kept = nb::none();
  if (on_error == OnError::kCollect) {
    const std::vector<std::int64_t> good = good_rows(statistics.failures, rows);
    keep_rows(*plan.graph, plan.selection, good, &outputs);
    rows = static_cast<std::int64_t>(good.size());
    nb::list numbers;
    for (const std::int64_t row : good) numbers.append(row);
    kept = std::move(numbers);
  }
  nb::list failures;
  for (const RowFailure& failure : statistics.failures) {
    failures.append(failure_of(*plan.graph, inputs, failure));
  }
  return nb::make_tuple(shaped(plan, std::move(outputs), rows, shape), kept, failures);
}

}  // namespace hypernodes::python
