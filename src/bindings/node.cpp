// SPDX-License-Identifier: MIT
#include "bindings/node.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/caches.hpp"
#include "bindings/callbacks.hpp"
#include "bindings/foreign_engine.hpp"
#include "bindings/graph.hpp"
#include "bindings/node_objects.hpp"
#include "bindings/python_node.hpp"
#include "bindings/retry.hpp"
#include "bindings/run.hpp"
#include "bindings/to_python.hpp"
#include "graph/nested.hpp"
#include "hypernodes/library.hpp"
#include "hypernodes/node.hpp"
#include "hypernodes/type.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::python {
namespace {

using Names = std::vector<std::string>;
using Mapping = std::vector<std::pair<std::string, std::string>>;

/// Calls the function that returns (kind, name, text) for each part. What it raises means none.
CodeParts parts_from(const HeldObjects& objects) {
  const Locked lock;
  CodeParts parts;
  try {
    const nb::object returned = nb::object(objects.get().code_parts)();
    for (const nb::handle part : returned) {
      parts.push_back({std::string(text_of(part[0])), std::string(text_of(part[1])),
                       std::string(text_of(part[2]))});
    }
  } catch (const nb::python_error& error) {
    if (!error.matches(PyExc_Exception)) throw;
    parts.clear();
  }
  return parts;
}

/// A node that calls a Python function. `parameters` has a name and, if there is one, a default in
/// a tuple for each; the last of them go by the names in `keywords`. `no_identity` says why there
/// is no `code`, `code_parts()` what it is made of.
nb::object python_node(nb::handle function, const std::string& name, const nb::list& parameters,
                       nb::handle keywords, const Names& outputs, bool unpack,
                       const std::optional<std::string>& code, bool cached, bool asynchronous,
                       nb::handle batch, const std::string& no_identity, nb::handle code_parts,
                       const std::shared_ptr<Retry>& retry) {
  Node::Definition definition;
  definition.retry = retry;
  definition.name = name;
  for (const nb::handle parameter : parameters) {
    NodeInput input;
    input.name = text_of(parameter[0]);
    if (PyTuple_GET_SIZE(parameter.ptr()) > 1) {
      input.fallback = object_value(PyTuple_GET_ITEM(parameter.ptr(), 1));
    }
    definition.inputs.push_back(std::move(input));
  }
  for (const std::string& output : outputs) definition.outputs.push_back({output, Kind::kObject});
  definition.has_identity = code && Digest::parse(*code, &definition.code);
  definition.no_identity = no_identity;
  definition.cached = cached;
  definition.foreign = true;
  const auto objects = std::make_shared<const HeldObjects>(
      name, NodeObjects{nb::borrow(function), nb::borrow(keywords), nb::borrow(batch),
                        nb::borrow(code_parts)});
  definition.body = std::make_shared<PythonBody>(PythonBody::Function{
      objects, name, definition.inputs.size(), outputs.size(), unpack, asynchronous, retry});
  definition.whole_batch = !batch.is_none();
  if (!code_parts.is_none()) {
    definition.code_parts = [objects] { return parts_from(*objects); };
  }
  const nb::object made = nb::cast(Node(std::move(definition)));
  objects->give_to(made);
  return made;
}

/// A node that runs another pipeline; mappings are (inner name, outer name).
nb::object nested_node(nb::handle graph, const std::string& name, const Mapping& inputs,
                       const Mapping& outputs, const Names& map_over, const std::string& map_mode,
                       const nb::dict& bound, bool cached, nb::handle cache, nb::handle callbacks,
                       const std::shared_ptr<BatchExecutor>& executor) {
  NestedRequest request;
  request.graph = nb::cast<const PythonGraph&>(graph).graph();
  request.name = name;
  request.inputs = inputs;
  request.outputs = outputs;
  request.map_over = map_over;
  request.mode = map_mode == "product" ? MapMode::kProduct : MapMode::kZip;
  for (const auto [key, value] : bound) {
    request.bound.emplace_back(text_of(key), object_value(value.ptr()));
  }
  request.cached = cached;
  request.cache = cache_of(cache);
  request.callbacks = callbacks_of(callbacks, nullptr);
  request.executor = executor;
  const nb::object made = nb::cast(make_nested_node(request));
  keep(made, graph);
  return made;
}

Names input_names(const Node& node) {
  Names names;
  for (const NodeInput& input : node.inputs()) names.push_back(input.name);
  return names;
}

Names optional_inputs(const Node& node) {
  Names names;
  for (const NodeInput& input : node.inputs()) {
    if (node.optional(input)) names.push_back(input.name);
  }
  return names;
}

Names output_names(const Node& node) {
  Names names;
  for (const NodeOutput& output : node.outputs()) names.push_back(output.name);
  return names;
}

std::vector<Type> input_types(const Node& node) {
  std::vector<Type> types;
  for (const NodeInput& input : node.inputs()) types.push_back(input.type);
  return types;
}

std::vector<Type> output_types(const Node& node) {
  std::vector<Type> types;
  for (const NodeOutput& output : node.outputs()) types.push_back(output.type);
  return types;
}

/// What a type holds: an element, a key and a value, or named fields.
std::vector<std::pair<std::string, Type>> fields_of(const Type& type) {
  std::vector<std::pair<std::string, Type>> fields;
  for (const Field& field : type.fields()) fields.emplace_back(field.name, field.type);
  return fields;
}

nb::object with_cached(nb::handle node, bool cached) {
  Node::Definition definition = nb::cast<const Node&>(node).definition();
  definition.cached = cached;
  const nb::object made = nb::cast(Node(std::move(definition)));
  keep(made, kept_by(node));
  return made;
}

/// `f(int64, string) -> float64`
std::string signature_text(const Node& node) {
  std::string text = node.name() + "(";
  for (const NodeInput& input : node.inputs()) {
    if (text.back() != '(') text += ", ";
    text += input.name + ": " + input.type.name();
  }
  text += ") -> ";
  const bool several = node.outputs().size() > 1;
  if (several) text += "(";
  for (std::size_t i = 0; i < node.outputs().size(); ++i) {
    if (i > 0) text += ", ";
    text += node.outputs()[i].type.name();
  }
  return several ? text + ")" : text;
}

/// Calls a C++ node with these arguments, None for a default.
nb::object call_node(const Node& node, const nb::list& arguments, const std::vector<bool>& given) {
  const std::size_t inputs = node.inputs().size();
  std::vector<Value> values(inputs);
  std::vector<const Value*> pointers(inputs);
  for (std::size_t i = 0; i < inputs; ++i) {
    if (given[i]) values[i] = object_value(nb::object(arguments[i]).ptr());
    pointers[i] = given[i] ? &values[i] : &*node.inputs()[i].fallback;
  }
  std::vector<Value> outputs(node.outputs().size());
  try {
    const nb::gil_scoped_release others_may_run;
    node.definition().body->run_row(pointers.data(), outputs.data());
  } catch (...) {
    raise_failure(make_failure(node, -1, std::current_exception()));
  }
  if (outputs.size() == 1) return to_python(outputs.front());
  nb::list results;
  for (const Value& output : outputs) results.append(to_python(output));
  return owned(PySequence_Tuple(results.ptr()));
}

std::pair<std::string, std::vector<Node>> load(const std::string& path) {
  const Library& library = load_library(path);
  return {library.name(), library.nodes()};
}

}  // namespace

