// SPDX-License-Identifier: MIT
#include "bindings/python_node.hpp"

#include <nanobind/stl/shared_ptr.h>

#include <array>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/errors.hpp"
#include "bindings/to_python.hpp"

namespace hypernodes::python {
namespace {

constexpr std::size_t kFew = 8;

PyObject* pointer(const Value& value) { return static_cast<PyObject*>(value.as_object()); }

[[noreturn]] void raise_output_error(const std::string& text) {
  const nb::object type = package_attribute("exceptions", "OutputError");
  PyErr_SetObject(type.ptr(), type(str_of(text)).ptr());
  throw nb::python_error();
}

[[noreturn]] void raise_again(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

/// What hypernodes._async says of calls that it made again.
std::vector<RetriedCall> retried_calls(const nb::object& told) {
  std::vector<RetriedCall> calls;
  for (const nb::handle each : told) {
    const nb::object error = each[3];
    calls.push_back({nb::cast<std::int64_t>(each[0]), nb::cast<std::int64_t>(each[1]),
                     nb::cast<double>(each[2]), exception_pointer(error)});
  }
  return calls;
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
    : objects_(function.objects),
      name_(function.name),
      inputs_(function.inputs),
      outputs_(function.outputs),
      unpack_(function.unpack),
      asynchronous_(function.asynchronous),
      retry_(function.retry) {}

nb::object PythonBody::call(PyObject** arguments) const {
  const NodeObjects& objects = objects_->get();
  PyObject* const keywords = objects.keywords.is_none() ? nullptr : objects.keywords.ptr();
  const auto named =
      keywords == nullptr ? std::size_t{0} : static_cast<std::size_t>(PyTuple_GET_SIZE(keywords));
  return owned(PyObject_Vectorcall(objects.call.ptr(), arguments,
                                   (inputs_ - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, keywords));
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

void PythonBody::take(nb::object result, Value* outputs) const {
  if (unpack_) {
    unpack(result, outputs);
  } else {
    *outputs = Value::object(result.release().ptr());
  }
}

void PythonBody::call_row(const Value* const* arguments, Value* outputs) const {
  Arguments objects(inputs_);
  for (std::size_t i = 0; i < inputs_; ++i) objects.set(i, *arguments[i]);
  nb::object result = call(objects.data());
  if (asynchronous_) result = package_attribute("_async", "complete")(result);
  take(std::move(result), outputs);
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
  if (asynchronous_) return wait_for_rows(columns, rows);
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

void PythonBody::run_together(std::span<RowCall> calls, bool go_on) const {
  const Locked lock;
  nb::list starts;
  nb::list retries;
  for (const RowCall& call : calls) {
    const auto* const body = static_cast<const PythonBody*>(call.body);
    retries.append(nb::cast(body->retry_));
    starts.append(nb::cpp_function([body, arguments = call.arguments] {
      Arguments objects(body->inputs_);
      for (std::size_t i = 0; i < body->inputs_; ++i) objects.set(i, *arguments[i]);
      return body->call(objects.data());
    }));
  }
  const nb::object together =
      package_attribute("_async", "complete_together")(starts, go_on, retries);
  const nb::object outcomes = together[0];
  for (RetriedCall& retried : retried_calls(together[1])) {
    calls[static_cast<std::size_t>(retried.row)].retried.push_back(std::move(retried));
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const nb::object outcome = outcomes[i];
    if (outcome.is_none()) continue;
    const nb::object error = outcome[1];
    try {
      if (!error.is_none()) raise_again(error);
      static_cast<const PythonBody*>(calls[i].body)->take(outcome[0], calls[i].outputs);
      calls[i].done = true;
    } catch (...) {
      calls[i].error = std::current_exception();
    }
  }
}

BatchResult PythonBody::wait_for_rows(std::span<const Value* const> columns,
                                      std::int64_t rows) const {
  const nb::object start = nb::cpp_function([this, columns](std::int64_t row) {
    Arguments objects(inputs_);
    for (std::size_t i = 0; i < inputs_; ++i) objects.set(i, columns[i][row]);
    return call(objects.data());
  });
  BatchResult result;
  std::vector<std::vector<Value>> made(outputs_);
  try {
    const nb::object outcome =
        package_attribute("_async", "complete_rows")(start, rows, nb::cast(retry_));
    result.retried = retried_calls(outcome[2]);
    const nb::object error = outcome[1];
    std::vector<Value> row_outputs(outputs_);
    for (const nb::handle item : nb::borrow<nb::list>(outcome[0])) {
      take(nb::borrow(item), row_outputs.data());
      for (std::size_t i = 0; i < outputs_; ++i) made[i].push_back(std::move(row_outputs[i]));
      ++result.done;
    }
    if (!error.is_none()) raise_again(error);
  } catch (...) {
    result.error = std::current_exception();
  }
  for (std::vector<Value>& column : made) {
    result.outputs.push_back(Column::objects(std::move(column)));
  }
  return result;
}

BatchResult PythonBody::run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                                        std::span<const NodeOutput> /*outputs*/) const {
  const Locked lock;
  nb::list values;
  nb::list constant;
  for (const BatchArgument& argument : arguments) {
    constant.append(argument.constant);
    if (argument.constant) {
      values.append(to_python(argument.column, 0));
    } else if (argument.column.type().kind() == Kind::kObject) {
      values.append(to_list(argument.column));
    } else {
      values.append(nb::cast(ArrowColumn{argument.column}));
    }
  }
  const nb::object columns =
      nb::object(objects_->get().batch)(nb::object(values), nb::object(constant), rows);
  BatchResult result;
  result.done = rows;
  for (const nb::handle column : columns) {
    std::vector<Value> items;
    items.reserve(static_cast<std::size_t>(rows));
    for (const nb::handle item : nb::borrow<nb::list>(column)) {
      items.push_back(object_value(item.ptr()));
    }
    result.outputs.push_back(Column::objects(std::move(items)));
  }
  return result;
}

}  // namespace hypernodes::python
