// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace hypernodes {

/// What a run would do with a row of a node.
enum class NodeStatus : std::uint8_t {
  kHit,       ///< Its result is in the cache.
  kMiss,      ///< It must be computed, and is then stored.
  kWaits,     ///< Something else must run before anybody can say: it may still hit.
  kUncached,  ///< It is computed, whatever the cache holds.
};

/// Why.
enum class Reason : std::uint8_t {
  kStored,          ///< Hit.
  kNeverComputed,   ///< Nothing is known of the node.
  kNewInputs,       ///< The node was computed before, but not for these inputs.
  kCodeChanged,     ///< The same inputs were computed by an earlier version of the code.
  kLibraryChanged,  ///< The same, and nothing but the version of a library differs.
  kInputChanged,    ///< The last run's value of an input would hit.
  kEvicted,         ///< It was stored, until others needed its place.
  kExpired,         ///< It was stored, and is too old.
  kDamaged,         ///< What is stored is not what was put there, or nobody here may open it.
  kWaits,           ///< For nodes that must run first.
  kSameInputs,      ///< For an earlier row, which has the same inputs.
  kNotCached,       ///< The node, or one inside it, was told to run always.
  kNoCache,         ///< There is no cache.
  kNoIdentity,      ///< The node's code has no digest.
  kNoDigest,        ///< An input's value has no digest.
};

/// `hit`, `miss`, `waits`, `uncached`.
std::string_view name_of(NodeStatus status);
/// As `code_changed`.
std::string_view name_of(Reason reason);

/// One answer.
struct RowExplanation {
  NodeStatus status = NodeStatus::kHit;
  Reason reason = Reason::kStored;
  /// What has changed, or is waited for: names of functions, libraries, inputs, nodes.
  std::vector<std::string> changed = {};
  std::string detail = {};  ///< The same in words, as `code changed: helper text.normalise`.

  friend bool operator==(const RowExplanation&, const RowExplanation&) = default;
};

/// The answers for one node. Cost: four bytes a row.
struct NodeExplanation {
  std::string node;                     ///< With the pipelines around it: `inner.embed`.
  std::vector<RowExplanation> answers;  ///< Each once, in the order of their first rows.
  std::vector<std::int64_t> counts;     ///< By answer: how many rows.
  std::vector<std::uint32_t> rows;      ///< By row: its answer.
  /// Inside a pipeline that is a node: the rows that were asked, in order. Empty: all.
  std::vector<std::int64_t> asked;

  /// The answer for a row, null if that was not asked. In a pipeline that is mapped inside another,
  /// rows are items, counted through all lists.
  const RowExplanation* row(std::int64_t row) const;
};

/// What a run or map would do, node by node in execution order; those of a pipeline that is a node
/// follow it, unless it hits. Written to a stream: a line for each node and answer.
struct Explanation {
  std::vector<NodeExplanation> nodes;
  std::int64_t rows = -1;  ///< Of a map; -1 for a run.

  /// Null if there is no such node, or it is not asked.
  const NodeExplanation* find(std::string_view node) const;
};

std::ostream& operator<<(std::ostream& stream, const Explanation& explanation);

}  // namespace hypernodes
