// SPDX-License-Identifier: MIT
#include "bindings/last_run.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "bindings/graph.hpp"

namespace hypernodes::python {
namespace {

/// More threads than this at once lose the oldest run's figures.
constexpr std::size_t kThreads = 64;

using NodeState = std::tuple<std::int64_t, std::int64_t, double>;
using StatisticsState =
    std::tuple<std::map<std::string, NodeState>, std::int64_t, std::vector<std::string>, bool>;

StatisticsState state_of(const Statistics& self) {
  std::map<std::string, NodeState> nodes;
  for (const auto& [name, node] : self.nodes) {
    nodes.emplace(name, NodeState(node.rows_run, node.rows_cached, node.seconds));
  }
  return {std::move(nodes), self.damaged_records, self.warnings, self.degraded};
}

void set_state(Statistics& self, const StatisticsState& state) {
  new (&self) Statistics();
  for (const auto& [name, node] : std::get<0>(state)) {
    self.nodes.emplace(name,
                       NodeStatistics{std::get<0>(node), std::get<1>(node), std::get<2>(node)});
  }
  self.damaged_records = std::get<1>(state);
  self.warnings = std::get<2>(state);
  self.degraded = std::get<3>(state);
}

}  // namespace

LastRuns::Entry& LastRuns::mine() {
  const unsigned long thread = PyThread_get_thread_ident();
  if (!entries_.empty() && entries_.front().thread == thread) return entries_.front();
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.thread == thread; });
  if (found != entries_.end()) {
    std::rotate(entries_.begin(), found, found + 1);
  } else {
    if (entries_.size() == kThreads) entries_.pop_back();
    entries_.emplace(entries_.begin())->thread = thread;
  }
  return entries_.front();
}

void LastRuns::set(const std::shared_ptr<const Plan>& plan, std::int64_t rows) {
  Entry& entry = mine();
  if (entry.plan != plan) entry.plan = plan;
  if (entry.failures.is_valid()) entry.failures.reset();
  entry.rows = rows;
}

void LastRuns::set(Statistics statistics) {
  Entry& entry = mine();
  entry.plan = nullptr;
  entry.failures.reset();
  entry.counted = std::move(statistics);
}

nb::object LastRuns::get() const {
  const unsigned long thread = PyThread_get_thread_ident();
  for (const Entry& entry : entries_) {
    if (entry.thread != thread) continue;
    if (entry.plan == nullptr) {
      nb::object counted = nb::cast(entry.counted);
      if (entry.failures.is_valid()) nb::setattr(counted, "failures", entry.failures);
      return counted;
    }
    Statistics statistics;
    for (const int step : entry.plan->selection.steps) {
      const Node& node = entry.plan->graph->steps()[static_cast<std::size_t>(step)].node;
      statistics.nodes[node.name()].rows_run += entry.rows;
    }
    return nb::cast(std::move(statistics));
  }
  return nb::none();
}

void bind_statistics(nb::module_& module) {
  nb::class_<LastRuns>(module, "LastRuns")
      .def(nb::init<>())
      .def("get", &LastRuns::get)
      .def("set_failures", &LastRuns::set_failures, nb::arg("failures"));
  nb::class_<NodeStatistics>(module, "NodeStatistics")
      .def_ro("rows_run", &NodeStatistics::rows_run)
      .def_ro("rows_cached", &NodeStatistics::rows_cached)
      .def_ro("seconds", &NodeStatistics::seconds)
      .def("__repr__", [](const NodeStatistics& self) {
        return "NodeStatistics(rows_run=" + std::to_string(self.rows_run) +
               ", rows_cached=" + std::to_string(self.rows_cached) +
               ", seconds=" + std::to_string(self.seconds) + ")";
      });
  nb::class_<Statistics>(module, "Statistics", nb::dynamic_attr())
      .def_ro("nodes", &Statistics::nodes)
      .def_ro("damaged_records", &Statistics::damaged_records)
      .def_ro("warnings", &Statistics::warnings)
      .def_ro("degraded", &Statistics::degraded)
      .def("__getstate__", state_of)
      .def("__setstate__", set_state)
      .def("__repr__", [](nb::handle self) {
        return nb::str("Statistics(nodes={}, damaged_records={}, warnings={}, degraded={})")
            .format(self.attr("nodes"), self.attr("damaged_records"), self.attr("warnings"),
                    self.attr("degraded"));
      });
}

}  // namespace hypernodes::python
