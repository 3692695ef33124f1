// SPDX-License-Identifier: MIT
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/caches.hpp"
#include "bindings/daft.hpp"
#include "bindings/daft_events.hpp"
#include "bindings/inputs.hpp"
#include "bindings/object_cast.hpp"
#include "bindings/run.hpp"
#include "bindings/to_python.hpp"
#include "daft/column_plan.hpp"
#include "daft/query.hpp"
#include "graph/graph.hpp"
#include "hypernodes/daft_abi.h"
#include "hypernodes/error.hpp"

// A pipeline as columns of a Daft DataFrame: what python/hypernodes/integrations/daft/frame.py
// turns into expressions.
namespace hypernodes::python {
namespace {

/// A column on its way to Daft: an object with `__arrow_c_array__`, or a list of Python objects.
nb::object to_daft(const Column& column) {
  if (column.type().kind() == Kind::kObject) return to_list(column);
  return nb::cast(ArrowColumn{column});
}

/// A column that came from Daft: a Series, or a list of Python objects.
Column from_daft(nb::handle column) {
  if (!PyList_Check(column.ptr())) {
    Column imported;
    if (import_arrow(column, &imported)) return imported;
  }
  const nb::object items =
      PyList_Check(column.ptr()) ? nb::borrow(column) : column.attr("to_pylist")();
  std::vector<Value> values;
  for (const nb::handle item : items) values.push_back(object_value(item.ptr()));
  return Column::objects(std::move(values));
}

/// The type whose column gives these very objects back; object if there is none.
Type exact_type(const Column& objects) {
  const Value* const values = objects.objects();
  Type type = Kind::kNull;
  bool nulls = false;
  for (std::int64_t row = 0; row < objects.size(); ++row) {
    auto* const object = static_cast<PyObject*>(values[row].as_object());
    if (values[row].kind() != Kind::kObject) return Kind::kObject;
    Kind kind = Kind::kObject;
    int overflow = 0;
    if (object == Py_None) {
      nulls = true;
      continue;
    }
    if (PyBool_Check(object)) {
      kind = Kind::kBool;
    } else if (PyLong_CheckExact(object)) {
      PyLong_AsLongLongAndOverflow(object, &overflow);
      kind = overflow == 0 ? Kind::kInt64 : Kind::kObject;
    } else if (PyFloat_CheckExact(object)) {
      kind = Kind::kFloat64;
    } else if (PyUnicode_CheckExact(object)) {
      kind = Kind::kString;
    } else if (PyBytes_CheckExact(object)) {
      kind = Kind::kBytes;
    }
    if (kind == Kind::kObject || (type.kind() != Kind::kNull && type.kind() != kind)) {
      return Kind::kObject;
    }
    type = kind;
  }
  if (type.kind() == Kind::kNull) return Kind::kObject;
  return nulls ? type.optional() : type;
}

Column exact(const Column& column) {
  if (column.type().kind() != Kind::kObject) return column;
  const Type type = exact_type(column);
  if (type.kind() == Kind::kObject) return column;
  try {
    return cast_values(column.objects(), column.size(), type);
  } catch (const TypeError&) {  // text that is no UTF-8
    return column;
  }
}

using daft::ColumnPlan;
using daft::ColumnStep;

/// A step, as Python holds it.
struct FrameStep {
  ColumnPlan::Step step;
  nb::list literals;  ///< Their values.

  const ColumnStep& get() const { return *step.step; }
};

std::vector<std::string> names_of(const ColumnStep& step,
                                  const std::vector<ColumnStep::Slot>& slots) {
  std::vector<std::string> names;
  for (const ColumnStep::Slot& slot : slots) {
    names.push_back((slot.raw ? "__hn_raw_" : "") + step.slot_name(slot.slot));
  }
  return names;
}

/// For each node of a step its name, its outputs, whether it is a pipeline that is mapped over an
/// input, and whether it needs Python.
nb::list nodes_of(const FrameStep& self) {
  nb::list nodes;
  for (const Node& node : self.get().nodes()) {
    std::vector<std::string> outputs;
    for (const NodeOutput& output : node.outputs()) outputs.push_back(output.name);
    const NestedPipeline* const nested = node.definition().nested.get();
    nodes.append(nb::make_tuple(node.name(), outputs, nested != nullptr && nested->is_map(),
                                node.definition().foreign));
  }
  return nodes;
}

/// The names and values of what a step reads that is the same for every row.
nb::dict constants_of(const FrameStep& self) {
  nb::dict constants;
  const ColumnStep& step = self.get();
  for (std::size_t i = 0; i < step.literals().size(); ++i) {
    constants[nb::cast(step.slot_name(step.literals()[i].slot))] = self.literals[i];
  }
  for (const auto& [slot, value] : step.constants()) {
    constants[nb::cast(step.slot_name(slot))] = to_python(value);
  }
  return constants;
}

/// The rows that a step is called with.
struct Rows {
  std::int64_t count = 0;
  std::int64_t first = -1;  ///< The number of the first one, if that is known.

