// SPDX-License-Identifier: MIT
#include "kernel/explain.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "graph/nested.hpp"
#include "kernel/code_parts.hpp"
#include "kernel/execution.hpp"
#include "kernel/node_note.hpp"
#include "values/object_runtime.hpp"

// What a run would do, and why: the look-ups of a run, and no more.
namespace hypernodes {
namespace {

/// A node's name; with its outputs, too, if another node of the pipeline is called the same.
std::string path_of(const Graph& graph, const Selection& selection, const Node& node,
                    const std::string& around) {
  const auto same = std::count_if(selection.steps.begin(), selection.steps.end(), [&](int index) {
    return graph.steps()[static_cast<std::size_t>(index)].node.name() == node.name();
  });
  std::string path = around + node.name();
  if (same > 1) {
    std::vector<std::string> outputs;
    for (const NodeOutput& output : node.outputs()) outputs.push_back(output.name);
    path += " -> " + listed(outputs);
  }
  return path;
}

/// Why a node must run always: it, or the first of those inside that must.
std::string told_to_run(const Node& node, const std::string& around = {}) {
  const Node::Definition& definition = node.definition();
  if (!definition.cached || definition.nested == nullptr) {
    return around.empty() ? "it always runs (cache=False)"
                          : "its node " + around + " always runs (cache=False)";
  }
  for (const int index : definition.nested->selection.steps) {
    const Node& inner = definition.nested->graph->steps()[static_cast<std::size_t>(index)].node;
    if (is_cacheable(inner)) continue;
    return told_to_run(inner, around.empty() ? inner.name() : around + "." + inner.name());
  }
  return {};
}

}  // namespace

Explained::Explained(const Graph& graph, const Selection& selection, const std::string& around,
                     SeenKeys& shared)
    : seen(shared) {
  for (const int index : selection.steps) {
    const Node& node = graph.steps()[static_cast<std::size_t>(index)].node;
    Step& step = steps.emplace_back();
    step.node.node = path_of(graph, selection, node, around);
    if (const auto& nested = node.definition().nested) {
      step.inner = std::make_unique<Explained>(*nested->graph, nested->selection,
                                               step.node.node + ".", shared);
    }
  }
}

void Explained::add(NodeExplanation& node, const RowExplanation& answer) {
  std::size_t index = node.rows.empty() ? 0 : node.rows.back();  // as the row before, mostly
  if (index >= node.answers.size() || !(node.answers[index] == answer)) {
    const auto found = std::find(node.answers.begin(), node.answers.end(), answer);
    index = static_cast<std::size_t>(found - node.answers.begin());
    if (found == node.answers.end()) {
      node.answers.push_back(answer);
      node.counts.push_back(0);
    }
  }
  ++node.counts[index];
  node.rows.push_back(static_cast<std::uint32_t>(index));
}

const RowExplanation& Explained::answer(std::size_t step, std::int64_t row) const {
  const NodeExplanation& node = steps[step].node;
  return node.answers[node.rows[first + at(row)]];
}

void Explained::move_to(std::vector<NodeExplanation>& out, bool outermost) {
  for (Step& step : steps) {
    if (!outermost && step.node.rows.empty()) continue;
    out.push_back(std::move(step.node));
    if (step.inner) step.inner->move_to(out, false);
  }
}

Explainer::Explainer(const Graph& graph, const Selection& selection, RunContext& context, bool map)
    : context_(context),
      frame_(make_frame(graph, selection, context, map)),
      explained_(graph, selection, "", seen_) {}

void Explainer::add(Batch& batch) {
  Session session(context_);
  Execution(batch, frame_, context_, session, Order::kNodes).explain(explained_);
  rows_ += batch.rows;
}

Explanation Explainer::finish() {
  Explanation explanation;
  explanation.rows = frame_.map ? rows_ : -1;
  explained_.move_to(explanation.nodes, true);
  return explanation;
}

void Execution::explain(Explained& explained) {
  start_lanes();
  find_varying();
  explained.first = explained.steps.empty() ? 0 : explained.steps.front().node.rows.size();
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    explain_rows(steps_[step], explained, step);
    explain_inner(steps_[step], explained, step);
  }
}

void Execution::explain_rows(StepState& state, Explained& explained, std::size_t step) {
  NodeExplanation& node = explained.steps[step].node;
  std::vector<std::int64_t>& asked = node.asked;
  asked.insert(asked.end(), explained.numbers.begin(), explained.numbers.end());
  if (!state.keys_of) {
    const RowExplanation answer = why_uncached(state);
    for (std::int64_t row = 0; row < batch_.rows; ++row) Explained::add(node, answer);
    return;
  }
  Rows all(at(batch_.rows));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  look_up(state, all);

  KeyTable& seen = explained.seen[frame_.cache];
  const RowExplanation stored{NodeStatus::kHit, Reason::kStored, {}, ""};
  const RowExplanation twin{
      NodeStatus::kWaits, Reason::kSameInputs, {}, "for an earlier row with the same inputs"};
  Rows missed;
  for (const std::int64_t row : all) {
    const bool hit = output_lane(state, 0).state(row) != Lane::State::kEmpty;
    if (!hit && Lane::known(state.keys[at(row)]) && seen.insert(state.keys[at(row)], 0).second) {
      missed.push_back(row);
    }
  }
  std::vector<std::uint32_t> reason_of(at(batch_.rows), 0);  // of the missed rows; 0: of no such
  std::vector<RowExplanation> reasons(1);
  why_missed(state, missed, [&](std::int64_t row, const RowExplanation& reason) {
    auto found = std::find(reasons.begin() + 1, reasons.end(), reason);
    if (found == reasons.end()) found = reasons.insert(reasons.end(), reason);
    reason_of[at(row)] = static_cast<std::uint32_t>(found - reasons.begin());
  });
  for (const std::int64_t row : all) {
    if (output_lane(state, 0).state(row) != Lane::State::kEmpty) {
      Explained::add(node, stored);
    } else if (reason_of[at(row)] != 0) {
      Explained::add(node, reasons[reason_of[at(row)]]);
    } else if (Lane::known(state.keys[at(row)])) {
      Explained::add(node, twin);
    } else {
      Explained::add(node, why_no_key(state, row, explained));
    }
  }
}

