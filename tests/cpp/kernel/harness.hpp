// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/event.hpp"
#include "hypernodes/node.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::testing {

/// A value for every row (`each` false), or a list with one for each row.
struct Given {
  std::string name;
  Value value;
  bool each = true;
};

/// What came out of a batch, as text that can be compared.
struct Ran {
  std::string outputs;  ///< `name=[values] ...`; empty after a failure.
  std::optional<Failure> failure;
  Statistics statistics;

  /// Outputs, or `node @row: what`.
  std::string text() const {
    if (!failure) return outputs;
    std::string out = failure->node + " @" + std::to_string(failure->row) + ": ";
    try {
      std::rethrow_exception(failure->error);
    } catch (const ExecutionError& error) {
      out += error.message();
      if (error.row() != failure->row) out += " (row " + std::to_string(error.row()) + ")";
    } catch (const std::exception& error) {
      out += error.what();
    }
    return out;
  }
  std::int64_t ran(const std::string& node) const {
    const auto found = statistics.nodes.find(node);
    return found == statistics.nodes.end() ? 0 : found->second.rows_run;
  }
  std::int64_t cached(const std::string& node) const {
    const auto found = statistics.nodes.find(node);
    return found == statistics.nodes.end() ? 0 : found->second.rows_cached;
  }
};

struct Setting {
  std::shared_ptr<Cache> cache = nullptr;
  Callbacks callbacks = {};
  std::vector<std::string> outputs = {};  ///< Empty: all.
  bool map = true;
};

/// Executes a batch as an engine does, and reads its outputs.
inline Ran run_batch(const Graph& graph, const std::vector<Given>& inputs, std::int64_t rows,
                     Order order, const Setting& setting = {}) {
  const Selection selection = setting.outputs.empty() ? graph.all() : graph.select(setting.outputs);
  RunContext context(setting.cache, setting.callbacks);
  const Frame frame = make_frame(graph, selection, context, setting.map);
  Batch batch(graph, selection, rows);
  for (const Given& given : inputs) {
    const int slot = graph.slot(given.name);
    if (slot < 0 || slot >= graph.root_count()) continue;
    if (given.each) {
      batch.set_input(slot, given.value.as_column());
    } else {
      batch.set_input(slot, given.value);
    }
  }
  Ran ran;
  ran.failure = execute_batch(batch, frame, context, order);
  for (std::size_t i = 0; i < selection.outputs.size() && !ran.failure; ++i) {
    const Column column = read_output(batch, selection.outputs[i], frame, context, &ran.failure);
    ran.outputs += selection.output_names[i] + "=" + Value::list(column).to_string() + " ";
  }
  if (ran.failure) {
    ran.outputs.clear();
  } else if (!ran.outputs.empty()) {
    ran.outputs.pop_back();
  }
  ran.statistics = context.statistics();
  return ran;
}

/// Writes events down, one line each: `node f #3`.
class Recorder final : public Callback {
 public:
  void on_event(const Event& event) override {
    static constexpr const char* kNames[] = {
        "start",    "end", "node", "done",     "cached",      "error",  "nested",
        "unnested", "map", "item", "item_end", "item_cached", "map_end"};
    std::string line = kNames[static_cast<int>(event.kind)];
    if (event.node != nullptr) line += " " + event.node->name();
    if (event.kind == EventKind::kMapStart) line += " " + std::to_string(event.total);
    if (event.row >= 0) line += " #" + std::to_string(event.row);
    if (with_values && event.kind != EventKind::kPipelineEnd) {
      for (const Value* value : event.values) {
        line += value == nullptr ? " -" : " " + value->to_string();
      }
    }
    lines.push_back(line);
    if (line == throw_at) throw std::runtime_error("callback");
  }

  std::vector<std::string> lines;
  std::string throw_at;
  bool with_values = false;
};

inline const char* name_of(Order order) { return order == Order::kRows ? "rows" : "nodes"; }

}  // namespace hypernodes::testing
