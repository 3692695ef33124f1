// SPDX-License-Identifier: MIT
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
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
#include "bindings/daft_source.hpp"
#include "bindings/inputs.hpp"
#include "bindings/object_cast.hpp"
#include "bindings/run.hpp"
#include "bindings/to_python.hpp"
#include "daft/column_plan.hpp"
#include "daft/inlined.hpp"
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
  nb::object graph;   ///< Keeps the functions of Python nodes.

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

/// A node of a step, as Python sees it.
struct FrameNode {
  std::string name;
  /// By its own names for them, those of the columns or constants.
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
  bool mapped = false;   ///< It is a pipeline that is mapped over an input.
  bool foreign = false;  ///< It needs Python.
};

std::vector<FrameNode> nodes_of(const FrameStep& self) {
  std::vector<FrameNode> nodes;
  for (const Graph::Step* const step : self.get().nodes()) {
    const Node& node = step->node;
    const NestedPipeline* const nested = node.definition().nested.get();
    FrameNode& made = nodes.emplace_back();
    made.name = node.name();
    for (std::size_t i = 0; i < step->inputs.size(); ++i) {
      made.inputs.emplace_back(node.inputs()[i].name, self.get().slot_name(step->inputs[i]));
    }
    int slot = step->first_output;
    for (const NodeOutput& output : node.outputs()) {
      made.outputs.emplace_back(output.name, self.get().slot_name(slot++));
    }
    made.mapped = nested != nullptr && nested->is_map();
    made.foreign = node.definition().foreign;
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
      "Output '" + std::string(step.label(output.slot)) + "' does not fit its column: " + message,
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

/// The values of an output of a declared type that another process made, as its column.
nb::object arrived(const FrameStep& self, std::size_t place, const nb::list& values) {
  return to_daft(from_daft(values).cast(self.get().outputs()[place].type));
}

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
  for (const std::string& name : source.needed.output_names) {
    key += std::to_string(name.size()) + ':' + name;
  }
  for (const auto* slots : {&source.options.columns, &source.options.hints}) {
    key += '|';
    for (const ColumnStep::Slot& slot : *slots) {
      key += std::to_string(slot.slot) + ' ' + slot.type.name() + ';';
    }
  }
  key += '|';
  for (const int number : source.options.own) key += std::to_string(number) + ';';
  key += '|';
  for (const auto& constant : source.options.constants) {
    if (!put_constant(constant, key)) return {};
  }
  return key;
}

void set_hints(FrameSource& source, const nb::dict& hints) {
  for (const auto [name, hint] : hints) {
    const int slot = source.parts.graph->slot(text_of(name));
    if (slot < 0 || hint.is_none()) continue;
    const bool exact = nb::cast<bool>(hint.attr("exact"));
    source.options.hints.push_back({slot, exact ? hinted_type(hint) : Type(Kind::kObject)});
  }
}

/// `own`: for each node that is to be a step of its own, or holds such, its outputs, and its number
/// or those inside.
std::shared_ptr<const daft::OwnNodes> own_nodes(const nb::list& own) {
  auto nodes = std::make_shared<daft::OwnNodes>();
  for (const nb::handle entry : own) {
    const auto names = nb::cast<std::vector<std::string>>(entry[0]);
    const nb::object what = entry[1];
    if (nb::isinstance<nb::list>(what)) {
      const auto inside = own_nodes(nb::cast<nb::list>(what));
      for (const std::string& name : names) nodes->pipelines.emplace(name, inside);
    } else {
      for (const std::string& name : names) nodes->nodes.emplace(name, nb::cast<int>(what));
    }
  }
  return nodes;
}

/// Sets what steps are compiled from, but for columns and hints.
void set_graph(FrameSource& source, const PythonGraph& graph, const Plan& plan,
               std::vector<std::pair<int, Value>> constants, const nb::list& own) {
  source.asked = graph.graph();
  source.needed = plan.selection;
  source.parts = daft::inlined(source.asked, source.needed, *own_nodes(own));
  source.options.own = source.parts.own;
  source.options.constants = std::move(constants);
  for (const auto& bound : source.parts.bound) source.options.constants.push_back(bound);
}

FrameSource make_source(PythonGraph& graph, const nb::dict& inputs, nb::handle map_over,
                        const std::string& map_mode, nb::handle output_name, const nb::dict& hints,
                        const nb::list& own) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  const bool map = !map_over.is_none();
  GraphInputs given = map ? to_graph_inputs(map_inputs(graph, *plan, inputs, map_over, map_mode))
                          : run_inputs(graph, *plan, inputs);
  FrameSource out;
  out.keeper = nb::borrow(nb::find(graph));
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
  set_graph(out, graph, *plan, std::move(given.constants), own);
  set_hints(out, hints);
  out.key = key_of(out);
  return out;
}

