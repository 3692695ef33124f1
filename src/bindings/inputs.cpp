// SPDX-License-Identifier: MIT
#include "bindings/inputs.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "bindings/arrow.hpp"
#include "bindings/numpy.hpp"
#include "bindings/object_cast.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/error.hpp"
#include "values/text.hpp"

namespace hypernodes::python {
namespace {

PyObject* find(const nb::dict& inputs, const nb::object& name) {
  PyObject* const value = PyDict_GetItemWithError(inputs.ptr(), name.ptr());
  if (value == nullptr && PyErr_Occurred() != nullptr) throw nb::python_error();
  return value;
}

std::vector<std::string> names_of(const nb::dict& inputs) {
  std::vector<std::string> names;
  for (const auto [name, value] : inputs) {
    if (PyUnicode_Check(name.ptr())) names.emplace_back(text_of(name));
  }
  return names;
}

Column objects(const nb::object& items) {
  const Py_ssize_t count = PyTuple_GET_SIZE(items.ptr());
  std::vector<Value> values;
  values.reserve(static_cast<std::size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    values.push_back(object_value(PyTuple_GET_ITEM(items.ptr(), i)));
  }
  return Column::objects(std::move(values));
}

[[noreturn]] void refuse_value(const Plan::Root& root, const std::string& place,
                               const TypeError& error) {
  throw TypeError("Input '" + std::string(text_of(root.name)) + "'" + place +
                      " does not fit the C++ node that reads it: " + error.message(),
                  {}, "pass " + root.type.name() + ", or convert it in a node before");
}

/// The first of the items that does not fit. REQUIRES: one does not.
std::int64_t misfit(const nb::object& items, const Type& type) {
  std::int64_t row = 0;
  try {
    for (; row < PyTuple_GET_SIZE(items.ptr()); ++row) {
      object_value(PyTuple_GET_ITEM(items.ptr(), row)).cast(type);
    }
  } catch (const TypeError&) {  // found
  }
  return row;
}

Column fitted(const MappedInput& input) {
  const Type type = input.root == nullptr ? Type(Kind::kObject) : input.root->type;
  if (type.kind() == Kind::kObject) {
    return input.items.is_valid() ? objects(input.items) : input.column;
  }
  try {
    if (!input.items.is_valid()) return input.column.cast(type);
    return cast_items(&PyTuple_GET_ITEM(input.items.ptr(), 0), input.size(), type);
  } catch (const TypeError& error) {
    const std::string row =
        input.items.is_valid() ? ", row " + std::to_string(misfit(input.items, type)) : "";
    refuse_value(*input.root, row, error);
  }
}

bool of_module(nb::handle object, std::string_view name) {
  const nb::object module = nb::getattr(
      nb::handle(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()))), "__module__", nb::none());
  if (!PyUnicode_Check(module.ptr())) return false;
  const std::string_view text = text_of(module);
  return text == name || (text.starts_with(name) && text[name.size()] == '.');
}

/// An array of whole or real numbers as a column. False if it is none.
bool take_numbers(PyObject* array, Column* out) {
  for (const Kind kind : {Kind::kInt64, Kind::kFloat64}) {
    if (auto column = numpy_column(array, kind)) {
      *out = std::move(*column);
      return true;
    }
  }
  return false;
}

/// The items of what a map may go over. False if it is no such thing.
bool take_items(nb::handle value, MappedInput* out) {
  PyObject* const object = value.ptr();
  if (PyTuple_Check(object)) {
    out->items = nb::borrow(value);
    return true;
  }
  nb::object list;
  if (PyList_Check(object)) {
    list = nb::borrow(value);
  } else if (PyRange_Check(object)) {
    list = owned(PySequence_List(object));
  } else if (is_numpy_array(object)) {
    if (take_numbers(object, &out->column)) return true;
    list = numpy_items(object);
    if (!list.is_valid()) return false;
  } else if (of_module(value, "pandas")) {
    if (!nb::hasattr(value, "tolist")) return false;
    const nb::object items = package_attribute("_tables", "pandas_items")(value);
    return !of_module(items, "pandas") && take_items(items, out);
  } else if (import_arrow(value, &out->column)) {
    return true;
  } else if ((of_module(value, "pyarrow") || of_module(value, "daft")) &&
             nb::hasattr(value, "to_pylist")) {
    list = value.attr("to_pylist")();
  } else if (of_module(value, "polars") && nb::hasattr(value, "to_list")) {
    list = value.attr("to_list")();
  }
  if (!list.is_valid() || !PyList_Check(list.ptr())) return false;
  out->items = owned(PyList_AsTuple(list.ptr()));
  return true;
}

