// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {

/// What a cache remembers of the nodes of one name, for explain() and to forget them by name: a few
/// earlier versions of their code, and the inputs that did not vary (docs/formats/note.md).
struct NodeNote {
  struct Version {
    Digest code;
    std::int64_t seen = 0;            ///< When it was first stored, in seconds since 1970.
    std::vector<std::string> inputs;  ///< What keys hold besides the code, in their order.
    CodeParts parts;
  };
  struct Input {
    std::string name;
    std::optional<Digest> value;  ///< Unset: it varied from row to row.
  };
  /// A node, told from others of its name by its outputs.
  struct Entry {
    std::vector<std::string> outputs;
    std::vector<Version> versions;  ///< Newest first.
    std::vector<Input> inputs;      ///< Of a run of the newest version.
  };

  static constexpr std::size_t kVersions = 8;   ///< Of each entry.
  static constexpr std::size_t kEntries = 64;   ///< Of a note.
  static constexpr std::size_t kParts = 4096;   ///< Of a version.
  static constexpr std::size_t kOlder = 4096;   ///< Of a note.
  static constexpr std::size_t kText = 1024;    ///< Bytes of a name or text.
  static constexpr std::size_t kInputs = 1024;  ///< Of a version; and outputs.

  std::vector<Entry> entries;     ///< Last changed first.
  std::vector<NodePrefix> older;  ///< Of versions that were dropped: their records may be there.

  const Entry* find(const std::vector<std::string>& outputs) const;
  /// Makes `version` the newest of the entry with these outputs, which it finds or begins.
  void add(const std::vector<std::string>& outputs, Version version, std::vector<Input> inputs);

  std::string encode() const;
  /// nullopt for anything that encode() does not write.
  static std::optional<NodeNote> parse(std::string_view bytes);
};

/// The note of a node; an empty one if there is none, or it is damaged.
NodeNote note_of(Cache& cache, std::string_view node);

/// Whether a note should be looked at after a node was computed with these inputs `constant`. Often
/// at first, then seldom: a loop of runs should not pay for it. Threads: safe.
bool is_note_due(const Cache& cache, const Node& node, const std::vector<bool>& constant);

/// Writes what was computed down, unless the note says so already. One input that differs from the
/// note's is no reason to write: explain() finds what changed all the same.
void note_node(Cache& cache, const Node& node, std::vector<NodeNote::Input> inputs);

/// Forgets the records, and the note, of all nodes of this name.
void forget_node(Cache& cache, std::string_view node);

}  // namespace hypernodes