/// The source of a DataFrame that is there: `columns` has, by name, those that are inputs; an
/// object with `__arrow_c_schema__` each, or None for one of Python objects.
FrameSource make_source_on(PythonGraph& graph, const nb::dict& columns, const nb::dict& inputs,
                           nb::handle output_name, const nb::dict& hints, const nb::list& own) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  FrameSource out;
  out.keeper = nb::borrow(nb::find(graph));
  std::vector<std::pair<int, Value>> constants;
  for (const Plan::Root& root : plan->roots) {
    if (columns.contains(root.name)) {
      const nb::object type = columns[root.name];
      out.options.columns.push_back(
          {root.slot, type.is_none() ? Type(Kind::kObject) : import_arrow_type(type)});
      out.columns.append(nb::make_tuple(root.name, nb::none()));
    } else if (inputs.contains(root.name)) {
      constants.emplace_back(root.slot, fitted(root, nb::object(inputs[root.name]).ptr()));
    }
  }
  set_graph(out, graph, *plan, std::move(constants), own);
  set_hints(out, hints);
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
      daft::compile(source.parts.graph, source.parts.selection, context, source.options, events);
  nb::list steps;
  for (const ColumnPlan::Step& step : compiled.steps) {
    nb::list literals;
    for (const ColumnStep::Slot& literal : step.step->literals()) {
      for (const auto& [slot, value] : source.options.constants) {
        if (slot == literal.slot) literals.append(to_python(value));
      }
    }
    steps.append(nb::cast(FrameStep{step, literals, source.keeper}));
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
  nb::class_<FrameNode>(module, "DaftNode")
      .def_ro("name", &FrameNode::name)
      .def_ro("inputs", &FrameNode::inputs,
              "Its own name for each, and that of the column or constant.")
      .def_ro("outputs", &FrameNode::outputs)
      .def_ro("mapped", &FrameNode::mapped, "Whether it maps a pipeline.")
      .def_ro("foreign", &FrameNode::foreign, "Whether it needs Python.");
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
      .def_prop_ro("nodes", nodes_of)
      .def_prop_ro(
          "own", [](const FrameStep& self) { return self.get().own(); },
          "The number of its node, if that is a step of its own; else -1.")
      .def_prop_ro("outputs",
                   [](const FrameStep& self) { return names_of(self.get(), self.get().outputs()); })
      .def_prop_ro(
          "types", [](const FrameStep& self) { return types_of(self.get().outputs()); },
          "Of the outputs; None for Python objects.")
      .def_prop_ro("argument_types",
                   [](const FrameStep& self) { return types_of(self.get().arguments()); })
      .def("run", run_step, nb::arg("counted").none(), nb::arg("arguments"))
      .def("arrived", arrived, nb::arg("place"), nb::arg("values"))
      .def("refuse", refuse, nb::arg("place"), nb::arg("counted").none(), nb::arg("count"),
           nb::arg("row"), nb::arg("message"));
  nb::class_<FrameSource>(module, "DaftSource")
      .def_ro("rows", &FrameSource::rows)
      .def_ro("columns", &FrameSource::columns)
      .def_ro("key", &FrameSource::key)
      .def_prop_ro("outputs", [](const FrameSource& self) { return self.needed.output_names; });
  module.def("daft_struct", join, nb::arg("names"), nb::arg("columns"));
  module.def(
      "daft_row_numbers",
      [](std::int64_t rows) { return ArrowColumn{daft::make_tickets(0, 0, rows)}; },
      nb::arg("rows"));
  module.def("daft_source", make_source, nb::arg("graph"), nb::arg("inputs"),
             nb::arg("map_over").none(), nb::arg("map_mode"), nb::arg("output_name").none(),
             nb::arg("hints"), nb::arg("own"));
  module.def("daft_source_on", make_source_on, nb::arg("graph"), nb::arg("columns"),
             nb::arg("inputs"), nb::arg("output_name").none(), nb::arg("hints"), nb::arg("own"));
  module.def("daft_root_types", root_types, nb::arg("graph"), nb::arg("output_name").none());
  module.def("daft_compile", compile_steps, nb::arg("source"), nb::arg("cache").none(),
             nb::arg("events").none() = nb::none());
}

}  // namespace hypernodes::python
