// SPDX-License-Identifier: MIT
#include "bindings/graph.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>

#include "bindings/explain.hpp"
#include "bindings/inputs.hpp"
#include "bindings/node_objects.hpp"
#include "bindings/run.hpp"

namespace hypernodes::python {
namespace {

std::vector<std::string> names_of(nb::handle output_name) {
  if (PyUnicode_Check(output_name.ptr())) return {std::string(text_of(output_name))};
  std::vector<std::string> names;
  for (const nb::handle name : output_name) names.emplace_back(text_of(name));
  return names;
}

std::vector<std::string> root_args(const PythonGraph& self) {
  const std::vector<std::string>& slots = self.graph()->slots();
  return {slots.begin(), slots.begin() + self.graph()->root_count()};
}

std::vector<std::string> unfulfilled_args(const PythonGraph& self) {
  std::vector<std::string> names;
  for (int slot = 0; slot < self.graph()->root_count(); ++slot) {
    if (!self.graph()->optional(slot)) {
      names.push_back(self.graph()->slots()[static_cast<std::size_t>(slot)]);
    }
  }
  return names;
}

/// It keeps the native nodes, and they their functions.
nb::object make_graph(const nb::list& nodes, std::string name, std::string id,
                      std::shared_ptr<LastRuns> last_runs) {
  const nb::object made = nb::cast(std::make_shared<PythonGraph>(
      Graph::build(nb::cast<std::vector<Node>>(nodes), std::move(name), std::move(id)),
      std::move(last_runs)));
  keep(made, nb::tuple(nodes));
  return made;
}

/// A graph's other form, which keeps what it has.
nb::object variant_of(nb::handle graph, const std::shared_ptr<PythonGraph>& variant) {
  const nb::object made = nb::cast(variant);
  if (!made.is(graph)) keep(made, graph);
  return made;
}

}  // namespace

PythonGraph::PythonGraph(std::shared_ptr<const Graph> graph, std::shared_ptr<LastRuns> last_runs)
    : graph_(std::move(graph)), last_runs_(std::move(last_runs)) {
  all_ = make_plan(graph_->all());
}

std::shared_ptr<PythonGraph> PythonGraph::variant(const std::string& key,
                                                  std::shared_ptr<const Graph> graph) {
  if (graph == graph_) return shared_from_this();
  std::shared_ptr<PythonGraph>& held = variants_[key];
  if (held == nullptr) held = std::make_shared<PythonGraph>(std::move(graph), last_runs_);
  return held;
}

std::shared_ptr<PythonGraph> PythonGraph::covering(nb::handle output_name) {
  if (output_name.is_none()) return variant("", graph_->whole());
  return variant("", graph_->covering(names_of(output_name)));
}

std::shared_ptr<PythonGraph> PythonGraph::overridden(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string key = "overridden";
  for (const std::string& name : names) key += '\0' + name;
  const auto found = variants_.find(key);
  return found != variants_.end() ? found->second : variant(key, graph_->overridden(names));
}

void PythonGraph::warn(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (!last_runs_->is_new(text)) continue;
    const nb::object category = package_attribute("exceptions", "UncachedWarning");
    package_attribute("_warnings", "warn")(str_of(text), category);
  }
}

const std::shared_ptr<const Plan>& PythonGraph::plan(nb::handle output_name) {
  if (output_name.is_none()) return all_;
  const std::vector<std::string> names = names_of(output_name);
  std::string key;
  for (const std::string& name : names) key += name + '\0';
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  return plans_.emplace(key, make_plan(graph_->select(names))).first->second;
}

Type PythonGraph::root_type(const Selection& selection, int slot) const {
  const Type* type = nullptr;
  if (graph_->slot_type(slot).kind() != Kind::kObject) return graph_->slot_type(slot);
  for (const int index : selection.steps) {
    const Graph::Step& step = graph_->steps()[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] != slot) continue;
      const Type& own = step.node.inputs()[i].type;
      if (type != nullptr && !(*type == own)) return Kind::kObject;
      type = &own;
    }
  }
  return type == nullptr ? Type(Kind::kObject) : *type;
}

