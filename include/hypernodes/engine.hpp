// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/map_plan.hpp"
#include "hypernodes/statistics.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

class Graph;
class Pipeline;

/// A name and the value given for it.
struct Input {
  std::string_view name;
  Value value;
};

/// Inputs by name, for when a braced list will not do.
class Inputs {
 public:
  Inputs() = default;
  Inputs(std::initializer_list<Input> inputs) {
    for (const Input& input : inputs) set(input.name, input.value);
  }
  /// Gives `name` a value; the last one counts.
  void set(std::string_view name, Value value);
  const std::vector<std::pair<std::string, Value>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, Value>> items_;
};

struct RunOptions {
  std::vector<std::string> outputs = {};  ///< Only these, and only the nodes they need. Empty: all.
  /// Outputs that are given instead of computed: nodes that only they needed do not run.
  Inputs overrides = {};
};

/// What becomes of a map one of whose rows fails.
enum class OnError : std::uint8_t {
  kRaise,    ///< The lowest failing row's error is thrown.
  kNull,     ///< What could not be computed of a row is null; `statistics.failures` says why.
  kCollect,  ///< The rows that did not fail are returned, the others are in `statistics.failures`.
};

/// What a map goes over: `over("x")`, `over("x", "y").product()`.
struct MapOptions {
  std::vector<std::string> over;
  MapMode mode = MapMode::kZip;
  std::vector<std::string> outputs = {};  ///< Empty: all.
  Inputs overrides = {};                  ///< As of a run; lists if they are in `over`.
  OnError on_error = OnError::kRaise;

  MapOptions product() const {
    MapOptions options = *this;
    options.mode = MapMode::kProduct;
    return options;
  }
  MapOptions only(std::vector<std::string> names) const {
    MapOptions options = *this;
    options.outputs = std::move(names);
    return options;
  }
  MapOptions overriding(Inputs given) const {
    MapOptions options = *this;
    options.overrides = std::move(given);
    return options;
  }
  MapOptions on_failure(OnError outcome) const {
    MapOptions options = *this;
    options.on_error = outcome;
    return options;
  }
};

template <typename... Names>
MapOptions over(const Names&... names) {
  return MapOptions{{std::string(names)...}};
}

/// The outputs of a run, in execution order or that asked for.
class Outputs {
 public:
  Outputs() = default;
  Outputs(std::shared_ptr<const std::vector<std::string>> names, std::vector<Value> values,
          std::size_t first = 0)
      : names_(std::move(names)), values_(std::move(values)), first_(first) {}

  std::size_t size() const { return names_ ? names_->size() : 0; }
  const std::vector<std::string>& names() const { return *names_; }
  const Value& value(std::size_t index) const { return values_[first_ + index]; }
  /// Throws: PlanError if there is no such output. The reference lives as long as these outputs.
  const Value& operator[](std::string_view name) const&;
  Value operator[](std::string_view name) && { return std::as_const(*this)[name]; }

  /// What each node did; empty for a run without cache and callbacks, which does not count.
  Statistics statistics;

 private:
  std::shared_ptr<const std::vector<std::string>> names_;
  std::vector<Value> values_;  ///< From `first_` on.
  std::size_t first_ = 0;
};

/// The outputs of a map: one column for each, all of one length.
class Columns {
 public:
  Columns() = default;
  Columns(std::vector<std::string> names, std::vector<Column> columns)
      : names_(std::move(names)), columns_(std::move(columns)) {}

  std::size_t size() const { return names_.size(); }
  std::int64_t rows() const { return columns_.empty() ? 0 : columns_.front().size(); }
  const std::vector<std::string>& names() const { return names_; }
  const Column& column(std::size_t index) const { return columns_[index]; }
  /// Throws: PlanError if there is no such output.
  const Column& operator[](std::string_view name) const&;
  Column operator[](std::string_view name) && { return std::as_const(*this)[name]; }

  Statistics statistics;
  std::vector<std::int64_t>
      good_rows;  ///< With OnError::kCollect: which rows of the map these are.

 private:
  std::vector<std::string> names_;
  std::vector<Column> columns_;
};

/// How a pipeline is run. Every engine gives the same answers, errors and events.
/// Threads: const functions may be called at once.
class Engine {
 public:
  virtual ~Engine() = default;
  /// As in messages: `SequentialEngine`.
  virtual std::string name() const = 0;
  virtual Outputs run(const Pipeline& pipeline, const Inputs& inputs,
                      const RunOptions& options) const = 0;
  virtual Columns map(const Pipeline& pipeline, const Inputs& inputs,
                      const MapOptions& options) const = 0;
};

/// In this process and thread, one thing after another: the default.
class SequentialEngine final : public Engine {
 public:
  std::string name() const override { return "SequentialEngine"; }
  Outputs run(const Pipeline& pipeline, const Inputs& inputs,
              const RunOptions& options) const override;
  Columns map(const Pipeline& pipeline, const Inputs& inputs,
              const MapOptions& options) const override;
};

}  // namespace hypernodes
