// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/description.hpp"
#include "hypernodes/engine.hpp"
#include "hypernodes/event.hpp"
#include "hypernodes/explanation.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {

/// How a pipeline looks as a node of another: {inner name, outer name} pairs for inputs and
/// outputs, and what it is mapped over (outer names). Names left out stay; with `outputs` only the
/// named ones exist.
struct NestedOptions {
  std::string name = {};  ///< Empty: the pipeline's.
  std::vector<std::pair<std::string, std::string>> inputs = {};
  std::vector<std::pair<std::string, std::string>> outputs = {};
  std::vector<std::string> map_over = {};
  MapMode mode = MapMode::kZip;
};

/// Nodes wired by name, with an engine, a cache and callbacks: run it over one item, or map it over
/// many. A cheap handle; immutable, `with_*` and `bind` return another pipeline.
/// Threads: every function may be called at once.
class Pipeline {
 public:
  /// Throws: DependencyError if two nodes produce one name, CycleError, TypeError if an output does
  /// not fit the input it feeds.
  Pipeline(std::initializer_list<Node> nodes) : Pipeline(std::vector<Node>(nodes)) {}
  explicit Pipeline(std::vector<Node> nodes, std::string name = {});

  template <std::derived_from<Engine> E>
  Pipeline with_engine(E engine) const {
    return with_engine(std::shared_ptr<const Engine>(std::make_shared<const E>(std::move(engine))));
  }
  Pipeline with_engine(std::shared_ptr<const Engine> engine) const;
  template <std::derived_from<Cache> C>
  Pipeline with_cache(C cache) const {
    return with_cache(std::shared_ptr<Cache>(std::make_shared<C>(std::move(cache))));
  }
  Pipeline with_cache(std::shared_ptr<Cache> cache) const;
  Pipeline with_callbacks(std::vector<std::shared_ptr<Callback>> callbacks) const;
  Pipeline with_name(std::string name) const;
  /// Gives inputs a value for every run; what a run is given wins. Unknown names are ignored.
  Pipeline bind(std::initializer_list<Input> inputs) const;

  /// One item. Throws: PlanError for missing inputs or unknown outputs, TypeError for a value that
  /// does not fit, ExecutionError if a node fails.
  Outputs run(std::initializer_list<Input> inputs) const;
  Outputs run(const Inputs& inputs, const RunOptions& options = {}) const;

  /// Many items: each input named in `options.over` is a list, the others are the same for all.
  /// The result has one row for each item, in their order.
  /// Throws: as run, with the row; PlanError for lists of unequal length.
  Columns map(std::initializer_list<Input> inputs, const MapOptions& options) const;
  Columns map(const Inputs& inputs, const MapOptions& options) const;

  /// What a run, or map, would find in the cache, and why not: no node runs, nothing is stored.
  /// Throws: as run and map do before any work starts.
  /// Cost:   the look-ups of a warm run, and for what misses some more.
  Explanation explain(const Inputs& inputs, const RunOptions& options = {}) const;
  Explanation explain(const Inputs& inputs, const MapOptions& options) const;

  /// This pipeline as a node. Bound inputs stay bound; cache and callbacks, if set, are its own.
  /// Throws: DependencyError for an unknown name in `options`.
  Node as_node(const NestedOptions& options = {}) const;

  const std::string& name() const;
  /// Inputs with types and defaults, outputs, nodes. Cost: copies names.
  Description describe() const;
  /// Sorted names that the caller supplies, bound ones too.
  std::vector<std::string> root_inputs() const;
  std::vector<std::string> output_names() const;

  // For engines.
  const std::shared_ptr<const Graph>& graph() const;
  const std::shared_ptr<Cache>& cache() const;
  const std::vector<std::shared_ptr<Callback>>& callbacks() const;
  const Inputs& bound() const;

 private:
  struct State;
  explicit Pipeline(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// Writes outputs to standard output as Python would: `{'doubled': 10}`, and a newline.
void print(const Outputs& outputs);
void print(const Columns& columns);
std::ostream& operator<<(std::ostream& stream, const Outputs& outputs);
std::ostream& operator<<(std::ostream& stream, const Columns& columns);
std::ostream& operator<<(std::ostream& stream, const Value& value);

}  // namespace hypernodes
