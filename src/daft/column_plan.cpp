// SPDX-License-Identifier: MIT
#include "daft/column_plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "daft/inlined.hpp"
#include "daft/native_function.hpp"
#include "daft/query.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::daft {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// The type as if no value in it, at any depth, could be null.
Type without_nulls(const Type& type) {
  switch (type.kind()) {
    case Kind::kList:
      return Type::list(without_nulls(type.element()));
    case Kind::kMap:
      return Type::map(without_nulls(type.fields()[0].type), without_nulls(type.fields()[1].type));
    case Kind::kStruct: {
      std::vector<Field> fields;
      for (const Field& field : type.fields()) {
        fields.push_back({field.name, without_nulls(field.type)});
      }
      return Type::structure(std::move(fields));
    }
    default:
      return type.required();
  }
}

/// A C++ node as a function that Daft calls.
class StepFunction final : public NativeFunction {
 public:
  explicit StepFunction(std::shared_ptr<const ColumnStep> step) : step_(std::move(step)) {}

  Type result_type(std::span<const Type> arguments) const override {
    const std::size_t expected = step_->arguments().size() + step_->literals().size();
    // One more stands for the number of rows, where no argument tells it.
    if (arguments.size() != expected && arguments.size() != expected + 1) {
      throw TypeError("Node '" + step_->name() + "' takes " + std::to_string(expected) +
                      " columns, not " + std::to_string(arguments.size()));
    }
    for (std::size_t i = 0; i < expected; ++i) step_->check_argument(i, arguments[i]);
    const auto& outputs = step_->outputs();
    return outputs.size() == 1 ? outputs.front().type : Type::structure(fields());
  }

  Column call(std::span<const Column> arguments) const override {
    std::int64_t rows = arguments.empty() ? 1 : arguments.front().size();
    for (const Column& argument : arguments) {
      if (argument.size() != 1) rows = argument.size();
    }
    std::vector<Column> outputs = run(arguments, rows);
    if (outputs.size() == 1) return std::move(outputs.front());
    return Column::assemble(Type::structure(fields()), rows, {}, {}, {}, std::move(outputs));
  }

 private:
  std::vector<Column> run(std::span<const Column> arguments, std::int64_t rows) const {
    std::vector<Column> outputs;
    const auto failure = step_->run(arguments, rows, /*first_row=*/0, &outputs);
    if (!failure) return outputs;
    try {
      raise(*failure);
    } catch (const Error& error) {  // a C++ node's is always one
      throw Error(error.message() + " (row " + std::to_string(failure->row) + " of a batch of " +
                  std::to_string(rows) + ")");
    }
  }
  std::vector<Field> fields() const;

  std::shared_ptr<const ColumnStep> step_;
};

std::vector<Field> StepFunction::fields() const {
  std::vector<Field> fields;
  for (const ColumnStep::Slot& output : step_->outputs()) {
    fields.push_back({step_->slot_name(output.slot), output.type});
  }
  return fields;
}

}  // namespace

/// Puts nodes into steps, and steps in order.
class PlanCompiler {
 public:
  PlanCompiler(const std::shared_ptr<const Graph>& graph, const Selection& selection,
               const std::shared_ptr<RunContext>& context, const PlanOptions& options,
               const StepEvents& events)
      : graph_(graph),
        selection_(selection),
        context_(context),
        events_(events),
        own_(options.own) {
    for (const auto& column : options.columns) {
      columns_.emplace(column.slot, Made{column.type, nullptr});
    }
    for (const auto& [slot, value] : options.constants) constants_.emplace(slot, &value);
    for (const auto& hint : options.hints) hints_.emplace(hint.slot, hint.type);
  }

  ColumnPlan compile() {
    for (const int index : selection_.steps) place(index);
    for (const auto& step : steps_) connect(*step);
    std::stable_sort(steps_.begin(), steps_.end(),
                     [](const auto& a, const auto& b) { return a->level_ < b->level_; });
    ColumnPlan plan;
    for (const auto& step : steps_) {
      if (step->outputs_.empty()) find_output(*step);
      for (std::size_t i = 0; i < step->arguments_.size(); ++i) {
        step->check_argument(i, step->arguments_[i].type);
      }
      plan.steps.push_back(
          {step, step->foreign_
                     ? std::string()
                     : define_function(step->name(), std::make_shared<StepFunction>(step))});
    }
    return plan;
  }

 private:
  struct Made {
    Type type;
    ColumnStep* by;  ///< Null: the source.
  };

  const Graph::Step& node(int index) const { return graph_->steps()[at(index)]; }

  static bool is_literal(const Value& value) {
    return value.kind() >= Kind::kBool && value.kind() <= Kind::kString;
  }

