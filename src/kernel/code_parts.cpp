// SPDX-License-Identifier: MIT
#include "kernel/code_parts.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "graph/graph.hpp"

namespace hypernodes {
namespace {

using Key = std::pair<std::string, std::string>;  // kind, name

bool is_in(std::string_view kind, std::initializer_list<std::string_view> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

/// Its text says something to a reader.
bool is_version(std::string_view kind) {
  return is_in(kind, {"library", "runtime", "version", "type of output"});
}

/// A part that differs because other parts do.
bool is_whole(std::string_view kind) { return is_in(kind, {"node", "pipeline"}); }

std::map<Key, std::string> by_name(const CodeParts& parts) {
  std::map<Key, std::string> found;
  for (const CodePart& part : parts) {
    std::string& text = found[{part.kind, part.name}];
    text += (text.empty() ? "" : " ") + part.text;
  }
  return found;
}

struct Change {
  std::string kind, name;
  std::string before, now;  ///< Empty: it was not, or is not, there.

  std::string words() const {
    std::string text = kind;
    if (!name.empty()) text += " " + name;
    if (is_in(kind, {"library", "runtime"})) text = name;
    if (before.empty()) return text + (is_version(kind) ? " " + now : "") + " (new)";
    if (now.empty()) return text + " (no longer used)";
    if (is_version(kind)) return text + " " + before + " -> " + now;
    if (is_in(kind, {"node library", "program"})) return text + " (another build)";
    if (kind == "pipeline") return text + " (its nodes or how they are wired)";
    return text;
  }
};

std::vector<Change> changes(const CodeParts& before, const CodeParts& now) {
  const std::map<Key, std::string> old = by_name(before);
  std::vector<Change> found;
  std::map<Key, std::string> gone = old;
  std::set<Key> told;
  const std::map<Key, std::string> present = by_name(now);
  for (const CodePart& part : now) {  // in their order
    const Key key{part.kind, part.name};
    gone.erase(key);
    if (!told.insert(key).second) continue;
    const auto was = old.find(key);
    const std::string& text = present.at(key);
    if (was != old.end() && was->second == text) continue;
    found.push_back({part.kind, part.name, was == old.end() ? "" : was->second, text});
  }
  for (const auto& [key, text] : gone) found.push_back({key.first, key.second, text, ""});
  return found;
}

}  // namespace

CodeParts parts_of(const Node& node) {
  const Node::Definition& definition = node.definition();
  if (definition.code_parts) return definition.code_parts();
  if (definition.nested == nullptr) return {};
  const NestedPipeline& nested = *definition.nested;
  CodeParts all{{"pipeline", node.name(), definition.code.hex()}};
  for (const int index : nested.selection.steps) {
    const Node& inner = nested.graph->steps()[static_cast<std::size_t>(index)].node;
    all.push_back({"node", inner.name(), inner.definition().code.hex()});
    for (CodePart& part : parts_of(inner)) all.push_back(std::move(part));
  }
  // Nodes that read one thing have it once; what is the same of two nodes, such as a default, both.
  CodeParts parts;
  std::map<Key, std::set<std::string>> texts;
  for (CodePart& part : all) {
    std::set<std::string>& seen = texts[{part.kind, part.name}];
    if (seen.insert(part.text).second) parts.push_back(std::move(part));
  }
  return parts;
}

RowExplanation changed_code(const CodeParts& before, const CodeParts& now) {
  std::vector<Change> found = changes(before, now);
  // Digests of code differ between versions of Python, whatever the code.
  const bool runtime = std::any_of(found.begin(), found.end(),
                                   [](const Change& change) { return change.kind == "runtime"; });
  if (runtime) {
    std::erase_if(found,
                  [](const Change& change) { return !is_in(change.kind, {"library", "runtime"}); });
  }
  const auto named = [](const Change& change) { return !is_whole(change.kind); };
  if (std::any_of(found.begin(), found.end(), named)) {
    std::erase_if(found, [&](const Change& change) { return !named(change); });
  } else if (found.size() > 1) {
    std::erase_if(found, [](const Change& change) { return change.kind == "pipeline"; });
  }
  const bool libraries =
      !found.empty() && std::all_of(found.begin(), found.end(), [](const Change& change) {
        return is_in(change.kind, {"library", "runtime"});
      });
  RowExplanation answer{NodeStatus::kMiss, Reason::kCodeChanged, {}, "code changed"};
  if (libraries) {
    answer.reason = Reason::kLibraryChanged;
    answer.detail = "library version changed";
  }
  std::vector<std::string> words;
  for (const Change& change : found) {
    answer.changed.push_back(change.name.empty() ? change.kind : change.name);
    words.push_back(change.words());
  }
  if (!words.empty()) answer.detail += ": " + listed(words);
  return answer;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 6;
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == kMost && names.size() > kMost + 1) {
      return text + " and " + std::to_string(names.size() - kMost) + " more";
    }
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text;
}

}  // namespace hypernodes
