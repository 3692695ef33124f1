// SPDX-License-Identifier: MIT
#include "hypernodes/pipeline.hpp"

#include <algorithm>
#include <array>

#include "engine/explain.hpp"
#include "engine/prepare.hpp"
#include "graph/nested.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {

struct Pipeline::State {
  std::vector<Node> nodes;
  std::string name;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const std::vector<std::string>> output_names;
  std::shared_ptr<const Engine> engine;  ///< Null: the sequential one.
  std::shared_ptr<Cache> cache;
  std::vector<std::shared_ptr<Callback>> callbacks;
  Inputs bound;
  bool plain = true;  ///< Nothing but nodes: the fast way.

  void settle() {
    plain = engine == nullptr && cache == nullptr && callbacks.empty() && bound.items().empty() &&
            !graph->has_nested();
  }
};

namespace {

constexpr std::size_t kFewRoots = 16;

}  // namespace

Pipeline::Pipeline(std::vector<Node> nodes, std::string name) {
  auto state = std::make_shared<State>();
  state->graph = Graph::build(nodes, name);
  state->nodes = std::move(nodes);
  state->name = std::move(name);
  state->output_names =
      std::make_shared<const std::vector<std::string>>(state->graph->all().output_names);
  state->settle();
  state_ = std::move(state);
}

Pipeline Pipeline::with_engine(std::shared_ptr<const Engine> engine) const {
  auto state = std::make_shared<State>(*state_);
  state->engine = std::move(engine);
  state->settle();
  return Pipeline(std::shared_ptr<const State>(std::move(state)));
}

Pipeline Pipeline::with_cache(std::shared_ptr<Cache> cache) const {
  auto state = std::make_shared<State>(*state_);
  state->cache = std::move(cache);
  state->settle();
  return Pipeline(std::shared_ptr<const State>(std::move(state)));
}

Pipeline Pipeline::with_callbacks(std::vector<std::shared_ptr<Callback>> callbacks) const {
  auto state = std::make_shared<State>(*state_);
  state->callbacks = std::move(callbacks);
  state->settle();
  return Pipeline(std::shared_ptr<const State>(std::move(state)));
}

Pipeline Pipeline::with_name(std::string name) const {
  auto state = std::make_shared<State>(*state_);
  state->graph = Graph::build(state->nodes, name);
  state->name = std::move(name);
  return Pipeline(std::shared_ptr<const State>(std::move(state)));
}

Pipeline Pipeline::bind(std::initializer_list<Input> inputs) const {
  auto state = std::make_shared<State>(*state_);
  for (const Input& input : inputs) state->bound.set(input.name, input.value);
  state->settle();
  return Pipeline(std::shared_ptr<const State>(std::move(state)));
}

Outputs Pipeline::run(std::initializer_list<Input> inputs) const {
  const Graph& graph = *state_->graph;
  const auto roots = static_cast<std::size_t>(graph.root_count());
  if (!state_->plain || roots > kFewRoots) return run(Inputs(inputs), {});
  std::vector<Value> slots(graph.slots().size());
  std::array<bool, kFewRoots> given{};
  for (const Input& input : inputs) {
    for (std::size_t slot = 0; slot < roots; ++slot) {
      if (graph.slots()[slot] != input.name) continue;
      if (!graph.root_accepts(static_cast<int>(slot), input.value)) return run(Inputs(inputs), {});
      slots[slot] = input.value;
      given[slot] = true;
      break;
    }
  }
  for (const int slot : graph.all().roots) {
    // The slow way has the words for what is wrong.
    if (!given[static_cast<std::size_t>(slot)] && !graph.optional(slot)) {
      return run(Inputs(inputs), {});
    }
  }
  if (const auto failure = run_row(graph, graph.all(), slots.data(), given.data(), -1)) {
    raise(*failure);
  }
  return Outputs(state_->output_names, std::move(slots), roots);
}

Outputs Pipeline::run(const Inputs& inputs, const RunOptions& options) const {
  static const SequentialEngine sequential;
  const Engine& engine = state_->engine ? *state_->engine : sequential;
  return engine.run(*this, inputs, options);
}

Columns Pipeline::map(std::initializer_list<Input> inputs, const MapOptions& options) const {
  return map(Inputs(inputs), options);
}

Columns Pipeline::map(const Inputs& inputs, const MapOptions& options) const {
  static const SequentialEngine sequential;
  const Engine& engine = state_->engine ? *state_->engine : sequential;
  return engine.map(*this, inputs, options);
}

Explanation Pipeline::explain(const Inputs& inputs, const RunOptions& options) const {
  const PreparedRun prepared(*this, inputs, options);
  return explain_run(*prepared.graph(), prepared.selection(), prepared.inputs(), cache());
}

Explanation Pipeline::explain(const Inputs& inputs, const MapOptions& options) const {
  const PreparedRun prepared(*this, inputs, options);
  return explain_map(*prepared.graph(), prepared.selection(), prepared.inputs(), cache());
}

Node Pipeline::as_node(const NestedOptions& options) const {
  NestedRequest request;
  request.graph = state_->graph;
  request.name = options.name.empty() ? state_->name : options.name;
  request.inputs = options.inputs;
  request.outputs = options.outputs;
  request.map_over = options.map_over;
  request.mode = options.mode;
  request.bound = state_->bound.items();
  request.cache = state_->cache;
  request.callbacks = state_->callbacks;
  return make_nested_node(request);
}

const std::string& Pipeline::name() const { return state_->name; }

std::vector<std::string> Pipeline::root_inputs() const {
  const std::vector<std::string>& slots = state_->graph->slots();
  return {slots.begin(), slots.begin() + state_->graph->root_count()};
}

std::vector<std::string> Pipeline::output_names() const { return *state_->output_names; }

const std::shared_ptr<const Graph>& Pipeline::graph() const { return state_->graph; }
const std::shared_ptr<Cache>& Pipeline::cache() const { return state_->cache; }
const std::vector<std::shared_ptr<Callback>>& Pipeline::callbacks() const {
  return state_->callbacks;
}
const Inputs& Pipeline::bound() const { return state_->bound; }

}  // namespace hypernodes