  std::string text(std::int64_t row) const {
    if (first >= 0) return std::to_string(first + row);
    return std::to_string(row) + " of a batch of " + std::to_string(count);
  }
};

TypeError misfit(const ColumnStep& step, const ColumnStep::Slot& output, const std::string& message,
                 const Rows& rows, std::int64_t row) {
  return TypeError(
      "Output '" + step.slot_name(output.slot) + "' does not fit its column: " + message,
      "node '" + step.maker(output.slot) + "', row " + rows.text(row),
      "correct the return hint or leave it out; run and map take any value");
}

/// An output as its hint says. Throws: TypeError naming node and row if a value does not fit.
Column fitted(const ColumnStep& step, const ColumnStep::Slot& output, const Column& column,
              const Rows& rows) {
  if (output.type.kind() == Kind::kObject || column.type() == output.type) return column;
  try {
    return column.cast(output.type);
  } catch (const TypeError& error) {
    std::int64_t row = 0;
    for (; row < column.size(); ++row) {
      try {
        column[row].cast(output.type);
      } catch (const TypeError&) {
        break;
      }
    }
    throw misfit(step, output, error.message(), rows, row);
  }
}

/// `counted` has as many rows as there are: their numbers, or anything else.
Rows rows_of(const Column& counted) {
  Rows rows{counted.size()};
  if (counted.type().kind() == Kind::kInt64) {
    rows.first = counted.size() == 0 ? 0 : counted.int64s()[0];
  }
  return rows;
}

nb::list run_step(const FrameStep& self, nb::handle counted, const nb::list& arguments) {
  const ColumnStep& step = self.get();
  std::vector<Column> columns;
  for (const nb::handle argument : arguments) columns.push_back(from_daft(argument));
  const Rows rows = counted.is_none() ? Rows{columns.front().size()} : rows_of(from_daft(counted));
  std::vector<Column> outputs;
  const auto failure =
      step.run(columns, rows.count, std::max(rows.first, std::int64_t{0}), &outputs);
  if (failure) raise_failure(*failure, rows.first < 0 ? rows.count : -1);
  nb::list results;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ColumnStep::Slot& output = step.outputs()[i];
    const bool objects = output.type.kind() == Kind::kObject;
    results.append(objects ? to_list(outputs[i]) : to_daft(fitted(step, output, outputs[i], rows)));
  }
  return results;
}

/// Raises the error of a value of output `place` that no column of its hint can hold.
void refuse(const FrameStep& self, std::size_t place, nb::handle counted, std::int64_t count,
            std::int64_t row, const std::string& message) {
  const ColumnStep& step = self.get();
  const Rows rows = counted.is_none() ? Rows{count} : rows_of(from_daft(counted));
  throw misfit(step, step.outputs()[place], message, rows, row);
}

/// The columns that a DataFrame begins with, and what its steps are compiled from.
struct FrameSource {
  std::int64_t rows = 0;
  nb::list columns;  ///< (name, column) pairs.
  std::string
      key;  ///< Sources of one graph with the same key have the same steps. Empty: none has.
  std::shared_ptr<const Graph> graph;
  Selection selection;
  daft::PlanOptions options;
};

/// Adds what distinguishes a constant. False if that cannot be told: then nothing has its key.
bool put_constant(const std::pair<int, Value>& constant, std::string& key) {
  const auto& [slot, value] = constant;
  key += std::to_string(slot) + '=';
  if (value.kind() == Kind::kObject) {
    // The steps keep the object, so no other can have its address.
    key += std::to_string(reinterpret_cast<std::uintptr_t>(value.as_object()));
  } else if (value.kind() <= Kind::kBytes) {
    key += value.type().name() + ' ' + value.to_string();
  } else {
    return false;
  }
  key += ';';
  return true;
}

std::string key_of(const FrameSource& source) {
  std::string key;
  for (const std::string& name : source.selection.output_names) {
    key += std::to_string(name.size()) + ':' + name;
  }
  for (const auto* slots : {&source.options.columns, &source.options.hints}) {
    key += '|';
    for (const ColumnStep::Slot& slot : *slots) {
      key += std::to_string(slot.slot) + ' ' + slot.type.name() + ';';
    }
  }
  key += '|';
  for (const int slot : source.options.alone) key += std::to_string(slot) + ';';
  key += '|';
  for (const auto& constant : source.options.constants) {
    if (!put_constant(constant, key)) return {};
  }
  return key;
}

void set_hints(FrameSource& source, const nb::dict& hints) {
  for (const auto [name, hint] : hints) {
    const int slot = source.graph->slot(text_of(name));
    if (slot < 0 || hint.is_none()) continue;
    const bool exact = nb::cast<bool>(hint.attr("exact"));
    source.options.hints.push_back({slot, exact ? hinted_type(hint) : Type(Kind::kObject)});
  }
}

/// `alone`: outputs of nodes that are to be steps of their own.
void set_alone(FrameSource& source, const std::vector<std::string>& alone) {
  for (const std::string& name : alone) {
    const int slot = source.graph->slot(name);
    if (slot >= 0) source.options.alone.push_back(slot);
  }
}

FrameSource make_source(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                        const std::string& map_mode, nb::handle output_name, const nb::dict& hints,
                        const std::vector<std::string>& alone) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  const bool map = !map_over.is_none();
  GraphInputs given = map ? to_graph_inputs(map_inputs(graph, *plan, inputs, map_over, map_mode))
                          : run_inputs(graph, *plan, inputs);
  FrameSource out;
  out.graph = graph.graph();
  out.selection = plan->selection;
  out.rows = map ? given.plan.rows : 1;
  for (std::size_t i = 0; i < given.mapped.size(); ++i) {
    auto& [slot, items] = given.mapped[i];
    if (slot < 0) continue;
    Column column = exact(items);
    if (!given.plan.identity) {
      std::vector<std::int64_t> rows(static_cast<std::size_t>(out.rows));
      for (std::int64_t row = 0; row < out.rows; ++row) {
        rows[static_cast<std::size_t>(row)] = given.plan.inputs[i].item(row);
      }
      column = column.take(rows);
    }
    out.options.columns.push_back({slot, column.type()});
    const std::string& name = graph.graph()->slots()[static_cast<std::size_t>(slot)];
    out.columns.append(nb::make_tuple(str_of(name), to_daft(column)));
  }
  set_hints(out, hints);
  set_alone(out, alone);
  out.options.constants = std::move(given.constants);
  out.key = key_of(out);
  return out;
}