  static bool is_foreign(const Node::Definition& definition) {
    const auto object = [](const auto& port) { return port.type.kind() == Kind::kObject; };
    return definition.foreign || definition.nested != nullptr ||
           std::any_of(definition.inputs.begin(), definition.inputs.end(), object) ||
           std::any_of(definition.outputs.begin(), definition.outputs.end(), object);
  }

  /// Puts a node into the step that it fuses with, or a new one.
  void place(int index) {
    const Graph::Step& step = node(index);
    const bool foreign = is_foreign(step.node.definition());
    const int own = own_.empty() ? -1 : own_[at(index)];
    int level = 1;
    for (const int slot : step.inputs) {
      const auto made = columns_.find(slot);
      if (made == columns_.end() || made->second.by == nullptr) continue;
      const ColumnStep& producer = *made->second.by;
      const bool fuses = foreign && producer.foreign_ && own < 0 && producer.own_ < 0;
      level = std::max(level, producer.level_ + (fuses ? 0 : 1));
    }
    ColumnStep& target = step_at(level, foreign, own);
    target.selection_.steps.push_back(index);
    const int outputs = static_cast<int>(step.node.outputs().size());
    for (int i = 0; i < outputs; ++i) {
      const int slot = step.first_output + i;
      columns_.insert_or_assign(slot, Made{output_type(slot, foreign), &target});
    }
  }

  ColumnStep& step_at(int level, bool foreign, int own) {
    if (foreign && own < 0) {
      for (const auto& step : steps_) {
        if (step->foreign_ && step->own_ < 0 && step->level_ == level) return *step;
      }
    }
    auto step = std::make_shared<ColumnStep>();
    step->graph_ = graph_;
    step->context_ = context_;
    step->events_ = events_;
    step->level_ = level;
    step->foreign_ = foreign;
    step->own_ = own;
    steps_.push_back(std::move(step));
    return *steps_.back();
  }

  /// A foreign node's output is what its hint says, else what a C++ node wants to read.
  Type output_type(int slot, bool foreign) const {
    const Type& declared = graph_->slot_type(slot);
    if (!foreign || declared.kind() != Kind::kObject) return declared;
    const auto hint = hints_.find(slot);
    if (hint != hints_.end() && hint->second.kind() != Kind::kObject) return hint->second;
    for (const int index : selection_.steps) {
      const Graph::Step& reader = node(index);
      if (is_foreign(reader.node.definition())) continue;
      for (std::size_t i = 0; i < reader.inputs.size(); ++i) {
        if (reader.inputs[i] == slot) return reader.node.inputs()[i].type;
      }
    }
    return Kind::kObject;
  }

  /// What a step reads from outside, and what others read of it.
  void connect(ColumnStep& step) {
    std::set<int> seen;
    for (const int index : step.selection_.steps) {
      for (const int slot : node(index).inputs) {
        if (!seen.insert(slot).second) continue;
        if (const auto constant = constants_.find(slot); constant != constants_.end()) {
          const Value& value = *constant->second;
          if (is_literal(value) && !step.foreign_) {
            step.literals_.push_back({slot, value.type()});
          } else {
            step.constants_.emplace_back(slot, value);
          }
        } else if (const auto made = columns_.find(slot);
                   made != columns_.end() && made->second.by != &step) {
          const ColumnStep::Slot column = read(step, slot, made->second);
          step.arguments_.push_back(column);
          if (made->second.by != nullptr) add_output(*made->second.by, column);
        }
      }
    }
    for (const int slot : selection_.outputs) {
      const auto made = columns_.find(slot);
      if (made != columns_.end() && made->second.by == &step) {
        add_output(step, {slot, made->second.type});
      }
    }
  }

  /// How a step reads a column. A type may change a value (a tuple becomes a list), so what one
  /// foreign node hands to another stays the object it is.
  ColumnStep::Slot read(const ColumnStep& step, int slot, const Made& made) const {
    const bool typed = made.type.kind() != Kind::kObject || hints_.count(slot) != 0;
    const bool raw = typed && step.foreign_ && made.by != nullptr && made.by->foreign_ &&
                     graph_->slot_type(slot).kind() == Kind::kObject;
    return {slot, raw ? Type(Kind::kObject) : made.type, raw};
  }

  void add_output(ColumnStep& step, const ColumnStep::Slot& added) {
    bool known = false;
    for (const ColumnStep::Slot& output : step.outputs_) {
      if (output.slot != added.slot) continue;
      if (output.raw == added.raw) return;
      known = true;
    }
    step.outputs_.push_back(added);
    if (known) return;
    step.selection_.outputs.push_back(added.slot);
    step.selection_.output_names.push_back(graph_->slots()[at(added.slot)]);
  }

  /// A step that nobody reads, in a selection that asks for no output of it, still runs.
  void find_output(ColumnStep& step) {
    const int slot = node(step.selection_.steps.front()).first_output;
    add_output(step, {slot, columns_.at(slot).type});
  }

