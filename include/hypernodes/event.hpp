// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>
#include <exception>
#include <span>
#include <string>

#include "hypernodes/digest.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

class Node;

enum class EventKind : std::uint8_t {
  kPipelineStart,
  kPipelineEnd,
  kNodeStart,
  kNodeEnd,
  kNodeCached,  ///< A hit: such a node has no start and no end.
  kError,       ///< A node failed: it, then every node that contains its pipeline.
  kNestedStart,
  kNestedEnd,
  kMapStart,
  kMapItemStart,
  kMapItemEnd,
  kMapItemCached,
  kMapEnd,
  kNodeRetry,  ///< An attempt failed, and another one will be made.
};

/// A run of one pipeline inside a run: the outermost has no parent.
struct Scope {
  std::string id;    ///< `pipeline_<...>`
  std::string name;  ///< The pipeline's, or its id.
  const Scope* parent = nullptr;
  std::int64_t row = -1;        ///< The item of the parent's map that this is part of; -1: none.
  std::int64_t nodes = 0;       ///< How many this run needs.
  const void* owner = nullptr;  ///< The graph.
};

/// A thread of a process of a machine: where something happened.
struct Worker {
  std::string host;
  std::int64_t pid = 0;
  std::uint64_t thread = 0;  ///< As std::this_thread::get_id() shows it, and Python's get_ident().

  /// The calling thread. Cost: that of a look at the clock; more in a thread's first call.
  static const Worker& here();
  /// "host/pid/thread".
  std::string to_string() const;
  auto operator<=>(const Worker&) const = default;
};

/// Something that happened in a run. Everything it points to lives during the call only.
struct Event {
  EventKind kind{};
  const Scope* scope = nullptr;
  const Node* node = nullptr;
  std::int64_t row = -1;   ///< Map item, from 0; -1 in a run.
  std::int64_t total = 0;  ///< Map start: items. Node retry: which attempt failed, from 1.
  double seconds = 0;      ///< End events: duration. Node retry: how long until the next attempt.
  const Digest* key = nullptr;
  /// Node start: its arguments. Node end: its outputs. Pipeline start and end: inputs and outputs,
  /// in the order of `names`. Each may be null for a value not given.
  std::span<const Value* const> values;
  std::span<const std::string> names;
  std::exception_ptr error = nullptr;
  /// Of a node's events the one that ran its row, in whichever process that is.
  const Worker* worker = &Worker::here();
};

/// Told of every event of a run. Order on the sequential engine: that of execution; on others rows
/// may interleave, a row's own events do not.
/// Threads: engines other than the sequential one call it from several threads, never at once.
/// Errors:  an exception stops the run and comes out of it.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_event(const Event& event) = 0;
};

}  // namespace hypernodes