/// The source of a DataFrame that is there: `columns` has, by name, those that are inputs; an
/// object with `__arrow_c_schema__` each, or None for one of Python objects.
FrameSource make_source_on(PythonGraph& graph, const nb::dict& columns, const nb::dict& inputs,
                           nb::handle output_name, const nb::dict& hints,
                           const std::vector<std::string>& alone) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  FrameSource out;
  out.graph = graph.graph();
  out.selection = plan->selection;
  for (const Plan::Root& root : plan->roots) {
    if (columns.contains(root.name)) {
      const nb::object type = columns[root.name];
      out.options.columns.push_back(
          {root.slot, type.is_none() ? Type(Kind::kObject) : import_arrow_type(type)});
      out.columns.append(nb::make_tuple(root.name, nb::none()));
    } else if (inputs.contains(root.name)) {
      out.options.constants.emplace_back(root.slot,
                                         fitted(root, nb::object(inputs[root.name]).ptr()));
    }
  }
  set_hints(out, hints);
  set_alone(out, alone);
  out.key = key_of(out);
  return out;
}

/// The types of columns; None for Python objects.
std::vector<std::optional<ArrowType>> types_of(const std::vector<ColumnStep::Slot>& slots) {
  std::vector<std::optional<ArrowType>> types;
  for (const ColumnStep::Slot& slot : slots) {
    const bool objects = slot.type.kind() == Kind::kObject;
    types.push_back(objects ? std::nullopt : std::optional(ArrowType{slot.type}));
  }
  return types;
}

/// For each root input that these outputs need, the type that C++ nodes read it as, or None.
nb::dict root_types(PythonGraph& graph, nb::handle output_name) {
  nb::dict types;
  for (const Plan::Root& root : graph.plan(output_name)->roots) {
    types[root.name] = nb::cast(types_of({{root.slot, root.type}}).front());
  }
  return types;
}

