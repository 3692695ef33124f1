// SPDX-License-Identifier: MIT
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/lmdb_environment.hpp"
#include "cache/use_journal.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// A record as the tree keeps it: after the position in the journal where it was last put or used.
/// Of one that would leave most of its last page empty, what fills pages lies in another tree.
struct StampedRecord {
  static constexpr std::size_t kStampBytes = sizeof(std::uint64_t);
  /// In the stamp: there is a rest.
  static constexpr std::uint64_t kHasRest = std::uint64_t{1} << 63;

  std::uint64_t stamp{};
  std::string_view front;  ///< The record, or its first bytes: at least those before the digest.
  bool has_rest = false;

  /// nullopt if these are not the bytes of one.
  static std::optional<StampedRecord> read(const MDB_val& value);
  void write_stamp(void* to) const;
};

/// Puts records together. REQUIRES: closed, or destroyed, before a writing transaction ends.
class WholeRecords {
 public:
  WholeRecords(MDB_txn* transaction, MDB_dbi rests) : transaction_(transaction), rests_(rests) {}

  /// The record under `key`: valid until the next call, and as long as what LMDB returns. What
  /// lacks its rest is no record, and fails the checks of one. Returns an LMDB code.
  int read(MDB_val key, const StampedRecord& found, std::string_view* record);
  void close() { cursor_.close(); }

 private:
  MDB_txn* transaction_;
  MDB_dbi rests_;
  LmdbCursor cursor_;
  std::string joined_;
};

/// The trees of a store within one transaction (docs/formats/record.md): which records there are,
/// in what order they were used, what they take, and which were dropped.
///
/// Every function that returns int returns an LMDB code; after one that is not MDB_SUCCESS the
/// transaction can only be aborted. Numbers read from the file are not trusted: wrong ones may
/// cost records, nothing else.
/// REQUIRES: destroyed, or finish() called, before the transaction ends.
class RecordTrees {
 public:
  static constexpr std::uint64_t kMostTombstones = std::uint64_t{1} << 20;

  RecordTrees(MDB_txn* transaction, const LmdbTrees& trees)
      : transaction_(transaction), trees_(trees), whole_(transaction, trees.rests) {}

  /// To be called first: for_reading() allows the const functions, for_writing() all.
  int for_reading();
  int for_writing();
  /// To be called last, before the commit.
  int finish();

  /// The journal's end, in bytes put since the beginning.
  std::uint64_t clock() const { return state_.clock; }
  std::uint64_t records() const;
  /// What everything takes: pages, but for the room in them that further records will fill.
  std::uint64_t live_bytes() const;
  /// Whether more than half of the journal is about records that were used again later, or dropped.
  bool littered() const;
  int absence(const Digest& key, Absence* reason) const;

  int put(const Digest& key, std::string_view record);
  /// Marks the record as used now, unless it has been since `stamp`.
  int touch(const Digest& key, std::uint64_t stamp);
  /// Drops the record under these bytes of a key if it is there and `condemned`.
  int drop(std::string_view key, const std::function<bool(std::string_view)>& condemned,
           bool* dropped);
  /// Remembers that these were dropped, and forgets the oldest of more than `most` keys.
  int bury(Absence reason, const std::vector<KeyPrefix>& keys, std::uint64_t most);

  /// How far a step of the work below came. It ends after about `at_most` records, so that other
  /// writers wait only briefly.
  struct Step {
    bool done = false;
    std::uint64_t dropped = 0;
  };
  /// Drops the records that were not used for longest, until live_bytes() is within `max_bytes`
  /// with some room to spare.
  int evict(std::uint64_t max_bytes, std::size_t at_most, Step* step);
  /// Drops a node's records, and what is remembered of those that were dropped before.
  int clear_node(const NodePrefix& node, std::size_t at_most, Step* step);
  /// Rids the journal of what is not so any more, from the position `*next` on.
  int compact(std::size_t at_most, std::uint64_t* next, std::uint64_t* kept, Step* step);
  int clear();

 private:
  /// Kept in the main tree. Only clock must be right, and for_writing() sees to that.
  struct State {
    std::uint64_t clock = 0;       ///< Position of the journal's next entry.
    std::uint64_t leaf_bytes = 0;  ///< What records take in leaf pages, without the holes there.
    std::uint64_t uses = 0;        ///< Keys in the journal.
    std::uint64_t tombstones = 0;  ///< Keys in the tree `gone`.
  };

  MDB_stat stat(MDB_dbi tree) const;
  std::size_t leaf_bytes(std::size_t value_bytes) const;
  std::size_t rest_bytes(std::size_t record_bytes) const;
  int use(const Digest& key, std::uint64_t bytes, std::uint64_t* stamp);
  int write_entry();
  int replace_entry(std::uint64_t position, const UseEntry& entry);
  int put_rest(MDB_val key, std::string_view rest);
  int remove_rest(MDB_val key);
  int remove_current(MDB_val key, const MDB_val& value);
  int find_stamped(const KeyPrefix& key, std::uint64_t stamp, MDB_val* name, MDB_val* found);

  MDB_txn* const transaction_;
  const LmdbTrees& trees_;
  State state_;
  std::size_t page_bytes_ = 0;
  LmdbCursor records_, uses_;
  WholeRecords whole_;
  UseEntry entry_;
  std::uint64_t entry_position_ = 0;
};

}  // namespace hypernodes