std::string where(const PythonGraph& graph, const std::vector<std::string>& map_over) {
  const std::string& name = graph.graph()->name();
  return (name.empty() ? "" : "pipeline '" + name + "', ") + "map_over=" + quoted_list(map_over);
}

[[noreturn]] void refuse_items(const std::string& name, nb::handle value,
                               const std::string& where) {
  throw PlanError("Parameter '" + name + "' is in map_over but value is not a list", where,
                  "pass a list, tuple, range, array or Arrow column, not " + type_text(value));
}

const Plan::Root* root_of(const Plan& plan, nb::handle name) {
  for (const Plan::Root& root : plan.roots) {
    if (PyUnicode_Compare(root.name.ptr(), name.ptr()) == 0) return &root;
  }
  return nullptr;
}

}  // namespace

Value fitted(const Plan::Root& root, PyObject* value) {
  if (root.type.kind() == Kind::kObject) return object_value(value);
  try {
    return cast_object(value, root.type);
  } catch (const TypeError& error) {
    refuse_value(root, "", error);
  }
}

void require_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs) {
  const auto given = [&](int slot) {
    for (const Plan::Root& root : plan.roots) {
      if (root.slot == slot) return find(inputs, root.name) != nullptr;
    }
    return false;
  };
  hypernodes::require_inputs(*graph.graph(), plan.selection, given,
                             [&] { return names_of(inputs); });
}

GraphInputs run_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs) {
  require_inputs(graph, plan, inputs);
  GraphInputs out;
  for (const Plan::Root& root : plan.roots) {
    if (PyObject* const value = find(inputs, root.name)) {
      out.constants.emplace_back(root.slot, fitted(root, value));
    }
  }
  return out;
}

nb::object sequence_items(nb::handle value) {
  MappedInput input{};
  if (!take_items(value, &input)) return {};
  return input.items.is_valid() ? input.items : owned(PyList_AsTuple(to_list(input.column).ptr()));
}

nb::object map_items(const std::string& name, nb::handle value) {
  nb::object items = sequence_items(value);
  if (!items.is_valid()) refuse_items(name, value, {});
  return items;
}

MapInputs map_inputs(const PythonGraph& graph, const Plan& plan, const nb::dict& inputs,
                     nb::handle map_over, std::string_view map_mode) {
  require_inputs(graph, plan, inputs);
  if (map_mode != "zip" && map_mode != "product") {
    throw PlanError("Unknown map_mode '" + std::string(map_mode) + "'", {},
                    "use 'zip' or 'product'");
  }
  std::vector<std::string> over;
  if (PyUnicode_Check(map_over.ptr())) {
    over.emplace_back(text_of(map_over));
  } else if (!map_over.is_none()) {
    for (const nb::handle name : map_over) over.emplace_back(text_of(name));
  }
  if (over.empty()) throw PlanError("map_over must name at least one input");
  for (const std::string& name : over) {
    if (find(inputs, str_of(name)) == nullptr) {
      throw PlanError("Parameter '" + name + "' in map_over not found in inputs",
                      where(graph, over),
                      "name inputs that the map is given" + suggestion(name, names_of(inputs)));
    }
  }
  MapInputs out;
  std::vector<std::string> names;
  std::vector<std::int64_t> lengths;
  for (const auto [name, value] : inputs) {
    if (!PyUnicode_Check(name.ptr())) continue;
    const Plan::Root* const root = root_of(plan, name);
    const std::string text(text_of(name));
    if (std::find(over.begin(), over.end(), text) == over.end()) {
      if (root != nullptr) out.constants.emplace_back(root, nb::borrow(value));
      continue;
    }
    MappedInput& input = out.mapped.emplace_back();
    input.root = root;
    if (!take_items(value, &input)) refuse_items(text, value, where(graph, over));
    names.push_back(text);
    lengths.push_back(input.size());
  }
  try {
    out.plan = plan_map(names, lengths, map_mode == "zip" ? MapMode::kZip : MapMode::kProduct);
  } catch (const PlanError& error) {
    throw PlanError(error.message(), where(graph, over), error.fix());
  }
  return out;
}

GraphInputs to_graph_inputs(MapInputs inputs) {
  GraphInputs out;
  for (const auto& [root, value] : inputs.constants) {
    out.constants.emplace_back(root->slot, fitted(*root, value.ptr()));
  }
  for (const MappedInput& input : inputs.mapped) {
    out.mapped.emplace_back(input.root == nullptr ? -1 : input.root->slot, fitted(input));
  }
  out.plan = std::move(inputs.plan);
  return out;
}

}  // namespace hypernodes::python
