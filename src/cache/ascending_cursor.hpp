// SPDX-License-Identifier: MIT
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cache/lmdb_environment.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// Finds keys in an LMDB tree, one after the other in ascending order.
///
/// Where most records in between are wanted too, it steps from each to the next, which costs a
/// tenth of a search: a map that was cached as a whole reads its records in one sweep.
class AscendingCursor {
 public:
  /// REQUIRES: the transaction reads, and outlives this object.
  int open(MDB_txn* transaction, MDB_dbi tree) { return cursor_.open(transaction, tree); }

  /// The record of `key`, which is not less than the one before. MDB_NOTFOUND, or an LMDB code.
  int find(const Digest& key, MDB_val* record) {
    const std::string_view wanted = to_view(to_val(key));
    int error = MDB_SUCCESS;
    if (state_ == State::kPlaced) error = step_towards(wanted);
    if (error == MDB_SUCCESS && state_ == State::kBehind) error = search(wanted);
    if (error == MDB_NOTFOUND) state_ = State::kAtEnd;
    if (error != MDB_SUCCESS || state_ == State::kAtEnd) return error ? error : MDB_NOTFOUND;
    *record = record_;
    return to_view(key_) == wanted ? MDB_SUCCESS : MDB_NOTFOUND;
  }

 private:
  enum class State {
    kBehind,  ///< Before the first key that is not less than the wanted one.
    kPlaced,  ///< At the first key that was not less than the last one wanted.
    kAtEnd,   ///< No more keys.
  };

  int step_towards(std::string_view wanted) {
    if (to_view(key_) >= wanted) return MDB_SUCCESS;
    for (int steps = allowed_steps(); steps > 0; --steps) {
      const int error = mdb_cursor_get(cursor_.get(), &key_, &record_, MDB_NEXT);
      if (error != MDB_SUCCESS) return error;
      prefetch_page();
      if (to_view(key_) < wanted) continue;
      searches_ = 0;
      return MDB_SUCCESS;
    }
    state_ = State::kBehind;
    return MDB_SUCCESS;
  }

  int search(std::string_view wanted) {
    ++searches_;
    key_ = to_val(wanted);
    const int error = mdb_cursor_get(cursor_.get(), &key_, &record_, MDB_SET_RANGE);
    if (error == MDB_SUCCESS) state_ = State::kPlaced;
    return error;
  }

  /// The records of a page lie in the order in which they came, so the sweep would miss the cache
  /// at each, one after the other.
  void prefetch_page() {
    const auto page = reinterpret_cast<std::uintptr_t>(key_.mv_data) / kPage;
    if (page == page_) return;
    page_ = page;
    const auto* const bytes = reinterpret_cast<const char*>(page * kPage);
    for (std::size_t line = 0; line < kPage; line += kLine) __builtin_prefetch(bytes + line);
  }

  /// As long as it had to search in vain, it tries only now and then.
  int allowed_steps() const { return searches_ == 0 || searches_ % kTryEvery == 0 ? kSteps : 0; }

  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kLine = 64;
  static constexpr int kSteps = 3;
  static constexpr unsigned kTryEvery = 16;

  LmdbCursor cursor_;
  State state_ = State::kBehind;
  unsigned searches_ = 0;  ///< Since a step led to a key.
  MDB_val key_{}, record_{};
  std::uintptr_t page_ = 0;  ///< What was prefetched last.
};

}  // namespace hypernodes
