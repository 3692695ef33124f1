// SPDX-License-Identifier: MIT
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/caches.hpp"
#include "bindings/callbacks.hpp"
#include "bindings/errors.hpp"
#include "bindings/events.hpp"
#include "bindings/inputs.hpp"
#include "bindings/object_cast.hpp"
#include "bindings/spread.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/error.hpp"

// Rows of a job that other processes run: python/hypernodes/remote.py carries them there and back.
namespace hypernodes::python {
namespace {

/// A node that is a pipeline without a name is called by its id, which differs by process: on the
/// way it is called by its place.
class Unnamed {
 public:
  explicit Unnamed(const Graph& graph) { collect(graph); }
  std::string leaving(const std::string& name) const {
    const auto found = std::find(ids_.begin(), ids_.end(), name);
    return found == ids_.end() ? name : place(static_cast<std::size_t>(found - ids_.begin()));
  }
  std::string arriving(const std::string& name) const {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      if (name == place(i)) return ids_[i];
    }
    return name;
  }
  template <typename Rename>
  static Statistics renamed(Statistics statistics, Rename&& rename) {
    const auto nodes = std::exchange(statistics.nodes, {});
    for (const auto& [name, node] : nodes) statistics.nodes.emplace(rename(name), node);
    return statistics;
  }

 private:
  static std::string place(std::size_t index) { return "\npipeline " + std::to_string(index); }
  void collect(const Graph& graph) {
    for (const Graph::Step& step : graph.steps()) {
      const auto& nested = step.node.definition().nested;
      if (nested == nullptr) continue;
      ids_.push_back(nested->graph->id());
      collect(*nested->graph);
    }
  }

  std::vector<std::string> ids_;
};

/// A failure as (exception, node, row, reason, around, attempts); the reason is None unless a C++
/// node failed.
nb::object travelling(const Failure& failure, const Unnamed& unnamed) {
  nb::object reason = nb::none();
  try {
    std::rethrow_exception(failure.error);
  } catch (const ExecutionError& error) {
    reason = str_of(error.reason());
  } catch (...) {  // NOLINT(bugprone-empty-catch): others have no parts
  }
  nb::list around;
  for (const std::string& name : failure.around) around.append(str_of(unnamed.leaving(name)));
  return nb::make_tuple(exception_object(failure.error), str_of(unnamed.leaving(failure.node)),
                        failure.row, reason, around, failure.attempts);
}

Failure arrived(nb::handle failure, const Unnamed& unnamed) {
  Failure out;
  out.node = unnamed.arriving(std::string(text_of(nb::object(failure[1]))));
  out.row = nb::cast<std::int64_t>(failure[2]);
  for (const nb::handle name : nb::object(failure[4])) {
    out.around.push_back(unnamed.arriving(std::string(text_of(nb::borrow(name)))));
  }
  out.attempts = nb::cast<std::int64_t>(failure[5]);
  const nb::object error = failure[0];
  if (nb::object(failure[3]).is_none()) {
    out.error = exception_pointer(error);
    return out;
  }
  const std::string reason(text_of(nb::object(failure[3])));
  if (nb::isinstance(error, package_attribute("exceptions", "NodeTimeoutError"))) {
    out.error = std::make_exception_ptr(NodeTimeoutError(out.node, out.row, reason));
  } else {
    out.error = std::make_exception_ptr(ExecutionError(out.node, out.row, reason));
  }
  return out;
}

/// A job's side where the caller is.
class RemoteRows {
 public:
  explicit RemoteRows(std::shared_ptr<RowJob> job)
      : job_(std::move(job)),
        replay_(job_->graph(), {job_, &job_->frame()}, {job_, &job_->context()}),
        unnamed_(*job_->graph()),
        run_(CurrentRun::state()) {
    if (dynamic_cast<MemoryCache*>(job_->frame().cache) == nullptr) return;
    job_->context().warn(
        "MemoryCache keeps results in the process that computes them: those of other processes are "
        "gone when the job is done; use a DiskCache to keep them");
  }