std::shared_ptr<const Plan> PythonGraph::make_plan(Selection selection) const {
  auto plan = std::make_shared<Plan>();
  plan->graph = graph_;
  for (const int slot : selection.roots) {
    plan->roots.push_back({interned(graph_->slots()[static_cast<std::size_t>(slot)]), slot,
                           graph_->optional(slot), root_type(selection, slot)});
  }
  plan->record = owned(PyDict_New());
  for (std::size_t i = 0; i < selection.outputs.size(); ++i) {
    plan->outputs.push_back({interned(selection.output_names[i]), selection.outputs[i]});
    check(PyDict_SetItem(plan->record.ptr(), plan->outputs.back().name.ptr(), Py_None));
  }
  for (const int index : selection.steps) {
    const Node::Definition& definition =
        graph_->steps()[static_cast<std::size_t>(index)].node.definition();
    plan->plain = plan->plain && definition.nested == nullptr && !definition.whole_batch &&
                  !definition.body->waits();
    plan->native = plan->native && !definition.foreign;
  }
  plan->selection = std::move(selection);
  return plan;
}

void bind_graph(nb::module_& module) {
  nb::class_<PythonGraph>(module, "Graph", nb::dynamic_attr())
      .def(nb::new_(&make_graph), nb::arg("nodes"), nb::arg("name"), nb::arg("id"),
           nb::arg("last_runs"))
      .def(
          "covering",
          [](nb::handle self, nb::handle output_name) {
            return variant_of(self, nb::cast<PythonGraph&>(self).covering(output_name));
          },
          nb::arg("output_name").none())
      .def(
          "overridden",
          [](nb::handle self, std::vector<std::string> names) {
            return variant_of(self, nb::cast<PythonGraph&>(self).overridden(std::move(names)));
          },
          nb::arg("names"))
      .def_prop_ro("root_args", root_args)
      .def_prop_ro("unfulfilled_args", unfulfilled_args)
      .def_prop_ro("output_names",
                   [](const PythonGraph& self) { return self.graph()->all().output_names; })
      .def_prop_ro("node_names",
                   [](const PythonGraph& self) {
                     std::vector<std::string> names;
                     for (const Graph::Step& step : self.graph()->steps()) {
                       names.push_back(step.node.name());
                     }
                     return names;
                   })
      .def_prop_ro(
          "first_outputs",
          [](const PythonGraph& self) {
            std::vector<std::string> names;
            for (const Graph::Step& step : self.graph()->steps()) {
              names.push_back(step.node.outputs().front().name);
            }
            return names;
          },
          "For each node in execution order, the name of its first output.")
      .def(
          "required_steps",
          [](PythonGraph& self, nb::handle output_name) {
            return self.plan(output_name)->selection.steps;
          },
          nb::arg("output_name").none(), "Places in the execution order of the nodes needed.")
      .def(
          "check",
          [](PythonGraph& self, const nb::dict& inputs, nb::handle output_name) {
            require_inputs(self, *self.plan(output_name), inputs);
          },
          nb::arg("inputs"), nb::arg("output_name").none(),
          "Raises PlanError for unknown outputs, and for inputs that they need and that lack.")
      .def("run", run_sequential, nb::arg("inputs"), nb::arg("output_name").none(),
           nb::arg("cache").none(), nb::arg("callbacks").none())
      .def("map", map_sequential, nb::arg("inputs"), nb::arg("map_over"), nb::arg("map_mode"),
           nb::arg("output_name").none(), nb::arg("cache").none(), nb::arg("callbacks").none(),
           nb::arg("outputs"), nb::arg("on_error") = "raise")
      .def("explain", explain_sequential, nb::arg("inputs"), nb::arg("map_over").none(),
           nb::arg("map_mode"), nb::arg("output_name").none(), nb::arg("cache").none());
}

}  // namespace hypernodes::python
