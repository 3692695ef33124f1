// SPDX-License-Identifier: MIT
#include "bindings/python_node.hpp"

#include <array>
#include <utility>
#include <vector>

#include "bindings/to_python.hpp"

namespace hypernodes::python {
namespace {

constexpr std::size_t kFew = 8;

Value held(const nb::object& object) {
  return object.is_valid() && !object.is_none() ? object_value(object.ptr()) : Value();
}

PyObject* pointer(const Value& value) { return static_cast<PyObject*>(value.as_object()); }

[[noreturn]] void raise_output_error(const std::string& text) {
  const nb::object type = package_attribute("exceptions", "OutputError");
  PyErr_SetObject(type.ptr(), type(str_of(text)).ptr());
  throw nb::python_error();
}

/// The arguments of one call: objects are borrowed, other values made into objects.
class Arguments {
 public:
  explicit Arguments(std::size_t count) {
    if (count > kFew) {
      many_.resize(count + 1);
      slots_ = many_.data();
    }
  }
  /// After one free place, which the callee may use (PY_VECTORCALL_ARGUMENTS_OFFSET).
  PyObject** data() { return slots_ + 1; }
  void set(std::size_t index, const Value& value) {
    if (value.kind() == Kind::kObject) {
      slots_[index + 1] = pointer(value);
    } else {
      slots_[index + 1] = made_.emplace_back(to_python(value)).ptr();
    }
  }
  void clear() { made_.clear(); }

 private:
  std::array<PyObject*, kFew + 1> few_{};
  std::vector<PyObject*> many_;
  PyObject** slots_ = few_.data();
  std::vector<nb::object> made_;
};

}  // namespace

PythonBody::PythonBody(const Function& function)
    : function_(held(function.call)),
      keywords_(held(function.keywords)),
      complete_(held(function.complete)),
      name_(function.name),
      inputs_(function.inputs),
      outputs_(function.outputs),
      unpack_(function.unpack) {}

nb::object PythonBody::call(PyObject** arguments) const {
  PyObject* const keywords = keywords_.is_null() ? nullptr : pointer(keywords_);
  const auto named =
      keywords == nullptr ? std::size_t{0} : static_cast<std::size_t>(PyTuple_GET_SIZE(keywords));
  nb::object result = owned(PyObject_Vectorcall(
      pointer(function_), arguments, (inputs_ - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, keywords));
  if (complete_.is_null()) return result;
  return owned(PyObject_CallOneArg(pointer(complete_), result.ptr()));
}

void PythonBody::unpack(const nb::object& result, Value* outputs) const {
  const std::string expected = ", expected " + std::to_string(outputs_);
  if (!PyTuple_Check(result.ptr()) && !PyList_Check(result.ptr())) {
    raise_output_error("Node '" + name_ + "' returned " + type_text(result) + expected +
                       " values in a tuple or list");
  }
  const nb::object items = owned(PySequence_Tuple(result.ptr()));
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(items.ptr()));
  if (count != outputs_) {
    raise_output_error("Node '" + name_ + "' returned " + std::to_string(count) + " values" +
                       expected);
  }
  for (std::size_t i = 0; i < count; ++i) {
    outputs[i] = object_value(PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i)));
  }
}

void PythonBody::call_row(const Value* const* arguments, Value* outputs) const {
  Arguments objects(inputs_);
  for (std::size_t i = 0; i < inputs_; ++i) objects.set(i, *arguments[i]);
  nb::object result = call(objects.data());
  if (unpack_) {
    unpack(result, outputs);
  } else {
    *outputs = Value::object(result.release().ptr());
  }
}

void PythonBody::run_row(const Value* const* arguments, Value* outputs) const {
  const Locked lock;
  call_row(arguments, outputs);
}

BatchResult PythonBody::run_batch(std::span<const Column> arguments, std::int64_t rows,
                                  std::span<const NodeOutput> outputs) const {
  const Locked lock;
  BatchResult result;
  std::vector<const Value*> columns;
  columns.reserve(arguments.size());
  for (const Column& column : arguments) columns.push_back(column.objects());
  std::vector<std::vector<Value>> made(outputs.size());
  for (std::vector<Value>& column : made) column.reserve(static_cast<std::size_t>(rows));
  std::vector<Value> row_outputs(outputs.size());
  Arguments objects(inputs_);
  try {
    for (; result.done < rows; ++result.done) {
      for (std::size_t i = 0; i < inputs_; ++i) objects.set(i, columns[i][result.done]);
      nb::object returned = call(objects.data());
      objects.clear();
      if (!unpack_) {
        made[0].push_back(Value::object(returned.release().ptr()));
        continue;
      }
      unpack(returned, row_outputs.data());
      for (std::size_t i = 0; i < made.size(); ++i) made[i].push_back(std::move(row_outputs[i]));
    }
  } catch (...) {
    result.error = std::current_exception();
  }
  for (std::vector<Value>& column : made) {
    result.outputs.push_back(Column::objects(std::move(column)));
  }
  return result;
}

}  // namespace hypernodes::python