void bind_node(nb::module_& module) {
  bind_retry(module);
  nb::class_<Type>(module, "Type")
      .def_prop_ro("kind", [](const Type& self) { return Type(self.kind()).name(); })
      .def_prop_ro("nullable", &Type::nullable)
      .def_prop_ro("fields", fields_of)
      .def("__str__", &Type::name);
  bind_node_objects(module);
  nb::class_<Node>(module, "Node", nb::dynamic_attr())
      .def_prop_ro("name", [](const Node& self) { return self.name(); })
      .def_prop_ro("input_names", input_names)
      .def_prop_ro("optional_inputs", optional_inputs)
      .def_prop_ro("output_names", output_names)
      .def_prop_ro("input_types", input_types)
      .def_prop_ro("output_types", output_types)
      .def_prop_ro("code", [](const Node& self) { return self.definition().code.hex(); })
      .def_prop_ro("has_identity", [](const Node& self) { return self.definition().has_identity; })
      .def_prop_ro("no_identity", [](const Node& self) { return self.definition().no_identity; })
      .def_prop_ro("cached", [](const Node& self) { return self.definition().cached; })
      .def_prop_ro("retried", [](const Node& self) { return self.definition().retry != nullptr; })
      .def_prop_ro("signature", signature_text)
      .def("with_cached", with_cached, nb::arg("cached"))
      .def("with_retry", &Node::retry, nb::arg("retry"))
      .def(
          "with_timeout",
          [](const Node& self, double seconds) {
            return self.timeout(std::chrono::duration<double>(seconds));
          },
          nb::arg("seconds"))
      .def("call", call_node, nb::arg("arguments"), nb::arg("given"));
  module.def("python_node", python_node, nb::arg("function"), nb::arg("name"),
             nb::arg("parameters"), nb::arg("keywords").none(), nb::arg("outputs"),
             nb::arg("unpack"), nb::arg("code").none(), nb::arg("cached"), nb::arg("asynchronous"),
             nb::arg("batch").none(), nb::arg("no_identity") = "",
             nb::arg("code_parts") = nb::none(), nb::arg("retry") = nb::none());
  nb::class_<BatchExecutor>(module, "BatchExecutor");
  bind_foreign_engine(module);
  module.def("nested_node", nested_node, nb::arg("graph"), nb::arg("name"), nb::arg("inputs"),
             nb::arg("outputs"), nb::arg("map_over"), nb::arg("map_mode"), nb::arg("bound"),
             nb::arg("cached"), nb::arg("cache").none(), nb::arg("callbacks").none(),
             nb::arg("executor").none());
  module.def("load_library", load, nb::arg("path"));
}

}  // namespace hypernodes::python