/// `told`: who hears of the nodes, or null.
nb::list compile_steps(const FrameSource& source, nb::handle cache,
                       const std::shared_ptr<FrameEvents>& told) {
  const auto context = told != nullptr ? told->context()
                                       : std::make_shared<RunContext>(cache_of(cache), Callbacks{});
  daft::StepEvents events;
  if (told != nullptr) events = {told->frame(), [told] { return told->enter(); }};
  const ColumnPlan compiled =
      daft::compile(source.graph, source.selection, context, source.options, events);
  nb::list steps;
  for (const ColumnPlan::Step& step : compiled.steps) {
    nb::list literals;
    for (const ColumnStep::Slot& literal : step.step->literals()) {
      for (const auto& [slot, value] : source.options.constants) {
        if (slot == literal.slot) literals.append(to_python(value));
      }
    }
    steps.append(nb::cast(FrameStep{step, literals}));
  }
  return steps;
}

/// Columns, each an object with `__arrow_c_array__`, as the fields of one.
ArrowColumn join(const std::vector<std::string>& names, const nb::list& columns) {
  std::vector<Field> fields;
  std::vector<Column> children;
  for (std::size_t i = 0; i < names.size(); ++i) {
    children.push_back(from_daft(columns[i]));
    fields.push_back({names[i], children.back().type()});
  }
  const std::int64_t rows = children.empty() ? 0 : children.front().size();
  return {
      Column::assemble(Type::structure(std::move(fields)), rows, {}, {}, {}, std::move(children))};
}

}  // namespace

void bind_daft_frame(nb::module_& module) {
  nb::class_<FrameStep>(module, "DaftStep")
      .def_prop_ro("name", [](const FrameStep& self) { return self.get().name(); })
      .def_prop_ro("level", [](const FrameStep& self) { return self.get().level(); })
      .def_prop_ro(
          "function", [](const FrameStep& self) { return self.step.function; },
          "Its name in Daft; empty for a batch UDF.")
      .def_prop_ro(
          "arguments",
          [](const FrameStep& self) { return names_of(self.get(), self.get().arguments()); })
      .def_ro("literals", &FrameStep::literals)
      .def_prop_ro("constants", constants_of,
                   "Names and values of what is the same for every row, the literals too.")
      .def_prop_ro(
          "nodes", nodes_of,
          "For each node its name, its outputs, whether it maps a pipeline, and needs Python.")
      .def_prop_ro("outputs",
                   [](const FrameStep& self) { return names_of(self.get(), self.get().outputs()); })
      .def_prop_ro(
          "types", [](const FrameStep& self) { return types_of(self.get().outputs()); },
          "Of the outputs; None for Python objects.")
      .def_prop_ro("argument_types",
                   [](const FrameStep& self) { return types_of(self.get().arguments()); })
      .def("run", run_step, nb::arg("counted").none(), nb::arg("arguments"))
      .def("refuse", refuse, nb::arg("place"), nb::arg("counted").none(), nb::arg("count"),
           nb::arg("row"), nb::arg("message"));
  nb::class_<FrameSource>(module, "DaftSource")
      .def_ro("rows", &FrameSource::rows)
      .def_ro("columns", &FrameSource::columns)
      .def_ro("key", &FrameSource::key)
      .def_prop_ro("outputs", [](const FrameSource& self) { return self.selection.output_names; });
  module.def("daft_struct", join, nb::arg("names"), nb::arg("columns"));
  module.def(
      "daft_row_numbers",
      [](std::int64_t rows) { return ArrowColumn{daft::make_tickets(0, 0, rows)}; },
      nb::arg("rows"));
  module.def("daft_source", make_source, nb::arg("graph"), nb::arg("inputs"),
             nb::arg("map_over").none(), nb::arg("map_mode"), nb::arg("output_name").none(),
             nb::arg("hints"), nb::arg("alone"));
  module.def("daft_source_on", make_source_on, nb::arg("graph"), nb::arg("columns"),
             nb::arg("inputs"), nb::arg("output_name").none(), nb::arg("hints"), nb::arg("alone"));
  module.def("daft_root_types", root_types, nb::arg("graph"), nb::arg("output_name").none());
  module.def("daft_compile", compile_steps, nb::arg("source"), nb::arg("cache").none(),
             nb::arg("events").none() = nb::none());
}

}  // namespace hypernodes::python