RowExplanation Execution::why_uncached(StepState& state) const {
  const Node::Definition& definition = state.node().definition();
  const auto uncached = [](Reason reason, std::string detail) {
    return RowExplanation{NodeStatus::kUncached, reason, {}, std::move(detail)};
  };
  if (!is_cacheable(state.node())) {
    return uncached(Reason::kNotCached, told_to_run(state.node()));
  }
  if (writes_ == nullptr) return uncached(Reason::kNoCache, "there is no cache");
  if (!definition.has_identity) return uncached(Reason::kNoIdentity, unidentified(definition));
  RowExplanation answer = uncached(Reason::kNoDigest, "");
  for (Fixed& bound : state.bound) {
    if (Lane::known(bound.lane.last_digest(0))) continue;
    answer.changed = {bound.name};
    answer.detail = undigested("bound input", bound.name, bound.lane.refusal());
  }
  return answer;
}

RowExplanation Execution::why_no_key(StepState& state, std::int64_t row,
                                     const Explained& explained) {
  std::vector<std::string> causes;
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    Lane& input = input_lane(state, i);
    if (!input.is_set()) continue;
    if (!input.is_rows() || input.state(row) != Lane::State::kEmpty) {
      if (Lane::known(input.digest(row, ChangeClock::now()))) continue;
      const std::string& name = state.node().inputs()[i].name;
      return {NodeStatus::kUncached,
              Reason::kNoDigest,
              {name},
              undigested("input", name, input.refusal())};
    }
    const auto step = static_cast<std::size_t>(producer(state.step->inputs[i]) - steps_.data());
    const RowExplanation& made_by = explained.answer(step, row);
    const std::vector<std::string> self{explained.steps[step].node.node};
    for (const std::string& cause : made_by.reason == Reason::kWaits ? made_by.changed : self) {
      if (std::find(causes.begin(), causes.end(), cause) == causes.end()) causes.push_back(cause);
    }
  }
  std::string detail = "for " + listed(causes);
  return {NodeStatus::kWaits, Reason::kWaits, std::move(causes), std::move(detail)};
}

void Execution::explain_inner(StepState& state, Explained& explained, std::size_t step) {
  Explained* const inner = explained.steps[step].inner.get();
  if (inner == nullptr) return;
  const bool is_map = state.node().definition().nested->is_map();
  Rows entering;
  std::vector<std::int64_t> numbers;
  for (std::int64_t row = 0; row < batch_.rows; ++row) {
    const NodeStatus status = explained.answer(step, row).status;
    if (status != NodeStatus::kMiss && status != NodeStatus::kUncached) continue;
    const auto& slots = state.step->inputs;
    const bool known = std::all_of(slots.begin(), slots.end(), [&](int slot) {
      Value scratch;
      return !lane(slot).is_set() || lane(slot).value(row, scratch) != nullptr;
    });
    if (!known) continue;
    entering.push_back(row);
    if (is_map) continue;
    numbers.push_back(explained.numbers.empty() ? static_cast<std::int64_t>(explained.first) + row
                                                : explained.numbers[at(row)]);
  }
  if (entering.empty()) return;
  inner->numbers = std::move(numbers);
  inner_ = inner;
  std::optional<Failure> failure;  // of a list that is none: the run will say so
  if (is_map) {
    run_nested_map(state, entering, &failure);
  } else {
    run_nested_plain(state, entering, &failure);
  }
  inner_ = nullptr;
}

void Execution::take_note(StepState& state) {
  const auto known = std::find_if(state.keys.begin(), state.keys.end(),
                                  [](const Digest& key) { return Lane::known(key); });
  if (known == state.keys.end()) return;
  const auto row = static_cast<std::int64_t>(known - state.keys.begin());
  find_varying();
  std::vector<bool> constant(state.bound.size(), true);
  for (std::size_t i = 0; i < state.step->inputs.size(); ++i) {
    constant.push_back(is_constant(state, i));
  }
  if (!is_note_due(*frame_.cache, state.node(), constant)) return;
  std::vector<NodeNote::Input> inputs;
  const std::vector<std::string> names = key_names(state);
  const std::vector<Digest> values = key_values(state, row);
  for (std::size_t i = 0; i < names.size(); ++i) {
    inputs.push_back({names[i], constant[i] ? std::optional(values[i]) : std::nullopt});
  }
  const detail::Suspended others_may_run;
  note_node(*frame_.cache, state.node(), std::move(inputs));
}

}  // namespace hypernodes
