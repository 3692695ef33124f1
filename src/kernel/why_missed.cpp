// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "kernel/code_parts.hpp"
#include "kernel/execution.hpp"
#include "kernel/node_note.hpp"
#include "values/object_runtime.hpp"

// Why the cache does not have a row: the keys that it would have with earlier code, and with
// earlier inputs, are looked up.
namespace hypernodes {

void Execution::why_missed(
    StepState& state, Rows rows,
    const std::function<void(std::int64_t, const RowExplanation&)>& explain) {
  if (rows.empty()) return;
  const auto missed = [](Reason reason, std::string detail) {
    return RowExplanation{NodeStatus::kMiss, reason, {}, std::move(detail)};
  };
  /// Explains the rows for which there is a record under another key; `rows` keeps the others.
  const auto take = [&](const std::function<std::optional<Digest>(std::int64_t)>& key_of,
                        const RowExplanation& answer) {
    Rows asked;
    std::vector<Digest> keys;
    for (const std::int64_t row : rows) {
      const std::optional<Digest> key = key_of(row);
      if (!key) continue;
      asked.push_back(row);
      keys.push_back(*key);
    }
    std::vector<bool> found(at(batch_.rows), false);
    if (!keys.empty()) {
      const detail::Suspended others_may_run;
      frame_.cache->get_many(
          keys, [&](std::size_t index, std::string_view) { found[at(asked[index])] = true; });
    }
    std::erase_if(rows, [&](std::int64_t row) {
      if (found[at(row)]) explain(row, answer);
      return found[at(row)];
    });
  };

  take([&](std::int64_t row) { return std::optional(state.keys[at(row)]); },
       missed(Reason::kDamaged,
              "what is stored is refused: it is damaged, or signed with another key"));
  const RowExplanation evicted = missed(Reason::kEvicted, "evicted: others needed its place");
  const RowExplanation expired = missed(Reason::kExpired, "expired: it was too old");
  std::erase_if(rows, [&](std::int64_t row) {
    const Absence absence = frame_.cache->absence(state.keys[at(row)]);
    if (absence == Absence::kNeverStored) return false;
    explain(row, absence == Absence::kEvicted ? evicted : expired);
    return true;
  });

  std::vector<std::string> outputs;
  for (const NodeOutput& output : state.node().outputs()) outputs.push_back(output.name);
  const NodeNote note = note_of(*frame_.cache, state.node().name());
  const NodeNote::Entry* const entry = note.find(outputs);
  if (entry == nullptr || entry->versions.empty()) {
    for (const std::int64_t row : rows) {
      explain(row, missed(Reason::kNeverComputed, "never computed"));
    }
    return;
  }

  const std::vector<std::string> names = key_names(state);
  const Digest& code = state.node().definition().code;
  const CodeParts parts = rows.empty() ? CodeParts() : parts_of(state.node());
  /// For each input of a version, the place of the same one now. Empty if there is none.
  const auto places_in = [&](const NodeNote::Version& version) {
    std::vector<std::size_t> places;
    for (const std::string& name : version.inputs) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) return std::vector<std::size_t>();
      places.push_back(static_cast<std::size_t>(found - names.begin()));
    }
    return places;
  };
  /// Tries a version of the code, with the values that `replaced` has instead of a row's own.
  const auto attempt = [&](const NodeNote::Version& version,
                           const std::map<std::size_t, Digest>& replaced,
                           const RowExplanation& answer) {
    const std::vector<std::size_t> places = places_in(version);
    if (places.size() != version.inputs.size()) return;
    const KeyMaker keys(version.code);
    take(
        [&](std::int64_t row) -> std::optional<Digest> {
          const std::vector<Digest> values = key_values(state, row);
          std::vector<const Digest*> used;
          bool differs = replaced.empty();
          for (const std::size_t place : places) {
            const auto other = replaced.find(place);
            if (other != replaced.end()) differs |= other->second != values[place];
            used.push_back(other == replaced.end() ? &values[place] : &other->second);
          }
          if (!differs) return std::nullopt;
          return keys.key(used);
        },
        answer);
  };

  const NodeNote::Version* current = nullptr;
  for (const NodeNote::Version& version : entry->versions) {
    if (version.code == code) {
      current = &version;
    } else if (!rows.empty()) {
      attempt(version, {}, changed_code(version.parts, parts));
    }
  }
  // Inputs as they were in the last run, one by one and all together.
  std::vector<std::pair<std::size_t, Digest>> earlier;
  for (const NodeNote::Input& input : entry->inputs) {
    const auto found = std::find(names.begin(), names.end(), input.name);
    if (!input.value || found == names.end()) continue;
    const auto place = static_cast<std::size_t>(found - names.begin());
    if (place < state.bound.size() || is_constant(state, place - state.bound.size())) {
      earlier.emplace_back(place, *input.value);
    }
  }
  const auto described = [&](std::size_t place) {
    if (place < state.bound.size()) return names[place];
    const int slot = state.step->inputs[place - state.bound.size()];
    const StepState* const maker = producer(slot);
    return names[place] + (maker == nullptr ? "" : " (made by " + maker->node().name() + ")");
  };
  const auto is_given = [&](std::size_t place) {
    return place < state.bound.size() ||
           lane(state.step->inputs[place - state.bound.size()]).is_set();
  };
  const auto with_inputs = [&](const NodeNote::Version& version,
                               const std::map<std::size_t, Digest>& replaced) {
    const bool same_code = version.code == code;
    RowExplanation answer =
        same_code ? missed(Reason::kInputChanged, "") : changed_code(version.parts, parts);
    std::vector<std::string> words;
    for (const auto& [place, value] : replaced) {
      if (!same_code && !is_given(place)) continue;  // a default: it is part of the code
      answer.changed.push_back(names[place]);
      words.push_back(described(place));
    }
    if (!words.empty()) {
      answer.detail += (same_code ? "" : "; ") + ("input changed: " + listed(words));
    }
    attempt(version, replaced, answer);
  };
  const NodeNote::Version& newest = entry->versions.front();
  for (const NodeNote::Version* version : {current, current == &newest ? nullptr : &newest}) {
    if (version == nullptr) continue;
    for (const auto& input : earlier) {
      if (!rows.empty()) with_inputs(*version, {input});
    }
    // Which of them differ is the same for all rows: they were asked for because they do not vary.
    std::map<std::size_t, Digest> all;
    for (const auto& [place, value] : earlier) {
      if (!rows.empty() && key_values(state, rows.front())[place] != value)
        all.emplace(place, value);
    }
    if (all.size() > 1) with_inputs(*version, all);
  }
  RowExplanation fresh = missed(Reason::kNewInputs, "never computed for these inputs");
  if (current == nullptr && !rows.empty()) {
    const RowExplanation other = changed_code(newest.parts, parts);
    fresh.changed = other.changed;
    fresh.detail += "; since it last ran, " + other.detail;
  }
  for (const std::int64_t row : rows) explain(row, fresh);
}

}  // namespace hypernodes