  const std::shared_ptr<const Graph>& graph_;
  const Selection& selection_;
  const std::shared_ptr<RunContext>& context_;
  const StepEvents& events_;
  std::map<int, Made> columns_;  ///< By slot.
  std::map<int, const Value*> constants_;
  std::map<int, Type> hints_;
  const std::vector<int>& own_;
  std::vector<std::shared_ptr<ColumnStep>> steps_;
};

ColumnPlan compile(const std::shared_ptr<const Graph>& graph, const Selection& selection,
                   const std::shared_ptr<RunContext>& context, const PlanOptions& options,
                   const StepEvents& events) {
  return PlanCompiler(graph, selection, context, options, events).compile();
}

Frame step_frame(const Graph& graph, const Selection& selection, const RunContext& context) {
  Frame frame = make_frame(graph, selection, context, /*map=*/true);
  frame.item_events = false;
  return frame;
}

std::string ColumnStep::name() const {
  std::string text;
  for (const int index : selection_.steps) {
    text += (text.empty() ? "" : "+") + graph_->steps()[at(index)].node.name();
  }
  return text;
}

std::vector<const Graph::Step*> ColumnStep::nodes() const {
  std::vector<const Graph::Step*> nodes;
  for (const int index : selection_.steps) nodes.push_back(&graph_->steps()[at(index)]);
  return nodes;
}

const std::string& ColumnStep::slot_name(int slot) const { return graph_->slots()[at(slot)]; }

std::string_view ColumnStep::label(int slot) const { return inner_label(slot_name(slot)); }

const std::string& ColumnStep::maker(int slot) const {
  const auto makes = [&](int index) {
    const Graph::Step& step = graph_->steps()[at(index)];
    return slot >= step.first_output &&
           slot < step.first_output + static_cast<int>(step.node.outputs().size());
  };
  const auto& steps = selection_.steps;
  return graph_->steps()[at(*std::find_if(steps.begin(), steps.end(), makes))].node.name();
}

void ColumnStep::check_argument(std::size_t index, const Type& type) const {
  if (foreign_) return;  // takes anything
  const bool column = index < arguments_.size();
  const int slot = column ? arguments_[index].slot : literals_[index - arguments_.size()].slot;
  const Graph::Step& step = graph_->steps()[at(selection_.steps.front())];
  const std::string where = graph_->name().empty() ? "" : "pipeline '" + graph_->name() + "'";
  if (type.kind() == Kind::kObject) {
    throw TypeError(
        "Node '" + step.node.name() + "' is C++ and cannot read the column '" +
            std::string(label(slot)) + "', whose values are no data that C++ nodes know",
        where, "cast the column, give the node that makes it a return hint, or use run or map");
  }
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const Type& wanted = step.node.inputs()[i].type;
    // Every column of Daft may hold nulls; whether one does is seen when it is read.
    if (step.inputs[i] != slot || wanted.accepts(type) || wanted.accepts(without_nulls(type))) {
      continue;
    }
    throw TypeError("Input '" + std::string(label(slot)) + "' is a column of " + type.name() +
                        ", but node '" + step.node.name() + "' takes " + wanted.name(),
                    where, "cast the column, or change the type that the node takes");
  }
}

std::optional<Failure> ColumnStep::run(std::span<const Column> arguments, std::int64_t rows,
                                       std::int64_t first_row, std::vector<Column>* outputs) const {
  const InsideQuery inside;
  const std::shared_ptr<void> entered = events_.enter ? events_.enter() : nullptr;
  Batch batch(*graph_, selection_, rows);
  batch.first_row = first_row;
  for (const auto& [slot, value] : constants_) batch.set_input(slot, value);
  for (std::size_t i = 0; i < arguments_.size() + literals_.size(); ++i) {
    const bool column = i < arguments_.size();
    const int slot = column ? arguments_[i].slot : literals_[i - arguments_.size()].slot;
    if (column && arguments[i].size() == rows) {
      batch.set_input(slot, arguments[i]);
    } else {
      batch.set_input(slot, arguments[i][0]);
    }
  }
  std::optional<Frame> silent;
  if (events_.frame == nullptr) silent = step_frame(*graph_, selection_, *context_);
  const Frame& frame = silent ? *silent : *events_.frame;
  // Of a batch that goes by nodes, events are told when it is done.
  const bool by_rows = !silent && !graph_->waits() && !graph_->has_whole_batch();
  std::optional<Failure> failure =
      execute_batch(batch, frame, *context_, by_rows ? Order::kRows : Order::kNodes);
  for (const Slot& output : outputs_) {
    if (failure) break;
    outputs->push_back(read_output(batch, output.slot, frame, *context_, &failure));
  }
  return failure;
}

}  // namespace hypernodes::daft