  bool is_map() const { return job_->frame().map; }
  bool listened() const { return job_->listened(); }
  bool collects() const { return job_->frame().collects; }
  nb::object cache() const { return cache_object(job_->frame().cache); }
  const std::vector<std::string>& overridden() const { return job_->graph()->overridden_outputs(); }
  const std::vector<std::string>& output_names() const { return job_->selection().output_names; }

  /// The inputs that are the same for all rows.
  nb::dict constants() const {
    nb::dict values;
    for (const auto& [slot, value] : job_->inputs().constants)
      values[name(slot)] = to_python(value);
    return values;
  }

  /// The items of rows [first, first + count), for each input that differs by row.
  nb::dict items(std::int64_t first, std::int64_t count) const {
    const GraphInputs& inputs = job_->inputs();
    nb::dict lists;
    for (std::size_t i = 0; i < inputs.mapped.size(); ++i) {
      const auto& [slot, items] = inputs.mapped[i];
      if (slot < 0) continue;  // counts rows only
      if (inputs.plan.identity) {
        lists[name(slot)] = to_list(items.slice(first, count));
        continue;
      }
      std::vector<std::int64_t> rows;
      for (std::int64_t row = first; row < first + count; ++row) {
        rows.push_back(inputs.plan.inputs[i].item(row));
      }
      lists[name(slot)] = to_list(items.take(rows));
    }
    return lists;
  }

  /// Tells the job's callbacks what a Recorder took where a part runs. From any thread, one at a
  /// time.
  void tell(nb::handle event) {
    const CurrentRun current(run_);
    replay_.tell(event);
  }

  /// Takes what run_part returned for rows [first, first + count).
  void add(std::int64_t first, std::int64_t count, nb::handle outputs, const Statistics& statistics,
           nb::handle failure, nb::handle collected) {
    job_->context().add(Unnamed::renamed(
        statistics, [this](const std::string& name) { return unnamed_.arriving(name); }));
    for (const nb::handle each : collected) {
      Failure row = arrived(each, unnamed_);
      job_->context().add(RowFailure{row.row, row.node, row.around, row.error, row.attempts});
    }
    if (failure.is_none()) {
      job_->add(first, count, columns(outputs));
      return;
    }
    Failure failed = arrived(failure, unnamed_);
    const std::int64_t row = failed.row < 0 ? first : failed.row;
    job_->fail(std::move(failed), row);
  }

 private:
  nb::object name(int slot) const {
    return str_of(job_->graph()->slots()[static_cast<std::size_t>(slot)]);
  }

  std::vector<Column> columns(nb::handle outputs) const {
    const Graph& graph = *job_->graph();
    std::vector<Column> columns;
    for (const nb::handle list : outputs) {
      const int slot = job_->selection().outputs[columns.size()];
      const Type type = slot < graph.root_count() ? Type(Kind::kObject)
                        : collects() && !graph.slot_type(slot).nullable()
                            ? graph.slot_type(slot).optional()
                            : graph.slot_type(slot);
      const nb::object items = owned(PySequence_Tuple(list.ptr()));
      columns.push_back(
          cast_items(&PyTuple_GET_ITEM(items.ptr(), 0), PyTuple_GET_SIZE(items.ptr()), type));
    }
    return columns;
  }

