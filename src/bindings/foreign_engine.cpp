// SPDX-License-Identifier: MIT
#include "bindings/foreign_engine.hpp"

#include <nanobind/stl/shared_ptr.h>

#include <memory>
#include <utility>
#include <vector>

#include "bindings/session.hpp"
#include "bindings/to_python.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::python {
namespace {

nb::list names_of(const std::vector<std::string>& names) {
  nb::list out;
  for (const std::string& name : names) out.append(str_of(name));
  return out;
}

/// The items of output `name`, whatever shape the engine gives a map's results.
nb::object items_of(const nb::object& results, const nb::object& name) {
  if (PyDict_Check(results.ptr())) return owned(PySequence_List(results[name].ptr()));
  nb::list items;
  for (const nb::handle row : results) items.append(row[name]);
  return items;
}

/// Threads: any; the engine is called by the thread that executes.
class ForeignEngine final : public BatchExecutor {
 public:
  ForeignEngine(nb::handle engine, nb::handle pipeline)
      : engine_(object_value(engine.ptr())), pipeline_(object_value(pipeline.ptr())) {}

  bool runs_maps() const override { return true; }

  std::optional<Failure> execute(Batch& batch, const Frame& frame,
                                 RunContext& context) const override {
    const Locked lock;
    const std::size_t outputs = batch.selection.outputs.size();
    std::vector<std::vector<Value>> made(outputs);
    const auto take = [&](std::size_t output, nb::handle item) {
      made[output].push_back(object_value(item.ptr()));
    };
    std::int64_t row = 0;
    try {
      const Around around(batch.graph, frame, context);
      const nb::list wanted = names_of(batch.selection.output_names);
      if (frame.map) {
        nb::list over;
        const nb::object results = engine().attr("map")(pipeline(), map_inputs(batch, over), over,
                                                        str_of("zip"), wanted);
        for (std::size_t i = 0; i < outputs; ++i) {
          for (const nb::handle item : items_of(results, wanted[i])) take(i, item);
        }
      } else {
        for (; row < batch.rows; ++row) {
          const nb::object result =
              engine().attr("run")(pipeline(), run_inputs(batch, row), wanted);
          for (std::size_t i = 0; i < outputs; ++i) take(i, result[wanted[i]]);
        }
      }
    } catch (nb::python_error&) {
      // Which node it was, the engine says in a note of its own.
      return Failure{std::current_exception(), "", frame.map ? 0 : batch.first_row + row};
    }
    for (std::size_t i = 0; i < outputs; ++i) {
      const int slot = batch.selection.outputs[i];
      const Column column = Column::objects(std::move(made[i]));
      if (column.size() != batch.rows) {
        throw Error("An engine returned " + std::to_string(column.size()) + " rows, expected " +
                    std::to_string(batch.rows));
      }
      batch.lanes[static_cast<std::size_t>(slot)].set_column(
          column.cast(batch.graph.slot_type(slot)));
    }
    return std::nullopt;
  }

 private:
  nb::handle engine() const { return static_cast<PyObject*>(engine_.as_object()); }
  nb::handle pipeline() const { return static_cast<PyObject*>(pipeline_.as_object()); }

  /// All inputs by their inner names.
  static nb::dict run_inputs(Batch& batch, std::int64_t row) {
    nb::dict inputs;
    for (const int slot : batch.selection.roots) {
      Lane& lane = batch.lanes[static_cast<std::size_t>(slot)];
      if (!lane.is_set()) continue;  // has a default
      Value scratch;
      inputs[str_of(batch.graph.slots()[static_cast<std::size_t>(slot)])] =
          to_python(*lane.value(row, scratch));
    }
    return inputs;
  }
  /// Those that have an item for each row are lists, and named in `over`.
  static nb::dict map_inputs(Batch& batch, nb::list& over) {
    nb::dict inputs;
    for (int slot = 0; slot < batch.graph.root_count(); ++slot) {
      Lane& lane = batch.lanes[static_cast<std::size_t>(slot)];
      if (!lane.is_set()) continue;
      const nb::object name = str_of(batch.graph.slots()[static_cast<std::size_t>(slot)]);
      if (lane.is_constant()) {
        inputs[name] = to_python(lane.constant());
        continue;
      }
      std::int64_t bad_row = -1;
      inputs[name] = to_list(*lane.gather(nullptr, batch.rows, lane.type(), &bad_row));
      over.append(name);
    }
    return inputs;
  }

  Value engine_, pipeline_;  // not nb::object: the last user may not have the lock
};

}  // namespace

void bind_foreign_engine(nb::module_& module) {
  module.def(
      "engine_executor",
      [](nb::handle engine, nb::handle pipeline) -> std::shared_ptr<BatchExecutor> {
        return std::make_shared<ForeignEngine>(engine, pipeline);
      },
      nb::arg("engine"), nb::arg("pipeline"));
}

}  // namespace hypernodes::python
