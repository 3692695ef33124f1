// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/row_job.hpp"
#include "graph/graph.hpp"
#include "hypernodes/column.hpp"
#include "kernel/context.hpp"
#include "kernel/execute.hpp"

namespace hypernodes::daft {

/// How the events of a plan are told. Without a frame they are not.
struct StepEvents {
  std::shared_ptr<const Frame> frame = nullptr;  ///< The same for all steps, and all calls.
  Enter enter = {};                              ///< Around each call.
};

/// One function of a column plan: columns in, one column for each output. A C++ node is a step of
/// its own, which Daft calls natively; other nodes that touch are one step, a batch UDF.
/// Threads: run may be called from several at once.
class ColumnStep {
 public:
  /// A slot of the graph as a column. Its type is object if it holds Python objects.
  struct Slot {
    int slot;
    Type type;
    /// Objects as they were made, beside or instead of a typed column: for later foreign steps.
    bool raw = false;
  };

  /// The node's name; those of several joined by `+`.
  std::string name() const;
  /// Steps need columns of lower levels only; the source is level 0.
  int level() const { return level_; }
  /// Whether it is a batch UDF.
  bool foreign() const { return foreign_; }
  /// The caller's number for its node, if that is a step of its own; else -1.
  int own() const { return own_; }
  /// Its nodes, in the order they run.
  std::vector<const Graph::Step*> nodes() const;
  /// Columns it reads, in this order.
  const std::vector<Slot>& arguments() const { return arguments_; }
  /// Root inputs that it is given after the columns, as literals.
  const std::vector<Slot>& literals() const { return literals_; }
  /// Root inputs that it holds, the same for every row.
  const std::vector<std::pair<int, Value>>& constants() const { return constants_; }
  /// Columns it makes for later steps or the caller.
  const std::vector<Slot>& outputs() const { return outputs_; }

  const std::string& slot_name(int slot) const;
  /// What messages call it: what is inside a pipeline has a path there.
  std::string_view label(int slot) const;
  /// The name of the node that makes an output.
  const std::string& maker(int slot) const;

  /// Throws: TypeError naming node and input if a column of this type cannot be read.
  void check_argument(std::size_t index, const Type& type) const;

  /// Runs the nodes on `rows` rows, the first of which is number `first_row`, and appends the
  /// outputs. Arguments, then literals; one that has a single row counts for all.
  std::optional<Failure> run(std::span<const Column> arguments, std::int64_t rows,
                             std::int64_t first_row, std::vector<Column>* outputs) const;

 private:
  friend class PlanCompiler;

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<RunContext> context_;
  StepEvents events_;
  Selection selection_;
  int level_ = 0;
  bool foreign_ = false;
  int own_ = -1;  ///< If it has a number it takes no further nodes.
  std::vector<Slot> arguments_, literals_, outputs_;
  std::vector<std::pair<int, Value>> constants_;
};

/// A pipeline as Daft sees it: functions from columns to columns.
struct ColumnPlan {
  struct Step {
    std::shared_ptr<const ColumnStep> step;
    std::string function;  ///< Its name in Daft; empty for a batch UDF.
  };
  std::vector<Step> steps;  ///< By level.
};

/// What is known of root inputs and of foreign nodes' outputs.
struct PlanOptions {
  std::vector<ColumnStep::Slot> columns;  ///< Root inputs that are columns of the source.
  /// Types of foreign nodes' outputs; others are objects. Object: Python makes the column.
  std::vector<ColumnStep::Slot> hints;
  /// Root inputs that are the same for every row: numbers and text become literals of C++ nodes,
  /// others are kept in the steps.
  std::vector<std::pair<int, Value>> constants;
  /// For each step of the graph its number, if it is to be a step of its own, or -1. Empty: none
  /// is.
  std::vector<int> own = {};
};

/// The frame of a plan's steps: their rows are items of a map that tells of its nodes only.
Frame step_frame(const Graph& graph, const Selection& selection, const RunContext& context);

/// Throws: TypeError if a column does not fit the C++ node that reads it.
ColumnPlan compile(const std::shared_ptr<const Graph>& graph, const Selection& selection,
                   const std::shared_ptr<RunContext>& context, const PlanOptions& options,
                   const StepEvents& events = {});

}  // namespace hypernodes::daft