  std::shared_ptr<RowJob> job_;
  Replay replay_;
  Unnamed unnamed_;
  std::shared_ptr<RunState> run_;  ///< Of the thread that began the job.
};

nb::list lists_of(RowJob& job) {
  nb::list lists;
  for (const Pieces& output : job.outputs()) {
    nb::list items;
    for (const Column& piece : output) items.extend(to_list(piece));
    lists.append(items);
  }
  return lists;
}

/// Runs part of a job where it was carried to. `items` is None for a run; else it has lists, or
/// Arrow columns. Returns the arguments of RemoteRows.add: outputs (None on failure), statistics,
/// failure (or None), and those that were collected. What happens goes to the recorder, unless that
/// is null.
nb::tuple run_part(PythonGraph& graph, const nb::dict& constants, nb::handle items,
                   std::int64_t first, std::int64_t count, nb::handle output_name, nb::handle cache,
                   std::shared_ptr<Recorder> recorder, bool collects) {
  const std::shared_ptr<const Plan> plan = graph.plan(output_name);
  MapInputs given;
  for (const Plan::Root& root : plan->roots) {
    PyObject* const value = PyDict_GetItemWithError(constants.ptr(), root.name.ptr());
    if (value != nullptr) given.constants.emplace_back(&root, nb::borrow(value));
    if (items.is_none()) continue;
    PyObject* const list = PyDict_GetItemWithError(items.ptr(), root.name.ptr());
    if (list == nullptr) continue;
    MappedInput& input = given.mapped.emplace_back();
    input.root = &root;
    Column column;
    const bool arrow = import_arrow(list, &column);
    input.items = owned(PySequence_Tuple(arrow ? to_list(column).ptr() : list));
    given.plan.inputs.push_back({count, 1});
  }
  given.plan.rows = count;
  const auto context = std::make_shared<RunContext>(
      cache_of(cache), recorder == nullptr ? Callbacks() : Callbacks{recorder});
  if (collects) context->collect_failures();
  const auto job = std::make_shared<RowJob>(
      graph.graph(), plan->selection, to_graph_inputs(std::move(given)), context,
      make_frame(*graph.graph(), plan->selection, *context, !items.is_none()), Enter(), first);
  run_rows(*job, 0, count);
  context->flush();
  const Unnamed unnamed(*graph.graph());
  const nb::object statistics = nb::cast(Unnamed::renamed(
      context->statistics(), [&](const std::string& name) { return unnamed.leaving(name); }));
  nb::list collected;
  for (const RowFailure& failed : context->statistics().failures) {
    const Failure failure{failed.error,  failed.node, failed.row,
                          failed.around, true,        failed.attempts};
    collected.append(travelling(failure, unnamed));
  }
  if (job->failure()) {
    return nb::make_tuple(nb::none(), statistics, travelling(*job->failure(), unnamed), collected);
  }
  return nb::make_tuple(lists_of(*job), statistics, nb::none(), collected);
}

/// The same for all events that end what another began.
int outcome_of(int kind) {
  switch (static_cast<EventKind>(kind)) {
    case EventKind::kNodeCached:
    case EventKind::kError:
      return static_cast<int>(EventKind::kNodeEnd);
    case EventKind::kMapItemCached:
      return static_cast<int>(EventKind::kMapItemEnd);
    default:
      return kind;
  }
}

}  // namespace

void bind_remote(nb::module_& module) {
  nb::class_<Recorder>(module, "EventRecorder")
      .def(nb::init<>())
      .def("take", &Recorder::take, "The events since the last call, as tuples.");
  module.def("event_outcome", outcome_of, nb::arg("kind"),
             "A recorded event's kind; one kind for all that end the same.");
  nb::class_<RemoteRows>(module, "RemoteRows")
      .def(nb::init<std::shared_ptr<RowJob>>(), nb::arg("job"))
      .def_prop_ro("is_map", &RemoteRows::is_map)
      .def_prop_ro("listened", &RemoteRows::listened)
      .def_prop_ro("collects", &RemoteRows::collects)
      .def_prop_ro("cache", &RemoteRows::cache)
      .def_prop_ro("output_names", &RemoteRows::output_names)
      .def_prop_ro("overridden", &RemoteRows::overridden)
      .def_prop_ro("constants", &RemoteRows::constants)
      .def("items", &RemoteRows::items, nb::arg("first"), nb::arg("count"))
      .def("add", &RemoteRows::add, nb::arg("first"), nb::arg("count"), nb::arg("outputs").none(),
           nb::arg("statistics"), nb::arg("failure").none(), nb::arg("collected"))
      .def("tell", &RemoteRows::tell, nb::arg("event"));
  module.def("run_part", run_part, nb::arg("graph"), nb::arg("constants"), nb::arg("items").none(),
             nb::arg("first"), nb::arg("count"), nb::arg("output_name").none(),
             nb::arg("cache").none(), nb::arg("recorder").none(), nb::arg("collects"));
}

}  // namespace hypernodes::python
